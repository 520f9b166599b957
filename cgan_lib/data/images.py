"""Labelled images as one tensor on the device: checked, resized once, shuffled by a seed.

There is no DataLoader: a batch is an index into a tensor, which may be a file mapped into memory.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count

import torch
import torch.nn.functional as F
from torch import Tensor

from cgan_lib.attributes import joint_names, split_labels
from cgan_lib.errors import UserError, shown

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
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """what a class is made of, where it is made of several: {"digit": …, "colour": …}, the last counts fastest"""

    def __post_init__(self) -> None:
        if problem := _problem(self.images, self.labels, self.class_names):
            raise UserError(f"{self.name}: {problem}.")
        if self.attributes and joint_names(self.attributes) != tuple(self.class_names):
            raise UserError(f"{self.name}: class_names must be joint_names(attributes).")

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
        return fingerprint_of(self.images.shape, self.labels, [self.images.cpu().contiguous().numpy().data])

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def attribute_sizes(self) -> tuple[int, ...]:
        """How many values each attribute has; none where a class is one thing."""
        return tuple(map(len, self.attributes.values()))

    @property
    def channels(self) -> int:
        return self.images.shape[1]

    @property
    def image_size(self) -> int:
        return self.images.shape[-1]

    def to(self, device: str | torch.device) -> "ImageData":
        """The same data on another device."""
        moved = replace(self, images=self.images.to(device), labels=self.labels.to(device))
        return moved.named(self.fingerprint) if "fingerprint" in vars(self) else moved

    def take(self, rows: Tensor | slice) -> "ImageData":
        """The images at these positions, with their labels."""
        return replace(self, images=self.images[rows], labels=self.labels[rows])

    def resized(self, size: int) -> "ImageData":
        """The same data at `size`×`size` pixels; itself when it has that size."""
        if self.images.shape[2:] == (size, size):
            return self
        resized = replace(self, images=resize(self.images, size))
        origin = f"{self.fingerprint} at {size}".encode()
        return resized.named(hashlib.sha256(origin).hexdigest()[:12])

    def named(self, fingerprint: str) -> "ImageData":
        """Itself, with a fingerprint that is known already."""
        vars(self)["fingerprint"] = fingerprint  # where `cached_property` looks first
        return self


def fingerprint_of(shape: Sequence[int], labels: Tensor, pixels: Iterable[bytes | memoryview]) -> str:
    """The `fingerprint` of images of this shape (N,C,H,W), from their pixels piece by piece."""
    digest = hashlib.sha256(repr(tuple(shape)).encode())
    digest.update(labels.cpu().contiguous().numpy().data)
    for piece in pixels:
        digest.update(piece)
    return digest.hexdigest()[:12]


def _problem(images: Tensor, labels: Tensor, class_names: Sequence[str]) -> str:
    """What is wrong with the fields of an `ImageData`, and the fix; empty when nothing is."""
    for what, value in (("images", images), ("labels", labels)):
        if not isinstance(value, Tensor):
            return f"{what} must be a tensor, not {type(value).__name__}: torch.as_tensor converts arrays and lists"
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


def batches(
    data: ImageData, batch_size: int, seed: int, start: int = 0, balanced: bool = False
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless shuffled batches `(real, labels)`: float32 (B,C,H,W) in [-1,1] and int64 (B,), from step `start` on.

    The order is a function of `(seed, epoch)` alone, so batch `start` is the same whether or not the ones before it
    were drawn: an interrupted run continues exactly. The incomplete last batch of an epoch is left out. `balanced`: in
    place of each image once an epoch has as many, drawn so that every class comes equally often.
    """
    check_batch_size(data, batch_size)
    per_epoch = len(data) // batch_size
    epoch, first = divmod(start, per_epoch)
    for epoch in count(epoch):  # noqa: B020 - counts on from the epoch of `start`
        shuffle = torch.Generator().manual_seed(seed * 100_003 + epoch)
        order = _balanced_order(data, shuffle) if balanced else torch.randperm(len(data), generator=shuffle)
        order = order.to(data.labels.device)
        for indices in order.split(batch_size)[first:per_epoch]:
            yield to_unit(data.images[indices]), data.labels[indices]
        first = 0


def _balanced_order(data: ImageData, generator: torch.Generator) -> Tensor:
    """As many positions as there are images: a class, each equally likely, then one of its images."""
    labels = data.labels.cpu()
    by_class = labels.argsort(stable=True)
    counts = labels.bincount(minlength=data.num_classes)
    there = counts.nonzero().squeeze(1)  # of attributes, not every combination need have an image
    classes = there[torch.randint(len(there), (len(data),), generator=generator)]
    within = (torch.rand(len(data), generator=generator, dtype=torch.float64) * counts[classes]).long()
    return by_class[(counts.cumsum(0) - counts)[classes] + within]


def check_classes(data: ImageData) -> None:
    """Raise `UserError` when a class has no image: nothing could be learned about it."""
    names, labels = list(data.attributes.values()) or [data.class_names], data.labels[:, None]
    if data.attributes:  # not every combination need be there, but every value
        labels = split_labels(data.labels, data.attribute_sizes)
    for values, column in zip(names, labels.unbind(1), strict=True):
        counts = column.bincount(minlength=len(values))
        if counts.min() == 0:
            label = int(counts.argmin())
            raise UserError(
                f"class {label} ({values[label]}) of {data.name} has 0 images: add some, or leave it out of "
                "class_names."
            )


def check_batch_size(data: ImageData, batch_size: int) -> None:
    """Raise `UserError` when not even one batch can be made."""
    if not isinstance(batch_size, int) or batch_size < 1:
        raise UserError(f"batch_size {shown(batch_size, 20)} must be a whole number from 1 on.")
    if batch_size > len(data):
        raise UserError(f"batch_size {batch_size} is more than the {len(data)} images of {data.name}: make it smaller.")


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
