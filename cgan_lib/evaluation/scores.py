"""The scores of a generator: what each of them says, their table, their mean over seeds. `protocol` measures them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from math import isnan, sqrt
from statistics import fmean, stdev
from typing import Any

import torch

SURE = 5.0  # points: a share that may be farther from the true one is not known well
KID_SHOWN = 5e-4  # of a smaller one the table shows 0
TRUSTED = 90.0  # percent: a classifier that reads fewer real images right is a poor judge of others


@dataclass(frozen=True)
class Scores:
    """What a classifier says about `count` images beside as many real test images. ↓ lower is better, ↑ higher is.

    Of a class without two images on either side, what cannot be said is NaN, and left out of means and extremes.
    """

    dataset: str
    """the data set whose images they are compared with"""
    count: int
    """images measured, for each seed"""
    real_count: int
    """real test images that they are compared with"""
    seeds: int
    """independent sets of latents; the scores are means over them"""
    classifier: str
    """fingerprint of the classifier: compare scores of the same one only"""
    classifier_accuracy: float
    """percent of those real test images that it reads right: what it says of fakes is no better"""
    fid: float
    """↓ distance between Gaussians fitted to the features of fakes and of real images"""
    kid: float
    """↓ squared distance between the two sets by a cubic kernel; hardly depends on the count"""
    inception_score: float
    """↑ clear images, equally frequent classes: 1 to the number of classes; looks at fakes only"""
    precision: float
    """↑ share of fakes that lie among the real images"""
    recall: float
    """↑ share of real images that lie among the fakes"""
    density: float
    """↑ how thick the real images lie around a fake; may exceed 1"""
    coverage: float
    """↑ share of real images with a fake nearby"""
    as_requested: float
    """↑ GAN-test (Shmelkov et al. 2018): percent read as the class that was asked for"""
    worst_class: float
    """the same, of the class that does worst"""
    diversity: float
    """mean distance between two images of a class in feature space, over the same for real images: 1 is as diverse as
    real, near 0 is one image over and over"""
    least_diverse: float
    """the same, of the least diverse class"""
    as_requested_by_class: tuple[float, ...]
    fid_by_class: tuple[float, ...]
    diversity_by_class: tuple[float, ...]
    confusion: tuple[tuple[int, ...], ...]
    """row: class asked for, column: class read; images"""
    gan_train: float | None = None
    """↑ GAN-train (Shmelkov et al. 2018): percent of all real test images read right by a classifier that has learned
    from the `count` fakes alone (five sixths to train on, one to choose the epoch); None when it was not asked for"""
    as_requested_by_attribute: dict[str, float] = field(default_factory=dict)
    """GAN-test of each attribute by itself, where a class is made of several: percent read as asked for in this one"""
    deviation: dict[str, float] = field(default_factory=dict)
    """standard deviation of each score over the seeds; empty for one seed"""
    real: "Scores | None" = None
    """the same scores of real training images: floor of FID and KID, ceiling of the others"""

    def __str__(self) -> str:
        real = f", real {self.real.as_requested:.1f}%" if self.real else ""
        return (
            f"{self.as_requested:.1f}% as requested (worst class {self.worst_class:.1f}%{real}), "
            f"diversity {self.diversity:.2f} of real (least {self.least_diverse:.2f}), {self.count:,} images"
        )

    def table(self) -> str:
        """Every score beside that of real training images, as text."""
        rows = [("", "fakes", "real", "± seeds" if self.deviation else "")]
        for name, (title, form) in ROWS.items():
            mine, theirs = getattr(self, name), getattr(self.real, name, None)
            if mine is not None:
                over_seeds = form.format(self.deviation[name]) if name in self.deviation else ""
                rows.append((title, form.format(mine), "–" if theirs is None else form.format(theirs), over_seeds))
            if name == "as_requested":
                rows += self._of_attributes()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
        times = f" × {self.seeds} seeds" if self.seeds > 1 else ""
        fewer = f" (real: {self.real.count:,} training images)" if self.real and self.real.count != self.count else ""
        compared = f"{self.count:,} images{times}{fewer} beside {self.real_count:,} test images of {self.dataset}"
        reader = f"classifier {self.classifier} reads {self.classifier_accuracy:.1f}% of those right"
        return "\n".join([*lines, f"{compared}; {reader}", *self.doubts()])

    def _of_attributes(self) -> list[tuple[str, str, str, str]]:
        real = self.real.as_requested_by_attribute if self.real else {}
        return [
            (f"  {name}", f"{mine:.2f}%", f"{real[name]:.2f}%" if name in real else "–", "")
            for name, mine in self.as_requested_by_attribute.items()
        ]

    def doubts(self) -> list[str]:
        """Why less may be read from these scores than from others: a sentence for each reason."""
        said, margin = [], _margin(self.classifier_accuracy, self.real_count)
        if self.classifier_accuracy < TRUSTED:
            said.append(f"Below {TRUSTED:.0f}% GAN-test says little, and the other scores less than they seem to.")
        if margin > SURE:
            said.append(
                f"From {self.real_count:,} test images that share is known to ±{margin:.0f} points only, and what is "
                "said of a class rests on fewer still."
            )
        if self.kid < -KID_SHOWN:
            said.append("KID is below 0, which no distance is: from so few images it says nothing.")
        if unknown := sum(map(isnan, self.fid_by_class)):
            said.append(
                f"{unknown:,} of {len(self.fid_by_class):,} classes had not two images on either side: nothing is said "
                "of their FID and diversity."
            )
        return said

    def to_dict(self) -> dict[str, Any]:
        """The same as plain numbers, lists and dicts, for JSON; None for NaN, which JSON does not know; with doubts."""
        return _plain(asdict(self)) | {"doubts": self.doubts()}


def _margin(percent: float, count: int) -> float:
    """How far, in points, a share that was counted among so many may be from the true one (Agresti & Coull 1998)."""
    share = (count * percent / 100 + 2) / (count + 4)
    return 200 * sqrt(share * (1 - share) / (count + 4))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and isnan(value) else value


# The scores of the table: field → (its title, how it is printed)
ROWS = {
    "fid": ("FID ↓", "{:.2f}"),
    "kid": ("KID ↓", "{:.3f}"),
    "inception_score": ("IS ↑", "{:.2f}"),
    "precision": ("precision ↑", "{:.3f}"),
    "recall": ("recall ↑", "{:.3f}"),
    "density": ("density ↑", "{:.3f}"),
    "coverage": ("coverage ↑", "{:.3f}"),
    "as_requested": ("GAN-test, as requested ↑", "{:.2f}%"),
    "worst_class": ("  worst class", "{:.2f}%"),
    "gan_train": ("GAN-train ↑", "{:.2f}%"),
    "diversity": ("diversity in a class", "{:.3f}"),
    "least_diverse": ("  least diverse class", "{:.3f}"),
}


def mean_over_seeds(scores: Sequence[Scores], real: Scores) -> Scores:
    """The mean of scores, one of each seed, with their deviation, beside those of real images; confusions are added."""
    values: dict[str, Any] = dict(real=real, seeds=len(scores))
    deviation = {}
    for name in (each.name for each in fields(Scores)):
        of_each_seed = [getattr(one, name) for one in scores]
        if name == "confusion":
            values[name] = tuple(map(tuple, torch.tensor(of_each_seed).sum(0).tolist()))
        elif isinstance(of_each_seed[0], tuple):
            values[name] = tuple(torch.tensor(of_each_seed, dtype=torch.float64).mean(0).tolist())
        elif name == "as_requested_by_attribute":
            values[name] = {key: fmean(each[key] for each in of_each_seed) for key in of_each_seed[0]}
        elif isinstance(of_each_seed[0], float):
            values[name] = fmean(of_each_seed)
            if len(scores) > 1 and name in ROWS:
                deviation[name] = stdev(of_each_seed)
    return replace(scores[0], **values, deviation=deviation)
