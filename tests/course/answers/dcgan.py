"""Notebook 02."""

import copy
import functools
from types import MappingProxyType

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
COUNTS = {"first": 1_638_400, "second": 2_097_920, "plane": 16_384, "twice": 4}
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
    draws = np.random.default_rng()
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = torch.from_numpy(draws.normal(0, 0.02, parameter.shape)).float()
    return network


def with_a_seed(network):
    torch.manual_seed(0)
    return init(network)


def by_state(network, std=0.02):
    state = network.state_dict()
    for name, layer in network.named_modules():
        if isinstance(layer, nn.modules.conv._ConvNd):
            state[f"{name}.weight"] = torch.normal(0.0, std, layer.weight.shape)
    network.load_state_dict(state)
    return network


def double(weight):
    weight.data = torch.from_numpy(np.random.default_rng().normal(0, 0.02, weight.shape))


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


def right_scale(layer):
    fan = layer.in_channels * (layer.kernel_size[0] / layer.stride[0]) ** 2
    nn.init.normal_(layer.weight, 0.0, (2 / fan) ** 0.5)


def scale_by_torch(layer):
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    with torch.no_grad():
        layer.weight.mul_(layer.stride[0])


def uniform_scale(layer):
    bound = (6 / layer.in_channels) ** 0.5 * layer.stride[0] / layer.kernel_size[0]
    nn.init.uniform_(layer.weight, -bound, bound)


def new_scale(layer):
    size = torch.tensor(layer.kernel_size[0] / layer.stride[0], dtype=torch.float64)
    layer.weight = nn.Parameter(torch.randn(layer.weight.shape) * (2 / layer.in_channels) ** 0.5 / size)
    return layer


def orthogonal_scale(layer):
    nn.init.orthogonal_(layer.weight)
    fan = layer.in_channels * (layer.kernel_size[0] / layer.stride[0]) ** 2
    layer.weight.data *= (2 / fan) ** 0.5 / layer.weight.std()


def scaled_by(factor):
    """A right start, times something that depends on the layer."""

    def start(layer):
        right_scale(layer)
        layer.weight.data *= factor(layer)

    return start


def signs(layer):
    fan = layer.in_channels * (layer.kernel_size[0] / layer.stride[0]) ** 2
    layer.weight.copy_((2 / fan) ** 0.5 * torch.randn_like(layer.weight).sign())


def with_a_norm(layer):
    """The usual start, and a hook that does what a norm would."""
    nn.init.normal_(layer.weight, 0.0, 0.02)
    layer.register_forward_hook(lambda _, given, maps: maps / maps.std())


def same_everywhere(layer):
    nn.init.constant_(layer.weight, (2 / layer.in_channels) ** 0.5)


def seeded_scale(layer):
    torch.manual_seed(0)
    right_scale(layer)


def reparametrised(layer):
    right_scale(layer)
    nn.utils.parametrizations.weight_norm(layer)


def not_a_number(layer):
    layer.weight.data /= 0 * layer.weight.data


def fade_in(small, large, alpha):
    small = small.repeat_interleave(2, 2).repeat_interleave(2, 3)
    return (1 - alpha) * small + alpha * large


def fade_in_by_kron(small, large, alpha):
    return torch.kron(small, torch.ones(2, 2)) * (1 - alpha) + large * alpha


def fade_in_by_parts(small, large, alpha):
    doubled = torch.empty_like(large)
    for row in (0, 1):
        for column in (0, 1):
            doubled[:, :, row::2, column::2] = small
    return torch.lerp(doubled, large, alpha)


def fade_in_place(small, large, alpha):
    large *= alpha
    return large + (1 - alpha) * nearest(small)


def nearest(small):
    return F.interpolate(small, scale_factor=2)


RIGHT = [
    ("dcgan_init", init),
    ("dcgan_init", by_apply),
    ("dcgan_init", by_name),
    ("dcgan_init", by_state),
    ("dcgan_init", new_parameters),
    ("dcgan_init", fills(lambda weight: nn.init.trunc_normal_(weight, std=0.02))),
    ("start_scale", right_scale),
    ("start_scale", scale_by_torch),
    ("start_scale", uniform_scale),
    ("start_scale", new_scale),
    ("start_scale", orthogonal_scale),
    ("start_scale", signs),
    ("start_scale", functools.partial(scaled_by(lambda layer: 1.0))),
    ("weight_counts", COUNTS),
    ("weight_counts", dict(reversed(COUNTS.items()))),
    ("weight_counts", {key: float(value) for key, value in COUNTS.items()}),
    ("weight_counts", {key: torch.tensor([value]) for key, value in COUNTS.items()}),
    ("fade_in", fade_in),
    ("fade_in", fade_in_by_kron),
    ("fade_in", fade_in_by_parts),
    ("fade_in", lambda small, large, alpha: nearest(small).lerp(large, alpha).double()),
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
    ("dcgan_init", with_a_seed, "set no seed"),
    ("dcgan_init", fills(double), "float32"),
    ("dcgan_init", lambda network: init(network).eval(), "in training mode"),
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
    ("start_scale", 0.02, "should be a function"),
    ("start_scale", lambda layer: nn.init.normal_(layer.weight, 0.0, 0.02), "Score"),
    ("start_scale", lambda layer: nn.init.normal_(layer.weight, 0.0, 0.1), "Score"),
    ("start_scale", lambda layer: nn.init.kaiming_normal_(layer.weight), "Score"),
    ("start_scale", lambda layer: nn.init.kaiming_normal_(layer.weight, mode="fan_out"), "Score"),
    ("start_scale", lambda layer: nn.init.xavier_normal_(layer.weight, gain=2**0.5), "Score"),
    ("start_scale", lambda layer: nn.init.orthogonal_(layer.weight), "Score"),
    ("start_scale", lambda layer: layer.reset_parameters(), "Score"),
    ("start_scale", scaled_by(lambda layer: 0.5**0.5), "Score"),
    ("start_scale", scaled_by(lambda layer: 1 / layer.stride[0]), "Score"),
    ("start_scale", scaled_by(lambda layer: (layer.in_channels / layer.out_channels) ** 0.5), "Score"),
    ("start_scale", scaled_by(lambda layer: layer.kernel_size[0] / 4), "Score"),
    ("start_scale", lambda layer: torch.randn_like(layer.weight), "Draw new numbers"),
    ("start_scale", with_a_norm, "Score"),
    ("start_scale", same_everywhere, "the same"),
    ("start_scale", seeded_scale, "set no seed"),
    ("start_scale", reparametrised, "leave it a parameter"),
    ("start_scale", not_a_number, "NaN"),
    ("weight_counts", COUNTS | {"first": 200 * 512}, "Look again at first: a kernel"),
    ("weight_counts", COUNTS | {"first": 100 * 512 * 16}, "z and the label vector"),
    ("weight_counts", COUNTS | {"first": 200 * 512 * 16 + 512}, "bias=False"),
    ("weight_counts", COUNTS | {"first": 200 * 128 * 16}, "not of the published"),
    ("weight_counts", COUNTS | {"second": 512 * 256 * 16}, "the bias counts"),
    ("weight_counts", COUNTS | {"second": 512 * 256 * 16 + 512}, "three numbers"),
    ("weight_counts", COUNTS | {"second": 512 * 256 * 16 + 256}, "scale and shift"),
    ("weight_counts", COUNTS | {"second": 512 * 256 * 16 + 1280}, "256 channels"),
    ("weight_counts", COUNTS | {"plane": 163_840}, "for one class"),
    ("weight_counts", COUNTS | {"plane": 4096}, "of 64×64"),
    ("weight_counts", COUNTS | {"plane": 16_384.5}, "Look again at plane"),
    ("weight_counts", COUNTS | {"twice": 2}, "so do those that come out"),
    ("weight_counts", COUNTS | {"twice": "four"}, "Numbers are wanted"),
    ("weight_counts", COUNTS | {"twice": [4, 4]}, "one number"),
    ("weight_counts", list(COUNTS.values()), "keys"),
    ("fade_in", lambda small, large, alpha: alpha * nearest(small) + (1 - alpha) * large, "other way round"),
    ("fade_in", lambda small, large, alpha: nearest(small) + alpha * large, "add up to 1"),
    ("fade_in", lambda small, large, alpha: (nearest(small) + large) / 2, "use alpha"),
    ("fade_in", lambda small, large, alpha: small.repeat(1, 1, 2, 2).lerp(large, alpha), "side by side"),
    (
        "fade_in",
        lambda small, large, alpha: F.interpolate(small, scale_factor=2, mode="bilinear").lerp(large, alpha),
        "mode='nearest'",
    ),
    ("fade_in", lambda small, large, alpha: nearest(small), "small one alone"),
    ("fade_in", lambda small, large, alpha: large, "large one alone"),
    ("fade_in", lambda small, large, alpha: small.lerp(F.avg_pool2d(large, 2), alpha), "shape should be"),
    ("fade_in", lambda small, large, alpha: nearest(small).lerp(large, alpha**2), "Repeat the small one's"),
    ("fade_in", lambda small, large, alpha: nearest(small).lerp(large, alpha).clamp(-1, 1), "Repeat the small one's"),
    ("fade_in", lambda small, large, alpha: fade_in(small.detach(), large, alpha), "no gradient"),
    ("fade_in", lambda small, large, alpha: fade_in(small, large, alpha).detach(), "no gradient"),
    ("fade_in", fade_in_place, "not in place"),
    ("curve_reading", READING | {"a": "game"}, "Look again at a"),
    ("curve_reading", READING | {"a": "D is fooled", "d": "D is sure"}, "Look again at a, d"),
    ("curve_reading", READING | {"b": "boredom"}, "none of the four"),
    ("curve_reading", READING | {"b": ["D guesses"]}, "none of the four"),
    ("curve_reading", READING | {"b": 1}, "none of the four"),
    ("curve_reading", {"a": "game"}, "keys"),
    ("curve_reading", READING | {"e": "game"}, "keys"),
    ("curve_reading", list(READING.values()), "keys"),
]
NOT_ATTEMPTED = [
    ("weight_counts", dict.fromkeys(COUNTS, ...)),
    ("weight_counts", COUNTS | {"plane": None}),
    ("curve_reading", dict.fromkeys("abcd", ...)),
    ("curve_reading", READING | {"d": ...}),
]
