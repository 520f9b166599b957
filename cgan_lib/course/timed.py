"""A training of so many seconds: what notebooks compare at equal time."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cgan_lib.data import ImageData
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.recipes import Recipe, current_profile
from cgan_lib.training import Trainer

PACE = {"ci": 0.02, "demo": 1.0, "full": 4.0}  # seconds of a profile for each of those asked for
WARM_UP = 5  # steps
TIMED = {"ci": 3, "demo": 40, "full": 40}  # steps after those, by which the time of a step is measured


@dataclass(frozen=True)
class Trained:
    """What came of a training of so many seconds."""

    generator: ConditionalGenerator
    """the averaged one, where the recipe has one"""
    steps: int
    seconds: float


def train_for(recipe: Recipe, data: ImageData, seconds: float) -> Trained:
    """Train a recipe for so many seconds of the profile `demo`; nothing is written, so nothing can go on from there.

    Learning rates that fall to zero have to know before how many steps there will be: then a step is timed first, on
    networks that are thrown away.
    """
    limit = seconds * PACE[current_profile()]
    steps = max(1, int(limit / seconds_of_a_step(recipe, data))) if recipe.lr_to_zero else None
    trainer = Trainer(recipe, data, length=steps)
    start = time.perf_counter()
    if steps:
        trainer.fit(steps)
    else:
        trainer.fit(2**31, until_over(limit))
    return Trained(trainer.sampler.eval(), trainer.step, time.perf_counter() - start)


def seconds_of_a_step(recipe: Recipe, data: ImageData) -> float:
    """How long a step of this recipe takes here."""
    trainer, timed = Trainer(recipe, data), TIMED[current_profile()]
    trainer.fit(WARM_UP)
    start = time.perf_counter()
    trainer.fit(WARM_UP + timed)
    return (time.perf_counter() - start) / timed


def until_over(seconds: float) -> Callable[[Any], bool]:
    """For `Trainer.fit`: whether there is time for another step."""
    end = time.perf_counter() + seconds
    return lambda metrics: time.perf_counter() < end
