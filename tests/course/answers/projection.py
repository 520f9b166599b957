"""Notebook 03."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from cgan_lib.course.exercises.projection import stretch


def score(f, y, e, w, b):
    return f @ w + b + (e[y] * f).sum(1)


def score_by_loop(f, y, e, w, b):
    return [float(row @ w + b + e[label] @ row) for row, label in zip(f, y, strict=True)]


def hinge(real, fake):
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def hinge_in_place(real, fake):
    return F.relu(1 - real).mean() + F.relu(fake.add_(1)).mean()


def sigma(W, v, turns=50):
    for _ in range(turns):
        u = F.normalize(W @ v, dim=0)
        v = F.normalize(W.T @ u, dim=0)
    return u @ W @ v


def sigma_of_square(W, v, turns=50):
    for _ in range(turns):
        v = W.T @ (W @ v)
        v = v / v.norm()
    return (W @ v).norm()


def sigma_in_numpy(W, v, turns=50):
    W, v = W.double().numpy(), v.double().numpy()
    for _ in range(turns):
        u = W @ v / np.linalg.norm(W @ v)
        v = W.T @ u
        size = np.linalg.norm(v)
        v = v / size
    return size


def sigma_before_v(W, v, turns=50):
    v = v / v.norm()
    for _ in range(turns):
        u = W @ v
        size = u.norm().item()
        v = F.normalize(W.T @ u, dim=0)
    return size


def sigma_without_lengths(W, v, turns=50):
    for _ in range(turns):
        u = W @ v
        v = W.T @ u
    return u @ W @ v


def sigma_one_length(W, v, turns=50):
    for _ in range(turns):
        u = F.normalize(W @ v, dim=0)
        v = W.T @ u
    return u @ W @ v


def sigma_in_place(W, v, turns=50):
    v /= v.norm()
    return sigma(W, v, turns)


def by_jacobian(layer, x, *_):
    matrix = torch.autograd.functional.jacobian(layer, x).flatten(0, x.ndim - 1)
    return torch.linalg.matrix_norm(matrix.reshape(-1, x.numel()), ord=2).item()


def without_bias(layer, x):
    nn.init.zeros_(layer.bias)
    return stretch(layer, x)


def bias_taken(layer, x):
    layer.bias = None
    return stretch(layer, x)


def with_bias(layer, x, turns=100):
    for _ in range(turns):
        x = (x / x.norm()).detach().requires_grad_()
        y = layer(x)
        (x,) = torch.autograd.grad(y, x, y)
    return y.norm()


def random_search(layer, x):
    many = torch.randn(300, *x.shape[1:])
    y = layer(many) - layer(torch.zeros_like(many))
    return (y.flatten(1).norm(dim=1) / many.flatten(1).norm(dim=1)).max()


RIGHT = [
    ("projection_score", score),
    ("projection_score", lambda f, y, e, w, b: torch.einsum("nf,nf->n", f, e[y] + w) + b),
    ("projection_score", lambda f, y, e, w, b: F.linear(f, w[None]).squeeze(1) + b + (f @ e.T)[range(len(y)), y]),
    ("projection_score", lambda f, y, e, w, b: score(f.double(), y, e, w.double(), b).numpy()),
    ("projection_score", lambda f, y, e, w, b: ((F.embedding(y, e) + w) * f).sum(-1).half() + b),
    ("projection_score", score_by_loop),
    ("hinge", hinge),
    ("hinge", lambda real, fake: (1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean()),
    ("hinge", lambda real, fake: hinge(real.double(), fake.double())),
    ("hinge", lambda real, fake: F.threshold(1 - real, 0, 0).mean() - torch.minimum(-1 - fake, torch.zeros(())).mean()),
    ("hinge", lambda real, fake: torch.where(real < 1, 1 - real, 0).mean() + F.relu_(1 + fake).mean(0, keepdim=True)),
    ("power_iteration", sigma),
    ("power_iteration", sigma_of_square),
    ("power_iteration", sigma_in_numpy),
    ("power_iteration", sigma_before_v),
    ("power_iteration", lambda W, v, turns=100: sigma(W.double(), v.double(), turns).item()),
    ("stretch", stretch),
    ("stretch", lambda layer, x, turns=100: torch.tensor([stretch(layer, x, turns)])),
    ("stretch", lambda layer, x: np.float32(stretch(layer, x, 60))),
    ("stretch", by_jacobian),
    ("stretch", lambda layer, x: torch.tensor(by_jacobian(layer, x.double(), layer.double()))),
]
WRONG = [
    ("projection_score", lambda f, y, e, w, b: (e[y] * f).sum(1), "realness"),
    ("projection_score", lambda f, y, e, w, b: f @ w + b, "agreement"),
    ("projection_score", lambda f, y, e, w, b: f @ w + (e[y] * f).sum(1), "bias is missing"),
    ("projection_score", lambda f, y, e, w, b: score(f, y, e, w, 2 * b), "bias counts once"),
    ("projection_score", lambda f, y, e, w, b: f @ w + b - (e[y] * f).sum(1), "not taken away"),
    ("projection_score", lambda f, y, e, w, b: (f @ w + b) * (e[y] * f).sum(1), "not multiplied"),
    ("projection_score", lambda f, y, e, w, b: f @ w + b + (e[y] * f).mean(1), "not a mean"),
    ("projection_score", lambda f, y, e, w, b: f @ w + b + (f @ e.T).sum(1), "own label"),
    ("projection_score", lambda f, y, e, w, b: f @ w + b + (e[: len(f)] * f).sum(1), "the label says which"),
    ("projection_score", lambda f, y, e, w, b: f @ w + b + (e[y] * f).sum(), "dim=1"),
    ("projection_score", lambda f, y, e, w, b: f @ w + b + F.cosine_similarity(e[y], f), "dot product"),
    ("projection_score", lambda f, y, e, w, b: score(f, y.sort().values, e, w, b), "dot product"),
    ("projection_score", lambda f, y, e, w, b: score(f, y, e, w, b).sigmoid(), "dot product"),
    ("projection_score", lambda f, y, e, w, b: f.sum(1), "dot product"),
    ("projection_score", lambda f, y, e, w, b: f @ w[:, None] + b, "shape should be (3,)"),
    ("projection_score", lambda f, y, e, w, b: f @ e.T, "shape should be (3,)"),
    ("projection_score", lambda f, y, e, w, b: score(f, y, e.mul_(2), w, b), "not in place"),
    ("hinge", lambda real, fake: F.relu(1 + real).mean() + F.relu(1 - fake).mean(), "exchanged"),
    ("hinge", lambda real, fake: -real.mean(), "max(0"),
    ("hinge", lambda real, fake: (1 - real).mean() + (1 + fake).mean(), "Wasserstein"),
    ("hinge", lambda real, fake: fake.mean() - real.mean(), "Wasserstein"),
    ("hinge", lambda real, fake: F.relu(1 - real).sum() + F.relu(1 + fake).sum(), "Average"),
    ("hinge", lambda real, fake: hinge(real, fake) / 2, "not halved"),
    ("hinge", lambda real, fake: F.relu(torch.cat([1 - real, 1 + fake])).mean(), "not one mean"),
    ("hinge", lambda real, fake: F.relu(-real).mean() + F.relu(fake).mean(), "margin of 1 is missing"),
    ("hinge", lambda real, fake: F.relu(1 - real.mean()) + F.relu(1 + fake.mean()), "other way round"),
    ("hinge", lambda real, fake: F.relu(1 - real).square().mean() + F.relu(1 + fake).square().mean(), "Not squared"),
    ("hinge", lambda real, fake: F.softplus(-real).mean() + F.softplus(fake).mean(), "BCE"),
    ("hinge", lambda real, fake: -hinge(real, fake), "sign"),
    ("hinge", lambda real, fake: F.relu(1 - real).mean(), "fakes are missing"),
    ("hinge", lambda real, fake: F.leaky_relu(1 - real).mean() + F.leaky_relu(1 + fake).mean(), "mean of max(0"),
    ("hinge", lambda real, fake: (1 - real).clamp(0, 2).mean() + (1 + fake).clamp(0, 2).mean(), "mean of max(0"),
    ("hinge", lambda real, fake: hinge(real, fake).clamp(min=0.5), "mean of max(0"),
    ("hinge", lambda real, fake: hinge(real, fake).detach(), "no gradient"),
    ("hinge", lambda real, fake: hinge(real, fake.detach()), "no gradient"),
    ("hinge", lambda real, fake: float(hinge(real, fake)), "no gradient"),
    ("hinge", lambda real, fake: np.maximum(0, 1 - real.numpy()).mean() + F.relu(1 + fake).mean(), "no gradient"),
    ("hinge", lambda real, fake: hinge(real, 2 * fake - fake.detach()), "its gradient is not"),
    ("hinge", hinge_in_place, "not in place"),
    ("power_iteration", lambda W, v, turns=50: W.norm(), "Frobenius"),
    ("power_iteration", lambda W, v, turns=50: sigma(W, v, turns) ** 2, "σ²"),
    ("power_iteration", sigma_one_length, "σ²"),
    ("power_iteration", lambda W, v, turns=50: torch.linalg.svdvals(W)[0], "not by power iteration"),
    ("power_iteration", lambda W, v, turns=50: torch.linalg.matrix_norm(W, 2).item(), "not by power iteration"),
    ("power_iteration", lambda W, v, turns=50: sigma(W, v, 500), "not by power iteration"),
    ("power_iteration", lambda W, v, turns=50: torch.linalg.eigvalsh(W @ W.T)[-1] ** 0.5, "not by power iteration"),
    ("power_iteration", lambda W, v, turns=50: sigma(W, v, 10), "makes no difference: repeat"),
    ("power_iteration", lambda W, v, turns=50: sigma(W, torch.ones(W.shape[1]), turns), "start makes no difference"),
    ("power_iteration", lambda W, v, turns=50: sigma(W, v, turns + 1), "After turns=1"),
    ("power_iteration", lambda W, v, turns=50: sigma(W, v, max(1, turns // 2)), "After turns="),
    ("power_iteration", lambda W, v, turns=50: (W @ v).norm() / v.norm(), "turn it first"),
    ("power_iteration", sigma_without_lengths, "each made length 1"),
    ("power_iteration", lambda W, v: sigma(W, v), "three arguments"),
    ("power_iteration", lambda W, v, turns=50: v.norm(), "in turns"),
    ("power_iteration", lambda W, v, turns=50: W @ v, "one number"),
    ("power_iteration", sigma_in_place, "not in place"),
    ("power_iteration", 2.5, "function"),
    ("stretch", lambda layer, x: torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2), "norm of the kernel"),
    ("stretch", lambda layer, x: by_jacobian(layer, x) ** 2, "σ²"),
    ("stretch", with_bias, "bias away"),
    ("stretch", lambda layer, x: layer(x).norm() / x.norm(), "bias away"),
    ("stretch", lambda layer, x: layer.weight.norm(), "autograd apply"),
    ("stretch", lambda layer, x: stretch(layer, x, turns=1), "length 1 in each turn"),
    ("stretch", random_search, "length 1 in each turn"),
    ("stretch", lambda layer, x: 1.0, "length 1 in each turn"),
    ("stretch", lambda layer, x: float("nan"), "length 1 in each turn"),
    ("stretch", lambda layer, x: layer(x), "one number"),
    ("stretch", without_bias, "changes what it is given"),
    ("stretch", bias_taken, "changes what it is given"),
]
NOT_ATTEMPTED = []
