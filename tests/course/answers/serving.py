"""Notebook 07."""

from http import HTTPStatus

import numpy as np
import torch

from cgan_lib.sampling import generate


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


def draws(first, second, labels=None, z=None):
    labels = torch.arange(10) if labels is None else labels
    z = torch.randn(len(labels), first.config["latent_dim"]) if z is None else z
    with torch.no_grad():
        return first(z, labels), second(z, labels)


def draw_the_same(first, second, labels=None, z=None):
    return torch.allclose(*draws(first, second, labels, z))


def one_by_one(first, second):
    return all(draw_the_same(first.eval(), second.eval(), torch.tensor([label])) for label in range(10))


def as_pixels(first, second):
    return np.array_equal(generate(first, range(10), seed=3).numpy(), generate(second, range(10), seed=3).numpy())


def same_state(first, second):
    other = second.state_dict()
    return all(torch.equal(value, other[name]) for name, value in first.state_dict().items())


def same_parameters(first, second):
    return all(map(torch.equal, first.parameters(), second.parameters()))


RIGHT = [
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
    ("same_generator", draw_the_same),
    ("same_generator", one_by_one),
    ("same_generator", as_pixels),
    ("same_generator", lambda first, second: torch.equal(*draws(first, second))),
    ("same_generator", lambda first, second: np.allclose(*draws(first, second))),
    ("same_generator", lambda first, second: (lambda x, y: (x == y).all())(*draws(first, second))),
    ("same_generator", lambda first, second: torch.equal(*draws(first, second, z=torch.randn(1, 100).expand(10, 100)))),
]
WRONG = [
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
    ("same_generator", lambda first, second: first is second, "A copy"),
    ("same_generator", lambda first, second: False, "A copy"),
    ("same_generator", lambda *both: torch.equal(*(draws(one, one)[0] for one in both)), "same z"),
    ("same_generator", lambda first, second: True, "compare the images"),
    ("same_generator", lambda first, second: first.config == second.config, "compare the images"),
    ("same_generator", lambda first, second: draws(first, second)[0].shape == draws(first, second)[1].shape, "images"),
    ("same_generator", lambda first, second: draw_the_same(first, second, torch.tensor([0])), "class 1"),
    ("same_generator", lambda first, second: draw_the_same(first, second, torch.arange(9)), "class 9"),
    ("same_generator", lambda first, second: draw_the_same(first, second, torch.arange(1, 10)), "class 0"),
    ("same_generator", lambda first, second: draw_the_same(first, second, z=torch.zeros(10, 100)), "N(0, 1)"),
    ("same_generator", lambda first, second: draw_the_same(first, second, z=torch.full((10, 100), 0.1)), "N(0, 1)"),
    ("same_generator", same_state, "not weights"),
    ("same_generator", same_parameters, "BatchNorm has seen"),
    ("same_generator", lambda a, b: torch.equal(a.label_embedding.weight, b.label_embedding.weight), "last layer"),
    ("same_generator", lambda first, second: torch.isclose(*draws(first, second)), "One answer"),
    ("same_generator", lambda first, second: "yes", "True or False"),
    (
        "same_generator",
        lambda first, second: (lambda x, y: (x - y).abs().max())(*draws(first, second)),
        "True or False",
    ),
    ("same_generator", lambda first, second: first(torch.randn(10, 7), torch.arange(10)), "raised RuntimeError"),
]
NOT_ATTEMPTED = [("status_codes", [...] * 4), ("status_codes", [422, 422, 422, ...])]
