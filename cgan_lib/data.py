"""Data sets as one tensor on the device: read once, resized once, shuffled by a seed.

These data sets are small (MNIST: 47 MB), so there is no DataLoader: a batch is an index into a tensor.
"""

import os
import socket
import threading
import time
import urllib.request
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from cgan_lib.errors import UserError, unknown
from cgan_lib.paths import home, make_folder

DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
KANA = ("お", "き", "す", "つ", "な", "は", "ま", "や", "れ", "を")

# name: (class in torchvision.datasets, names of the classes); `digits` comes with scikit-learn
DATASETS: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "mnist": ("MNIST", DIGITS),
    "fashion_mnist": ("FashionMNIST", CLOTHES),
    "kmnist": ("KMNIST", KANA),
    "digits": (None, DIGITS),
}
CONNECT_SECONDS = 8  # to find out whether any mirror answers; they are asked side by side


@dataclass(frozen=True)
class ImageData:
    """Labelled images: `images` uint8 (N,C,H,W), `labels` int64 (N,), and a name for each class."""

    name: str
    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

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
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))


def to_unit(images: Tensor) -> Tensor:
    """uint8 pixels 0…255 → float32 in [-1, 1], the range of a generator's tanh (mean 0.5, std 0.5)."""
    return images.float().div_(127.5).sub_(1)


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


def check_batch_size(data: ImageData, batch_size: int) -> None:
    """Raise `UserError` when not even one batch can be made."""
    if batch_size > len(data):
        raise UserError(f"batch_size {batch_size} is more than the {len(data)} images of {data.name}: make it smaller.")


def load_data(name: str = "mnist", *, train: bool = True, image_size: int = 28) -> ImageData:
    """Read a data set, wherever it is: `$CGAN_DATA`, then `data/`, then a download into `data/`.

    Offline, `mnist` falls back to the embedded `digits` with a warning that says so; the others raise `UserError`.
    Images are resized once, antialiased, to `image_size` pixels.
    """
    if name not in DATASETS:
        raise unknown("data set", name, DATASETS)
    try:
        data = _embedded_digits(train) if name == "digits" else _from_torchvision(name, train)
    except OfflineError as error:
        if name != "mnist":
            raise
        warnings.warn(f"{error} Using the embedded 8×8 digits instead.", stacklevel=2)
        data = _embedded_digits(train)
    if data.image_size != image_size:
        data = replace(data, images=resize(data.images, image_size))
    return data


load = load_data  # its name in notebooks that are already in circulation; goes with 1.0


class OfflineError(UserError):
    """The data set is not on this machine and its mirrors cannot be reached."""


def _from_torchvision(name: str, train: bool) -> ImageData:
    from torchvision import datasets

    class_name, class_names = DATASETS[name]
    source = getattr(datasets, class_name)
    roots = [Path(os.environ["CGAN_DATA"]).expanduser()] if os.environ.get("CGAN_DATA") else []
    roots.append(home() / "data")
    files = [Path(url).stem for url, _ in source.resources]
    for root in roots:
        raw = root / class_name / "raw"
        if all((raw / file).is_file() for file in files):
            break
    else:
        root = roots[-1]
        _download(source, root, name)
    try:
        loaded = source(root, train=train, download=False)
    except Exception as error:
        raise UserError(f"the files in {root / class_name / 'raw'} are damaged ({error}): delete them.") from error
    if len(loaded.targets) != len(loaded.data) or loaded.targets.max() >= len(class_names):
        raise UserError(f"the images and labels in {root / class_name / 'raw'} do not belong together: delete them.")
    return ImageData(name, loaded.data.unsqueeze(1).contiguous(), loaded.targets.long(), class_names)


def _download(source: type, root: Path, name: str) -> None:
    if not _reachable(source.mirrors):
        raise OfflineError(
            f"{name} is not in {root} and no mirror answers: go online, or set CGAN_DATA to a folder that holds "
            f"{source.__name__}/raw."
        )
    make_folder(root)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(CONNECT_SECONDS)  # a connection that stalls must not hang the notebook
    try:
        source(root, download=True)
    except Exception as error:
        raise OfflineError(f"downloading {name} to {root} failed ({error}): try again later.") from error
    finally:
        socket.setdefaulttimeout(before)


def _reachable(mirrors: list[str]) -> bool:
    """Whether any mirror answers within `CONNECT_SECONDS`. In threads, because looking a name up has no time limit."""
    answered = threading.Event()
    finished = threading.Semaphore(0)

    def ask(url: str) -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=CONNECT_SECONDS).close()
            answered.set()
        except urllib.error.HTTPError:  # an answer all the same
            answered.set()
        except (OSError, ValueError):
            pass
        finally:
            finished.release()

    for mirror in mirrors:
        threading.Thread(target=ask, args=(mirror,), daemon=True).start()
    deadline = time.monotonic() + CONNECT_SECONDS
    for _ in mirrors:
        finished.acquire(timeout=max(0, deadline - time.monotonic()))
        if answered.is_set():
            return True
    return False


def _embedded_digits(train: bool) -> ImageData:
    """scikit-learn's 1,797 real handwritten digits at 8×8: 1,500 to train on and 297 to test with."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = torch.randperm(len(digits.target), generator=torch.Generator().manual_seed(0))
    order = order[:1500] if train else order[1500:]
    images = torch.from_numpy(digits.images).float().mul(255 / 16).round().to(torch.uint8)  # (1797, 8, 8)
    labels = torch.from_numpy(digits.target).long()
    return ImageData("digits", images[order].unsqueeze(1), labels[order], DIGITS)


def resize(images: Tensor, size: int) -> Tensor:
    """uint8 (N,C,H,W) → uint8 (N,C,size,size), antialiased; in chunks, to spare the memory."""
    resized = [
        F.interpolate(chunk.float(), size=(size, size), mode="bicubic", antialias=True).round().clamp(0, 255).byte()
        for chunk in images.split(4096)
    ]
    return torch.cat(resized)
