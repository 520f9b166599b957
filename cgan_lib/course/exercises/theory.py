"""Notebook 01, the ring of eight Gaussians: the best discriminator, divergences, modes."""

from collections.abc import Callable
from math import log

import torch
from torch import Tensor

from cgan_lib.course.exercises.comparing import Formula, compare
from cgan_lib.course.exercises.verdict import check
from cgan_lib.course.toy import best_discriminator, covered, js_divergence, wasserstein


@check("01", "answer", difficulty=2, minutes=10)
def check_best_discriminator(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """D*(x) from the densities of reals and fakes at the same places, of any shape."""
    cases = [(torch.rand(shape) + 0.05, torch.rand(shape) + 0.05) for shape in ((7,), (3, 4), (20,))]
    cases += [(torch.tensor([0.0, 2.0, 0.5]), torch.tensor([1.0, 0.0, 0.5]))]
    mistakes: dict[str, Formula] = {
        "The other way round: where there are only reals, D* is 1.": lambda p, q: q / (p + q),
        "The ratio p/q has no bound; a probability ends at 1. What is D if D/(1 − D) = p/q?": lambda p, q: p / q,
        "That is the logit of D*: a sigmoid is missing.": lambda p, q: (p / q).log(),
        "The difference says who has more, not how sure one can be: it is 0.01 for densities 0.01 and 0, too.": (
            lambda p, q: p - q
        ),
        "Near: −1 is a sure fake here, 1 a sure real. D runs from 0 to 1.": lambda p, q: (p - q) / (p + q),
        "D* is no yes or no: where p and q are nearly equal, it is near ½.": lambda p, q: (p > q).float(),
        "That is how sure one can be that it is real *or* fake: only reals belong above.": lambda p, q: (
            torch.maximum(p, q) / (p + q)
        ),
        "σ(p − q) is ½ where both are small, however different they are: compare by their ratio.": lambda p, q: (
            torch.sigmoid(p - q)
        ),
    }
    compare(
        answer, cases, best_discriminator, mistakes, "At one x: which D makes p log D + q log(1 − D) largest? Slope 0."
    )
    return "It needs nothing but the ratio p/q: its logit is log p/q."


@check("01", "build", difficulty=2, minutes=10)
def check_divergence(answer: Callable[[Tensor, Tensor, float], Tensor]) -> str:
    """The Jensen–Shannon divergence of two densities on a grid, from both and the size of a cell."""
    cases = [(*(_density(shape, cell) for _ in "pq"), cell) for shape, cell in (((50,), 0.2), ((6, 9), 0.5))]
    line = torch.zeros(2, 8)
    line[0, :4] = line[1, 4:] = 0.5
    mistakes: dict[str, Formula] = {
        "A grid has no integral sign: multiply the sum by the size of a cell.": lambda p, q, cell: js_divergence(
            p, q, 1.0
        ),
        "Each of the two KLs counts half.": lambda p, q, cell: 2 * js_divergence(p, q, cell),
        "These are bits: take the natural logarithm.": lambda p, q, cell: js_divergence(p, q, cell) / log(2),
        "That is KL(p ‖ q): compare p with the middle m = (p + q) / 2, and q too.": _kl,
        "That is KL(q ‖ p): compare p with the middle m = (p + q) / 2, and q too.": lambda p, q, c: _kl(q, p, c),
        "Both KLs compare with the middle m = (p + q) / 2, not with each other.": lambda p, q, cell: (
            (_kl(p, q, cell) + _kl(q, p, cell)) / 2
        ),
        "Half of it: q is to be compared with the middle, too.": lambda p, q, c: _kl(p, (p + q) / 2, c) / 2,
        "The middle is (p + q) / 2, not the sum.": lambda p, q, cell: js_divergence(p, q, cell) - log(2),
        "That is the value at D*, 2·JSD − log 4: JSD alone is asked for.": lambda p, q, cell: (
            2 * js_divergence(p, q, cell) - log(4)
        ),
        "No root: that is the distance made of it.": lambda p, q, cell: js_divergence(p, q, cell) ** 0.5,
        "The sign: a divergence is never negative.": lambda p, q, cell: -js_divergence(p, q, cell),
    }
    hint = "m = (p + q) / 2; then half of Σ p log(p/m) and half of Σ q log(q/m), times the size of a cell."
    compare(answer, cases, js_divergence, mistakes, hint)
    compare(answer, [(line[0], line[1], 0.5)], js_divergence, {}, "Where p is 0, p log p counts 0: use torch.xlogy.")
    return "And so the value at D*, 2·JSD − log 4, is known, too."


def _density(shape: tuple[int, ...], cell: float) -> Tensor:
    drawn = torch.rand(shape, dtype=torch.float64) ** 2 + 0.02
    return (drawn / drawn.sum() / cell).float()


def _kl(p: Tensor, q: Tensor, cell: float) -> Tensor:
    return cell * (p * (p / q).log()).sum()


@check("01", "build", difficulty=2, minutes=8)
def check_modes(answer: Callable[[Tensor, Tensor, float], int]) -> str:
    """How many centres (K,2) have at least 1% of the samples (N,2) nearer than a radius."""
    counts = ((20, 0, 30, 1), (0, 0, 0, 99), (9, 40, 60, 2, 12, 4, 70), (1, 1, 2, 1))
    cases = [_scattered(count, radius) for count, radius in zip(counts, (0.5, 0.6, 0.4, 0.5), strict=True)]
    cases += [_scattered((100, 2, 1, 2), 0.5, total=200)]
    mistakes: dict[str, Formula] = {
        "A few strays are no mode: it takes 1% of the samples.": lambda x, c, r: (_near(x, c, r).any(0)).sum(),
        "That is how many samples are near a mode: count the modes.": lambda x, c, r: _near(x, c, r).sum(),
        "That is the share of samples near a mode: count the modes.": lambda x, c, r: (
            _near(x, c, r).any(1).float().mean()
        ),
        "That is which modes are covered: count them.": lambda x, c, r: covered(x, c, r),
        "That is the share of the modes: count them.": lambda x, c, r: covered(x, c, r).float().mean(),
        "Exchanged: these are the modes that are missing.": lambda x, c, r: (~covered(x, c, r)).sum(),
        "Every sample has a nearest centre, however far: only those nearer than the radius count.": lambda x, c, r: (
            torch.cdist(x, c).argmin(1).bincount(minlength=len(c)) >= 0.01 * len(x)
        ).sum(),
        "That is the diameter: only samples nearer than the radius count.": lambda x, c, r: covered(x, c, 2 * r).sum(),
        "There is a root in a distance: without it, compare with radius².": lambda x, c, r: covered(x, c, r**0.5).sum(),
        "At least 1%: just 1% of the samples is enough.": lambda x, c, r: (
            _near(x, c, r).double().mean(0) > 0.01
        ).sum(),
        "10% is too much to ask: a mode is covered from 1% of the samples.": lambda x, c, r: (
            _near(x, c, r).float().mean(0) >= 0.1
        ).sum(),
        "That is how many centres there are: which have samples *nearer* than the radius?": lambda x, c, r: len(c),
    }
    hint = "torch.cdist(samples, centres) < radius is (N, K): which share of each column is True?"
    compare(answer, cases, lambda x, c, r: covered(x, c, r).sum(), mistakes, hint)
    return "Modes are lost in silence: no curve of a loss counts them."


def _near(samples: Tensor, centres: Tensor, radius: float) -> Tensor:
    return torch.cdist(samples, centres) < radius


def _scattered(counts: tuple[int, ...], radius: float, total: int = 250) -> tuple[Tensor, Tensor, float]:
    """Samples of which so many are near each centre, others a little off; centres 3 apart; the radius."""
    x, y = torch.randn(2).tolist()
    centres = torch.tensor([(x + 3 * k, y) for k in range(len(counts))])
    far = total - sum(counts)
    home = torch.cat([torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)), torch.arange(far) % 3])
    # one centre has them within √radius, one within the diameter, one farther off
    beyond = torch.tensor([1.1, 1.65, 2.2])[home[total - far :]] + 0.15 * torch.rand(far)
    size = radius * torch.cat([0.9 * torch.rand(total - far), beyond])
    angle = 6.3 * torch.rand(total)
    samples = centres[home] + size[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
    return samples[torch.randperm(total)], centres, radius


@check("01", "build", difficulty=2, minutes=8)
def check_wasserstein(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """W1 of two equally large sets of numbers on a line."""
    cases = [(torch.randn(n), 2 * torch.randn(n) + shift) for n, shift in ((5, 0.3), (40, -0.5), (101, 0.0))]
    mistakes: dict[str, Formula] = {
        "Nothing says that the n-th numbers belong together: sort both first.": lambda a, b: (a - b).abs().mean(),
        "The distance of the means is 0 for sets of different width: sort, and take single distances.": lambda a, b: (
            a.mean() - b.mean()
        ).abs(),
        "Earth that goes left does not make up for earth that goes right: take the absolute value.": lambda a, b: (
            a.sort().values - b.sort().values
        ).mean(),
        "The mean, not the sum: each number carries 1/N of the earth.": lambda a, b: wasserstein(a, b) * len(a),
        "Absolute differences, not squares: that is W₂².": lambda a, b: _power(a, b),
        "Absolute differences: that is W₂.": lambda a, b: _power(a, b) ** 0.5,
        "That is the longest way; take the mean of all.": lambda a, b: (a.sort().values - b.sort().values).abs().max(),
        "Both have to be sorted.": lambda a, b: (a.sort().values - b).abs().mean(),
        "Both have to be sorted, the first too.": lambda a, b: (a - b.sort().values).abs().mean(),
        "Sorted in opposite directions: that is the dearest plan.": lambda a, b: (
            (a.sort().values - b.sort(descending=True).values).abs().mean()
        ),
        "That compares each number with each: a plan sends it to one only.": lambda a, b: (a[:, None] - b).abs().mean(),
        "That sends each to its nearest, and some places get nothing.": lambda a, b: (
            (a[:, None] - b).abs().min(1).values.mean()
        ),
    }
    compare(answer, cases, wasserstein, mistakes, "Sort both; the smallest goes to the smallest, and so on.")
    return "On a line no plan is cheaper. In the plane one has to search, or train a critic."


def _power(a: Tensor, b: Tensor) -> Tensor:
    return (a.sort().values - b.sort().values).square().mean()
