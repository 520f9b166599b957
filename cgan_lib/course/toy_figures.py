"""Pictures of the toy of notebook 01: points and modes, a discriminator beside the best one, an animated training."""

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cgan_lib.course.toy import (
    CENTRES,
    EXTENT,
    NEAR,
    RADIUS,
    Logits,
    Snapshot,
    best_discriminator,
    cloud_density,
    covered,
    plane,
    pull,
    ring_density,
)
from cgan_lib.figures import COLOURS, INK, LINES, SMALL, WIDTH, house_style
from cgan_lib.files import save_gif

FRAME = 3.2  # inches of the animation
LEVELS = 10  # shades of a map: few, so that an animation stays small
SHADES = 32  # of a picture of the animation: half the size of 256
ARROWS = 11  # to each side
LONGEST = 0.75  # of an arrow, in distances between arrows
FAKE_TINT, REAL_TINT = "#f6d3c3", "#b9d2e3"  # of regions that a discriminator calls so


@house_style()
def show_points(panels: Mapping[str, Tensor], columns: int = 5) -> None:
    """Draw sets of points (N,2) side by side, each below its title; a circle marks a mode, a full one is covered.

    Points called “real” have the colour of reals.
    """
    import matplotlib.pyplot as plt

    width = WIDTH / columns
    figure, axes = plt.subplots(1, len(panels), figsize=(width * len(panels), width + 0.4), squeeze=False)
    for panel, (title, points) in zip(axes[0], panels.items(), strict=True):
        _draw_modes(panel, covered(points))
        panel.scatter(points[:, 0], points[:, 1], s=5, color=COLOURS["D" if title == "real" else "G"], linewidths=0)
        _frame(panel, title)
    plt.show()


@house_style()
def show_best(logits: Logits) -> None:
    """Draw D* = p / (p + q) of ring and cloud, what a trained discriminator gives, and both along the circle."""
    import matplotlib.pyplot as plt

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(WIDTH, 3.3), width_ratios=(1, 1, 1.2))
    points = plane(120)
    _draw_probability(left, best_discriminator(ring_density(points), cloud_density(points)))
    _frame(left, "D* = p / (p + q)")
    picture = _draw_probability(middle, probability(logits, points))
    _frame(middle, "D, trained")
    figure.colorbar(picture, ax=middle, ticks=(0, 0.5, 1), shrink=0.8)
    angles = 2 * math.pi * torch.arange(361) / 360
    circle = RADIUS * torch.stack([angles.cos(), angles.sin()], 1)  # (361,2)
    right.plot(range(361), (ring_density(circle) / cloud_density(circle)).log(), **LINES["D"], label="log p/q")
    right.plot(range(361), logits(circle).detach(), **LINES["G"], label="trained logit")
    right.set(xlabel="angle on the circle, degrees", xticks=range(0, 361, 90))
    right.set_ylabel("logit")
    right.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, borderpad=0.1, columnspacing=1)
    plt.show()


def animate(snapshots: Sequence[Snapshot], seconds: float = 8.0) -> Any:
    """The first run of an unconditional training as an animation for a notebook (GIF).

    It shows what D believes (blue: real, red: fake), where its slope pulls, and the samples among the modes.
    """
    from IPython.display import Image

    pictures = [picture_of(snapshot) for snapshot in snapshots]
    with tempfile.TemporaryDirectory() as folder:
        path = save_gif(pictures, Path(folder) / "training.gif", seconds=seconds, there_and_back=False, scale=1)
        return Image(data=path.read_bytes(), format="gif")


@house_style()
def picture_of(snapshot: Snapshot) -> Tensor:
    """One picture of the animation, uint8 (3,H,W)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    samples = snapshot.samples[0]  # (SHOWN,2)
    figure = Figure(figsize=(FRAME, FRAME))
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _draw_probability(axes, probability(snapshot.logits, plane(80)))
    _draw_pull(axes, snapshot.logits)
    _draw_modes(axes, covered(samples))
    axes.scatter(samples[:, 0], samples[:, 1], s=7, color=COLOURS["G"], linewidths=0, zorder=3)
    _frame(axes, f"step {snapshot.step:,}: {int(covered(samples).sum())} of 8 modes")
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    picture = picture.quantize(SHADES, dither=Image.Dither.NONE).convert("RGB")
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)  # (H,W,3) → (3,H,W)


def probability(logits: Logits, points: Tensor) -> Tensor:
    """D at points (side,side,2): (side,side)."""
    return logits(points.flatten(0, 1)).detach().sigmoid().unflatten(0, points.shape[:2])


def _draw_probability(axes: Any, values: Tensor) -> Any:
    from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("fake to real", [FAKE_TINT, "white", REAL_TINT])
    norm = BoundaryNorm(np.linspace(0, 1, LEVELS + 1), colours.N)
    sides = (-EXTENT, EXTENT, -EXTENT, EXTENT)
    return axes.imshow(values.numpy(), origin="lower", extent=sides, cmap=colours, norm=norm, interpolation="nearest")


def _draw_pull(axes: Any, logits: Logits) -> None:
    points = plane(ARROWS).flatten(0, 1)  # (ARROWS²,2)
    arrows = pull(logits, points)
    size = arrows.norm(dim=1, keepdim=True).clamp(min=1e-12)
    # A root of the size, or a few long arrows would leave the others invisible
    arrows = LONGEST * 2 * EXTENT / ARROWS * (size / size.max()).sqrt() * arrows / size
    style = dict(angles="xy", scale_units="xy", scale=1, color=INK, alpha=0.6, width=0.004)
    axes.quiver(*points.T.numpy(), *arrows.T.numpy(), **style)


def _draw_modes(axes: Any, filled: Tensor) -> None:
    from matplotlib.patches import Circle

    for centre, there in zip(CENTRES.tolist(), filled.tolist(), strict=True):
        line = dict(linewidth=1.6, linestyle="-") if there else dict(linewidth=1.0, linestyle=":")
        axes.add_patch(Circle(centre, NEAR, fill=False, edgecolor=COLOURS["D"], **line))


def _frame(axes: Any, title: str) -> None:
    axes.set(xlim=(-EXTENT, EXTENT), ylim=(-EXTENT, EXTENT), xticks=(-2, 0, 2), yticks=(-2, 0, 2), aspect="equal")
    axes.set_title(title)
    axes.tick_params(labelsize=SMALL)
