"""`cgan export`"""

from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from cgan_lib.commands.arguments import Source
from cgan_lib.errors import UserError
from cgan_lib.paths import check_path
from cgan_lib.publish import export_onnx, publish
from cgan_lib.runs import open_source
from cgan_lib.studio.latent import slider_directions


def command(source: Source, target: Annotated[Positional[Path], tyro.conf.arg(metavar="TARGET")]) -> None:
    """Write a folder to publish, or one ONNX file.

    Args:
        target: a new folder, for weights, source, card and samples; or a new .onnx, which draws without PyTorch
    """
    as_onnx = target.name.lower().endswith(".onnx")  # .ONNX is no folder that anybody means
    if as_onnx and check_path(target).exists():
        raise UserError(f"{target} exists: name a new file, nothing is overwritten.")
    generator, name, run = open_source(source)
    if as_onnx:
        print(export_onnx(generator, target, name=name, directions=slider_directions(generator)))
    else:
        folder = publish(run or generator, target)
        print(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")
