"""Broken on purpose: notebook 01 shows these functions, and the learner mends them. Nothing else may use them."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from cgan_lib.data import to_unit
from cgan_lib.losses import bce_d, bce_g


def doubtful_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """What D pays for the logits (N,) of reals and fakes."""
    real, fake = real_logits.sigmoid(), fake_logits.sigmoid()
    for_real = F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
    for_fake = F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    return for_real + for_fake


def careless_batches(images: Tensor, labels: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Bytes (N,C,H,W) and their labels (N,), once through in random order: batches in [-1, 1] with labels."""
    order = torch.randperm(len(images))
    for start in range(0, len(images), batch_size):
        chosen = order[start : start + batch_size]
        yield to_unit(images[chosen]), labels[start : start + batch_size]


def careless_step(
    generator: nn.Module,
    discriminator: nn.Module,
    optimizer_g: Optimizer,
    optimizer_d: Optimizer,
    real: Tensor,
    labels: Tensor,
    z: Tensor,
    fake_labels: Tensor,
) -> tuple[Tensor, Tensor]:
    """A step of D, then one of G on the same fakes; both losses."""
    optimizer_g.zero_grad()
    optimizer_d.zero_grad()
    fake = generator(z, fake_labels)
    loss_d = bce_d(discriminator(real, labels), discriminator(fake, fake_labels))
    loss_d.backward(retain_graph=True)  # without it, the second backward raises an error
    optimizer_d.step()
    loss_g = bce_g(discriminator(fake, fake_labels))
    loss_g.backward()
    optimizer_g.step()
    return loss_d.detach(), loss_g.detach()


def careless_samples(generator: nn.Module, z: Tensor, labels: Tensor) -> Tensor:
    """Images of `z` and `labels`, to look at between two steps of a training."""
    generator.train()
    return generator(z, labels).detach()
