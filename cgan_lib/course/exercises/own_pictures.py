"""Notebook 09, pictures of one's own: numbers of classes, colours, pictures on their sides, uneven classes, spreads."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cgan_lib.course.exercises.comparing import Formula, close, compare, numbers, shaped
from cgan_lib.course.exercises.verdict import Wrong, call, check

LABELS = (  # uneven, in any order; not every class below the largest has a picture
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2],
    [4, 1, 4, 4, 0, 1, 4, 4, 4, 1, 4, 4, 1, 4, 4, 4, 1, 4, 0, 0],
    [2, 2, 1, 2, 2, 5, 2, 2, 2, 2, 5],
)


@check("09", "debug", difficulty=1, minutes=6)
def check_class_numbers(answer: Callable[[Tensor, Tensor, int, int], Tensor]) -> str:
    """Classes (N,) from digits (N,), colours (N,), and how many digits and colours there are: colours count fastest."""
    cases = []
    for num_digits, num_colours in ((10, 3), (4, 5), (7, 7)):
        digits = torch.randint(num_digits, (12,))
        digits[:2] = torch.tensor([0, num_digits - 1])
        cases.append((digits, torch.arange(12) % num_colours, num_digits, num_colours))
    compare(
        answer,
        cases,
        lambda d, c, digits, colours: d * colours + c,
        {
            "Still the other way round: 0 red and 0 green are neighbours, so colours count fastest.": (
                lambda d, c, digits, colours: c * digits + d
            ),
            "From 0 red to 1 red there are as many classes as colours, not as digits.": (
                lambda d, c, digits, colours: d * digits + c
            ),
            "The digit takes the larger steps, not the colour.": lambda d, c, digits, colours: c * colours + d,
            "A 1 in red and a 0 in green get one number: different pairs are different classes.": (
                lambda d, c, digits, colours: d + c
            ),
            "Classes are counted from 0.": lambda d, c, digits, colours: d * colours + c + 1,
            "Not three colours always: num_colours says how many.": lambda d, c, digits, colours: d * 3 + c,
        },
        "How far apart are the numbers of 0 red and 0 green? And those of 0 red and 1 red?",
    )
    return "One line, two possible orders: only the names of the classes tell which one is meant."


@check("09", "debug", difficulty=2, minutes=8)
def check_three_channels(answer: Callable[[Tensor], Tensor]) -> str:
    """Images uint8 (N, 1, H, W) or (N, 3, H, W) → uint8 (N, 3, H, W)."""
    kinds = set()
    for count, channels, height, width in ((5, 1, 4, 6), (5, 3, 4, 6), (3, 3, 5, 5), (1, 1, 3, 2), (3, 1, 2, 3)):
        images = torch.randint(256, (count, channels, height, width), dtype=torch.uint8)
        found = call(answer, images)
        pixels = shaped(found, (count, 3, height, width))
        right = images.expand(-1, 3, -1, -1)
        if not torch.equal(pixels.double(), right.double()):
            _explain_channels(pixels.double(), images)
        kinds.add(pixels.dtype)
    if kinds != {torch.uint8}:
        raise Wrong("The pixels are right; they should stay uint8, as a data set holds them.")
    return "Grey is three equal channels, and what has colours keeps them."


def _explain_channels(pixels: Tensor, images: Tensor) -> None:
    grey = images.double().mean(1, keepdim=True)
    mistakes = {
        "The first channel three times: what was green or blue is lost.": images[:, :1],
        "The mean of the channels: all colours are grey now.": grey,
        "Red and blue are exchanged.": images.flip(1),
        "Colours are gone: three channels stay as they are.": _luma(images),
    }
    for hint, mistake in mistakes.items():
        if (pixels - mistake.double()).abs().max() <= 1:  # with whatever rounding
            raise Wrong(hint)
    if not torch.equal(pixels[:, :1], pixels[:, 1:2]) and images.shape[1] == 1:
        raise Wrong("A grey image has three equal channels: repeat its one.")
    if pixels.max() <= 1 < images.max():
        raise Wrong("Pixels run from 0 to 255 here, as uint8: leave them so.")
    raise Wrong("Each pixel stays where it is, as it is; only a single channel is repeated.")


def _luma(images: Tensor) -> Tensor:
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64).view(1, 3, 1, 1)  # ITU-R 601
    return (images.expand(-1, 3, -1, -1) * weights).sum(1, keepdim=True)


@check("09", "debug", difficulty=1, minutes=6)
def check_upright(answer: Callable[[Tensor, int, int], Tensor]) -> str:
    """Pixels (N, H·W) that were written column by column, H and W → images (N, 1, H, W)."""
    cases = [(torch.randint(256, (n, h * w), dtype=torch.uint8), h, w) for n, h, w in ((3, 4, 6), (1, 5, 2), (2, 3, 3))]

    def right(pixels: Tensor, height: int, width: int) -> Tensor:
        return pixels.reshape(-1, 1, width, height).transpose(2, 3)

    mistakes: dict[str, Formula] = {
        "Still read row by row: the first H numbers are the first column.": (
            lambda pixels, height, width: pixels.reshape(-1, 1, height, width)
        ),
        "Now they lie on their sides: exchange rows and columns at the end.": (
            lambda pixels, height, width: pixels.reshape(-1, 1, width, height)
        ),
        "Upside down.": lambda pixels, height, width: right(pixels, height, width).flip(2),
        "Mirrored: left and right are exchanged.": lambda pixels, height, width: right(pixels, height, width).flip(3),
        "A channel is missing: (N, 1, H, W).": lambda pixels, height, width: right(pixels, height, width)[:, 0],
        "Rows and columns are exchanged once too often: first read columns as rows of length H.": (
            lambda pixels, height, width: pixels.reshape(-1, 1, height, width).transpose(2, 3)
        ),
    }
    compare(answer, cases, right, mistakes, "The first H numbers are the first column, from top to bottom.")
    return "No error, no warning, and every letter of EMNIST on its side: look at the pictures."


@check("09", "debug", difficulty=2, minutes=12)
def check_split(answer: Callable[[Tensor, int], Tensor]) -> str:
    """Positions of the test images, from labels (N,) and `every`: of each class n // every, at least one of two."""
    for labels in map(torch.tensor, LABELS):
        for every in (3, 6):
            rows, again = (_rows(call(answer, labels, every), len(labels)) for _ in range(2))
            if rows != again:
                raise Wrong("Another part at each call: what is tested with today was trained with yesterday.")
            _check_parts(rows, labels, every)
    return "Every class is in both parts, and a class of one picture is trained with."


def _rows(value: Any, count: int) -> list[int]:
    found = numbers(value)
    if found.dtype == torch.bool and found.shape == (count,):
        found = found.nonzero().flatten()  # a mask says the same
    if found.ndim != 1 or found.is_floating_point():
        raise Wrong("Return positions, whole numbers (M,): those of the images to test with.")
    rows = sorted(found.tolist())
    if len(set(rows)) < len(rows):
        raise Wrong("A position comes twice.")
    if rows and not 0 <= rows[0] <= rows[-1] < count:
        raise Wrong(f"Positions are from 0 to {count - 1} here.")
    return rows


def _check_parts(rows: list[int], labels: Tensor, every: int) -> None:
    for label in labels.unique().tolist():
        members = (labels == label).sum().item()
        tested = (labels[rows] == label).sum().item()
        wanted = max(members // every, 1 if members > 1 else 0)
        if tested == members and members > 1:
            raise Wrong(f"All {members} images of a class are tested with: none is left to learn it from.")
        if tested and members == 1:
            raise Wrong("The only image of a class belongs to training.")
        if not tested and members > 1:
            raise Wrong(f"A class of {members} images has none to test with: go through the classes one by one.")
        if tested != wanted:
            raise Wrong(f"Of a class of {members} images, one in {every} is {wanted}; yours are {tested}.")


@check("09", "build", difficulty=2, minutes=8)
def check_drawn_weights(answer: Callable[[Tensor], Tensor]) -> str:
    """A weight for each image (N,), from labels (N,): drawn by them, each class comes equally often."""
    for labels in map(torch.tensor, LABELS):
        found = numbers(call(answer, labels)).double()
        counts = labels.bincount().double()
        if found.shape == counts.shape != labels.shape:
            raise Wrong("That is a weight for each class: choose for each image that of its label, weights[labels].")
        weights = shaped(found, tuple(labels.shape))
        if not weights.isfinite().all() or weights.min() < 0 or weights.sum() == 0:
            raise Wrong("Weights are finite, none below 0, and not all 0.")
        of_each = counts[labels]
        if close(weights / weights.sum(), 1 / of_each / (1 / of_each).sum()):
            continue
        mistakes = {
            "All equal: a frequent class still comes more often.": torch.ones_like(of_each),
            "The wrong way round: a frequent class comes even more often.": of_each,
            "Too much: rare classes come more often than the others.": of_each**-2,
            "Half the way: the root of the counts leaves frequent classes in front.": of_each**-0.5,
            "Weights that fall with the count, but a class of twice as many images needs half the weight.": (
                of_each.max() + 1 - of_each
            ),
        }
        for hint, mistake in mistakes.items():
            if close(weights / weights.sum(), mistake / mistake.sum()):
                raise Wrong(hint)
        totals = torch.zeros_like(counts).index_add_(0, labels, weights)
        raise Wrong(f"The weights of each class should add up to the same; yours to {_listed(totals[counts > 0])}.")
    return "The weights of every class add up to the same. Rare images come again and again: this makes none new."


def _listed(values: Tensor) -> str:
    return ", ".join(f"{value:.2g}" for value in values.tolist())


RUNS = (
    ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0], "first"),
    ([9.0, 7.5, 8.0], [7.0, 6.0, 5.5], "second"),
    ([1.0, 2.0, 9.0], [8.0, 8.5, 10.0], "neither"),
    ([10.0, 6.0, 6.5], [6.2, 9.0, 9.5], "neither"),
    ([3.0, 4.0, 5.0], [5.0, 6.0, 7.0], "neither"),
    ([5.0], [5.5], "neither"),
    ([30.0, 10.0], [31.0, 32.0, 33.0], "first"),
)


@check("09", "build", difficulty=1, minutes=6)
def check_which_is_better(answer: Callable[[list[float], list[float]], str]) -> str:
    """`first`, `second` or `neither`, from FIDs of two losses, one of each seed: better wins with every seed."""
    found = [call(answer, list(first), list(second)) for first, second, _ in RUNS]
    if any(each not in ("first", "second", "neither") for each in found):
        raise Wrong('Return one of the texts "first", "second" and "neither".')
    expected = [right for *_, right in RUNS]
    if found == expected:
        return "Three seeds cannot prove much; they can show that there is nothing to say."
    reversed_ = [{"first": "second", "second": "first"}.get(each, each) for each in found]
    if reversed_ == expected:
        raise Wrong("The other one: a low FID is a good one.")
    if found[5] != "neither":
        raise Wrong("One seed each: nobody knows how far another would be from it. Say neither.")
    if found[4] != "neither":
        raise Wrong("Two runs are equal there: not every run of one is below every run of the other.")
    if "neither" in (found[0], found[1], found[6]):
        raise Wrong("Where all runs of one are below all of the other, say so.")
    raise Wrong("The ranges overlap, and you name a winner: compare the worst run of one with the best of the other.")
