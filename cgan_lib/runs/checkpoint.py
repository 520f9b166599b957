"""Checkpoints that survive a kill at any moment, and tell when a single bit of them was changed."""

import hashlib
import io
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from cgan_lib.errors import UserError
from cgan_lib.files import first_line, write_atomically
from cgan_lib.paths import make_folder, short

KEEP = 2  # the newest checkpoint and, should it be damaged, the one before
NAME = re.compile(r"step_([0-9]{8,})\.pt")
SEAL = b"sha-256:"  # what PyTorch writes is a ZIP archive; its comment is this and the digest of all bytes before it


def save_checkpoint(folder: Path, state: dict[str, Any], step: int) -> Path:
    """Write `step_<step>.pt` so that it is there whole or not at all, and drop all but the newest two."""
    make_folder(folder)
    target = folder / f"step_{step:08d}.pt"
    buffer = io.BytesIO()
    torch.save(state, buffer)
    _seal(buffer)
    write_atomically(target, buffer.getbuffer())
    for old in checkpoints(folder)[:-KEEP]:
        old.unlink(missing_ok=True)
    return target


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints of a folder, oldest first. Files of other names are a person's own."""
    steps = {path: int(match[1]) for path in folder.glob("step_*.pt") if (match := NAME.fullmatch(path.name))}
    return sorted(steps, key=steps.__getitem__)


def load_newest(folder: Path, *, set_damaged_aside: bool = False) -> dict[str, Any] | None:
    """The newest whole checkpoint, on the CPU; None when there is none at all.

    One that its checksum proves damaged is skipped with a warning; `set_damaged_aside` also renames it, so that it is
    not counted among those to keep. `UserError`, and every file stays as it is, when a checkpoint cannot be read for
    any other reason, which may pass, or when all of them are damaged.
    """
    damaged: list[Path] = []
    for path in reversed(checkpoints(folder)):
        content = _read(path)
        if reason := _damage(content):
            damaged.append(path)
            warnings.warn(
                f"{short(path)} is damaged ({reason}): falling back to the one before, if there is one.", stacklevel=2
            )
            continue
        state = _unpickle(content, path)
        if set_damaged_aside:
            for one in damaged:
                one.replace(one.with_suffix(".damaged"))
        return state
    if damaged:
        raise UserError(
            f"every checkpoint in {short(folder)} is damaged: bring one back from a copy, or give another run name "
            "to start anew."
        )
    return None


def _seal(archive: io.BytesIO) -> None:
    """Add the digest to a ZIP archive, as its comment: it stays one that `torch.load` reads."""
    archive.seek(-2, io.SEEK_END)  # an archive ends with the length of its comment, so far 0
    archive.write((len(SEAL) + hashlib.sha256().digest_size).to_bytes(2, "little"))
    digest = hashlib.sha256(archive.getvalue()).digest()
    archive.write(SEAL + digest)


def _damage(content: bytes) -> str:
    """What proves that the content of a checkpoint is not what was written; empty when it is."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if comment := archive.comment:
                sealed = hashlib.sha256(memoryview(content)[: -len(comment)]).digest()
                return "" if comment == SEAL + sealed else "its checksum does not fit"
            # written before there were seals: each part has a sum, though torch.load does not look at it
            part = archive.testzip()
            return f"the checksum of {part} does not fit" if part else ""
    except MemoryError:
        raise
    except Exception as error:  # the remains of an archive can raise almost anything; all is in memory: no disk can
        return first_line(error)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, MemoryError) as error:
        raise _unreadable(path, error) from error


def _unpickle(content: bytes, path: Path) -> dict[str, Any]:
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # its checksum is right: this says nothing against the file
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(f"{short(path)} cannot be read ({first_line(error)}): nothing was changed, try again.")
