"""Notebook 06, directions and searches."""

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F

from cgan_lib import generate, load_generator
from cgan_lib.sampling import latents
from cgan_lib.studio.latent import directions
from cgan_lib.studio.naming import measurements


def mean_difference(z, values):
    high = values > values.median()
    direction = z[high].mean(0) - z[~high].mean(0)
    return direction / direction.norm()


def mean_difference_by_order(z, values):
    order = values.argsort(descending=True)
    half = len(z) // 2
    return F.normalize(z[order[:half]].mean(0) - z[order[half:]].mean(0), dim=0)


def mean_difference_in_numpy(z, values):
    z, values = z.double().numpy(), values.numpy()
    high = values > np.median(values)
    direction = np.mean(z[high], axis=0) - np.mean(z[~high], axis=0)
    return direction / np.sqrt((direction**2).sum())


def mean_difference_by_signs(z, values):
    signs = torch.where(values > values.median(), 1.0, -1.0)
    return F.normalize(signs @ z, dim=0)


def unit(direction):
    return direction / direction.norm()


@cache
def measured():
    """Latents, and what is drawn there, less the mean of its class: ink, slant, width, height."""
    generator = load_generator("relativistic")
    z = latents(1000, 100, seed=1)
    found = measurements(generate(generator, torch.arange(10).repeat(100), z=z))
    values = torch.stack([found[name] for name in ("ink", "slant", "width", "height")], 1)
    by_class = values.view(100, 10, 4)
    return z, (by_class - by_class.mean(0)).view(1000, 4)


def towards(column):
    z, values = measured()
    return mean_difference(z, values[:, column])


def bolder(method=mean_difference, without=(1, 2, 3)):
    """The direction of ink, less what it has in common with the directions of other measurements."""
    z, values = measured()
    others, _ = torch.linalg.qr(torch.stack([method(z, values[:, k]) for k in without], 1))
    ink = method(z, values[:, 0])
    return ink - others @ (others.T @ ink)


def least_squares(z, values):
    return torch.linalg.lstsq(z, values[:, None]).solution[:, 0]


def by_constraints():
    """Of all directions that leave slant, width and height, by their slopes, the one along which ink rises most."""
    z, values = measured()
    slopes = torch.linalg.lstsq(z, values).solution.double().numpy()
    return slopes[:, 0] - slopes[:, 1:] @ np.linalg.pinv(slopes[:, 1:]) @ slopes[:, 0]


def principal(number):
    return directions(load_generator("relativistic"), 6)[number].vector


def find(generator, target, label, z, steps):
    z = z.clone().requires_grad_()
    adam = torch.optim.Adam([z], lr=0.1)
    labels = torch.full((len(z),), label)
    for _ in range(steps):
        loss = (generator(z, labels) - target).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    return z.detach()


def find_by_grad(generator, target, label, z, steps):
    z = z.double().float().requires_grad_()
    adam = torch.optim.Adam([z], lr=0.1)
    for _ in range(steps):
        error = torch.nn.functional.mse_loss(generator(z, torch.tensor([label])), target)
        (z.grad,) = torch.autograd.grad(error, [z])
        adam.step()
    return z


def find_and_clear(generator, target, label, z, steps):
    """Clears after each step, and takes a sum in place of the mean, which Adam does not feel."""
    place = torch.nn.Parameter(z.clone())
    adam = torch.optim.Adam([place], lr=0.1)
    for _ in range(steps):
        (generator(place, torch.tensor([label])) - target).pow(2).sum().backward()
        adam.step()
        place.grad = None
    return place.tolist()


def searching(lr=0.1, sign=1, clear=True, given=lambda z: z, label_of=int, also=lambda generator: [], copy=torch.clone):
    """The search with a fault."""

    def find(generator, target, label, z, steps):
        z = copy(z).requires_grad_()
        adam = torch.optim.Adam([z, *also(generator)], lr=lr)
        for _ in range(steps):
            loss = sign * (generator(given(z), torch.tensor([label_of(label)])) - target).square().mean()
            if clear:
                adam.zero_grad()
            loss.backward()
            adam.step()
        return z.detach()

    return find


def broken_find(generator, target, label, z, steps):
    z = z.clone().requires_grad_()
    adam = torch.optim.Adam(generator.parameters(), lr=0.1)
    labels = torch.full((len(z),), label)
    for _ in range(steps):
        loss = (generator(z.detach(), labels) - target).square().mean()
        loss.backward()
        adam.step()
    return z.detach()


def random_search(generator, target, label, z, steps):
    places = torch.randn(steps, z.shape[1])
    with torch.no_grad():
        errors = [(generator(place[None], torch.tensor([label])) - target).square().mean() for place in places]
    return places[int(torch.stack(errors).argmin())][None]


def find_without_counting(generator, target, label, z, steps):
    return find(generator, target, label, z, 100)


RIGHT = [
    ("mean_difference", mean_difference),
    ("mean_difference", mean_difference_by_order),
    ("mean_difference", mean_difference_in_numpy),
    ("mean_difference", mean_difference_by_signs),
    ("mean_difference", lambda z, values: mean_difference(z, values).tolist()),
    ("bolder", bolder()),
    ("bolder", 5 * bolder(least_squares)),
    ("bolder", bolder().double().numpy()),
    ("bolder", by_constraints()),
    ("bolder", bolder().tolist()),
    ("finder", find),
    ("finder", find_by_grad),
    ("finder", find_and_clear),
    ("finder", searching(label_of=lambda label: torch.tensor(label))),
]
WRONG = [
    ("mean_difference", lambda z, values: -mean_difference(z, values), "sign"),
    ("mean_difference", lambda z, v: z[v > v.median()].mean(0) - z[v <= v.median()].mean(0), "length 1"),
    ("mean_difference", lambda z, v: unit(z[v > v.median()].mean(0)), "lower half"),
    ("mean_difference", lambda z, v: unit(z[v > v.mean()].mean(0) - z[v <= v.mean()].mean(0)), "Split at the median"),
    ("mean_difference", lambda z, v: unit(z[v > 0].mean(0) - z[v <= 0].mean(0)), "not at 0"),
    ("mean_difference", lambda z, v: unit(z[v > v.median()].mean(0) - z[v < v.median()].mean(0)), "should be halves"),
    ("mean_difference", lambda z, v: unit(z[v >= v.median()].mean(0) - z[v < v.median()].mean(0)), "should be halves"),
    ("mean_difference", lambda z, v: unit(z[v > v.median()].mean(1) - z[v <= v.median()].mean(1)), "dim 0"),
    ("mean_difference", lambda z, v: unit((v - v.mean()) @ z), "weighs all alike"),
    ("mean_difference", lambda z, v: unit(z[v.argmax()] - z[v.argmin()]), "The mean of z"),
    ("mean_difference", lambda z, v: (lambda d: d / d.abs().sum())(mean_difference(z, v)), "root of the sum"),
    ("mean_difference", lambda z, v: F.normalize(mean_difference(z, v)[None], dim=0), "shape should be (8,)"),
    ("mean_difference", lambda z, v: torch.zeros(z.shape[1]), "The mean of z"),
    ("mean_difference", lambda z, v: mean_difference(z, v.sort().values), "The mean of z"),
    ("mean_difference", lambda z, v: mean_difference(z.sub_(z.mean(0)), v), "not in place"),
    ("mean_difference", lambda z, v: mean_difference(z[:10], v[:10]), "The mean of z"),
    ("bolder", -bolder(), "turn the sign"),
    ("bolder", towards(0), "width should move"),
    ("bolder", principal(0), "ink should rise"),
    ("bolder", principal(1), "width +2.6"),
    ("bolder", 2 * towards(0) + towards(3), "height should move"),
    ("bolder", torch.eye(100)[0], "ink should rise"),
    ("bolder", torch.zeros(100), "not all 0"),
    ("bolder", torch.full((100,), float("nan")), "finite"),
    ("bolder", torch.ones(10), "shape should be (100,)"),
    ("bolder", bolder()[None], "shape should be (100,)"),
    ("finder", broken_find, "have moved"),
    ("finder", searching(given=torch.detach), "has not moved"),
    ("finder", searching(clear=False), "old gradients"),
    ("finder", searching(sign=-1), "sign"),
    ("finder", searching(label_of=lambda label: 0), "right label"),
    ("finder", searching(lr=0.001), "of the error is left"),
    ("finder", lambda *a: find(*a[:4], a[4] // 2), "computed 30 times"),
    ("finder", lambda *a: find(*a[:4], 60), "steps were asked for"),
    ("finder", lambda generator, *a: find(generator.train(), *a), "have moved"),
    ("finder", searching(also=lambda generator: generator.parameters()), "have moved"),
    ("finder", searching(lr=0.15), "rate of 0.1"),
    ("finder", searching(copy=lambda z: torch.zeros_like(z)), "from the z given"),
    ("finder", lambda *a: 0.9 * find(*a), "not by the steps asked for"),
    ("finder", searching(copy=lambda z: z), "search on a copy"),
    ("finder", lambda generator, target, label, z, steps: z, "has not moved"),
    ("finder", random_search, "of the error is left"),
    ("finder", find_without_counting, "60 steps were asked for"),
    ("finder", lambda *a: find(*a[:4], a[4] + 1), "computed 61 times"),
    ("finder", lambda *a: find(*a)[0], "shape should be (1, 16)"),
    ("finder", lambda *a: torch.full((1, 16), float("nan")), "NaN"),
]
NOT_ATTEMPTED = []
