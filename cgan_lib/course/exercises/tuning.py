"""Notebook 05: what a search is made of, and what its winner is worth."""

from collections.abc import Callable, Mapping, Sequence
from math import comb, isfinite
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from cgan_lib.course.exercises.comparing import Formula, close, compare, shaped
from cgan_lib.course.exercises.verdict import Wrong, call, check

LOW, HIGH = 1e-5, 2e-3  # of the published learning rates
WANTED = {"lr": (LOW, HIGH), "beta1": (0.0, 0.9)}
LENGTHS = [50, 100, 128]  # of z
SPACE_FORM = 'Each is written as "low:high", "low:high:log", or "a,b,c".'
ENDED, STILL = ("complete", "pruned"), "running"


@check("05", "answer", difficulty=1, minutes=5)
def check_random_trials(answer: int) -> str:
    """How many random trials it takes to have one of the best 5% of all settings with a probability of 95%."""
    given = shaped(answer, ()).item()
    if given == 20:
        raise Wrong("After 20 trials one of the best 5% is *expected*, but it is there in 64% of all searches only.")
    if given == 19 or given in (95, 100):
        raise Wrong("Trials do not add up: what is the chance that *none* of n trials is among the best 5%?")
    if 0 < given < 1:
        raise Wrong("A number of trials is wanted, not a probability.")
    if given == 58:
        raise Wrong("Just too few: 58 trials have one in 94.9% of all searches. Round up.")
    if given == 45:
        raise Wrong("That is for 90%: wanted is a probability of 95%.")
    if given == 90:
        raise Wrong("That is for 99%: wanted is a probability of 95%.")
    if not 58 < given <= 59:
        raise Wrong("None of n trials is among the best 5% with probability 0.95 ** n: from which n on is it below 5%?")
    return "However many settings are searched: that is why random search is hard to beat with few trials."


@check("05", "build", difficulty=1, minutes=6)
def check_log_scale(answer: Callable[[Tensor, float, float], Tensor]) -> str:
    """Learning rates (N,), evenly spread over the orders of magnitude from low to high, from u (N,) in [0, 1]."""
    cases = [
        (torch.linspace(0, 1, 7).double(), LOW, HIGH),
        (torch.rand(9).double(), 1e-4, 1e-2),
        (torch.rand(4).double(), 3.0, 50.0),
    ]
    mistakes: dict[str, Formula] = {
        "That is an even spread of the numbers: nine of ten would lie in the upper decade.": _evenly,
        "From high to low: u = 0 should give low.": lambda u, low, high: _log_scale(u, high, low),
        "These are the logarithms: take exp of them.": lambda u, low, high: _log_scale(u, low, high).log(),
        "These are logarithms to the base 10: raise 10 to them.": lambda u, low, high: _log_scale(u, low, high).log10(),
        "log to one base and exp to another: log and exp, or log10 and 10 ** x.": lambda u, low, high: torch.exp(
            _log_scale(u, low, high).log10()
        ),
        "u runs from 0 to 1, so begin at low: low · (high / low) ** u.": lambda u, low, high: (high / low) ** u,
    }
    otherwise = "Halfway in u should lie the geometric mean of low and high: spread the *logarithm* evenly."
    compare(answer, cases, _log_scale, mistakes, otherwise)
    return "A rate ten times as large is as far away everywhere on this scale."


def _log_scale(u: Tensor, low: float, high: float) -> Tensor:
    return low * (high / low) ** u


def _evenly(u: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * u


@check("05", "build", difficulty=1, minutes=8)
def check_space(answer: Mapping[str, Any]) -> str:
    """The published search space of `bce`: lr, beta1 and latent_dim."""
    if not isinstance(answer, Mapping):
        raise Wrong("A dict is wanted: the name of a field, and which values of it are tried.")
    if missing := [name for name in (*WANTED, "latent_dim") if name not in answer]:
        raise Wrong(f"{missing[0]} is missing: three fields are searched.")
    if more := [name for name in answer if name not in (*WANTED, "latent_dim")]:
        raise Wrong(f"{more[0]} is not among the three that were searched.")
    for name, (low, high) in WANTED.items():
        _check_range(name, answer[name], low, high, log=name == "lr")
    found = _choices(answer["latent_dim"])
    if found is None:
        raise Wrong(f"latent_dim was one of three lengths, not a range. {SPACE_FORM}")
    if sorted(found) != LENGTHS:
        raise Wrong(f"latent_dim was one of {', '.join(map(str, LENGTHS))}.")
    return "One continuous setting on a log scale, one on a plain scale, one of three choices."


def _check_range(name: str, wanted: Any, low: float, high: float, log: bool) -> None:
    found = _range(wanted)
    if found is None:
        raise Wrong(f"{name} was searched from {low} to {high}: any value between. {SPACE_FORM}")
    if found[0] > found[1]:
        raise Wrong(f"{name}: the lower end comes first.")
    if not (abs(found[0] - low) <= 1e-9 and abs(found[1] - high) <= 1e-9):
        raise Wrong(f"{name} was searched from {low} to {high}.")
    if found[2] != log:
        scale = "two orders of magnitude, so on a log scale" if log else "0 to 0.9, on a plain scale: 0 has no log"
        raise Wrong(f"{name} runs over {scale}.")


def _range(wanted: Any) -> tuple[float, float, bool] | None:
    """Low, high and whether logarithmic, of text or of a distribution of Optuna; None when it is no range."""
    if isinstance(wanted, str):
        first, *more = wanted.split(":")
        if len(more) not in (1, 2) or more[1:] not in ([], ["log"]):
            return None
        try:
            return float(first), float(more[0]), len(more) == 2
        except ValueError:
            return None
    low, high = (getattr(wanted, end, None) for end in ("low", "high"))
    if not isinstance(low, Real) or not isinstance(high, Real):
        return None
    return float(low), float(high), bool(wanted.log)


def _choices(wanted: Any) -> list[float] | None:
    parts = wanted.split(",") if isinstance(wanted, str) else getattr(wanted, "choices", wanted)
    try:
        return [float(part) for part in parts]
    except (TypeError, ValueError):
        return None


@check("05", "debug", difficulty=2, minutes=8)
def check_remaining(answer: Callable[[Sequence[tuple[str, bool]], int], int]) -> str:
    """How many trials may still begin, from (state, whether its process lives) of each, and how many are asked for."""
    cases: list[tuple[list[tuple[str, bool]], int]] = [
        ([], 5),
        ([("complete", True)] * 3 + [("pruned", False)] * 2, 8),
        ([("complete", True), ("running", True), ("running", False), ("failed", False), ("pruned", True)], 6),
        ([("failed", True)] * 2 + [("running", True)] * 3 + [("complete", False)] * 2, 9),
        ([("complete", True)] * 4 + [("running", True), ("running", False)], 4),
        ([("running", False)] * 3, 3),
    ]
    mistakes: dict[str, Formula] = {
        "Trials that failed have found nothing: others take their place.": lambda trials, asked: max(
            0, asked - sum(state in (*ENDED, "failed") or (state == STILL and alive) for state, alive in trials)
        ),
        "A trial whose process was killed stays “running” for ever: it does not count.": lambda trials, asked: max(
            0, asked - sum(state in ENDED or state == STILL for state, _ in trials)
        ),
        "A living process is still at a trial: together you would train one too many.": lambda trials, asked: max(
            0, asked - sum(state in ENDED for state, _ in trials)
        ),
        "A pruned trial has come to its end, too.": lambda trials, asked: max(
            0, asked - sum(state == "complete" or (state == STILL and alive) for state, alive in trials)
        ),
        "All that were ever begun are counted: which of them are finished, or being trained?": lambda trials, asked: (
            asked - len(trials)
        ),
        "Never fewer than 0: several processes may have finished more than were asked for.": lambda trials, asked: (
            asked - sum(state in ENDED or (state == STILL and alive) for state, alive in trials)
        ),
        "Whether its process lives matters for a *running* trial alone.": lambda trials, asked: max(
            0, asked - sum(alive and state in (*ENDED, STILL) for state, alive in trials)
        ),
    }
    otherwise = "Of those asked for, take off what is complete or pruned, and what a living process is at."
    compare(answer, cases, _remaining, mistakes, otherwise)
    return "So a study that was killed ends with as many finished trials as were asked for."


def _remaining(trials: Sequence[tuple[str, bool]], asked: int) -> int:
    return max(0, asked - sum(state in ENDED or (state == STILL and alive) for state, alive in trials))


@check("05", "build", difficulty=2, minutes=10)
def check_winners_luck(answer: Callable[[Tensor], Tensor]) -> str:
    """By how much a winner chosen by its first seed is worse with its other seeds, from scores (settings, seeds)."""
    cases = [
        (torch.rand(settings, seeds).double() * 50 + 10,)
        for settings, seeds in ((6, 4), (12, 3), (5, 6), (9, 2), (30, 8), (40, 3))
    ]
    mistakes: dict[str, Formula] = {
        "The sign: how much *worse* it is with the others, their mean minus the first.": lambda x: -_luck(x),
        "The *lowest* score wins: argmin.": lambda x: _luck_of(x, x[:, 0].argmax()),
        "The first seed is one of the mean now: leave it out, it is the one that chose.": lambda x: (
            x[x[:, 0].argmin()].mean() - x[:, 0].min()
        ),
        "The search has seen the first seed alone: choose by that, not by the mean.": lambda x: _luck_of(
            x, x.mean(1).argmin()
        ),
        "The search has seen the first seed alone: choose by that, not by the lowest of all.": lambda x: _luck_of(
            x, x.min(1).values.argmin()
        ),
        "The mean of the winner, not of all settings.": lambda x: x[:, 1:].mean() - x[:, 0].min(),
        "The mean over the other seeds, not their lowest.": lambda x: x[x[:, 0].argmin(), 1:].min() - x[:, 0].min(),
        "That is what it scores with the other seeds: take off what it scored with the first.": lambda x: x[
            x[:, 0].argmin(), 1:
        ].mean(),
    }
    otherwise = "winner = scores[:, 0].argmin(); then the mean of scores[winner, 1:] minus scores[winner, 0]."
    compare(answer, cases, _luck, mistakes, otherwise)
    return "What wins is good *and* lucky; fresh seeds take the luck away."


def _luck(scores: Tensor) -> Tensor:
    return _luck_of(scores, scores[:, 0].argmin())


def _luck_of(scores: Tensor, winner: Tensor) -> Tensor:
    return scores[winner, 1:].mean() - scores[winner, 0]


@check("05", "build", difficulty=2, minutes=8)
def check_by_luck(answer: Callable[[int, int], float]) -> str:
    """The chance that each of n scores is below each of m others, when all come from the same distribution."""
    cases = [(3, 3), (1, 1), (2, 5), (5, 2), (1, 9), (10, 10)]
    values = [shaped(call(answer, *case), ()).double() for case in cases]

    def gives(formula: Callable[[int, int], float]) -> bool:
        return all(
            close(value, torch.tensor(formula(*case)).double()) for value, case in zip(values, cases, strict=True)
        )

    if gives(lambda n, m: 1 / comb(n + m, n)):
        return "Three against three: once in twenty times. Two against two would be once in six."
    mistakes = {
        "Both ways round count here; asked is that *ours* are the lower ones.": lambda n, m: 2 / comb(n + m, n),
        "In percent. Give the probability, from 0 to 1.": lambda n, m: 100 / comb(n + m, n),
        "That is in how many ways the places can be shared out: one of them is the one in question.": lambda n, m: (
            float(comb(n + m, n))
        ),
        "Each comparison of two is even, but they are not independent: count the orders of all scores.": lambda n, m: (
            0.5 ** (n * m)
        ),
        "The lowest of all is ours with that chance; all of ours have to be below.": lambda n, m: n / (n + m),
        "That is for two groups of the same size; they may differ.": lambda n, m: 1 / comb(2 * n, n),
    }
    for hint, mistake in mistakes.items():
        if gives(mistake):
            raise Wrong(hint)
    if not all(0 <= value <= 1 and isfinite(value) for value in values):
        raise Wrong("A probability lies between 0 and 1.")
    raise Wrong("Of n + m scores, which n are ours? Every choice is equally likely: math.comb counts them.")
