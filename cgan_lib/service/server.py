"""The service as a process: listen, serve, stop cleanly."""

import gc
import os
import signal
import socket
from collections.abc import Sequence

import torch
import uvicorn
from starlette.types import ASGIApp

from cgan_lib.errors import UserError
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.service.address import BelowPath, KnownHosts, check_hosts, is_everywhere, shared_with
from cgan_lib.service.app import create_app
from cgan_lib.service.guard import Connection
from cgan_lib.service.real import real_sheet

GRACE = 10  # seconds that requests under way have left when the service is stopped


def serve(
    generator: ConditionalGenerator,
    name: str,
    host: str = "127.0.0.1",
    port: int = 8000,
    allow_hosts: Sequence[str] = (),
    allow_origins: Sequence[str] = (),
    root_path: str = "",
) -> None:
    """Serve a generator until Ctrl-C or SIGTERM, then finish what is under way; `port` 0 takes one that is free.

    Prints one line with the address. Belongs into the main thread of a process of its own: sets how many threads torch
    uses. It answers requests to localhost, to `host` and to `allow_hosts`, see `KnownHosts`; pages of `allow_origins`
    may ask from a browser; a proxy may put it below `root_path`. `UserError` when it cannot listen there.
    """
    check_hosts(allow_hosts)
    with _listen(host, port) as listener:
        torch.set_num_threads(max((os.cpu_count() or 1) - 1, 1))  # the event loop needs a core too
        app = shared_with(create_app(generator, name, real=real_sheet(generator)), allow_origins)
        server = _server(KnownHosts(BelowPath(app, root_path), host, allow_hosts))
        for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises them again at its end: not to die of them then
            signal.signal(number, server.handle_exit)
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}"
        print(f"{name} at {address} (the page) and {address}/docs (the interface); Ctrl-C stops it", flush=True)
        gc.freeze()  # looking again and again through all that torch has loaded stops everything for 0.1 s
        server.run(sockets=[listener])
        gc.unfreeze()  # else extensions of torch complain at the exit


def _server(app: ASGIApp) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        log_level="error",  # what clients do wrong is no news
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )
    return uvicorn.Server(config)


def _listen(host: str, port: int) -> socket.socket:
    """`UserError` where that cannot be, and for what means every address without saying so, such as "" or "0"."""
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).split(" (while ")[0]
        raise UserError(f"cannot listen on {host}:{port} ({reason}): choose another --host or --port.") from error
    if is_everywhere(listener.getsockname()[0]) and not is_everywhere(host):
        listener.close()
        raise UserError(
            f"--host {host!r} would listen on every address: 127.0.0.1 is for this machine alone, 0.0.0.0 for the "
            "whole network."
        )
    return listener
