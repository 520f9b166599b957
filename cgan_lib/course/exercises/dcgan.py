"""Notebook 02: initialisation, InstanceNorm, reading curves."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.course.exercises.verdict import NotAttempted, Wrong, call, check, tensor


@check
def check_dcgan_init(answer: Callable[[nn.Module], nn.Module]) -> str:
    """A function that draws the weights of all convolutions of a network from N(0, 0.02) and returns it."""
    outer, inner = nn.Conv2d(64, 64, 4), nn.ConvTranspose2d(64, 64, 4)
    norm, linear = nn.BatchNorm2d(64), nn.Linear(64, 64)
    before = linear.weight.detach().clone()
    if not isinstance(call(answer, nn.Sequential(outer, norm, nn.Sequential(inner), linear)), nn.Module):
        raise Wrong("Return the network.")
    for layer in (outer, inner):
        kind, mean, deviation = type(layer).__name__, layer.weight.mean().item(), layer.weight.std().item()
        if abs(mean) > 0.002:
            raise Wrong(f"The mean of a {kind}'s weights should be 0; it is {mean:.3f}.")
        if not 0.019 < deviation < 0.021:
            variance = " (0.02 is the deviation, not the variance.)" if deviation > 0.1 else ""
            raise Wrong(f"The deviation of a {kind}'s weights should be 0.02; it is {deviation:.4f}.{variance}")
    if not torch.equal(linear.weight, before) or not torch.equal(norm.weight, torch.ones(64)):
        raise Wrong("Only convolutions: leave the other layers as they are.")
    return "Inner layers too, whatever they lie in."


@check
def check_instance_norm(answer: Callable[[Tensor], Tensor]) -> str:
    """InstanceNorm without learned scale: (N, C, H, W) → (N, C, H, W)."""
    x = torch.arange(2 * 3 * 4 * 4).float().reshape(2, 3, 4, 4).sin() * 3 + 1
    value = tensor(call(answer, x), tuple(x.shape))
    centred = x - x.mean((2, 3), keepdim=True)
    mistakes = {
        "This is BatchNorm: take each image of the batch alone.": F.batch_norm(x, None, None, training=True),
        "This is LayerNorm: take each channel alone, too.": F.layer_norm(x, x.shape[1:]),
        "The variance divides by H·W here, not by H·W − 1: correction=0.": centred / x.std((2, 3), keepdim=True),
        "Divide by the square root of the variance.": centred / x.var((2, 3), keepdim=True, correction=0),
    }
    if torch.allclose(value, F.instance_norm(x), atol=1e-4):
        return "Every map of every image on its own."
    for hint, mistake in mistakes.items():
        if torch.allclose(value, mistake, atol=1e-4):
            raise Wrong(hint)
    raise Wrong("Take from each (image, channel) its mean over height and width, then divide by its deviation.")


@check
def check_curve_reading(answer: dict[str, str]) -> str:
    """What four pairs of D(x) and D(G(z)) say."""
    expected = {"a": "D is sure", "b": "D guesses", "c": "game", "d": "D is fooled"}
    if not isinstance(answer, dict) or set(answer) != set(expected):
        raise Wrong("Give a dict with the keys a, b, c and d.")
    if any(value is ... or value is None for value in answer.values()):
        raise NotAttempted
    if unknown := set(answer.values()) - set(expected.values()):
        raise Wrong(f"{unknown.pop()!r} is none of the four: {', '.join(expected.values())}.")
    if wrong := [key for key in expected if answer[key] != expected[key]]:
        raise Wrong(f"Look again at {', '.join(wrong)}. Which of the two is larger, and is any of them near 0 or 1?")
    return "And none of it says whether the digits are good."
