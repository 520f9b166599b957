"""Notebook 03: the projection score, the hinge loss, the norm of a matrix and of a layer."""

from collections.abc import Callable
from inspect import signature

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.course.exercises.comparing import close, compare, same_slopes, shaped
from cgan_lib.course.exercises.verdict import Wrong, call, check
from cgan_lib.losses import hinge_d


@check("03", "build", difficulty=2, minutes=8)
def check_projection_score(answer: Callable[..., Tensor]) -> str:
    """The projection score from features (N, F), labels (N,), embeddings (10, F), weight (F,) and bias."""
    cases = [
        (torch.randn(n, f), torch.tensor(labels), torch.randn(10, f), torch.randn(f), bias)
        for n, f, labels, bias in ((3, 4, [7, 7, 3], 0.25), (5, 6, [0, 9, 4, 4, 1], -1.5), (4, 4, [2, 8, 5, 6], 3.0))
    ]

    def realness(f: Tensor, y: Tensor, v: Tensor, w: Tensor, b: float) -> Tensor:
        return f @ w + b

    def agreement(f: Tensor, y: Tensor, v: Tensor, w: Tensor, b: float) -> Tensor:
        return (v[y] * f).sum(1)

    mistakes = {
        "The agreement is right; the realness, ψ, is missing.": agreement,
        "The realness is right; the agreement with the class is missing.": realness,
        "Nearly: the bias is missing.": lambda *case: realness(*case) - case[4] + agreement(*case),
        "Nearly: the bias counts once.": lambda *case: realness(*case) + case[4] + agreement(*case),
        "Added, not taken away: a high agreement makes a high score.": lambda *case: realness(*case) - agreement(*case),
        "Realness and agreement are added, not multiplied.": lambda *case: realness(*case) * agreement(*case),
        "A dot product is a sum, not a mean.": lambda *case: realness(*case) + agreement(*case) / len(case[3]),
        "The agreement of each image with its own label alone: embeddings[labels].": lambda f, y, v, w, b: (
            f @ w + b + (f @ v.T).sum(1)
        ),
        "Row n of the embeddings is not that of image n: the label says which, embeddings[labels].": (
            lambda f, y, v, w, b: f @ w + b + (v[: len(f)] * f).sum(1)
        ),
        "One number for each image: sum over the features alone, dim=1.": lambda *case: (
            realness(*case) + agreement(*case).sum()
        ),
    }
    otherwise = "Realness is features @ weight + bias; agreement is the dot product of each image's two rows."
    compare(answer, cases, lambda *case: realness(*case) + agreement(*case), mistakes, otherwise)
    return "The label only chooses the row of the embedding."


@check("03", "build", difficulty=1, minutes=5)
def check_hinge(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """The discriminator's hinge loss from real and fake logits."""
    extreme = (torch.tensor([50.0, -50.0, 0.3]), torch.tensor([-50.0, 50.0, 50.0, -0.3]))
    beyond = (torch.tensor([1.5, 3.0]), torch.tensor([-2.0, -1.25, -4.0]))
    cases = [
        *((torch.tensor([2.0, 0.5, -1.2]), torch.tensor([-3.0, 0.25])), (torch.randn(6), torch.randn(4))),
        *(extreme, beyond),
    ]
    mistakes = {
        "Real and fake are exchanged: reals should be above 1, fakes below −1.": lambda real, fake: hinge_d(fake, real),
        "Without max(0, …) a logit far beyond the margin is still rewarded: that is Wasserstein's loss.": (
            lambda real, fake: 2 - real.mean() + fake.mean()
        ),
        "That is Wasserstein's loss: the margin of 1 and max(0, …) are missing.": lambda real, fake: (
            fake.mean() - real.mean()
        ),
        "Average over the batch.": lambda real, fake: F.relu(1 - real).sum() + F.relu(1 + fake).sum(),
        "Two means, added: not halved.": lambda real, fake: hinge_d(real, fake) / 2,
        "A mean of the reals plus a mean of the fakes: not one mean of them all.": lambda real, fake: torch.cat(
            [F.relu(1 - real), F.relu(1 + fake)]
        ).mean(),
        "The margin of 1 is missing: even a logit on the right side pays until it is beyond 1.": lambda real, fake: (
            F.relu(-real).mean() + F.relu(fake).mean()
        ),
        "Not squared: max(0, …) itself.": lambda real, fake: (
            F.relu(1 - real).square().mean() + F.relu(1 + fake).square().mean()
        ),
        "max(0, …) of each logit, then the mean: not the other way round.": lambda real, fake: (
            F.relu(1 - real.mean()) + F.relu(1 + fake.mean())
        ),
        "The fakes are missing.": lambda real, fake: F.relu(1 - real).mean(),
        "The reals are missing.": lambda real, fake: F.relu(1 + fake).mean(),
        "This is the BCE loss: no softplus, but max(0, …) with a margin of 1.": lambda real, fake: (
            F.softplus(-real).mean() + F.softplus(fake).mean()
        ),
        "The sign: D minimises it, so that what is beyond the margin gives 0 and the rest is positive.": (
            lambda real, fake: -hinge_d(real, fake)
        ),
    }
    compare(answer, cases, hinge_d, mistakes, "The mean of max(0, 1 − real), plus the mean of max(0, 1 + fake).")
    if not all(same_slopes(answer, hinge_d, case) for case in cases):
        raise Wrong("The value is right, its gradient is not: let all of it be computed by torch, from the logits.")
    return "And beyond the margin it is 0: nothing more to want."


@check("03", "build", difficulty=2, minutes=12)
def check_power_iteration(answer: Callable[..., Tensor]) -> str:
    """The largest singular value of W (rows, columns), from a start vector and a number of turns."""
    _check_takes_turns(answer)
    cases = [(_matrix(*shape, values=[3.0, 1.0, 0.2]), torch.randn(shape[1]), 50) for shape in ((5, 3), (3, 5), (4, 4))]
    mistakes = {
        "This is the Frobenius norm: all singular values together. Only the largest is wanted.": lambda W, v, turns: (
            W.norm()
        ),
        "This is σ²: the largest eigenvalue of WᵀW. Take its root, or use uᵀ W v; and both vectors have length 1.": (
            lambda W, v, turns: torch.linalg.matrix_norm(W, ord=2) ** 2
        ),
        "This is only how far v itself is stretched: turn it first.": lambda W, v, turns: (W @ v).norm() / v.norm(),
        "These are the singular values together; only the largest is wanted.": lambda W, v, turns: (
            torch.linalg.matrix_norm(W, ord="nuc")
        ),
    }
    otherwise = "u = W v and v = Wᵀ u in turns, each made length 1; then uᵀ W v."
    compare(answer, cases, lambda W, v, turns: torch.linalg.matrix_norm(W, ord=2), mistakes, otherwise)
    for shape in ((6, 4), (4, 7)):
        _check_way(answer, _matrix(*shape, values=[3.0, 2.7, 2.0, 1.0]), torch.randn(shape[1]))
    return "50 turns here; a training step needs one, as it starts from the vector of the step before."


def _check_takes_turns(answer: Callable[..., Tensor]) -> None:
    try:
        signature(answer).bind(0, 0, 0)
    except TypeError as error:
        if callable(answer):
            raise Wrong("Keep the three arguments: W, v, and turns, which says how often.") from error
    except ValueError:  # a function without a readable signature
        pass


def _matrix(rows: int, columns: int, values: list[float]) -> Tensor:
    """A random matrix (rows, columns) with these singular values."""
    left, right = (torch.linalg.qr(torch.randn(size, len(values))).Q for size in (rows, columns))
    return left * torch.tensor(values) @ right.T


def _check_way(answer: Callable[..., Tensor], W: Tensor, v: Tensor) -> None:
    """`Wrong` unless the estimates after a few turns, far from the end yet, are those from `v`."""
    way = _way(W, v, 7)
    found = {turns: shaped(call(answer, W, v, turns), ()) for turns in (1, 2, 6)}
    if close(found[1], torch.linalg.matrix_norm(W, ord=2)):
        raise Wrong(
            "That is the answer, but not by power iteration: after one turn it cannot be there yet. u = W v, v = Wᵀ u."
        )
    if close(found[1], found[6]):
        raise Wrong("The number of turns makes no difference: repeat as often as turns says.")
    if close(shaped(call(answer, W, v.flip(0), 1), ()), found[1]):
        raise Wrong("The start makes no difference: begin with the v that is given.")
    for turns, value in found.items():
        # a turn is u and v: one may measure before u, after it, or after v
        if not any(close(value, length) for length in way[2 * turns - 2 : 2 * turns + 1]):
            raise Wrong(f"After turns={turns} from v it should be {way[2 * turns - 1]:.3f}; this is {value:.3f}.")


def _way(W: Tensor, v: Tensor, turns: int) -> list[Tensor]:
    """How far W and Wᵀ by turns stretch a vector of length 1, at first `v`: two estimates of σ for each turn."""
    lengths = []
    for matrix in [W, W.T] * turns:
        v = matrix @ (v / v.norm())
        lengths.append(v.norm())
    return lengths


def stretch(layer: nn.Module, x: Tensor, turns: int = 100) -> float:
    """How far a layer, without its bias, stretches an input at most: its largest singular value as a linear map.

    By power iteration from the input `x` (1, …): `layer` applies W, the gradient applies Wᵀ, so that the matrix of a
    convolution need not be written down.
    """
    for _ in range(turns):
        x = (x / x.norm()).detach().requires_grad_()
        y = layer(x) - layer(torch.zeros_like(x))
        (x,) = torch.autograd.grad(y, x, y)
    return y.norm().item()


@check("03", "build", difficulty=3, minutes=15)
def check_stretch(answer: Callable[[nn.Module, Tensor], float | Tensor]) -> str:
    """How far a layer stretches an input at most, from the layer and a start (1, …)."""
    layers: list[tuple[nn.Conv2d | nn.Linear, tuple[int, ...]]] = [
        (nn.Conv2d(2, 3, kernel_size=3, padding=1), (1, 2, 6, 6)),
        (nn.Conv2d(1, 4, kernel_size=4, stride=2, padding=1), (1, 1, 8, 8)),
        (nn.Linear(5, 4), (1, 5)),
        (nn.Conv2d(2, 2, kernel_size=5, padding=2), (1, 2, 7, 7)),
    ]
    for layer, shape in layers:
        with torch.no_grad():
            layer.weight.mul_(3 * torch.rand(()) + 0.5)
            layer.get_parameter("bias").add_(2)  # which an answer must not count
        sigma = _dense(layer, shape)
        value = shaped(call(answer, layer, torch.rand(shape) + 0.1), ()).double()
        if torch.isclose(value, sigma, rtol=0.02):
            continue
        kernel = torch.linalg.matrix_norm(layer.weight.detach().flatten(1).double(), ord=2)
        if torch.isclose(value, kernel, rtol=0.02):
            raise Wrong(
                "This is the norm of the kernel: neighbouring places share pixels, so the layer stretches more."
            )
        if torch.isclose(value, sigma**2, rtol=0.02):
            raise Wrong("This is σ²: what WᵀW does to a unit vector. The length of W x is σ.")
        raise Wrong(
            f"A {type(layer).__name__} stretches by {sigma:.3f}; this is {value:.3f}. Take the bias away, make x "
            "length 1 in each turn, and let autograd apply Wᵀ."
        )
    return "The whole matrix agrees; a real one, of 784 × 12,544 numbers, never has to be written down."


def _dense(layer: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """The largest singular value of a layer's whole matrix, a column for each number that goes in."""
    count = torch.Size(shape).numel()
    with torch.no_grad():
        unit = torch.eye(count).view(count, *shape[1:])
        columns = layer(unit) - layer(torch.zeros_like(unit))  # (inputs, …)
    return torch.linalg.matrix_norm(columns.flatten(1).double(), ord=2)
