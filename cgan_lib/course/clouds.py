"""Sets of images as a classifier sees them, made up: real ones, generators that are good or bad, and cheats."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cgan_lib.evaluation.metrics import NEIGHBOURS
from cgan_lib.figures import COLOURS

MISREAD = 0.02  # of the real images: no classifier is perfect


class Seen(NamedTuple):
    """What is known of a set of N images."""

    features: Tensor
    """(N, d)"""
    labels: Tensor
    """(N,): the class that was asked for"""
    read: Tensor
    """(N,): the class that the classifier reads"""

    def take(self, positions: Tensor) -> "Seen":
        """The images at these positions, in this order; a mask (N,) will do."""
        return Seen(*(part[positions] for part in self))


class World:
    """Real images of some classes, each with a few styles, and whatever pretends to be real; drawn from a seed."""

    def __init__(self, seed: int, classes: int = 5, styles: int = 3, width: int = 6, count: int = 300):
        self.rng = torch.Generator().manual_seed(seed)
        places = 5 * torch.randn(classes, 1, width, generator=self.rng)
        self.centres = places + 1.5 * torch.randn(classes, styles, width, generator=self.rng)  # (classes, styles, d)
        self.count = count
        self.training = self.draw()
        """what the generators have learned from"""
        self.test = self.draw()
        """what they have never seen"""

    def draw(self, noise: float = 1.0, styles: int | None = None, misread: float = MISREAD) -> Seen:
        """New images: as real ones unless they scatter more or less, keep to the first styles, or miss their class."""
        classes, all_styles, width = self.centres.shape
        labels = torch.arange(self.count) % classes
        style = torch.randint(styles or all_styles, (self.count,), generator=self.rng)
        wrong = torch.rand(self.count, generator=self.rng) < misread
        drawn = torch.where(wrong, labels + torch.randint(1, classes, (self.count,), generator=self.rng), labels)
        features = self.centres[drawn % classes, style] + noise * self._randn(self.count, width)
        return Seen(features, labels, drawn % classes)

    def generators(self) -> dict[str, Seen]:
        """From the best to the worst: new real images, a good generator, a bad one, and noise."""
        return {
            "real": self.draw(),
            "good": self._good(),
            "worse": self.draw(noise=1.8, misread=0.2),
            "noise": self._noise(),
        }

    def cheats(self) -> dict[str, Seen]:
        """Those that a metric is made with."""
        return {
            "one image of each class": self._few(self.training, 1),
            "copies": self.training,
            "swapped labels": self._swapped(),
        }

    def hidden_cheats(self) -> dict[str, Seen]:
        """Those that it is tried on besides."""
        return {
            "four new images of each class": self._few(self.draw(), 4),
            "copies, slightly changed": self._moved(self.training, 0.05),
            "half of them copies": _halves(self.training, self._good()),
            "two classes exchanged": self._exchanged(),
            "one style of each class": self.draw(styles=1),
            "timid": self.draw(noise=0.15),
            "half of them noise": _halves(self.draw(), self._noise()),
        }

    def _good(self) -> Seen:
        return self.draw(noise=1.25, misread=0.04)

    def _randn(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.rng)

    def _noise(self) -> Seen:
        classes, _, width = self.centres.shape
        read = torch.randint(classes, (self.count,), generator=self.rng)
        return Seen(12 * self._randn(self.count, width), torch.arange(self.count) % classes, read)

    def _few(self, seen: Seen, of_each: int) -> Seen:
        """The same few images again and again, all of them read as their class."""
        right = seen.take(seen.read == seen.labels)
        rows = [torch.where(right.labels == label)[0][:of_each] for label in range(len(self.centres))]
        positions = torch.stack(rows, 1).flatten()  # class after class, as everywhere
        return right.take(positions.repeat(-(-self.count // len(positions)))[: self.count])

    def _moved(self, seen: Seen, far: float) -> Seen:
        return Seen(seen.features + far * self._randn(*seen.features.shape), seen.labels, seen.read)

    def _swapped(self) -> Seen:
        real = self.draw()
        return Seen(real.features, (real.labels + 1) % len(self.centres), real.read)

    def _exchanged(self) -> Seen:
        real = self.draw()
        labels = torch.where(real.labels < 2, 1 - real.labels, real.labels)
        return Seen(real.features, labels, real.read)


def _halves(one: Seen, other: Seen) -> Seen:
    """The first half of one set, and the second of another."""
    first = torch.arange(len(one.labels)) < len(one.labels) // 2
    return Seen(*(torch.cat([a[first], b[~first]]) for a, b in zip(one, other, strict=True)))


Metric = Callable[[Seen, Seen, Seen], float]
"""From fake, training and test images to a score; higher is better."""


def ranked(metric: Metric, world: World, hidden: bool = False) -> dict[str, bool]:
    """Whether a metric puts the generators in their order, and the good one above every cheat: claim by claim."""
    made = world.generators() | world.cheats() | (world.hidden_cheats() if hidden else {})
    score = {name: metric(seen, world.training, world.test) for name, seen in made.items()}
    real, good, worse, noise, *cheats = made
    pairs = [(real, good), (good, worse), (worse, noise), *((good, cheat) for cheat in cheats)]
    return {f"{better} above {lesser}": score[better] > score[lesser] for better, lesser in pairs}


def draw_balls(axes: Any, real: Tensor, fake: Tensor, k: int = NEIGHBOURS) -> None:
    """Draw points (N, 2) and (M, 2), and around each of the real ones a disc that reaches to its k-th neighbour."""
    from matplotlib.patches import Circle

    reach = torch.stack([(real - point).norm(dim=1).kthvalue(k + 1).values for point in real])  # itself is the first
    for centre, radius in zip(real, reach, strict=True):
        axes.add_patch(Circle(centre, radius, color=COLOURS["D"], alpha=0.08, linewidth=0))
    axes.scatter(*real.T, s=10, color=COLOURS["D"], label="real, and its ball")
    axes.scatter(*fake.T, s=20, marker="x", color=COLOURS["G"], label="fake")
