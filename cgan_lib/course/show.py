"""Figures and source listings for the notebooks, and a picture for the terminal."""

import inspect
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cgan_lib.errors import UserError
from cgan_lib.figures import LITERAL, WIDTH, Curves, draw_grid, draw_history, house_style
from cgan_lib.sampling import GRID_COLUMNS


def show_source(*objects: Any) -> None:
    """Render the source of functions, classes or methods as it stands in the library today."""
    from IPython.display import Markdown, display

    for thing in objects:
        file = thing.__module__.replace(".", "/") + ".py"
        source = textwrap.dedent(inspect.getsource(thing))
        display(Markdown(f"`{thing.__qualname__}` in `{file}`\n```python\n{source}```"))


def print_shapes(network: nn.Module, *inputs: Tensor) -> Tensor:
    """Run `network` on `inputs`, print the shape that leaves each layer, and return the output."""
    leaves = [(name, layer) for name, layer in network.named_modules() if not list(layer.children())]
    width = max([20, *(len(name) + 2 for name, _ in leaves)])

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


@house_style()
def show_grid(
    images: Tensor,
    row_names: Sequence[str] = (),
    title: str = "",
    columns: int = GRID_COLUMNS,
    width: float = 5.5,
    across: str = "",
    down: str = "",
) -> None:
    """Draw images uint8 (N,C,H,W) as a grid, with a name beside each row, and what changes `across` and `down`."""
    import matplotlib.pyplot as plt

    rows = -(-len(images) // columns)
    figure, axes = plt.subplots(figsize=(width, width * rows / columns + 0.4))
    draw_grid(axes, images, row_names, title, columns, across, down)
    plt.show()


@house_style()
def show_grids(
    grids: Mapping[str, Tensor], row_names: Sequence[str] = (), columns: int = GRID_COLUMNS, width: float = WIDTH
) -> None:
    """Draw several grids of images uint8 (N,C,H,W) side by side, each below its title."""
    import matplotlib.pyplot as plt

    rows = max(-(-len(images) // columns) for images in grids.values())
    figure, axes = plt.subplots(
        1, len(grids), figsize=(width, width / len(grids) * rows / columns + 0.4), squeeze=False
    )
    for panel, (title, images) in zip(axes[0], grids.items(), strict=True):
        draw_grid(panel, images, row_names, title, columns)
    plt.show()


@house_style()
def show_stages(grids: Sequence[Path], titles: Mapping[int, str], row_names: Sequence[str] = ()) -> None:
    """Draw PNG grids of a run side by side: for each step in `titles` the file drawn nearest to it.

    `UserError` when there are none.
    """
    import matplotlib.pyplot as plt

    if not grids:
        raise UserError("there are no grids to show: train for a while, or bring the pictures of the run back.")
    by_step = {int(path.stem.split("_")[-1]): path for path in grids}
    width = min(4.0, WIDTH / len(titles))
    figure, axes = plt.subplots(1, len(titles), figsize=(width * len(titles), width + 0.5), squeeze=False)
    for panel, (asked, title) in zip(axes[0], titles.items(), strict=True):
        step = min(by_step, key=lambda step: abs(step - asked))
        picture = plt.imread(by_step[step])  # (height, width, 3)
        panel.imshow(picture)
        panel.set_title(f"{title}\nstep {step:,}")
        panel.set_xticks([])
        ticks = [len(picture) * (row + 0.5) / len(row_names) for row in range(len(row_names))]
        panel.set_yticks(ticks, row_names, **LITERAL)
        panel.tick_params(length=0)
        panel.spines[:].set_visible(False)
    plt.show()


@house_style()
def show_history(curves: Curves, title: str = "") -> None:
    """Draw losses, what the discriminator thinks of reals and fakes, and gradient norms of a run against the step."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.2))
    draw_history(axes, curves)
    figure.suptitle(title)
    plt.show()
