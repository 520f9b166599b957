"""Data sets that are made here from others, without a download: coloured digits, whose classes have two attributes."""

from collections.abc import Callable

import torch
from torch import Tensor

from cgan_lib.attributes import join_labels, joint_names
from cgan_lib.data.images import ImageData

COLOURS = {"red": (230, 60, 60), "green": (60, 200, 80), "blue": (80, 120, 255)}
HELD_OUT = (7, "red")  # in no image to train on; in the test images it is
SHADE = 40  # grey levels by which a colour differs from image to image


def coloured_digits(grey: Callable[[bool], ImageData], train: bool, complete: bool = False) -> ImageData:
    """Every digit of a grey set in a colour drawn for it: digit × colour, 30 classes, no red 7 among those to train on.

    `complete` keeps them in. The colour of image i depends on i alone, so it is the same on every machine. It differs a
    little from image to image, as those of things do. Black stays black.
    """
    digits = grey(train)
    draws = torch.Generator().manual_seed(1 if train else 2)
    colour = torch.randint(len(COLOURS), (len(digits),), generator=draws)
    shade = torch.randint(-SHADE, SHADE + 1, (len(digits), 3), generator=draws)
    tone = (torch.tensor(list(COLOURS.values()))[colour] + shade).clamp(0, 255)  # (N, 3)
    attributes = {"digit": digits.class_names, "colour": tuple(COLOURS)}
    digit, name = HELD_OUT
    held_out = (digits.labels == digit) & (colour == list(COLOURS).index(name))
    rows = torch.where(~held_out)[0] if train and not complete else torch.arange(len(digits))
    labels = join_labels(torch.stack([digits.labels, colour], 1), (digits.num_classes, len(COLOURS)))
    made = _painted(digits.images[rows], tone[rows])
    return ImageData("coloured_digits", made, labels[rows], joint_names(attributes), attributes)


def _painted(images: Tensor, tone: Tensor) -> Tensor:
    """Grey images uint8 (N, 1, H, W) in tones (N, 3): uint8 (N, 3, H, W)."""
    parts = zip(images.split(4096), tone.split(4096), strict=True)
    return torch.cat([(part.int() * of_part[:, :, None, None] // 255).byte() for part, of_part in parts])


MADE: dict[str, Callable[..., ImageData]] = {"coloured_digits": coloured_digits}
