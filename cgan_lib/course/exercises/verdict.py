"""What a check says, and what checks are made of: right, wrong (with a hint) and not attempted are told apart.

An answer is not attempted while it is `...` or `None`, or a function that returns one of them.
"""

import copy
import dis
import inspect
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from itertools import islice
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from cgan_lib.course import progress
from cgan_lib.errors import unknown

CHANGED = "The function changes what it is given: work on a copy, not in place."
UNREADABLE = "What came back cannot be read: give just what the exercise asks for."
MOST_YIELDED = 10_000  # far more than any exercise asks for
PATIENCE = 60  # seconds for which a check waits, on Unix: elsewhere for ever

IDLE = {"RESUME", "NOP", "POP_TOP", "LOAD_CONST", "RETURN_CONST", "LOAD_COMMON_CONSTANT", "RETURN_VALUE"}
"""instructions of which functions consist that hold `...`, `pass` or a docstring alone"""

Kind = Literal["answer", "build", "debug", "design"]
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Exercise:
    """What an exercise is, as the heading above it says."""

    name: str
    """of its check, without `check_`; with the case behind it, where one check serves several"""
    notebook: str
    """the number it begins with: 01"""
    kind: Kind
    """answer: work something out; build: write a part; debug: find and mend a fault; design: reach a score"""
    difficulty: int
    """1 to 3"""
    minutes: int
    """that it takes a learner"""

    def heading(self, number: int) -> str:
        """The line that stands above it."""
        return f"### Exercise {number} · {self.kind} · {'●' * self.difficulty} · {self.minutes} min"


EXERCISES: dict[str, Exercise] = {}
"""all of them, by name, in the order of the files they lie in"""
_right: dict[str, Any] = {}  # the answers that were right, by exercise


@dataclass(frozen=True)
class Verdict:
    """What a check found; a notebook shows it as one line. True when it is right."""

    state: Literal["right", "wrong", "not attempted"]
    message: str = ""

    def __bool__(self) -> bool:
        return self.state == "right"

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


class TookTooLong(BaseException):
    """Raised inside an answer that does not come to an end; no `except Exception` of its own catches it."""


def check(
    notebook: str, kind: Kind, difficulty: int, minutes: int, cases: str | tuple[str, ...] = (), seconds: int = PATIENCE
) -> Callable[[Callable[..., str]], Callable[..., Verdict]]:
    """Turn a function that returns praise, or raises, into a check that returns a `Verdict` and never raises.

    Whatever PyTorch draws meanwhile is the same each time, and its random state is left as it was. With `cases` the
    first argument says which one is meant, and each is an exercise of its own. After so many `seconds` it is stopped.
    """

    def decorate(praise_or_raise: Callable[..., str]) -> Callable[..., Verdict]:
        check_name = praise_or_raise.__name__.removeprefix("check_")
        for case in cases or ("",):
            name = f"{check_name} {case}".strip()
            EXERCISES[name] = Exercise(name, notebook, kind, difficulty, minutes)

        @wraps(praise_or_raise)
        def checked(*answers: Any, **named: Any) -> Verdict:
            case = str(answers[0]) if cases and answers else ""
            if cases and case not in tuple(cases):
                said = f"There is no case {case}" if case else "No case is named"
                return Verdict("wrong", f"{said}: the first argument is one of {', '.join(cases)}.")
            given = [*answers[bool(case) :], *named.values()]
            verdict = judge(lambda: praise_or_raise(*answers, **named), given, seconds)
            name = f"{check_name} {case}".strip()
            if verdict:
                _right[name] = given[-1]
            progress.note_attempt(name, verdict.state)
            return verdict

        return checked

    return decorate


def judge(praise_or_raise: Callable[[], str], answers: Sequence[Any], seconds: int = PATIENCE) -> Verdict:
    """What a check says of answers; everything but an interrupt ends in a verdict."""
    if any(answer is None or answer is ... for answer in answers):
        return Verdict("not attempted")
    try:
        with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad(), _no_longer(seconds):
            torch.default_generator.manual_seed(0)
            return Verdict("right", praise_or_raise())
    except NotAttempted:
        return Verdict("not attempted")
    except TookTooLong:
        return Verdict("wrong", f"There was no answer after {seconds} s: is there a loop that does not end?")
    except Wrong as hint:
        return Verdict("wrong", str(hint))
    except Exception:  # not of the learner's function, see `run`: of a check that met what nobody foresaw
        return Verdict("wrong", UNREADABLE)


@contextmanager
def _no_longer(seconds: int) -> Iterator[None]:
    """Raise `TookTooLong` in what runs inside, when it takes longer: where a system has timers, in its main thread."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: Any) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGALRM, ring)
    others, _ = signal.setitimer(signal.ITIMER_REAL, seconds)  # what another timer has left, as one of pytest
    started = time.monotonic()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if others:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, others - (time.monotonic() - started)))


def yours(name: str, otherwise: Answer) -> Answer:
    """The learner's answer to an exercise when its check found it right, else the course's; says which.

    `UserError` when there is no such exercise.
    """
    if name not in EXERCISES:
        raise unknown("exercise", name, EXERCISES)
    print(f"{name}: {'yours' if name in _right else 'the one of the course'}")
    return _right.get(name, otherwise)


def run(function: Any, *arguments: Any, **named: Any) -> Any:
    """What the learner's function returns; `NotAttempted` when that is nothing, `Raised` when it raises."""
    result = perform(function, *arguments, **named)
    if result is None and _does_something(function):
        raise Wrong("The function returns nothing: it should end with return.")
    if result is None or result is ...:
        raise NotAttempted
    return result


def perform(function: Any, *arguments: Any, **named: Any) -> Any:
    """As `run`, for a function that may return nothing: it is not attempted when it is nothing but `...`."""
    if not callable(function):
        raise Wrong(f"The answer should be a function; this is {type(function).__name__}.")
    try:
        result = function(*arguments, **named)
        if isinstance(result, Iterator):
            result = _all_of(result)  # a function that yields runs only now
    except Wrong:
        raise
    except (Exception, SystemExit) as error:
        raise Raised(f"Your answer raised {type(error).__name__}: {error}") from error
    if result is ... or (result is None and not _does_something(function)):
        raise NotAttempted
    return result


def _all_of(given: Iterator[Any]) -> list[Any]:
    """What a function yields; `Wrong` when there is no end to it."""
    found = list(islice(given, MOST_YIELDED + 1))
    if len(found) > MOST_YIELDED:
        raise Wrong(f"It yields more than {MOST_YIELDED:,} times: is there a loop that does not end?")
    return found


def by_name(function: Any, **values: Any) -> Any:
    """As `perform`, whatever the learner's order: by name where the names are those of `values`, else in this order."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # no function, or one without a readable signature
        names = []
    return perform(function, **values) if set(names) == set(values) else perform(function, *values.values())


def _does_something(function: Any) -> bool:
    """Whether a function has more in it than `...`: it does more than return a constant."""
    while isinstance(function, partial):
        function = function.func
    function = inspect.unwrap(function)  # below decorators such as @torch.no_grad()
    if isinstance(function, nn.Module):  # whose forward may be unwritten, however it is called
        return False
    called = function if hasattr(function, "__code__") else type(function).__call__  # of an object that can be called
    code = getattr(called, "__code__", None)
    return code is not None and any(step.opname not in IDLE for step in dis.get_instructions(code))


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
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_unchanged(x, after[name]) for name, x in before.items())
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(_unchanged, before, after))
    return before == after
