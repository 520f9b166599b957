"""What a check says, and what checks are made of: right, wrong (with a hint) and not attempted are told apart.

An answer is not attempted while it is `...` or `None`, or a function that returns one of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal

import torch
from torch import Tensor


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


class NotAttempted(Exception):
    """Raised by a check when a function still returns nothing."""


def check(praise_or_raise: Callable[[Any], str]) -> Callable[[Any], Verdict]:
    """Turn a function that returns praise, or raises, into a check that returns a `Verdict` and never raises.

    Whatever is drawn meanwhile is the same each time, and the random state is left as it was.
    """

    @wraps(praise_or_raise)
    def checked(answer: Any) -> Verdict:
        if answer is None or answer is ...:
            return Verdict("not attempted")
        try:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(0)
                return Verdict("right", praise_or_raise(answer))
        except NotAttempted:
            return Verdict("not attempted")
        except Wrong as hint:
            return Verdict("wrong", str(hint))
        except Exception as error:  # the learner's own code may raise anything
            return Verdict("wrong", f"Your answer raised {type(error).__name__}: {error}")

    return checked


def call(function: Any, *arguments: Any) -> Any:
    """What the learner's function returns; it is not attempted when that is nothing, and wrong when it is none."""
    if not callable(function):
        raise Wrong(f"The answer should be a function; this is {type(function).__name__}.")
    if (result := function(*arguments)) is None or result is ...:
        raise NotAttempted
    return result


def tensor(value: Any, shape: tuple[int, ...]) -> Tensor:
    """`value`, when it is a tensor of this shape."""
    if not isinstance(value, Tensor):
        raise Wrong(f"Return a tensor; this is {type(value).__name__}.")
    if tuple(value.shape) != shape:
        raise Wrong(f"The shape should be {shape}; this is {tuple(value.shape)}.")
    return value
