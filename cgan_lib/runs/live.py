"""What a person sees while a run trains: a figure in a notebook, a picture in a terminal."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from cgan_lib.figures import Curves, draw_grid, draw_history
from cgan_lib.sampling import GRID_COLUMNS


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
