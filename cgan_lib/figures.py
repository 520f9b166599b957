"""What is drawn into matplotlib axes, wherever it is shown: grids of images, curves of a run, a confusion matrix."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from cgan_lib.sampling import GRID_COLUMNS, tile

STYLE = Path(__file__).with_name("house.mplstyle")
INK, PAPER = "#1a1a1a", "#ffffff"  # text and background of the style
COLOURS = {"G": "#d9653b", "D": "#1d4b6b"}  # fakes and real images too; told apart in grey: one is light, one dark
LINES = {  # for `plot`: told apart by their dashes as well
    "G": {"color": COLOURS["G"], "linestyle": "--"},
    "D": {"color": COLOURS["D"], "linestyle": "-"},
}
MARKERS = "os^vDPX*<>"  # of the classes in a map, in their order
SMALL = 11  # points: the smallest text of a figure
LITERAL: dict[str, Any] = {"parse_math": False}  # of a name: what stands between two $ is no formula
WIDTH = 9.5  # inches: of the widest figure, so that no notebook or page has to shrink it

Curves = Mapping[str, tuple[np.ndarray, np.ndarray]]
CURVE_LABELS = {
    "loss": "loss",
    "logit": "mean\nlogit",
    "probability": "probability\nof “real”",
    "gradient_norm": "gradient\nnorm",
}
CURVE_PANELS = (("loss",), ("logit", "probability"), ("gradient_norm",))  # each shows the first group that is there
START = 0.02  # of the steps, at which the networks have yet to find each other
PEAKS = (1, 99)  # percentiles of a curve: what is beyond them may be cut off


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


@house_style()
def as_png(figure: Any) -> bytes:
    """A figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def draw_grid(
    axes: Any,
    images: Tensor,
    row_names: Sequence[str] = (),
    title: str = "",
    columns: int = GRID_COLUMNS,
    across: str = "",
    down: str = "",
) -> None:
    """Draw images uint8 (N,C,H,W) as a grid into matplotlib axes, saying what changes `across` and `down`."""
    cell = images.shape[-1] + 2
    axes.imshow(tile(images, columns).permute(1, 2, 0).numpy(), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([cell * (row + 0.5) for row in range(len(row_names))], row_names, **LITERAL)
    axes.set_title(title, **LITERAL)
    axes.tick_params(length=0)
    axes.set(xlabel=f"{across} →" if across else "", ylabel=f"← {down}" if down else "")
    axes.spines[:].set_visible(False)


def draw_confusion(axes: Any, confusion: Sequence[Sequence[int]], class_names: Sequence[str], title: str = "") -> None:
    """Draw how often each class asked for (row) was read as each class (column), in percent of the row."""
    counts = np.asarray(confusion, dtype=float)  # (classes, classes)
    percent = 100 * counts / counts.sum(1, keepdims=True).clip(1)
    wrong = percent * (1 - np.eye(len(percent)))  # the colours are for the mistakes: the diagonal would drown them
    picture = axes.imshow(wrong, cmap="Reds", vmin=0, vmax=max(5.0, wrong.max()))
    for row, column in np.ndindex(*percent.shape):
        if percent[row, column] >= 0.05:
            weight = "bold" if row == column else "normal"
            text = f"{percent[row, column]:.0f}" if row == column else f"{percent[row, column]:.1f}"
            ink = ink_on(picture.to_rgba(wrong[row, column])[:3])
            axes.text(column, row, text, ha="center", va="center", fontsize=SMALL, fontweight=weight, color=ink)
    axes.set_xticks(range(len(class_names)), class_names, **LITERAL)
    axes.set_yticks(range(len(class_names)), class_names, **LITERAL)
    axes.set(xlabel="read as", ylabel="asked for", title=title)
    axes.tick_params(length=0)


def luminance(colour: Any) -> float:
    """Relative luminance of a colour, 0 (black) to 1 (white): WCAG 2.2."""
    from matplotlib.colors import to_rgb

    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def contrast(one: Any, other: Any) -> float:
    """Contrast of two colours, 1 to 21: WCAG 2.2."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def ink_on(colour: Any) -> str:
    """Dark or white, whichever is easier to read on a colour."""
    return max((INK, PAPER), key=lambda ink: contrast(ink, colour))


def draw_map(axes: Any, points: Tensor, labels: Tensor, class_names: Sequence[str], title: str = "") -> None:
    """Draw points (N,2) with a colour and a marker for each class, and its name on top of most of its points."""
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=3, foreground=PAPER)]
    for index, name in enumerate(class_names):
        own = np.asarray(points)[np.asarray(labels) == index]  # (n, 2)
        if len(own):
            axes.scatter(*own.T, color=f"C{index % 10}", marker=MARKERS[index % len(MARKERS)], s=14, linewidths=0)
            top = np.median(own[:, 0]), np.percentile(own[:, 1], 95)  # a stray does not carry the name away
            style = dict(fontsize=14, fontweight="bold", color=INK, path_effects=halo, **LITERAL)
            axes.annotate(name, top, (0, 4), textcoords="offset points", ha="center", va="bottom", **style)
    axes.set(title=title, xticks=[], yticks=[])


def label_ends(axes: Any) -> None:
    """Name each labelled line at its right end in place of a legend, the names pushed apart where they would meet."""
    axes.figure.draw_without_rendering()  # so that the size of the axes is known
    named = [line for line in axes.lines if line.get_label() and not line.get_label().startswith("_")]
    lines = sorted(named, key=lambda line: line.get_ydata()[-1])
    low, high = axes.get_ylim()
    ends = np.array([line.get_ydata()[-1] for line in lines])
    height = 1.35 * SMALL / 72 * axes.figure.dpi / axes.bbox.height * (high - low)  # of a name, in units of the axis
    for line, end, place in zip(lines, ends, apart(ends, height), strict=True):
        axes.annotate(
            line.get_label(),
            xy=(line.get_xdata()[-1], end),
            xytext=(1.03, place),
            textcoords=axes.get_yaxis_transform(),
            va="center",
            fontsize=SMALL,
            color=INK,
            **LITERAL,
            arrowprops=dict(arrowstyle="-", color=line.get_color(), linewidth=1, shrinkA=1, shrinkB=1),
        )


def apart(places: np.ndarray, gap: float) -> np.ndarray:
    """Sorted places moved as a whole and against each other, until neighbours are at least `gap` apart."""
    moved = places.copy()
    for index in range(1, len(moved)):
        moved[index] = max(moved[index], moved[index - 1] + gap)
    return moved - (moved - places).mean()


def draw_history(axes: Sequence[Any], curves: Curves) -> None:
    """Draw the curves of a run into three axes; thin: as measured, thick: smoothed.

    Losses, then what the discriminator thinks of reals and fakes (probabilities, or logits where the loss has none),
    then gradient norms. Each axis shows the range from the 1st to the 99th percentile after the first 2% of the steps,
    so that a start or a spike does not flatten the rest; “↑ 80” is where the largest value, 80, is cut off.
    """
    groups = {name: name.split("/")[0] for name in curves}
    for panel, candidates in zip(axes, CURVE_PANELS, strict=True):
        shown = next((group for group in candidates if group in groups.values()), candidates[-1])
        chosen = {name.split("/")[1]: curves[name] for name, group in groups.items() if group == shown}
        for name, curve in sorted(chosen.items(), reverse=True):
            _draw_curve(panel, name, *curve)
        panel.set(xlabel="step", ylabel=CURVE_LABELS[shown])
        panel.grid(alpha=0.6)
        if chosen:
            _keep_in_view(panel, list(chosen.values()))
            panel.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderpad=0.1)


def _draw_curve(panel: Any, name: str, steps: np.ndarray, values: np.ndarray) -> None:
    line = LINES["G" if "G" in name or name == "fake" else "D"]
    panel.plot(steps, values, color=line["color"], linestyle="-", alpha=0.25, linewidth=0.8)
    panel.plot(steps, smooth(values), **line, label=name)


def _keep_in_view(panel: Any, curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Fit the vertical axis to the usual values, and note with an arrow where a curve leaves it, and to what value."""
    low, high = usual_range(curves)
    margin = 0.06 * (high - low) or 0.5
    panel.set_ylim(low - margin, high + margin)
    steps, values = (np.concatenate(parts) for parts in zip(*curves, strict=True))
    steps, values = steps[np.isfinite(values)], values[np.isfinite(values)]
    if len(values) and values.max() > high + margin:
        _note_peak(panel, steps[values.argmax()], f"↑ {values.max():.3g}", "top")
    if len(values) and values.min() < low - margin:
        _note_peak(panel, steps[values.argmin()], f"↓ {values.min():.3g}", "bottom")


def _note_peak(panel: Any, step: float, text: str, side: str) -> None:
    left, right = panel.get_xlim()
    align = "left" if step < (left + right) / 2 else "right"  # towards the middle, so that it stays inside
    paper = dict(facecolor=PAPER, alpha=0.8, edgecolor="none", pad=1)
    where = dict(transform=panel.get_xaxis_transform(), ha=align, va=side)
    panel.text(step, 1 if side == "top" else 0, text, fontsize=SMALL, bbox=paper, **where)


def usual_range(curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """From the lowest 1st to the highest 99th percentile of curves (steps, values), their first 2% left out."""
    later = [values[steps >= steps[0] + START * (steps[-1] - steps[0])] for steps, values in curves]
    shown = [values[np.isfinite(values)] for values in later]  # a run that diverged has others
    ends = np.array([np.percentile(values, PEAKS) for values in shown if len(values)] or [(0, 1)])  # (curves, 2)
    return float(ends[:, 0].min()), float(ends[:, 1].max())


def smooth(values: np.ndarray, width: int = 15) -> np.ndarray:
    """Running mean over about `width` points, shorter at the ends."""
    width = max(1, min(width, len(values) // 3))
    weights = np.ones(width)
    return np.convolve(values, weights, "same") / np.convolve(np.ones(len(values)), weights, "same")
