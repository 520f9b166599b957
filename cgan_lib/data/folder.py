"""A folder of pictures, a folder for each class: as torchvision's `ImageFolder`; with a part to test with, or none."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from cgan_lib.data.collection import Collection, Item, divide
from cgan_lib.data.pictures import SUFFIXES
from cgan_lib.errors import UserError

TRAIN, VALID, TEST = ("train", "training"), ("val", "valid", "validation"), ("test", "testing")


def open_folder(root: Path) -> Collection:
    """The pictures below `root`: `<class>/…`, or `train/<class>/…` and `test/<class>/…`; `UserError` when none are.

    Beside both, `val/<class>/…` is trained with; without `test`, it is what is tested with.
    """
    parts = {_plain(folder): folder for folder in _folders(root)}
    train, valid, test = (
        next((parts[name] for name in names if name in parts), None) for names in (TRAIN, VALID, TEST)
    )
    others = parts.keys() - {*TRAIN, *VALID, *TEST}
    if train and not _folders(train) and any(_has_pictures(parts[name]) for name in others):
        train = None  # a class, as of vehicles: car, ship, train
    folders = {True: _folders(train or root)}
    if train and (tested := test or valid):
        folders[False] = _folders(tested)
    if train and test and valid:
        folders[True] += _folders(valid)
    names = sorted({folder.name for half in folders.values() for folder in half if _has_pictures(folder)}, key=_natural)
    if not names:
        raise UserError(f"{root} {_why_none(root)}: put the pictures of each class into a folder of its own.")
    labels = {name: label for label, name in enumerate(names)}
    items = [
        Item(path.relative_to(root).as_posix(), path, labels[folder.name], half)
        for half, classes in folders.items()
        for folder in classes
        if folder.name in labels
        for path in _pictures(folder)
    ]
    whole = all(any(item.train is half for item in items) for half in (True, False))
    found = items if whole else divide(items)
    return Collection(_state(root, items), lambda: (found, names), str(root))


def _folders(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))]


def _pictures(folder: Path) -> Iterator[Path]:
    """Every picture below a folder, by its suffix, but none that is hidden."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.suffix.lower() in SUFFIXES and path.is_file():
            yield path


def _has_pictures(folder: Path) -> bool:
    return any(True for _ in _pictures(folder))


def _plain(folder: Path) -> str:
    return folder.name.lower()


def _natural(name: str) -> tuple[list[tuple[str, int]], str]:
    """A key that sorts 2 before 10, as people do; the same every time, of 1 and 01 too."""
    return [(text.casefold(), int(digits or 0)) for digits, text in re.findall(r"(\d+)|(\D+)", name)], name


def _why_none(root: Path) -> str:
    loose = sum(path.suffix.lower() in SUFFIXES for path in root.iterdir())
    return f"holds {loose} pictures, but no folder of a class" if loose else "holds no pictures"


def _state(root: Path, items: Iterable[Item]) -> str:
    digest = hashlib.sha256()
    for item in sorted(items, key=lambda item: item.key):
        facts = (root / item.key).stat()
        line = f"{item.key}\0{facts.st_size}\0{facts.st_mtime_ns}\0{item.train}\n"
        digest.update(line.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
