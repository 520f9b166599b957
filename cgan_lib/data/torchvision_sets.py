"""The classification sets of torchvision by name: `cifar10`, `svhn`, `emnist/letters`, …"""

import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cgan_lib.data.collection import Collection, Item, divide
from cgan_lib.errors import UserError
from cgan_lib.files import first_line
from cgan_lib.idx import CONNECT_SECONDS, OfflineError, chosen_root
from cgan_lib.paths import home, make_folder

Part = dict[str, Any]
FLAG = (({"train": True}, True), ({"train": False}, False))
SPLIT = (({"split": "train"}, True), ({"split": "test"}, False))
WITH_VAL = (({"split": "train"}, True), ({"split": "val"}, True), ({"split": "test"}, False))
TRAINVAL = (({"split": "trainval"}, True), ({"split": "test"}, False))
UNDIVIDED: tuple[tuple[Part, bool], ...] = (({}, True),)
# What the parts of each are called: arguments of its constructor, and whether they are trained with
SETS: dict[str, Sequence[tuple[Part, bool]]] = {
    **dict.fromkeys(("CIFAR10", "CIFAR100", "EMNIST", "QMNIST", "USPS"), FLAG),
    **dict.fromkeys(("Food101", "GTSRB", "SVHN", "STL10", "StanfordCars"), SPLIT),
    **dict.fromkeys(("Country211", "DTD", "Flowers102", "PCAM", "RenderedSST2"), WITH_VAL),
    **dict.fromkeys(("FGVCAircraft", "OxfordIIITPet"), TRAINVAL),
    "Imagenette": (({"split": "train"}, True), ({"split": "val"}, False)),
    **dict.fromkeys(("Caltech101", "Caltech256", "EuroSAT", "SEMEION", "SUN397"), UNDIVIDED),
}
EMNIST_SPLITS = ("balanced", "byclass", "bymerge", "digits", "letters", "mnist")
NAMES = {"".join(filter(str.isalnum, name)).lower(): name for name in SETS}


def find_set(name: str) -> tuple[str, str] | None:
    """The class in torchvision that a name means, and its variant; None when it means none."""
    plain, _, variant = name.lower().replace("_", "/", 1).partition("/") if "emnist" in name.lower() else (name, "", "")
    found = None if set("/\\.") & set(plain) else NAMES.get(_letters(plain))  # ./svhn is a path
    if found != "EMNIST":
        return (found, "") if found else None
    if variant not in EMNIST_SPLITS:
        raise UserError(f"emnist has several sets: name one, emnist/{', emnist/'.join(EMNIST_SPLITS)}.")
    return found, variant


def set_names() -> list[str]:
    """What they can be called."""
    return sorted({name.lower() for name in SETS if name != "EMNIST"} | {f"emnist/{split}" for split in EMNIST_SPLITS})


def open_set(name: str, variant: str) -> Collection:
    """The pictures of a set: from `$CGAN_DATA` or `data/`, else downloaded into `data/`; `UserError` when offline."""
    parts = [(_part(name, variant, arguments), train) for arguments, train in SETS[name]]
    class_names = _class_names(name, parts[0][0])
    items: list[Item] = []
    unused = "N/A" in class_names  # the letters of EMNIST are counted from 1
    for dataset, train in parts:
        for row, label in enumerate(_labels(dataset)):
            source = partial(_picture, dataset, row, name == "EMNIST")
            items.append(Item(f"{len(items):09d}", source, label - unused, train))
    divided = items if len(parts) > 1 else divide(items)
    names = [each for each in class_names if each != "N/A"] or [str(v) for v in range(1 + max(i.label for i in items))]
    return Collection(f"{name} {variant} {len(items)}", lambda: (divided, names), name)


def set_is_here(name: str, variant: str) -> bool:
    """Whether all parts of a set can be read without a download."""
    return all(_found(*_asked(name, variant, arguments)) is not None for arguments, _ in SETS[name])


def _asked(name: str, variant: str, arguments: Part) -> tuple[Callable[..., Any], Part]:
    """The class in torchvision, and what it is to be made with."""
    from torchvision import datasets

    return getattr(datasets, name), arguments | ({"split": variant} if variant else {})


def _part(name: str, variant: str, arguments: Part) -> Any:
    kind, arguments = _asked(name, variant, arguments)
    found = _found(kind, arguments)
    return _downloaded(kind, arguments) if found is None else found


def _found(kind: Callable[..., Any], arguments: Part) -> Any:
    """A part, from where it lies; None when it does not."""
    roots = [root for root in (chosen_root(), home() / "data") if root and root.is_dir()]
    for root in roots:
        for place in _places(root, kind.__name__):
            try:
                return kind(place, **arguments)
            except (RuntimeError, OSError, ValueError):  # not there, or not whole
                continue
    return None


def _places(root: Path, name: str) -> Iterator[Path]:
    """Where below a folder torchvision may have put a set; its sets differ in that."""
    yield root
    yield from (child for child in root.iterdir() if child.is_dir() and _letters(child.name) == name.lower())


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()


def _downloaded(kind: Callable[..., Any], arguments: Part) -> Any:
    name = kind.__name__
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(CONNECT_SECONDS)  # a connection that stalls must not hang the notebook
    try:
        return kind(make_folder(home() / "data" / name), download=True, **arguments)
    except UserError:
        raise
    except Exception as error:
        raise OfflineError(
            f"{name} is not in {home() / 'data'} and cannot be downloaded ({first_line(error)}): go online, or set "
            f"CGAN_DATA to a folder in which torchvision's {name} finds it."
        ) from error
    finally:
        socket.setdefaulttimeout(before)


def _class_names(name: str, dataset: Any) -> list[str]:
    """As torchvision has them; none where it has none."""
    known = getattr(dataset, "classes", None) or getattr(dataset, "categories", None) or []
    return [" / ".join(each) if isinstance(each, (tuple, list)) else str(each) for each in known]


def _labels(dataset: Any) -> list[int]:
    """The label of every picture, without reading the pictures where that can be."""
    for field in ("targets", "labels", "_labels", "y"):
        found = getattr(dataset, field, None)
        if found is not None and len(found) == len(dataset) and getattr(found, "ndim", 1) == 1:
            return [int(label) for label in found]
    samples = getattr(dataset, "_samples", None) or getattr(dataset, "samples", None)
    return [int(label) for _, label in samples] if samples else [int(dataset[row][1]) for row in range(len(dataset))]


def _picture(dataset: Any, row: int, turned: bool) -> Any:
    """A picture; those of EMNIST lie on their sides in its files."""
    from PIL import Image

    picture = dataset[row][0]
    return picture.transpose(Image.Transpose.TRANSPOSE) if turned else picture
