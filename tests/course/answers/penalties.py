"""Notebook 03: relativistic losses, R1, R2, lazy penalties, and the smallest GAN."""

import numpy as np
import torch
import torch.nn.functional as F
from torch.func import functional_call, grad, vmap

from cgan_lib.losses import bce_d, input_gradient


def loss_d(real, fake):
    return F.softplus(fake - real).mean()


def loss_g(real, fake):
    return F.softplus(real - fake).mean()


def with_d(loss):
    """Both losses, the right one of G behind that of D."""
    return lambda real, fake: (loss(real, fake), loss_g(real, fake))


def with_g(loss):
    return lambda real, fake: (loss_d(real, fake), loss(real, fake))


def r1(discriminator, real, labels, gamma):
    return gamma / 2 * input_gradient(discriminator, real, labels).square().sum(1).mean()


def r1_by_norms(d, x, y, g):
    x = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(d(x, y).sum(), x, create_graph=True)
    return 0.5 * g * (slope.flatten(1).norm(dim=1) ** 2).mean()


def r1_by_ones(d, x, y, g):
    x.requires_grad_()
    logits = d(x, y)
    (slope,) = torch.autograd.grad(logits, x, torch.ones_like(logits), create_graph=True)
    return g * slope.pow(2).sum() / (2 * len(x))


def r1_one_by_one(d, x, y, g):
    return sum(r1(d, x[n : n + 1], y[n : n + 1], g) for n in range(len(x))) / len(x)


def r1_by_func(d, x, y, g):
    weights = dict(d.named_parameters())
    slopes = vmap(grad(lambda one, label: functional_call(d, weights, (one[None], label[None])).sum()))(x, y)
    return g / 2 * slopes.double().square().sum((1, 2, 3)).mean()


def from_slope(formula, **options):
    """A penalty made from slopes (N, pixels), found with these options of autograd.grad."""
    options = {"create_graph": True} | options

    def penalty(d, x, y, g):
        x = x.detach().requires_grad_()
        (slope,) = torch.autograd.grad(d(x, y).sum(), x, **options)
        return formula(slope.flatten(1), g)

    return penalty


def squares(slope, g):
    return g / 2 * slope.square().sum(1).mean()


def of_the_mean(d, x, y, g):
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(d(x, y).mean(), x, create_graph=True)
    return squares(slope.flatten(1), g)


def with_backward(d, x, y, g):
    x = x.detach().requires_grad_()
    d(x, y).sum().backward(create_graph=True)
    return squares(x.grad.flatten(1), g)


def mean_of_slopes(slope, g):
    return g / 2 * slope.mean(0).square().sum()


def in_place(d, x, y, g):
    x.mul_(2)
    return r1(d, x, y, g)


def half_of_the_graph(d, x, y, g):
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(d(x, y).sum(), x, create_graph=True)
    return (g / 2 * slope.detach() * slope).flatten(1).sum(1).mean()


def r2(generator, discriminator, z, labels, gamma):
    return r1(discriminator, generator(z, labels).detach(), labels, gamma)


def r2_without_graph_of_g(g, d, z, y, gamma):
    with torch.no_grad():
        fake = g(z, y)
    fake.requires_grad_()
    (slope,) = torch.autograd.grad(d(fake, y).sum(), fake, create_graph=True)
    return gamma / 2 * slope.square().sum((1, 2, 3)).mean()


def with_fakes(penalty):
    """R2 from a penalty at images."""
    return lambda generator, d, z, y, gamma: penalty(d, generator(z, y).detach(), y, gamma)


def g_learns_too(generator, d, z, y, gamma):
    fake = generator(z, y)
    (slope,) = torch.autograd.grad(d(fake, y).sum(), fake, create_graph=True)
    return squares(slope.flatten(1), gamma)


def as_given(generator, d, z, y, gamma):
    fake = generator(z, y)
    (slope,) = torch.autograd.grad(d(fake, y).sum(), fake)
    return squares(slope.flatten(1), gamma)


def freezes_g(generator, d, z, y, gamma):
    return r2(generator.requires_grad_(False), d, z, y, gamma)


def eval_and_back(generator, d, z, y, gamma):
    fake = generator.eval()(z, y).detach()
    generator.train()
    return r1(d, fake, y, gamma)


def r2_of_frozen(generator, d, z, y, gamma):
    generator.requires_grad_(False)
    fake = generator(z, y)
    generator.requires_grad_(True)
    return r1(d, fake, y, gamma)


KEPT = []


def lazy_from_the_past(penalty, step, every):
    """The penalty of the first time, again and again."""
    if step % every:
        return 0.0
    KEPT.append(penalty())
    return every * KEPT[0]


def lazy(penalty, step, every):
    return every * penalty() if (step + 1) % every == 0 else 0.0


def lazy_from_the_first(penalty, step, every):
    return torch.zeros(()) if step % every else penalty() * every


def lazy_by_hand(penalise, t, k):
    if t % k != k // 2:
        return 0
    return sum(penalise_again for penalise_again in [penalise()] * k)


def one_at_a_time(penalty, step, every):
    return lazy(penalty, step, every + 1)


RIGHT = [
    ("relativistic", lambda real, fake: (loss_d(real, fake), loss_g(real, fake))),
    ("relativistic", lambda r, f: [-F.logsigmoid(r - f).mean(), -F.logsigmoid(f - r).mean()]),
    ("relativistic", lambda r, f: (loss_d(r.double(), f.double()), loss_g(r, f)[None])),
    ("relativistic", lambda r, f: tuple(torch.logaddexp(x, torch.zeros(())).sum() / len(x) for x in (f - r, r - f))),
    ("relativistic", with_g(lambda r, f: F.softplus(r.detach() - f).mean())),
    ("r1", r1),
    ("r1", r1_by_norms),
    ("r1", r1_by_ones),
    ("r1", r1_one_by_one),
    ("r1", r1_by_func),
    ("r2", r2),
    ("r2", r2_without_graph_of_g),
    ("r2", with_fakes(r1_by_ones)),
    ("r2", r2_of_frozen),
    ("r2", lambda generator, d, z, y, g: r1(d, generator(z, y), y, g)),  # which cuts off what it is given
    ("r2", with_fakes(r1_one_by_one)),
    ("r2", lambda generator, critic, z, y, g: r1_by_norms(critic, generator(z, y).data, y, g)),
    ("lazy", lazy),
    ("lazy", lazy_from_the_first),
    ("lazy", lazy_by_hand),
    ("lazy", lambda p, t, k: [lambda: 0 * k, lambda: k * p()][t % k == 0]()),
    ("lazy", lambda penalty, step, every: lazy_from_the_first(penalty, step, every) if step else 0.0),
    ("damping", {"lr": 1.0, "gamma": 0.6}),
    ("damping", {"gamma": 0.5, "lr": 1}),
    ("damping", {"lr": torch.tensor(0.9), "gamma": np.float32(0.7)}),
    ("damping", {"lr": 1.5, "gamma": 0.3}),
]
WRONG = [
    ("relativistic", with_d(loss_g), "D is content"),
    ("relativistic", with_d(lambda r, f: F.softplus(f.mean() - r.mean())), "not the difference of two means"),
    ("relativistic", with_d(lambda r, f: F.softplus(f - r[:, None]).mean()), "own partner"),
    ("relativistic", with_d(bce_d), "judges each alone"),
    ("relativistic", with_d(lambda r, f: F.softplus(f.mean() - r).mean()), "relativistic average"),
    ("relativistic", with_d(lambda r, f: F.softplus(f - r).sum()), "not the sum"),
    ("relativistic", with_d(lambda r, f: (f - r).mean()), "softplus is missing"),
    ("relativistic", with_d(lambda r, f: F.relu(1 + f - r).mean()), "No margin"),
    ("relativistic", with_d(lambda r, f: F.softplus(f - r)), "One number"),
    ("relativistic", with_d(lambda r, f: -loss_d(r, f)), "sign"),
    ("relativistic", with_d(lambda r, f: 2 * loss_d(r, f)), "Once"),
    ("relativistic", with_d(lambda r, f: (1 + (f - r).exp()).log().mean()), "NaN or infinite"),
    ("relativistic", with_d(lambda r, f: -torch.log(torch.sigmoid(r - f) + 1e-8).mean()), "D: the mean"),
    ("relativistic", with_d(lambda r, f: F.relu(f - r).mean()), "D: the mean"),
    ("relativistic", with_g(loss_d), "difference turns round"),
    ("relativistic", with_g(lambda r, f: -loss_d(r, f)), "no minimax"),
    ("relativistic", with_g(lambda r, f: F.softplus(-f).mean()), "compares with the reals"),
    ("relativistic", with_g(lambda r, f: F.softplus(r - f).sum()), "a mean, too"),
    ("relativistic", with_g(lambda r, f: F.softplus(r.mean() - f.mean())), "its own fake"),
    ("relativistic", with_g(lambda r, f: -f.mean()), "G: the mean"),
    ("relativistic", with_g(lambda r, f: loss_g(r, f).detach()), "no gradient"),
    ("relativistic", with_d(lambda r, f: loss_d(r.detach(), f)), "no gradient"),
    ("relativistic", lambda r, f: loss_d(r, f), "Return both"),
    ("r1", from_slope(lambda slope, g: g * slope.square().sum(1).mean()), "½ is missing"),
    ("r1", from_slope(lambda slope, g: slope.square().sum(1).mean() / 2), "γ is missing"),
    ("r1", from_slope(lambda slope, g: slope.square().sum(1).mean()), "γ/2 is missing"),
    ("r1", from_slope(lambda slope, g: g / 2 * slope.square().sum()), "not a sum"),
    ("r1", from_slope(lambda slope, g: g / 2 * slope.square().mean()), "Over the pixels"),
    ("r1", from_slope(lambda slope, g: g / 2 * slope.norm(dim=1).mean()), "square is missing"),
    ("r1", from_slope(lambda slope, g: g / 2 * slope.norm(dim=1).mean().square()), "then take the mean"),
    ("r1", from_slope(lambda slope, g: g / 2 * slope.norm()), "One length for each"),
    ("r1", from_slope(lambda slope, g: g / 2 * (slope.norm(dim=1) - 1).square().mean()), "Gulrajani"),
    ("r1", from_slope(mean_of_slopes), "slopes first"),
    ("r1", from_slope(lambda slope, g: g / 2 * slope.abs().sum(1).mean()), "absolute"),
    ("r1", from_slope(lambda slope, g: g / 2 * slope.square().sum(1)), "images is missing"),
    ("r1", from_slope(lambda slope, g: g / 2 * slope.square().sum(0).mean()), "all squares of one image"),
    ("r1", lambda d, x, y, g: r1(d.eval(), x, y, g), "D was in training mode"),
    ("r1", lambda d, x, y, g: d.zero_grad() or r1(d, x, y, g), "D's .grad is lost"),
    ("r1", of_the_mean, "N times too small"),
    ("r1", lambda d, x, y, g: r1(d, x, y.flip(0), g), "all squares of one image"),
    ("r1", lambda d, x, y, g: r1(d, torch.zeros_like(x), y, g), "all squares of one image"),
    ("r1", from_slope(squares, create_graph=False), "create_graph=True"),
    ("r1", from_slope(squares, create_graph=False, retain_graph=True), "create_graph=True"),
    ("r1", lambda *given: r1(*given).detach(), "create_graph=True"),
    ("r1", lambda *given: r1(*given).item(), "create_graph=True"),
    ("r1", with_backward, "backward() adds"),
    ("r1", half_of_the_graph, "cut off"),
    ("r1", in_place, "not in place"),
    ("r1", lambda d, x, y, g: 0.0, "all squares of one image"),
    ("r2", as_given, "create_graph=True"),
    ("r2", g_learns_too, "so does G"),
    ("r2", with_fakes(from_slope(squares, create_graph=False)), "create_graph=True"),
    ("r2", eval_and_back, "draw the fakes in it"),
    ("r2", lambda generator, *rest: generator.zero_grad() or r2(generator, *rest), "G's .grad is lost"),
    ("r2", lambda generator, d, z, y, g: d.zero_grad() or r2(generator, d, z, y, g), "D's .grad is lost"),
    ("r2", lambda generator, d, z, y, g: r2(generator, d.eval(), z, y, g), "D was in training mode"),
    ("r2", with_fakes(of_the_mean), "N times too small"),
    ("r2", with_fakes(from_slope(lambda slope, g: g / 2 * slope.square().mean())), "Over the pixels"),
    ("r2", with_fakes(with_backward), "backward() adds"),
    ("r2", with_fakes(half_of_the_graph), "cut off"),
    ("r2", freezes_g, "leave G as it is"),
    ("r2", lambda generator, d, z, y, g: r2(generator.eval(), d, z, y, g), "in training mode"),
    ("r2", lambda g, d, z, y, gamma: r1(d, g(z, y).detach(), y.flip(0), gamma), "at the fakes"),
    ("r2", lambda g, d, z, y, gamma: r1(d, g(torch.zeros_like(z), y), y, gamma), "at the fakes"),
    ("lazy", lambda penalty, step, every: 0.0 if step % every else penalty(), "By which factor"),
    ("lazy", lambda penalty, step, every: penalty(), "was computed at"),
    ("lazy", lambda penalty, step, every: penalty() * (step % every == 0) * every, "was computed at"),
    ("lazy", lambda penalty, step, every: every * penalty(), "was computed at"),
    ("lazy", lambda penalty, step, every: 0.0, "no penalty at all"),
    ("lazy", lambda penalty, step, every: 0.0 if step % every else penalty() / every, "should add as much"),
    ("lazy", lambda penalty, step, every: 0.0 if step % every else 8 * penalty(), "should add as much"),
    ("lazy", lambda penalty, step, every: 0.0 if step % every else penalty() ** every, "no power"),
    ("lazy", lambda penalty, step, every: lazy(penalty, step, 4), "should add as much"),
    ("lazy", one_at_a_time, "should add as much"),
    ("lazy", lambda penalty, step, every: float(lazy(penalty, step, every)), "no gradient"),
    ("lazy", lambda p, step, every: torch.tensor(float(lazy(p, step, every)), requires_grad=True), "no gradient"),
    (
        "lazy",
        lambda penalty, step, every: None if (step + 1) % every else lazy(penalty, step, every),
        "returns nothing",
    ),
    ("lazy", lambda penalty, step, every: every * penalty() if step % every == 0 else None, "returns nothing"),
    ("lazy", lazy_from_the_past, "anew each time"),
    ("damping", {"lr": 0.2, "gamma": 0.0}, "from rest"),
    ("damping", {"lr": 0.2, "gamma": 0.7}, "from rest"),
    ("damping", {"lr": 1.0, "gamma": 3.0}, "from rest"),
    ("damping", {"lr": 1.0, "gamma": 0.05}, "from rest"),
    ("damping", {"lr": 1e9, "gamma": 1e9}, "from rest"),
    ("damping", {"lr": -1.0, "gamma": 0.5}, "more than 0"),
    ("damping", {"lr": 1.0, "gamma": float("nan")}, "finite"),
    ("damping", {"lr": 1.0, "gamma": "half"}, "Numbers are wanted"),
    ("damping", {"lr": 1.0}, "keys lr, gamma"),
    ("damping", [1.0, 0.5], "keys lr, gamma"),
]
NOT_ATTEMPTED = [
    ("relativistic", lambda real, fake: (..., ...)),
    ("damping", {"lr": ..., "gamma": ...}),
    ("damping", {"lr": 0.5, "gamma": ...}),
]
