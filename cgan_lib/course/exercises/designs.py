"""Notebook 01: open tasks, judged by a score."""

from dataclasses import fields, replace
from functools import lru_cache
from math import isfinite
from numbers import Real
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn

from cgan_lib.course import toy
from cgan_lib.course.exercises.verdict import Wrong, check, perform
from cgan_lib.errors import UserError
from cgan_lib.evaluation.classifier import Classifier, load_classifier, read
from cgan_lib.evaluation.metrics import spread
from cgan_lib.evaluation.samples import check_images
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.sampling import generate

MOST_STEPS, MOST_BATCH, ENOUGH_MODES = 2000, 128, 7.0  # of the ring; modes are a mean over its seeds
RING_SEEDS = 3
MOST_WEIGHTS, LEAST_READ, LEAST_DIVERSE = 900_000, 95.0, 0.8  # of a generator of one's own
COUNT = 300  # images that it is judged by
REAL_SPREAD = {"mnist": 26.6, "digits": 27.9}  # mean distance of two real test images of a class, in features


@check("01", "design", difficulty=2, minutes=12)
def check_ring_setting(answer: toy.Setting) -> str:
    """A `toy.Setting` with the slow discriminator, whose samples cover 7 of 8 modes without labels."""
    if not isinstance(answer, toy.Setting):
        raise Wrong("A toy.Setting is wanted, such as replace(toy.SLOW_D, …).")
    _check_rules(answer)
    modes = _modes(answer)
    mean = fmean(modes)
    if mean < ENOUGH_MODES:
        raise Wrong(
            f"Modes covered, {RING_SEEDS} seeds: {modes}; {mean:.1f} on average, {ENOUGH_MODES:.0f} are wanted. "
            "Who of the two has to wait for the other?"
        )
    return f"Modes covered, {RING_SEEDS} seeds: {modes}. It matters how slow D is beside G, not how slow."


def _check_rules(setting: toy.Setting) -> None:
    for field in fields(setting):
        value = getattr(setting, field.name)
        if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(value):
            raise Wrong(f"{field.name} is to be a number.")
    if setting.lr_d > toy.SLOW_D.lr_d:
        raise Wrong(f"The discriminator stays slow: lr_d at most {toy.SLOW_D.lr_d}.")
    if not 1 <= setting.demo_steps <= MOST_STEPS or setting.demo_steps != int(setting.demo_steps):
        raise Wrong(f"From 1 to {MOST_STEPS} steps are there for it.")
    if not 2 <= setting.batch_size <= MOST_BATCH or setting.batch_size != int(setting.batch_size):
        raise Wrong(f"A batch has 2 to {MOST_BATCH} samples.")
    if setting.lr_g <= 0 or setting.lr_d <= 0 or not 0 <= setting.beta1 < 1:
        raise Wrong("Learning rates are more than 0, and beta1 is from 0 to less than 1.")


@lru_cache(maxsize=16)
def _modes(setting: toy.Setting) -> list[int]:
    setting = replace(setting, demo_steps=int(setting.demo_steps), batch_size=int(setting.batch_size))
    trained = toy.train_ring(setting, runs=RING_SEEDS, seed=7, snapshots=2, total=setting.demo_steps)
    return toy.modes_covered(trained[-1].samples)


@check("01", "design", difficulty=3, minutes=25)
def check_own_generator(answer: ConditionalGenerator) -> str:
    """A generator of digits, not too large, that draws what is asked for, and not one image over and over."""
    if isinstance(answer, type):
        raise Wrong("A trained network is wanted; this is its class.")
    if callable(answer) and not isinstance(answer, nn.Module):
        perform(answer, torch.zeros(1, 100), torch.zeros(1, dtype=torch.long))
    if not isinstance(answer, nn.Module):
        raise Wrong(f"A generator is wanted, a network that was trained; this is {type(answer).__name__}.")
    weights = sum(part.numel() for part in (*answer.parameters(), *answer.buffers()))
    if not weights:
        raise Wrong("It has no weights of its own: layers are attributes of a network, or lie in an nn.ModuleList.")
    if weights > MOST_WEIGHTS:
        raise Wrong(f"{weights:,} weights; {MOST_WEIGHTS:,} are allowed. Where are most of them?")
    as_requested, diversity = max(_scores(answer))
    said = f"{as_requested:.1f}% as requested, diversity {diversity:.2f} of real, {weights:,} weights."
    if as_requested < LEAST_READ:
        raise Wrong(f"{said} At least {LEAST_READ:.0f}% are wanted: what makes a step faster, or use it better?")
    if diversity < LEAST_DIVERSE:
        raise Wrong(f"{said} At least {LEAST_DIVERSE} is wanted: it draws the same few images again and again.")
    return said


def _scores(generator: Any) -> list[tuple[float, float]]:
    """Percent read as requested, and diversity, by each shipped classifier: its digits may be of either data set."""
    labels = torch.arange(10).repeat(COUNT // 10)
    try:
        images = check_images(generate(generator, labels, seed=11), channels=1)
    except UserError as problem:
        raise Wrong(f"It cannot be measured: {problem}") from problem
    return [_read(load_classifier(dataset), images, labels, real) for dataset, real in REAL_SPREAD.items()]


def _read(classifier: Classifier, images: Tensor, labels: Tensor, real_spread: float) -> tuple[float, float]:
    features, logits = read(classifier, images)
    right = (logits.argmax(1) == labels).float().mean().item()
    return 100 * right, spread(features, labels, 10).mean().item() / real_spread
