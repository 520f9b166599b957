"""`load_data`: a data set by its name, a folder or a file by its path.

A name is one of `DATASETS`, one of torchvision's (`cifar10`, `emnist/letters`), or that of a folder or file that was
named once: `data/sources.json` remembers where it is.
"""

import os
import warnings
from collections.abc import Callable

from torch import Tensor

from cgan_lib.data.collection import Collection
from cgan_lib.data.images import ImageData, check_classes
from cgan_lib.data.made import MADE
from cgan_lib.data.registry import DATASETS, DIGITS, embedded_digits
from cgan_lib.data.shelf import prepare
from cgan_lib.data.sources import Source, add_data, find_source, is_path, source_names
from cgan_lib.data.torchvision_sets import find_set, open_set, set_is_here, set_names
from cgan_lib.errors import UserError, shown, unknown
from cgan_lib.idx import OfflineError, is_here, read_part
from cgan_lib.paths import check_name, home


def load_data(name: str = "mnist", *, train: bool = True, image_size: int = 28) -> ImageData:
    """Read a data set: by its name, wherever it is (`$CGAN_DATA`, then `data/`, then a download), or by its path.

    The four files of MNIST and its like may lie in <class>/raw, as torchvision lays them, or in the folder itself, and
    may be gzipped. Offline, `mnist` falls back to the embedded `digits` with a warning that says so, unless
    `$CGAN_DATA` is set; that, and any other that cannot be read, is a `UserError`, and so is a class without an image
    to train on. Images are resized once, antialiased, to `image_size` pixels.

    A path is a folder with a folder for each class, or a file of pictures, as `add_data` takes them; the name of the
    data is then that of the folder.
    """
    if not isinstance(name, str):
        raise UserError(f"a data set is named by a text, not {shown(name)}: mnist, or the path of a folder.")
    if name in MADE:
        return made(name, train=train, image_size=image_size)
    if name in DATASETS:
        return _built_in(name, train, image_size)
    if found := find_set(name):
        plain = "_".join(part for part in found if part).lower()
        return _prepared(plain, open_set(*found), Source(""), train, image_size)
    if not (source := find_source(name)):
        check_dataset(name)
        name = add_data(name)
        source = find_source(name)
        assert source
    return _prepared(name, source.open(), source, train, image_size)


def made(name: str, *, train: bool = True, image_size: int = 28, complete: bool = False) -> ImageData:
    """A data set that is made here; `complete`: with the combinations that are kept back from training."""
    return MADE[name](lambda part: _built_in("mnist", part, image_size), train, complete)


def is_known(name: str) -> bool:
    """Whether `load_data` knows this name, so that it need not be a path."""
    return name in DATASETS or name in MADE or find_source(name) is not None or find_set(name) is not None


def check_dataset(name: str) -> None:
    """Raise `UserError`, with the nearest name, for what is neither a data set that is known nor a path."""
    if not is_known(name) and not is_path(name):
        raise unknown("data set", name, dataset_names())


def dataset_names() -> list[str]:
    """What `load_data` knows by name."""
    return [*DATASETS, *MADE, *source_names(), *set_names()]


def _prepared(name: str, collection: Collection, source: Source, train: bool, image_size: int) -> ImageData:
    if not isinstance(image_size, int) or image_size < 1:
        raise UserError(f"image_size {shown(image_size, 20)} must be a whole number of pixels.")
    ready = prepare(collection, name, image_size, source.fit, source.grey, home() / "data" / "prepared")
    rows = slice(None, ready.training) if train else slice(ready.training, None)
    fingerprint = ready.fingerprints[0 if train else 1]
    if not len(ready.labels[rows]):
        raise UserError(f"{name} has no pictures to {'train' if train else 'test'} with: add some.")
    data = ImageData(name, ready.images[rows], ready.labels[rows], tuple(ready.class_names)).named(fingerprint)
    if train:
        check_classes(data)
    return data


def _built_in(name: str, train: bool, image_size: int) -> ImageData:
    check_name("data set", name)
    source, class_names = DATASETS[name]
    try:
        images, labels = (
            _own(name, source, train) if callable(source) else _from_files(name, source, class_names, train)
        )
    except OfflineError as error:
        if name != "mnist" or os.environ.get("CGAN_DATA"):  # who says where the data are does not want others
            raise
        warnings.warn(f"{error} Using the embedded 8×8 digits instead.", stacklevel=3)
        name, class_names = "digits", DIGITS
        images, labels = embedded_digits(train)
    data = ImageData(name, images, labels, class_names)
    if train:
        check_classes(data)
    return data.resized(image_size)


load = load_data  # its name in notebooks that are already in circulation; goes with 1.0


def is_local(name: str) -> bool:
    """Whether `load_data` can read what this name is known for without a download: its files are here."""
    from torchvision import datasets

    if name in MADE:
        return True
    if name not in DATASETS:
        found = find_set(name)
        return set_is_here(*found) if found else find_source(name) is not None
    source, _ = DATASETS[name]
    return callable(source) or is_here(getattr(datasets, source))


def _own(name: str, source: Callable[[bool], tuple[Tensor, Tensor]], train: bool) -> tuple[Tensor, Tensor]:
    part = source(train)
    if not isinstance(part, (tuple, list)) or len(part) != 2:
        raise UserError(f"{name}: its function in DATASETS returned {shown(part)}: return images, labels.")
    return part[0], part[1]


def _from_files(name: str, class_name: str, class_names: tuple[str, ...], train: bool) -> tuple[Tensor, Tensor]:
    from torchvision import datasets

    source = getattr(datasets, class_name)
    if not isinstance(vars(source).get("resources"), list):  # EMNIST, for one, has inherited the addresses of MNIST
        raise UserError(
            f"{name}: torchvision's {class_name} is not read from four files as MNIST is: in DATASETS, give a function "
            "in place of its name, that returns images and labels."
        )
    images, labels, folder = read_part(source, name, train)
    if len(images) != len(labels) or labels.max() >= len(class_names):
        raise UserError(f"the images and labels in {folder} do not belong together: delete them, and get them again.")
    return images.unsqueeze(1), labels.long()
