"""Vital signs of a run: what is recorded beside losses, so that the cause of a failure can be told from its log.

Losses say who is winning. They do not say whether labels matter, whether gradients are fresh, or whether the images
that were drawn are those that the generator would draw when it is used. Each sign here looks at one such thing; what it
is when all is well stands in `cgan_lib.runs.tensorboard_layout`, and what each fault does to them in
`cgan_lib.runs.rules`.
"""

import copy
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from cgan_lib.data import ImageData, to_unit
from cgan_lib.evaluation.samples import in_proportion
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.sampling import evaluating, generate, latents

PROBES = 32  # images that a sign looks at
NEIGHBOURS = 2000  # real images among which the nearest is looked for: all of a small data set, a sample of a large one
TINY = 1e-12  # in place of 0, where something is divided by it


class Game(NamedTuple):
    """Two networks and what moves them."""

    generator: ConditionalGenerator
    discriminator: nn.Module
    averaged: ConditionalGenerator | None
    optimizer_g: Optimizer
    optimizer_d: Optimizer

    @property
    def sampler(self) -> ConditionalGenerator:
        """The generator to make samples with."""
        return self.generator if self.averaged is None else self.averaged


class Watch:
    """Looks over the shoulder of both optimisers while it is `on`: at least two steps before its signs are read."""

    def __init__(self, game: Game):
        self.on = False
        self.game = game
        self.gradients: dict[str, list[Tensor]] = {"G": [], "D": []}  # the last two that each optimiser was given
        self.moved: dict[str, float] = {}
        self.leaked = 0.0
        self.together = 0
        self.latents: list[Tensor] = []  # of the last two steps of the generator
        self._latest = torch.empty(0)
        self._before: Tensor | None = None
        self._watch_optimizer("G", game.optimizer_g, game.generator)
        self._watch_optimizer("D", game.optimizer_d, game.discriminator)
        game.generator.register_forward_pre_hook(self._is_given)
        for layer in game.discriminator.modules():
            if isinstance(layer, _BatchNorm):
                layer.register_forward_pre_hook(self._normalises)

    def signs(self, batch_size: int) -> dict[str, float]:
        """What was seen; nothing before both optimisers have moved twice."""
        if any(len(seen) < 2 for seen in self.gradients.values()):
            return {}
        signs = {f"step_size/{name}": moved for name, moved in self.moved.items()}
        for name, (before, now) in self.gradients.items():
            signs[f"gradient_repeats/{name}"] = torch.cosine_similarity(before, now, dim=0, eps=TINY).item()
        signs["gradient_leaks"] = self.leaked / (self.gradients["G"][-1].norm().item() + TINY)
        again = (self.latents[-1] == self.latents[0]).float().mean().item()
        return signs | {"normalised_together": self.together / batch_size, "latents_repeat": again}

    def _watch_optimizer(self, name: str, optimizer: Optimizer, network: nn.Module) -> None:
        parameters = list(network.parameters())

        def before(*_: Any) -> None:
            if self.on:
                if name == "D":
                    self.leaked = self._leak()
                else:
                    self.latents = [*self.latents[-1:], self._latest]
                self.gradients[name] = [*self.gradients[name][-1:], _flat_gradient(parameters)]
                self._before = _flat(parameters)

        def after(*_: Any) -> None:
            if self.on and self._before is not None:
                moved = _flat(parameters) - self._before
                self.moved[name] = (moved.norm() / (self._before.norm() + TINY)).item()

        optimizer.register_step_pre_hook(before)
        optimizer.register_step_post_hook(after)

    def _leak(self) -> float:
        """The size of what lies in the generator's gradient when D moves, and was not left there by its own step."""
        there = _flat_gradient(list(self.game.generator.parameters()))
        left = self.gradients["G"][-1:]
        return 0.0 if left and torch.equal(there, left[0]) else there.norm().item()

    def _is_given(self, generator: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if self.on and generator.training:
            self._latest = inputs[0].detach()

    def _normalises(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if self.on and layer.training:
            self.together = max(self.together, len(inputs[0]))


class Vitals:
    """The signs of one run, `vitals/…`: always of the same real images and latents.

    `prepare` turns pixels into what D is shown as real, and `draw(generator, labels, z)` draws the samples.
    """

    def __init__(
        self,
        game: Game,
        data: ImageData,
        batch_size: int,
        *,
        prepare: Callable[[Tensor], Tensor] = to_unit,
        draw: Callable[[ConditionalGenerator, Tensor, Tensor], Tensor] = lambda generator, labels, z: generate(
            generator, labels, z=z
        ),
    ):
        self.game, self.batch_size, self.prepare, self.draw = game, batch_size, prepare, draw
        self.watch = Watch(game)
        device, here = next(game.generator.parameters()).device, data.to("cpu")
        probes, self.neighbours = in_proportion(here, PROBES), in_proportion(here, NEIGHBOURS)
        self.usual = _nearest(probes.images, self.neighbours.images, itself=True)
        self.probes = probes.to(device)
        shift = torch.arange(len(probes), device=device) % max(data.num_classes - 1, 1) + 1
        self.others = (self.probes.labels + shift) % data.num_classes  # never the label itself
        count = len(probes)
        z = latents(2 * count, game.generator.config["latent_dim"], seed=1).to(device)
        self.z, self.other_z = z.split(count)

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """All signs that can be told by now: name of the curve → value."""
        game = self.game
        with evaluating(game.generator), evaluating(game.discriminator):
            signs = self._of_discriminator() | self._of_generator()
        signs |= self._of_samples() | self.watch.signs(self.batch_size)
        return {f"vitals/{name}": value for name, value in signs.items()}

    def _of_discriminator(self) -> dict[str, float]:
        real, fake = self.prepare(self.probes.images), self.game.generator(self.z, self.probes.labels)
        logits, other, of_fakes = (
            self.game.discriminator(x, labels).float()
            for x, labels in ((real, self.probes.labels), (real, self.others), (fake, self.probes.labels))
        )
        drop, every = logits - other, torch.cat([logits, other, of_fakes])
        scale = every.std().item() + TINY
        return {
            "real_lowest": real.min().item(),
            "real_highest": real.max().item(),
            "logit_lowest": every.min().item(),
            "logit_highest": every.max().item(),
            "label_drop": drop.mean().item() / scale,
            "label_change": drop.abs().mean().item() / scale,
            "separated": (logits[:, None] > of_fakes).float().mean().item(),
        }

    def _of_generator(self) -> dict[str, float]:
        generator, labels = self.game.generator, self.probes.labels
        images = generator(self.z, labels).float()
        return {
            "z_moves": (generator(self.other_z, labels) - images).abs().mean().item(),
            "label_moves": (generator(self.z, self.others) - images).abs().mean().item(),
        }

    def _of_samples(self) -> dict[str, float]:
        """Of the images that are handed out: how they are drawn, by which weights, and whether they are copies."""
        sampler, labels, z = self.game.sampler, self.probes.labels, self.z
        expected = generate(sampler, labels, z=z)
        drawn = self.draw(copy.deepcopy(sampler), labels, z)  # a copy: drawing may change the statistics of BatchNorm
        signs = {"drawing_differs": (drawn.float() - expected.float()).abs().mean().item() / 127.5}
        if self.game.averaged is not None and (buffers := _buffers(self.game.generator)).numel():
            gap = (_buffers(self.game.averaged) - buffers).norm() / (buffers.norm() + TINY)
            signs["statistics_lag"] = gap.item()
        return signs | {"nearest": _nearest(expected, self.neighbours.images) / (self.usual + TINY)}


def _flat(tensors: Iterable[Tensor]) -> Tensor:
    """All numbers as one new vector."""
    return torch.cat([tensor.detach().flatten().float() for tensor in tensors])


def _flat_gradient(parameters: list[nn.Parameter]) -> Tensor:
    """All gradients as one vector; 0 where there is none."""
    return _flat(torch.zeros_like(p) if p.grad is None else p.grad for p in parameters)


def _buffers(network: nn.Module) -> Tensor:
    """All statistics of a network's BatchNorm layers as one vector."""
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    return _flat([torch.empty(0), *(b.cpu() for layer in layers for b in layer.buffers() if b.is_floating_point())])


def _nearest(images: Tensor, real: Tensor, itself: bool = False) -> float:
    """Median distance of images uint8 (N,C,H,W) to the nearest of `real`; `itself`: to the nearest but themselves."""
    distances = torch.cdist(images.cpu().flatten(1).float(), real.cpu().flatten(1).float())  # (N, M)
    k = min(2 if itself else 1, distances.shape[1])
    return distances.topk(k, largest=False).values[:, -1].median().item() / 255
