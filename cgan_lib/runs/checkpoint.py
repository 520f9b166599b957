"""Checkpoints that survive a kill at any moment."""

import io
import warnings
from pathlib import Path

import torch

from cgan_lib.files import first_line, write_atomically
from cgan_lib.paths import make_folder, short

KEEP = 2  # the newest checkpoint and, should it be damaged, the one before


def save_checkpoint(folder: Path, state: dict, step: int) -> Path:
    """Write `step_<step>.pt` so that it is there whole or not at all, and drop all but the newest two."""
    make_folder(folder)
    target = folder / f"step_{step:08d}.pt"
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(target, buffer.getbuffer())
    for old in checkpoints(folder)[:-KEEP]:
        old.unlink()
    return target


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints of a folder, oldest first."""
    return sorted(folder.glob("step_*.pt"))


def load_newest(folder: Path, *, set_damaged_aside: bool = False) -> dict | None:
    """The newest readable checkpoint, on the CPU; None when there is none. A damaged one is skipped with a warning.

    `set_damaged_aside` renames damaged ones, so that they are not counted among those to keep.
    """
    for path in reversed(checkpoints(folder)):
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except (FileNotFoundError, MemoryError, PermissionError):
            raise  # says nothing about the file
        except Exception as error:  # a damaged file can raise almost anything
            warnings.warn(
                f"{short(path)} is damaged ({first_line(error)}): falling back to the one before, if there is one.",
                stacklevel=2,
            )
            if set_damaged_aside:
                path.rename(path.with_suffix(".damaged"))
    return None
