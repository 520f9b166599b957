"""The training of the lab: seconds long, the same numbers for the same seed, and a log like that of any run."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from cgan_lib.course.lab.parts import Parts
from cgan_lib.data import ImageData, batches, load_data, to_uint8
from cgan_lib.evaluation.classifier import Classifier, load_classifier, read
from cgan_lib.evaluation.metrics import spread
from cgan_lib.evaluation.nearest import nearest_real
from cgan_lib.evaluation.samples import in_proportion
from cgan_lib.figures import Curves
from cgan_lib.losses import LOSSES
from cgan_lib.recipes import current_profile
from cgan_lib.runs.vitals import NEIGHBOURS, Game, Vitals
from cgan_lib.sampling import grid_inputs, latents

BETAS = (0.5, 0.99)
LOG_EVERY = 5  # steps between two points of a curve
CHECKS = 5  # times that vital signs are taken, beside the one before the first step
MEASURED = {"ci": 100, "demo": 500, "full": 2000}  # samples in a score
COPY = 0.5  # a fake is a near-copy when its nearest real is nearer than half of what is usual among reals


class Scores(NamedTuple):
    """What came out of a run of the lab."""

    as_requested: float
    """GAN-test: percent of the samples that are read as what was asked for"""
    diversity: float
    """mean distance of two samples of a class, over that of real ones: 1 is right, 0 a collapse"""
    copies: float
    """percent of the samples that are near-copies of a training image"""

    def __str__(self) -> str:
        return f"GAN-test {self.as_requested:5.1f}%   diversity {self.diversity:4.2f}   near-copies {self.copies:4.1f}%"


@dataclass(frozen=True, eq=False)
class LabRun:
    """A finished training of the lab."""

    parts: Parts
    data: ImageData
    """the images that it was trained on"""
    game: Game
    curves: Curves

    def history(self) -> Curves:
        """The curves, as `Run.history` gives them: name → (steps, values)."""
        return self.curves

    def samples(self, labels: Tensor, z: Tensor) -> Tensor:
        """Images uint8 for labels (N,) and z (N, latent_dim), as this run draws them."""
        with torch.random.fork_rng(devices=[]):
            return self.parts.draw(copy.deepcopy(self.game.sampler), labels, z)

    def grid(self) -> Tensor:
        """A sample grid: row r is class r, the latent is the same in each column."""
        z, labels = grid_inputs(self.data.num_classes, self.game.generator.config["latent_dim"])
        return self.samples(labels, z)

    @cached_property
    def scores(self) -> Scores:
        """GAN-test, diversity and near-copies, of the same latents always."""
        count = MEASURED[current_profile()]
        labels = torch.arange(count) % self.data.num_classes
        images = self.samples(labels, latents(count, self.game.generator.config["latent_dim"], seed=1))
        classifier, real, usual = _reference(self.data.name, count)
        features, logits = read(classifier, images)
        _, distance = nearest_real(images, in_proportion(self.data, NEIGHBOURS))
        return Scores(
            as_requested=100 * (logits.argmax(1) == labels).float().mean().item(),
            diversity=(spread(features, labels, self.data.num_classes) / real).mean().item(),
            copies=100 * (distance < COPY * usual).float().mean().item(),
        )


def lab_steps() -> int:
    """How many steps a run of the lab takes in the profile in force."""
    return {"ci": 20, "demo": 250, "full": 500}[current_profile()]


def train_lab(parts: Parts | None = None, seed: int = 0, steps: int | None = None) -> LabRun:
    """Train with these parts (default: healthy ones) for `steps` (default: what the profile says).

    The same numbers for the same seed; the random state is left as it was.
    """
    parts, steps = parts or Parts(), steps or lab_steps()
    data = parts.choose(load_data())
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        game = _game(parts, data)
        curves = _train(parts, data, game, seed, steps)
    return LabRun(parts, data, game, curves)


def _game(parts: Parts, data: ImageData) -> Game:
    shape = dict(num_classes=data.num_classes, channels=data.channels, image_size=data.image_size)
    generator, discriminator = parts.generator(**shape), parts.discriminator(**shape)
    averaged = copy.deepcopy(generator).requires_grad_(False).eval()
    lr_g, lr_d = parts.rates
    optimizer_g = torch.optim.Adam(generator.parameters(), lr_g, BETAS, fused=True)
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr_d, BETAS, fused=True)
    return Game(generator, discriminator, averaged, optimizer_g, optimizer_d)


def _train(parts: Parts, data: ImageData, game: Game, seed: int, steps: int) -> Curves:
    """All steps; what is random in one depends on `seed` and its number alone, whatever the parts draw."""
    vitals = Vitals(game, data, parts.batch_size, prepare=parts.prepare, draw=parts.draw)
    log: dict[str, list[tuple[int, float]]] = {}
    every = max(steps // CHECKS, 1)
    for step, (real, labels) in zip(range(steps + 1), batches(data, parts.batch_size, seed), strict=False):
        due = step % every == 0 or step == steps
        if due:
            _note(log, step, vitals.measure())
        if step < steps:
            vitals.watch.on = steps - step <= 2 or -(step + 1) % every < 2
            torch.default_generator.manual_seed(seed * 1_000_003 + step)
            metrics = train_step(parts, game, to_uint8(real), labels)
            if (step + 1) % LOG_EVERY == 0:
                _note(log, step + 1, {name: float(value) for name, value in metrics.items()})
    return {name: (np.array([n for n, _ in points]), np.array([x for _, x in points])) for name, points in log.items()}


def train_step(parts: Parts, game: Game, pixels: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """One step on real images uint8 (B,1,28,28) with labels (B,): the parts, one after the other; its metrics."""
    real, shown_labels = parts.prepare(pixels), parts.real_labels(labels)
    num_classes, latent_dim = (game.generator.config[name] for name in ("num_classes", "latent_dim"))
    z, fake_labels = parts.noise(len(real), latent_dim), torch.randint(num_classes, (len(real),))
    parts.clear_gradients(game)
    loss_d, real_logits, fake_logits = parts.discriminator_step(game, real, shown_labels, z, fake_labels)
    gradient_d = _gradient_norm(game.discriminator)
    loss_g = parts.generator_step(game, z, fake_labels)
    parts.average(game.sampler, game.generator)
    verdicts = LOSSES["bce"].verdicts(real_logits.detach(), fake_logits.detach())
    norms = {"gradient_norm/D": gradient_d, "gradient_norm/G": _gradient_norm(game.generator)}
    return {"loss/D": loss_d.detach(), "loss/G": loss_g.detach(), **verdicts, **norms}


def _gradient_norm(network: nn.Module) -> Tensor:
    return get_total_norm([p.grad for p in network.parameters() if p.grad is not None])


def _note(log: dict[str, list[tuple[int, float]]], step: int, values: Mapping[str, float]) -> None:
    for name, value in values.items():
        log.setdefault(name, []).append((step, value))


@lru_cache(maxsize=2)
def _reference(dataset: str, count: int) -> tuple[Classifier, Tensor, float]:
    """What scores compare with: the classifier, the spread of each class, and how far reals are from each other."""
    classifier, test = load_classifier(dataset), in_proportion(load_data(dataset, train=False), count)
    features, _ = read(classifier, test.images)
    _, distances = nearest_real(test.images, in_proportion(load_data(dataset), NEIGHBOURS))
    return classifier, spread(features, test.labels, test.num_classes), distances.median().item()
