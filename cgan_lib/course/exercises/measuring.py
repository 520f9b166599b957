"""Notebook 04: Fréchet distance, precision, and what scores do not see."""

from collections.abc import Callable, Iterable
from math import sqrt

import torch
from torch import Tensor

from cgan_lib.course.exercises.comparing import compare
from cgan_lib.course.exercises.verdict import NotAttempted, Wrong, check


@check("04", "build", difficulty=1, minutes=5)
def check_frechet(answer: Callable[..., float]) -> str:
    """The Fréchet distance of two Gaussians on a line, from mean, standard deviation, mean, standard deviation."""
    drawn = [(row[0].item(), row[1].abs().item(), row[2].item(), row[3].abs().item()) for row in 2 * torch.randn(4, 4)]
    cases = [(0.0, 1.0, 3.0, 1.0), (0.0, 2.0, 0.0, 0.5), (1.0, 1.5, 1.0, 1.5), (1.0, 1.5, -2.0, 3.0), *drawn]
    mistakes = {
        "tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½) with Σ = σ² gives σ₁² + σ₂² − 2σ₁σ₂: a square of what?": lambda m, s, n, t: (
            (m - n) ** 2 + (s**2 - t**2) ** 2
        ),
        "The last part is missing: −2(Σ₁Σ₂)^½, which is −2σ₁σ₂.": lambda m, s, n, t: (m - n) ** 2 + s**2 + t**2,
        "The factor 2 is missing: −2(Σ₁Σ₂)^½, which is −2σ₁σ₂.": lambda m, s, n, t: (m - n) ** 2 + s**2 + t**2 - s * t,
        "The last part is taken away: −2(Σ₁Σ₂)^½, not +.": lambda m, s, n, t: (m - n) ** 2 + (s + t) ** 2,
        "(Σ₁Σ₂)^½ is a root: σ₁σ₂, not its square.": lambda m, s, n, t: (m - n) ** 2 + s**2 + t**2 - 2 * (s * t) ** 2,
        "Σ is σ², the variance; the arguments are σ.": lambda m, s, n, t: (m - n) ** 2 + s + t - 2 * sqrt(s * t),
        "Equal means are not enough: the widths count too.": lambda m, s, n, t: (m - n) ** 2,
        "The distance of the means is missing.": lambda m, s, n, t: (s - t) ** 2,
        "The distance of the means counts as its square.": lambda m, s, n, t: abs(m - n) + (s - t) ** 2,
        "No root at the end: what is called FID is the square of the distance.": lambda m, s, n, t: sqrt(
            (m - n) ** 2 + (s - t) ** 2
        ),
    }
    compare(answer, cases, _frechet, mistakes, "On a line Σ is one number, σ². Put that into the formula above.")
    return "Equal means and equal widths, and it is 0; it sees nothing else."


def _frechet(mean: float, deviation: float, other_mean: float, other_deviation: float) -> float:
    return (mean - other_mean) ** 2 + (deviation - other_deviation) ** 2


@check("04", "build", difficulty=2, minutes=8)
def check_precision(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """Precision from distances (M, N) of M fakes to N real images, and the reach (N,) of each real image."""
    distances = torch.tensor([[0.5, 9, 9], [9, 2, 9], [0.5, 0.5, 9], [1.8, 9, 2.5], [9, 9, 9]])  # (5, 3)
    drawn = [(torch.rand(m, n) + 0.1, torch.rand(n) ** 3) for m, n in ((40, 6), (12, 12), (9, 20))]
    cases = [(distances, torch.tensor([1.0, 1.0, 3.0])), *drawn]
    mistakes = {
        "Right in percent. Give the share, from 0 to 1.": lambda d, reach: 100 * _precision(d, reach),
        "These are how many; give the share of all fakes.": lambda d, reach: (d < reach).any(1).sum(),
        "One answer for each fake: take their mean.": lambda d, reach: (d < reach).any(1),
        "This is the share outside all balls.": lambda d, reach: 1 - _precision(d, reach),
        "That is the share of real images with a fake in their ball: coverage. Ask every fake instead.": lambda d, r: (
            (d < r).any(0).float().mean()
        ),
        "One ball is enough: a fake counts once, in however many balls it lies.": lambda d, r: (d < r).float().mean(),
        "A fake in two balls counts once. (Counting balls is the idea of density.)": lambda d, reach: (
            (d < reach).sum(1).float().mean()
        ),
        "Its nearest real image may have a small ball, and one farther off a large ball: ask them all.": lambda d, r: (
            (d.min(1).values < r[d.argmin(1)]).float().mean()
        ),
    }
    otherwise = "A fake (row) is good when any of its distances is below the reach of that real image (column)."
    compare(answer, cases, _precision, mistakes, otherwise)
    return "Three of these five fakes are believable. One of them lies in two balls, which density would count."


def _precision(distances: Tensor, reach: Tensor) -> Tensor:
    return (distances < reach).any(1).float().mean()


@check("04", "answer", difficulty=1, minutes=5)
def check_swapped_labels(answer: set[str]) -> str:
    """Which of FID, IS, recall, coverage, GAN-test and GAN-train notice that every label was swapped."""
    known = {"FID", "IS", "recall", "coverage", "GAN-test", "GAN-train"}
    if isinstance(answer, (str, bytes, dict)) or not isinstance(answer, Iterable):
        raise Wrong('Give a set of names, such as {"FID", "IS"}.')
    named = list(answer)
    if any(name is ... for name in named):
        raise NotAttempted
    if extra := sorted({str(name) for name in named} - known):
        raise Wrong(f"{extra[0]} is not among {', '.join(sorted(known))}.")
    chosen = {str(name) for name in named}
    if blind := sorted(chosen - {"GAN-test", "GAN-train"}):
        raise Wrong(f"{blind[0]} looks at the images alone: it never learns what was asked for.")
    if "GAN-test" not in chosen:
        raise Wrong("One score asks of each image whether it is what was asked for.")
    if "GAN-train" not in chosen:
        raise Wrong("A classifier that learns from images with wrong labels: what will it say of real digits?")
    return "The other four would give full marks to a generator that ignores you."
