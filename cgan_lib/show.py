"""Figures and source listings for the notebooks, and a picture for the terminal."""

import inspect
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.sampling import GRID_COLUMNS, tile

COLOURS = {"G": "#c8553d", "D": "#2f6f8f"}
Curves = Mapping[str, tuple[np.ndarray, np.ndarray]]
CURVE_PANELS = {"loss": "loss", "probability": "probability of “real”", "gradient_norm": "gradient norm"}


def show_source(*objects: Any) -> None:
    """Render the source of functions, classes or methods as it stands in the library today."""
    from IPython.display import Markdown, display

    for thing in objects:
        module = inspect.getmodule(thing).__name__.replace(".", "/") + ".py"
        source = textwrap.dedent(inspect.getsource(thing))
        display(Markdown(f"`{thing.__qualname__}` in `{module}`\n```python\n{source}```"))


def print_shapes(network: nn.Module, *inputs: Tensor) -> Tensor:
    """Run `network` on `inputs`, print the shape that leaves each layer, and return the output."""

    leaves = [(name, layer) for name, layer in network.named_modules() if name and not list(layer.children())]
    width = max(20, *(len(name) + 2 for name, _ in leaves))

    def report(name: str):
        def hook(layer: nn.Module, args: tuple, output: Tensor) -> None:
            print(f"{name:<{width}}{type(layer).__name__:<18}{tuple(output.shape)}")

        return hook

    handles = [layer.register_forward_hook(report(name)) for name, layer in leaves]
    try:
        return network(*inputs)
    finally:
        for handle in handles:
            handle.remove()


def show_grid(
    images: Tensor, row_names: Sequence[str] = (), title: str = "", columns: int = GRID_COLUMNS, width: float = 5.5
) -> None:
    """Draw images uint8 (N,C,H,W) as a grid, with a name beside each row."""
    import matplotlib.pyplot as plt

    rows = -(-len(images) // columns)
    figure, axes = plt.subplots(figsize=(width, width * rows / columns + 0.4), layout="constrained")
    draw_grid(axes, images, row_names, title, columns)
    plt.show()


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


def show_stages(grids: Sequence[Path], titles: Mapping[int, str], row_names: Sequence[str] = ()) -> None:
    """Draw PNG grids of a run side by side: for each step in `titles` the file drawn nearest to it."""
    import matplotlib.pyplot as plt

    by_step = {int(path.stem.split("_")[-1]): path for path in grids}
    figure, axes = plt.subplots(1, len(titles), figsize=(4 * len(titles), 4.4), layout="constrained", squeeze=False)
    for panel, (wanted, title) in zip(axes[0], titles.items(), strict=True):
        step = min(by_step, key=lambda step: abs(step - wanted))
        picture = plt.imread(by_step[step])  # (height, width, 3)
        panel.imshow(picture)
        panel.set_title(f"{title} (step {step:,})", fontsize=11)
        panel.set_xticks([])
        panel.set_yticks([len(picture) * (row + 0.5) / len(row_names) for row in range(len(row_names))], row_names)
        panel.tick_params(length=0)
    plt.show()


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


def show_history(curves: Curves, title: str = "") -> None:
    """Draw losses, probabilities and gradient norms of a run against the step."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(11, 3), layout="constrained")
    draw_history(axes, curves)
    figure.suptitle(title)
    plt.show()


def draw_history(axes: Sequence[Any], curves: Curves) -> None:
    """Draw the curves of a run into three axes; thin: as measured, thick: smoothed."""
    for panel, (group, label) in zip(axes, CURVE_PANELS.items(), strict=True):
        for name, (steps, values) in curves.items():
            if not name.startswith(f"{group}/"):
                continue
            short = name.split("/")[1]
            colour = COLOURS["G" if "G" in short else "D"]
            panel.plot(steps, values, color=colour, alpha=0.2, linewidth=0.8)
            panel.plot(steps, smooth(values), color=colour, label=short)
        panel.set(xlabel="step", title=label)
        panel.grid(alpha=0.25)
        if panel.lines:
            panel.legend(loc="upper left", ncols=2, fontsize=9, framealpha=0.7)


def smooth(values: np.ndarray, width: int = 15) -> np.ndarray:
    """Running mean over about `width` points, shorter at the ends."""
    width = max(1, min(width, len(values) // 3))
    weights = np.ones(width)
    return np.convolve(values, weights, "same") / np.convolve(np.ones(len(values)), weights, "same")


class LivePanel:
    """One figure in the notebook, redrawn while a run trains: newest samples on the left, curves on the right."""

    def __init__(self, class_names: Sequence[str]):
        from IPython.display import display

        self.class_names = class_names
        self.handle = display(display_id=True)  # None outside a notebook

    def update(self, curves: Curves, fake: Tensor, step: int) -> None:
        """Redraw with the curves so far and the sample grid uint8 (N,C,H,W) of this step."""
        import matplotlib.pyplot as plt

        if self.handle is None:
            return
        figure = plt.figure(figsize=(11, 4.6), layout="constrained")
        samples, plots = figure.subfigures(1, 2, width_ratios=[1, 1.15])
        draw_grid(samples.subplots(), fake, self.class_names, f"samples after step {step}")
        losses, probabilities, norms = plots.subplots(3, 1, sharex=True)
        draw_history((losses, probabilities, norms), curves)
        for panel in (losses, probabilities):
            panel.set_xlabel("")
        self.handle.update(figure)
        plt.close(figure)


def text_picture(fake: Tensor) -> str:
    """The first column of a sample grid (N,1,H,W) as two rows of text, for terminals with 24-bit colour."""
    small = F.interpolate(fake[::GRID_COLUMNS, :1].float(), size=(14, 14), mode="area").round().int()  # (rows,1,14,14)
    lines = []
    for some in small.split(5):
        picture = F.pad(some[:, 0], (0, 1)).permute(1, 0, 2).flatten(1)  # (14, 5·15): side by side with a gap
        for above, below in zip(picture[::2].tolist(), picture[1::2].tolist(), strict=True):
            cells = [f"\033[38;2;{a};{a};{a};48;2;{b};{b};{b}m▀" for a, b in zip(above, below, strict=True)]
            lines.append("".join(cells) + "\033[0m")
    return "\n".join(lines)
