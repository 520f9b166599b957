"""Notebook 08: names of faults, and parts that are mended, or not."""

import torch
from torch import nn

from cgan_lib.course.lab import FAULTS, LETTERS, LabDiscriminator, name_of
from cgan_lib.data import to_uint8, to_unit
from cgan_lib.losses import bce_d, bce_g
from cgan_lib.models.projection import ProjectionGenerator

CASE = {name_of(letter): letter for letter in LETTERS}


def mended(fault, answer, *hint):
    return (f"mended {CASE[fault]}", answer, *hint)


def step(detach=True, factor=1.0, one_batch=False, cleared=True):
    """A discriminator's step, written otherwise."""

    def discriminator_step(game, real, labels, z, fake_labels):
        with torch.set_grad_enabled(not detach):
            fake = game.generator(z, fake_labels)
        if one_batch:
            both = game.discriminator(torch.cat([fake, real]), torch.cat([fake_labels, labels]))
            fakes, reals = both[: len(fake)], both[len(fake) :]
        else:
            fakes, reals = game.discriminator(fake, fake_labels), game.discriminator(real, labels)
        loss = factor * bce_d(reals, fakes)
        if cleared:
            game.optimizer_d.zero_grad()
        loss.backward()
        game.optimizer_d.step()
        return loss, reals, fakes

    return discriminator_step


def step_that_moves_nothing(game, real, labels, z, fake_labels):
    fake = game.generator(z, fake_labels).detach()
    reals, fakes = game.discriminator(real, labels), game.discriminator(fake, fake_labels)
    return bce_d(reals, fakes), reals, fakes


def pull(loss):
    def generator_step(game, z, fake_labels):
        value = loss(game.discriminator(game.generator(z, fake_labels), fake_labels))
        value.backward()
        game.optimizer_g.step()
        return value

    return generator_step


class Judge(LabDiscriminator):
    """As the lab's, the head written out."""

    def forward(self, x, labels):
        features = self.features(x)
        realness = self.head.linear(features)[:, 0]
        return realness + (features * self.head.class_embedding(labels)).sum(-1)


class Squashed(LabDiscriminator):
    def forward(self, x, labels):
        return super().forward(x, labels).sigmoid()


class Columns(LabDiscriminator):
    def forward(self, x, labels):
        return super().forward(x, labels)[:, None]


class Blind(LabDiscriminator):
    def forward(self, x, labels):
        return super().forward(x, torch.zeros_like(labels))


class Undone(LabDiscriminator):
    def forward(self, x, labels):
        return ...


def quiet(std, embed_dim=20):
    def generator(num_classes, channels, image_size):
        network = ProjectionGenerator(100, num_classes, channels, image_size, embed_dim, 32)
        nn.init.normal_(network.label_embedding.weight, std=std)
        return network

    return generator


def with_shape(**shape):
    return ProjectionGenerator(embed_dim=20, base_channels=32, **shape)


@torch.no_grad()
def average(averaged, generator):
    for name, value in averaged.state_dict().items():
        newest = generator.state_dict()[name]
        value.copy_(newest if "running" in name or "num_batches" in name else 0.97 * value + 0.03 * newest)


@torch.no_grad()
def weights_only(averaged, generator):
    torch._foreach_lerp_([*averaged.parameters()], [*generator.parameters()], 0.03)


def draw(training):
    @torch.no_grad()
    def drawn(generator, labels, z):
        return to_uint8(generator.train(training)(z, labels))

    return drawn


def clear(*names):
    def clear_gradients(game):
        for name in names:
            for parameter in getattr(game, name).parameters():
                parameter.grad = None

    return clear_gradients


def always_seeded(count, latent_dim):
    return torch.randn(count, latent_dim, generator=torch.Generator().manual_seed(3))


RIGHT = [
    *((f"diagnosis {CASE[name]}", name) for name in ("minimax", "one_batch", "few_images")),
    (f"diagnosis {CASE['high_rate']}", "High rate"),
    mended("missing_detach", step()),
    mended("one_batch", step(factor=3.0)),
    mended("minimax", pull(bce_g)),
    mended("minimax", pull(lambda logits: -nn.functional.logsigmoid(logits).mean())),
    mended("blind_discriminator", Judge),
    mended("loud_labels", with_shape),
    mended("stale_statistics", average),
    mended("training_mode", draw(False)),
    mended("kept_gradients", clear("generator", "discriminator")),
    mended("seeded_noise", lambda count, latent_dim: torch.empty(count, latent_dim).normal_()),
    mended("unit_range", to_unit),
    mended("few_images", lambda data: data.take(slice(None, None, 1))),
    mended("shuffled_labels", lambda labels: labels.clone()),
    mended("strong_discriminator", [0.003, 0.002]),
    mended("high_rate", (2e-3, 2e-3)),
]
WRONG = [
    (f"diagnosis {CASE['minimax']}", "strong_discriminator", "D(x) would be 1"),
    (f"diagnosis {CASE['few_images']}", "loud_labels", "farther than z"),
    (f"diagnosis {CASE['one_batch']}", "missing_detach", "gradient_leaks"),
    (f"diagnosis {CASE['high_rate']}", "few_images", "copies of reals"),
    (f"diagnosis {CASE['blind_discriminator']}", "shuffled_labels", "label_drop"),
    (f"diagnosis {CASE['shuffled_labels']}", "blind_discriminator", "label_change"),
    (f"diagnosis {CASE['minimax']}", "collapse", "none of the candidates"),
    (f"diagnosis {CASE['minimax']}", 3, "text in quotes"),
    mended("missing_detach", FAULTS["missing_detach"].wrong, "Still missing detach"),
    mended("missing_detach", step(detach=False), "Still missing detach"),
    mended("one_batch", step(one_batch=True), "Still one batch"),
    mended("one_batch", step_that_moves_nothing, ""),
    mended("minimax", FAULTS["minimax"].wrong, "hardly any gradient"),
    mended("minimax", pull(lambda logits: -bce_g(logits)), "sign"),
    mended("minimax", pull(lambda logits: bce_g(logits.detach().requires_grad_())), "hardly any gradient"),
    mended("minimax", 3, "a function or a class"),
    mended("blind_discriminator", Blind, "Still"),
    mended("blind_discriminator", Squashed, "Still sigmoid twice"),
    mended("sigmoid_twice", Columns, "one logit for each image"),
    mended("loud_labels", quiet(20.0, 30), "Still loud labels"),
    mended("stale_statistics", weights_only, "Still stale statistics"),
    mended("training_mode", draw(True), "Still training mode"),
    mended("kept_gradients", clear("discriminator"), "Still kept gradients"),
    mended("kept_gradients", clear("generator"), "Still kept gradients"),
    mended("seeded_noise", always_seeded, "Still seeded noise"),
    mended("unit_range", lambda pixels: pixels / 255, "Still unit range"),
    mended("few_images", lambda data: data.take(slice(0, 200)), "learned by heart"),
    mended("few_images", lambda data: data.images, "an ImageData"),
    mended("shuffled_labels", lambda labels: labels.sort().values, "not those of their images"),
    mended("shuffled_labels", lambda labels: labels.flip(0), "not those of their images"),
    mended("shuffled_labels", lambda labels: labels[:5], "one label for each"),
    mended("strong_discriminator", (2e-3,), "two numbers"),
    mended("strong_discriminator", (2.0, 1e-3), "between 0 and 1"),
    mended("strong_discriminator", 1e-3, "two numbers"),
]
NOT_ATTEMPTED = [
    mended("blind_discriminator", Undone),
    mended("strong_discriminator", (..., ...)),
    mended("few_images", lambda data: ...),
]
