"""One batch in several processes, so that N of them compute what one would: its rows, draws, gradients and statistics.

Gradients are added in one bucket a network, after its backward pass. `DistributedDataParallel` does that during
the pass; docs/parallel.md says how it did when it was tried here, and why this is used.
"""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cgan_lib.errors import UserError
from cgan_lib.parallel.group import rank, size, sum_


def check_divisible(batch_size: int, processes: int) -> None:
    """`UserError` unless each process gets as many images of a batch: else a mean of means would not be the mean."""
    if left := batch_size % processes:
        divisible = batch_size - left + processes
        raise UserError(f"batch_size {batch_size} cannot be divided among {processes} processes: take {divisible}.")


def own_rows(count: int) -> slice:
    """The rows of this process in a batch of `count` images."""
    each = count // size()
    return slice(rank() * each, (rank() + 1) * each)


def drawn(draw: Callable[[int], Tensor], count: int) -> Tensor:
    """`draw(n)`, a random tensor with a row for each of n images, for the `count` images of this process.

    All processes draw for the whole batch, from the same seed, and each takes its rows. So the numbers are those that
    one process would draw, and never the same twice.
    """
    whole = count * size()
    return draw(whole)[own_rows(whole)]


def alternated(*batches: Tensor) -> Tensor:
    """The rows of k batches in turn: (N, …) each → (kN, …).

    One after the other, the rows of a process would not lie together among those of all, by which `drawn` tells them.
    """
    return torch.stack(batches, 1).flatten(0, 1)


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Gradients become the mean over the processes: that of the whole batch, where losses are means over images."""
    if size() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]  # None in all processes, or in none
    bucket = sum_(torch.cat([gradient.flatten() for gradient in gradients])).div_(size())
    parts = bucket.split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def averaged(metrics: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Scalars by name → their means over the processes."""
    if size() == 1 or not metrics:
        return dict(metrics)
    means = sum_(torch.stack([value.float() for value in metrics.values()])).div_(size())
    return dict(zip(metrics, means, strict=True))


class _Sum(torch.autograd.Function):
    """The sum over the processes, differentiable: each of them depends on the numbers of all."""

    @staticmethod
    def forward(context, x: Tensor) -> Tensor:
        return sum_(x.clone())

    @staticmethod
    def backward(context, gradient: Tensor) -> Tensor:
        return sum_(gradient.contiguous().clone())


class JointBatchNorm(_BatchNorm):
    """BatchNorm over the images of all processes; in evaluation mode, or alone, as it always was.

    What PyTorch's SyncBatchNorm does on GPUs; that one refuses CPUs.
    """

    def _check_input_dim(self, x: Tensor) -> None:
        """Images, maps or vectors: any will do."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or size() == 1:
            return super().forward(x)
        shape, others = [1, -1] + [1] * (x.ndim - 2), [0, *range(2, x.ndim)]
        # Less the mean so far: a variance as the difference of two large squares would lose its digits
        d = x.float() if self.running_mean is None else x.float() - self.running_mean.view(shape)
        mean, square = _Sum.apply(torch.stack([d.mean(others), d.square().mean(others)])) / size()  # (C,) each
        variance = square - mean.square()
        self._note(mean.detach(), variance.detach(), size() * x.numel() // x.shape[1])
        scale = torch.rsqrt(variance + self.eps)
        shift = -mean * scale
        if self.affine:
            scale, shift = scale * self.weight, shift * self.weight + self.bias
        return (d * scale.view(shape) + shift.view(shape)).to(x.dtype)

    @torch.no_grad()
    def _note(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move the running statistics towards those of a batch, whose `mean` is told from the running one on."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        part = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean += part * mean
        self.running_var.lerp_(variance * count / (count - 1), part)


def normalise_jointly(*networks: nn.Module) -> None:
    """Have BatchNorm layers compare the images of the whole batch, where there are several processes."""
    for layer in (layer for network in networks for layer in network.modules()):
        if isinstance(layer, _BatchNorm) and size() > 1:
            layer.__class__ = JointBatchNorm  # the same weights, statistics and place in the network
