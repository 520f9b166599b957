"""Notebook 07."""

from contextlib import suppress
from http import HTTPStatus

import numpy as np
import torch

from cgan_lib.course.queueing import PASS_MS


def passes_of(wanted, limit):
    passes = []
    for count in wanted:
        if not passes or sum(passes[-1]) + count > limit:
            passes.append([])
        passes[-1].append(count)
    return passes


def passes_by_yield(wanted, limit):
    waiting = list(wanted)
    while waiting:
        many = next((k for k in range(len(waiting), 0, -1) if sum(waiting[:k]) <= limit), 1)
        yield tuple(waiting[:many])
        waiting = waiting[many:]


def passes_by_pop(wanted, limit):
    passes = []
    while wanted:
        passes.append([wanted.pop(0)])
        while wanted and sum(passes[-1]) + wanted[0] <= limit:
            passes[-1].append(wanted.pop(0))
    return passes


def first_fit(wanted, limit):
    passes = []
    for count in wanted:
        room = next((counts for counts in passes if sum(counts) + count <= limit), None)
        passes.append([count]) if room is None else room.append(count)
    return passes


def answers(draw, wanted):
    found = []
    for first in range(0, len(wanted), 4):
        batch = wanted[first : first + 4]
        try:
            pictures = draw(batch + batch[-1:] * (4 - len(batch)))
        except ValueError as error:
            pictures = [error] * len(batch)
        found += pictures[: len(batch)]
    return found


def answers_by_place(draw, wanted):
    found = [None] * len(wanted)
    for first in range(0, len(wanted), 4):
        batch = sorted(range(first, min(first + 4, len(wanted))), key=lambda place: wanted[place])
        try:
            pictures = draw([wanted[place] for place in [*batch, *batch, *batch, *batch][:4]])
        except Exception as error:
            pictures = [RuntimeError(str(error))] * 4
        for place, picture in zip(batch, pictures, strict=False):
            found[place] = picture
    return found


def answers_in_pieces(draw, wanted):
    if not wanted:
        return ()
    batch = [*wanted[:4], *[(0, 0)] * 3][:4]
    try:
        first = tuple(draw(batch)[: len(wanted)])
    except ValueError as error:
        first = (error,) * min(4, len(wanted))
    return first + tuple(answers_in_pieces(draw, wanted[4:]))


def broken_answers(draw, wanted):
    found = []
    for first in range(0, len(wanted), 4):
        batch = sorted(wanted[first : first + 4])
        batch += batch[:1] * (4 - len(batch))
        with suppress(ValueError):
            found += draw(batch)
    return found


def answering(order=list, cut=True, fill=lambda batch: batch[-1:], failed=lambda error, count: [error] * count, by=4):
    """The shared passes with a fault."""

    def answers(draw, wanted):
        found = []
        for first in range(0, len(wanted), by):
            batch = order(wanted[first : first + by])
            try:
                pictures = draw(batch + fill(batch) * (4 - len(batch)))
            except ValueError as error:
                pictures = failed(error, len(batch))
            found += pictures[: len(batch)] if cut else pictures
        return found

    return answers


def answers_of_full_passes(draw, wanted):
    return answers(draw, wanted[: len(wanted) // 4 * 4])


def answers_or_nothing(draw, wanted):
    try:
        return [picture for first in range(0, len(wanted), 4) for picture in draw((wanted[first : first + 4] * 4)[:4])][
            : len(wanted)
        ]
    except ValueError as error:
        return [error] * len(wanted)


def largest_full(waiting, oldest_ms):
    return max(size for size in PASS_MS if size <= waiting)


def cheapest(waiting, oldest_ms):
    return max(PASS_MS, key=lambda size: min(size, waiting) / PASS_MS[size])


def by_steps(waiting, oldest_ms):
    if waiting < 3:
        return 1
    return 4 if waiting < 9 else 16 if waiting < 60 else 64


def smallest_that_holds_all(waiting, oldest_ms):
    return next((size for size in PASS_MS if size >= waiting), 64)


RIGHT = [
    ("batch", answers),
    ("batch", answers_by_place),
    ("batch", answers_in_pieces),
    ("batch", answering(fill=lambda batch: [(3, 1)])),
    ("next_pass", largest_full),
    ("next_pass", cheapest),
    ("next_pass", by_steps),
    ("next_pass", lambda waiting, oldest_ms: torch.tensor(largest_full(waiting, oldest_ms))),
    ("next_pass", lambda n, oldest: np.int64(1 + 3 * (n >= 4) + 12 * (n >= 16) + 48 * (n >= 64))),
    ("status_codes", [422, 422, 422, 200]),
    ("status_codes", (422, 422, 422, 200)),
    ("status_codes", np.array([422, 422, 422, 200])),
    ("status_codes", torch.tensor([422, 422, 422, 200])),
    ("status_codes", [HTTPStatus.UNPROCESSABLE_ENTITY] * 3 + [HTTPStatus.OK]),
    ("passes", passes_of),
    ("passes", passes_by_yield),
    ("passes", lambda wanted, limit: tuple(map(tuple, passes_of(wanted, limit)))),
    ("passes", lambda wanted, limit: [np.array(counts) for counts in passes_of(wanted, limit)]),
    ("passes", lambda wanted, limit: passes_by_pop(list(wanted), limit)),
]
WRONG = [
    ("batch", broken_answers, "pictures of each other"),
    ("batch", answering(order=sorted), "pictures of each other"),
    ("batch", answering(order=lambda batch: batch[::-1]), "pictures of each other"),
    ("batch", answering(cut=False), "belong to nobody"),
    ("batch", answering(fill=lambda batch: []), "raised TypeError"),
    ("batch", answering(failed=lambda error, count: []), "wait for ever"),
    ("batch", answering(failed=lambda error, count: [None] * count), "get the exception"),
    ("batch", answering(failed=lambda error, count: [str(error)] * count), "get the exception"),
    ("batch", answering(by=1), "cannot be drawn"),
    ("batch", answers_of_full_passes, "wait for ever"),
    ("batch", answers_or_nothing, "only those in a pass"),
    ("batch", lambda draw, wanted: draw(wanted), "raised TypeError"),
    ("batch", lambda draw, wanted: [draw([one] * 4)[0] for one in wanted], "raised ValueError"),
    ("batch", lambda draw, wanted: sorted(answers(draw, wanted), key=str), "pictures of each other"),
    ("batch", lambda draw, wanted: answers(draw, wanted) if not wanted.sort() else 0, "not in place"),
    ("batch", lambda draw, wanted: {}, "Return a list"),
    ("batch", lambda draw, wanted: [draw] * len(wanted), "should give"),
    ("next_pass", lambda waiting, oldest_ms: 1, "At 400"),
    ("next_pass", lambda waiting, oldest_ms: 4, "At 50 "),
    ("next_pass", lambda waiting, oldest_ms: 16, "At 50 "),
    ("next_pass", lambda waiting, oldest_ms: 64, "At 50 "),
    ("next_pass", smallest_that_holds_all, "At 1000"),
    ("next_pass", lambda waiting, oldest_ms: 16 if waiting >= 16 else 0, "wait for ever"),
    ("next_pass", lambda waiting, oldest_ms: 0 if waiting < 64 and oldest_ms < 30 else 64, "At 50 "),
    ("next_pass", lambda waiting, oldest_ms: 0, "wait for ever"),
    ("next_pass", lambda waiting, oldest_ms: waiting, "a pass holds one of 1, 4, 16, 64"),
    ("next_pass", lambda waiting, oldest_ms: min(largest_full(waiting, 0), 16), "At 1900"),
    ("next_pass", lambda waiting, oldest_ms: 1 if waiting < 64 else 64, "At 400"),
    ("next_pass", lambda waiting, oldest_ms: [1, 4], "one number"),
    ("next_pass", lambda waiting, oldest_ms: cheapest(waiting, 0) + 0.5, "a whole number"),
    ("next_pass", lambda waiting, oldest_ms: "64", "Numbers are wanted"),
    ("next_pass", lambda waiting: 1, "raised TypeError"),
    ("status_codes", [404, 422, 422, 200], "value 12"),
    ("status_codes", [422, 200, 422, 200], "text"),
    ("status_codes", [422, 422, 200, 200], "colour"),
    ("status_codes", [422, 422, 422, 422], "without grid"),
    ("status_codes", [500, 500, 500, 500], "value 12"),
    ("status_codes", ["422", "422", "422", "200"], "leave out the quotes"),
    ("status_codes", [True, True, True, True], "value 12"),
    ("status_codes", [[422], 422, 422, 200], "value 12"),
    ("status_codes", [422], "list of 4"),
    ("status_codes", {422, 200}, "list of 4"),
    ("status_codes", 422, "list of 4"),
    ("status_codes", "422", "list of 4"),
    ("passes", lambda wanted, limit: [[count] for count in wanted], "as many as fit"),
    ("passes", lambda wanted, limit: [list(wanted)], "more than 3"),
    ("passes", lambda wanted, limit: [wanted[:1]], "every request once"),
    ("passes", lambda wanted, limit: [[], *passes_of(wanted, limit)], "empty pass"),
    ("passes", lambda wanted, limit: passes_of(sorted(wanted, reverse=True), limit), "order"),
    ("passes", lambda wanted, limit: list(wanted), "list of lists"),
    (
        "passes",
        lambda wanted, limit: ["".join(map(str, counts)) for counts in passes_of(wanted, limit)],
        "list of lists",
    ),
    ("passes", lambda wanted, limit: 3, "list of lists"),
    ("passes", lambda wanted, limit: passes_of(wanted, 3), "limit"),
    ("passes", lambda wanted, limit: passes_of(wanted, limit - 1), "as many as fit"),
    ("passes", lambda wanted, limit: passes_of(wanted, limit + 1), "more than 3"),
    ("passes", lambda wanted, limit: passes_of(wanted, limit)[:-1], "every request once"),
    ("passes", lambda wanted, limit: [wanted[n : n + limit] for n in range(0, len(wanted), limit)], "more than 3"),
    ("passes", first_fit, "order"),
    ("passes", lambda wanted, limit: passes_of(wanted, limit) or [[]], "empty pass"),
    ("passes", passes_by_pop, "not in place"),
    ("passes", lambda wanted, limit: [[limit]] * (sum(wanted) // limit), "every request once"),
]
NOT_ATTEMPTED = [("status_codes", [...] * 4), ("status_codes", [422, 422, 422, ...])]
