"""Are the images what was asked for, and are there many of them?"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from cgan_lib.data import load, to_unit
from cgan_lib.errors import UserError
from cgan_lib.evaluation.classifier import Classifier, classifier
from cgan_lib.recipes import SAMPLES, current_profile
from cgan_lib.sampling import generate


@dataclass(frozen=True)
class Scores:
    """What a classifier says about `count` images, and about the real test images for comparison."""

    count: int
    """images drawn"""
    as_requested: float
    """percent read as the class that was asked for"""
    worst_class: float
    """the same, of the class that does worst"""
    diversity: float
    """mean distance between two images of a class in feature space, over the same for real images: 1 is as diverse as
    real, near 0 is one image over and over"""
    least_diverse: float
    """the same, of the least diverse class"""
    real: float
    """percent of real test images that the classifier reads right: the ceiling of `as_requested`"""

    def __str__(self) -> str:
        return (
            f"{self.as_requested:.1f}% as requested (worst class {self.worst_class:.1f}%, real {self.real:.1f}%), "
            f"diversity {self.diversity:.2f} of real (least {self.least_diverse:.2f}), {self.count:,} images"
        )


def evaluate(generator: nn.Module, dataset: str = "mnist", *, count: int | None = None, seed: int = 1) -> Scores:
    """Draw `count` images (default: what the profile says), the classes in turn, and let a classifier read them.

    Images of any size are read at 28×28. `UserError` for a generator of other classes than those of `dataset`.
    """
    count = SAMPLES[current_profile()] if count is None else count
    num_classes = generator.config["num_classes"]
    if count < 2 * num_classes:
        raise UserError(f"count {count} is too few to see the diversity of {num_classes} classes: draw more.")
    judge, real_spread, real_right = _reference(dataset, 5 * count)
    if len(real_spread) != num_classes:
        raise UserError(f"the generator has {num_classes} classes, but {dataset} has {len(real_spread)}.")
    labels = torch.arange(count) % num_classes
    features, right = read(judge, generate(generator, labels, seed=seed), labels)
    diversity = spread(features, labels) / real_spread
    by_class = torch.stack([right[labels == label].mean() for label in range(num_classes)])
    return Scores(
        count=count,
        as_requested=100 * right.mean().item(),
        worst_class=100 * by_class.min().item(),
        diversity=diversity.mean().item(),
        least_diverse=diversity.min().item(),
        real=100 * real_right,
    )


@lru_cache(maxsize=4)
def _reference(dataset: str, most: int) -> tuple[Classifier, Tensor, float]:
    """The classifier, and of up to `most` real test images: the spread of each class, and the share read right."""
    judge, test = classifier(dataset), load(dataset, train=False)
    features, right = read(judge, test.images[:most], test.labels[:most])
    return judge, spread(features, test.labels[:most]), right.mean().item()


@torch.inference_mode()
def read(judge: Classifier, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Features (N, 128) of images uint8 (N,C,H,W), and for each 1 when it is read as its label, else 0 (N,)."""
    features = torch.cat([judge(to_unit(some)) for some in images.split(500)])
    return features, (judge.logits(features).argmax(1) == labels).float()


def spread(features: Tensor, labels: Tensor) -> Tensor:
    """Mean distance between two images of the same class, for each class (num_classes,)."""
    return torch.stack([torch.pdist(features[labels == label]).mean() for label in labels.unique()])
