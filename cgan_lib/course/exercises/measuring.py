"""Notebook 04: Fréchet distance, precision, and what scores do not see."""

from collections.abc import Callable

import torch
from torch import Tensor

from cgan_lib.course.exercises.verdict import NotAttempted, Wrong, call, check


@check
def check_frechet(answer: Callable[..., float]) -> str:
    """The Fréchet distance of two Gaussians on a line, from mean, standard deviation, mean, standard deviation."""
    cases = ((0.0, 1.0, 3.0, 1.0), (0.0, 2.0, 0.0, 0.5), (1.0, 1.5, -2.0, 3.0))

    def matches(formula: Callable[..., float]) -> bool:
        return all(abs(float(call(answer, *case)) - formula(*case)) < 1e-4 for case in cases)

    if matches(lambda m, s, n, t: (m - n) ** 2 + (s**2 - t**2) ** 2):
        raise Wrong("tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½) with Σ = σ² gives σ₁² + σ₂² − 2σ₁σ₂: a square of what?")
    if matches(lambda m, s, n, t: (m - n) ** 2 + s**2 + t**2):
        raise Wrong("The last part is missing: −2(Σ₁Σ₂)^½, which is −2σ₁σ₂.")
    if matches(lambda m, s, n, t: (m - n) ** 2):
        raise Wrong("Equal means are not enough: the widths count too.")
    if matches(lambda m, s, n, t: ((m - n) ** 2 + (s - t) ** 2) ** 0.5):
        raise Wrong("No root at the end: what is called FID is the square of the distance.")
    if not matches(lambda m, s, n, t: (m - n) ** 2 + (s - t) ** 2):
        raise Wrong("On a line Σ is one number, σ². Put that into the formula above.")
    return "Equal means and equal widths, and it is 0; it sees nothing else."


@check
def check_precision(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """Precision from distances (M, N) of M fakes to N real images, and the reach (N,) of each real image."""
    distances = torch.tensor([[0.5, 9, 9], [9, 2, 9], [0.5, 0.5, 9], [1.8, 9, 2.5], [9, 9, 9]])  # (5, 3)
    reach = torch.tensor([1.0, 1.0, 3.0])
    value = float(call(answer, distances, reach))
    inside = distances < reach
    if abs(value - 60) < 1e-4:
        raise Wrong("Right in percent. Give the share, from 0 to 1.")
    if abs(value - inside.any(0).float().mean().item()) < 1e-6:
        raise Wrong("That is the share of real images with a fake in their ball: coverage. Ask every fake instead.")
    if abs(value - inside.float().mean().item()) < 1e-6:
        raise Wrong("One ball is enough: a fake counts once, in however many balls it lies.")
    if abs(value - inside.sum(1).float().mean().item()) < 1e-6:
        raise Wrong("A fake in two balls counts once. (Counting balls is the idea of density.)")
    if abs(value - 0.6) > 1e-6:
        raise Wrong("A fake (row) is good when any of its distances is below the reach of that real image (column).")
    return "Three of these five fakes are believable. One of them lies in two balls, which density would count."


@check
def check_swapped_labels(answer: set[str]) -> str:
    """Which of FID, IS, recall, coverage, GAN-test and GAN-train notice that every label was swapped."""
    known = {"FID", "IS", "recall", "coverage", "GAN-test", "GAN-train"}
    if not isinstance(answer, (set, list, tuple)):
        raise Wrong('Give a set of names, such as {"FID", "IS"}.')
    chosen = set(answer)
    if chosen == {...}:
        raise NotAttempted
    if extra := {str(name) for name in chosen} - known:
        raise Wrong(f"{min(extra)} is not among {', '.join(sorted(known))}.")
    if chosen & (known - {"GAN-test", "GAN-train"}):
        culprit = min(chosen & (known - {"GAN-test", "GAN-train"}))
        raise Wrong(f"{culprit} looks at the images alone: it never learns what was asked for.")
    if "GAN-test" not in chosen:
        raise Wrong("One score asks of each image whether it is what was asked for.")
    if "GAN-train" not in chosen:
        raise Wrong("A classifier that learns from images with wrong labels: what will it say of real digits?")
    return "The other four would give full marks to a generator that ignores you."
