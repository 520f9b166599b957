"""Notebook 02: initialisation, weights counted, reading curves, growing."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.course.exercises.comparing import DETACHED, compare, distance, numbers, same_slopes
from cgan_lib.course.exercises.verdict import NotAttempted, Wrong, check, perform, run


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
        _check_anew(answer, network, weights)
    return "Inner layers too, whatever they lie in."


def _check_anew(answer: Callable[[nn.Module], nn.Module], network: nn.Module, weights: Sequence[Tensor]) -> None:
    """`Wrong` when a second call draws what the first one drew, or a mode or a type is another one."""
    if not all(layer.training for layer in network.modules()):
        raise Wrong("The network was in training mode, and now it is not: leave that as it is.")
    if any(weight.dtype != torch.float32 for weight in weights):
        raise Wrong("The weights were float32, as those of all layers: leave them so, or the layers do not fit.")
    first = weights[0].detach().clone()
    run(answer, network)
    layers = (layer for layer in network.modules() if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)))
    if torch.equal(first, next(layers).weight):
        raise Wrong("A second call draws the same numbers: set no seed.")


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


STACKS = (  # channels, then (kernel, stride, padding) of each layer
    ((128, 64, 32, 16, 8), ((4, 2, 1),) * 4),
    ((32, 32, 32, 32, 32), ((2, 2, 0),) * 4),
    ((16, 32, 64, 64, 32), ((4, 2, 1), (3, 1, 1), (6, 2, 2), (3, 1, 1))),
    ((64, 32, 64, 32, 16), ((3, 1, 1), (4, 2, 1), (8, 4, 2), (5, 1, 2))),
)
ENOUGH = 1.55  # the score that is asked for


@check("02", "design", difficulty=3, minutes=15)
def check_start_scale(answer: Callable[[nn.ConvTranspose2d], object]) -> str:
    """A function that draws a layer's weights so that, without any norm, the signal neither fades nor grows.

    The score is the largest factor between the deviation that goes into one of four stacks, and that after a layer.
    """
    paths = [_deviations(answer, channels, shapes) for channels, shapes in STACKS]
    factors = [max(max(deviation, 1 / max(deviation, 1e-9)) for deviation in path) for path in paths]
    score = max(factors)
    if score > ENOUGH:
        stack = factors.index(score)
        said = ", ".join(f"{deviation:.2g}" for deviation in paths[stack])
        where = f"channels {STACKS[stack][0]} with (kernel, stride, padding) {STACKS[stack][1]} leave deviations {said}"
        raise Wrong(f"Score {score:.3g}, wanted at most {ENOUGH}: {where}. How many products are added for one pixel?")
    return f"Score {score:.2f}: four layers deep, the signal is as loud as it came in."


@torch.no_grad()
def _deviations(
    answer: Callable[[nn.ConvTranspose2d], object], channels: tuple[int, ...], shapes: tuple[tuple[int, int, int], ...]
) -> list[float]:
    """What the deviation 1 has become after each layer of a stack, with ReLU before each; means over three draws."""
    draws = torch.stack([_one_stack(answer, channels, shapes) for _ in range(3)])
    return draws.mean(0).tolist()


def _one_stack(answer: Any, channels: tuple[int, ...], shapes: tuple[tuple[int, int, int], ...]) -> Tensor:
    x, deviations, last = torch.randn(2, channels[0], 6, 6), [], torch.empty(0)
    for (c_in, c_out), (kernel, stride, padding) in zip(pairwise(channels), shapes, strict=True):
        layer = nn.ConvTranspose2d(c_in, c_out, kernel, stride, padding, bias=False)
        before = layer.weight.clone()
        perform(answer, layer)
        _check_drawn(layer.weight, before)
        if torch.equal(layer.weight, last):
            raise Wrong("Two layers got the same numbers: set no seed.")
        last = layer.weight
        # not by the layer, which might have been given a norm or a hook
        x = F.conv_transpose2d(x.relu(), layer.weight.float(), stride=stride, padding=padding)
        deviations.append(x.square().mean().sqrt())
    return torch.stack(deviations)


def _check_drawn(weight: Tensor, before: Tensor) -> None:
    """`Wrong` unless the weights are new, finite and not the same for two channels."""
    if not isinstance(weight, nn.Parameter):
        raise Wrong("layer.weight is computed now: leave it a parameter, and draw numbers into it.")
    if weight.shape != before.shape or torch.equal(weight, before):
        raise Wrong("Draw new numbers into layer.weight: nn.init.normal_(layer.weight, 0.0, …).")
    if not weight.isfinite().all():
        raise Wrong("Some weights are infinite or NaN.")
    if weight.transpose(0, 1).flatten(1).unique(dim=0).shape[0] < weight.shape[1]:
        raise Wrong("Several channels have the same weights: they would learn the same.")


@check("02", "answer", difficulty=2, minutes=8)
def check_weight_counts(answer: Mapping[str, Any]) -> str:
    """How many weights parts of `dcgan64_published` have."""
    expected = {"first": 200 * 512 * 16, "second": 512 * 256 * 16 + 3 * 256, "plane": 128 * 128, "twice": 4}
    slips: dict[tuple[str, float], str] = {
        ("first", 100 * 512 * 16): "z and the label vector go in together",
        ("first", 200 * 512): "a kernel has 4×4 numbers",
        ("first", 200 * 512 * 16 + 512): "this one has bias=False",
        ("first", 200 * 128 * 16): "these are the channels of ours, not of the published one",
        ("second", 512 * 256 * 16): "the bias counts, and so do scale and shift of the norm",
        ("second", 512 * 256 * 16 + 256): "scale and shift of the norm count as well",
        ("second", 512 * 256 * 16 + 2 * 256): "bias, scale and shift: three numbers for each channel that comes out",
        ("second", 512 * 256 * 16 + 256 + 2 * 512): "the norm comes after the convolution: it sees 256 channels",
        ("plane", 64 * 64): "that is for images of 64×64",
        ("plane", 10 * 128 * 128): "for one class, not for all ten",
        ("twice", 2): "the channels that go in double, and so do those that come out",
    }
    for key, found in _answers(answer, tuple(expected)).items():
        if (value := numbers(found)).numel() != 1:
            raise Wrong(f"{key}: one number is wanted.")
        if value.item() != expected[key]:
            hint = slips.get((key, value.item()), "channels in · channels out · area of the kernel, and what is added")
            raise Wrong(f"Look again at {key}: {hint}.")
    return "Nearly all weights lie where the maps are smallest."


def _answers(answer: Any, keys: tuple[str, ...]) -> Mapping[str, Any]:
    """A dict with these keys; `Wrong` when it is none, `NotAttempted` while one is not filled in."""
    if not isinstance(answer, Mapping) or set(answer) != set(keys):
        raise Wrong(f"Give a dict with the keys {', '.join(keys[:-1])} and {keys[-1]}.")
    if any(value is ... or value is None for value in answer.values()):
        raise NotAttempted
    return answer


@check("02", "build", difficulty=1, minutes=6)
def check_fade_in(answer: Callable[[Tensor, Tensor, float], Tensor]) -> str:
    """The small image with its sides doubled, and the large one, blended by alpha."""
    sizes = ((2, 1, 4, 4), (3, 2, 4, 6), (1, 3, 5, 2), (2, 1, 3, 3))
    cases = [(*_two_sizes(*shape), alpha) for shape, alpha in zip(sizes, (0.25, 0.6, 0.0, 1.0), strict=True)]
    mistakes = {
        "At alpha = 0 only the small one counts, at 1 only the large one: you have it the other way round.": (
            lambda small, large, alpha: large.lerp(_twice(small), alpha)
        ),
        "The two shares add up to 1: (1 − alpha) of the small one.": lambda small, large, alpha: (
            _twice(small) + alpha * large
        ),
        "Repeat the pixels, do not interpolate: mode='nearest'.": lambda small, large, alpha: F.interpolate(
            small, scale_factor=2.0, mode="bilinear"
        ).lerp(large, alpha),
        "Make 2×2 of each pixel; this lays whole images side by side.": lambda small, large, alpha: small.repeat(
            1, 1, 2, 2
        ).lerp(large, alpha),
        "Half of each, always: use alpha.": lambda small, large, alpha: (_twice(small) + large) / 2,
        "This is the small one alone.": lambda small, large, alpha: _twice(small),
        "This is the large one alone.": lambda small, large, alpha: large,
    }
    compare(
        answer, cases, _fade_in, mistakes, "Repeat the small one's pixels; (1 − alpha) of it, alpha of the large one."
    )
    blends = (lambda small, large: answer(small, large, 0.3), lambda small, large: _fade_in(small, large, 0.3))
    if not same_slopes(*blends, _two_sizes(2, 3, 4, 4)):
        raise Wrong(DETACHED)
    return "While alpha moves, both ways are computed, and both learn."


def _two_sizes(n: int, c: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    return torch.randn(n, c, height, width), torch.randn(n, c, 2 * height, 2 * width)


def _twice(small: Tensor) -> Tensor:
    """(N, C, H, W) → (N, C, 2H, 2W), every pixel four times."""
    return F.interpolate(small, scale_factor=2.0)


def _fade_in(small: Tensor, large: Tensor, alpha: float) -> Tensor:
    """What the exercise asks for."""
    return _twice(small).lerp(large, alpha)


@check("02", "answer", difficulty=1, minutes=5)
def check_curve_reading(answer: Mapping[str, str]) -> str:
    """What four pairs of D(x) and D(G(z)) say."""
    expected = {"a": "D is sure", "b": "D guesses", "c": "game", "d": "D is fooled"}
    answer = _answers(answer, tuple(expected))
    if unknown := [value for value in answer.values() if not isinstance(value, str) or value not in expected.values()]:
        raise Wrong(f"{unknown[0]!r} is none of the four: {', '.join(expected.values())}.")
    if wrong := [key for key in expected if answer[key] != expected[key]]:
        raise Wrong(f"Look again at {', '.join(wrong)}. Which of the two is larger, and is any of them near 0 or 1?")
    return "And none of it says whether the digits are good."
