"""Files that are there whole or not at all, and the one way to write a picture or an animation."""

import io
import os
from itertools import pairwise
from pathlib import Path

from torch import Tensor

from cgan_lib.errors import UserError
from cgan_lib.paths import make_folder


def write_atomically(target: Path, content: bytes | memoryview) -> None:
    """Write beside the target, force it to the disk, then rename: a reader sees the old file or the whole new one."""
    partial = target.with_name(f".{target.name}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UserError(f"cannot write {target} ({error.strerror}): free space there, or set CGAN_HOME.") from error


def first_line(error: BaseException) -> str:
    """What an error says, short enough to stand inside another message."""
    return str(error).strip().split("\n")[0][:120] or type(error).__name__


def png(picture: Tensor, scale: int = 2) -> bytes:
    """A picture uint8 (3,H,W) as PNG; each pixel is drawn `scale` times as large, for the screens of today."""
    from PIL import Image

    large = picture.repeat_interleave(scale, dim=1).repeat_interleave(scale, dim=2)
    buffer = io.BytesIO()
    Image.fromarray(large.permute(1, 2, 0).numpy()).save(buffer, "PNG")
    return buffer.getvalue()


def save_gif(
    pictures: list[Tensor], path: str | Path, *, seconds: float = 4.0, there_and_back: bool = True, scale: int = 2
) -> Path:
    """Write pictures uint8 (3,H,W), such as `tile` makes, as an endless animation; one round lasts `seconds`.

    `there_and_back` goes back the same way, so that no jump is seen. `UserError` for another ending than .gif, or fewer
    than two pictures.
    """
    from PIL import Image

    path = Path(path)
    if path.suffix != ".gif":
        raise UserError(f"{path} must end in .gif.")
    if len(pictures) < 2:
        raise UserError(f"an animation needs two pictures or more, got {len(pictures)}.")
    frames = [
        Image.fromarray(p.permute(1, 2, 0).numpy()).resize((scale * p.shape[2], scale * p.shape[1]), Image.NEAREST)
        for p in (pictures + pictures[-2:0:-1] if there_and_back else pictures)
    ]
    buffer = io.BytesIO()
    # A GIF counts in hundredths of a second, and browsers slow down what shows a picture for less than two
    ends = [round(100 * seconds * number / len(frames)) for number in range(len(frames) + 1)]
    duration = [max(10 * (end - start), 20) for start, end in pairwise(ends)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=duration, loop=0)
    make_folder(path.parent)
    write_atomically(path, buffer.getvalue())
    return path
