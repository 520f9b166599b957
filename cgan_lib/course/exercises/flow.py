"""Notebook 10: what a flow learns from, and how it is followed."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from cgan_lib.course.exercises.comparing import Formula, compare, numbers, shaped
from cgan_lib.course.exercises.verdict import NotAttempted, Wrong, call, check, run
from cgan_lib.course.flow import follow, on_the_way

Field = Callable[[Tensor, Tensor, Tensor], Tensor]


def at(t: Tensor, like: Tensor) -> Tensor:
    """Times (N,) as (N, 1, …), to be multiplied with `like` (N, …)."""
    return t.view(-1, *[1] * (like.ndim - 1))


@check("10", "build", difficulty=1, minutes=10)
def check_flow_target(answer: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]) -> str:
    """From noise and images (N,C,H,W), and times (N,): where they are on their way, and their velocity."""
    # As many images as columns, so that times in the wrong place raise no error
    cases = [(torch.randn(4, *shape), torch.rand(4, *shape), torch.rand(4)) for shape in ((1, 4, 4), (3, 2, 4))]
    both = call(answer, *cases[0])
    if not isinstance(both, (tuple, list)) or len(both) != 2:
        raise Wrong("Return both: x_t first, then the velocity.")
    if any(part is None or part is ... for part in both):
        raise NotAttempted
    mistakes: dict[str, Formula] = {
        "At t = 0 it is to be noise, at t = 1 the image: here it is the other way round.": lambda z, x, t: on_the_way(
            x, z, t
        ),
        "Each image has a time of its own: t[:, None, None, None], or the times meet the columns of pixels.": (
            lambda z, x, t: (1 - t) * z + t * x
        ),
        "The weights add up to 1: the way is straight. A root of each keeps the variance, and bends it.": (
            lambda z, x, t: (1 - at(t, x)).sqrt() * z + at(t, x).sqrt() * x
        ),
        "Noise is not added on top of the image: it makes room, (1 − t) of it is left.": lambda z, x, t: (
            x + (1 - at(t, x)) * z
        ),
        "The image comes in slowly, t of it.": lambda z, x, t: (1 - at(t, x)) * z + x,
    }
    compare(lambda *case: run(answer, *case)[0], cases, on_the_way, mistakes, "x_t: (1 − t) · noise + t · image.")
    mistakes = {
        "The velocity leads to the image: image − noise, not the other way round.": lambda z, x, t: z - x,
        "That is the way still to go, image − x_t: the velocity is the same all along the line.": lambda z, x, t: (
            x - on_the_way(z, x, t)
        ),
        "That is how far it has come, x_t − noise: the velocity is the same all along the line.": lambda z, x, t: (
            on_the_way(z, x, t) - z
        ),
        "Noise is what diffusion models predict. Here it is the velocity: differentiate x_t by t.": lambda z, x, t: z,
        "The image itself is where it ends. The velocity: differentiate x_t by t.": lambda z, x, t: x,
        "Differentiate x_t by t: no t is left.": lambda z, x, t: at(t, x) * (x - z),
    }
    compare(lambda *case: run(answer, *case)[1], cases, lambda z, x, t: x - z, mistakes, "Differentiate x_t by t.")
    return "Two lines: the whole of the training data of a flow."


@check("10", "debug", difficulty=2, minutes=10)
def check_mended_flow_loss(answer: Callable[[Field, Tensor, Tensor], Tensor]) -> str:
    """The loss of a velocity, from a function of (x_t, t, labels), images (N,C,H,W) and their labels (N,)."""
    images, labels = torch.rand(64, 1, 8, 8) + torch.arange(64.0)[:, None, None, None], torch.arange(64)
    values, seen = [], []

    def spy(x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        seen.append((x, t, y))
        return torch.zeros_like(images)

    for _ in range(30):
        value = call(answer, spy, images, labels)
        if not seen:
            raise Wrong("Ask the velocity: it is the function that you are given.")
        values.append(shaped(value, ()).item())
    x, t, told = seen[-1]
    _check_times([each for _, each, _ in seen], len(images))
    if told is not labels and not torch.equal(numbers(told), labels):
        raise Wrong("The labels go to the velocity as they are, each beside its own image.")
    if numbers(x).shape != images.shape:
        raise Wrong(f"x_t has the shape of the images, {tuple(images.shape)}; here {tuple(numbers(x).shape)}.")
    _check_on_lines(x, t, images)
    _check_scale(values, images)
    _check_gradient(answer, images, labels)
    return "Two faults that no error shows: the loss falls with them, too, and the digits stay grey."


def _check_times(times: Sequence[Any], count: int) -> None:
    for t in times:
        if tuple(numbers(t).shape) != (count,):
            raise Wrong(
                f"A time for each image, ({count},): here t has shape {tuple(numbers(t).shape)}. "
                "An image is as a whole on its way."
            )
    drawn = torch.stack([numbers(t).float() for t in times])
    if drawn.min() < 0 or drawn.max() > 1:
        raise Wrong("Times lie between 0 and 1.")
    if drawn.std(1).max() < 1e-3:
        raise Wrong("All images of a batch are at the same time: draw one for each.")
    if drawn.std(0).max() < 1e-3:
        raise Wrong("The times are the same in each batch: draw new ones.")
    if drawn.min() > 0.1 or drawn.max() < 0.9:
        raise Wrong("From noise to image: times from 0 to 1, all of them.")


def _check_on_lines(x: Tensor, t: Tensor, images: Tensor) -> None:
    """`Wrong` unless x_t is t of the images and, for the rest, normal noise that differs everywhere."""
    noise = (x.detach() - at(t, images) * images)[t < 0.9] / (1 - at(t, images))[t < 0.9]
    if not noise.isfinite().all() or noise.abs().max() > 7:
        raise Wrong("x_t is no point between noise and image at the time that is told: (1 − t) · noise + t · image.")
    if noise.std(0).max() < 1e-3:
        raise Wrong("Every image of the batch starts from the same noise: torch.randn_like(images).")
    if noise.flatten(1).std(1).max() < 1e-3:
        raise Wrong("Every pixel has noise of its own: torch.randn_like(images).")
    if abs(noise.mean().item()) > 0.2 or abs(noise.std().item() - 1) > 0.2:
        raise Wrong("The noise comes from N(0, 1), torch.randn_like: that is what drawing begins with.")


def _check_scale(values: Sequence[float], images: Tensor) -> None:
    """For a velocity of 0 the loss is the mean of (image − noise)²: of image² + 1."""
    expected, found = images.square().mean().item() + 1, sum(values) / len(values)
    if not math.isclose(found, expected, rel_tol=0.01):
        if math.isclose(found, expected * images[0].numel(), rel_tol=0.01):
            raise Wrong("A mean over the pixels too, not their sum.")
        raise Wrong(
            f"For a velocity of 0 the loss is the mean of (image − noise)², here about {expected:.0f}; yours is "
            f"{found:.0f}. What is the velocity compared with?"
        )


def _check_gradient(answer: Any, images: Tensor, labels: Tensor) -> None:
    """With a velocity that is right for one image, the loss is 0: so the target is image − noise, and no other."""
    images = images[:1].expand_as(images)

    def right(x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return (images - x) / (1 - at(t, images)).clamp(min=1e-4)

    loss = shaped(run(answer, right, images, labels), ()).item()
    if loss > 0.05:
        raise Wrong(f"A velocity that is right everywhere should cost nothing; here it costs {loss:.2f}.")
    weight = torch.ones((), requires_grad=True)
    value = run(answer, lambda x, t, y: weight * x, images, labels)
    if not isinstance(value, Tensor) or not value.requires_grad:
        raise Wrong("Nothing can be learned from it: stay in torch, without .item() and .detach().")


@check("10", "build", difficulty=2, minutes=12)
def check_euler(answer: Callable[[Field, Tensor, Tensor, int], Tensor]) -> str:
    """Where noise (N,…) gets along a velocity of (x, t, labels), in so many equal steps from t = 0 to 1."""
    cases = [
        (_field(1), torch.randn(5, 1, 4, 4), torch.arange(5), 4),
        (_field(2), torch.randn(3, 2), torch.arange(3), 3),
    ]
    cases += [(_field(3), torch.randn(4, 2), torch.arange(4), 1)]
    mistakes: dict[str, Formula] = {
        "Each step is as long as 1 / passes: they add up to 1.": lambda v, x, y, n: _steps(v, x, y, n, length=1.0),
        "At the beginning of each step: the first pass is at t = 0, none at t = 1.": lambda v, x, y, n: _steps(
            v, x, y, n, first=1.0
        ),
        "In the middle of a step x is not yet there: ask at its beginning.": lambda v, x, y, n: _steps(
            v, x, y, n, first=0.5
        ),
        "The time runs from 1 to 0 here: noise is at t = 0.": lambda v, x, y, n: _steps(v, x, y, n, back=True),
        "The time is a share of the way, k / passes, not the number of the step.": lambda v, x, y, n: _steps(
            v, x, y, n, scale=float(n)
        ),
        "Add the velocity: it leads from noise to image.": lambda v, x, y, n: _steps(v, x, y, n, length=-1 / n),
        "One step is missing: there are as many as passes.": lambda v, x, y, n: _steps(v, x, y, n, count=n - 1),
        "One step too many: there are as many as passes.": lambda v, x, y, n: _steps(v, x, y, n, count=n + 1),
        "Ask anew at each step, at the x that the last one led to.": lambda v, x, y, n: (
            x + sum(v(x, torch.full((len(x),), k / n), y) for k in range(n)) / n
        ),
        "The time moves on with each step.": lambda v, x, y, n: _steps(v, x, y, n, scale=0.0),
        "Return where it gets, not only the way from noise.": lambda v, x, y, n: follow(v, x, y, n) - x,
    }
    compare(answer, cases, follow, mistakes, "x moves by velocity / passes, at t = 0, 1/passes, 2/passes, …")
    return "A generator of as many passes as you can wait for."


def _steps(
    velocity: Field,
    x: Tensor,
    labels: Tensor,
    passes: int,
    *,
    length: float | None = None,
    first: float = 0.0,
    scale: float = 1.0,
    back: bool = False,
    count: int | None = None,
) -> Tensor:
    """Euler's method, with a mistake."""
    for k in range(passes if count is None else count):
        t = scale * (k + first) / passes
        x = x + (1 / passes if length is None else length) * velocity(
            x, torch.full((len(x),), 1 - t if back else t), labels
        )
    return x


def _field(kind: int) -> Field:
    """A velocity that depends on all three: where, when, and of which class; times must be (N,)."""

    def velocity(x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        t, labels = torch.as_tensor(t), torch.as_tensor(labels)
        if tuple(t.shape) != (len(x),):
            raise Wrong(f"The velocity wants a time for each image, ({len(x)},): torch.full((len(x),), t).")
        if tuple(labels.shape) != (len(x),):
            raise Wrong(f"The velocity wants the labels ({len(x)},), as they are.")
        return (0.3 * kind - x) * (1 + at(t, x) ** 2) + at(labels, x) * (t.view_as(at(t, x)) + 0.1)

    return velocity
