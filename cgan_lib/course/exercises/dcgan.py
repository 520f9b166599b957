"""Notebook 02: initialisation, InstanceNorm, reading curves."""

from collections.abc import Callable, Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.course.exercises.comparing import compare, distance, numbers
from cgan_lib.course.exercises.verdict import NotAttempted, Wrong, call, check, run


@check("02", "build", difficulty=2, minutes=8)
def check_dcgan_init(answer: Callable[[nn.Module], nn.Module]) -> str:
    """A function that draws the weights of all convolutions of a network from N(0, 0.02) and returns it."""
    for network in (_network(bias=True), _network(bias=False)):
        before = {name: value.clone() for name, value in network.state_dict().items()}
        returned = run(answer, network)
        if not isinstance(returned, nn.Module):
            raise Wrong("Return the network.")
        if returned is not network:
            raise Wrong("Return the network that you were given: this is another one.")
        _check_left_alone(network, before)
        weights = [layer.weight for layer in network.modules() if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))]
        if any(torch.equal(weight, other) for weight, other in pairwise(weights)):
            raise Wrong("Two layers got the same numbers: draw for each layer anew, and set no seed.")
    return "Inner layers too, whatever they lie in."


def _network(bias: bool) -> nn.Module:
    """A network with convolutions at two depths, and other layers between them, all numbers random."""
    inner = nn.Sequential(nn.ConvTranspose2d(64, 64, 4, bias=bias), nn.Sequential(nn.Conv2d(64, 64, 4, bias=bias)))
    outer = {"first": nn.Conv2d(64, 64, 4, bias=bias), "norm": nn.BatchNorm2d(64), "inner": inner}
    network = nn.ModuleDict(outer | {"dense": nn.Linear(64, 64), "table": nn.Embedding(10, 64)})
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.normal_(1)
    return network


def _check_left_alone(network: nn.Module, before: dict[str, Tensor]) -> None:
    """`Wrong` unless the weights of the convolutions are new, and nothing else is."""
    if set(network.state_dict()) != set(before):
        raise Wrong("Draw numbers into the weights that are there: take no part away, add none.")
    for prefix, layer in network.named_modules():
        convolution = isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
        for name, value in (*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)):
            if convolution and name == "weight":
                _check_weight(layer, value)
            elif not torch.equal(value, before[f"{prefix}.{name}"]):
                hint = "Only the weights: leave the biases as they are."
                raise Wrong(hint if convolution else "Only convolutions: leave the other layers as they are.")


def _check_weight(layer: nn.Module, weight: Tensor) -> None:
    kind, mean, deviation = type(layer).__name__, weight.mean().item(), weight.std().item()
    if abs(mean) > 0.0006:  # its own deviation is 0.00008
        raise Wrong(f"The mean of a {kind}'s weights should be 0; it is {mean:.3f}.")
    if not 0.0194 < deviation < 0.0206:
        variance = " (0.02 is the deviation, not the variance.)" if deviation > 0.1 or 3e-4 < deviation < 5e-4 else ""
        raise Wrong(f"The deviation of a {kind}'s weights should be 0.02; it is {deviation:.4f}.{variance}")
    values = weight.detach().flatten()
    if values.abs().unique().numel() < 0.75 * values.numel():
        raise Wrong("Many of the weights are the same, but for the sign: draw each of them.")
    if distance(values, lambda x: torch.special.ndtr(x / 0.02)) > 3 / values.numel() ** 0.5:
        raise Wrong("Mean and deviation are right, but this is no normal distribution: nn.init.normal_.")
    if not weight.requires_grad:
        raise Wrong("The weights have to learn: leave requires_grad on.")


@check("02", "build", difficulty=2, minutes=8)
def check_instance_norm(answer: Callable[[Tensor], Tensor]) -> str:
    """InstanceNorm without learned scale: (N, C, H, W) → (N, C, H, W)."""
    cases = [(_maps(2, 3, 4, 4),), (_maps(4, 2, 3, 5),), (_maps(3, 5, 6, 6),)]
    mistakes = {
        "This is BatchNorm: take each image of the batch alone.": lambda x: F.batch_norm(x, None, None, training=True),
        "This is LayerNorm: take each channel alone, too.": lambda x: F.layer_norm(x, x.shape[1:]),
        "The variance divides by H·W here, not by H·W − 1: correction=0.": lambda x: (
            _centred(x) / x.std((2, 3), keepdim=True)
        ),
        "Divide by the square root of the variance.": lambda x: _centred(x) / x.var((2, 3), keepdim=True, correction=0),
        "The mean is gone; now divide by the deviation.": _centred,
        "First take the mean away, then divide.": lambda x: x / x.std((2, 3), keepdim=True, correction=0),
        "Height and width together: dim=(2, 3), not one of them.": lambda x: F.layer_norm(x, x.shape[3:]),
        "Divide by the deviation, do not multiply by it.": lambda x: (
            _centred(x) * x.std((2, 3), keepdim=True, correction=0)
        ),
    }
    otherwise = "Take from each (image, channel) its mean over height and width, then divide by its deviation."
    compare(answer, cases, F.instance_norm, mistakes, otherwise)
    flat = numbers(call(answer, torch.full((2, 3, 4, 4), 0.5)))
    if not flat.isfinite().all():
        raise Wrong("Right, until a map is all one colour: 0 / 0. Add eps to the variance, under the root.")
    return "Every map of every image on its own."


def _maps(*shape: int) -> Tensor:
    """Random maps (N, C, H, W), each with a mean and a deviation of its own; none so even that eps would count."""
    return torch.randn(shape) * (1 + 3 * torch.rand(*shape[:2], 1, 1)) + 2 * torch.randn(*shape[:2], 1, 1)


def _centred(x: Tensor) -> Tensor:
    return x - x.mean((2, 3), keepdim=True)


@check("02", "answer", difficulty=1, minutes=5)
def check_curve_reading(answer: dict[str, str]) -> str:
    """What four pairs of D(x) and D(G(z)) say."""
    expected = {"a": "D is sure", "b": "D guesses", "c": "game", "d": "D is fooled"}
    if not isinstance(answer, Mapping) or set(answer) != set(expected):
        raise Wrong("Give a dict with the keys a, b, c and d.")
    if any(value is ... or value is None for value in answer.values()):
        raise NotAttempted
    if unknown := [value for value in answer.values() if not isinstance(value, str) or value not in expected.values()]:
        raise Wrong(f"{unknown[0]!r} is none of the four: {', '.join(expected.values())}.")
    if wrong := [key for key in expected if answer[key] != expected[key]]:
        raise Wrong(f"Look again at {', '.join(wrong)}. Which of the two is larger, and is any of them near 0 or 1?")
    return "And none of it says whether the digits are good."
