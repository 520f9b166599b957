"""A tiny GAN on which steps of a training are tried: what a learner's step does to it, beside what others do."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.course.exercises.comparing import numbers
from cgan_lib.course.exercises.verdict import CHANGED, Wrong, by_name

Step = Callable[["Rig", "Batch"], Any]
NEARLY = 1e-3  # of the way that weights move: rounding stays far below, every mistake far above

NAMELESS = "The numbers are not those of one step: go through the formula line by line."
FROZEN = "After the step some weights no longer want gradients: switch requires_grad on again."
MODES = "The step leaves a network in another mode: both train, both stay in train()."
RANDOM = "Twice the same step gives two results: take the z and fake_labels that are given, draw none."
NO_LOSS = "The networks move as they should; return the loss, too."


class TinyGenerator(nn.Module):
    """`z` (N, latent_dim) and labels (N,) → images (N,1,2,2) in [-1, 1]."""

    def __init__(self, latent_dim: int, num_classes: int):
        super().__init__()
        self.vector = nn.Embedding(num_classes, 3)
        self.dense = nn.Linear(latent_dim + 3, 4, bias=False)
        self.norm = nn.BatchNorm1d(4)
        self.drawn = 0  # how many times images were drawn

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        self.drawn += 1
        joined = torch.cat([z, self.vector(labels)], 1)
        return self.norm(self.dense(joined)).tanh().view(-1, 1, 2, 2)


class TinyDiscriminator(nn.Module):
    """Images (N,1,2,2) and labels (N,) → logits (N,)."""

    def __init__(self, num_classes: int):
        super().__init__()
        self.plane = nn.Embedding(num_classes, 4)
        self.dense = nn.Linear(8, 6, bias=False)
        self.norm = nn.BatchNorm1d(6)
        self.last = nn.Linear(6, 1)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        joined = torch.cat([x.flatten(1), self.plane(labels)], 1)
        return self.last(F.leaky_relu(self.norm(self.dense(joined)), 0.2)).squeeze(1)


@dataclass(frozen=True)
class Batch:
    """What one step is given."""

    real: Tensor
    labels: Tensor
    z: Tensor
    fake_labels: Tensor


@dataclass
class Rig:
    """Two networks in training mode, their optimisers, and a batch for each of two steps."""

    generator: TinyGenerator
    discriminator: TinyDiscriminator
    optimizer_g: torch.optim.Optimizer
    optimizer_d: torch.optim.Optimizer
    batches: tuple[Batch, Batch]

    @property
    def networks(self) -> tuple[nn.Module, nn.Module]:
        return self.generator, self.discriminator


def rig(seed: int) -> Rig:
    """Always the same for a seed: an even one has SGD, an odd one Adam.

    D carries gradients already, as after a step of the generator.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        latent_dim, num_classes, count = 3 + seed, 3 + seed % 2, 6 + 2 * seed
        generator, discriminator = TinyGenerator(latent_dim, num_classes), TinyDiscriminator(num_classes)
        for weight in discriminator.parameters():
            weight.grad = 0.3 * torch.randn_like(weight)
        batches = _batch(count, latent_dim, num_classes), _batch(count, latent_dim, num_classes)
    return Rig(generator, discriminator, _optimizer(seed, generator), _optimizer(seed, discriminator), batches)


def _batch(count: int, latent_dim: int, num_classes: int) -> Batch:
    labels = torch.randint(num_classes, (count,))
    shift = torch.randint(1, num_classes, (count,))  # no fake has the label of the real at its place
    return Batch(
        torch.rand(count, 1, 2, 2) - 0.2, labels, torch.randn(count, latent_dim), (labels + shift) % num_classes
    )


def _optimizer(seed: int, network: nn.Module) -> torch.optim.Optimizer:
    if seed % 2:
        return torch.optim.Adam(network.parameters(), lr=0.02, betas=(0.5, 0.9), eps=1e-3)
    return torch.optim.SGD(network.parameters(), lr=0.2, momentum=0.5)


@dataclass(frozen=True)
class Outcome:
    """What two steps did: what they returned (2, k), and how far the weights of both networks moved, laid in a row."""

    losses: Tensor
    moved_g: Tensor
    moved_d: Tensor

    def same(self, other: "Outcome") -> bool:
        return self.same_moves(other) and _near(self.losses, other.losses)

    def same_moves(self, other: "Outcome") -> bool:
        return _near(self.moved_g, other.moved_g) and _near(self.moved_d, other.moved_d)


def _near(found: Tensor, right: Tensor) -> bool:
    return found.shape == right.shape and (found - right).norm().item() <= NEARLY * right.norm().item() + 1e-6


def play(step: Step, seed: int) -> tuple[Outcome, Rig]:
    """Take two steps on a fresh rig: what came of it, and the rig as they left it."""
    played = rig(seed)
    before = [_weights(network) for network in played.networks]
    losses = [step(played, batch) for batch in played.batches]
    moved_g, moved_d = (_weights(network) - start for network, start in zip(played.networks, before, strict=True))
    return Outcome(torch.stack([numbers(loss).double().flatten() for loss in losses]), moved_g, moved_d), played


def _weights(network: nn.Module) -> Tensor:
    return torch.cat([weight.detach().double().flatten() for weight in network.parameters()])


def of_learner(answer: Any, parts: tuple[str, ...], count: int) -> Step:
    """A learner's function of these parts of a rig and a batch, as a step; `Wrong` unless it returns `count` losses."""

    def step(played: Rig, batch: Batch) -> Any:
        given = copy.deepcopy(batch)
        values = {part: getattr(played if hasattr(played, part) else given, part) for part in parts}
        result = by_name(answer, **values)
        if result is None:
            raise Wrong("The function returns nothing: it should end with return.")
        if numbers(result).numel() != count:
            raise Wrong(f"Return {'one loss, a single number' if count == 1 else f'{count} losses'}.")
        if any(not torch.equal(getattr(given, name), getattr(batch, name)) for name in vars(batch)):
            raise Wrong(CHANGED)
        _check_left_as_found(played)
        return result

    return step


def judge_step(step: Step, right: Step, mistakes: dict[str, Step], unmoved: Callable[[Outcome, Rig], None]) -> None:
    """`Wrong` unless a step does to two rigs what the right one does: with the hint whose mistake does the same.

    `unmoved(outcome, rig)` raises when a network stands still, or one moves that must not.
    """
    pairs = [play(step, seed) for seed in (0, 1)]
    for outcome, played in pairs:
        unmoved(outcome, played)

    def does(other: Step) -> bool:
        return all(outcome.same(play(other, seed)[0]) for seed, (outcome, _) in enumerate(pairs))

    if does(right):
        return
    for hint, mistake in mistakes.items():
        if does(mistake):
            raise Wrong(hint)
    if not play(step, 0)[0].same(pairs[0][0]):
        raise Wrong(RANDOM)
    raise Wrong(NO_LOSS if all(o.same_moves(play(right, seed)[0]) for seed, (o, _) in enumerate(pairs)) else NAMELESS)


def _check_left_as_found(played: Rig) -> None:
    for network in played.networks:
        if not all(weight.requires_grad for weight in network.parameters()):
            raise Wrong(FROZEN)
        if not all(layer.training for layer in network.modules()):
            raise Wrong(MODES)


def descend(optimizer: torch.optim.Optimizer, loss: Tensor, clear: str = "before") -> Tensor:
    """One step of an optimiser; gradients are cleared `before`, only `after`, or `never`."""
    if clear == "before":
        optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if clear == "after":
        optimizer.zero_grad()
    return loss.detach()
