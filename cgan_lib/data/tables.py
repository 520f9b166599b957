"""Pictures in one file: `.npz`, `.npy` with labels beside it, and Kaggle's tables `label,pixel0,pixel1,…`."""

import hashlib
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from math import isqrt
from pathlib import Path

import numpy as np

from cgan_lib.data.collection import Collection, Item, divide
from cgan_lib.errors import UserError
from cgan_lib.files import first_line
from cgan_lib.idx import LARGEST

IMAGES = ("images", "image", "x", "data", "imgs")
LABELS = ("labels", "label", "y", "targets", "target")
NAMES = ("class_names", "classes", "names")
AT_ONCE = 1000  # pictures that are converted at a time
SHAPES = "(N, H, W), (N, H, W, C) or (N, C, H, W)"


def open_table(path: Path) -> Collection:
    """The pictures in a file, which is read when they are asked for."""
    return Collection(_state(path), partial(_find, path), str(path))


def _state(path: Path) -> str:
    facts, labels = path.stat(), _labels_beside(path)
    digest = hashlib.sha256(f"{facts.st_size} {facts.st_mtime_ns}".encode())
    digest.update(labels.read_bytes() if labels.is_file() else b"")
    return digest.hexdigest()


def _find(path: Path) -> tuple[list[Item], list[str]]:
    """The pictures and names of a file; `UserError`, with what was looked for, when it holds none that can be told."""
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
        _check_unpacked(path)
        with np.load(path, allow_pickle=False) as arrays:
            return {name.lower(): arrays[name] for name in arrays.files}
    labels = _labels_beside(path)
    if labels == path or not labels.is_file():
        raise UserError(f"{path} has no labels beside it: call them images.npy and labels.npy, or save both as .npz.")
    return {"images": np.load(path, mmap_mode="r", allow_pickle=False), "labels": np.load(labels, allow_pickle=False)}


def _labels_beside(path: Path) -> Path:
    """Where the labels of `images.npy` are; `path` itself, where its name does not tell."""
    return path.with_name(re.sub(r"(images?|x|data)(?=\.npy$)", "labels", path.name, flags=re.IGNORECASE))


def _check_unpacked(path: Path) -> None:
    """`UserError` for an archive that would fill the memory: pictures do not shrink to a hundredth."""
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(each.file_size for each in archive.infolist())
    if unpacked > max(LARGEST, 100 * path.stat().st_size):
        raise UserError(f"{path} declares {unpacked:,} bytes, too many for what it is: save it with np.savez.")


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
        return _from_fractions(images, black=-1 if low < 0 else 0)
    if images.min() < 0 or images.max() > 255:
        raise UserError(f"{path}: numbers from {images.min()} to {images.max()}: pixels are 0 to 255.")
    return images.astype(np.uint8)


def _from_fractions(images: np.ndarray, black: int) -> np.ndarray:
    """Fractions from `black` to 1 as uint8, some at a time, to spare the memory."""
    eight = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), AT_ONCE):
        some = images[start : start + AT_ONCE]
        eight[start : start + AT_ONCE] = ((some - black) / (1 - black) * 255).round()
    return eight


def _collected(path: Path, parts: list, names: list[str] | None) -> tuple[list[Item], list[str]]:
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
    return divided, known or [str(value) for value in ordered]
