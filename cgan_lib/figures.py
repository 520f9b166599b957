"""What is drawn into matplotlib axes, wherever it is shown: grids of images, curves of a run, a confusion matrix."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from cgan_lib.sampling import GRID_COLUMNS, tile

STYLE = Path(__file__).with_name("house.mplstyle")
COLOURS = {"G": "#c8553d", "D": "#2f6f8f"}
Curves = Mapping[str, tuple[np.ndarray, np.ndarray]]
CURVE_LABELS = {
    "loss": "loss",
    "logit": "mean logit",
    "probability": "probability of “real”",
    "gradient_norm": "gradient norm",
}
CURVE_PANELS = (("loss",), ("logit", "probability"), ("gradient_norm",))  # each shows the first group that is there


@contextmanager
def house_style() -> Iterator[None]:
    """Our look inside, whatever the user's rcParams are; before a `def` it covers each call of the function.

    A figure has to be made *and* shown or saved inside: matplotlib reads some of the rcParams only then.
    """
    from matplotlib import style

    with style.context(STYLE, after_reset=True):
        yield


def use_house_style() -> None:
    """For a notebook: from here on figures appear below their cells, in our look, whatever MPLBACKEND and rcParams say.

    Outside of IPython only the look is set.
    """
    import matplotlib as mpl
    from IPython import get_ipython

    if (shell := get_ipython()) is not None:
        shell.run_line_magic("matplotlib", "inline")
    mpl.rcdefaults()
    mpl.style.use(STYLE)


def draw_grid(
    axes: Any, images: Tensor, row_names: Sequence[str] = (), title: str = "", columns: int = GRID_COLUMNS
) -> None:
    """Draw images uint8 (N,C,H,W) as a grid into matplotlib axes."""
    cell = images.shape[-1] + 2
    axes.imshow(tile(images, columns).permute(1, 2, 0).numpy(), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([cell * (row + 0.5) for row in range(len(row_names))], row_names)
    axes.tick_params(length=0)
    axes.set_title(title, fontsize=11)
    for spine in axes.spines.values():
        spine.set_visible(False)


def draw_confusion(axes: Any, confusion: Sequence[Sequence[int]], class_names: Sequence[str], title: str = "") -> None:
    """Draw how often each class asked for (row) was read as each class (column), in percent of the row."""
    counts = np.asarray(confusion, dtype=float)  # (classes, classes)
    percent = 100 * counts / counts.sum(1, keepdims=True).clip(1)
    wrong = percent * (1 - np.eye(len(percent)))  # the colours are for the mistakes: the diagonal would drown them
    axes.imshow(wrong, cmap="Reds", vmin=0, vmax=max(5.0, wrong.max()))
    for row, column in np.ndindex(*percent.shape):
        if percent[row, column] >= 0.05:
            weight = "bold" if row == column else "normal"
            text = f"{percent[row, column]:.0f}" if row == column else f"{percent[row, column]:.1f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, fontweight=weight)
    axes.set_xticks(range(len(class_names)), class_names)
    axes.set_yticks(range(len(class_names)), class_names)
    axes.set(xlabel="read as", ylabel="asked for", title=title)
    axes.tick_params(length=0)


def draw_history(axes: Sequence[Any], curves: Curves) -> None:
    """Draw the curves of a run into three axes; thin: as measured, thick: smoothed.

    Losses, then what the discriminator thinks of reals and fakes (probabilities, or logits where the loss has none),
    then gradient norms.
    """
    groups = {name: name.split("/")[0] for name in curves}
    for panel, candidates in zip(axes, CURVE_PANELS, strict=True):
        shown = next((group for group in candidates if group in groups.values()), candidates[-1])
        for name in (name for name, group in groups.items() if group == shown):
            _draw_curve(panel, name.split("/")[1], *curves[name])
        panel.set(xlabel="step", title=CURVE_LABELS[shown])
        panel.grid(alpha=0.25)
        if panel.lines:
            panel.legend(loc="upper left", ncols=2, fontsize=9, framealpha=0.7)


def _draw_curve(panel: Any, name: str, steps: np.ndarray, values: np.ndarray) -> None:
    colour = COLOURS["G" if "G" in name or name == "fake" else "D"]
    panel.plot(steps, values, color=colour, alpha=0.2, linewidth=0.8)
    panel.plot(steps, smooth(values), color=colour, label=name)


def smooth(values: np.ndarray, width: int = 15) -> np.ndarray:
    """Running mean over about `width` points, shorter at the ends."""
    width = max(1, min(width, len(values) // 3))
    weights = np.ones(width)
    return np.convolve(values, weights, "same") / np.convolve(np.ones(len(values)), weights, "same")
