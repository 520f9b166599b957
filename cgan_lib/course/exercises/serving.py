"""Notebook 07: status codes, and how requests that come together share the work."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cgan_lib.course.exercises.comparing import shaped
from cgan_lib.course.exercises.verdict import NotAttempted, Wrong, call, check, run
from cgan_lib.course.queueing import NextPass, slowest_of_20, waits
from cgan_lib.errors import UserError

BATCH = 4  # images of each pass in `check_batch`, as in the service
BOUNDS = {50: 8, 400: 15, 1000: 25, 1900: 65}  # requests a second → ms in which 19 of 20 should be answered


@check("07", "answer", difficulty=1, minutes=4)
def check_status_codes(answer: list[int]) -> str:
    """What the service answers to a class that is none, a text, an unknown field, and a grid size without a grid."""
    hints = (
        ("value 12", 422, "there is no class 12, and the request itself is to blame: not 404, not 500."),
        ('value "9"', 422, 'is the text "9" the number 9? The service is strict, so that slips are noticed.'),
        ("colour", 422, "a field that nobody knows is a mistake of the sender, and should not be passed over."),
        ("grid_size 3 without grid", 200, "nothing about it is wrong; what is it good for without a grid?"),
    )
    codes = _listed(answer)
    if codes is None or len(codes) != len(hints):
        raise Wrong(f"Give a list of {len(hints)} status codes.")
    if any(code is ... or code is None for code in codes):
        raise NotAttempted
    if any(isinstance(code, str) for code in codes):
        raise Wrong("Status codes are numbers: leave out the quotes.")
    for code, (request, right, hint) in zip(codes, hints, strict=True):
        if code != right:
            raise Wrong(f"{request}: {hint}")
    return "Three refusals that name the field, and one request that is plainly all right."


def _listed(value: Any) -> list[Any] | None:
    """The parts of a list, a tuple, an array or a tensor; None for anything else."""
    if isinstance(value, (Tensor, np.ndarray)):
        return value.tolist() if value.ndim else None
    return list(value) if isinstance(value, Iterable) and not isinstance(value, (str, bytes, dict, set)) else None


@check("07", "build", difficulty=2, minutes=10)
def check_passes(answer: Callable[[list[int], int], list[list[int]]]) -> str:
    """Waiting requests, by the number of images each wants, shared out to passes of at most so many, in order."""
    for wanted, limit in _requests():
        parts = _listed(call(answer, wanted, limit))
        passes = None if parts is None else [_listed(part) for part in parts]
        if passes is None or any(counts is None for counts in passes):
            raise Wrong("Return a list of lists, such as [[1, 1, 1], [1]].")
        _check_shares(passes, wanted, limit)
    return "First come, first served, and the generator is never asked for one image while three are waiting."


def _requests() -> Iterator[tuple[list[int], int]]:
    """Lists of requests, each with a limit: a few that are easily read first, then random ones."""
    yield from (([1, 1, 1, 1], 3), ([1, 3, 2, 1], 3), ([3], 3), ([], 3), ([2, 2, 2, 1], 4), ([1, 1], 1))
    for limit in range(2, 9):
        yield torch.randint(1, limit + 1, (12,)).tolist(), limit


def _check_shares(passes: list[Any], wanted: list[int], limit: int) -> None:
    if [count for counts in passes for count in counts] != wanted:
        raise Wrong(f"From {wanted} came {passes}: every request once, in the order in which they came.")
    if any(sum(counts) > limit for counts in passes):
        raise Wrong(f"{passes} has a pass of more than {limit} images.")
    if [] in passes:
        raise Wrong(f"{passes} has an empty pass.")
    if passes != (right := _fill(wanted, limit)):
        raise Wrong(f"{wanted} with limit {limit} could be {right}: as many as fit into each pass; yours is {passes}.")


def _fill(wanted: list[int], limit: int) -> list[list[int]]:
    passes: list[list[int]] = []
    for count in wanted:
        if not passes or sum(passes[-1]) + count > limit:
            passes.append([])
        passes[-1].append(count)
    return passes


@check("07", "design", difficulty=3, minutes=15)
def check_next_pass(answer: NextPass) -> str:
    """A function `(waiting, oldest_ms)` → the size of the next pass, for quiet hours and for busy ones."""

    def size(waiting: int, oldest: float) -> int:
        found = shaped(run(answer, waiting, oldest), ()).item()
        if not float(found).is_integer():
            raise Wrong(f"A pass cannot hold {found} images: a whole number is wanted.")
        return int(found)

    found = {}
    for rate, bound in BOUNDS.items():
        try:
            found[rate] = slowest_of_20(waits(size, rate))
        except UserError as error:
            raise Wrong(f"At {rate} requests a second {error}") from error
        if found[rate] > bound:
            raise Wrong(f"At {rate} requests a second 19 of 20 come within {found[rate]:.0f} ms; {bound} are allowed.")
    return " ".join(f"{rate}/s: {time:.0f} ms." for rate, time in found.items())


Wanted = tuple[int, int]  # value, seed


@check("07", "debug", difficulty=2, minutes=10)
def check_batch(answer: Callable[[Callable[[list[Wanted]], list[Any]], list[Wanted]], list[Any]]) -> str:
    """A function `(draw, wanted)` → for each (value, seed) its picture, or the exception that its pass raised.

    `draw` takes four at once, neither fewer nor more, and raises `ValueError` when one of them is no class.
    """
    for wanted in _waiting():
        results = _listed(call(answer, _draw, wanted))
        if results is None:
            raise Wrong("Return a list: a picture, or an exception, for each request.")
        _check_answers(wanted, results)
    return "Each gets its own; a pass that fails fails only those who were in it; and the copies go to nobody."


def _waiting() -> Iterator[list[Wanted]]:
    """Requests: full passes first, then one that is not full, none at all, and passes that fail."""
    yield [(7, 1), (3, 2), (9, 3), (0, 4)]
    yield [(5, 9), (5, 8), (1, 7), (1, 7), (8, 5), (2, 4), (2, 3), (0, 2)]
    yield [(4, 6)]
    yield [(6, 3), (1, 2), (9, 1), (0, 5), (4, 4), (4, 0)]
    yield []
    yield [(1, 1), (12, 2), (3, 3), (0, 4), (5, 5), (2, 6)]
    yield [(3, 9), (2, 1), (1, 5), (0, 7), (8, 8), (-1, 6)]


def _draw(wanted: list[Wanted]) -> list[str]:
    """Stands in for a generator: a picture is a text that says whose it is."""
    if len(wanted) != BATCH:
        raise TypeError(f"a pass is {BATCH} images, not {len(wanted)}")
    for value, _ in wanted:
        if not 0 <= value <= 9:
            raise ValueError(f"{value} is no class")
    return [_picture(*request) for request in wanted]


def _picture(value: int, seed: int) -> str:
    return f"picture of {value} with seed {seed}"


def _check_answers(wanted: list[Wanted], results: list[Any]) -> None:
    """`Wrong` unless each request of a pass that can be drawn has its picture, and each other one an exception."""
    if len(results) > len(wanted):
        raise Wrong(f"For {len(wanted)} requests came {len(results)} answers: those for the copies belong to nobody.")
    if len(results) < len(wanted):
        raise Wrong(f"For {len(wanted)} requests came {len(results)} answers: the others would wait for ever.")
    for first in range(0, len(wanted), BATCH):
        place = slice(first, first + BATCH)
        fails = not all(0 <= value <= 9 for value, _ in wanted[place])
        _check_pass(wanted[place], results[place], fails)


def _check_pass(wanted: list[Wanted], results: list[Any], fails: bool) -> None:
    if fails:
        if not all(isinstance(result, Exception) for result in results):
            raise Wrong(f"{wanted} cannot be drawn: each of them should get the exception, to be told what happened.")
        return
    if any(isinstance(result, Exception) for result in results):
        raise Wrong(f"{wanted} can be drawn, but got {results}: only those in a pass that fails may fail.")
    if results != (right := [_picture(*request) for request in wanted]):
        mixed = isinstance(results[0], str) and sorted(results) == sorted(right)
        raise Wrong(
            f"{wanted} got the pictures of each other: they come back in the order in which they are drawn."
            if mixed
            else f"{wanted} should give {right}; yours is {results}."
        )
