"""Which images are measured: real ones, and fakes that were asked for in the same proportions."""

import warnings
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from cgan_lib import parallel
from cgan_lib.data import DATASETS, ImageData, is_known
from cgan_lib.errors import UserError, shown
from cgan_lib.evaluation.metrics import NEIGHBOURS
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.sampling import generate, generator_config, latents

LEAST_COUNT = 10  # images of each class, on average
MOST_COUNT = 100_000


def generate_like(generator: ConditionalGenerator, real: ImageData, count: int, seed: int = 1) -> ImageData:
    """`count` fakes with labels distributed as those of the real images; several processes draw a part each."""
    labels = spread_labels(real.labels, count)
    z = latents(count, generator_config(generator)["latent_dim"], seed)
    images = parallel.divided(lambda labels, z: generate(generator, labels, z=z), labels, z)
    return ImageData(f"fake {real.name}", images, labels, real.class_names, real.attributes)


def in_proportion(data: ImageData, count: int) -> ImageData:
    """`count` images (or all there are), always the same, with labels distributed as in all of `data`, ascending."""
    shuffled = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
    sorted_by_class = shuffled[data.labels[shuffled].sort(stable=True).indices]
    return data.take(sorted_by_class[_evenly(len(data), min(count, len(data)))])


def spread_labels(labels: Tensor, count: int) -> Tensor:
    """`count` labels in the proportions of `labels` (N,), in ascending order."""
    return labels.sort().values[_evenly(len(labels), count)]


def _evenly(length: int, count: int) -> Tensor:
    """`count` positions (count,) spread evenly over a sequence."""
    return ((torch.arange(count, dtype=torch.float64) + 0.5) * length / count).long()


def dataset_of(generator: ConditionalGenerator, dataset: str | None) -> str:
    """The data set to measure against: the one named, else the one that the generator was trained on, else mnist."""
    known = dataset or getattr(generator, "dataset", "") or "mnist"
    if dataset is None and not is_known(known):
        raise UserError(
            f"the generator was trained on {shown(known)}, which is none of the data sets here: name one to measure it "
            f"against ({', '.join(DATASETS)}, …), or the folder of its pictures."
        )
    return known


def check_measurable(generator: ConditionalGenerator, data: ImageData, count: int) -> None:
    """Raise `UserError` for a wrong `count`, and when the generator draws other classes or channels than `data` has."""
    config = generator_config(generator)
    if config["num_classes"] != data.num_classes:
        raise UserError(
            f"the generator has {config['num_classes']} classes, but {data.name} has {data.num_classes}: "
            "name the data set that it was trained on."
        )
    if (channels := config.get("channels", 1)) != data.channels:
        raise UserError(
            f"the generator draws {channels} channels, but {data.name} has {data.channels}: "
            "name the data set that it was trained on."
        )
    check_count(count, data.num_classes)


def enough(count: int, num_classes: int) -> int:
    """`count` images, or as many more as it takes to measure so many classes."""
    return max(count, LEAST_COUNT * num_classes)


def check_count(count: int, num_classes: int) -> None:
    """Raise `UserError` when `count` images are too few to measure so many classes, or more than are held in memory."""
    if not isinstance(count, Integral):
        raise UserError(f"count {shown(count, 30)} must be a whole number.")
    if count < (least := enough(0, num_classes)):
        raise UserError(f"count {count} is too few to measure {num_classes} classes: use {least} or more.")
    if count > MOST_COUNT:
        raise UserError(f"count {count} is too many: all are held in memory, and {MOST_COUNT:,} say as much.")


def check_images(images: Tensor, channels: int, count: int | None = None) -> Tensor:
    """Square images uint8 (N, channels, side, side) on the CPU, from a tensor or an array; `UserError` for others."""
    images = images if isinstance(images, Tensor) else _as_tensor(images)
    expected = f"({'N' if count is None else count}, {channels}, side, side)"
    if (
        images.dtype != torch.uint8
        or images.ndim != 4
        or images.shape[1] != channels
        or images.shape[2] != images.shape[3]
        or images.numel() == 0
        or count not in (None, len(images))
    ):
        for_labels = "" if count is None else f" for {count} labels"
        raise UserError(
            f"images must be uint8 of shape {expected}{for_labels}, got {images.dtype} of shape {tuple(images.shape)}."
        )
    return images.cpu()


def image_size_of(generator: ConditionalGenerator) -> int:
    """The side in pixels of what it draws; that of built-in sets for a network of one's own that does not say so."""
    return generator_config(generator).get("image_size", 28)


def side_of(images: Any) -> int:
    """The side in pixels of what should be images; 1 for what is none, which `check_images` refuses."""
    shape: tuple[int, ...] = tuple(getattr(images, "shape", ()))
    return int(shape[-1]) if len(shape) == 4 and shape[-1] > 0 else 1


def _as_tensor(images: Any) -> Tensor:
    try:
        return torch.as_tensor(images)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"images must be a tensor uint8 (N,C,H,W), not {shown(images)}.") from error


def warn_of_few(images: ImageData, real: ImageData, training: ImageData, num_features: int) -> None:
    """Say what the counts do to the scores, so that no number is taken for more than it is.

    `images` are measured beside the test images `real`, as the images `training` are in the real row. `UserError` where
    so few real images are left that nothing can be measured.
    """
    for data, kind in _with_kinds(real, training):
        if len(data) <= NEIGHBOURS:
            raise UserError(
                f"{real.name} has {len(data)} {kind} images: {NEIGHBOURS + 1} are the least to measure with."
            )
    for problem in _problems(images, real, training, num_features):
        warnings.warn(problem, stacklevel=4)


def _with_kinds(real: ImageData, training: ImageData) -> tuple[tuple[ImageData, str], ...]:
    return (real, "test"), (training, "training")


def _problems(images: ImageData, real: ImageData, training: ImageData, num_features: int) -> Iterator[str]:
    least = min(len(images), len(real))
    if least <= num_features:
        yield (
            f"FID of {least} images is a rough number, and too high: their {num_features} features need more than "
            f"{num_features} images. Compare it with others of these counts only."
        )
    fewer = [f"{len(data):,} {kind}" for data, kind in _with_kinds(real, training) if len(data) < len(images)]
    if fewer:
        beside = ", and FID of the real row is too high beside that of the fakes" if len(fewer) > 1 else ""
        yield (
            f"{real.name} has only {' and '.join(fewer)} images for the {len(images):,} measured: compare these scores "
            f"with others of the same counts only{beside}."
        )
    counts = [data.labels.bincount(minlength=real.num_classes).tolist() for data in (real, images)]
    rare = [
        f"{label} ({real.class_names[label]}: {of_real} real, {of_fakes} measured)"
        for label, (of_real, of_fakes) in enumerate(zip(*counts, strict=True))
        if min(of_real, of_fakes) < 2
    ]
    if rare:
        listed = ", ".join(rare[:5]) + (", …" if len(rare) > 5 else "")
        yield f"FID and diversity of a class need two images of it, and leave out class {listed}."
