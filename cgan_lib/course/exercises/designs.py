"""Notebook 01: open tasks, judged by a score."""

from dataclasses import fields, replace
from functools import lru_cache
from statistics import fmean
from typing import Any

from torch import nn

from cgan_lib.course import toy
from cgan_lib.course.exercises.verdict import Wrong, check
from cgan_lib.errors import UserError
from cgan_lib.evaluation import evaluate
from cgan_lib.models.layers import ConditionalGenerator

MOST_STEPS, MOST_BATCH, ENOUGH_MODES = 2000, 128, 7.0  # of the ring; modes are a mean over its seeds
RING_SEEDS = 3
MOST_WEIGHTS, LEAST_READ, LEAST_DIVERSE = 500_000, 85.0, 0.75  # of a generator of one's own
COUNT = 1000  # images that it is judged by


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
    return f"Modes covered, {RING_SEEDS} seeds: {modes}. It is no matter how slow D is, but how slow beside G."


def _check_rules(setting: toy.Setting) -> None:
    for field in fields(setting):
        value = getattr(setting, field.name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
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
    """A small generator of MNIST that draws what is asked for, and not one image over and over."""
    if not isinstance(answer, nn.Module):
        raise Wrong(f"A generator is wanted, a network that was trained; this is {type(answer).__name__}.")
    weights = sum(weight.numel() for weight in answer.parameters())
    if weights > MOST_WEIGHTS:
        raise Wrong(f"{weights:,} weights; {MOST_WEIGHTS:,} are allowed. Where are most of them?")
    scores = _scores(answer)
    said = f"{scores.as_requested:.1f}% as requested, diversity {scores.diversity:.2f} of real, {weights:,} weights."
    if scores.as_requested < LEAST_READ:
        raise Wrong(f"{said} At least {LEAST_READ:.0f}% are wanted: what makes a step faster, or use it better?")
    if scores.diversity < LEAST_DIVERSE:
        raise Wrong(f"{said} At least {LEAST_DIVERSE} is wanted: it draws the same few images again and again.")
    return said


def _scores(generator: Any) -> Any:
    try:
        return evaluate(generator, "mnist", count=COUNT, seed=11)
    except UserError as problem:
        raise Wrong(f"It cannot be measured: {problem}") from problem
