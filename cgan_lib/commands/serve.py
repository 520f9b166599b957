"""`cgan serve`"""

from itertools import chain

from tyro.conf import UseAppendAction

from cgan_lib.commands.arguments import Source
from cgan_lib.runs import open_source
from cgan_lib.service import serve

Several = UseAppendAction[tuple[tuple[str, ...], ...]]  # `--name a b --name c`: all three


def command(
    source: Source,
    host: str = "127.0.0.1",
    port: int = 8000,
    allow_host: Several = (),
    allow_origin: Several = (),
    root_path: str = "",
) -> None:
    """A page, and an HTTP service, that make the images asked for; Ctrl-C stops it.

    Args:
        host: who can reach it: 127.0.0.1 this machine alone, 0.0.0.0 the whole network
        port: 0 takes one that is free
        allow_host: names, besides --host, that it may be reached by, such as that of a proxy; '*' for every name
        allow_origin: pages elsewhere that may ask it, by origin, such as https://a.org; '*' for every page
        root_path: where a proxy puts it, such as /digits
    """
    generator, name, _ = open_source(source)
    names, origins = (tuple(chain(*given)) for given in (allow_host, allow_origin))
    serve(generator, name, host, port, names, origins, root_path)
