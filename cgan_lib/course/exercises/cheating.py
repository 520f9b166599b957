"""Notebook 04, to design: a cheat that fools FID, and a metric that no cheat fools."""

from collections.abc import Callable, Sequence
from statistics import fmean

import torch
from torch import Tensor

from cgan_lib.course.clouds import Metric, Seen, World, ranked
from cgan_lib.course.exercises.comparing import shaped
from cgan_lib.course.exercises.verdict import Wrong, call, check
from cgan_lib.evaluation.metrics import fid, neighbourhoods

PICTURES = 40  # that the cheat may know
BEST = 0.4  # of the FID of pictures taken at random: so much the cheat may score
RIGHT = 0.93  # of all comparisons: a metric that no copy check is in, or no look at labels, does not get so far
CLOUDS = ((1001, 5, 4), (1002, 4, 6), (1003, 6, 5))  # seed, classes, width


def _worlds(count: int) -> list[World]:
    return [World(seed, classes=classes, width=width, count=count) for seed, classes, width in CLOUDS]


@check("04", "design", difficulty=2, minutes=20)
def check_cheat(answer: Callable[[Seen, int], Sequence[int]]) -> str:
    """Which few training images to repeat for ever (count,), such that GAN-test is 100% and FID small."""
    worlds = _worlds(480)
    shares = []
    for world in worlds:
        drawn = world.training.take(_positions(answer, world.training))
        if (misread := (drawn.read != drawn.labels).sum().item()) > 0:
            raise Wrong(f"GAN-test is below 100%: {misread} of your {PICTURES} pictures are not read as their label.")
        shares.append(_repeated_fid(drawn, world.test) / _by_chance(world))
    if fmean(shares) > 1:
        raise Wrong(f"FID is {fmean(shares):.0%} of what {PICTURES} random pictures score: chance cheats better.")
    if fmean(shares) > BEST:
        raise Wrong(f"FID is {fmean(shares):.0%} of what {PICTURES} random pictures score; {BEST:.0%} will do.")
    seen = neighbourhoods(world.test.features, drawn.features.repeat(len(world.test.labels) // PICTURES, 1))
    found = f"GAN-test 100%, and FID {fmean(shares):.0%} of that of random pictures."
    return f"{found} What gives it away: recall {seen.recall:.2f}, with {PICTURES} pictures for ever."


def _positions(answer: Callable[[Seen, int], Sequence[int]], training: Seen) -> Tensor:
    found = shaped(call(answer, training, PICTURES), (PICTURES,))
    if found.is_floating_point() or found.dtype == torch.bool:
        raise Wrong(f"Return positions in the training set, {PICTURES} whole numbers.")
    if found.min() < 0 or found.max() >= len(training.labels):
        raise Wrong(f"Positions run from 0 to {len(training.labels) - 1}.")
    return found.long()


def _repeated_fid(drawn: Seen, test: Seen) -> float:
    return fid(drawn.features.repeat(len(test.labels) // len(drawn.labels), 1), test.features)


def _by_chance(world: World) -> float:
    """The mean FID of so many random pictures, equally many of each class as far as that goes."""
    of_each = PICTURES // len(world.centres)
    rows = [torch.where(world.training.labels == label)[0] for label in range(len(world.centres))]
    drawn = [torch.cat([row[torch.randperm(len(row))[:of_each]] for row in rows]) for _ in range(40)]
    return fmean(_repeated_fid(world.training.take(positions), world.test) for positions in drawn)


@check("04", "design", difficulty=3, minutes=30)
def check_own_metric(answer: Metric) -> str:
    """A score of fake, training and test images that ranks generators rightly, and that no cheat fools."""

    def score(fake: Seen, training: Seen, test: Seen) -> float:
        return shaped(call(answer, fake, training, test), ()).item()

    found = [claim for world in _worlds(240) for claim in ranked(score, world, hidden=True).items()]
    wrong = [name for name, right in found if not right]
    told = f"{len(found) - len(wrong)} of {len(found)} comparisons are right"
    if len(wrong) > (1 - RIGHT) * len(found):
        raise Wrong(f"{told}; {RIGHT:.0%} are asked for. It misses most often: {max(wrong, key=wrong.count)}.")
    return f"{told}, on cheats that you had not seen."
