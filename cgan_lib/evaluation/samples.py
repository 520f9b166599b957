"""Which images are measured: real ones, and fakes that were asked for in the same proportions."""

import torch
from torch import Tensor

from cgan_lib.data import ImageData
from cgan_lib.errors import UserError
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.sampling import generate, generator_config

LEAST_COUNT = 10  # images of each class, on average


def generate_like(generator: ConditionalGenerator, real: ImageData, count: int, seed: int = 1) -> ImageData:
    """`count` fakes with labels distributed as those of the real images."""
    labels = spread_labels(real.labels, count)
    return ImageData(f"fake {real.name}", generate(generator, labels, seed=seed), labels, real.class_names)


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


def check_measurable(generator: ConditionalGenerator, data: ImageData, count: int) -> None:
    """Raise `UserError` when `count` is too small, or the generator draws other classes or channels than `data` has."""
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
    if count < (least := LEAST_COUNT * data.num_classes):
        raise UserError(f"count {count} is too few to measure {data.num_classes} classes: use {least} or more.")
