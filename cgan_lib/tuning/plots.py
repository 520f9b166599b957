"""What a study found, as pictures: which settings mattered, which go together, and what pruning saved.

Optuna draws such pictures, too, but each into a figure and a style of its own; only its sums are taken from it.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.importance import get_param_importances
from optuna.trial import FrozenTrial, TrialState

from cgan_lib.errors import UserError
from cgan_lib.figures import COLOURS, INK, SMALL
from cgan_lib.tuning.study import ranking
from cgan_lib.tuning.workers import FINISHED, quietly

FEWEST = 2  # trials with different values, to say what mattered
VALUE = "value (lower is better)"


def importances(study: optuna.Study) -> dict[str, float]:
    """The share of each setting in how much the values of trials differ, largest first: PED-ANOVA (Watanabe 2023)."""
    if len({trial.value for trial in ranking(study)}) < FEWEST:
        raise UserError(f"it takes {FEWEST} finished trials of different values to say what mattered: search longer.")
    with quietly():
        return get_param_importances(study)


def draw_importances(axes: Any, study: optuna.Study) -> None:
    """Draw a bar for each setting."""
    found = importances(study)
    names = list(found)[::-1]
    axes.barh(names, [found[name] for name in names], color=COLOURS["D"], height=0.6)
    axes.set(xlabel="share of the differences between trials", xlim=(0, 1), title="which setting mattered?")
    axes.tick_params(axis="y", length=0)


def draw_parallel(axes: Any, study: optuna.Study, title: str = "", value: str = VALUE) -> None:
    """Draw a line for each trial through its settings to its value; those that were given up end before it.

    Each axis runs from the lowest to the highest value tried, on a logarithmic scale where it was searched so.
    """
    best = ranking(study)
    trials = study.get_trials(deepcopy=False, states=FINISHED)
    scales = [_Scale(name, each, trials) for name, each in _distributions(trials).items()]
    span = _Values(best)
    for trial in trials:
        places = [scale.place(trial.params[scale.name]) for scale in scales]
        if trial.state == TrialState.COMPLETE:
            places.append(span.place(trial.value or 0.0))
        axes.plot(range(len(places)), places, **_look(trial, best))
    for x, ticks in enumerate([*(scale.ticks() for scale in scales), span.ticks()]):
        axes.axvline(x, color=INK, linewidth=0.8, zorder=0)
        for place, text in ticks:
            paper = dict(facecolor="white", edgecolor="none", alpha=0.75, pad=0.5)
            axes.annotate(text, (x, place), (5, 0), textcoords="offset points", va="center", fontsize=SMALL, bbox=paper)
    axes.set_xticks(range(len(scales) + 1), [*(scale.name for scale in scales), value])
    axes.set(yticks=[], ylim=(-0.06, 1.06), xlim=(-0.05, len(scales) + 0.35), title=title)
    axes.spines[:].set_visible(False)


def draw_curves(axes: Any, study: optuna.Study, value: str = VALUE) -> None:
    """Draw the value of each trial over its length; a cross where one was given up."""
    best = ranking(study)
    for trial in study.get_trials(deepcopy=False, states=FINISHED):
        if curve := trial.intermediate_values:
            axes.plot(list(curve), list(curve.values()), marker=".", **_look(trial, best))
            if trial.state == TrialState.PRUNED:
                (last, lowest) = list(curve.items())[-1]
                axes.plot(last, lowest, "x", color=COLOURS["G"], markersize=9, markeredgewidth=2)
    axes.set(xlabel="percent of a trial's length", ylabel=value, yscale="log", title="crosses: given up")


def _look(trial: FrozenTrial, best: Sequence[FrozenTrial]) -> dict[str, Any]:
    """The best trial stands out; those given up are dashed."""
    if best and trial.number == best[0].number:
        return dict(color=COLOURS["G"], linewidth=3, linestyle="-", zorder=5)
    if trial.state == TrialState.PRUNED:
        return dict(color="0.55", linewidth=1, linestyle="--", zorder=1)
    return dict(color=COLOURS["D"], linewidth=1.3, linestyle="-", alpha=0.8, zorder=3)


def _distributions(trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
    return {name: each for trial in trials for name, each in trial.distributions.items()}


class _Scale:
    """An axis for one setting: where a value stands, from 0 to 1."""

    def __init__(self, name: str, distribution: BaseDistribution, trials: Sequence[FrozenTrial]):
        self.name = name
        self.choices = list(distribution.choices) if isinstance(distribution, CategoricalDistribution) else None
        self.log = getattr(distribution, "log", False)
        if self.choices is None:
            values = [trial.params[name] for trial in trials]
            self.low, self.high = min(values), max(values)

    def place(self, value: Any) -> float:
        if self.choices is not None:
            return self.choices.index(value) / max(1, len(self.choices) - 1)
        low, high, here = (math.log(x) if self.log else x for x in (self.low, self.high, value))
        return (here - low) / (high - low) if high > low else 0.5

    def ticks(self) -> list[tuple[float, str]]:
        if self.choices is not None:
            return [(self.place(choice), str(choice)) for choice in self.choices]
        between = np.geomspace(self.low, self.high, 4) if self.log else np.linspace(self.low, self.high, 4)
        return [(self.place(x), f"{x:.2g}") for x in sorted({*between.tolist()})]


class _Values:
    """The axis of the values of trials: logarithmic, since bad ones may be many times as large as good ones."""

    def __init__(self, best: Sequence[FrozenTrial]):
        self.values = [trial.value or 0.0 for trial in best] or [1.0]
        self.log = self.values[0] > 0

    def place(self, value: float) -> float:
        low, high, here = (math.log(x) if self.log else x for x in (self.values[0], self.values[-1], value))
        return (here - low) / (high - low) if high > low else 0.5

    def ticks(self) -> list[tuple[float, str]]:
        between = np.geomspace if self.log else np.linspace
        ends = between(self.values[0], self.values[-1], 4)
        return [(self.place(x), f"{x:.3g}") for x in sorted({*ends.tolist()})]
