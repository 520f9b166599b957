"""Notebook 03: norms, and a layer that divides by one."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from cgan_lib.course.exercises.spectral import SpectralLinear, stretch


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


def by_backward(layer, x, turns=100):
    for _ in range(turns):
        x = (x / x.norm()).detach().requires_grad_()
        y = layer(x) - layer(torch.zeros_like(x))
        y.backward(y.detach())
        x = x.grad
    return y.norm().detach()


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


class WithBothVectors(nn.Module):
    """u, too, in a buffer; the length of W v is σ."""

    def __init__(self, in_features, out_features):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)
        self.register_buffer("u", torch.randn(out_features))
        self.register_buffer("v", torch.randn(in_features))

    @torch.no_grad()
    def turn(self):
        W = self.linear.weight
        self.u = F.normalize(W @ self.v, dim=0)
        self.v = F.normalize(W.T @ self.u, dim=0)

    def forward(self, x):
        if self.training:
            self.turn()
        sigma = torch.dot(self.u, self.linear.weight @ self.v)
        return x @ (self.linear.weight / sigma).T + self.linear.bias


class FromTheOutputs(nn.Linear):
    """A subclass that begins with Wᵀu, its vector a parameter that learns nothing."""

    def __init__(self, in_features, out_features):
        super().__init__(in_features, out_features)
        self.u = nn.Parameter(torch.ones(out_features), requires_grad=False)

    def forward(self, x):
        v = self.weight.detach().T @ self.u
        v /= v.norm()
        sigma = (self.weight @ v).norm()
        if self.training:
            self.u.data = (self.weight @ v / sigma).detach()
        return super().forward(x) / sigma + self.bias * (1 - 1 / sigma)


class Double(SpectralLinear):
    def forward(self, x):
        return super().forward(x).double()


def spectral(change, base=SpectralLinear):
    """The layer with another forward."""

    class Changed(base):
        forward = change

    return Changed


def turned(weight, v):
    u = F.normalize(weight @ v, dim=0)
    return u, F.normalize(weight.T @ u, dim=0)


def without_division(self, x):
    return F.linear(x, self.weight, self.bias)


def by_svd(self, x):
    return F.linear(x, self.weight / torch.linalg.matrix_norm(self.weight, ord=2), self.bias)


def by_frobenius(self, x):
    return F.linear(x, self.weight / self.weight.norm(), self.bias)


def many_turns(self, x):
    v = torch.ones_like(self.v)
    for _ in range(200):
        u, v = turned(self.weight.detach(), v)
    return F.linear(x, self.weight / (u @ self.weight @ v), self.bias)


def random_start(self, x):
    u, v = turned(self.weight.detach(), torch.randn_like(self.v))
    return F.linear(x, self.weight / (u @ self.weight @ v), self.bias)


def random_start_of_ten(self, x):
    v = torch.randn_like(self.v)
    for _ in range(10):
        u, v = turned(self.weight.detach(), v)
    return F.linear(x, self.weight / (u @ self.weight @ v), self.bias)


def same_start(self, x):
    u, v = turned(self.weight.detach(), self.v)
    return F.linear(x, self.weight / (u @ self.weight @ v), self.bias)


def detached_sigma(self, x):
    u, v = turned(self.weight.detach(), self.v)
    if self.training:
        self.v.copy_(v)
    return F.linear(x, self.weight / (u @ self.weight @ v).detach(), self.bias)


def all_without_gradient(self, x):
    with torch.no_grad():
        return SpectralLinear.forward(self, x)


def bias_divided(self, x):
    u, v = turned(self.weight.detach(), self.v)
    self.v.copy_(v)
    return F.linear(x, self.weight, self.bias) / (u @ self.weight @ v)


def bias_left_out(self, x):
    return SpectralLinear.forward(self, x) - self.bias


def sigma_squared(self, x):
    u, v = turned(self.weight.detach(), self.v)
    if self.training:
        self.v.copy_(v)
    return F.linear(x, self.weight / (self.weight @ v).square().sum(), self.bias)


def without_lengths(self, x):
    with torch.no_grad():
        u = self.weight @ self.v
        v = self.weight.T @ u
        if self.training:
            self.v.copy_(v)
    return F.linear(x, self.weight / (u @ self.weight @ v), self.bias)


def weight_overwritten(self, x):
    u, v = turned(self.weight.detach(), self.v)
    self.v.copy_(v)
    self.weight.data /= u @ self.weight.detach() @ v
    return F.linear(x, self.weight, self.bias)


def also_in_evaluation(self, x):
    u, v = turned(self.weight.detach(), self.v)
    self.v.copy_(v)
    return F.linear(x, self.weight / (u @ self.weight @ v), self.bias)


def raw_in_evaluation(self, x):
    return SpectralLinear.forward(self, x) if self.training else F.linear(x, self.weight, self.bias)


def only_above_1(self, x):
    u, v = turned(self.weight.detach(), self.v)
    if self.training:
        self.v.copy_(v)
    return F.linear(x, self.weight / (u @ self.weight @ v).clamp(min=1), self.bias)


def only_in_evaluation(self, x):
    self.training = not self.training
    y = SpectralLinear.forward(self, x)
    self.training = not self.training
    return y


def graph_kept(self, x):
    u, v = turned(self.weight, self.v)
    self.v = v if self.training else self.v
    return F.linear(x, self.weight / (u @ self.weight @ v), self.bias)


def buffer_in_graph(self, x):
    with torch.no_grad():
        u, v = turned(self.weight, self.v)
        if self.training:
            self.v.copy_(v)
    return F.linear(x, self.weight / (u @ (self.weight @ self.v)), self.bias)


def doubled(self, x):
    return SpectralLinear.forward(self, torch.cat([x, x]))


def two_turns(self, x):
    with torch.no_grad():
        _, v = turned(self.weight, self.v)
        u, v = turned(self.weight, v)
        if self.training:
            self.v.copy_(v)
    return F.linear(x, self.weight / (u @ self.weight @ v), self.bias)


class EverySecond(SpectralLinear):
    calls = 0

    def forward(self, x):
        kept, self.calls = self.v.clone(), self.calls + 1
        result = super().forward(x)
        if self.calls % 2:
            self.v = kept
        return result


class Divided(nn.Module):
    """As a parametrisation, with a turn of its own."""

    def __init__(self, in_features):
        super().__init__()
        self.register_buffer("v", F.normalize(torch.randn(in_features), dim=0))

    def forward(self, weight):
        with torch.no_grad():
            u, v = turned(weight, self.v)
            if self.training:
                self.v.copy_(v)
        return weight / (u @ weight @ v)


def parametrised(in_features, out_features):
    layer = nn.Linear(in_features, out_features)
    return nn.utils.parametrize.register_parametrization(layer, "weight", Divided(in_features))


class NotSaved(SpectralLinear):
    def __init__(self, in_features, out_features):
        super().__init__(in_features, out_features)
        v = self.v
        del self.v
        self.v = v


class Learned(SpectralLinear):
    def __init__(self, in_features, out_features):
        super().__init__(in_features, out_features)
        v = self.v
        del self.v
        self.v = nn.Parameter(v)


class MadeLate(nn.Linear):
    def forward(self, x):
        if not hasattr(self, "v"):
            self.register_buffer("v", torch.ones(self.in_features))
        return SpectralLinear.forward(self, x)


def of_pytorch(in_features, out_features):
    return nn.utils.parametrizations.spectral_norm(nn.Linear(in_features, out_features))


def of_old_pytorch(in_features, out_features):
    return nn.utils.spectral_norm(nn.Linear(in_features, out_features))


RIGHT = [
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
    ("spectral_layer", SpectralLinear),
    ("spectral_layer", WithBothVectors),
    ("spectral_layer", FromTheOutputs),
    ("spectral_layer", Double),
    ("spectral_layer", parametrised),
    ("spectral_layer", lambda out_features, in_features: SpectralLinear(in_features, out_features)),
]
WRONG = [
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
    ("stretch", by_backward, "backward() adds"),
    ("stretch", lambda layer, x: stretch(layer.eval(), x), "as they are"),
    ("stretch", lambda layer, x: stretch(layer.requires_grad_(False), x), "as they are"),
    ("stretch", without_bias, "changes what it is given"),
    ("stretch", bias_taken, "changes what it is given"),
    ("spectral_layer", spectral(without_division), "not divided at all"),
    ("spectral_layer", nn.Linear, "not divided at all"),
    ("spectral_layer", spectral(by_svd), "at the first call"),
    ("spectral_layer", spectral(many_turns), "at the first call"),
    ("spectral_layer", spectral(by_frobenius), "the same at all calls"),
    ("spectral_layer", spectral(same_start), "the same at all calls"),
    ("spectral_layer", spectral(two_turns), "here there are 2"),
    ("spectral_layer", EverySecond, "One turn of power iteration a call"),
    ("spectral_layer", spectral(random_start), "worse between two calls"),
    ("spectral_layer", spectral(random_start_of_ten), "worse between two calls"),
    ("spectral_layer", spectral(detached_sigma), "σ = uᵀ W v moves"),
    ("spectral_layer", spectral(all_without_gradient), "no gradient"),
    ("spectral_layer", spectral(bias_divided), "not the bias"),
    ("spectral_layer", spectral(bias_left_out), "bias is left out"),
    ("spectral_layer", spectral(sigma_squared), "stretch by 1"),
    ("spectral_layer", spectral(without_lengths), "NaN or infinite"),
    ("spectral_layer", spectral(weight_overwritten), "raw weight is kept"),
    ("spectral_layer", spectral(also_in_evaluation), "a call leaves the vector"),
    ("spectral_layer", spectral(raw_in_evaluation), "too, the weight is divided"),
    ("spectral_layer", spectral(only_above_1), "not divided at all"),
    ("spectral_layer", spectral(only_in_evaluation), "the same at all calls"),
    ("spectral_layer", spectral(graph_kept), "under torch.no_grad()"),
    ("spectral_layer", spectral(buffer_in_graph), "does not overwrite"),
    ("spectral_layer", spectral(doubled), "shape should be"),
    ("spectral_layer", NotSaved, "not saved"),
    ("spectral_layer", Learned, "nothing to be learned"),
    ("spectral_layer", MadeLate, "cannot be loaded"),
    ("spectral_layer", of_pytorch, "PyTorch's own"),
    ("spectral_layer", of_old_pytorch, "PyTorch's own"),
    ("spectral_layer", lambda in_features, out_features: nn.Linear(in_features, out_features, bias=False), "a bias"),
    ("spectral_layer", SpectralLinear(3, 4), "class itself"),
    ("spectral_layer", lambda in_features, out_features: torch.zeros(out_features), "class of nn.Module"),
]
NOT_ATTEMPTED = []
