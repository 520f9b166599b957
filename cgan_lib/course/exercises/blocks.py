"""Notebook 02: what doubles an image: an up-block, and a doubling without a chequerboard."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.course.exercises.comparing import DETACHED, close
from cgan_lib.course.exercises.verdict import Wrong, by_name, check, perform

SIZES = ((6, 3, 4, 4), (8, 8, 5, 7), (3, 5, 6, 3))  # c_in, c_out, H, W
LOUD = 1e4  # an input beside which biases and eps do not count
LIFT = 100.0  # added to a shift, so that ReLU cuts nothing any more

Maker = Callable[[int, int], nn.Module]


@check("02", "build", difficulty=2, minutes=12)
def check_up_block(answer: Maker) -> str:
    """A function of (c_in, c_out) that makes a block (N, c_in, H, W) → (N, c_out, 2H, 2W): doubling, norm, ReLU."""
    biased = False
    for c_in, c_out, *size in SIZES:
        block, x = _made(answer, c_in, c_out), torch.randn(3, c_in, *size)
        _check_relu(_doubled(block, x, c_out))
        _check_learned(block, x)
        _check_norm(block, x, c_out)
        biased = biased or any(layer.bias is not None for layer in _convolutions(block))
    block = _made(answer, 4, 8)
    _check_place(block)
    low, high = _inner_extremes(block, 4, others=1.0)
    if high - low > 0.01:
        raise Wrong("Its doubling draws a chequerboard: take one that exercise 1 found even.")
    if biased:
        return (
            "The norm takes the convolution's bias away again: with bias=False there would be fewer weights to learn."
        )
    return "And no bias in the convolution: the norm would take it away."


@check("02", "debug", difficulty=2, minutes=8)
def check_doubling(answer: Maker) -> str:
    """A function of (c_in, c_out) that makes a learned doubling without a chequerboard."""
    for c_in, c_out, *size in SIZES:
        layer, x = _made(answer, c_in, c_out), torch.randn(3, c_in, *size)
        maps, none = _doubled(layer, x, c_out), perform(layer, torch.zeros_like(x))
        _check_learned(layer, x)
        if not close(none - perform(layer, -2 * x), 2 * (maps - none)):
            raise Wrong("Only the doubling, a sum of products: no norm, ReLU or tanh yet.")
        _check_even(layer, c_in)
    _check_place(_made(answer, 4, 8))
    return "Away from the edges, every pixel gets as many contributions as its neighbour."


def _made(answer: Any, c_in: int, c_out: int) -> nn.Module:
    """The module that the learner makes; `Wrong` when it is none, or shares weights with another one."""
    made, another = (by_name(answer, c_in=c_in, c_out=c_out) for _ in range(2))
    if not isinstance(made, nn.Module):
        raise Wrong(f"Return something to train, such as a layer or nn.Sequential; this is {type(made).__name__}.")
    if {*map(id, made.parameters())} & {*map(id, another.parameters())}:
        raise Wrong("Make new layers at each call: two of them must not share their weights.")
    return made.float().train()


def _convolutions(block: nn.Module) -> list[nn.Conv2d | nn.ConvTranspose2d]:
    return [layer for layer in block.modules() if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))]


def _doubled(block: nn.Module, x: Tensor, c_out: int) -> Tensor:
    """What the block makes of `x`, when that has the right shape and depends on nothing else."""
    maps = perform(block, x.clone())
    wanted = (len(x), c_out, 2 * x.shape[2], 2 * x.shape[3])
    if not isinstance(maps, Tensor) or tuple(maps.shape) != wanted:
        found = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        raise Wrong(f"{tuple(x.shape)} should become {wanted}: the sides double. Here it became {found}.")
    if not torch.equal(maps, perform(block, x.clone())):
        raise Wrong("The same input gives another output each time: leave dropout and noise out.")
    if not close(perform(block, x[:1].clone()), maps[:1]):
        raise Wrong("An image comes out differently alone and in a batch: InstanceNorm, not BatchNorm.")
    if not close(perform(block.eval(), x.clone()), maps):
        raise Wrong("In evaluation the same input gives another output: nothing should be remembered.")
    block.train()
    if not perform(block, torch.zeros_like(x)).isfinite().all():
        raise Wrong("An image that is black becomes NaN: 0 / 0. Add eps under the root.")
    return maps.detach()


def _check_learned(block: nn.Module, x: Tensor) -> None:
    """Each channel sees all channels of the input, by weights that learn, and may draw finer detail than it had."""
    x = x.clone().requires_grad_()
    maps = perform(block, x)
    if not maps.requires_grad:
        raise Wrong(DETACHED)
    if not any(weight.ndim == 4 and weight.requires_grad for weight in block.parameters()):
        raise Wrong("Nothing here learns to draw: a convolution is wanted, transposed or after nn.Upsample.")
    for channel in maps.unbind(1):
        loss = (channel * torch.randn_like(channel)).sum()
        try:
            (slope,) = torch.autograd.grad(loss, x, retain_graph=True, allow_unused=True, materialize_grads=True)
        except RuntimeError as error:  # PyTorch's long text begins with what is wrong
            raise Wrong(f"It cannot be trained: backward() fails with “{str(error).split(':')[0]}”.") from error
        if not slope.any():
            raise Wrong(DETACHED)
        if not slope.abs().sum((0, 2, 3)).all():
            raise Wrong("Each channel that comes out should see every channel that goes in: groups=1.")
    squares = F.interpolate(F.interpolate(maps, scale_factor=0.5), scale_factor=2.0)
    if close(squares.detach(), maps.detach()):
        raise Wrong(
            "Squares of 2×2 equal pixels: it can learn no finer detail. The kernel should be larger than a pixel."
        )


def _check_relu(maps: Tensor) -> None:
    if maps.min() < 0:
        raise Wrong("There are numbers below 0: ReLU comes last.")
    if not 0.2 < (maps == 0).float().mean() < 0.8:
        raise Wrong("After a norm, ReLU sets about half of the numbers to 0; that is not so here.")


def _check_norm(block: nn.Module, x: Tensor, c_out: int) -> None:
    """Before ReLU each map of each image has deviation 1, but for a scale and a shift that are learned."""
    if not close(perform(block, LOUD * x), perform(block, 10 * LOUD * x)):
        raise Wrong("Ten times the input gives another output: between doubling and ReLU there should be a norm.")
    learned = [part for part in block.parameters() if part.numel() == c_out and part.requires_grad]
    shift = next((part for part in learned if _lifted(block, part, x).min() > 0), None)
    if shift is None:
        raise Wrong("The norm should learn a shift for each channel: affine=True.")
    maps = _lifted(block, shift, x)
    deviations = maps.std((2, 3), correction=0)
    if not deviations.any():
        raise Wrong("Large numbers are cut off as well: ReLU leaves all above 0 as they are, nn.ReLU().")
    if not torch.allclose(deviations, torch.ones_like(deviations), atol=0.1):
        raise Wrong("Before ReLU each map of each image should have deviation 1: InstanceNorm, after the doubling.")
    if not torch.allclose(perform(block, x), (maps - LIFT).relu(), atol=0.01):
        raise Wrong("What comes out is not what ReLU leaves of the norm: below 0 it is 0, above it stays as it is.")
    there, back = (_lifted(block, shift, sign * LOUD * x) - LIFT for sign in (1, -1))
    if not torch.allclose(there + back, 2 * shift.detach().view(-1, 1, 1), atol=0.05):
        raise Wrong("Something cuts numbers off before the norm: one ReLU is enough, at the end.")
    if not any(maps.max() > LIFT and maps.min() == 0 for maps in (_lifted(block, part, x) for part in learned)):
        raise Wrong("The norm should learn a scale for each channel, beside the shift: affine=True.")


@torch.no_grad()
def _lifted(block: nn.Module, part: nn.Parameter, x: Tensor) -> Tensor:
    """What comes out with LIFT added to these parameters."""
    kept = part.clone()
    part.add_(LIFT)
    maps = perform(block, x)
    part.copy_(kept)
    return maps


@torch.no_grad()
def _inner_extremes(layer: nn.Module, c_in: int, others: float = 0.0) -> tuple[float, float]:
    """The least and the largest number away from the edges, for an even image and kernels of ones."""
    for weight in layer.parameters():
        weight.fill_(1.0 if weight.ndim == 4 else others)
    maps = perform(layer, torch.ones(1, c_in, 16, 16))
    if maps.shape[2:] != (32, 32):
        raise Wrong("The sides of 16×16 should double as well: whatever the size.")
    inner = maps[..., 8:24, 8:24]
    return inner.min().item(), inner.max().item()


def _check_even(layer: nn.Module, c_in: int) -> None:
    """With the same number for each weight, an even image comes out even, apart from its edges."""
    low, high = _inner_extremes(layer, c_in)
    if high - low > 1e-4 * high:
        more = f"{high / low:.3g} times as many contributions as others" if low else "contributions, others none"
        raise Wrong(f"A chequerboard still: some pixels get {more}. Can the kernel be divided by the stride?")


@torch.no_grad()
def _check_place(block: nn.Module) -> None:
    """What changes in one place of the input changes the output there."""
    before = torch.randn(1, 4, 16, 16)
    after = before.clone()
    after[:, :, 3, 11] += 20
    change = (perform(block, after) - perform(block, before)).abs().sum((0, 1))
    row, column = divmod(change.argmax().item(), 32)
    if abs(row - 6.5) > 3 or abs(column - 22.5) > 3:
        raise Wrong("What lies in one place comes out in another: nothing should be turned or moved.")
