"""Notebook 04."""

import numpy as np
import torch


def frechet(m, s, n, t):
    return (m - n) ** 2 + (s - t) ** 2


def precision(distances, reach):
    return (distances < reach).any(1).float().mean()


def precision_by_loop(distances, reach):
    return np.mean([any(d < r for d, r in zip(row, reach, strict=True)) for row in distances.tolist()])


BOTH = ("GAN-test", "GAN-train")
RIGHT = [
    ("frechet", frechet),
    ("frechet", lambda m, s, n, t: (m - n) ** 2 + s * s + t * t - 2 * (s * s * t * t) ** 0.5),
    ("frechet", lambda m, s, n, t: np.float32(frechet(m, s, n, t))),
    ("frechet", lambda m, s, n, t: torch.dist(torch.tensor([m, s]), torch.tensor([n, t])) ** 2),
    ("frechet", lambda m, s, n, t: [abs(complex(m - n, s - t)) ** 2]),
    ("precision", precision),
    ("precision", lambda distances, reach: ((distances < reach).sum(1) > 0).float().mean().item()),
    ("precision", lambda distances, reach: precision(distances, reach).double()),
    ("precision", lambda distances, reach: ((distances / reach).min(1).values <= 1).sum() / len(distances)),
    ("precision", lambda distances, reach: 1 - (distances >= reach).all(1).half().mean()),
    ("precision", precision_by_loop),
    *(("swapped_labels", kind(BOTH)) for kind in (set, list, tuple, frozenset, np.array, iter)),
]
WRONG = [
    ("frechet", lambda m, s, n, t: (m - n) ** 2 + (s * s - t * t) ** 2, "a square of what"),
    ("frechet", lambda m, s, n, t: (m - n) ** 2 + s * s + t * t, "last part is missing"),
    ("frechet", lambda m, s, n, t: (m - n) ** 2 + s * s + t * t - s * t, "factor 2"),
    ("frechet", lambda m, s, n, t: (m - n) ** 2 + (s + t) ** 2, "taken away"),
    ("frechet", lambda m, s, n, t: (m - n) ** 2 + s * s + t * t - 2 * (s * t) ** 2, "is a root"),
    ("frechet", lambda m, s, n, t: (m - n) ** 2 + s + t - 2 * (s * t) ** 0.5, "the arguments are σ"),
    ("frechet", lambda m, s, n, t: (m - n) ** 2, "widths count"),
    ("frechet", lambda m, s, n, t: (s - t) ** 2, "distance of the means is missing"),
    ("frechet", lambda m, s, n, t: abs(m - n) + (s - t) ** 2, "counts as its square"),
    ("frechet", lambda m, s, n, t: ((m - n) ** 2 + (s - t) ** 2) ** 0.5, "No root"),
    ("frechet", lambda m, s, n, t: abs(m - n) + abs(s - t), "Put that into the formula"),
    ("frechet", lambda m, s, n, t: (m + n) ** 2 + (s - t) ** 2, "Put that into the formula"),
    ("frechet", lambda m, s, n, t: 9.0, "Put that into the formula"),
    ("frechet", lambda m, s, n, t: round(frechet(m, s, n, t), 1), "Put that into the formula"),
    ("frechet", lambda m, s, n, t: frechet(m, t, n, s) + (m - n) * (s - t), "Put that into the formula"),
    ("frechet", lambda m, s, n, t: (m - n) ** 0.5, "complex"),
    ("frechet", lambda m, s, n, t: ((m - n) ** 2, (s - t) ** 2), "one number"),
    ("precision", lambda distances, reach: (distances < reach).any(0).float().mean(), "coverage"),
    ("precision", lambda distances, reach: 100 * precision(distances, reach), "percent"),
    ("precision", lambda distances, reach: (distances < reach).float().mean(), "One ball is enough"),
    ("precision", lambda distances, reach: (distances < reach).sum(1).float().mean(), "counts once"),
    ("precision", lambda distances, reach: (distances < reach).any(1).sum(), "share of all fakes"),
    ("precision", lambda distances, reach: (distances < reach).any(1), "take their mean"),
    ("precision", lambda distances, reach: (distances > reach).all(1).float().mean(), "outside all balls"),
    ("precision", lambda d, reach: (d.min(1).values < reach[d.argmin(1)]).float().mean(), "nearest real image"),
    ("precision", lambda distances, reach: (distances < reach).all(1).float().mean(), "any of its"),
    ("precision", lambda distances, reach: (distances < reach.mean()).any(1).float().mean(), "any of its"),
    ("precision", lambda distances, reach: (distances < reach.max()).any(1).float().mean(), "any of its"),
    ("precision", lambda distances, reach: (distances > reach).any(1).float().mean(), "any of its"),
    ("precision", lambda distances, reach: 0.6, "any of its"),
    ("precision", lambda distances, reach: (distances < 1).any(1).float().mean(), "any of its"),
    ("precision", lambda distances, reach: precision(distances[:5], reach), "any of its"),
    ("precision", lambda distances, reach: precision(distances.sub_(reach), 0), "not in place"),
    ("precision", lambda distances, reach: bool((distances < reach).any()), "any of its"),
    ("swapped_labels", {"GAN-test"}, "what will it say of real digits"),
    ("swapped_labels", {"GAN-train"}, "One score asks of each image"),
    ("swapped_labels", set(), "One score asks of each image"),
    ("swapped_labels", {"GAN-test", "GAN-train", "FID"}, "FID looks at the images alone"),
    ("swapped_labels", [*BOTH, "recall", "IS"], "IS looks at the images alone"),
    ("swapped_labels", {"GAN-test", "FDI"}, "FDI is not among"),
    ("swapped_labels", [["GAN-test", "GAN-train"]], "is not among"),
    ("swapped_labels", ["GAN-test", 3], "3 is not among"),
    ("swapped_labels", "GAN-test", "set of names"),
    ("swapped_labels", {"GAN-test": True, "GAN-train": True}, "set of names"),
    ("swapped_labels", 2, "set of names"),
]
NOT_ATTEMPTED = [("swapped_labels", {...}), ("swapped_labels", {"FID", ...})]
