"""Notebook 02."""

import copy
from types import MappingProxyType

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
READING = {"a": "D is sure", "b": "D guesses", "c": "game", "d": "D is fooled"}


def init(network, fill=lambda weight: nn.init.normal_(weight, 0.0, 0.02), kinds=CONVOLUTIONS):
    for layer in network.modules():
        if isinstance(layer, kinds):
            fill(layer.weight)
    return network


def fills(fill):
    """An initialisation that fills the weights of all convolutions in another way."""
    return lambda network: init(network, fill)


def by_apply(network):
    def one(layer):
        if "Conv" in type(layer).__name__:
            layer.weight.data = torch.randn(layer.weight.shape) * 0.02

    return network.apply(one)


def by_name(network):
    draws = np.random.default_rng(0)
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = torch.from_numpy(draws.normal(0, 0.02, parameter.shape)).float()
    return network


def new_parameters(network):
    for layer in network.modules():
        if isinstance(layer, CONVOLUTIONS):
            layer.weight = nn.Parameter(torch.empty_like(layer.weight).normal_(0, 0.02))
    return network


def by_children(network):
    for layer in network.children():
        if isinstance(layer, CONVOLUTIONS):
            nn.init.normal_(layer.weight, 0.0, 0.02)
    return network


def also(change):
    """The right initialisation, and something that nobody asked for."""

    def fill(network):
        with torch.no_grad():
            for layer in init(network).modules():
                change(layer)
        return network

    return fill


def zero_biases(layer):
    if isinstance(layer, CONVOLUTIONS) and layer.bias is not None:
        layer.bias.zero_()


def batch_norm_to_one(layer):
    if isinstance(layer, nn.BatchNorm2d):
        layer.weight.normal_(1.0, 0.02)


def forget(layer):
    if isinstance(layer, nn.BatchNorm2d):
        layer.running_mean.fill_(0.5)


def no_bias(layer):
    if isinstance(layer, CONVOLUTIONS):
        layer.bias = None


def freeze(layer):
    if isinstance(layer, CONVOLUTIONS):
        layer.weight.requires_grad_(False)


def seeded(weight):
    nn.init.normal_(weight, 0.0, 0.02, generator=torch.Generator().manual_seed(1))


def scaled(weight):
    with torch.no_grad():
        weight.mul_(0.02 / weight.std())


def one_row(weight):
    with torch.no_grad():
        weight.copy_(0.02 * torch.randn(weight.shape[1:]))


def mirrored(weight):
    with torch.no_grad():
        weight.normal_(0.0, 0.02)
        weight[32:] = -weight[:32]


def without_return(network):
    init(network)


def centred(x):
    return x - x.mean((2, 3), keepdim=True)


def norm(x, eps=1e-5):
    return centred(x) / torch.sqrt(x.var((2, 3), keepdim=True, correction=0) + eps)


def norm_in_place(x):
    x -= x.mean((2, 3), keepdim=True)
    return norm(x)


def norm_by_loop(x):
    return [[(m - m.mean()) / (m.std(correction=0) + 1e-5) for m in image] for image in x]


RIGHT = [
    ("dcgan_init", init),
    ("dcgan_init", by_apply),
    ("dcgan_init", by_name),
    ("dcgan_init", new_parameters),
    ("dcgan_init", fills(lambda weight: nn.init.trunc_normal_(weight, std=0.02))),
    ("instance_norm", F.instance_norm),
    ("instance_norm", norm),
    ("instance_norm", lambda x: norm(x.double()).numpy()),
    ("instance_norm", lambda x: F.group_norm(x, x.shape[1])),
    ("instance_norm", lambda x: nn.InstanceNorm2d(x.shape[1])(x).half()),
    ("instance_norm", norm_by_loop),
    ("curve_reading", READING),
    ("curve_reading", dict(reversed(READING.items()))),
    ("curve_reading", MappingProxyType(READING)),
    ("curve_reading", {key: np.str_(value) for key, value in READING.items()}),
]
WRONG = [
    ("dcgan_init", lambda network: 3, "Return the network"),
    ("dcgan_init", without_return, "returns nothing"),
    ("dcgan_init", lambda network: init(copy.deepcopy(network)), "another one"),
    ("dcgan_init", lambda network: network, "deviation of a Conv2d"),
    ("dcgan_init", by_children, "deviation of a ConvTranspose2d"),
    ("dcgan_init", fills(lambda weight: nn.init.normal_(weight, 0.0, 0.02**0.5)), "not the variance"),
    ("dcgan_init", fills(lambda weight: nn.init.normal_(weight, 0.0, 0.02**2)), "not the variance"),
    ("dcgan_init", fills(lambda weight: nn.init.normal_(weight, 0.02, 0.02)), "mean"),
    ("dcgan_init", fills(lambda weight: nn.init.normal_(weight, 0.02)), "mean"),
    ("dcgan_init", fills(lambda weight: nn.init.normal_(weight, 0.0, 0.021)), "0.0210"),
    ("dcgan_init", fills(lambda weight: nn.init.normal_(weight, 0.001, 0.02)), "mean"),
    ("dcgan_init", fills(lambda weight: nn.init.uniform_(weight, -0.02, 0.02)), "deviation"),
    ("dcgan_init", fills(lambda weight: nn.init.uniform_(weight, -0.02 * 3**0.5, 0.02 * 3**0.5)), "no normal"),
    ("dcgan_init", fills(scaled), "no normal"),
    ("dcgan_init", fills(one_row), "are the same"),
    ("dcgan_init", fills(mirrored), "are the same"),
    ("dcgan_init", fills(seeded), "set no seed"),
    ("dcgan_init", fills(nn.init.xavier_normal_), "deviation"),
    ("dcgan_init", lambda network: init(network, kinds=nn.Conv2d), "deviation of a ConvTranspose2d"),
    ("dcgan_init", lambda network: init(network, kinds=(*CONVOLUTIONS, nn.Linear)), "Only convolutions"),
    ("dcgan_init", lambda network: init(network, kinds=(*CONVOLUTIONS, nn.Embedding)), "Only convolutions"),
    ("dcgan_init", also(batch_norm_to_one), "Only convolutions"),
    ("dcgan_init", also(no_bias), "take no part away"),
    ("dcgan_init", also(forget), "Only convolutions"),
    ("dcgan_init", also(zero_biases), "leave the biases"),
    ("dcgan_init", also(lambda layer: zero_biases(layer) or freeze(layer)), "requires_grad"),
    ("dcgan_init", also(freeze), "requires_grad"),
    ("instance_norm", lambda x: F.batch_norm(x, None, None, training=True), "BatchNorm"),
    ("instance_norm", lambda x: F.layer_norm(x, x.shape[1:]), "LayerNorm"),
    ("instance_norm", lambda x: F.group_norm(x, 1), "LayerNorm"),
    ("instance_norm", lambda x: centred(x) / x.std((2, 3), keepdim=True), "correction=0"),
    ("instance_norm", lambda x: centred(x) / x.var((2, 3), keepdim=True, correction=0), "square root"),
    ("instance_norm", centred, "divide by the deviation"),
    ("instance_norm", lambda x: x / x.std((2, 3), keepdim=True, correction=0), "take the mean away"),
    ("instance_norm", lambda x: centred(x) * x.std((2, 3), keepdim=True, correction=0), "do not multiply"),
    ("instance_norm", lambda x: F.layer_norm(x, x.shape[3:]), "Height and width together"),
    ("instance_norm", lambda x: norm(x, eps=0), "one colour"),
    ("instance_norm", lambda x: norm(x, eps=1), "height and width"),
    ("instance_norm", lambda x: F.normalize(centred(x), dim=(2, 3)), "height and width"),
    ("instance_norm", lambda x: norm(x).clamp(-1, 1), "height and width"),
    ("instance_norm", lambda x: x, "height and width"),
    ("instance_norm", lambda x: norm(x[:, :, :4, :4]), "shape should be"),
    ("instance_norm", norm_in_place, "not in place"),
    ("curve_reading", READING | {"a": "game"}, "Look again at a"),
    ("curve_reading", READING | {"a": "D is fooled", "d": "D is sure"}, "Look again at a, d"),
    ("curve_reading", READING | {"b": "boredom"}, "none of the four"),
    ("curve_reading", READING | {"b": ["D guesses"]}, "none of the four"),
    ("curve_reading", READING | {"b": 1}, "none of the four"),
    ("curve_reading", {"a": "game"}, "keys"),
    ("curve_reading", READING | {"e": "game"}, "keys"),
    ("curve_reading", list(READING.values()), "keys"),
]
NOT_ATTEMPTED = [("curve_reading", dict.fromkeys("abcd", ...)), ("curve_reading", READING | {"d": ...})]
