"""Notebook 05: rules that give up hopeless trials."""

from collections.abc import Callable
from functools import lru_cache
from statistics import fmean, median
from typing import Any

import torch

from cgan_lib.course.exercises.verdict import Wrong, call, check, run
from cgan_lib.course.trials import Curve, Outcome, Rule, made_curves, play

STUDIES = range(700, 760)  # that a rule of one's own has not seen
SAVED, KEPT = 0.5, 0.95  # of the training that it has to save, of the studies whose best trial it has to keep
Judge = Callable[[Curve, list[Curve]], bool]


@check("05", "build", difficulty=2, minutes=12)
def check_median_rule(answer: Rule) -> str:
    """Whether to give up, from the curve so far and those of finished trials: the median stopping rule."""
    cases = [(so_far, finished) for seed in range(12) for so_far, finished in _moments(seed)]
    values = [_decision(call(answer, *case)) for case in cases]
    if values == [_worse_than_median(*case) for case in cases]:
        return "Half of all trials end at the first look, and more the better those are that came before."
    if len(set(values)) == 1:
        raise Wrong("The answer is always the same: compare the trial with the others.")
    mistakes: dict[str, Judge] = {
        "The other way round: True means to give up, where the trial is *worse*.": lambda s, f: (
            not _worse_than_median(s, f)
        ),
        "At 20% nobody is as good as others are at 100%: compare at the same percent.": lambda s, f: (
            min(s.values()) > median(curve[100] for curve in f)
        ),
        "The mean is moved by a single trial that went very wrong: take the median.": lambda s, f: (
            s[max(s)] > fmean(curve[max(s)] for curve in f)
        ),
        "That gives up all but a new best one: compare with the median.": lambda s, f: (
            s[max(s)] > min(curve[max(s)] for curve in f)
        ),
        "That gives up only what is worse than all: compare with the median.": lambda s, f: (
            s[max(s)] > max(curve[max(s)] for curve in f)
        ),
        "The newest measurement counts, not the first: max(so_far) is its percent.": lambda s, f: (
            s[min(s)] > median(curve[min(s)] for curve in f)
        ),
    }
    for hint, mistake in mistakes.items():
        if values == [mistake(*case) for case in cases]:
            raise Wrong(hint)
    raise Wrong("at = max(so_far); give up where so_far[at] is above the median of curve[at] over the finished ones.")


def _moments(seed: int) -> list[tuple[Curve, list[Curve]]]:
    """A trial at each of its looks, beside an odd number of finished ones."""
    curve, *others = made_curves(seed, trials=8 + 2 * (seed % 3))
    wrong = 60.0 if seed % 2 else 1.0
    wild = {percent: wrong * value for percent, value in others[0].items()}  # one that went very wrong, half the time
    looks = [at for at in curve if at < 100]
    return [({p: v for p, v in curve.items() if p <= at}, [*others[1:], wild]) for at in looks]


def _worse_than_median(so_far: Curve, finished: list[Curve]) -> bool:
    at = max(so_far)
    return so_far[at] > median(curve[at] for curve in finished)


def _decision(value: Any) -> bool:
    if isinstance(value, str) or (isinstance(value, torch.Tensor) and value.numel() != 1):
        raise Wrong("Return one value: True to give the trial up, else False.")
    try:
        return bool(value)
    except (TypeError, ValueError) as error:
        raise Wrong("Return one value: True to give the trial up, else False.") from error


@check("05", "design", difficulty=3, minutes=25)
def check_own_rule(answer: Rule) -> str:
    """A rule that saves half of all training, and hardly ever gives up the trial that would have been the best."""

    def rule(so_far: Curve, finished: list[Curve]) -> bool:
        return _decision(run(answer, so_far, finished))

    outcomes = [play(rule, curves) for curves in _studies()]
    saved, kept = _summary(outcomes)
    said = f"{saved:.0%} of the training saved, and the best trial kept in {kept:.0%} of {len(STUDIES)} new studies."
    if kept < KEPT and saved < SAVED:
        raise Wrong(f"{said} At least {SAVED:.0%} and {KEPT:.0%} are wanted: which trials does it mistake?")
    if kept < KEPT:
        raise Wrong(f"{said} At least {KEPT:.0%} are to be kept: be more patient with trials that still fall fast.")
    if saved < SAVED:
        raise Wrong(f"{said} At least {SAVED:.0%} are to be saved: who is far behind the *best* of the finished ones?")
    return said


@lru_cache(maxsize=1)
def _studies() -> list[list[Curve]]:
    return [made_curves(seed) for seed in STUDIES]


def _summary(outcomes: list[Outcome]) -> tuple[float, float]:
    return fmean(each.saved for each in outcomes), fmean(each.kept_best for each in outcomes)
