"""Notebook 04, the scores: GAN-test, Fréchet distance, precision, coverage, and what they do not see."""

from collections.abc import Callable, Iterable
from math import sqrt

import torch
from torch import Tensor

from cgan_lib.course.exercises.comparing import Formula, compare
from cgan_lib.course.exercises.verdict import NotAttempted, Wrong, check
from cgan_lib.evaluation.metrics import fid


@check("04", "build", difficulty=1, minutes=5)
def check_gan_test(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """GAN-test in percent, from logits (N, classes) and the labels asked for (N,)."""
    cases = [_read(*shape) for shape in ((40, 10), (7, 3), (25, 4), (4, 4))]
    mistakes: dict[str, Formula] = {
        "Right as a share. Give percent, from 0 to 100.": lambda logits, labels: _gan_test(logits, labels) / 100,
        "These are how many; give percent of all.": lambda logits, labels: (logits.argmax(1) == labels).sum(),
        "One answer for each image: take their mean, in percent.": lambda logits, labels: logits.argmax(1) == labels,
        "These are the images that are *not* what was asked for.": lambda x, labels: 100 - _gan_test(x, labels),
        "That asks how sure the classifier is; count how often the class asked for has the largest logit.": (
            lambda logits, labels: 100 * logits.softmax(1).gather(1, labels[:, None]).mean()
        ),
        "The largest logit of each image, a row: dim=1.": lambda logits, labels: (
            100 * (logits.argmax(0)[labels] == torch.arange(len(labels))).float().mean()
        ),
        "Close, but each image counts the same, whatever its class: no mean over classes first.": lambda logits, y: (
            100 * torch.stack([(logits[y == c].argmax(1) == c).float().mean() for c in y.unique()]).mean()
        ),
    }
    hint = "logits.argmax(1) is what the classifier reads (N,): how often is it the label, in percent?"
    compare(answer, cases, _gan_test, mistakes, hint)
    return "It looks at one image at a time: remember that."


def _read(count: int, classes: int) -> tuple[Tensor, Tensor]:
    """Logits, and labels that about two thirds of them agree with."""
    logits = torch.randn(count, classes)
    return logits, torch.where(torch.rand(count) < 0.6, logits.argmax(1), torch.randint(classes, (count,)))


def _gan_test(logits: Tensor, labels: Tensor) -> Tensor:
    return 100 * (logits.argmax(1) == labels).float().mean()


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


@check("04", "build", difficulty=3, minutes=15)
def check_fid(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """FID from two sets of features (N, d), (M, d)."""
    cases = [(_cloud(n, d), _cloud(m, d)) for n, m, d in ((30, 50, 3), (60, 40, 2), (50, 50, 5))]
    cases += [(real.float(), fake.float()) for real, fake in [(_cloud(40, 4), _cloud(25, 4))]]
    same = _cloud(30, 3)
    mistakes: dict[str, Formula] = {
        "The means are right; the traces are missing.": lambda x, y: _moved(x, y),
        "The part with the traces is right; the means are missing.": lambda x, y: fid(x, y) - _moved(x, y),
        "The distance of the means counts as its square.": lambda x, y: fid(x, y) - _moved(x, y) + _moved(x, y) ** 0.5,
        "That is the mean of the squares: a squared distance is their sum.": lambda x, y: (
            fid(x, y) - _moved(x, y) * (1 - 1 / x.shape[1])
        ),
        "The last part is missing: −2 tr (Σ₁Σ₂)^½.": lambda x, y: fid(x, y) + 2 * _shared(x, y),
        "The factor 2 is missing: −2 tr (Σ₁Σ₂)^½.": lambda x, y: fid(x, y) + _shared(x, y),
        "The last part is taken away: −2 tr (Σ₁Σ₂)^½, not +.": lambda x, y: fid(x, y) + 4 * _shared(x, y),
        "No root at the end: what is called FID is the square of the distance.": lambda x, y: fid(x, y) ** 0.5,
        "That is the root of each number of Σ₁Σ₂. The root of a matrix is another: its eigenvalues are the roots of "
        "those of Σ₁Σ₂, and a trace is the sum of eigenvalues.": lambda x, y: (
            fid(x, y) + 2 * _shared(x, y) - 2 * _covariance(x).matmul(_covariance(y)).abs().sqrt().trace()
        ),
        "Only the variances were compared: two clouds can lean in different directions.": lambda x, y: (
            _moved(x, y) + (x.std(0) - y.std(0)).square().sum()
        ),
        "Σ₁Σ₂ is a product of matrices, @: not of number with number.": lambda x, y: (
            fid(x, y) + 2 * _shared(x, y) - 2 * _root_trace(_covariance(x) * _covariance(y))
        ),
        "The root is missing: (Σ₁Σ₂)^½.": lambda x, y: (
            fid(x, y) + 2 * _shared(x, y) - 2 * (_covariance(x) @ _covariance(y)).trace()
        ),
        "Divide by N − 1: the mean was computed from the same images (torch.cov does so).": lambda x, y: (
            _moved(x, y) + _traces(*(torch.cov(features.T, correction=0) for features in (x, y)))
        ),
        "Without its mean: Σ is the mean of (x − μ)(x − μ)ᵀ.": lambda x, y: (
            _moved(x, y) + _traces(x.T @ x / len(x), y.T @ y / len(y))
        ),
    }
    otherwise = "μ = features.mean(0), Σ = torch.cov(features.T) (d, d); the trace of a root is the sum of √λ."
    compare(answer, cases, fid, mistakes, otherwise)
    compare(answer, [(same, same), (same, same + 3)], fid, {}, "Between equal clouds the distance should be 0.")
    return "The number of a thousand papers: two means and two covariances, nothing else."


def _cloud(count: int, width: int) -> Tensor:
    """Features (N, d) that lean in some direction."""
    return torch.randn(count, width).double() @ torch.randn(width, width).double() + torch.randn(width)


def _covariance(features: Tensor) -> Tensor:
    return torch.cov(features.T)


def _moved(x: Tensor, y: Tensor) -> Tensor:
    return (x.mean(0) - y.mean(0)).square().sum()


def _root_trace(matrix: Tensor) -> Tensor:
    """The trace of its root: the sum of the roots of its eigenvalues."""
    return torch.linalg.eigvals(matrix.double()).sqrt().real.sum()


def _shared(x: Tensor, y: Tensor) -> Tensor:
    return _root_trace(_covariance(x) @ _covariance(y))


def _traces(one: Tensor, other: Tensor) -> Tensor:
    return one.trace() + other.trace() - 2 * _root_trace(one @ other)


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
    return "A fake in two balls counts once here; density counts both."


def _precision(distances: Tensor, reach: Tensor) -> Tensor:
    return (distances < reach).any(1).float().mean()


@check("04", "build", difficulty=2, minutes=10)
def check_coverage(answer: Callable[[Tensor, Tensor, int], Tensor]) -> str:
    """Coverage from features of real (N, d) and of fake images (M, d), and k."""
    cases = [
        (torch.randn(n, d), wide * torch.randn(m, d) + 0.3, k)
        for n, m, d, k, wide in ((24, 17, 2, 1, 1.0), (20, 20, 3, 3, 0.8), (15, 22, 4, 5, 2.0), (30, 9, 2, 2, 0.5))
    ]
    mistakes: dict[str, Formula] = {
        "Right in percent. Give the share, from 0 to 1.": lambda x, y, k: 100 * _coverage(x, y, k),
        "These are how many; give the share of all real images.": lambda x, y, k: len(x) * _coverage(x, y, k),
        "One answer for each real image: take their mean.": lambda x, y, k: _inside(x, y, k).any(1),
        "The nearest one to each real image is itself, at distance 0: it is no neighbour. Take one more.": (
            lambda x, y, k: _coverage(x, y, k - 1)
        ),
        "The k-th neighbour, not the one after it: itself at distance 0 is number 0.": lambda x, y, k: _coverage(
            x, y, k + 1
        ),
        "That is precision, a share of fakes. Ask each real image whether a fake is in its ball.": lambda x, y, k: (
            _inside(x, y, k).any(0).float().mean()
        ),
        "The balls of the *real* images: around fakes they give recall.": lambda x, y, k: (
            _inside(y, x, k).any(0).float().mean()
        ),
        "The balls of the *real* images, and the share of real images: real and fake are exchanged.": lambda x, y, k: (
            _coverage(y, x, k)
        ),
        "One fake in the ball is enough: no mean over the fakes.": lambda x, y, k: _inside(x, y, k).float().mean(),
        "One fake in the ball is enough: count the ball, not its fakes.": lambda x, y, k: (
            _inside(x, y, k).sum(1).float().mean()
        ),
        "A ball reaches to the k-th nearest real image, not to the farthest of all.": lambda x, y, k: (
            (torch.cdist(x, y) < torch.cdist(x, x).max(1).values[:, None]).any(1).float().mean()
        ),
    }
    otherwise = "reach (N,): each row of torch.cdist(real, real), sorted, at position k. Then ask for a fake within it."
    compare(answer, cases, _coverage, mistakes, otherwise)
    return "A wild fake cannot help here: only balls of real images count, and each once."


def _inside(centres: Tensor, points: Tensor, k: int) -> Tensor:
    """Which points (M, d) lie nearer to each centre (N, d) than its k-th neighbour among the centres (N, M)."""
    reach = torch.cdist(centres, centres).sort(1).values[:, k]
    return torch.cdist(centres, points) < reach[:, None]


def _coverage(real: Tensor, fake: Tensor, k: int) -> Tensor:
    return _inside(real, fake, k).any(1).float().mean()


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
