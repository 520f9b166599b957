"""Pictures in one file: `.npz`, `.npy` with labels beside it, and Kaggle's tables `label,pixel0,pixel1,…`."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from math import isqrt
from pathlib import Path

import numpy as np

from cgan_lib.data.collection import Collection, Item, collect, divide
from cgan_lib.errors import UserError
from cgan_lib.files import first_line

IMAGES = ("images", "image", "x", "data", "imgs")
LABELS = ("labels", "label", "y", "targets", "target")
NAMES = ("class_names", "classes", "names")
SHAPES = "(N, H, W), (N, H, W, C) or (N, C, H, W)"


def open_table(path: Path) -> Collection:
    """The pictures in a file; `UserError`, with what was looked for, when it holds none that can be told."""
    try:
        arrays = _read(path)
        parts = list(_parts(path, arrays))
        names = next((arrays[name] for name in NAMES if name in arrays), None)
        return _collected(path, parts, None if names is None else [str(name) for name in names.tolist()])
    except UserError:
        raise
    except Exception as error:  # of NumPy and its formats
        raise UserError(f"{path} cannot be read ({first_line(error)}): save it anew.") from error


def _read(path: Path) -> Mapping[str, np.ndarray]:
    if path.suffix.lower() == ".csv":
        return _read_csv(path)
    if path.suffix.lower() == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return {name.lower(): arrays[name] for name in arrays.files}
    labels = path.with_name(re.sub(r"(images?|x|data)(?=\.npy$)", "labels", path.name, flags=re.IGNORECASE))
    if labels == path or not labels.is_file():
        raise UserError(f"{path} has no labels beside it: call them images.npy and labels.npy, or save both as .npz.")
    return {"images": np.load(path, mmap_mode="r", allow_pickle=False), "labels": np.load(labels, allow_pickle=False)}


def _read_csv(path: Path) -> Mapping[str, np.ndarray]:
    with open(path, encoding="utf-8-sig") as file:
        head = [name.strip().strip('"').lower() for name in file.readline().split(",")]
        if (label := next((name for name in LABELS if name in head), None)) is None:
            raise UserError(f"{path} has no column label: its first line should read label,pixel0,pixel1,…")
        table = np.loadtxt(file, delimiter=",", dtype=np.int64, ndmin=2)
    at = head.index(label)
    pixels = np.delete(table, at, axis=1)
    side = isqrt(pixels.shape[1])
    if side**2 != pixels.shape[1]:
        raise UserError(f"{path} has {pixels.shape[1]} pixels a line: square pictures have 28² = 784, say.")
    return {"images": pixels.reshape(-1, side, side), "labels": table[:, at]}


def _parts(path: Path, arrays: Mapping[str, np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray, bool]]:
    """Images, labels and whether they are to train with: of one part, or of several, as MedMNIST and Keras have it."""
    for part, train in (("", True), ("train", True), ("val", True), ("test", False)):
        images, labels = (_called(arrays, names, part) for names in (IMAGES, LABELS))
        if images is not None and labels is not None:
            yield _pixels(path, images), labels.reshape(len(labels), -1), train


def _called(arrays: Mapping[str, np.ndarray], names: Sequence[str], part: str) -> np.ndarray | None:
    """The array that has the first of these names, with the part in front or behind."""
    spellings = (each for name in names for each in ((f"{name}_{part}", f"{part}_{name}") if part else (name,)))
    return next((arrays[each] for each in spellings if each in arrays), None)


def _pixels(path: Path, images: np.ndarray) -> np.ndarray:
    if images.ndim not in (3, 4):
        raise UserError(f"{path}: images of shape {images.shape} are none: they should be {SHAPES}.")
    if images.dtype == bool:
        return images.astype(np.uint8) * 255
    if images.dtype == np.uint8:
        return images
    if np.issubdtype(images.dtype, np.floating):
        low, high = float(images.min()), float(images.max())
        if not -1 <= low <= high <= 1:
            raise UserError(f"{path}: fractions from {low:g} to {high:g}: give 0 to 1, −1 to 1, or uint8 to 255.")
        return ((images + 1) / 2 * 255 if low < 0 else images * 255).round().astype(np.uint8)
    if images.min() < 0 or images.max() > 255:
        raise UserError(f"{path}: numbers from {images.min()} to {images.max()}: pixels are 0 to 255.")
    return images.astype(np.uint8)


def _collected(path: Path, parts: list, names: list[str] | None) -> Collection:
    if not parts:
        raise UserError(
            f"{path} has no images and labels: call the arrays images and labels, or x_train, y_train, x_test, y_test."
        )
    items: list[Item] = []
    values: set = set()
    for images, labels, _ in parts:
        if labels.shape[1] != 1 or len(images) != len(labels):
            raise UserError(f"{path}: {len(images)} images, labels of shape {labels.shape}: give one label for each.")
        values |= set(labels[:, 0].tolist())
    ordered = sorted(values)
    known = names if names and all(isinstance(v, int) and 0 <= v < len(names) for v in ordered) else None
    number = {value: (value if known else place) for place, value in enumerate(ordered)}
    for images, labels, train in parts:
        items += [
            Item(f"{len(items) + row:09d}", partial(images.__getitem__, row), number[label], train)
            for row, label in enumerate(labels[:, 0].tolist())
        ]
    divided = items if len({item.train for item in items}) == 2 else divide(items)
    facts = path.stat()
    labelled = [(item.label, item.train) for item in items]  # labels may lie in a file of their own
    state = hashlib.sha256(f"{facts.st_size} {facts.st_mtime_ns} {labelled}".encode()).hexdigest()
    return collect(str(path), divided, known or [str(value) for value in ordered], state)
