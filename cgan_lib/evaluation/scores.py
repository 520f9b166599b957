"""How good is a generator? One protocol, the same for every recipe, so that two numbers may be compared.

The protocol
- Fakes come from the averaged (EMA) generator where the recipe has one, latents from N(0, 1) without truncation, and
  are rounded to the 256 levels of a real image. The labels asked for are distributed as those of the test images.
- `count` fakes are compared with as many real test images, all at 28×28 (larger ones are made smaller, antialiased).
  FID falls as the count grows: a score without its count says nothing, so every result carries it.
- Features are those of a small classifier of real images, which takes no part in any training and is named by a
  fingerprint of its weights. It knows digits; a network trained on photographs does not.
- **The real row.** As many real *training* images go through the same measurement in place of the fakes. What they
  score is the floor of FID and KID (0 cannot be expected of finite counts) and the ceiling of the others: a mark to aim
  at, not a bound. Fakes that are too typical may pass it in precision, GAN-test or IS, which is a warning, no triumph.
  (The classifier has learned from these images, so they may look a little better than new ones would.)
- With several seeds, the scores are means over as many independent sets of latents, and `deviation` says how far
  these lie apart. It does not say how far two trainings would.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from statistics import fmean, stdev
from typing import Any

import torch
from torch import Tensor, nn

from cgan_lib.data import ImageData, load_data
from cgan_lib.errors import UserError
from cgan_lib.evaluation.classifier import (
    Classifier,
    fingerprint,
    load_classifier,
    read,
    share_right,
    train_classifier,
)
from cgan_lib.evaluation.metrics import fid, inception_score, kid, neighbourhoods, spread
from cgan_lib.paths import home
from cgan_lib.recipes import SAMPLES, SEEDS, current_profile
from cgan_lib.sampling import check_labels, generate

LEAST_COUNT = 10  # images of each class, on average


@dataclass(frozen=True)
class Scores:
    """What a classifier says about `count` images beside as many real test images. ↓ lower is better, ↑ higher is."""

    count: int
    """images measured, for each seed"""
    real_count: int
    """real test images that they are compared with"""
    seeds: int
    """independent sets of latents; the scores are means over them"""
    classifier: str
    """fingerprint of the classifier: compare scores of the same one only"""
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
                spread_of = form.format(self.deviation[name]) if name in self.deviation else ""
                rows.append((title, form.format(mine), "–" if theirs is None else form.format(theirs), spread_of))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
        times = f" × {self.seeds} seeds" if self.seeds > 1 else ""
        return "\n".join(
            [
                *lines,
                f"{self.count:,} images{times} beside {self.real_count:,} test images; classifier {self.classifier}",
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """The same as plain numbers, lists and dicts, for JSON."""
        return asdict(self)


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


def evaluate(
    generator: nn.Module,
    dataset: str = "mnist",
    *,
    count: int | None = None,
    seeds: int | None = None,
    seed: int = 1,
    gan_train: bool = False,
) -> Scores:
    """Measure a generator of images of any size against a data set, as the protocol of this module says.

    `count` images (default: what the profile says) for each of `seeds` seeds from `seed` on (default: 3 in the profile
    `full`, else 1); `gan_train` also trains a fresh classifier on fakes, and one on real images, which takes longer
    than everything else together. `UserError` for a generator of other classes or channels than those of `dataset`.
    """
    count = SAMPLES[current_profile()] if count is None else count
    seeds = SEEDS[current_profile()] if seeds is None else seeds
    if seeds < 1:
        raise UserError(f"seeds {seeds} must be at least 1.")
    check_count(generator, dataset, count)
    device = _device(generator)
    test = _real(dataset, False, count, device, str(home()))
    several = []
    for one in range(seed, seed + seeds):
        fakes = draw(generator, test.data, count, one)
        scores = _measure(fakes, test)
        if gan_train:
            scores = replace(scores, gan_train=learned_from(fakes, _load(dataset, False, str(home())), one))
        several.append(scores)
    return _mean(several, _real_scores(dataset, count, gan_train, device, str(home())))


def evaluate_images(images: Tensor, labels: Tensor, dataset: str = "mnist") -> Scores:
    """Measure images uint8 (N,C,H,W) that were drawn for `labels` (N,), wherever they come from, by the same protocol.

    Their labels are taken as they are: give them in the proportions of the real ones. `UserError` for another number
    of labels or channels, or when a class has fewer than two images.
    """
    real = _load(dataset, False, str(home()))
    labels = check_labels(labels, real.num_classes)
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[:2] != (len(labels), real.channels):
        raise UserError(
            f"images must be uint8 of shape ({len(labels)}, {real.channels}, height, width) for {len(labels)} labels, "
            f"got {images.dtype} of shape {tuple(images.shape)}."
        )
    by_class = labels.bincount(minlength=real.num_classes)
    if by_class.min() < 2:
        raise UserError(f"class {by_class.argmin().item()} has {by_class.min().item()} images: give 2 or more of each.")
    count = max(len(labels), LEAST_COUNT * real.num_classes)
    some = ImageData(f"images for {dataset}", images, labels, real.class_names)
    measured = _measure(some, _real(dataset, False, count, "cpu", str(home())))
    return replace(measured, real=real_scores(dataset, count))


def quick_scores(generator: nn.Module, dataset: str, count: int, seed: int = 1) -> dict[str, float]:
    """The scores that are cheap enough to follow a training with, always on the latents of `seed`.

    They compare with real *training* images, so that a generator chosen by them was not chosen on the test images.
    """
    check_count(generator, dataset, count)
    real = _real(dataset, True, count, _device(generator), str(home()))
    fakes = draw(generator, real.data, count, seed)
    features, logits = read(real.judge, fakes.images)
    near = neighbourhoods(real.features, features)
    return {
        "fid": fid(real.features, features),
        "precision": near.precision,
        "recall": near.recall,
        "coverage": near.coverage,
        "as_requested": 100 * (logits.argmax(1).cpu() == fakes.labels).float().mean().item(),
    }


def real_scores(dataset: str = "mnist", count: int | None = None, *, gan_train: bool = False) -> Scores:
    """What `count` real training images score in place of the fakes: floor of FID and KID, ceiling of the rest."""
    count = SAMPLES[current_profile()] if count is None else count
    return _real_scores(dataset, count, gan_train, "cpu", str(home()))


def draw(generator: nn.Module, like: ImageData, count: int, seed: int = 1) -> ImageData:
    """`count` fakes with labels distributed as those of the real images `like`."""
    labels = spread_labels(like.labels, count)
    images = generate(generator, labels, seed=seed)
    return ImageData(f"fake {like.name}", images, labels, like.class_names)


def in_proportion(data: ImageData, count: int) -> ImageData:
    """`count` images (or all there are), always the same, with labels distributed as in all of `data`, ascending."""
    shuffled = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
    chosen = shuffled[data.labels[shuffled].sort(stable=True).indices]
    chosen = chosen[_evenly(len(data), min(count, len(data)))]
    return ImageData(data.name, data.images[chosen], data.labels[chosen], data.class_names)


def spread_labels(labels: Tensor, count: int) -> Tensor:
    """`count` labels in the proportions of `labels` (N,), in ascending order."""
    return labels.sort().values[_evenly(len(labels), count)]


def check_count(generator: nn.Module, dataset: str, count: int) -> None:
    """Raise `UserError` when `count` is too small, or the generator draws other classes or channels."""
    config, data = generator.config, _load(dataset, False, str(home()))
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


def _device(generator: nn.Module) -> str:
    """Where to measure: beside the generator on a CUDA GPU, else on the CPU (others lack double precision)."""
    device = next(generator.parameters()).device
    return str(device) if device.type == "cuda" else "cpu"


@dataclass(frozen=True)
class _Real:
    """The real images that others are compared with, what the classifier sees in them, and the classifier."""

    data: ImageData
    judge: Classifier
    features: Tensor


# The caches know the home, because classifiers are kept there.


@lru_cache(maxsize=4)
def _load(dataset: str, train: bool, at: str) -> ImageData:
    return load_data(dataset, train=train)


@lru_cache(maxsize=4)
def _real(dataset: str, train: bool, count: int, device: str, at: str) -> _Real:
    data = in_proportion(_load(dataset, train, at), count)
    judge = load_classifier(data.name).to(device)  # that of the digits, where these stand in for MNIST
    return _Real(data, judge, read(judge, data.images)[0])


@lru_cache(maxsize=8)
def _real_scores(dataset: str, count: int, gan_train: bool, device: str, at: str) -> Scores:
    training, tested = (_load(dataset, train, at) for train in (True, False))
    measured = _measure(in_proportion(training, count), _real(dataset, False, count, device, at))
    return replace(measured, gan_train=learned_from(in_proportion(training, count), tested) if gan_train else None)


def _evenly(length: int, count: int) -> Tensor:
    """`count` positions (count,) spread evenly over a sequence."""
    return ((torch.arange(count, dtype=torch.float64) + 0.5) * length / count).long()


def _measure(some: ImageData, test: _Real) -> Scores:
    """The scores of images, fake or real, but for GAN-train."""
    features, logits = read(test.judge, some.images)
    near = neighbourhoods(test.features, features)
    predicted, labels, classes = logits.argmax(1).cpu(), some.labels, range(some.num_classes)
    confusion = torch.zeros(some.num_classes, some.num_classes, dtype=torch.long)
    confusion.index_put_((labels, predicted), torch.ones_like(labels), accumulate=True)
    right = 100 * confusion.diag() / confusion.sum(1)
    diversity = (spread(features, labels) / spread(test.features, test.data.labels)).cpu()
    return Scores(
        count=len(some),
        real_count=len(test.data),
        seeds=1,
        classifier=fingerprint(test.judge),
        fid=fid(test.features, features),
        kid=kid(test.features, features),
        inception_score=inception_score(logits),
        precision=near.precision,
        recall=near.recall,
        density=near.density,
        coverage=near.coverage,
        as_requested=100 * (predicted == labels).double().mean().item(),
        worst_class=right.min().item(),
        diversity=diversity.mean().item(),
        least_diverse=diversity.min().item(),
        as_requested_by_class=tuple(right.tolist()),
        fid_by_class=tuple(
            fid(test.features[test.data.labels == label], features[labels == label]) for label in classes
        ),
        diversity_by_class=tuple(diversity.tolist()),
        confusion=tuple(map(tuple, confusion.tolist())),
    )


def learned_from(some: ImageData, test: ImageData, seed: int = 1) -> float:
    """GAN-train: percent of `test` that a fresh classifier reads right after training on the images `some` alone.

    Every sixth image is held out; the epoch that reads most of those right is the one that is tested.
    """
    position = torch.arange(len(some))
    held_out, train = (
        replace(some, images=some.images[rows], labels=some.labels[rows])
        for rows in (
            position % 6 == 0,
            position % 6 > 0,
        )
    )
    return share_right(train_classifier(train, seed, held_out), test)


def _mean(several: Sequence[Scores], real: Scores) -> Scores:
    """The mean of scores over their seeds, beside those of real images."""
    values: dict[str, Any] = dict(real=real, seeds=len(several))
    deviation = {}
    for name in (one.name for one in fields(Scores)):
        of_each = [getattr(scores, name) for scores in several]
        if name == "confusion":
            values[name] = tuple(map(tuple, torch.tensor(of_each).sum(0).tolist()))
        elif isinstance(of_each[0], tuple):
            values[name] = tuple(torch.tensor(of_each, dtype=torch.float64).mean(0).tolist())
        elif isinstance(of_each[0], float):
            values[name] = fmean(of_each)
            if len(several) > 1:
                deviation[name] = stdev(of_each)
    return replace(several[0], **values, deviation=deviation)
