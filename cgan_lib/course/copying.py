"""Does a generator draw what it was shown? How near its pictures come to those that it learned from."""

from dataclasses import dataclass
from math import nan

import torch
from torch import Tensor

from cgan_lib.data import ImageData
from cgan_lib.evaluation import nearest_real

NEARER = 0.05  # of new pictures come nearer to a training picture than the bound: that is how it is chosen
LEAST_TESTED = 20  # new pictures: of fewer, the nearest twentieth is not known
AT_ONCE = 10_000  # training pictures that are in memory as numbers


@dataclass(frozen=True)
class Copied:
    """How many of a generator's pictures are nearer to a training picture than new ones nearly ever are."""

    percent: float
    """of the fakes that are nearer than the bound; NaN where there is none"""
    real: float
    """the same of the test pictures: about 5"""
    unknown: str = ""
    """why there is no bound; empty when there is one"""


def copied(fakes: ImageData, training: ImageData, test: ImageData) -> Copied:
    """The share of fakes that are nearer to a training picture than all but a twentieth of the test pictures are.

    Distances are Euclidean over pixels. A copy that was moved by a pixel, mirrored or made much noisier is not seen.
    """
    if len(test) < LEAST_TESTED:
        return Copied(
            nan, nan, f"{len(test)} test pictures are too few to tell copies by: {LEAST_TESTED} are the least."
        )
    of_test = _to_nearest(test.images, training)
    bound = of_test.quantile(NEARER)
    if bound == 0:
        return Copied(nan, nan, "a twentieth of the test pictures are training pictures, too: copies cannot be told.")
    return Copied(_percent(_to_nearest(fakes.images, training) < bound), _percent(of_test < bound))


def _to_nearest(images: Tensor, training: ImageData) -> Tensor:
    """The distance of each image (N, C, H, W) to the nearest training picture (N,)."""
    parts = [training.take(slice(start, start + AT_ONCE)) for start in range(0, len(training), AT_ONCE)]
    return torch.stack([nearest_real(images, part)[1] for part in parts]).amin(0)


def _percent(hits: Tensor) -> float:
    return 100 * hits.double().mean().item()
