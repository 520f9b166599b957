"""Data sets as one tensor on the device: read once, resized once, shuffled by a seed.

These data sets are small (MNIST: 47 MB), so there is no DataLoader: a batch is an index into a tensor.
"""

import hashlib
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count

import torch
import torch.nn.functional as F
from torch import Tensor

from cgan_lib.errors import UserError, shown, unknown
from cgan_lib.idx import OfflineError, is_here, read_part
from cgan_lib.paths import check_name

DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
KANA = ("お", "き", "す", "つ", "な", "は", "ま", "や", "れ", "を")
MOST_BYTES = 2**32  # of a data set in memory


@dataclass(frozen=True, eq=False)
class ImageData:
    """Labelled images: `images` uint8 (N,C,H,W), `labels` int64 (N,) from 0 on, and a name for each class.

    Two are equal when their names, classes, labels and pixels are. `UserError` names the field that is not as it must
    be, and the fix. Not to be changed in place: what is derived from the images is remembered by their `fingerprint`.
    """

    name: str
    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if problem := _problem(self.images, self.labels, self.class_names):
            raise UserError(f"{self.name}: {problem}.")

    def __len__(self) -> int:
        return len(self.labels)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImageData) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple:
        return self.name, tuple(self.class_names), self.fingerprint

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that name the labels and pixels: with one image more, they are others.

        Those of resized data name the data before, and the size: computed pixels may differ by a grey level from one
        kind of processor to the next, and a run must go on there too.
        """
        digest = hashlib.sha256(repr(tuple(self.images.shape)).encode())
        for tensor in (self.labels, self.images):
            digest.update(tensor.cpu().contiguous().numpy().data)
        return digest.hexdigest()[:12]

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def channels(self) -> int:
        return self.images.shape[1]

    @property
    def image_size(self) -> int:
        return self.images.shape[-1]

    def to(self, device: str | torch.device) -> "ImageData":
        """The same data on another device."""
        moved = replace(self, images=self.images.to(device), labels=self.labels.to(device))
        return moved._named(self.fingerprint) if "fingerprint" in vars(self) else moved

    def take(self, rows: Tensor | slice) -> "ImageData":
        """The images at these positions, with their labels."""
        return replace(self, images=self.images[rows], labels=self.labels[rows])

    def resized(self, size: int) -> "ImageData":
        """The same data at `size`×`size` pixels; itself when it has that size."""
        if self.images.shape[2:] == (size, size):
            return self
        resized = replace(self, images=resize(self.images, size))
        origin = f"{self.fingerprint} at {size}".encode()
        return resized._named(hashlib.sha256(origin).hexdigest()[:12])

    def _named(self, fingerprint: str) -> "ImageData":
        vars(self)["fingerprint"] = fingerprint  # where `cached_property` looks first
        return self


def _problem(images: Tensor, labels: Tensor, class_names: Sequence[str]) -> str:
    """What is wrong with the fields of an `ImageData`, and the fix; empty when nothing is."""
    for field, value in (("images", images), ("labels", labels)):
        if not isinstance(value, Tensor):
            return f"{field} must be a tensor, not {type(value).__name__}: torch.as_tensor converts arrays and lists"
    shape = tuple(images.shape)
    if images.dtype != torch.uint8:
        return f"images must be uint8 pixels from 0 to 255, not {images.dtype}: to_uint8 converts from [-1, 1]"
    if 0 in shape[1:]:
        return f"images must have pixels, not the shape {shape}: give each image a channel and sides from 1 on"
    if len(shape) != 4:
        return f"images must have the shape (N, C, H, W), not {shape}: images.unsqueeze(1) adds a single channel"
    if shape[3] in (1, 3) and shape[1] > 4:
        return f"images must have the shape (N, C, H, W), not {shape}: images.permute(0, 3, 1, 2) moves the channels"
    if labels.dtype != torch.int64 or labels.ndim != 1:
        return f"labels must be int64 of shape (N,), not {labels.dtype} of {tuple(labels.shape)}: use labels.long()"
    if len(images) != len(labels):
        return f"there are {len(images)} images but {len(labels)} labels: give one label for each image"
    if len(labels) == 0:
        return "there are no images: give at least one"
    if not isinstance(class_names, (tuple, list)) or not all(isinstance(name, str) for name in class_names):
        return f"class_names must be a tuple of texts, not {shown(class_names)}: for digits, use tuple('0123456789')"
    if not class_names or not all(map(str.strip, class_names)):
        return f"class_names must name every class, not {tuple(class_names)}: for digits, use tuple('0123456789')"
    if (least := labels.min().item()) < 0 or (most := labels.max().item()) >= len(class_names):
        outside = least if least < 0 else most
        return f"label {outside} is none of the {len(class_names)} classes in class_names: number them from 0 on"
    return ""


def to_unit(images: Tensor) -> Tensor:
    """uint8 pixels 0…255 → float32 in [-1, 1], the range of a generator's tanh (mean 0.5, std 0.5)."""
    return torch.div(images, 127.5).sub_(1)  # a new tensor, whatever type is given


def to_uint8(images: Tensor) -> Tensor:
    """float images in [-1, 1] → uint8 pixels 0…255, rounded to the nearest."""
    return images.float().add(1).mul(127.5).round_().clamp_(0, 255).to(torch.uint8)


def batches(data: ImageData, batch_size: int, seed: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless shuffled batches `(real, labels)`: float32 (B,C,H,W) in [-1,1] and int64 (B,), from step `start` on.

    The order is a function of `(seed, epoch)` alone, so batch `start` is the same whether or not the ones before it
    were drawn: an interrupted run continues exactly. The incomplete last batch of an epoch is left out.
    """
    check_batch_size(data, batch_size)
    per_epoch = len(data) // batch_size
    epoch, first = divmod(start, per_epoch)
    for epoch in count(epoch):  # noqa: B020 - counts on from the epoch of `start`
        shuffle = torch.Generator().manual_seed(seed * 100_003 + epoch)
        order = torch.randperm(len(data), generator=shuffle).to(data.labels.device)
        for indices in order.split(batch_size)[first:per_epoch]:
            yield to_unit(data.images[indices]), data.labels[indices]
        first = 0


def check_classes(data: ImageData) -> None:
    """Raise `UserError` when a class has no image: nothing could be learned about it."""
    counts = data.labels.bincount(minlength=data.num_classes)
    if counts.min() == 0:
        label = int(counts.argmin())
        raise UserError(
            f"class {label} ({data.class_names[label]}) of {data.name} has 0 images: add some, or leave it out of "
            "class_names."
        )


def check_batch_size(data: ImageData, batch_size: int) -> None:
    """Raise `UserError` when not even one batch can be made."""
    if batch_size > len(data):
        raise UserError(f"batch_size {batch_size} is more than the {len(data)} images of {data.name}: make it smaller.")


def load_data(name: str = "mnist", *, train: bool = True, image_size: int = 28) -> ImageData:
    """Read a data set, wherever it is: `$CGAN_DATA`, then `data/`, then a download into `data/`.

    The four files of MNIST and its like may lie in <class>/raw, as torchvision lays them, or in the folder itself, and
    may be gzipped. Offline, `mnist` falls back to the embedded `digits` with a warning that says so, unless
    `$CGAN_DATA` is set; that, and any other that cannot be read, is a `UserError`, and so is a class without an image
    to train on. Images are resized once, antialiased, to `image_size` pixels.
    """
    if name not in DATASETS:
        raise unknown("data set", name, DATASETS)
    check_name("data set", name)
    source, class_names = DATASETS[name]
    try:
        images, labels = (
            _own(name, source, train) if callable(source) else _from_files(name, source, class_names, train)
        )
    except OfflineError as error:
        if name != "mnist" or os.environ.get("CGAN_DATA"):  # who says where the data are does not want others
            raise
        warnings.warn(f"{error} Using the embedded 8×8 digits instead.", stacklevel=2)
        name, class_names = "digits", DIGITS
        images, labels = _embedded_digits(train)
    data = ImageData(name, images, labels, class_names)
    if train:
        check_classes(data)
    return data.resized(image_size)


load = load_data  # its name in notebooks that are already in circulation; goes with 1.0


def is_local(name: str) -> bool:
    """Whether `load_data` can read a data set of `DATASETS` without a download: its files are here, or it has none."""
    from torchvision import datasets

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


def _embedded_digits(train: bool) -> tuple[Tensor, Tensor]:
    """scikit-learn's 1,797 real handwritten digits at 8×8: 1,500 to train on and 297 to test with."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = torch.randperm(len(digits.target), generator=torch.Generator().manual_seed(0))
    order = order[:1500] if train else order[1500:]
    images = torch.from_numpy(digits.images).float().mul(255 / 16).round().to(torch.uint8)  # (1797, 8, 8)
    labels = torch.from_numpy(digits.target).long()
    return images[order].unsqueeze(1), labels[order]


def resize(images: Tensor, size: int) -> Tensor:
    """uint8 (N,C,H,W) → uint8 (N,C,size,size), antialiased; in chunks, to spare the memory."""
    if size < 1 or images[:, :, 0, 0].numel() * size**2 > MOST_BYTES:
        raise UserError(
            f"{len(images):,} images of image_size {shown(size, 20)} do not fit into {MOST_BYTES >> 30} GB of memory: "
            "take a size from 1 on that does."
        )
    resized = [
        F.interpolate(chunk.float(), size=(size, size), mode="bicubic", antialias=True).round().clamp(0, 255).byte()
        for chunk in images.split(4096)
    ]
    return torch.cat(resized)


# name: (where it comes from, names of the classes). It comes from a class in torchvision.datasets with four files as
# MNIST has, or from a function of your own, `read(train: bool)` → images uint8 (N,C,H,W) and labels int64 (N,)
DATASETS: dict[str, tuple[str | Callable[[bool], tuple[Tensor, Tensor]], tuple[str, ...]]] = {
    "mnist": ("MNIST", DIGITS),
    "fashion_mnist": ("FashionMNIST", CLOTHES),
    "kmnist": ("KMNIST", KANA),
    "digits": (_embedded_digits, DIGITS),
}
