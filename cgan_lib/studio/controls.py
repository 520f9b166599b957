"""How the controls of the studio look, and the picture that stands in for a widget where there are none."""

from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets

WIDTH = "32em"  # of the controls: beside the pictures also in a notebook with its side bar open


class WithStrip(widgets.Widget):
    """A widget that leaves a picture, `strip()` as PNG, where widgets cannot be shown: GitHub, or a closed kernel."""

    def strip(self) -> bytes:
        """The picture that stands in for the widget."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_(**options)
        return bundle | {"text/plain": repr(self), "image/png": self.strip()}


def narrow() -> dict[str, Any]:
    """Options of a control that is half as wide as a slider."""
    return dict(layout=widgets.Layout(width="15.9em"), style={"description_width": "4.2em"})


def chooser(description: str, options: list[str]) -> widgets.Dropdown:
    """One of several names."""
    return widgets.Dropdown(options=options, description=description, **narrow())


def button(description: str, icon: str) -> widgets.Button:
    """Something that happens once."""
    return widgets.Button(description=description, icon=icon, layout=widgets.Layout(width="7em"))


def slider(description: str, low: float, high: float, step: float, readout_format: str = ".1f") -> widgets.Widget:
    """A number from `low` to `high`; a whole one with the format d."""
    kind = widgets.IntSlider if readout_format == "d" else widgets.FloatSlider
    look = dict(layout=widgets.Layout(width=WIDTH), style={"description_width": "12.5em"})
    return kind(min=low, max=high, step=step, description=description, readout_format=readout_format, **look)


def class_buttons(description: str, names: Sequence[str]) -> widgets.ToggleButtons:
    """One button for each class, whose number is the value."""
    buttons = widgets.ToggleButtons(options=[("", 0)], description=description)
    offer(buttons, names)
    return buttons


def offer(buttons: widgets.ToggleButtons, names: Sequence[str]) -> None:
    """Let buttons offer these classes; what was chosen stays, as far as there is such a class."""
    options = tuple((name, label) for label, name in enumerate(names))
    if buttons.options != options:
        chosen = buttons.value or 0
        buttons.options = options
        buttons.value = min(chosen, len(names) - 1)
        buttons.style.button_width = f"{max(map(len, names)) * 0.6 + 2}em"


def square(side: int) -> widgets.Layout:
    """A layout of so many pixels along each side."""
    return widgets.Layout(width=f"{side}px", height=f"{side}px")
