"""What a person sees while a run trains: a figure in a notebook, a picture in a terminal."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from cgan_lib.figures import WIDTH, Curves, as_png, draw_grid, draw_history, house_style
from cgan_lib.paths import short
from cgan_lib.recipes import Recipe
from cgan_lib.runs.logbook import read_scalars
from cgan_lib.sampling import GRID_COLUMNS


class LivePanel:
    """One figure in the notebook, redrawn while a run trains: newest samples on the left, curves on the right."""

    def __init__(self, class_names: Sequence[str]):
        from IPython.display import display

        self.class_names = class_names
        self.handle = display(display_id=True)  # None outside a notebook

    @house_style()
    def update(self, curves: Curves, fake: Tensor, step: int) -> None:
        """Redraw with the curves so far and the sample grid uint8 (N,C,H,W) of this step."""
        from IPython.display import Image
        from matplotlib.figure import Figure

        if self.handle is None:
            return
        figure = Figure(figsize=(WIDTH, 5))
        ((samples, plots),) = figure.subfigures(1, 2, width_ratios=[1, 1.1], squeeze=False)
        draw_grid(samples.subplots(), fake, self.class_names, f"samples after step {step:,}")
        panels = plots.subplots(3, 1, sharex=True)
        draw_history(panels, curves)
        for panel in panels[:-1]:
            panel.set_xlabel("")
        self.handle.update(Image(as_png(figure)))


def text_picture(fake: Tensor) -> str:
    """The first column of a sample grid (N,1,H,W) as two rows of text, for terminals with 24-bit colour."""
    small = F.interpolate(fake[::GRID_COLUMNS, :1].float(), size=(14, 14), mode="area").round().int()  # (rows,1,14,14)
    lines = []
    for row in small.split(5):
        picture = F.pad(row[:, 0], (0, 1)).permute(1, 0, 2).flatten(1)  # (14, 5·15): side by side with a gap
        for above, below in zip(picture[::2].tolist(), picture[1::2].tolist(), strict=True):
            cells = [f"\033[38;2;{a};{a};{a};48;2;{b};{b};{b}m▀" for a, b in zip(above, below, strict=True)]
            lines.append("".join(cells) + "\033[0m")
    return "\n".join(lines)


class Display:
    """A progress bar and the newest samples: in a panel of the notebook, or as text in a terminal.

    With `class_names` there is a panel; a log file gets the bar alone.
    """

    def __init__(self, recipe: Recipe, start: int, until: int, class_names: Sequence[str] | None):
        from tqdm.auto import tqdm

        self.every, self.until = recipe.grid_every, until
        self.panel = LivePanel(class_names) if class_names else None
        self.bar = tqdm(total=until, initial=start, unit="step", desc=recipe.name, mininterval=0.5)

    def advance(self) -> None:
        """One step further."""
        self.bar.update()

    def losses(self, values: Mapping[str, float]) -> None:
        """Show the newest losses beside the bar."""
        self.bar.set_postfix({name: f"{value:.2f}" for name, value in values.items()}, refresh=False)

    def wants(self, step: int) -> bool:
        """Whether the samples of this step are worth showing; in a terminal: grid 1, 2, 4, 8, … and the last."""
        number = step // self.every
        doubled = number > 0 and number & (number - 1) == 0  # so that the digits can be seen emerging
        return self.panel is not None or (sys.stdout.isatty() and (doubled or 0 < step == self.until))

    def show(self, run: Path, fake: Tensor, path: Path, step: int) -> None:
        """Show the samples uint8 (N,C,H,W) of a step, which lie in `path`, and in a panel the curves of the `run`."""
        if self.panel:
            self.panel.update(read_scalars(run), fake, step)
        else:
            with suppress(OSError):  # of a terminal that was closed: the step is still to be saved
                self.bar.write(f"{text_picture(fake)}\nstep {step}: {short(path)}")

    def close(self) -> None:
        """Leave the bar as it stands."""
        self.bar.close()
