"""`diagnose`: what is wrong with a run, told from its log alone."""

from dataclasses import dataclass
from math import isfinite
from typing import Protocol

from cgan_lib.figures import Curves
from cgan_lib.runs.rules import RULES, Log

LEAST_POINTS = 4  # of the vital signs, the one before the first step among them: with fewer, nothing has settled
LEAST_STEPS = 40  # for rules that infer: earlier, healthy runs and others look alike
ALWAYS = ("separated", "z_moves", "label_moves", "nearest")  # signs that each run has, at every point
NUMBERS = (*ALWAYS, "logit_lowest", "logit_highest", "loss/D", "loss/G")  # of which each must be one
HEALTHY, CANNOT_TELL = "healthy", "cannot tell"


class HasHistory(Protocol):
    """A run: of the library, of the lab, or anything else with curves."""

    def history(self) -> Curves:
        """The curves: name → (steps, values)."""


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """What `diagnose` found."""

    cause: str
    """the name of a fault, `healthy` or `cannot tell`"""
    reasons: tuple[str, ...]
    """what gave it away, with its numbers"""
    advice: str
    """what to do"""

    def __repr__(self) -> str:
        return "\n".join(
            [self.cause.replace("_", " "), *(f"  {reason}" for reason in self.reasons), f"→ {self.advice}"]
        )


def diagnose(run: HasHistory) -> Diagnosis:
    """What is wrong with a run, told from its log: a fault's name, `healthy`, or `cannot tell`, with reasons.

    A run of the library needs `grid_every` small enough that its vital signs were taken three times after its start.
    """
    log = Log(run.history())
    if not all(name in log for name in ALWAYS):
        return Diagnosis(
            CANNOT_TELL, ("the log has no vital signs: the run is older than they are",), "Train it anew, for a while."
        )
    if (points := min(len(log.all(name)) for name in ALWAYS)) < LEAST_POINTS:
        reason = f"vital signs were taken {points} times, and it takes {LEAST_POINTS}"
        return Diagnosis(CANNOT_TELL, (reason,), "Train on, or take them more often: a smaller grid_every.")
    if lost := [name for name in NUMBERS if name in log and not isfinite(log.last(name))]:
        reason = f"{lost[0]} ends in {log.last(lost[0])}: the training has diverged, and no rule can compare with that"
        return Diagnosis(CANNOT_TELL, (reason,), "Lower the learning rates, and go on from before.")
    young = log.step < LEAST_STEPS
    for cause, rule in RULES.items():
        known = all(name in log for name in rule.needs) and not (rule.infers and young)
        if known and (reason := rule.tells(log)):
            return Diagnosis(cause, (reason,), rule.advice)
    if young:
        reason = (
            f"it is {log.step} steps old, and nothing is plainly wrong; what came out says little before {LEAST_STEPS}"
        )
        return Diagnosis(CANNOT_TELL, (reason,), "Train on.")
    return _healthy(log)


def _healthy(log: Log) -> Diagnosis:
    reasons = [
        f"D tells {100 * log.late('separated'):.0f}% of pairs of a real and a fake apart",
        f"z moves an image by {log.late('z_moves'):.2f}, a label by {log.late('label_moves'):.2f} a pixel",
        f"fakes are {log.late('nearest'):.2f} times as far from the nearest real as reals are from each other",
    ]
    return Diagnosis(HEALTHY, tuple(reasons), "Nothing to mend here. How good it is, scores say: cgan_lib.evaluate.")
