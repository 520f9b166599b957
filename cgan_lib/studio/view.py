"""One place among latents and classes, a `View`: as inputs of a generator, as a picture, and as rows of pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cgan_lib.figures import WIDTH, as_png, draw_grid, house_style
from cgan_lib.files import png
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.sampling import blend, generate, latents, tile, truncate
from cgan_lib.studio.latent import Direction
from cgan_lib.studio.naming import REACH

STRIP_COLUMNS = 9


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

    def inputs(self, config: dict[str, int], directions: Sequence[Direction] = ()) -> tuple[Tensor, Tensor]:
        """`z` (count, latent_dim) and class weights (count, num_classes) for `generate`; `config` of the generator."""
        z = latents(self.index + self.count, config["latent_dim"], self.seed)[self.index :]
        if self.start is not None:
            z[0] = self.start
        if self.truncation is not None:
            z = truncate(z, self.truncation)
        for move, direction in zip(self.moves, directions, strict=False):
            z = z + move * direction.vector
        toward = self.label if self.toward is None else self.toward
        weights = blend(self.label, toward, torch.full((self.count,), self.t), config["num_classes"])
        return z, weights


def picture(generator: ConditionalGenerator, view: View, directions: Sequence[Direction]) -> Tensor:
    """The images of a view as one picture uint8 (3, height, width), as near to a square as they fit."""
    z, weights = view.inputs(generator.config, directions)
    images = generate(generator, weights, z=z)
    columns = round(view.count**0.5)
    return tile(images, columns) if view.count > 1 else images[0].expand(3, -1, -1)


def described(view: View, class_names: Sequence[str], name: str) -> str:
    """A picture of a view by the generator `name` in words, for those who do not see it."""
    what = class_names[view.label]
    if view.toward is not None and view.t > 0:
        what = f"{what} on its way to {class_names[view.toward]}, {view.t:.0%}"
    return f"{f'{view.count} images' if view.count > 1 else 'image'} of {what}, drawn by {name}"


def walks(
    generator: ConditionalGenerator, view: View, directions: Sequence[Direction], columns: int = STRIP_COLUMNS
) -> tuple[Tensor, list[str]]:
    """A row of images along each direction, and one from class to class, with a name for each row.

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
    if view.toward is not None:
        weights = blend(view.label, view.toward, torch.linspace(0, 1, columns), generator.config["num_classes"])
        rows.append(generate(generator, weights, z=z.expand(columns, -1)))
        names.append(f"{view.label} becomes {view.toward}")
    if not rows:
        z = latents(columns, generator.config["latent_dim"], view.seed)
        rows, names = [generate(generator, weights.expand(columns, -1), z=z)], ["other latents"]
    return torch.cat(rows), names


@house_style()
def strip(generator: ConditionalGenerator, view: View, directions: Sequence[Direction], name: str) -> bytes:
    """The rows of `walks` with their names, as PNG."""
    from matplotlib.figure import Figure

    rows = max(len(directions) + (view.toward is not None), 1)
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
