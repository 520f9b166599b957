"""Notebook 03: the projection score, the hinge loss, the norm of a matrix and of a layer."""

from collections.abc import Callable
from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.course.exercises.verdict import Wrong, call, check, tensor
from cgan_lib.losses import hinge_d


@check
def check_projection_score(answer: Callable[..., Tensor]) -> str:
    """The projection score from features (N, F), labels (N,), embeddings (10, F), weight (F,) and bias."""
    features = torch.arange(12.0).reshape(3, 4).cos()
    embeddings, weight, bias = torch.arange(40.0).reshape(10, 4).sin(), torch.tensor([1.0, -2.0, 0.5, 3.0]), 0.25
    labels = torch.tensor([7, 7, 3])
    value = tensor(call(answer, features, labels, embeddings, weight, bias), (3,))
    realness, agreement = features @ weight + bias, (embeddings[labels] * features).sum(1)
    if torch.allclose(value, realness + agreement, atol=1e-5):
        return "The label only chooses the row of the embedding."
    if torch.allclose(value, agreement, atol=1e-5):
        raise Wrong("The agreement is right; the realness, ψ, is missing.")
    if torch.allclose(value, realness, atol=1e-5):
        raise Wrong("The realness is right; the agreement with the class is missing.")
    if torch.allclose(value, realness - bias + agreement, atol=1e-5):
        raise Wrong("Nearly: the bias is missing.")
    raise Wrong("Realness is features @ weight + bias; agreement is the dot product of each image's two rows.")


@check
def check_hinge(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """The discriminator's hinge loss from real and fake logits."""
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-3.0, 0.25])
    value = tensor(call(answer, real, fake), ())
    if torch.isclose(value, hinge_d(real, fake)):
        return "And beyond the margin it is 0: nothing more to want."
    if torch.isclose(value, hinge_d(fake, real)):
        raise Wrong("Real and fake are exchanged: reals should be above 1, fakes below −1.")
    if torch.isclose(value, 2 - real.mean() + fake.mean()):
        raise Wrong("Without max(0, …) a logit far beyond the margin is still rewarded: that is Wasserstein's loss.")
    if torch.isclose(value, F.relu(1 - real).sum() + F.relu(1 + fake).sum()):
        raise Wrong("Average over the batch.")
    raise Wrong("The mean of max(0, 1 − real), plus the mean of max(0, 1 + fake).")


@check
def check_power_iteration(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """The largest singular value of W (rows, columns), from a start vector."""
    W = torch.arange(15.0).reshape(5, 3).sin() * torch.tensor([3.0, 1.0, 0.2])
    value = call(answer, W, torch.tensor([0.3, -0.5, 0.8]))
    value = tensor(value if isinstance(value, Tensor) else torch.tensor(float(value)), ())
    sigma = torch.linalg.matrix_norm(W, ord=2)
    if torch.isclose(value, sigma, rtol=1e-3):
        return "50 turns here; a training step needs one, as it starts from the vector of the step before."
    if torch.isclose(value, W.norm(), rtol=1e-3):
        raise Wrong("This is the Frobenius norm: all singular values together. Only the largest is wanted.")
    if torch.isclose(value, sigma**2, rtol=1e-3):
        raise Wrong("This is σ²: the largest eigenvalue of WᵀW. Take its root, or use uᵀ W v.")
    raise Wrong("u = W v and v = Wᵀ u in turns, each made length 1; then uᵀ W v.")


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


@check
def check_stretch(answer: Callable[[nn.Module, Tensor], float | Tensor]) -> str:
    """How far a layer stretches an input at most, from the layer and a start (1, …)."""
    layers: list[tuple[nn.Conv2d | nn.Linear, tuple[int, ...]]] = [
        (nn.Conv2d(2, 3, kernel_size=3, padding=1), (1, 2, 6, 6)),
        (nn.Conv2d(1, 4, kernel_size=4, stride=2, padding=1), (1, 1, 8, 8)),
        (nn.Linear(5, 4), (1, 5)),
    ]
    for layer, shape in layers:
        with torch.no_grad():
            layer.get_parameter("bias").add_(2)  # which an answer must not count
        sigma = _dense(layer, shape)
        given, start = deepcopy(layer), torch.rand(shape) + 0.1
        value = call(answer, given, start.clone())
        value = tensor(value if isinstance(value, Tensor) else torch.tensor(float(value)), ()).detach().double()
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
