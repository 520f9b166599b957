"""Notebook 05: the search space, what a study counts, and what its winner is worth."""

import math
from fractions import Fraction
from statistics import fmean
from types import SimpleNamespace

import numpy as np
import torch

LOW, HIGH = 1e-5, 2e-3
PUBLISHED = {"lr": "1e-5:2e-3:log", "beta1": "0:0.9", "latent_dim": "50,100,128"}


def log_scale(u, low, high):
    return torch.exp(math.log(low) + u * (math.log(high) - math.log(low)))


def log_scale_by_numpy(u, low, high):
    return 10 ** (np.log10(low) + u.numpy() * np.log10(high / low))


def log_scale_one_by_one(u, low, high):
    return [low * math.exp(x * math.log(high / low)) for x in u.tolist()]


def range_of(low, high, log=False):
    """As a distribution of Optuna looks."""
    return SimpleNamespace(low=low, high=high, log=log)


def without(name):
    return {field: wanted for field, wanted in PUBLISHED.items() if field != name}


def remaining(trials, asked):
    finished = sum(state in ("complete", "pruned") for state, _ in trials)
    return max(0, asked - finished - sum(state == "running" and alive for state, alive in trials))


def remaining_by_loop(trials, asked):
    for state, alive in trials:
        if state in ("complete", "pruned") or (state == "running" and alive):
            asked -= 1
    return asked if asked > 0 else 0


def counting(counts):
    """Asked for, less those that count."""
    return lambda trials, asked: max(0, asked - sum(bool(counts(*trial)) for trial in trials))


def luck(scores):
    winner = scores[:, 0].argmin()
    return scores[winner, 1:].mean() - scores[winner, 0]


def luck_by_loop(scores):
    first, *others = min(scores.tolist())
    return fmean(others) - first


def luck_by_numpy(scores):
    row = scores.numpy()[np.argmin(scores.numpy()[:, 0])]
    return row[1:].mean() - row[0]


RIGHT = [
    *(("random_trials", n) for n in (59, 59.0, torch.tensor(59), np.int64(59))),
    ("random_trials", math.ceil(math.log(0.05) / math.log(0.95))),
    *(("log_scale", way) for way in (log_scale, log_scale_by_numpy, log_scale_one_by_one)),
    ("log_scale", lambda u, low, high: low ** (1 - u) * high**u),
    ("space", PUBLISHED),
    ("space", {"lr": range_of(LOW, HIGH, True), "beta1": range_of(0, 0.9), "latent_dim": "50, 100, 128"}),
    ("space", PUBLISHED | {"latent_dim": [128, 100, 50]}),
    ("space", PUBLISHED | {"latent_dim": SimpleNamespace(choices=(50, 100, 128)), "lr": "0.00001:0.002:log"}),
    *(("remaining", way) for way in (remaining, remaining_by_loop)),
    ("remaining", counting(lambda state, alive: state in ("complete", "pruned") or (state == "running" and alive))),
    ("remaining", lambda trials, asked: torch.tensor(remaining(trials, asked))),
    *(("winners_luck", way) for way in (luck, luck_by_loop, luck_by_numpy)),
    ("winners_luck", lambda x: x[x[:, 0] == x[:, 0].min()][:, 1:].mean() - x[:, 0].min()),
    ("by_luck", lambda n, m: 1 / math.comb(n + m, n)),
    ("by_luck", lambda n, m: Fraction(math.factorial(n) * math.factorial(m), math.factorial(n + m))),
    ("by_luck", lambda n, m: math.exp(math.lgamma(n + 1) + math.lgamma(m + 1) - math.lgamma(n + m + 1))),
    ("by_luck", lambda n, m: math.prod((k + 1) / (m + k + 1) for k in range(n))),
]
WRONG = [
    ("random_trials", 20, "64%"),
    ("random_trials", 19, "do not add up"),
    ("random_trials", 95, "do not add up"),
    ("random_trials", 100, "do not add up"),
    ("random_trials", 0.95, "not a probability"),
    ("random_trials", 58, "Round up"),
    ("random_trials", 45, "for 90%"),
    ("random_trials", 90, "for 99%"),
    ("random_trials", 7, "0.95 ** n"),
    ("random_trials", float("nan"), "0.95 ** n"),
    ("random_trials", -59, "0.95 ** n"),
    ("random_trials", [59, 60], "one number"),
    ("random_trials", "59", "Numbers are wanted"),
    ("log_scale", lambda u, low, high: low + u * (high - low), "upper decade"),
    ("log_scale", lambda u, low, high: log_scale(u, high, low), "From high to low"),
    ("log_scale", lambda u, low, high: log_scale(u, low, high).log(), "take exp"),
    ("log_scale", lambda u, low, high: log_scale(u, low, high).log10(), "base 10"),
    ("log_scale", lambda u, low, high: log_scale(u, low, high).log10().exp(), "one base"),
    ("log_scale", lambda u, low, high: (high / low) ** u, "begin at low"),
    ("log_scale", lambda u, low, high: u, "geometric mean"),
    ("log_scale", lambda u, low, high: log_scale(u, low, high)[0], "shape"),
    ("log_scale", lambda u, low, high: log_scale(u.clamp_(0.1), low, high), "not in place"),
    ("log_scale", 3, "a function"),
    ("space", list(PUBLISHED), "A dict"),
    ("space", without("lr"), "lr is missing"),
    ("space", without("latent_dim"), "latent_dim is missing"),
    ("space", PUBLISHED | {"batch_size": "32,64"}, "batch_size is not"),
    ("space", PUBLISHED | {"lr": "1e-5:2e-3"}, "log scale"),
    ("space", PUBLISHED | {"beta1": "0:0.9:log"}, "plain scale"),
    ("space", PUBLISHED | {"lr": "2e-3:1e-5:log"}, "lower end"),
    ("space", PUBLISHED | {"lr": "1e-4:2e-3:log"}, "from 1e-05"),
    ("space", PUBLISHED | {"beta1": "0,0.9"}, "any value between"),
    ("space", PUBLISHED | {"beta1": "low:high"}, "any value between"),
    ("space", PUBLISHED | {"lr": range_of(LOW, HIGH)}, "log scale"),
    ("space", PUBLISHED | {"latent_dim": "50:128"}, "not a range"),
    ("space", PUBLISHED | {"latent_dim": range_of(50, 128)}, "not a range"),
    ("space", PUBLISHED | {"latent_dim": "50,100"}, "one of 50, 100, 128"),
    ("remaining", lambda trials, asked: asked - len(trials), "ever begun"),
    ("remaining", counting(lambda state, alive: state in ("complete", "pruned", "running")), "killed"),
    ("remaining", counting(lambda state, alive: state in ("complete", "pruned")), "one too many"),
    ("remaining", counting(lambda state, alive: state == "complete" or (state == "running" and alive)), "pruned trial"),
    ("remaining", counting(lambda state, alive: state != "running" or alive), "failed"),
    ("remaining", counting(lambda state, alive: state != "failed" and alive), "*running* trial alone"),
    (
        "remaining",
        lambda trials, asked: asked - sum(s in ("complete", "pruned") or (s == "running" and a) for s, a in trials),
        "fewer than 0",
    ),
    ("remaining", lambda trials, asked: asked, "take off"),
    ("remaining", lambda trials, asked: remaining(trials, asked) + 1, "take off"),
    ("remaining", lambda trials, asked: trials.clear(), "returns nothing"),
    ("winners_luck", lambda x: -luck(x), "The sign"),
    ("winners_luck", lambda x: x[x[:, 0].argmax(), 1:].mean() - x[:, 0].max(), "argmin"),
    ("winners_luck", lambda x: x[x[:, 0].argmin()].mean() - x[:, 0].min(), "leave it out"),
    ("winners_luck", lambda x: x[x.mean(1).argmin(), 1:].mean() - x[x.mean(1).argmin(), 0], "not by the mean"),
    ("winners_luck", lambda x: x[x.amin(1).argmin(), 1:].mean() - x[x.amin(1).argmin(), 0], "lowest of all"),
    ("winners_luck", lambda x: x[:, 1:].mean() - x[:, 0].min(), "not of all settings"),
    ("winners_luck", lambda x: x[x[:, 0].argmin(), 1:].min() - x[:, 0].min(), "not their lowest"),
    ("winners_luck", lambda x: x[x[:, 0].argmin(), 1:].mean(), "take off"),
    ("winners_luck", lambda x: x[x[:, 0].argmin(), 1:] - x[:, 0].min(), "one number"),
    ("winners_luck", lambda x: luck(x.mul_(2)), "not in place"),
    ("winners_luck", lambda x: 0.0, "argmin()"),
    ("by_luck", lambda n, m: 2 / math.comb(n + m, n), "Both ways"),
    ("by_luck", lambda n, m: 100 / math.comb(n + m, n), "from 0 to 1"),
    ("by_luck", lambda n, m: math.comb(n + m, n), "ways the places"),
    ("by_luck", lambda n, m: 0.5 ** (n * m), "not independent"),
    ("by_luck", lambda n, m: n / (n + m), "all of ours"),
    ("by_luck", lambda n, m: 1 / math.comb(2 * n, n), "they may differ"),
    ("by_luck", lambda n, m: 0.05, "math.comb"),
    ("by_luck", lambda n, m: -1.0, "between 0 and 1"),
    ("by_luck", lambda n, m: [0.05, 0.05], "one number"),
    ("by_luck", 0.05, "a function"),
]
NOT_ATTEMPTED: list = []
