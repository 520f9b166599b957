"""What notebook 01 writes by hand, as the course would: the two steps of a conditional GAN, and the loop."""

import time
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cgan_lib.losses import bce_d, bce_g
from cgan_lib.recipes import current_profile


def seconds(demo: int) -> int:
    """How many seconds the profile in force trains in place of those of `demo`."""
    return {"ci": 2, "demo": demo, "full": 4 * demo}[current_profile()]


def discriminator_step(
    generator: nn.Module,
    discriminator: nn.Module,
    optimizer_d: Optimizer,
    real: Tensor,
    labels: Tensor,
    z: Tensor,
    fake_labels: Tensor,
) -> Tensor:
    """Move D towards telling real (N,C,H,W) with labels (N,) from fakes of `z` and `fake_labels`; its loss before."""
    fake = generator(z, fake_labels).detach()
    loss = bce_d(discriminator(real, labels), discriminator(fake, fake_labels))
    optimizer_d.zero_grad()
    loss.backward()
    optimizer_d.step()
    return loss.detach()


def generator_step(
    generator: nn.Module, discriminator: nn.Module, optimizer_g: Optimizer, z: Tensor, fake_labels: Tensor
) -> Tensor:
    """Move G towards fakes of `z` and `fake_labels` that D takes for real; its loss before."""
    loss = bce_g(discriminator(generator(z, fake_labels), fake_labels))
    optimizer_g.zero_grad()
    loss.backward()
    optimizer_g.step()
    return loss.detach()


def training_loop(
    discriminator_step: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor],
    generator_step: Callable[[Tensor, Tensor], Tensor],
    batches: Iterable[tuple[Tensor, Tensor]],
    latent_dim: int,
    num_classes: int,
    seconds: float,
) -> list[tuple[float, float]]:
    """Take both steps in turn until the seconds are over or the batches end: the losses (D, G) of each step.

    The steps know their networks: `discriminator_step(real, labels, z, fake_labels)`, `generator_step(z, fake_labels)`.
    """
    losses = []
    start = time.perf_counter()
    for real, labels in batches:
        z = torch.randn(len(real), latent_dim)
        fake_labels = torch.randint(num_classes, (len(real),))
        loss_d = discriminator_step(real, labels, z, fake_labels)
        loss_g = generator_step(z, fake_labels)
        losses.append((loss_d.item(), loss_g.item()))
        if time.perf_counter() - start > seconds:
            break
    return losses


def both_steps(
    generator: nn.Module,
    discriminator: nn.Module,
    optimizer_g: Optimizer,
    optimizer_d: Optimizer,
    real: Tensor,
    labels: Tensor,
    z: Tensor,
    fake_labels: Tensor,
) -> tuple[Tensor, Tensor]:
    """A step of D, then one of G on the same `z`; both losses."""
    loss_d = discriminator_step(generator, discriminator, optimizer_d, real, labels, z, fake_labels)
    return loss_d, generator_step(generator, discriminator, optimizer_g, z, fake_labels)
