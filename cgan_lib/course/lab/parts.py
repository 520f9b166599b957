"""The parts of a small conditional GAN that works: what notebook 08 breaks and mends.

A step of training is `clear_gradients`, `discriminator_step`, `generator_step` and `average`, in this order. Images of
the lab are (B, 1, 28, 28), labels (B,), z (B, 100) and logits (B,).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from cgan_lib.data import ImageData, to_unit
from cgan_lib.errors import unknown
from cgan_lib.losses import bce_d, bce_g
from cgan_lib.models.layers import LEAK, ConditionalGenerator, check_image, downsample
from cgan_lib.models.limits import quarter
from cgan_lib.models.projection import ProjectionGenerator, ProjectionHead
from cgan_lib.runs.vitals import Game
from cgan_lib.sampling import generate

DECAY = 0.97  # of the averaged generator


class LabDiscriminator(nn.Module):
    """Two halvings with BatchNorm, 64 features, and the projection head of notebook 03, which learns labels fast."""

    def __init__(self, num_classes: int = 10, channels: int = 1, image_size: int = 28, width: int = 16):
        super().__init__()
        self.channels, self.image_size = channels, image_size
        self.features = nn.Sequential(
            downsample(channels, width),  # (N, 16, 14, 14)
            nn.LeakyReLU(LEAK),
            downsample(width, 2 * width),  # (N, 32, 7, 7)
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(2 * width, 4 * width, quarter(image_size)),  # (N, 64, 1, 1)
            nn.LeakyReLU(LEAK),
            nn.Flatten(),  # (N, 64)
        )
        self.head = ProjectionHead(4 * width, num_classes)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        check_image(x, self.channels, self.image_size)
        return self.head(self.features(x), labels)


def lab_generator(**shape: Any) -> ConditionalGenerator:
    """A generator for this number of classes, channels and pixels, with random weights."""
    return ProjectionGenerator(embed_dim=20, base_channels=32, **shape)


def choose(data: ImageData) -> ImageData:
    """The images to train on: all there are."""
    return data


def prepare(pixels: Tensor) -> Tensor:
    """Pixels uint8 → what the discriminator sees, in the range of the generator's tanh."""
    return to_unit(pixels)


def real_labels(labels: Tensor) -> Tensor:
    """The labels that the discriminator is shown with the real images."""
    return labels


def noise(count: int, latent_dim: int) -> Tensor:
    """The latents of one step: (count, latent_dim)."""
    return torch.randn(count, latent_dim)


def clear_gradients(game: Game) -> None:
    """Before each step: forget the gradients of the step before."""
    game.optimizer_d.zero_grad()
    game.optimizer_g.zero_grad()


def discriminator_step(game: Game, real: Tensor, labels: Tensor, z: Tensor, fake_labels: Tensor) -> tuple[Tensor, ...]:
    """Move D towards telling reals from fakes; gives the loss, the logits of the reals and those of the fakes."""
    fake = game.generator(z, fake_labels).detach()
    real_logits = game.discriminator(real, labels)
    fake_logits = game.discriminator(fake, fake_labels)
    loss = bce_d(real_logits, fake_logits)
    loss.backward()
    game.optimizer_d.step()
    return loss, real_logits, fake_logits


def generator_step(game: Game, z: Tensor, fake_labels: Tensor) -> Tensor:
    """Move G towards images that D takes for real; gives the loss."""
    logits = game.discriminator(game.generator(z, fake_labels), fake_labels)
    loss = bce_g(logits)
    loss.backward()
    game.optimizer_g.step()
    return loss


@torch.no_grad()
def average(averaged: nn.Module, generator: nn.Module) -> None:
    """Averaged weights follow the current ones; the statistics of BatchNorm are copied."""
    for weight, current in zip(averaged.parameters(), generator.parameters(), strict=True):
        weight.lerp_(current, 1 - DECAY)
    for statistic, newest in zip(averaged.buffers(), generator.buffers(), strict=True):
        statistic.copy_(newest)


def draw(generator: ConditionalGenerator, labels: Tensor, z: Tensor) -> Tensor:
    """The samples: images uint8 for labels (N,) and z (N, 100). The generator is in evaluation mode."""
    return generate(generator, labels, z=z)


@dataclass(frozen=True)
class Parts:
    """Everything that a training in the lab is made of. `Parts()` is healthy; `parts.replace(rates=…)` changes one.

    `UserError` suggests the nearest name for a part that is none.
    """

    generator: Callable[..., ConditionalGenerator] = lab_generator
    discriminator: Callable[..., nn.Module] = LabDiscriminator
    choose: Callable[[ImageData], ImageData] = choose
    prepare: Callable[[Tensor], Tensor] = prepare
    real_labels: Callable[[Tensor], Tensor] = real_labels
    noise: Callable[[int, int], Tensor] = noise
    clear_gradients: Callable[[Game], None] = clear_gradients
    discriminator_step: Callable[..., tuple[Tensor, ...]] = discriminator_step
    generator_step: Callable[[Game, Tensor, Tensor], Tensor] = generator_step
    average: Callable[[nn.Module, nn.Module], None] = average
    draw: Callable[[ConditionalGenerator, Tensor, Tensor], Tensor] = draw
    rates: tuple[float, float] = (3e-3, 2e-3)
    """Adam's learning rates: the generator's, the discriminator's"""
    batch_size: int = 24

    def replace(self, **changes: Any) -> "Parts":
        """A copy with other parts."""
        for name in changes:
            if name not in Parts.__dataclass_fields__:
                raise unknown("part", name, Parts.__dataclass_fields__)
        return replace(self, **changes)
