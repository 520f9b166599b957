"""Notebook 06: arcs, mixtures of classes, truncation."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from cgan_lib.course.exercises.verdict import Wrong, call, check, tensor


@check
def check_slerp(answer: Callable[[Tensor, Tensor, float], Tensor]) -> str:
    """The point at a share of the arc between two latents (latent_dim,)."""
    start, end = torch.tensor([3.0, 0.0, 0.0, 1.0]), torch.tensor([0.0, 2.0, 1.0, 1.0])
    angle = torch.arccos(F.cosine_similarity(start, end, dim=0))

    def matches(formula: Callable[[float], Tensor]) -> bool:
        return all(torch.allclose(value, formula(t), atol=1e-4) for t, value in values.items())

    values = {t: tensor(call(answer, start, end, t), (4,)) for t in (0.25, 0.5, 0.8)}
    if matches(lambda t: torch.lerp(start, end, t)):
        raise Wrong("That is the straight line. On the arc the weights are sines of parts of the angle.")
    if matches(lambda t: (torch.sin(t * angle) * start + torch.sin((1 - t) * angle) * end) / torch.sin(angle)):
        raise Wrong("The ends are exchanged: at share 0 you should be at the start.")
    if matches(lambda t: torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end):
        raise Wrong("Divide by sin(angle), so that share 0 is the start itself.")
    if not matches(lambda t: (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / torch.sin(angle)):
        raise Wrong("angle = arccos of the cosine similarity; then the formula above, with sines.")
    return "The length stays that of a latent the whole way."


@check
def check_between(answer: Tensor) -> str:
    """Class weights (10,) for what lies a quarter of the way from 1 to 7."""
    weights = tensor(answer, (10,)).float()
    if torch.allclose(weights, torch.eye(10)[1] * 0.25 + torch.eye(10)[7] * 0.75):
        raise Wrong("That is a quarter of the way from 7 to 1: most of it should still be the 1.")
    if not torch.isclose(weights.sum(), torch.tensor(1.0)):
        raise Wrong(f"Shares add up to 1; these make {weights.sum():.2f}.")
    if not torch.allclose(weights, torch.eye(10)[1] * 0.75 + torch.eye(10)[7] * 0.25):
        raise Wrong("Start from torch.zeros(10). Position 1 says how much of a 1 it is, position 7 how much of a 7.")
    return "With row torch.eye(10)[7] you would ask for a plain 7: labels are corners, mixtures lie between them."


@check
def check_truncated(answer: Callable[[int, int, float], Tensor]) -> str:
    """Latents (count, latent_dim) from N(0, 1), drawn again wherever a coordinate is farther from 0 than the limit."""
    z = tensor(call(answer, 400, 50, 0.8), (400, 50)).float()
    deviation = z.std().item()  # of a normal cut at ±0.8: 0.442; clamped there: 0.62; of a uniform one: 0.462
    if z.abs().max() > 0.8 + 1e-6:
        raise Wrong(f"There is a coordinate of {z.abs().max():.2f}; none may be beyond 0.8.")
    if (z.abs() > 0.8 - 1e-6).float().mean() > 0.01:
        raise Wrong("Many coordinates sit exactly at the limit: do not clamp them, draw them again.")
    if abs(deviation - 0.4424) > 0.01:
        raise Wrong(
            f"The standard deviation is {deviation:.2f}, of the right distribution 0.44: draw from randn again."
        )
    return "Fewer kinds of digits, and fewer strange ones."
