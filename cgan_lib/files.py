"""Files that are there whole or not at all, and the one way to write a picture or an animation."""

import errno
import io
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from filelock import FileLock, Timeout
from torch import Tensor

from cgan_lib.errors import UserError
from cgan_lib.paths import make_folder

# What file systems say that know no locks, as some on a network do
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


def write_atomically(target: Path, content: bytes | memoryview) -> None:
    """Write beside the target, force it to the disk, then rename: a reader sees the old file or the whole new one.

    Every write has a partial file of its own, so that two at once do not tear each other's: the later one stays.
    """
    partial = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    except OSError as error:
        raise unwritable(target, error) from error
    finally:
        partial.unlink(missing_ok=True)  # gone already, if all went well


def unwritable(target: Path, error: OSError) -> UserError:
    """The error for a file that the disk does not take."""
    return UserError(f"cannot write {target} ({error.strerror or error}): free space there, or set CGAN_HOME.")


def remove_partials(folder: Path) -> None:
    """Clear what killed processes left half written in `folder`; only for who is its sole writer."""
    for partial in folder.glob(".*-*.partial"):  # a staged folder has no process number
        partial.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, busy: str = "") -> Iterator[bool]:
    """Hold the lock file `path`; waits while another process has it, or says `busy` as a `UserError`.

    Gives whether the file system knows locks; where it knows none, the block runs all the same.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0 if busy else -1)
    except Timeout as error:
        raise UserError(busy) from error
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            raise unwritable(path, error) from error
    try:
        yield lock.is_locked
    finally:
        lock.release()  # nothing, if it was not locked


@contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """A folder to fill, which takes the place of `target` when the block ends well; else `target` is left as it was."""
    partial, old = (target.with_name(f".{target.name}.{what}") for what in ("partial", "old"))
    if old.exists() and not target.exists():  # a process was killed between the two renamings below
        old.rename(target)
    for left in (partial, old):
        shutil.rmtree(left, ignore_errors=True)
    make_folder(partial)
    try:
        yield partial
        if target.exists():  # Windows renames nothing onto a folder
            target.rename(old)
        partial.rename(target)
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        for left in (partial, old):
            shutil.rmtree(left, ignore_errors=True)


def first_line(error: BaseException) -> str:
    """What an error says, short enough to stand inside another message."""
    return str(error).strip().split("\n")[0][:120] or type(error).__name__


def png(picture: Tensor, scale: int = 2, *, quick: bool = False) -> bytes:
    """A picture uint8 (3,H,W), or grey (1,H,W), as PNG; each pixel is drawn `scale` times as large, for large screens.

    `quick`: in half the time, with a sixth more bytes, for what is looked at once.
    """
    from PIL import Image

    large = picture.repeat_interleave(scale, dim=1).repeat_interleave(scale, dim=2)
    pixels = large.permute(1, 2, 0).numpy()  # (height, width, C)
    buffer = io.BytesIO()
    image = Image.fromarray(pixels[:, :, 0] if len(picture) == 1 else pixels)
    image.save(buffer, "PNG", compress_level=1 if quick else -1)
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
        Image.fromarray(p.permute(1, 2, 0).numpy()).resize(
            (scale * p.shape[2], scale * p.shape[1]), Image.Resampling.NEAREST
        )
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
