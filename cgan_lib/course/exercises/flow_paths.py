"""Notebook 10: how straight the paths of a flow are, where one pass leads, what is best, and what a label adds."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from cgan_lib.course.exercises.comparing import Formula, compare, numbers, shaped
from cgan_lib.course.exercises.flow import Field
from cgan_lib.course.exercises.verdict import Wrong, check, run
from cgan_lib.course.flow_toy import even, path, ring_velocity, unlabelled

MOST_CALLS, BAR = 6, 0.055  # of the velocity; mean distance from the end of the path (Euler's method: about 0.12)
STARTS, FINE = 400, 500  # points that a sampler is tried with; passes that are as good as exact
NOT_THE_END = "Return where the points end, as many as begin."


@check("10", "answer", difficulty=2, minutes=10)
def check_one_pass(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """Where one pass of a perfect flow leads: from all images (M,C,H,W) of a class and noise (N,C,H,W)."""
    cases = [(torch.rand(m, *shape), torch.randn(n, *shape)) for m, n, shape in ((5, 3, (1, 2, 2)), (3, 4, (2, 3, 3)))]
    mistakes: dict[str, Formula] = {
        "One mean for each pixel, over the images: dim 0.": lambda images, noise: images.mean().expand_as(noise),
        "At t = 0 nothing is known of the image yet, so the best guess is a mean; but of images alone: the noise that "
        "the velocity takes away is the noise that is there.": lambda images, noise: noise + images.mean(0),
        "That is the velocity at t = 0, image − noise on the average: add it to the noise.": lambda images, noise: (
            images.mean(0) - noise
        ),
        "There is a mean, but the network does not know which image: no image of its own for each noise.": (
            lambda images, noise: images[torch.arange(len(noise)) % len(images)]
        ),
        "Not the nearest image: before the first step, every image is as likely as any other.": _nearest,
        "The least squared error leads to the mean, not to the median.": lambda images, noise: images.median(
            0
        ).values.expand_as(noise),
        "The shape of the noise: one image for each.": lambda images, noise: images.mean(0),
        "One pass is a whole step, not half of one.": lambda images, noise: (noise + images.mean(0)) / 2,
    }
    compare(answer, cases, _mean_image, mistakes, "The velocity at t = 0 is the mean of image − noise over all images.")
    return "So one pass is blind: whatever the noise, it draws the mean of the class."


def _mean_image(images: Tensor, noise: Tensor) -> Tensor:
    return images.mean(0).expand_as(noise)


def _nearest(images: Tensor, noise: Tensor) -> Tensor:
    return images[torch.cdist(noise.flatten(1), images.flatten(1)).argmin(1)]


@check("10", "build", difficulty=2, minutes=10)
def check_bend(answer: Callable[[Tensor], Tensor]) -> str:
    """From paths (passes + 1, N, 2): the mean of |velocity of a step − (end − beginning)|², 0 for straight ones."""
    cases = [(torch.randn(n + 1, points, 2),) for n, points in ((4, 3), (7, 5), (1, 2))]
    mistakes: dict[str, Formula] = {
        "The velocity of a step is its length over its time: times the number of passes.": lambda taken: _bend(
            taken, times=1.0
        ),
        "There is one step less than there are places: passes, not passes + 1.": lambda taken: _bend(
            taken, times=len(taken)
        ),
        "Squared distances: the squares of both coordinates are added, then comes the mean over steps and points.": (
            lambda taken: _bend(taken) / 2
        ),
        "The square is missing: the mean of the squared distances.": lambda taken: _off(taken).norm(dim=-1).mean(),
        "A mean over steps and points, not a sum.": lambda taken: _off(taken).square().sum(),
        "A mean over the points, too: one number.": lambda taken: _off(taken).square().sum(-1).mean(0),
        "A mean over the steps, too: one number.": lambda taken: _off(taken).square().sum(-1).mean(1),
        "Each path has a beginning and an end of its own: no mean over the points first.": lambda taken: _bend(
            taken.mean(1, keepdim=True)
        ),
        "Compare with the whole way, from the beginning to the end of the path.": lambda taken: (
            ((len(taken) - 1) * taken.diff(dim=0)).square().sum(-1).mean()
        ),
        "From the beginning to the end, not the other way round.": lambda taken: (
            (_off(taken) + 2 * (taken[-1] - taken[0])).square().sum(-1).mean()
        ),
    }
    compare(answer, cases, _bend, mistakes, "|passes · (next place − place) − (end − beginning)|², and its mean.")
    return "0 means that one pass would do as well as a hundred."


def _off(taken: Tensor, times: float | None = None) -> Tensor:
    """Paths (passes + 1, N, 2) → the velocity of each step, less the one that would have led straight to the end."""
    return taken.diff(dim=0) * (len(taken) - 1 if times is None else times) - (taken[-1] - taken[0])


def _bend(taken: Tensor, times: float | None = None) -> Tensor:
    return _off(taken, times).square().sum(-1).mean()


@check("10", "build", difficulty=3, minutes=20)
def check_best_velocity(answer: Callable[[Tensor, Tensor, float], Tensor]) -> str:
    """The velocity of least error where these images (M,D) are all there are, at x (N,D) and a time below 1: (N,D)."""
    cases = [
        (torch.randn(m, d), torch.randn(n, d), t) for m, n, d, t in ((4, 3, 2, 0.3), (5, 2, 3, 0.6), (3, 6, 2, 0.0))
    ]
    mistakes: dict[str, Formula] = {
        "An image for which x is likelier counts more: the weights differ.": lambda images, x, t: (
            (images.mean(0) - x) / (1 - t)
        ),
        "It is a mean over all images, not the way to the likeliest.": _to_the_likeliest,
        "An image is on its way: at t it is expected around t · image, not around image.": lambda images, x, t: _best(
            images, x, t, centre=1.0
        ),
        "The noise has shrunk: its deviation at t is 1 − t, so divide the squared distance by 2 (1 − t)².": (
            lambda images, x, t: _best(images, x, t, std=1.0)
        ),
        "The deviation is 1 − t: its square stands in the exponent.": lambda images, x, t: _best(
            images, x, t, std=(1 - t) ** 0.5
        ),
        "The ½ of the normal distribution is missing in the exponent.": lambda images, x, t: _best(
            images, x, t, std=(1 - t) / 2**0.5
        ),
        "The way still to go, image − x, has only 1 − t left: divide by it.": lambda images, x, t: (
            (1 - t) * _best(images, x, t)
        ),
        "Weights of one x add up to 1 over the images, not over the x: softmax along the other dimension.": (
            lambda images, x, t: _best(images, x, t, dim=0)
        ),
        "That is the mean image, where x will end: the velocity leads there from x in the time that is left.": (
            lambda images, x, t: _weights(images, x, t) @ images
        ),
        "The velocity leads to the images, not away from them.": lambda images, x, t: -_best(images, x, t),
        "The nearer, the likelier: minus the squared distance.": lambda images, x, t: _best(images, x, t, sign=1.0),
    }
    compare(
        answer, cases, _best, mistakes, "Σ w · (image − x) / (1 − t), w the softmax of −|x − t · image|² / 2(1 − t)²."
    )
    far = (100 * torch.eye(3), torch.zeros(2, 3) + torch.tensor([60.0, 0, 0]), 0.9)
    if not numbers(run(answer, *far)).isfinite().all():
        raise Wrong("Far from all images it becomes NaN: torch.softmax takes large exponents, exp does not.")
    return (
        "The best velocity of all leads back to training images. What new digits a flow draws, it owes to its errors."
    )


def _weights(
    images: Tensor,
    x: Tensor,
    t: float,
    centre: float | None = None,
    std: float | None = None,
    dim: int = 1,
    sign: float = -1.0,
) -> Tensor:
    """(N, M): how likely each image is, for each x."""
    distance = torch.cdist(x, (t if centre is None else centre) * images)
    return torch.softmax(sign * distance.square() / (2 * (1 - t if std is None else std) ** 2), dim)


def _best(images: Tensor, x: Tensor, t: float, **mistake: Any) -> Tensor:
    weights = _weights(images, x, t, **mistake)
    return (weights @ images - weights.sum(1, keepdim=True) * x) / (1 - t)


def _to_the_likeliest(images: Tensor, x: Tensor, t: float) -> Tensor:
    return (images[_weights(images, x, t).argmax(1)] - x) / (1 - t)


@check("10", "build", difficulty=1, minutes=8)
def check_guidance(answer: Callable[[Tensor, Tensor, float], Tensor]) -> str:
    """From the velocity with the label, the one without (N,…), and w: w times as far from the second to the first."""
    cases = [(torch.randn(*shape), torch.randn(*shape), w) for shape, w in (((3, 2), 2.0), ((2, 1, 4, 4), 0.5))]
    cases += [(torch.randn(4, 2), torch.randn(4, 2), w) for w in (1.0, 0.0, 7.5)]
    mistakes: dict[str, Formula] = {
        "For w = 1 it is the velocity with the label: begin at the one without.": lambda told, free, w: (
            told + w * (told - free)
        ),
        "Towards the label: with − without.": lambda told, free, w: free + w * (free - told),
        "Begin at the velocity without the label: it is missing.": lambda told, free, w: w * (told - free),
        "The two are mixed up: for w = 1 it is the one with the label.": lambda told, free, w: torch.lerp(
            told, free, w
        ),
        "w times the difference, not w times the velocity with the label.": lambda told, free, w: free + w * told,
        "Nothing is cut off: w may be more than 1, that is the point.": lambda told, free, w: torch.lerp(
            free, told, min(w, 1.0)
        ),
        "Only the difference is made larger, not both.": lambda told, free, w: w * told,
        "The weights of the two are w and 1 − w.": lambda told, free, w: w * told + (w - 1) * free,
        "The velocity keeps its own length: nothing is normalised.": lambda told, free, w: (
            torch.nn.functional.normalize(torch.lerp(free, told, w).flatten(1)).view_as(told)
        ),
    }
    compare(answer, cases, _guided, mistakes, "without + w · (with − without).")
    return "Two passes for the price of a clearer class: what does it do to diversity?"


def _guided(told: Tensor, free: Tensor, w: float) -> Tensor:
    return free + w * (told - free)


@check("10", "design", difficulty=3, minutes=25)
def check_sampler(answer: Callable[[Field, Tensor, Tensor], Tensor]) -> str:
    """A way from noise to the ring that asks a velocity of (x, t, labels) six times, and ends where the path ends."""
    worst = 0.0
    for seed, labelled in ((0, False), (1, False), (2, True)):
        noise, ends = _ends(seed, labelled)
        asked = _Counted(labelled)
        found = shaped(run(answer, asked, noise.clone(), torch.arange(STARTS) % 8), tuple(noise.shape))
        if not asked.count:
            raise Wrong("Ask the velocity: it is the function that you are given.")
        if not found.isfinite().all():
            raise Wrong("Some points end at NaN or infinity: is there a division by 1 − t?")
        worst = max(worst, (found - ends).norm(dim=1).mean().item())
    if worst > BAR:
        raise Wrong(
            f"Your points end {worst:.3f} from the end of their paths, on the average; {BAR} is asked for. "
            "Euler's method takes the velocity at the beginning of a step for all of it. Do steps have to be equal?"
        )
    return f"{worst:.3f} from the end of the path; with as many questions Euler's method ends about 0.12 from it."


class _Counted:
    """A velocity that may be asked six times."""

    def __init__(self, labelled: bool):
        self.labelled, self.count = labelled, 0

    def __call__(self, x: Any, t: Any, labels: Any) -> Tensor:
        x, t = numbers(x).float(), numbers(t).float()
        if tuple(x.shape) != (STARTS, 2):
            raise Wrong(f"Ask for all points at once, ({STARTS}, 2).")
        if tuple(t.shape) != (STARTS,):
            raise Wrong(f"The velocity wants a time for each point, ({STARTS},): torch.full((len(x),), t).")
        if t.min() < 0 or t.max() > 1:
            raise Wrong(f"Times lie between 0 and 1; here there is {t.max() if t.max() > 1 else t.min():.2f}.")
        self.count += 1
        if self.count > MOST_CALLS:
            raise Wrong(f"The velocity is asked more than {MOST_CALLS} times: each is a pass of a network.")
        return ring_velocity(x, t, torch.arange(STARTS) % 8 if self.labelled else None)


@lru_cache(maxsize=4)
def _ends(seed: int, labelled: bool) -> tuple[Tensor, Tensor]:
    """Noise, and where its paths end."""
    noise = torch.randn(STARTS, 2, generator=torch.Generator().manual_seed(seed))
    velocity = ring_velocity if labelled else unlabelled
    return noise, path(velocity, noise, torch.arange(STARTS) % 8, even(FINE))[-1]
