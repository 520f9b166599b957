"""What a check says, and what checks are made of: right, wrong (with a hint) and not attempted are told apart.

An answer is not attempted while it is `...` or `None`, or a function that returns one of them. It may be of any kind
that holds the right numbers: tensor, array, list or number, of any precision.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import wraps
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

DETACHED = "The value is right, but no gradient comes through: stay in torch, without .item(), .detach() or NumPy."
CHANGED = "The function changes what it is given: work on a copy, not in place."
UNREADABLE = "What came back cannot be read: give just what the exercise asks for."


@dataclass(frozen=True)
class Verdict:
    """What a check found; a notebook shows it as one line."""

    state: Literal["right", "wrong", "not attempted"]
    message: str = ""

    def __repr__(self) -> str:
        return {
            "right": f"✔ Right. {self.message}",
            "wrong": f"✘ Not yet. {self.message}",
            "not attempted": "○ Not attempted yet: replace the ... above and run this cell again.",
        }[self.state].strip()


class Wrong(Exception):
    """Raised by a check with the hint for this particular mistake."""


class Raised(Wrong):
    """Raised in place of what the learner's own function raised."""


class NotAttempted(Exception):
    """Raised by a check when a function still returns nothing."""


def check(praise_or_raise: Callable[[Any], str]) -> Callable[[Any], Verdict]:
    """Turn a function that returns praise, or raises, into a check that returns a `Verdict` and never raises.

    Whatever PyTorch draws meanwhile is the same each time, and its random state is left as it was.
    """

    @wraps(praise_or_raise)
    def checked(answer: Any) -> Verdict:
        if answer is None or answer is ...:
            return Verdict("not attempted")
        try:
            with torch.random.fork_rng(devices=[]), torch.inference_mode(False):  # which allows gradients, too
                torch.default_generator.manual_seed(0)
                return Verdict("right", praise_or_raise(answer))
        except NotAttempted:
            return Verdict("not attempted")
        except Wrong as hint:
            return Verdict("wrong", str(hint))
        except Exception:  # not of the learner's function, see `run`: of a check that met what nobody foresaw
            return Verdict("wrong", UNREADABLE)

    return checked


def run(function: Any, *arguments: Any) -> Any:
    """What the learner's function returns; `NotAttempted` when that is nothing, `Raised` when it raises."""
    if not callable(function):
        raise Wrong(f"The answer should be a function; this is {type(function).__name__}.")
    try:
        result = function(*arguments)
        result = list(result) if isinstance(result, Iterator) else result  # a function that yields runs only now
    except Exception as error:
        raise Raised(f"Your answer raised {type(error).__name__}: {error}") from error
    if result is None and _does_something(function):
        raise Wrong("The function returns nothing: it should end with return.")
    if result is None or result is ...:
        raise NotAttempted
    return result


def _does_something(function: Any) -> bool:
    """Whether a function has more in it than `...`: it names something beside its arguments."""
    code = getattr(function, "__code__", None)
    if code is None:
        return False
    arguments = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)
    return bool(code.co_names) or code.co_nlocals > arguments


def call(function: Any, *arguments: Any) -> Any:
    """As `run`, on copies of the arguments; `Wrong` when the function changes them."""
    copies = copy.deepcopy(arguments)
    result = run(function, *copies)
    if not all(_unchanged(before, after) for before, after in zip(arguments, copies, strict=True)):
        raise Wrong(CHANGED)
    return result


def _unchanged(before: Any, after: Any) -> bool:
    """Whether the numbers are the same, in whatever precision."""
    if isinstance(before, nn.Module):
        pairs = zip(dict(before.named_parameters()).items(), dict(after.named_parameters()).items(), strict=False)
        same_count = len(list(before.parameters())) == len(list(after.parameters()))
        return same_count and all(old == new and _unchanged(x, y) for (old, x), (new, y) in pairs)
    if isinstance(before, Tensor):
        return before.shape == after.shape and torch.equal(before.double(), after.double())
    return before == after


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


def distance(sample: Tensor, below: Callable[[Tensor], Tensor]) -> float:
    """Between a sample and a distribution, `below` its distribution function: the largest difference of shares.

    (Kolmogorov 1933.) For n numbers that do come from it, more than 3 / √n has a probability of 3 in 10⁸.
    """
    ordered = sample.flatten().double().sort().values
    shares = torch.arange(len(ordered) + 1).double() / len(ordered)
    expected = below(ordered)
    return max((shares[1:] - expected).max().item(), (expected - shares[:-1]).max().item())
