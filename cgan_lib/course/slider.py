"""Pictures behind a slider; where there are no widgets, as on GitHub, all of them beside each other."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from cgan_lib.figures import LITERAL, SMALL, WIDTH, as_png, draw_grid, house_style
from cgan_lib.files import png
from cgan_lib.sampling import tile

SCALE = 3  # screen pixels for each pixel of an image


def slide(pictures: Mapping[int, Tensor], name: str, columns: int = 10) -> None:
    """Show sets of images uint8 (N,C,H,W), each by its number of what `name` counts, one at a time."""
    from IPython.display import display

    bundle: dict[str, Any] = {
        "text/plain": f"{name}: {', '.join(map(str, pictures))}",
        "image/png": as_png(strip(pictures, name, columns)),
    }
    if view := _widget(pictures, name, columns):
        bundle["application/vnd.jupyter.widget-view+json"] = view
    display(bundle, raw=True)


@house_style()
def strip(pictures: Mapping[int, Tensor], name: str, columns: int = 10) -> Any:
    """All of them in one figure, one below the other, each with its number."""
    from matplotlib.figure import Figure

    rows = -(-len(next(iter(pictures.values()))) // columns)
    figure = Figure(figsize=(WIDTH * 0.7, WIDTH * 0.7 * rows / columns * len(pictures)))
    for axes, (number, images) in zip(
        figure.subplots(len(pictures), squeeze=False)[:, 0], pictures.items(), strict=True
    ):
        draw_grid(axes, images, columns=columns)
        axes.set_ylabel(number, rotation=0, ha="right", va="center", **LITERAL)
    figure.supylabel(name, fontsize=SMALL)
    return figure


def _widget(pictures: Mapping[int, Tensor], name: str, columns: int) -> dict[str, Any] | None:
    """How a notebook finds the slider and its picture; None when ipywidgets is not there."""
    try:
        import ipywidgets as widgets
    except ImportError:
        return None
    encoded = {number: png(tile(images, columns)) for number, images in pictures.items()}
    first = next(iter(encoded))
    slider = widgets.SelectionSlider(options=list(encoded), value=first, description=name)
    width = SCALE * tile(pictures[first], columns).shape[-1]
    picture = widgets.Image(value=encoded[first], format="png", width=width)

    def moved(change: dict[str, Any]) -> None:
        picture.value = encoded[change["new"]]

    slider.observe(moved, "value")
    return {"version_major": 2, "version_minor": 0, "model_id": widgets.VBox([slider, picture]).model_id}
