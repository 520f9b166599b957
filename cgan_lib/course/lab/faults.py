"""Faults as people write them: for each the part that is wrong, and why it does harm.

The functions and classes here are shown to learners who are looking for the fault, so that nothing in them tells.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.course.lab.parts import LabDiscriminator, Parts
from cgan_lib.data import ImageData, to_uint8
from cgan_lib.losses import bce_d
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.models.projection import ProjectionGenerator
from cgan_lib.runs.vitals import Game


def _step_without_detach(
    game: Game, real: Tensor, labels: Tensor, z: Tensor, fake_labels: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    fake = game.generator(z, fake_labels)
    real_logits = game.discriminator(real, labels)
    fake_logits = game.discriminator(fake, fake_labels)
    loss = len(real) * bce_d(real_logits, fake_logits)  # a sum over the batch, not a mean
    loss.backward()
    game.optimizer_d.step()
    return loss, real_logits, fake_logits


def _step_in_one_batch(
    game: Game, real: Tensor, labels: Tensor, z: Tensor, fake_labels: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    fake = game.generator(z, fake_labels).detach()
    images, all_labels = torch.cat([real, fake]), torch.cat([labels, fake_labels])
    real_logits, fake_logits = game.discriminator(images, all_labels).chunk(2)
    loss = bce_d(real_logits, fake_logits)
    loss.backward()
    game.optimizer_d.step()
    return loss, real_logits, fake_logits


def _shuffle(labels: Tensor) -> Tensor:
    order = torch.randperm(len(labels))
    return labels[order]


class _Blind(LabDiscriminator):
    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        features = self.features(x)  # (N, 64)
        return self.head.linear(features).squeeze(1)


class _Sigmoid(LabDiscriminator):
    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        features = self.features(x)  # (N, 64)
        return torch.sigmoid(self.head(features, labels))


def _loud(**shape: Any) -> ConditionalGenerator:
    generator = ProjectionGenerator(embed_dim=20, base_channels=32, **shape)
    nn.init.normal_(generator.label_embedding.weight, std=20)
    return generator


def _saturating_step(game: Game, z: Tensor, fake_labels: Tensor) -> Tensor:
    logits = game.discriminator(game.generator(z, fake_labels), fake_labels)
    loss = -F.softplus(logits).mean()  # log(1 − D(G(z)))
    loss.backward()
    game.optimizer_g.step()
    return loss


def _from_0_to_1(pixels: Tensor) -> Tensor:
    return pixels.float() / 255


def _draw_one_by_one(generator: ConditionalGenerator, labels: Tensor, z: Tensor) -> Tensor:
    generator.train()
    with torch.no_grad():
        images = [generator(z[n : n + 1], labels[n : n + 1]) for n in range(len(labels))]
    return to_uint8(torch.cat(images))


def _take_some(data: ImageData) -> ImageData:
    return data.take(slice(0, 40))


def _clear_one(game: Game) -> None:
    game.optimizer_d.zero_grad()


def _draw_z(count: int, latent_dim: int) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(count, latent_dim)


@torch.no_grad()
def _average_weights(averaged: nn.Module, generator: nn.Module) -> None:
    for weight, current in zip(averaged.parameters(), generator.parameters(), strict=True):
        weight.lerp_(current, 0.03)


@dataclass(frozen=True)
class Fault:
    """One fault: the part that is to be mended, and the lab with it."""

    part: str
    wrong: Any
    cause: str
    """why it does harm, in a sentence or two"""
    around: tuple[tuple[str, Any], ...] = ()
    """other parts that differ from the healthy lab and are no fault: with them the fault does harm"""

    def parts(self, mended: Any = None) -> Parts:
        """The lab with this fault, or with `mended` in the place of its part."""
        return Parts().replace(**dict(self.around), **{self.part: self.wrong if mended is None else mended})


FAULTS: dict[str, Fault] = {
    "missing_detach": Fault(
        "discriminator_step",
        _step_without_detach,
        "D's loss flows on into G and is added to G's gradient: G is told to draw what D calls fake. The factor in "
        "front of the loss, harmless to D, since Adam divides by it, makes this the larger part.",
    ),
    "shuffled_labels": Fault(
        "real_labels",
        _shuffle,
        "D is shown real images with labels of others. It learns that labels say nothing, and G learns it from D.",
    ),
    "blind_discriminator": Fault(
        "discriminator",
        _Blind,
        "D never looks at the label, so that any digit will do: G has no reason to heed it.",
    ),
    "strong_discriminator": Fault(
        "rates",
        (2e-4, 1e-2),
        "D learns at fifty times the rate of G. It is sure of every image, and what G is told changes before G has "
        "followed it.",
    ),
    "weak_discriminator": Fault(
        "rates",
        (3e-3, 2e-5),
        "D learns over a hundred times more slowly than G. Anything fools it, and G learns what does, not digits.",
    ),
    "minimax": Fault(
        "generator_step",
        _saturating_step,
        "Where D is sure of a fake, log(1 − D) is flat, and D is sure soon: G gets no gradient.",
        (("rates", (3e-3, 5e-3)),),
    ),
    "high_rate": Fault(
        "rates",
        (3e-2, 2e-3),
        "Each step throws G's weights farther than what it is meant to mend.",
    ),
    "sigmoid_twice": Fault(
        "discriminator",
        _Sigmoid,
        "D gives probabilities, and the loss takes a sigmoid of them again: D can never say more than 73% real, nor "
        "less than 50%, and its gradient is faint.",
    ),
    "unit_range": Fault(
        "prepare",
        _from_0_to_1,
        "D sees reals from 0 to 1, and G, whose tanh draws from −1 to 1, learns to draw grey for black.",
    ),
    "one_batch": Fault(
        "discriminator_step",
        _step_in_one_batch,
        "In one batch BatchNorm shows D which half an image is in: it tells fakes by their company. In G's step fakes "
        "are alone, and what D says there is worth nothing.",
    ),
    "seeded_noise": Fault(
        "noise",
        _draw_z,
        "Every step gets the same few latents. And the seed is set for all of torch: the labels of the fakes, drawn "
        "next, are the same ones each time, too.",
    ),
    "training_mode": Fault(
        "draw",
        _draw_one_by_one,
        "In training mode BatchNorm takes its statistics from the images that are drawn together: an image depends on "
        "its company.",
    ),
    "loud_labels": Fault(
        "generator",
        _loud,
        "The embedding of a label is so much larger than z that z is not heard: one picture for each class.",
    ),
    "few_images": Fault(
        "choose",
        _take_some,
        "Forty images are learned by heart, by D and then by G.",
    ),
    "kept_gradients": Fault(
        "clear_gradients",
        _clear_one,
        "The gradients of G are never cleared: each step goes where all steps before went, too.",
    ),
    "stale_statistics": Fault(
        "average",
        _average_weights,
        "The averaged generator gets new weights, but keeps the BatchNorm statistics of the start.",
    ),
}
