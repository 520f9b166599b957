"""Notebook 04, what may be made of a score: measurements that lie, how exact a share is, and copies."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from cgan_lib.course.exercises.comparing import Formula, close, compare, numbers, shaped
from cgan_lib.course.exercises.verdict import NotAttempted, Wrong, call, check
from cgan_lib.data import to_unit
from cgan_lib.evaluation.metrics import fid

Features = dict[str, Tensor]
Distance = Callable[[Tensor, Tensor], float]

CONFUSION = torch.tensor(
    [[197, 0, 1, 0, 2], [0, 192, 5, 0, 3], [4, 2, 190, 4, 0], [1, 3, 33, 160, 3], [0, 6, 5, 0, 89]]
)
"""A made-up table: row, the class that was asked for; column, the class that was read; images"""


@check("04", "debug", difficulty=2, minutes=12)
def check_two_sets(answer: Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, Tensor]]) -> str:
    """The features of real images uint8 and of fakes in [-1, 1], from a classifier that was trained just now."""
    for count, other, size in ((9, 9, 4), (6, 11, 5)):
        network = _trained(size)
        real = torch.randint(256, (count, 1, size, size), dtype=torch.uint8)
        fake = torch.rand(other, 1, size, size) * 2 - 1
        found, again = (_pair(call(answer, network, real, fake)) for _ in range(2))
        network.eval()
        unit = to_unit(real)
        if all(close(x, network(images)) for x, images in zip(found, (unit, fake), strict=True)):
            continue
        if all(close(x, network(images)) for x, images in zip(found, (fake, unit), strict=True)):
            raise Wrong("The features of the real images come first.")
        if not all(close(x, y) for x, y in zip(found, again, strict=True)):
            raise Wrong("Twice the same images, and two answers: which of its layers draw at random in training mode?")
        if close(found[0], network(real / 255)):
            raise Wrong("The real images go in with pixels from 0 to 1, the fakes from −1 to 1.")
        if close(found[0], network(unit)):
            raise Wrong("The real ones are right. The fakes are in the range of the classifier already: leave them.")
        if close(found[1], network(fake)):
            raise Wrong("The fakes are right. Pixels of the real ones run from 0 to 255: bring them to −1 … 1.")
        raise Wrong(
            "An image should give the same features in whatever batch it stands: put the classifier into evaluation "
            "mode before either set is read, and both sets into −1 … 1."
        )
    return "Neither fault raises an error: only a test that knows the answer finds them, such as real beside real."


def _trained(size: int) -> nn.Sequential:
    """A network in training mode that has seen other images: its BatchNorm and its dropout matter."""
    norm = nn.BatchNorm2d(3)
    layers = (nn.Conv2d(1, 3, 3, padding=1), norm, nn.ReLU(), nn.Flatten(), nn.Dropout(0.3))
    network = nn.Sequential(*layers, nn.Linear(3 * size * size, 4))
    with torch.no_grad():
        network(torch.randn(64, 1, size, size) * 0.7 - 0.4)
    return network


def _pair(value: Any) -> list[Tensor]:
    if isinstance(value, (str, Tensor)) or not isinstance(value, Iterable) or len(pair := list(value)) != 2:
        raise Wrong("Return two sets of features: of the real images, and of the fakes.")
    return [numbers(features) for features in pair]


@check("04", "debug", difficulty=2, minutes=10)
def check_fair_ranking(answer: Callable[[Distance, Tensor, Features], Iterable[str]]) -> str:
    """The names of generators, best first, from a distance, real features (N, d), and fakes of each (N_i, d)."""
    orders = ({"b": 1.5, "a": 1.0, "c": 1.2}, {"x": 1.0, "z": 1.8, "w": 1.2, "y": 1.45}, {"q": 1.2, "p": 1.0})
    for wide, fewest in zip(orders, (60, 48, 54), strict=True):
        best = sorted(wide, key=lambda name: wide[name])
        counts = dict(zip(best, [fewest, *torch.randint(1500, 3000, (len(best) - 1,)).tolist()], strict=True))
        fakes = {name: 0.1 + width * torch.randn(counts[name], 40) for name, width in wide.items()}
        real = torch.randn(4000, 40)
        asked: list[int] = []
        distance = _counting(asked, among=len(real))
        names = _names(call(answer, distance, real, fakes), fakes)
        if not asked:
            raise Wrong("Measure with the distance that is given.")
        if names == best[::-1]:
            raise Wrong("Best first: a small distance is a good one.")
        if len(set(asked)) > 1:
            raise Wrong(f"You compare a distance of {min(asked)} images with one of {max(asked)}: use equal counts.")
        if asked[0] < 0.75 * fewest:
            raise Wrong(f"Equal counts, but {asked[0]} images of each where every one has {fewest}: use what there is.")
        if names != best:
            raise Wrong("Measure every generator on as many different images as the fewest of them all.")
    return "The generator with the fewest images had looked like the worst, and was the best."


def _counting(asked: list[int], among: int) -> Distance:
    """FID, in whatever order the sets are given; writes down how many fakes it was asked of."""

    def distance(one: Tensor, other: Tensor) -> float:
        asked.append(len(one) if len(other) == among else len(other))
        return fid(one, other)

    return distance


def _names(value: Any, among: Features) -> list[str]:
    if isinstance(value, (str, dict)) or not isinstance(value, Iterable):
        raise Wrong("Return the names as a list, best first.")
    names = list(value)
    if sorted(map(str, names)) != sorted(among):
        raise Wrong("Return the names of all generators, each once: sorted(fakes, key=…) does so.")
    return names


@check("04", "debug", difficulty=2, minutes=10)
def check_held_out(answer: Callable[[Distance, Features, Tensor, Tensor], tuple[str, float]]) -> str:
    """Which checkpoint is best, and its distance, from a distance, features of each, of training and of test images."""
    for wide in (1.0, 2.0, 1.0):  # where training images scatter, all distances to them are the larger ones
        fakes, training, test = _checkpoints(wide)
        found = call(answer, fid, fakes, training, test)
        if isinstance(found, (str, Tensor)) or not isinstance(found, Iterable) or len(parts := list(found)) != 2:
            raise Wrong("Return two things: the name of the checkpoint, and its distance.")
        if not isinstance(parts[0], str) or parts[0] not in fakes:
            raise Wrong("The first of the two should be the name of a checkpoint.")
        _judge_choice(parts[0], _distances(training, fakes), _distances(test, fakes))
        score = shaped(parts[1], ())
        if close(score, torch.tensor(fid(training, fakes[parts[0]]))):
            raise Wrong("The choice is right. But this is its distance to the images it was chosen by.")
        if not close(score, torch.tensor(fid(test, fakes[parts[0]]))):
            raise Wrong("The choice is right; its score should be its distance to the test images.")
    return "A little worse than before, and now true of images that nobody has chosen by."


def _judge_choice(name: str, to_training: dict[str, float], to_test: dict[str, float]) -> None:
    if name == _least(to_test):
        raise Wrong("It was still chosen by the test images: after that they are no test.")
    if to_training[name] == max(to_training.values()):
        raise Wrong("The *smallest* distance is the best.")
    if name != _least(to_training):
        raise Wrong("Choose by the training images alone.")


def _distances(real: Tensor, fakes: Features) -> dict[str, float]:
    return {name: fid(real, features) for name, features in fakes.items()}


def _least(distances: dict[str, float]) -> str:
    return min(distances, key=lambda name: distances[name])


def _checkpoints(wide: float) -> tuple[Features, Tensor, Tensor]:
    """Training and test images a little apart, one checkpoint at each of them, one between, and two farther off."""
    way = nn.functional.normalize(torch.randn(3), dim=0)
    places = [2.5, *(0.5 * torch.randperm(3)).tolist(), 1.6]
    fakes = {f"step {500 * (k + 1)}": torch.randn(200, 3) + place * way for k, place in enumerate(places)}
    return fakes, wide * torch.randn(200, 3), torch.randn(200, 3) + way


@check("04", "answer", difficulty=1, minutes=6)
def check_confusion(answer: tuple[float, int, int]) -> str:
    """GAN-test in percent, the class that goes wrong most often, and what is drawn in its place, from `CONFUSION`."""
    if isinstance(answer, str) or not isinstance(answer, Iterable):
        raise Wrong("Give three numbers: GAN-test, a class, and the class drawn in its place.")
    parts = list(answer)
    if any(part is ... for part in parts):
        raise NotAttempted
    gan_test, worst, in_its_place = (value.item() for value in shaped(parts, (3,)).double())
    right, asked = CONFUSION.diag().double(), CONFUSION.sum(1)
    share = (right.sum() / asked.sum()).item()
    if abs(gan_test - 100 * (right / asked).mean().item()) < 0.06:
        raise Wrong("GAN-test is a share of all images: this is the mean over the classes, which are not equally many.")
    if abs(gan_test - share) < 1e-3:
        raise Wrong("GAN-test in percent.")
    if not abs(gan_test - 100 * share) <= 0.06:
        raise Wrong("GAN-test: how many images stand on the diagonal, in percent of all 900?")
    if worst == (right / CONFUSION.sum(0)).argmin().item():
        raise Wrong("That is the class whose *column* holds most strangers. Rows say what was asked for.")
    if worst != (right / asked).argmin().item():
        raise Wrong("The class that goes wrong most often: in which row is the smallest share on the diagonal?")
    if in_its_place != 2:
        raise Wrong("In its place: the largest number of its row that is not on the diagonal.")
    return "A generator that draws every fifth 3 as a 2, and hides it behind a good mean."


@check("04", "build", difficulty=2, minutes=10)
def check_interval(answer: Callable[[Tensor], tuple[Tensor, Tensor]]) -> str:
    """The 95% bootstrap interval (low, high) of a share, from hits (N,), 1.0 or 0.0 each."""
    cases = [(n, share) for n, share in ((400, 0.9), (2000, 0.75), (1000, 0.5), (5000, 0.97), (3000, 0.3))]
    ends, widths = [], []
    for n, share in cases:
        hits = torch.zeros(n)
        hits[: round(n * share)] = 1.0
        low, high = shaped(call(answer, hits[torch.randperm(n)]), (2,)).double().tolist()
        one = (share * (1 - share) / n) ** 0.5  # the standard deviation of the share
        ends.append(((low - share) / one, (high - share) / one))
        widths.append((high - low) / one)
    _judge_interval(ends, sum(widths) / len(widths) / (2 * 1.96))
    return "Ten times the images, and it is only about a third as wide."


def _judge_interval(ends: list[tuple[float, float]], width: float) -> None:
    """`Wrong` unless the ends, in deviations from the share, lie near ±1.96, and so wide on average."""
    hints = {
        "It has no width: draw N of the N *with* putting back, torch.randint(N, (N,)).": width == 0,
        "Low first, then high.": width < 0,
        "It should be an interval of the *share*: take the mean of every draw first.": width > 5,
        "Far too wide: every draw should be as large as the data, N.": width > 1.4,
        "That holds 68% of the draws, one deviation on either side: for 95% leave out 2.5% at either end.": (
            0.45 < width < 0.56
        ),
        "That holds 90% of the draws: for 95% leave out 2.5% at either end.": 0.8 < width < 0.89,
        "That holds 99% of the draws: for 95% leave out 2.5% at either end.": 1.25 < width < 1.4,
        "Not as wide as 95% of the draws of N images are.": not abs(width - 1) <= 0.07,
        "The interval should lie around the share itself, and follow it.": not all(
            abs(low + 1.96) <= 0.6 and abs(high - 1.96) <= 0.6 for low, high in ends
        ),
    }
    for hint, applies in hints.items():
        if applies:
            raise Wrong(hint)


@check("04", "build", difficulty=2, minutes=10)
def check_copied(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """The share of fakes nearer to a training image than 95% of test images are, from images uint8 (N, 1, H, W)."""
    sizes = ((30, 60, 21, 3), (41, 50, 41, 2), (45, 80, 21, 4))  # of 21 or 41 numbers the quantile is one of them
    cases = [_with_copies(*size) for size in sizes]
    mistakes: dict[str, Formula] = {
        "Right in percent. Give the share, from 0 to 1.": lambda f, x, t: 100 * _copied(f, x, t),
        "These are how many; give the share of all fakes.": lambda f, x, t: len(f) * _copied(f, x, t),
        "This is the share that is *not* copied.": lambda f, x, t: 1 - _copied(f, x, t),
        "Nearer than 95% of the test images: below the quantile 0.05 of their distances, not 0.95.": lambda f, x, t: (
            _copied(f, x, t, 0.95)
        ),
        "The median asks for nearer than half of them: quantile 0.05.": lambda f, x, t: _copied(f, x, t, 0.5),
        "Nearer than 95%, not than all of them: quantile 0.05.": lambda f, x, t: _copied(f, x, t, 0.0),
        "The distance to the *nearest* training image, not the mean of all.": lambda f, x, t: (
            (torch.cdist(_flat(f), _flat(x)).mean(1) < torch.cdist(_flat(t), _flat(x)).mean(1).quantile(0.05)).float()
        ).mean(),
        "That compares fakes with test images; copies are copies of *training* images.": lambda f, x, t: _copied(
            f, t, x
        ),
        "Each *fake* has a nearest training image: that is min(1) where fakes are rows.": lambda f, x, t: (
            (torch.cdist(_flat(f), _flat(x)).min(0).values < _nearest(t, x).quantile(0.05)).float().mean()
        ),
        "The bound comes from test images: these are new for certain.": lambda f, x, t: (
            (_nearest(f, x) < _nearest(f, x).quantile(0.05)).float().mean()
        ),
    }
    otherwise = "Flatten to numbers, .flatten(1).float(); the distance to the nearest is torch.cdist(…).min(1).values."
    compare(answer, cases, _copied, mistakes, otherwise)
    return "Real images themselves score 5%, by definition: that is the floor."


def _with_copies(fakes: int, training: int, test: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Images of which some are copies, some a mixture of a copy and a new image, and some are new."""
    x, y, new = (torch.randint(256, (count, 1, size, size), dtype=torch.uint8) for count in (training, test, fakes))
    mixed = x[:fakes].float().lerp(new.float(), torch.linspace(0, 1, fakes)[torch.randperm(fakes), None, None, None])
    return mixed.round().to(torch.uint8), x, y


def _flat(images: Tensor) -> Tensor:
    return images.flatten(1).double()


def _nearest(images: Tensor, training: Tensor) -> Tensor:
    return torch.cdist(_flat(images), _flat(training)).min(1).values


def _copied(fakes: Tensor, training: Tensor, test: Tensor, quantile: float = 0.05) -> Tensor:
    return (_nearest(fakes, training) < _nearest(test, training).quantile(quantile)).float().mean()
