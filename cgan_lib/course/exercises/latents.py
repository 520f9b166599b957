"""Notebook 06: arcs and films along them, mixtures of classes, truncation."""

from collections.abc import Callable
from functools import partial
from math import erf, exp, pi, sqrt
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cgan_lib.course.exercises.comparing import Formula, close, compare, distance, numbers, precision, shaped
from cgan_lib.course.exercises.verdict import NotAttempted, Wrong, call, check


@check("06", "build", difficulty=1, minutes=8)
def check_slerp(answer: Callable[[Tensor, Tensor, float], Tensor]) -> str:
    """The point at a share of the arc between two latents (latent_dim,)."""
    pairs = [(torch.randn(4) + 1, 2 * torch.randn(4) + 1), (torch.randn(16), torch.randn(16))]
    pairs.append((torch.tensor([3.0, 0.0, 1.0]), torch.tensor([-2.0, 1.0, 1.0])))  # an obtuse angle
    cases = [(start, end, share) for start, end in pairs for share in (0.0, 0.25, 0.5, 0.8, 1.0)]
    mistakes: dict[str, Formula] = {
        "That is the straight line. On the arc the weights are sines of parts of the angle.": torch.lerp,
        "That is the straight line, made length 1: the arc needs no normalising.": lambda start, end, share: (
            F.normalize(torch.lerp(start, end, share), dim=0)
        ),
        "The ends are exchanged: at share 0 you should be at the start.": lambda start, end, share: _arc(
            start, end, 1 - share
        ),
        "Divide by sin(angle), so that share 0 is the start itself.": lambda start, end, share: (
            _arc(start, end, share) * torch.sin(_angle(start, end))
        ),
        "The direction is right, the length is not: do not normalise the ends or the result.": lambda start, end, t: (
            F.normalize(_arc(start, end, t), dim=0)
        ),
        "Between the directions of the ends that is right: put start and end themselves into the formula.": (
            lambda start, end, share: _arc(F.normalize(start, dim=0), F.normalize(end, dim=0), share)
        ),
    }
    compare(
        answer, cases, _arc, mistakes, "angle = arccos of the cosine similarity; then the formula above, with sines."
    )
    return "The length stays that of a latent the whole way."


def _angle(start: Tensor, end: Tensor) -> Tensor:
    return torch.arccos(F.cosine_similarity(start, end, dim=0))


def _arc(start: Tensor, end: Tensor, share: float) -> Tensor:
    angle = _angle(start, end)
    return (torch.sin((1 - share) * angle) * start + torch.sin(share * angle) * end) / torch.sin(angle)


@check("06", "debug", difficulty=2, minutes=10)
def check_film(answer: Callable[[Tensor, Tensor, int, int], Any]) -> str:
    """A function `(start, end, digit, frames)` → `(z, labels)` of a film in which one handwriting becomes another."""
    for latent_dim, digit, frames in ((16, 3, 5), (100, 0, 9), (4, 8, 2), (7, 5, 12)):
        start, end = torch.randn(2, latent_dim)
        found = call(answer, start, end, digit, frames)
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            raise Wrong("Return both: (z, labels).")
        if any(part is None or part is ... for part in found):
            raise NotAttempted
        z, labels = (numbers(part) for part in found)
        if z.ndim == 1 and labels.ndim == 2:
            raise Wrong("The other way round: first z, then labels.")
        _check_labels(shaped(labels, (frames,)), digit)
        _check_frames(shaped(z, (frames, latent_dim)), start, end)
    return "Only the handwriting moves, in even steps, and each frame is as long as a latent of training."


def _check_labels(labels: Tensor, digit: int) -> None:
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise Wrong("labels are classes: whole numbers, not floats.")
    if (labels != digit).any():
        raise Wrong(f"The digit changes on the way: asked for {digit}, the frames show {labels.tolist()}.")


def _check_frames(z: Tensor, start: Tensor, end: Tensor) -> None:
    """`Wrong` unless the frames (frames, latent_dim) stand in even steps on the arc, both ends included."""
    shares = torch.linspace(0, 1, len(z))
    if not close(z[0], start):
        raise Wrong("The first frame should be start itself.")
    if not close(z[-1], end):
        raise Wrong(f"The film never arrives: of {len(z)} frames the last should be end itself, at share 1.")
    if len(z) > 2 and close(z, torch.lerp(start, end, shares[:, None])):
        raise Wrong("Half way the latents are too short: go along the arc, not along the line.")
    if not close(z, torch.stack([_arc(start, end, share) for share in shares.tolist()])):
        raise Wrong("Both ends are right, what lies between is not: even steps of the share, along the arc.")


@check("06", "answer", difficulty=1, minutes=3)
def check_between(answer: Tensor) -> str:
    """Class weights (10,) for what lies a quarter of the way from 1 to 7."""
    weights = shaped(answer, (10,)).double()
    one, seven = torch.eye(10, dtype=torch.float64)[[1, 7]]
    near = partial(torch.allclose, weights, atol=1e-3)
    if near(one * 0.25 + seven * 0.75):
        raise Wrong("That is a quarter of the way from 7 to 1: most of it should still be the 1.")
    if near(one * 75 + seven * 25):
        raise Wrong("Right in percent: give shares, from 0 to 1.")
    if near(one * 0.5 + seven * 0.5):
        raise Wrong("That is half of the way; a quarter of it is nearer to the 1.")
    if not torch.isclose(weights.sum(), torch.tensor(1.0).double(), atol=1e-3):
        raise Wrong(f"Shares add up to 1; these make {weights.sum():.2f}.")
    if not near(one * 0.75 + seven * 0.25):
        raise Wrong("Start from torch.zeros(10). Position 1 says how much of a 1 it is, position 7 how much of a 7.")
    return "With row torch.eye(10)[7] you would ask for a plain 7: labels are corners, mixtures lie between them."


@check("06", "build", difficulty=2, minutes=10)
def check_truncated(answer: Callable[[int, int, float], Tensor]) -> str:
    """Latents (count, latent_dim) from N(0, 1), drawn again wherever a coordinate is farther from 0 than the limit."""
    for count, latent_dim, limit in ((400, 50, 0.8), (600, 100, 1.2), (7, 3, 0.3), (50, 20, 2.5)):
        z = shaped(call(answer, count, latent_dim, limit), (count, latent_dim))
        _check_limits(z, limit)
        _check_truncated_normal(z.double(), limit, precision(z))
    return "Fewer kinds of digits, and fewer strange ones."


def _check_limits(z: Tensor, limit: float) -> None:
    size, step = z.double().abs(), 1e-6 + limit * precision(z)
    if not size.isfinite().all():
        raise Wrong("There are numbers that are NaN or infinite.")
    if size.max() > limit + step:
        raise Wrong(f"There is a coordinate of {size.max():.2f}; none may be beyond {limit}. Redraw until none is.")
    if (size > limit - step).sum() > 5 + (0.001 + 2 * precision(z)) * size.numel():
        raise Wrong("Many coordinates sit exactly at the limit: do not clamp them, draw them again.")


def _check_truncated_normal(z: Tensor, limit: float, step: float) -> None:
    """`Wrong` unless `z` may come from N(0, 1), cut at ± the limit: 6 of its own deviations off is too far."""
    inside = erf(limit / sqrt(2))  # the share of N(0, 1) that is near enough
    variance = 1 - 2 * limit * exp(-(limit**2) / 2) / sqrt(2 * pi) / inside
    slack = 1 / sqrt(z.numel())
    if not (_independent(z, 0) and _independent(z, 1)):
        raise Wrong("Some numbers follow from others, or from where they stand: draw each of them by itself.")
    if abs(z.square().mean().item() - variance) > variance * (6 * slack + step):
        raise Wrong(
            f"The standard deviation is {z.std():.2f}, of the right distribution {sqrt(variance):.2f}: "
            "draw from randn again."
        )
    if distance(z, lambda x: torch.special.ndtr(x) / inside - (1 / inside - 1) / 2) > 3 * slack + step:
        raise Wrong(
            "Between the limits the numbers are not those of N(0, 1): what is too far out, draw from randn again."
        )


def _independent(z: Tensor, dim: int) -> bool:
    """Whether long rows (or, along 0, columns) are no more alike than chance, within 8 deviations, makes them."""
    rows = (z - z.mean()).movedim(dim, 1)
    length, variance = rows.shape[1], rows.square().mean()
    off = rows @ rows.T / length - variance * torch.eye(len(rows))
    return length < 100 or bool((off.abs() <= 8 * variance / sqrt(length)).all())
