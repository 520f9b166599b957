"""One place among latents and classes, a `View`: as inputs of a generator, as a picture, and as rows of pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cgan_lib.attributes import join_labels, split_labels
from cgan_lib.classes import Classes
from cgan_lib.figures import WIDTH, as_png, draw_grid, house_style
from cgan_lib.files import png
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.sampling import blend, generate, latents, tile, truncate
from cgan_lib.studio.latent import Direction
from cgan_lib.studio.naming import REACH

STRIP_COLUMNS = 9
MOST_ALONG = 10  # values along a side of a table
LONGEST = 20  # letters of a name beside a row


@dataclass(frozen=True)
class View:
    """What to look at: a place among latents and classes, and how many images of it; sliders and requests end in it."""

    label: int
    toward: int | None = None
    """another class"""
    t: float = 0.0
    """how far on the way there, 0 to 1"""
    moves: tuple[float, ...] = ()
    """how far to go along each direction"""
    seed: int = 0
    truncation: float | None = None
    count: int = 1
    index: int = 0
    """which latent of the seed is the first"""
    start: Tensor | None = None
    """(latent_dim,), in place of the first latent"""
    table: tuple[tuple[int, ...], ...] = ()
    """rows of classes, in place of `count` images of one: all of the first latent"""

    def inputs(self, config: dict[str, int], directions: Sequence[Direction] = ()) -> tuple[Tensor, Tensor]:
        """`z` (count, latent_dim) and class weights (count, num_classes) for `generate`; `config` of the generator."""
        z = latents(self.index + self.count, config["latent_dim"], self.seed)[self.index :]
        if self.start is not None:
            z[0] = self.start
        if self.truncation is not None:
            z = truncate(z, self.truncation)
        for move, direction in zip(self.moves, directions, strict=False):
            z = z + move * direction.vector
        if self.table:
            z = z[:1].expand(sum(map(len, self.table)), -1)
        return z, self._weights(config["num_classes"], len(z))

    def _weights(self, num_classes: int, count: int) -> Tensor:
        """Class weights (count, num_classes), each so far on its way."""
        labels = [label for row in self.table for label in row] or [self.label] * count
        ways = {label: blend(label, self._goal(label), torch.tensor([self.t]), num_classes) for label in set(labels)}
        return torch.cat([ways[label] for label in labels])

    def _goal(self, label: int) -> int:
        return label if self.toward is None else self.toward


def picture(generator: ConditionalGenerator, view: View, directions: Sequence[Direction]) -> Tensor:
    """The images of a view as one picture uint8 (3, height, width), as near to a square as they fit."""
    z, weights = view.inputs(generator.config, directions)
    images = generate(generator, weights, z=z)
    columns = len(view.table[0]) if view.table else round(view.count**0.5)
    return tile(images, columns) if len(images) > 1 else images[0].expand(3, -1, -1)


def combinations(label: int, classes: Classes) -> tuple[tuple[tuple[int, ...], ...], str]:
    """Classes that differ from `label` in two attributes, those with most values: rows of a table, and what it shows.

    Along a side there are ten at most, around the one that is chosen.
    """
    names, values = list(classes.attributes), split_labels(torch.tensor([label]), classes.sizes)[0]
    across, down = sorted(range(len(names)), key=lambda k: -classes.sizes[k])[:2]
    rows = []
    for of_row in _around(int(values[down]), classes.sizes[down]):
        table = values.repeat(min(classes.sizes[across], MOST_ALONG), 1)  # (columns, A)
        table[:, down] = of_row
        table[:, across] = torch.tensor(_around(int(values[across]), classes.sizes[across]))
        rows.append(tuple(join_labels(table, classes.sizes).tolist()))
    return tuple(rows), f"across: {names[across]}, down: {names[down]}"


def _around(value: int, size: int) -> range:
    first = max(0, min(value - MOST_ALONG // 2, size - MOST_ALONG))
    return range(first, min(first + MOST_ALONG, size))


def described(view: View, class_names: Sequence[str], name: str) -> str:
    """A picture of a view by the generator `name` in words, for those who do not see it."""
    what = class_names[view.label]
    if view.table:
        rows, columns = len(view.table), len(view.table[0])
        first, last = (class_names[label] for label in (view.table[0][0], view.table[-1][-1]))
        return f"{rows} × {columns} classes, from {first} to {last}, drawn by {name}"
    if view.toward is not None and view.t > 0:
        what = f"{what} on its way to {class_names[view.toward]}, {view.t:.0%}"
    return f"{f'{view.count} images' if view.count > 1 else 'image'} of {what}, drawn by {name}"


def walks(
    generator: ConditionalGenerator, view: View, directions: Sequence[Direction], columns: int = STRIP_COLUMNS
) -> tuple[Tensor, list[str]]:
    """A row of images along each direction, one to the other class, and one through each attribute; and their names.

    Images uint8 (rows · columns, C, H, W): what each slider would show, the others being where they are, for viewers
    that have no sliders. Where nothing slides, a row of other latents.
    """
    z, weights = (inputs[:1] for inputs in view.inputs(generator.config, directions))
    far = torch.linspace(-REACH, REACH, columns)[:, None]  # (columns, 1)
    moves = [*view.moves, *[0.0] * len(directions)]
    rows = [
        generate(generator, weights.expand(columns, -1), z=z + (far - move) * direction.vector)
        for move, direction in zip(moves, directions, strict=False)
    ]
    names = [direction.label(number) for number, direction in enumerate(directions, start=1)]
    for name, classes_of_row in _class_rows(generator, view, columns):
        rows.append(generate(generator, classes_of_row, z=z.expand(columns, -1)))
        names.append(name)
    if not rows:
        z = latents(columns, generator.config["latent_dim"], view.seed)
        rows, names = [generate(generator, weights.expand(columns, -1), z=z)], ["other latents"]
    return torch.cat(rows), names


def _class_rows(generator: ConditionalGenerator, view: View, columns: int) -> Iterator[tuple[str, Tensor]]:
    """Names and class weights (columns, num_classes) of rows that go from class to class."""
    classes = Classes.of(generator)
    if view.toward is not None:
        weights = blend(view.label, view.toward, torch.linspace(0, 1, columns), len(classes.names))
        yield f"{_short(classes.names[view.label])} becomes {_short(classes.names[view.toward])}", weights
    values = split_labels(torch.tensor([view.label]), classes.sizes)
    for k, (name, known) in enumerate(classes.attributes.items()):
        row = values.repeat(len(known), 1)  # (values, A)
        row[:, k] = torch.arange(len(known))
        ends = F.one_hot(join_labels(row, classes.sizes), len(classes.names)).float()
        yield f"{_short(name)}: {_short(known[0])} … {_short(known[-1])}", _along(ends, columns, generator.mixes)


def _along(stations: Tensor, columns: int, mixes: bool) -> Tensor:
    """Rows (n, …) at so many places from the first to the last, evenly: (columns, …); mixed in between, if they may."""
    places = torch.linspace(0, len(stations) - 1, columns)
    if not mixes or len(stations) > columns:
        return stations[places.round().long()]
    before = places.floor().long().clamp(max=len(stations) - 2)
    return torch.lerp(stations[before], stations[before + 1], (places - before)[:, None])


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


@house_style()
def strip(generator: ConditionalGenerator, view: View, directions: Sequence[Direction], name: str) -> bytes:
    """The rows of `walks` with their names, as PNG."""
    from matplotlib.figure import Figure

    rows = max(len(directions) + len(list(_class_rows(generator, view, STRIP_COLUMNS))), 1)
    figure = Figure(figsize=(WIDTH, 0.5 + 0.74 * rows), layout="compressed")
    draw_walks(figure.subplots(), generator, view, directions, f"{name}: what the sliders do")
    return as_png(figure)


def draw_walks(
    axes: Any, generator: ConditionalGenerator, view: View, directions: Sequence[Direction], title: str
) -> None:
    """Draw the rows of `walks` with their names into matplotlib axes."""
    images, names = walks(generator, view, directions)
    draw_grid(axes, images, [name.replace(", ", ",\n") for name in names], title, STRIP_COLUMNS)


def enlarged(picture: Tensor, side: int) -> bytes:
    """A picture uint8 (3,H,W) as PNG, smoothed, its longer side `side` pixels or, if it is larger, as it is."""
    scale = max(side / max(picture.shape[1:]), 1)
    size = [round(scale * length) for length in picture.shape[1:]]
    large = F.interpolate(picture[None].float(), size=size, mode="bicubic", antialias=True)[0]  # (3, height, width)
    return png(large.round().clamp(0, 255).byte(), scale=1, quick=True)
