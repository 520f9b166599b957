"""Augmentation for small data sets, of reals and fakes alike and with gradients (DiffAugment, Zhao et al. 2020).

What the discriminator sees is changed at random before each look, so that it cannot learn the training images by heart.
The generator's gradient passes through the change, so its images need not show any trace of it.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from cgan_lib.errors import UserError, shown, unknown
from cgan_lib.parallel import drawn

SHIFT = 1 / 8  # of the side: the farthest translation
HOLE = 1 / 2  # of the side: a cutout


def translation(x: Tensor) -> Tensor:
    """Each image moved by up to an eighth of its side, its edge repeated: (N,C,H,W) → (N,C,H,W)."""
    count, _, height, width = x.shape
    far_y, far_x = max(1, round(height * SHIFT)), max(1, round(width * SHIFT))
    padded = F.pad(x, (far_x, far_x, far_y, far_y), mode="replicate")
    rows = _starts(count, 2 * far_y, x) + torch.arange(height, device=x.device)  # (N, H)
    columns = _starts(count, 2 * far_x, x) + torch.arange(width, device=x.device)  # (N, W)
    image = torch.arange(count, device=x.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[image, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def colour(x: Tensor) -> Tensor:
    """Each image lighter or darker, paler or more colourful, of more or less contrast: (N,C,H,W) → (N,C,H,W)."""

    def strengths() -> Tensor:
        return drawn(lambda n: torch.rand(n, 1, 1, 1, device=x.device, dtype=x.dtype), len(x))

    brightness, saturation, contrast = (strengths() for _ in range(3))
    x = x + brightness - 0.5
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * 2 * saturation
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (x - mean) * (contrast + 0.5)


def cutout(x: Tensor) -> Tensor:
    """A square of half the side made grey, partly outside at times: (N,C,H,W) → (N,C,H,W)."""
    count, _, height, width = x.shape
    rows, columns = (_inside(count, side, x) for side in (height, width))  # (N, H), (N, W)
    hole = rows[:, None, :, None] & columns[:, None, None, :]  # (N, 1, H, W)
    return x.masked_fill(hole, 0)


def _starts(count: int, most: int, like: Tensor) -> Tensor:
    return drawn(lambda n: torch.randint(most + 1, (n, 1), device=like.device), count)


def _inside(count: int, side: int, like: Tensor) -> Tensor:
    """Which of `side` places lie in a hole whose middle is drawn for each of `count` images: bool (count, side)."""
    middle = drawn(lambda n: torch.randint(side, (n, 1), device=like.device), count)
    half = max(1, round(side * HOLE / 2))
    place = torch.arange(side, device=like.device)
    return (place >= middle - half) & (place < middle + half)


AUGMENTATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "translation": translation,
    "colour": colour,
    "cutout": cutout,
}


def check_augment(names: str) -> str:
    """`names` itself, such as `translation+cutout`, or empty; `UserError` for one that is not in `AUGMENTATIONS`."""
    if not isinstance(names, str):
        raise UserError(f"augment={shown(names)} must be names joined by +: {'+'.join(AUGMENTATIONS)}.")
    for name in names.split("+") if names else ():
        if name not in AUGMENTATIONS:
            raise unknown("augmentation", name, AUGMENTATIONS)
    return names


def augment(x: Tensor, names: str) -> Tensor:
    """Images (N,C,H,W) in [-1, 1], each changed at random by the augmentations named; themselves for none."""
    for name in names.split("+") if names else ():
        x = AUGMENTATIONS[name](x)
    return x
