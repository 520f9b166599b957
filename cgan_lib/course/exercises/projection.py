"""Notebook 03: the projection score, the hinge loss, the norm of a matrix."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

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
