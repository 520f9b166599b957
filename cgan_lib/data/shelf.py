"""Pictures made ready once and kept as one safetensors file, which is mapped into memory, not read.

So a set larger than the memory trains, too: only the pages of a batch are in it.
"""

import hashlib
import json
import os
import secrets
import shutil
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cgan_lib.data.collection import Collection, Item
from cgan_lib.data.pictures import Fit, Unreadable, read_picture
from cgan_lib.errors import UserError, printable
from cgan_lib.files import unwritable
from cgan_lib.paths import make_folder

VERSION = 1  # of how pictures are made ready: another makes them anew
FEW = 500  # pictures that are read before a progress bar would be seen
NAMED = 5  # of the files that could not be read
AT_ONCE = 2**22  # numbers of the pictures that are written at a time


@dataclass(frozen=True)
class Prepared:
    """Square pictures: `images` uint8 (N,C,size,size) of those to train with first, `labels` (N,), how many train."""

    images: Tensor
    labels: Tensor
    training: int


def prepare(collection: Collection, name: str, size: int, fit: Fit, grey: bool, folder: Path) -> Prepared:
    """The pictures of a collection at `size`×`size`, from the file in `folder` that holds them, or made now.

    A file that cannot be read is left out, with a warning that names it; `UserError` when none can. One channel, if no
    picture has colours or `grey` is asked for.
    """
    facts = f"{VERSION} {collection.state} {size} {fit} {grey}"
    path = folder / f"{name}-{size}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}.safetensors"
    if not path.is_file():
        make_folder(folder)
        _make(path, collection, name, size, fit, grey)
        for other in folder.glob(f"{name}-{size}-*.safetensors"):
            longer = "-" in other.stem[len(f"{name}-{size}-") :]  # of another set, whose name goes on
            if other != path and not longer:
                with suppress(OSError):  # Windows keeps a file that is mapped
                    other.unlink(missing_ok=True)  # of pictures that were changed since
    try:
        return _open(path)
    except Exception:  # of safetensors: a file that was cut off, or is none
        path.unlink()
        _make(path, collection, name, size, fit, grey)
        return _open(path)


def _open(path: Path) -> Prepared:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        training = int(file.metadata()["training"])
        return Prepared(file.get_tensor("images"), file.get_tensor("labels"), training)


def _make(path: Path, collection: Collection, name: str, size: int, fit: Fit, grey: bool) -> None:
    """Write the file beside its place, then rename it: it is there whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    shape = (len(collection.items), 3, size, size)
    try:
        _check_room(path, prod(shape))
        raw = np.memmap(partial, np.uint8, "w+", shape=shape)
        good, coloured = _fill(raw, collection, name, size, fit)
        _save(path, raw, good, collection, 1 if grey or not coloured else 3)
        del raw  # Windows removes no file that is mapped
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with suppress(OSError):  # mapped still, where something went wrong
            partial.unlink(missing_ok=True)


def _check_room(path: Path, needed: int) -> None:
    """`UserError` when the disk is too small: writing into a mapped file there would end the process without a word."""
    if (free := shutil.disk_usage(path.parent).free) < needed:
        raise UserError(
            f"making {path.name} ready takes {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free in {path.parent}: "
            "free space there, set CGAN_HOME, or take a smaller image_size."
        )


def _fill(raw: np.ndarray, collection: Collection, name: str, size: int, fit: Fit) -> tuple[np.ndarray, bool]:
    """Read every picture into its row: which rows hold one, and whether any has colours."""
    from tqdm.auto import tqdm

    good, coloured = np.zeros(len(raw), dtype=bool), False
    failures = []

    def read(row: int, item: Item) -> tuple[int, bool, str]:
        try:
            raw[row] = pixels = read_picture(item.source, size, fit)
            return row, bool((pixels[0] != pixels[1]).any() or (pixels[1] != pixels[2]).any()), ""
        except Unreadable as error:
            return row, False, f"{item.key} ({error})"

    with ThreadPoolExecutor() as threads:
        reading = threads.map(read, range(len(raw)), collection.items)
        try:
            for row, has_colours, failed in tqdm(reading, name, len(raw), unit="picture", disable=len(raw) < FEW):
                good[row], coloured = not failed, coloured or has_colours
                failures += [failed] if failed else []
        finally:
            threads.shutdown(cancel_futures=True)  # who interrupts does not wait for all the other pictures
    _tell(name, failures, len(raw))
    return good, coloured


def _tell(name: str, failures: list[str], count: int) -> None:
    if len(failures) == count:
        raise UserError(f"{name}: none of its {count} pictures can be read, {failures[0]} for one: save them as PNG.")
    if failures:
        more = f" and {len(failures) - NAMED} more" if len(failures) > NAMED else ""
        listed = printable(", ".join(failures[:NAMED]))
        warnings.warn(f"{name}: {len(failures)} of {count} pictures were left out: {listed}{more}.", stacklevel=6)


def _save(path: Path, raw: np.ndarray, good: np.ndarray, collection: Collection, channels: int) -> None:
    """A safetensors file, written piece by piece: the whole need not fit into memory."""
    kept = [item for item, is_good in zip(collection.items, good.tolist(), strict=True) if is_good]
    labels = torch.tensor([item.label for item in kept], dtype=torch.int64)
    shape = [len(kept), channels, *raw.shape[2:]]
    at = labels.numel() * 8
    head = {
        "__metadata__": {"training": str(sum(item.train for item in kept))},
        "labels": {"dtype": "I64", "shape": [len(kept)], "data_offsets": [0, at]},
        "images": {"dtype": "U8", "shape": shape, "data_offsets": [at, at + int(np.prod(shape))]},
    }
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    partial = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text + labels.numpy().tobytes())
            for pixels in _pieces(raw, good, channels):
                file.write(pixels.tobytes())
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _pieces(raw: np.ndarray, good: np.ndarray, channels: int) -> Iterator[np.ndarray]:
    """The good rows, some at a time, as grey where one channel is wanted (ITU-R 601, as PIL has it)."""
    weights = np.array([299, 587, 114]).reshape(1, 3, 1, 1)
    rows = max(1, AT_ONCE // raw[0].size)
    for start in range(0, len(raw), rows):
        pixels = raw[start : start + rows][good[start : start + rows]]  # (n, 3, size, size)
        if channels == 1:
            pixels = (((pixels * weights).sum(1, keepdims=True) + 500) // 1000).astype(np.uint8)
        yield pixels
