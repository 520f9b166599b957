"""Pictures made ready once and kept as one safetensors file, which is mapped into memory, not read.

So a set larger than the memory trains, too: only the pages of a batch are in it.
"""

import hashlib
import json
import os
import secrets
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from cgan_lib.data.collection import Collection, Item
from cgan_lib.data.images import fingerprint_of
from cgan_lib.data.pictures import Fit, Unreadable, read_picture
from cgan_lib.errors import UserError, printable
from cgan_lib.files import locked, remove_partials, unwritable
from cgan_lib.paths import make_folder

VERSION = 2  # of how pictures are made ready: another makes them anew
FEW = 500  # pictures that are read before a progress bar would be seen
NAMED = 5  # of the files that could not be read
AT_ONCE = 512  # pictures that are in memory at a time
PIECE = 2**22  # bytes that are hashed at a time
HEAD = 1024  # bytes for what safetensors has in front, but for the names of the classes
GREY = np.array([299, 587, 114]).reshape(3, 1, 1)  # ITU-R 601, as PIL has it


@dataclass(frozen=True)
class Prepared:
    """Square pictures: `images` uint8 (N,C,size,size) of those to train with first, `labels` (N,), how many train."""

    images: Tensor
    labels: Tensor
    training: int
    fingerprints: Sequence[str]
    """of those to train with, and of those to test with"""
    class_names: Sequence[str]


def prepare(collection: Collection, name: str, size: int, fit: Fit, grey: bool, folder: Path) -> Prepared:
    """The pictures of a collection at `size`×`size`, from the file in `folder` that holds them, or made now.

    A file that cannot be read is left out, with a warning that names it; `UserError` when none can. One channel, if no
    picture has colours or `grey` is asked for.
    """
    facts = f"{VERSION} {collection.state} {size} {fit} {grey}"
    path = folder / f"{name}-{size}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}.safetensors"
    if ready := _open(path):
        return ready
    make_folder(folder)
    with locked(folder / ".lock") as alone:
        if alone:
            remove_partials(folder)
        if ready := _open(path):  # another process was at it
            return ready
        _make(path, collection, name, size, fit, grey)
        for other in folder.glob(f"{name}-{size}-{'?' * 12}.safetensors"):
            if other != path:
                with suppress(OSError):  # Windows keeps a file that is mapped
                    other.unlink(missing_ok=True)  # of pictures that were changed since
    ready = _open(path)
    assert ready
    return ready


def _open(path: Path) -> Prepared | None:
    """What a file holds; None when there is none, or it was cut off."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["facts"])
            return Prepared(file.get_tensor("images"), file.get_tensor("labels"), **facts)
    except Exception:  # safetensors has several
        return None


def _make(path: Path, collection: Collection, name: str, size: int, fit: Fit, grey: bool) -> None:
    """Write the file beside its place, then rename it: it is there whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    start = _head_bytes(collection.class_names) + 8 * len(collection.items)  # of the pictures, behind the labels
    channels = 1 if grey else 3
    try:
        _check_room(path, start + len(collection.items) * channels * size**2)
        with open(partial, "w+b") as file:
            file.seek(start)
            kept, coloured = _write_pictures(file, collection.items, name, size, fit, grey)
            if channels == 3 and not coloured:
                channels = 1
                _drop_colours(file, start, len(kept), size)
            _write_front(file, collection.class_names, kept, start, (channels, size, size))
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        partial.unlink(missing_ok=True)


def _check_room(path: Path, needed: int) -> None:
    """`UserError` when the disk is too small: better now than after an hour."""
    if (free := shutil.disk_usage(path.parent).free) < needed:
        raise UserError(
            f"making {path.name} ready takes {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free in {path.parent}: "
            "free space there, set CGAN_HOME, or take a smaller image_size."
        )


def _write_pictures(
    file: BinaryIO, items: Sequence[Item], name: str, size: int, fit: Fit, grey: bool
) -> tuple[list[Item], bool]:
    """Write the pixels of every picture that can be read: which these are, and whether any has colours."""
    from tqdm.auto import tqdm

    def read(item: Item) -> np.ndarray | str:
        try:
            pixels = read_picture(item.source, size, fit)  # (3, size, size)
        except Unreadable as error:
            return f"{item.key} ({error})"
        return _as_grey(pixels) if grey else pixels

    kept, failures, coloured = [], [], False
    reading = tqdm(_in_threads(read, items), name, len(items), unit="picture", disable=len(items) < FEW)
    for item, pixels in zip(items, reading, strict=True):
        if isinstance(pixels, str):
            failures.append(pixels)
            continue
        kept.append(item)
        coloured = coloured or not (pixels == pixels[0]).all()
        file.write(pixels.tobytes())
    _tell(name, failures, len(items))
    return kept, coloured


def _in_threads(read: Callable[[Item], np.ndarray | str], items: Sequence[Item]) -> Iterator[np.ndarray | str]:
    """What `read` makes of each item, in their order, and not many at a time."""
    with ThreadPoolExecutor() as threads:
        try:
            for start in range(0, len(items), AT_ONCE):
                yield from threads.map(read, items[start : start + AT_ONCE])
        finally:
            threads.shutdown(cancel_futures=True)  # who interrupts does not wait for all the other pictures


def _as_grey(pixels: np.ndarray) -> np.ndarray:
    """uint8 (3, H, W) → (1, H, W)."""
    return (((pixels * GREY).sum(0, keepdims=True) + 500) // 1000).astype(np.uint8)


def _tell(name: str, failures: list[str], count: int) -> None:
    if len(failures) == count:
        raise UserError(f"{name}: none of its {count} pictures can be read, {failures[0]} for one: save them as PNG.")
    if failures:
        more = f" and {len(failures) - NAMED} more" if len(failures) > NAMED else ""
        listed = printable(", ".join(failures[:NAMED]))
        warnings.warn(f"{name}: {len(failures)} of {count} pictures were left out: {listed}{more}.", stacklevel=7)


def _drop_colours(file: BinaryIO, start: int, count: int, size: int) -> None:
    """Keep one of three equal channels of every picture, in the same place."""
    for first in range(0, count, AT_ONCE):
        number = min(AT_ONCE, count - first)
        file.seek(start + 3 * first * size**2)
        pixels = np.frombuffer(file.read(3 * number * size**2), np.uint8).reshape(number, 3, size, size)
        file.seek(start + first * size**2)  # never beyond what was read
        file.write(pixels[:, 0].tobytes())
    file.truncate(start + count * size**2)


def _write_front(file: BinaryIO, names: Sequence[str], kept: Sequence[Item], start: int, shape: Sequence[int]) -> None:
    """Write the labels and, in front of all, what lies where, as safetensors has it; the pictures are there."""
    labels = torch.tensor([item.label for item in kept], dtype=torch.int64)
    training, pixels = sum(item.train for item in kept), prod(shape)  # shape: of one picture
    file.seek(start)
    fingerprints = [
        fingerprint_of((len(part), *shape), part, _pieces(file, len(part) * pixels))
        for part in (labels[:training], labels[training:])
    ]
    facts = dict(training=training, fingerprints=fingerprints, class_names=names)
    end, room = 8 * len(kept), start - _head_bytes(names)
    head = {
        "__metadata__": {"facts": json.dumps(facts)},
        "labels": {"dtype": "I64", "shape": [len(kept)], "data_offsets": [0, end]},
        "left out": {"dtype": "U8", "shape": [room - end], "data_offsets": [end, room]},  # no gap is allowed
        "images": {"dtype": "U8", "shape": [len(kept), *shape], "data_offsets": [room, room + len(kept) * pixels]},
    }
    text = json.dumps(head).encode().ljust(_head_bytes(names) - 8)
    file.seek(0)
    file.write(len(text).to_bytes(8, "little") + text + labels.numpy().tobytes())


def _head_bytes(names: Sequence[str]) -> int:
    """How much is kept free for the head: a multiple of 8, for the labels behind it."""
    return HEAD + 8 * len(json.dumps(json.dumps(names)))


def _pieces(file: BinaryIO, length: int) -> Iterator[bytes]:
    """The next bytes of a file, some at a time."""
    for done in range(0, length, PIECE):
        yield file.read(min(PIECE, length - done))
