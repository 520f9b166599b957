"""Notebook 01: the loop around the steps of a training, and what it is fed with."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from cgan_lib.course.exercises.comparing import close, distance, numbers, shaped
from cgan_lib.course.exercises.verdict import CHANGED, Wrong, by_name, check

SOON = 0.15  # seconds that a loop is given here
PAUSE = 0.001  # seconds of a step here
AHEAD = 20  # batches that may be taken before their steps: who takes all waits for ever, where there is no end
LATE = 2  # steps that may begin after the time is over: the clock is read once a step


class _Recorder:
    """Two steps that write down what they are given, and move nothing."""

    def __init__(self) -> None:
        self.order = ""
        self.times: list[float] = []
        self.reals: list[tuple[Tensor, Tensor]] = []
        self.latents: list[Tensor] = []
        self.labels: list[Tensor] = []
        self.losses: list[float] = []
        self.hoarded = False

    def feed(self, batches: list) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches, unless many more are taken than there are steps."""
        for index, batch in enumerate(batches):
            if index > len(self.reals) + AHEAD:
                self.hoarded = True
                return
            yield batch

    def discriminator_step(self, real: Any, labels: Any, z: Any, fake_labels: Any) -> Tensor:
        self.reals.append((numbers(real), numbers(labels)))
        return self._note("D", z, fake_labels)

    def generator_step(self, z: Any, fake_labels: Any) -> Tensor:
        return self._note("G", z, fake_labels)

    def _note(self, who: str, z: Any, fake_labels: Any) -> Tensor:
        self.order += who
        self.times.append(time.perf_counter())
        self.latents.append(numbers(z))
        self.labels.append(numbers(fake_labels))
        self.losses.append(round(1 + 0.01 * len(self.losses) + (who == "G"), 4))
        time.sleep(PAUSE)
        return torch.tensor(self.losses[-1])


@check("01", "build", difficulty=3, minutes=15)
def check_training_loop(answer: Callable[..., list]) -> str:
    """`(discriminator_step, generator_step, batches, latent_dim, num_classes, seconds)` → pairs of losses (D, G)."""
    short = [*_batches(7, 4)]
    _check_loop(answer, short, 5, 4, 5.0)
    many = [*_batches(400, 12)]
    record, took = _check_loop(answer, many, 8, 12, SOON)
    late = sum(at - record.times[0] > SOON for at in record.times[::2])
    if late > LATE:
        raise Wrong("It went on when the seconds were over: look at time.perf_counter() in every step.")
    if took < SOON:
        raise Wrong("It stopped before the seconds were over.")
    return "This is all that training is: two steps, over and over."


def _batches(count: int, num_classes: int) -> Iterator[tuple[Tensor, Tensor]]:
    for index in range(count):
        size = 6 - (index == 6)  # the seventh is smaller
        yield torch.rand(size, 1, 2, 2), torch.randint(num_classes, (size,))


def _check_loop(
    answer: Any, batches: list, latent_dim: int, num_classes: int, seconds: float
) -> tuple[_Recorder, float]:
    record, begun = _Recorder(), time.perf_counter()
    losses = by_name(
        answer,
        discriminator_step=record.discriminator_step,
        generator_step=record.generator_step,
        batches=record.feed(batches),
        latent_dim=latent_dim,
        num_classes=num_classes,
        seconds=seconds,
    )
    took = time.perf_counter() - begun
    if record.hoarded:
        raise Wrong("All batches were taken before their steps, and they may have no end: take one for each step.")
    _check_order(record, batches, whole=len(batches) < 10)
    _check_latents(record, latent_dim)
    _check_labels(record, num_classes)
    _check_losses(losses, record)
    return record, took


def _check_order(record: _Recorder, batches: list, whole: bool) -> None:
    if not record.order:
        raise Wrong("No step was taken: go through the batches.")
    if set(record.order) == {"D"} or set(record.order) == {"G"}:
        raise Wrong(f"Only {record.order[0]} learned: both steps, in turn.")
    if record.order[:2] == "GD":
        raise Wrong("D's step comes first: it tells G where reals and fakes differ.")
    if record.order != "DG" * (len(record.order) // 2):
        raise Wrong("For each batch one step of D, then one of G.")
    if whole and len(record.reals) != len(batches):
        raise Wrong(f"There were {len(batches)} batches and time for all; D saw {len(record.reals)}.")
    for (real, labels), (own, own_labels) in zip(record.reals, batches, strict=False):
        if not torch.equal(real, own):
            raise Wrong("D's step gets the reals of each batch, in their order, as they are.")
        if not torch.equal(labels, own_labels):
            raise Wrong("D's step gets the reals with their own labels.")


def _check_latents(record: _Recorder, latent_dim: int) -> None:
    sizes = [len(real) for real, _ in record.reals for _ in "DG"]
    for z, size in zip(record.latents, sizes, strict=True):
        if tuple(z.shape) != (size, latent_dim):
            raise Wrong(f"z should be (len(real), latent_dim), here {(size, latent_dim)}; it is {tuple(z.shape)}.")
    for drawn in (torch.cat(record.latents[::2]), torch.cat(record.latents[1::2])):  # for D, for G
        if len(drawn.unique(dim=0)) < len(drawn):
            raise Wrong("The same z comes again: draw a fresh one in each step, a row for each image.")
        if distance(drawn, torch.special.ndtr) > 3 / drawn.numel() ** 0.5:
            raise Wrong("z is not from N(0, 1): torch.randn.")


def _check_labels(record: _Recorder, num_classes: int) -> None:
    for labels, z in zip(record.labels, record.latents, strict=True):
        if labels.is_floating_point() or tuple(labels.shape) != (len(z),):
            raise Wrong("fake_labels are whole numbers, one for each z: torch.randint(num_classes, (len(real),)).")
    if all(torch.equal(labels, own) for labels, (_, own) in zip(record.labels[::2], record.reals, strict=True)):
        raise Wrong("These are the labels of the reals: the fakes get others, drawn at random.")
    for labels in (torch.cat(record.labels[::2]), torch.cat(record.labels[1::2])):
        if labels.min() < 0 or labels.max() >= num_classes:
            raise Wrong(f"There are {num_classes} classes, so labels run from 0 to {num_classes - 1}.")
        counts = labels.bincount(minlength=num_classes)
        expected = len(labels) / num_classes
        if (expected > 10 and not counts.all()) or (expected > 30 and counts.min() < expected / 4):
            raise Wrong("Some classes are hardly ever asked for: draw fake_labels evenly from all of them.")


def _check_losses(losses: Any, record: _Recorder) -> None:
    if losses is None:
        raise Wrong("The function returns nothing: it should end with return.")
    expected = torch.tensor(record.losses).view(-1, 2)
    if numbers(losses).shape == expected.T.shape != expected.shape:
        raise Wrong("A list of pairs, one for each step; these are two lists.")
    found = shaped(losses, tuple(expected.shape))
    if close(found, expected.flip(1)):
        raise Wrong("In each pair, D's loss comes first.")
    if not close(found, expected):
        raise Wrong("Return what the two steps returned, a pair (loss of D, loss of G) for each.")


@check("01", "debug", difficulty=2, minutes=8)
def check_mended_batches(answer: Callable[..., Iterator]) -> str:
    """`careless_batches(images, labels, batch_size)`, mended: every image once, in random order, with its own label."""
    for count, batch_size in ((24, 6), (31, 7), (90, 32)):
        images = torch.randint(256, (count, 1, 3, 3), dtype=torch.uint8)
        labels = images.flatten(1).sum(1).long() % 1000  # a label can be told from its image
        _check_epoch(_epoch(answer, images, labels, batch_size), images, batch_size)
    images, labels = torch.arange(200, dtype=torch.uint8)[:, None, None, None].repeat(1, 1, 2, 2), torch.arange(200)
    orders = [torch.cat([own for _, own in _epoch(answer, images, labels, 50)]) for _ in "ab"]
    if torch.equal(orders[0], labels):
        raise Wrong("The pairs are right, but they come in the order of the file: shuffle.")
    if torch.equal(*orders):
        raise Wrong("Each time round the same order: draw a new permutation.")
    if (orders[0][:50] < 50).sum() > 40 or (orders[0].diff().abs() == 1).sum() > 50:
        raise Wrong("Shuffled inside the batches only, or whole batches: shuffle all images, then cut.")
    return "One order for both: whatever picks the images must pick the labels."


def _epoch(answer: Any, images: Tensor, labels: Tensor, batch_size: int) -> list[tuple[Tensor, Tensor]]:
    given = images.clone(), labels.clone()
    batches = by_name(answer, images=given[0], labels=given[1], batch_size=batch_size)
    if not isinstance(batches, Iterable) or not (batches := [*batches]):
        raise Wrong("The function gives no batches: keep yield, or return a list.")
    if not torch.equal(given[0], images) or not torch.equal(given[1], labels):
        raise Wrong(CHANGED)
    if any(not isinstance(batch, (tuple, list)) or len(batch) != 2 for batch in batches):
        raise Wrong("Each batch is a pair: images and labels.")
    pairs = [(numbers(reals), numbers(own)) for reals, own in batches]
    if any(reals.ndim != 4 or own.ndim != 1 for reals, own in pairs):
        raise Wrong("Each batch is a pair: images (B, 1, H, W) and labels (B,).")
    return pairs


def _check_epoch(batches: list[tuple[Tensor, Tensor]], images: Tensor, batch_size: int) -> None:
    reals, labels = zip(*batches, strict=True)
    sizes = [len(real) for real in reals]
    if any(len(real) != len(label) for real, label in zip(reals, labels, strict=True)):
        raise Wrong("As many labels as images, in each batch.")
    if sum(sizes) != len(images):
        raise Wrong(f"Of {len(images)} images {sum(sizes)} came: each once, those of the last, smaller batch too.")
    if max(sizes) != batch_size or len(sizes) != -(-len(images) // batch_size):
        raise Wrong("Batches have batch_size images; only the last one may have fewer.")
    found, found_labels = torch.cat(reals), torch.cat(labels)
    if found.shape != images.shape or not found.is_floating_point() or found.min() < -1.001 or found.min() > -0.9:
        raise Wrong("Images come as floats in [-1, 1], of the shape they had: leave to_unit where it is.")
    bytes_again = ((found.double() + 1) * 127.5).round().long().flatten(1)
    if not torch.equal(bytes_again.unique(dim=0), images.long().flatten(1).unique(dim=0)):
        raise Wrong("These are not the images that were given: each once, scaled by to_unit.")
    if found_labels.is_floating_point():
        raise Wrong("Labels stay whole numbers: an embedding looks up no others.")
    if not torch.equal(bytes_again.sum(1) % 1000, found_labels.long()):
        raise Wrong("An image still comes with a label that is not its own: which indices picked the labels?")
