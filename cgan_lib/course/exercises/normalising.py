"""Notebook 02: InstanceNorm and BatchNorm, by hand."""

import inspect
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cgan_lib.course.exercises.comparing import DETACHED, close, compare, numbers, shaped, slopes
from cgan_lib.course.exercises.verdict import CHANGED, Wrong, by_name, call, check, perform


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
    if not flat.abs().max() < 0.1:  # NaN included
        raise Wrong("Right, until a map is all one colour: 0 / 0. Add eps to the variance, under the root.")
    _check_eps(answer)
    _check_gradient(answer, F.instance_norm)
    return "Every map of every image on its own."


def _check_eps(answer: Callable[..., Tensor]) -> None:
    """`Wrong` unless eps is used, under the root, by a function that can be given one."""
    try:
        takes_eps = "eps" in inspect.signature(answer).parameters
    except (TypeError, ValueError):  # of PyTorch's own
        return
    x = _maps(3, 2, 4, 4)
    if not takes_eps or close(found := numbers(perform(answer, x.clone(), eps=2.0)), F.instance_norm(x, eps=2.0)):
        return
    if close(found, F.instance_norm(x)):
        raise Wrong("Right, but another eps changes nothing: use the one that is given.")
    raise Wrong("Right, but for eps: it is added to the variance, under the root.")


def _check_gradient(norm: Callable[[Tensor], Tensor], right: Callable[[Tensor], Tensor]) -> None:
    """`Wrong` unless a norm hands a gradient on as another one does."""
    weights, x = torch.randn(2, 3, 4, 4), _maps(2, 3, 4, 4)
    (found,) = slopes(lambda x: norm(x) * weights, [x])
    (expected,) = slopes(lambda x: right(x) * weights, [x])
    if not found.any():
        raise Wrong(DETACHED)
    if not torch.allclose(found, expected, rtol=0, atol=0.05 * expected.abs().max().item()):
        raise Wrong("The gradient is another one: mean and deviation depend on x as well, so detach neither.")


def _maps(*shape: int) -> Tensor:
    """Random maps (N, C, H, W), each with a mean and a deviation of its own; none so even that eps would count."""
    return torch.randn(shape) * (1 + 3 * torch.rand(*shape[:2], 1, 1)) + 2 * torch.randn(*shape[:2], 1, 1)


def _centred(x: Tensor) -> Tensor:
    return x - x.mean((2, 3), keepdim=True)


@check("02", "debug", difficulty=3, minutes=15)
def check_batch_norm(answer: Callable[..., Any]) -> str:
    """BatchNorm, mended: x, the memory and the mode → what comes out, and the memory after that."""
    for shape, momentum, eps in (((4, 3, 5, 5), 0.1, 1e-5), ((6, 2, 3, 4), 0.3, 1e-2), ((1, 4, 4, 4), 0.1, 1e-5)):
        x, mean, variance = _maps(*shape), torch.randn(shape[1]), 0.5 + torch.rand(shape[1])
        for training in (True, False):
            given = dict(x=x, running_mean=mean, running_var=variance, training=training, momentum=momentum, eps=eps)
            _check_one(_outcome(answer, given), given)
    for training in (True, False):
        _check_gradient_of(answer, training)
    return "While training it looks at the batch and learns; in evaluation it only remembers."


def _check_gradient_of(answer: Any, training: bool) -> None:
    mean, variance = torch.zeros(3), torch.ones(3)
    memory = dict(running_mean=mean, running_var=variance, training=training, momentum=0.1, eps=1e-5)
    _check_gradient(
        lambda x: by_name(answer, x=x, **memory)[0],
        lambda x: F.batch_norm(x, mean.clone(), variance.clone(), training=training),  # which moves what it is given
    )


def _outcome(answer: Any, given: dict[str, Any]) -> list[Tensor]:
    """What comes out, and the memory after that, each with its right shape; `Wrong` when what is given was changed."""
    copies = deepcopy(given)
    parts = by_name(answer, **copies)
    if any(isinstance(value, Tensor) and not torch.equal(value, copies[name]) for name, value in given.items()):
        raise Wrong(CHANGED)
    if not isinstance(parts, (tuple, list)) or len(parts) != 3:
        raise Wrong("Return three things: what comes out, running_mean, running_var.")
    memory = tuple(given["running_mean"].shape)
    return [shaped(part, shape) for part, shape in zip(parts, (tuple(given["x"].shape), memory, memory), strict=True)]


def _check_one(found: list[Tensor], given: dict[str, Any]) -> None:
    out, *memory = found
    x, training, share = given["x"], given["training"], given["momentum"]
    before = [given["running_mean"], given["running_var"]]
    batch = [x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)]
    mean, variance = batch if training else before
    if not close(out, _normed(x, mean, variance, given["eps"])):
        raise Wrong(_clue(out, given, batch, before))
    if not training:
        if not all(close(now, then) for now, then in zip(memory, before, strict=True)):
            raise Wrong("The memory changes in evaluation: it learns only while training.")
        return
    counts = [batch[1], x.var((0, 2, 3))]  # PyTorch remembers the second; the first is as good a memory
    means, variances = before[0].lerp(batch[0], share), [before[1].lerp(each, share) for each in counts]
    if close(memory[0], means) and any(close(memory[1], each) for each in variances):
        return
    if close(memory[0], before[0]):
        raise Wrong("The memory has to learn while training.")
    if close(memory[0], batch[0].lerp(before[0], share)):
        raise Wrong("The memory should keep (1 − momentum) of what it was: it follows the last batch too closely.")
    raise Wrong("The memory: (1 − momentum) of what it was, and momentum of the batch's mean and variance.")


def _normed(x: Tensor, mean: Tensor, variance: Tensor, eps: float) -> Tensor:
    return F.batch_norm(x, mean, variance, eps=eps)


def _clue(out: Tensor, given: dict[str, Any], batch: list[Tensor], before: list[Tensor]) -> str:
    """What is wrong with what comes out."""
    x, eps, training = given["x"], given["eps"], given["training"]

    def made_with(mean: Tensor, variance: Tensor, other: float = eps) -> bool:
        return close(out, _normed(x, mean, variance, other))

    if training and made_with(before[0], before[1]):
        return "While training, mean and variance are those of the batch, not of the memory."
    if not training and made_with(batch[0], batch[1]):
        return "In evaluation an image still depends on its neighbours: take mean and variance from the memory."
    mean, variance = batch if training else before
    if any(made_with(mean, variance, other) for other in (0.0, 1e-5)):
        return "eps is given: use it, inside the root."
    if close(out, F.instance_norm(x, eps=eps)):
        return "This is InstanceNorm: over the batch as well, dim=(0, 2, 3)."
    if training and made_with(batch[0], x.var((0, 2, 3))):
        return "What comes out is divided by the root of the variance with correction=0."
    return "(x − mean) / √(variance + eps), channel by channel: of the batch in training, of the memory in evaluation."
