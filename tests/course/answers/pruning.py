"""Notebook 05: rules that give up hopeless trials."""

from statistics import fmean, median

import numpy as np
import torch


def rule(so_far, finished):
    at = max(so_far)
    return so_far[at] > median(curve[at] for curve in finished)


def rule_by_numpy(so_far, finished):
    at = max(so_far)
    return min(so_far.values()) > np.median([curve[at] for curve in finished])


def rule_by_torch(so_far, finished):
    (at, value) = list(so_far.items())[-1]
    return torch.tensor(value) > torch.tensor([curve[at] for curve in finished]).median()


def rule_by_counting(so_far, finished):
    at = max(so_far)
    return sum(so_far[at] > curve[at] for curve in finished) > len(finished) / 2


def behind(times):
    """Given up when so many times as high as the best at that percent."""
    return lambda so_far, finished: so_far[max(so_far)] > times * min(curve[max(so_far)] for curve in finished)


def forecast(so_far, finished):
    at = max(so_far)
    fall = min(curve[100] / curve[at] for curve in finished)  # the farthest that any has still come from here
    return so_far[at] * fall * 0.9 > min(curve[100] for curve in finished)


def compared(of, at=max):
    return lambda so_far, finished: so_far[at(so_far)] > of([curve[at(so_far)] for curve in finished])


RIGHT = [
    *(("median_rule", way) for way in (rule, rule_by_numpy, rule_by_torch, rule_by_counting)),
    *(("own_rule", way) for way in (behind(1.4), behind(1.5), forecast)),
    ("own_rule", lambda so_far, finished: np.bool_(behind(1.5)(so_far, finished))),
]
WRONG = [
    ("median_rule", lambda s, f: not rule(s, f), "other way round"),
    ("median_rule", lambda s, f: min(s.values()) > median(c[100] for c in f), "the same percent"),
    ("median_rule", compared(fmean), "The mean"),
    ("median_rule", compared(min), "a new best one"),
    ("median_rule", compared(max), "worse than all"),
    ("median_rule", compared(median, at=min), "The newest"),
    ("median_rule", lambda s, f: True, "always the same"),
    ("median_rule", lambda s, f: False, "always the same"),
    ("median_rule", lambda s, f: "stop" if rule(s, f) else "go", "one value"),
    ("median_rule", lambda s, f: np.array([rule(s, f), True]), "one value"),
    ("median_rule", lambda s, f: torch.tensor([rule(s, f), True]), "one value"),
    ("median_rule", lambda s, f: s[max(s)] > 100, "at = max(so_far)"),
    ("median_rule", lambda s, f: rule(s, f) if f.pop() else False, "in place"),
    ("own_rule", rule, "to be saved"),
    ("own_rule", lambda s, f: False, "to be saved"),
    ("own_rule", lambda s, f: max(s) >= 40 and rule(s, f), "to be saved"),
    ("own_rule", behind(2.5), "to be saved"),
    ("own_rule", lambda s, f: True, "to be kept"),
    ("own_rule", behind(1.0), "to be kept"),
    ("own_rule", lambda s, f: s[max(s)] > 60, "to be kept"),
    ("own_rule", lambda s, f: max(s) == 80, "are wanted"),
    ("own_rule", lambda s, f: f[0][30], "raised KeyError"),
    ("own_rule", lambda s, f: "no", "one value"),
]
NOT_ATTEMPTED: list = []
