"""How an answer is told from the right one: by its numbers, its shape, its gradient, its distribution."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cgan_lib.course.exercises.verdict import Raised, Wrong, call, run

DETACHED = "The value is right, but no gradient comes through: stay in torch, without .item(), .detach() or NumPy."


def numbers(value: Any) -> Tensor:
    """A tensor, an array, a number or a sequence of these as one tensor; `Wrong` when it is something else."""
    if isinstance(value, (list, tuple, range)):
        parts = [numbers(part) for part in value]
        if any(part.shape != parts[0].shape for part in parts):
            raise Wrong("The parts of the list differ in shape.")
        return torch.cat([part[None] for part in parts]) if parts else torch.empty(0)
    try:
        found = _as_tensor(value).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise Wrong(f"Numbers are wanted, such as a tensor; this is {type(value).__name__}.") from error
    if found.is_complex():
        raise Wrong("The result is a complex number: is there a root of something negative?")
    return found


def _as_tensor(value: Any) -> Tensor:
    if isinstance(value, np.ndarray):
        value = np.array(value)  # a copy: PyTorch takes none that is reversed, and warns of one that is read-only
    elif isinstance(value, (Fraction, Decimal)):
        value = float(value)
    return torch.as_tensor(value)


def shaped(value: Any, shape: tuple[int, ...]) -> Tensor:
    """The numbers of `value`, when they have this shape; a tensor of one number will do for one number."""
    found = numbers(value)
    if shape == () and found.numel() == 1:
        return found.reshape(())
    if tuple(found.shape) != shape:
        wanted = "There should be one number" if shape == () else f"The shape should be {shape}"
        raise Wrong(f"{wanted}; this has shape {tuple(found.shape)}.")
    return found


def close(value: Tensor, right: Tensor) -> bool:
    """Whether two tensors are equal, as far as the precision of `value` can tell."""
    if right.ndim == 0 and value.numel() == 1:
        value = value.reshape(())
    loose = max(1e-4, 4 * precision(value))
    return value.shape == right.shape and torch.allclose(value.double(), right.double(), loose, loose, equal_nan=True)


def precision(value: Tensor) -> float:
    """The relative distance between one number of this type and the next."""
    return torch.finfo(value.dtype).eps if value.is_floating_point() else 0.0


Formula = Callable[..., Any]
Case = tuple[Any, ...]


def compare(
    answer: Any, cases: Sequence[Case], right: Formula, mistakes: dict[str, Formula], otherwise: str
) -> list[Tensor]:
    """What `answer` gives in each case, when that is what `right` gives.

    Otherwise `Wrong`: with the hint whose mistake gives the same in all cases, or of the shape, or `otherwise`.
    """
    values = [numbers(call(answer, *case)) for case in cases]

    def gives(formula: Formula) -> bool:
        return all(close(value, torch.as_tensor(formula(*case))) for value, case in zip(values, cases, strict=True))

    if gives(right):
        return values
    for hint, mistake in mistakes.items():
        if gives(mistake):
            raise Wrong(hint)
    for value, case in zip(values, cases, strict=True):
        shaped(value, tuple(torch.as_tensor(right(*case)).shape))
    not_finite = any(not value.isfinite().all() for value in values)
    raise Wrong(f"There are numbers that are NaN or infinite. {otherwise}" if not_finite else otherwise)


def slopes(loss: Any, logits: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """The gradient of a loss by each of its logits; `Wrong` when none comes through."""
    leaves = [x.clone().requires_grad_() for x in logits]
    try:
        value = run(loss, *leaves)
        return torch.autograd.grad(value.sum(), leaves, allow_unused=True, materialize_grads=True)
    except (Raised, AttributeError, TypeError, RuntimeError) as error:
        raise Wrong(DETACHED) from error


def same_slopes(loss: Any, right: Formula, logits: Sequence[Tensor]) -> bool:
    """Whether a loss has the gradient of another; `Wrong` when some of it does not come through."""
    found, expected = slopes(loss, logits), slopes(right, logits)
    if any(not x.any() and y.any() for x, y in zip(found, expected, strict=True)):
        raise Wrong(DETACHED)
    return all(close(x, y) for x, y in zip(found, expected, strict=True))


def check_learning(penalise: Callable[[], Tensor], right: Tensor, critic: nn.Module) -> None:
    """`Wrong` unless the weights of a discriminator learn from a penalty, and it leaves their `.grad` as it is."""
    learned = list(critic.parameters())
    expected = torch.autograd.grad(right, learned, materialize_grads=True)
    for parameter in learned:
        parameter.grad = torch.ones_like(parameter)
    value = penalise()
    kept = [parameter.grad for parameter in learned]
    if any(gradient is None or not gradient.any() for gradient in kept):
        raise Wrong("D's .grad is lost: a penalty has nothing to set to zero.")
    if any(gradient is not None and not (gradient == 1).all() for gradient in kept):
        raise Wrong("backward() adds to the .grad of D's weights: torch.autograd.grad(…, x) gives the slope alone.")
    if not critic.training:
        raise Wrong("D was in training mode, and now it is not: leave it as it is.")
    if not isinstance(value, Tensor) or not value.requires_grad:
        raise Wrong(
            "The number is right, but D cannot learn from it: autograd.grad keeps a graph with create_graph=True."
        )
    try:
        found = torch.autograd.grad(value.sum(), learned, materialize_grads=True)
    except RuntimeError as error:
        raise Wrong(DETACHED) from error
    if not all(close(x, y) for x, y in zip(found, expected, strict=True)):
        raise Wrong("The number is right, its gradient by D's weights is not: part of the graph is cut off.")


def check_as_before(network: nn.Module) -> None:
    """`Wrong` when an answer left something in the `.grad` of the weights, or another mode."""
    if not network.training or not all(parameter.requires_grad for parameter in network.parameters()):
        raise Wrong("Leave the mode of what you are given, and requires_grad of its weights, as they are.")
    if any(parameter.grad is not None for parameter in network.parameters()):
        raise Wrong("backward() adds to the .grad of the weights: torch.autograd.grad(y, x, y) gives Wᵀ y alone.")


def distance(sample: Tensor, below: Callable[[Tensor], Tensor]) -> float:
    """Between a sample and a distribution, `below` its distribution function: the largest difference of shares.

    (Kolmogorov 1933.) For n numbers that do come from it, more than 3 / √n has a probability of 3 in 10⁸.
    """
    ordered = sample.flatten().double().sort().values
    shares = torch.arange(len(ordered) + 1).double() / len(ordered)
    expected = below(ordered)
    return max((shares[1:] - expected).max().item(), (expected - shares[:-1]).max().item())
