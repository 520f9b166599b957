"""Notebook 03: relativistic losses, penalties on the slope of a discriminator, and the game that they bring to rest."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.course.exercises.comparing import (
    DETACHED,
    Formula,
    check_learning,
    compare,
    numbers,
    same_slopes,
    shaped,
)
from cgan_lib.course.exercises.hinge import both
from cgan_lib.course.exercises.verdict import NotAttempted, Wrong, check, run
from cgan_lib.losses import relativistic_d, relativistic_g


@check("03", "build", difficulty=2, minutes=10)
def check_relativistic(answer: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> str:
    """Both relativistic losses from logits of reals (N,) and of their partners, the fakes (N,)."""
    cases = [(2 * torch.randn(n), 2 * torch.randn(n) + 0.5) for n in (4, 7)]
    cases += [(torch.tensor([90.0, -90, 3]), torch.tensor([-90.0, 90, 3]))]
    loss_d, loss_g = both(answer, cases[0])
    mistakes: dict[str, Formula] = {
        "The other way round: D is content when the real's logit is the higher one.": lambda r, f: relativistic_d(f, r),
        "Each real with its own fake, then the mean: not the difference of two means.": lambda r, f: F.softplus(
            f.mean() - r.mean()
        ),
        "Each with its own partner, not with every fake: no table (N, N).": lambda r, f: F.softplus(
            f - r[:, None]
        ).mean(),
        "That is BCE, which judges each alone: take the difference first.": lambda r, f: (
            F.softplus(-r).mean() + F.softplus(f).mean()
        ),
        "Against the mean of the others: that is the relativistic average GAN. Here each has one partner.": (
            lambda r, f: F.softplus(f.mean() - r).mean()
        ),
        "The mean, not the sum.": lambda r, f: F.softplus(f - r).sum(),
        "softplus is missing: without it a difference is rewarded without bounds.": lambda r, f: (f - r).mean(),
        "No margin here: softplus in place of max(0, 1 + …).": lambda r, f: F.relu(1 + f - r).mean(),
        "One number, the mean over the pairs.": lambda r, f: F.softplus(f - r),
        "Once, not twice: each pair is compared a single time.": lambda r, f: 2 * relativistic_d(r, f),
        "The sign: what is minimised is softplus, and never negative.": lambda r, f: -relativistic_d(r, f),
    }
    compare(loss_d, cases, relativistic_d, mistakes, "D: the mean of softplus(fake − real).")
    mistakes = {
        "G wants its fakes above the reals: the difference turns round.": relativistic_d,
        "G is no minimax player here: not −L_D, but softplus of the difference turned round.": lambda r, f: (
            -relativistic_d(r, f)
        ),
        "G, too, compares with the reals.": lambda r, f: F.softplus(-f).mean(),
        "G's loss is a mean, too.": lambda r, f: F.softplus(r - f).sum(),
        "G: each real with its own fake, then the mean.": lambda r, f: F.softplus(r.mean() - f.mean()),
    }
    compare(loss_g, cases, lambda r, f: relativistic_g(f, r), mistakes, "G: the mean of softplus(real − fake).")
    _check_slopes(loss_d, relativistic_d, cases)
    for real, fake in cases:  # G moves fakes alone, so the gradient by the reals is nobody's affair
        _check_slopes(partial(loss_g, real), partial(relativistic_g, real=real), [(fake,)])
    return "Only differences count: add 7 to every logit and nothing changes."


def _check_slopes(loss: Formula, right: Formula, cases: Sequence[tuple[Tensor, ...]]) -> None:
    if not all(same_slopes(loss, right, case) for case in cases):
        raise Wrong("The value is right, its gradient is not: F.softplus has one everywhere, log(1 + exp(x)) has not.")


class Bowl(nn.Module):
    """A discriminator ½ a_y‖x‖² + ⟨b, x⟩ + c, whose slope is known: a_y x + b."""

    def __init__(self, pixels: int, num_classes: int = 10):
        super().__init__()
        self.a = nn.Parameter(torch.rand(num_classes) + 0.5)
        self.b, self.c = nn.Parameter(torch.randn(pixels)), nn.Parameter(torch.randn(()))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        pixels = x.flatten(1)
        return self.a[labels] * pixels.square().sum(1) / 2 + pixels @ self.b + self.c

    def slopes(self, x: Tensor, labels: Tensor) -> Tensor:
        """∂/∂x, flat: (N, …) → (N, pixels)."""
        return self.a[labels][:, None] * x.flatten(1) + self.b


@check("03", "build", difficulty=3, minutes=20)
def check_r1(answer: Callable[..., Tensor]) -> str:
    """γ/2 · mean ‖∇D‖² from a discriminator, reals (N,C,H,W), their labels and γ."""
    cases = [_bowl(*shape, gamma) for shape, gamma in (((3, 1, 4, 4), 0.3), ((5, 2, 3, 2), 2.0), ((1, 1, 2, 3), 1.0))]
    compare(answer, cases, penalty, _penalty_mistakes(), "‖∇D‖²: all squares of one image added; γ/2 times the mean.")
    critic, real, labels, gamma = cases[1]
    check_learning(lambda: run(answer, critic, real, labels, gamma), penalty(*cases[1]), critic)
    return "Two derivatives: one by the pixels, and of that one by the weights."


def _bowl(n: int, c: int, h: int, w: int, gamma: float) -> tuple[Bowl, Tensor, Tensor, float]:
    return Bowl(c * h * w), torch.randn(n, c, h, w), torch.arange(n) * 3 % 10, gamma


def penalty(critic: Bowl, x: Tensor, labels: Tensor, gamma: float) -> Tensor:
    """R1 of a discriminator whose slope is known, without a second derivative."""
    return gamma / 2 * critic.slopes(x, labels).square().sum(1).mean()


def _penalty_mistakes() -> dict[str, Formula]:
    def squares(critic: Bowl, x: Tensor, labels: Tensor) -> Tensor:
        return critic.slopes(x, labels).square().sum(1)

    return {
        "The ½ is missing.": lambda d, x, y, g: g * squares(d, x, y).mean(),
        "γ is missing.": lambda d, x, y, g: squares(d, x, y).mean() / 2,
        "γ/2 is missing.": lambda d, x, y, g: squares(d, x, y).mean(),
        "Over the images it is a mean, not a sum.": lambda d, x, y, g: g / 2 * squares(d, x, y).sum(),
        "Over the pixels it is a sum, ‖∇‖², and only over the images a mean.": lambda d, x, y, g: (
            g / 2 * d.slopes(x, y).square().mean()
        ),
        "The square is missing: that is the length of the slope.": lambda d, x, y, g: (
            g / 2 * d.slopes(x, y).norm(dim=1).mean()
        ),
        "Square each length, then take the mean: not the other way round.": lambda d, x, y, g: (
            g / 2 * d.slopes(x, y).norm(dim=1).mean().square()
        ),
        "The slope of the mean of the logits is N times too small: take that of their sum.": lambda d, x, y, g: (
            g / 2 * squares(d, x, y).mean() / len(x) ** 2
        ),
        "One length for each image, not one for the whole batch.": lambda d, x, y, g: (
            g / 2 * squares(d, x, y).sum().sqrt()
        ),
        "‖∇‖ is to be 0 here, not 1: that is the penalty of Gulrajani et al.": lambda d, x, y, g: (
            g / 2 * (d.slopes(x, y).norm(dim=1) - 1).square().mean()
        ),
        "The mean of the slopes first, then the square: the other way round.": lambda d, x, y, g: (
            g / 2 * d.slopes(x, y).mean(0).square().sum()
        ),
        "Squares, not absolute values.": lambda d, x, y, g: g / 2 * d.slopes(x, y).abs().sum(1).mean(),
        "One number: the mean over the images is missing.": lambda d, x, y, g: g / 2 * squares(d, x, y),
    }


class Drawer(nn.Module):
    """A small generator: a dense layer, and an image for each class beside it."""

    def __init__(self, latent_dim: int, *image: int):
        super().__init__()
        self.image, self.drew_in_evaluation = image, False
        self.dense, self.embedding = nn.Linear(latent_dim, math.prod(image)), nn.Embedding(10, math.prod(image))

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        self.drew_in_evaluation |= not self.training
        return (self.dense(z) + self.embedding(labels)).view(len(z), *self.image)


@check("03", "debug", difficulty=3, minutes=12)
def check_r2(answer: Callable[..., Tensor]) -> str:
    """R2, the same penalty at the fakes, for D alone, from generator, discriminator, z, labels and γ."""
    cases = []
    for n, image, gamma in ((3, (1, 4, 4), 0.3), (5, (2, 3, 2), 2.0)):
        labels = torch.arange(n) * 3 % 10
        cases.append((Drawer(4, *image), Bowl(math.prod(image)), torch.randn(n, 4), labels, gamma))

    def right(generator: Drawer, critic: Bowl, z: Tensor, labels: Tensor, gamma: float) -> Tensor:
        return penalty(critic, generator(z, labels).detach(), labels, gamma)

    mistakes: dict[str, Formula] = {
        hint: (
            lambda generator, critic, z, y, gamma, formula=formula: formula(critic, generator(z, y).detach(), y, gamma)
        )
        for hint, formula in _penalty_mistakes().items()
    }
    compare(answer, cases, right, mistakes, "γ/2 times the mean of ‖∇D‖² at the fakes: as it was before you mended it.")
    generator, critic, *rest = cases[1]
    check_learning(lambda: run(answer, generator, critic, *rest), right(*cases[1]), critic)
    for parameter in generator.parameters():
        parameter.grad = torch.ones_like(parameter)
    value = run(answer, generator, critic, *rest)
    if not all(parameter.grad is not None and parameter.grad.all() for parameter in generator.parameters()):
        raise Wrong("G's .grad is lost: a penalty has nothing to set to zero.")
    if not all(parameter.requires_grad for parameter in generator.parameters()):
        raise Wrong("G's weights are frozen for good: detach the fakes, leave G as it is.")
    if not generator.training or generator.drew_in_evaluation:
        raise Wrong("G is in training mode: draw the fakes in it, and leave it as it is.")
    reached = torch.autograd.grad(value.sum(), list(generator.parameters()), allow_unused=True)
    if any(gradient is not None and gradient.any() for gradient in reached):
        raise Wrong("D learns now, and so does G, whom D's penalty is none of: cut the fakes off with detach().")
    return "A penalty that reaches nobody, or the wrong one, shows in no number: only in what learns."


@check("03", "debug", difficulty=2, minutes=8)
def check_lazy(answer: Callable[..., Tensor | float]) -> str:
    """What is added to D's loss at a step: from a function that computes the penalty, the step and `every`."""
    for every, value in ((4, 0.5), (1, 3.0), (7, 1.5)):
        weight = torch.tensor(value, requires_grad=True)
        asked: list[int] = []
        steps = range(every, 7 * every)
        added = [_added(answer, weight, asked, step, every) for step in steps]
        if len(asked) > 6:
            raise Wrong(f"every={every}: the penalty was computed at {len(asked)} of {len(steps)} steps.")
        total, plain = sum(added), value**2 * len(steps)
        if not asked:
            raise Wrong(f"every={every}: in {len(steps)} steps there was no penalty at all.")
        if math.isclose(total, plain / every, rel_tol=1e-4) and every > 1:
            raise Wrong("Every few steps, but only as strong as once: in the long run it is too weak. By which factor?")
        if not math.isclose(total, plain, rel_tol=1e-4):
            raise Wrong(
                f"every={every}: {len(steps)} steps should add as much as {len(steps)} penalties, {plain:.1f}; "
                f"they add {total:.1f}."
            )
        if any(later - earlier != every for earlier, later in pairwise(asked)):
            raise Wrong(f"every={every}: the penalty came at steps {', '.join(map(str, asked))}.")
    return "In the long run as strong, at a fraction of the price."


def _added(answer: Callable[..., Any], weight: Tensor, asked: list[int], step: int, every: int) -> float:
    """What an answer adds to the loss at a step; in `asked` it is noted that it computed the penalty."""

    def penalise() -> Tensor:
        asked.append(step)
        return weight.square()

    before = len(asked)
    value = run(answer, penalise, step, every)
    number = shaped(value, ()).item()
    if len(asked) > before and number:
        if not isinstance(value, Tensor) or not value.requires_grad:
            raise Wrong(DETACHED)
        try:
            (slope,) = torch.autograd.grad(value, weight, materialize_grads=True)
        except RuntimeError as error:  # its graph was used before
            raise Wrong("Compute the penalty anew each time: D has moved since the last one.") from error
        if not slope:
            raise Wrong(DETACHED)
        if not math.isclose(slope.item() * weight.item(), 2 * number, rel_tol=1e-4):
            raise Wrong("What is added is the penalty times a number: no power, no other function of it.")
    elif number:
        raise Wrong("At a step without a penalty nothing is added: 0.")
    return number


def dirac_gan(
    lr: float, gamma: float, start: tuple[float, float] = (1.0, 0.0), steps: int = 40
) -> list[tuple[float, float]]:
    """The smallest GAN: where its fake θ and D's slope ψ go, step by step, from `start` on (θ, ψ).

    The only real image is the number 0, the only fake is θ, and D(x) = ψx, whose R1 is γ/2 · ψ². The losses are
    relativistic. (Mescheder et al. 2018, section 2.)
    """
    theta, psi = start
    way = [start]
    for _ in range(steps):
        psi -= lr * (_sigmoid(psi * theta) * theta + gamma * psi)
        theta += lr * _sigmoid(-psi * theta) * psi
        way.append((theta, psi))
    return way


def _sigmoid(x: float) -> float:
    return 0.5 * (1 + math.tanh(x / 2))


CALM = 1e-4  # as near as a game has to come to rest
STARTS = ((1.0, 0.0), (0.5, 1.0), (2.0, -1.0), (-1.5, 0.5), (0.3, -2.0))


@check("03", "design", difficulty=2, minutes=15)
def check_damping(answer: Mapping[str, float]) -> str:
    """A learning rate and γ that bring the smallest GAN to rest within 40 steps, from five starts."""
    lr, gamma = settings_of(answer, ("lr", "gamma"))
    if lr <= 0 or gamma < 0:
        raise Wrong("lr is more than 0, and gamma not below 0.")
    ends = [math.hypot(*dirac_gan(lr, gamma, start)[-1]) for start in STARTS]
    far = max(ends) if all(map(math.isfinite, ends)) else math.inf
    if far <= CALM:
        return f"The farthest of the five is {far:.0e} from rest after 40 steps."
    other = "γ = 0 circles; a large lr · γ jumps over the middle; a large γ alone makes D too weak to pull."
    raise Wrong(f"After 40 steps the farthest of five games is {far:.1g} from rest; {CALM:.0e} is asked for. {other}")


def settings_of(answer: Mapping[str, float], names: Sequence[str]) -> list[float]:
    """The numbers of a dict by these names; `Wrong` when it is none, or when there are others in it."""
    if not isinstance(answer, Mapping) or set(answer) != set(names):
        raise Wrong(f"Give a dict with the keys {', '.join(names)}.")
    if any(value is None or value is ... for value in answer.values()):
        raise NotAttempted
    values = [shaped(numbers(answer[name]), ()).item() for name in names]
    if not all(map(math.isfinite, values)):
        raise Wrong("Every setting is a finite number.")
    return values
