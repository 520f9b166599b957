"""Which trials are given up early: by a rule of Optuna, or one of your own."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.trial import FrozenTrial, TrialState

from cgan_lib.errors import UserError, shown, unknown

MEASURED = 5  # times that a trial is measured, evenly over its length
STARTUP = 4  # trials that are finished before any is given up, and before the sampler learns from them

Curve = Mapping[int, float]
"""percent of a trial's length → the lowest value by then"""
Rule = Callable[[Curve, Sequence[Curve]], bool]
"""from the curve so far and those of the finished trials: whether to give up"""
PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "median": lambda: MedianPruner(n_startup_trials=STARTUP),
    "hyperband": lambda: HyperbandPruner(min_resource=100 // MEASURED, max_resource=100),
    "none": NopPruner,
}
Pruner = Literal["median", "hyperband", "none"] | Rule | BasePruner


class RulePruner(BasePruner):
    """A rule of one's own as Optuna wants it; like Optuna's, it waits for a few trials to compare with."""

    def __init__(self, rule: Rule):
        self.rule = rule

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether to give up the trial, as far as it has reported."""
        others = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        curves = [dict(other.intermediate_values) for other in others]
        return len(curves) >= STARTUP and bool(self.rule(dict(trial.intermediate_values), curves))


def make_pruner(pruner: Pruner) -> BasePruner:
    """The one of a name, of a rule of one's own, or as it is; `UserError` for something else."""
    if isinstance(pruner, BasePruner):
        return pruner
    if callable(pruner):
        return RulePruner(pruner)
    if not isinstance(pruner, str):
        raise UserError(f"pruner {shown(pruner)} must be one of {', '.join(PRUNERS)}, or a function.")
    if pruner not in PRUNERS:
        raise unknown("pruner", pruner, PRUNERS)
    return PRUNERS[pruner]()
