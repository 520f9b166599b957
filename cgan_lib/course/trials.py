"""Made-up trials: learning curves of a search, drawn in a moment, to try rules of pruning on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

PERCENTS = (20, 40, 60, 80, 100)  # of a trial's length, at which it is measured
STARTUP = 4  # trials that are finished before any is given up

Curve = dict[int, float]
Rule = Callable[[Curve, list[Curve]], bool]


@dataclass(frozen=True)
class Outcome:
    """What a rule did in a study."""

    saved: float
    """share of all training that it saved"""
    kept_best: bool
    """whether the trial that would have ended lowest was trained to its end"""
    given_up: tuple[int, ...]
    """for each trial the percent at which it was given up; 100: it was not"""


def made_curves(seed: int, trials: int = 20) -> list[Curve]:
    """FID of so many trials over their length, the lowest by then: some learn fast and stop, some slowly and get far.

    Measured with a little noise, as of few images.
    """
    draw = np.random.default_rng(seed)
    level = 10 ** draw.uniform(1.3, 2.5, trials)  # where each would end
    pace = draw.uniform(2.0, 6.0, trials) * (1 + 0.5 * (level > np.median(level)))  # what ends high is often fast
    at = np.array(PERCENTS) / 100
    values = level[:, None] * (1 + 30 * np.exp(-pace[:, None] * at))  # (trials, 5)
    values *= np.exp(0.06 * draw.standard_normal(values.shape))
    lowest = np.minimum.accumulate(values, axis=1)
    return [dict(zip(PERCENTS, row.tolist(), strict=True)) for row in lowest]


def play(rule: Rule, curves: Sequence[Curve]) -> Outcome:
    """Train the trials one after the other, and give up those that the rule says are hopeless."""
    finished: list[Curve] = []
    ends = []
    for curve in curves:
        end = next((at for at in PERCENTS[:-1] if _given_up(rule, curve, at, finished)), 100)
        ends.append(end)
        if end == 100:
            finished.append(curve)
    best = min(range(len(curves)), key=lambda number: curves[number][100])
    return Outcome(1 - sum(ends) / (100 * len(curves)), ends[best] == 100, tuple(ends))


def _given_up(rule: Rule, curve: Curve, at: int, finished: list[Curve]) -> bool:
    so_far = {percent: value for percent, value in curve.items() if percent <= at}
    return len(finished) >= STARTUP and bool(rule(so_far, [dict(each) for each in finished]))
