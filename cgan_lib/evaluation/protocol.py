"""How good is a generator? One protocol, the same for every recipe, so that two numbers may be compared.

The protocol
- Fakes come from the averaged (EMA) generator where the recipe has one, latents from N(0, 1) without truncation, and
  are rounded to the 256 levels of a real image. The labels asked for are distributed as those of the test images.
- `count` fakes are compared with as many real test images, or all there are. FID falls as the count grows: a score
  without its count says nothing, so every result carries it, and counts too small for the 128 features are warned of.
- The classifier reads everything at 28×28 (larger images are made smaller, antialiased). Real images take the same way
  as fakes: for a generator of 64×64 they go 28 → 64 → 28, as its training images went the first half of it. Otherwise
  the resizing itself would be counted as a fault of the generator.
- Features are those of a small classifier of real images, which takes no part in any training and is named by a
  fingerprint of its weights. It knows digits; a network trained on photographs does not.
- **The real row.** As many real *training* images go through the same measurement in place of the fakes. What they
  score is the floor of FID and KID (0 cannot be expected of finite counts) and the ceiling of the others: a mark to aim
  at, not a bound. Fakes that are too typical may pass it in precision, GAN-test or IS, which is a warning, no triumph.
  (The classifier has learned from these images, so they may look a little better than new ones would.)
- With several seeds, the scores are means over as many independent sets of latents, and `deviation` says how far
  these lie apart. It does not say how far two trainings would.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from numbers import Integral
from pathlib import Path

import torch
from torch import Tensor

from cgan_lib import parallel
from cgan_lib.attributes import split_labels
from cgan_lib.data import MADE, ImageData, load_data
from cgan_lib.errors import UserError, shown
from cgan_lib.evaluation.classifier import (
    SIZE,
    Classifier,
    accuracy,
    classifier_file,
    fingerprint,
    load_for_reading,
    open_classifier,
    read,
    reading_size,
    train_classifier,
)
from cgan_lib.evaluation.metrics import fid, inception_score, kid, neighbourhoods, spread
from cgan_lib.evaluation.samples import (
    check_count,
    check_images,
    check_measurable,
    dataset_of,
    enough,
    generate_like,
    image_size_of,
    in_proportion,
    side_of,
    warn_of_few,
)
from cgan_lib.evaluation.scores import Scores, mean_over_seeds
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.recipes import SAMPLES, SEEDS, current_profile
from cgan_lib.sampling import check_labels

MOST_SEEDS = 100
HELD_OUT = 6  # of the images that GAN-train learns from, every sixth chooses the epoch


def evaluate(
    generator: ConditionalGenerator,
    dataset: str | None = None,
    *,
    count: int | None = None,
    seeds: int | None = None,
    seed: int = 1,
    gan_train: bool = False,
) -> Scores:
    """Measure a generator of images of any size against a data set, as the protocol of this module says.

    `dataset` (default: what the generator was trained on, mnist when that is not known); `count` images (default: what
    the profile says) for each of `seeds` seeds from `seed` on (default: 3 in the profile `full`, else 1); `gan_train`
    also trains a fresh classifier on fakes, and one on real images, which takes longer than everything else together.
    Warns of counts that are too small for a score. `UserError` for a generator of other classes or channels than those
    of `dataset`, or one that gives no images, but NaN.
    """
    seeds = SEEDS[current_profile()] if seeds is None else seeds
    if not isinstance(seeds, Integral) or not 1 <= seeds <= MOST_SEEDS:
        raise UserError(f"seeds {shown(seeds, 30)} must be at least 1 and at most {MOST_SEEDS}, a whole number.")
    training, test = _both_parts(dataset_of(generator, dataset), image_size_of(generator))
    count = enough(SAMPLES[current_profile()], test.num_classes) if count is None else count
    check_measurable(generator, test, count)
    fakes = {number: generate_like(generator, test, count, number) for number in range(seed, seed + seeds)}
    task = _Task(training, test, count, fakes[seed].image_size, _device(generator))
    task.warn(fakes[seed])
    reference = task.reference()
    scores = [_measure(images, reference, *_read(reference, images)) for images in fakes.values()]
    if gan_train:
        size, tested = reading_size(training), task.tested()

        def learned(numbers: Tensor) -> Tensor:
            percents = [learned_from(fakes[number], tested, number, size) for number in numbers.tolist()]
            return torch.tensor(percents, dtype=torch.float64)

        percents = parallel.divided(learned, torch.tensor([*fakes])).tolist()
        scores = [replace(one, gan_train=percent) for one, percent in zip(scores, percents, strict=True)]
    return mean_over_seeds(scores, task.real_scores(gan_train))


def evaluate_images(images: Tensor, labels: Tensor, dataset: str = "mnist") -> Scores:
    """Measure images uint8 (N,C,H,W) that were made for `labels` (N,), wherever they come from, by the same protocol.

    Their labels are taken as they are: give them in the proportions of the real ones. `UserError` for another number
    of labels or channels, or when a class has fewer than two images.
    """
    training, test = _both_parts(dataset, side_of(images))
    labels = check_labels(labels, test.num_classes).cpu()
    if labels.ndim != 1:
        raise UserError("labels must be a list of classes such as [7, 7, 3], not class weights.")
    by_class = labels.bincount(minlength=test.num_classes)
    images = check_images(images, test.channels, len(labels))
    if by_class.min() < 2:
        raise UserError(f"class {by_class.argmin().item()} has {by_class.min().item()} images: give 2 or more of each.")
    given = ImageData(f"images for {dataset}", images, labels, test.class_names)
    task = _Task(training, test, enough(len(labels), test.num_classes), given.image_size, "cpu")
    task.warn(given)
    reference = task.reference()
    return replace(_measure(given, reference, *_read(reference, given)), real=task.real_scores())


def quick_scores(generator: ConditionalGenerator, dataset: str, count: int, seed: int = 1) -> dict[str, float]:
    """The scores that are cheap enough to follow a training with, always on the latents of `seed`.

    They compare with real *training* images, so that a generator chosen by them was not chosen on the test images.
    """
    complete = load_for_reading(dataset, image_size_of(generator))
    # What is kept back from training chooses no generator
    training = load_data(dataset, image_size=complete.image_size) if dataset in MADE else complete
    check_measurable(generator, training, count)
    fakes = generate_like(generator, training, count, seed)
    reference = _Task(complete, training, count, fakes.image_size, _device(generator)).reference()
    features, logits = _read(reference, fakes)
    near = neighbourhoods(reference.features, features)
    return {
        "fid": fid(reference.features, features),
        "precision": near.precision,
        "recall": near.recall,
        "coverage": near.coverage,
        "as_requested": 100 * (logits.argmax(1).cpu() == fakes.labels).float().mean().item(),
    }


def real_scores(
    dataset: str = "mnist", count: int | None = None, *, gan_train: bool = False, image_size: int = SIZE
) -> Scores:
    """What `count` real training images score in place of the fakes: floor of FID and KID, ceiling of the rest.

    `image_size` is that of the fakes which the row is for.
    """
    training, test = _both_parts(dataset, image_size)
    count = enough(SAMPLES[current_profile()], test.num_classes) if count is None else count
    check_count(count, test.num_classes)
    return _Task(training, test, count, image_size, "cpu").real_scores(gan_train)


def learned_from(fakes: ImageData, test: ImageData, seed: int = 1, size: int = SIZE) -> float:
    """GAN-train: percent of `test` that a fresh classifier reads right after training on the images `fakes` alone.

    Every sixth image is held out; the epoch that reads most of those right is the one that is tested. It reads at
    `size` pixels.
    """
    held_out = torch.arange(len(fakes)) % HELD_OUT == 0
    return accuracy(train_classifier(fakes.take(~held_out), seed, fakes.take(held_out), size), test)


def _both_parts(dataset: str, image_size: int) -> tuple[ImageData, ImageData]:
    """The training and the test images; both of the embedded digits where these stand in for MNIST."""
    training = load_for_reading(dataset, image_size)
    return training, load_for_reading(training.name, image_size, train=False)


def _device(generator: ConditionalGenerator) -> str:
    """Where to measure: beside the generator on a CUDA GPU, else on the CPU (others lack double precision)."""
    device = next(generator.parameters(), torch.empty(0)).device
    return str(device) if device.type == "cuda" else "cpu"


@dataclass(frozen=True, eq=False)
class _Reference:
    """Real images that others are compared with, what the classifier sees in them, and the classifier."""

    real: ImageData
    features: Tensor
    classifier: Classifier
    accuracy: float


@dataclass(frozen=True)
class _Task:
    """What fakes of one size are measured with: `count` images of `test`, and of `training` in place of the fakes."""

    training: ImageData
    test: ImageData
    count: int
    image_size: int
    device: str

    def warn(self, images: ImageData) -> None:
        """Of what the counts do to the scores of `images`."""
        real, training = (in_proportion(data, self.count) for data in (self.test, self.training))
        warn_of_few(images, real, training, Classifier.num_features)

    def reference(self) -> _Reference:
        real = in_proportion(self.test, self.count).resized(self.image_size)
        return _reference(real, classifier_file(self.training), self.device)

    def tested(self) -> ImageData:
        return self.test.resized(self.image_size)

    def real_scores(self, gan_train: bool = False) -> Scores:
        real = in_proportion(self.training, self.count).resized(self.image_size)
        return _real_scores(real, self.reference(), self.tested() if gan_train else None)


# What many measurements share is computed once. Data are compared by their fingerprints, so that new ones are noticed.


@lru_cache(maxsize=4)
def _reference(real: ImageData, classifier: Path, device: str) -> _Reference:
    network = open_classifier(classifier).to(device)
    features, logits = read(network, real.images)
    right = 100 * (logits.argmax(1).cpu() == real.labels).double().mean().item()
    return _Reference(real, features, network, right)


@lru_cache(maxsize=8)
def _real_scores(real: ImageData, reference: _Reference, tested: ImageData | None) -> Scores:
    gan_train = learned_from(real, tested, size=reference.classifier.size) if tested else None
    return replace(_measure(real, reference, *read(reference.classifier, real.images)), gan_train=gan_train)


@torch.inference_mode()
def _read(reference: _Reference, images: ImageData) -> tuple[Tensor, Tensor]:
    """What the classifier sees in images that are measured: features and logits; several processes read a part each.

    Not for what is computed once and kept: one process may have it, and another wait for help with it.
    """
    network = reference.classifier
    features = parallel.divided(lambda part: read(network, part)[0], images.images)
    return features, network.logits(features)


def _measure(images: ImageData, reference: _Reference, features: Tensor, logits: Tensor) -> Scores:
    """The scores of images, fake or real, in which the classifier sees `features`, but for GAN-train."""
    near = neighbourhoods(reference.features, features)
    predicted, labels, classes = logits.argmax(1).cpu(), images.labels, range(images.num_classes)
    confusion = torch.zeros(images.num_classes, images.num_classes, dtype=torch.long)
    confusion.index_put_((labels, predicted), torch.ones_like(labels), accumulate=True)
    right = 100 * confusion.diag() / confusion.sum(1)  # NaN for a class that nobody asked for
    of_fakes = spread(features, labels, images.num_classes)
    of_real = spread(reference.features, reference.real.labels, images.num_classes)
    diversity = torch.where(of_real > 0, of_fakes / of_real, torch.nan).cpu()  # one real image twice: no measure
    real_of = {label: reference.features[reference.real.labels == label] for label in classes}
    return Scores(
        count=len(images),
        dataset=reference.real.name,
        real_count=len(reference.real),
        seeds=1,
        classifier=fingerprint(reference.classifier),
        classifier_accuracy=reference.accuracy,
        fid=fid(reference.features, features),
        kid=kid(reference.features, features),
        inception_score=inception_score(logits),
        precision=near.precision,
        recall=near.recall,
        density=near.density,
        coverage=near.coverage,
        as_requested=100 * (predicted == labels).double().mean().item(),
        worst_class=_least(right),
        diversity=diversity.nanmean().item(),
        least_diverse=_least(diversity),
        as_requested_by_class=tuple(right.tolist()),
        fid_by_class=tuple(_class_fid(real_of[label], features[labels == label]) for label in classes),
        diversity_by_class=tuple(diversity.tolist()),
        confusion=tuple(map(tuple, confusion.tolist())),
        as_requested_by_attribute=_by_attribute(reference.real, labels, predicted),
    )


def _by_attribute(real: ImageData, labels: Tensor, predicted: Tensor) -> dict[str, float]:
    if not real.attributes:
        return {}
    right = split_labels(labels, real.attribute_sizes) == split_labels(predicted, real.attribute_sizes)  # (N, A)
    return dict(zip(real.attributes, (100 * right.double().mean(0)).tolist(), strict=True))


def _least(values: Tensor) -> float:
    """The least of those that are known."""
    return values.nan_to_num(torch.inf).min().item() if not values.isnan().all() else torch.nan


def _class_fid(real: Tensor, fake: Tensor) -> float:
    return fid(real, fake) if min(len(real), len(fake)) > 1 else torch.nan
