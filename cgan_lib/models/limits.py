"""What a network may be made of: sizes within limits, sides that can be halved, and numbers that are numbers."""

from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cgan_lib.errors import UserError, shown

# Constructor argument → the largest value. Generous to any real network; a file that says more is damaged or hostile
LIMITS = dict(
    latent_dim=65_536, num_classes=10_000, channels=16, image_size=1_024, embed_dim=65_536, base_channels=16_384
)


def check_config(config: dict[str, int]) -> dict[str, int]:
    """`config` as it is; `UserError` unless every value is a whole number from 1 to its limit."""
    for name, value in config.items():
        if type(value) is not int or not 0 < value <= LIMITS[name]:
            raise UserError(f"{name} {shown(value, 20)} must be a whole number from 1 to {LIMITS[name]:,}.")
    return config


def check_attributes(attributes: Sequence[int], num_classes: int) -> list[int]:
    """`attributes` as a list; `UserError` unless they are two sizes or more that make `num_classes` together."""
    sizes = list(attributes) if isinstance(attributes, (list, tuple)) else []  # a file may say anything
    if len(sizes) < 2 or any(type(size) is not int or size < 2 for size in sizes) or prod(sizes) != num_classes:
        raise UserError(
            f"attributes {shown(attributes)} must be sizes from 2 on whose product is num_classes={num_classes}."
        )
    return sizes


def check_stored(build: Callable[..., nn.Module], config: dict[str, Any], weights: Path) -> None:
    """`UserError` when a network of this `config` would have more numbers than the file `weights` has bytes."""
    with torch.device("meta"):  # where no size costs anything
        network = build(**{name: config[name] for name in (*LIMITS, "attributes") if name in config})
    declared, size = sum(tensor.numel() for tensor in network.state_dict().values()), weights.stat().st_size
    if declared > size:
        raise UserError(
            f"the configuration beside {weights} asks for {declared:,} numbers, but the file has {size:,} bytes: "
            "load_generator goes by its tensors."
        )


def check_finite(network: nn.Module) -> None:
    """`UserError`, which names the tensor, when a weight of the network is NaN or infinite."""
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise UserError(
                f"{shown(name)} holds numbers that are NaN or infinite, so the images would mean nothing: take weights "
                "from before the training diverged."
            )


def quarter(image_size: int) -> int:
    """The side of the feature map that two stride-2 stages bring to `image_size`; it must be a multiple of 4."""
    if type(image_size) is not int or image_size < 8 or image_size % 4:
        raise UserError(
            f"image_size {shown(image_size, 20)} does not fit two stride-2 stages: use a multiple of 4, at least 8."
        )
    return image_size // 4


def doublings(image_size: int) -> int:
    """Stride-2 stages between an image and the map it begins as: two, and more where that map would be above 8×8.

    28 → 2 (7×7), 32 → 2 (8×8), 64 → 3, 128 → 4.
    """
    side, times = quarter(image_size), 2
    while side > 8 and side % 2 == 0:
        side, times = side // 2, times + 1
    return times


def halvings(image_size: int) -> int:
    """How often the sides of an image can be halved before they are odd or below 4: 64 → 4 (times), 28 → 2."""
    quarter(image_size)
    times = 0
    while image_size % 2 == 0 and image_size >= 8:
        image_size, times = image_size // 2, times + 1
    return times
