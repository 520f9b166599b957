"""How the controls of the studio look and what they are called, and the picture that stands in for a widget."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cgan_lib.errors import needs

with needs("notebooks"):
    import anywidget
    import ipywidgets as widgets
    import traitlets
    from IPython.display import display

WIDTH = "36em"  # of the controls: beside the pictures also in a notebook with its side bar open
ROOM = Path(__file__).parent
LONGEST_NAME = 24  # letters on a button
ROOT = "cgan-studio"  # the class in which studio.css and names.js find what is ours


class Picture(anywidget.AnyWidget):
    """A PNG with a description; nothing is shown while there is none."""

    _esm = ROOM / "picture.js"
    value = traitlets.Bytes().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    side = traitlets.Int().tag(sync=True)
    """pixels of its width"""


class Names(anywidget.AnyWidget):
    """Shows nothing: gives the controls around it names and states for those who hear the page."""

    _esm = ROOM / "names.js"
    _css = ROOM / "studio.css"


class Room(widgets.Box):
    """A widget of ours around others.

    Where widgets cannot be shown, on GitHub or with the kernel closed, it leaves a picture: `strip()`, as PNG.
    """

    def __init__(self, children: Sequence[widgets.Widget], **options: Any):
        super().__init__([*children, Names()], **options)
        self.add_class(ROOT)

    def strip(self) -> bytes:
        """The picture that stands in for the widget."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """What ipywidgets 8 is shown by."""
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {
            "text/plain": repr(self),
            "application/vnd.jupyter.widget-view+json": view,
            "image/png": self.strip(),
        }

    def _ipython_display_(self, **options: Any) -> None:
        """What ipywidgets 7 is shown by, which Colab has."""
        if hasattr(widgets.Widget, "_repr_mimebundle_"):
            raise NotImplementedError  # and IPython goes on to the other way
        display(self._repr_mimebundle_(), raw=True)


def beside() -> widgets.Layout:
    """Side by side, where there is room."""
    return widgets.Layout(flex_flow="row wrap", grid_gap="0 12px")


def row(*children: widgets.Widget) -> widgets.Box:
    """Controls side by side, where there is room."""
    return widgets.Box(children, layout=widgets.Layout(flex_flow="row wrap"))


def narrow() -> dict[str, Any]:
    """Options of a control that is half as wide as a slider."""
    return dict(layout=widgets.Layout(width="17.9em"), style={"description_width": "4.2em"})


def chooser(description: str, options: list[str]) -> widgets.Dropdown:
    """One of several names."""
    return widgets.Dropdown(options=options, description=description, **narrow())


def button(description: str, icon: str, **options: Any) -> widgets.Button:
    """Something that happens once."""
    return widgets.Button(description=description, icon=icon, layout=widgets.Layout(width="8em"), **options)


def slider(description: str, low: float, high: float, step: float, readout_format: str = ".1f") -> widgets.Widget:
    """A number from `low` to `high`; a whole one with the format d."""
    kind = widgets.IntSlider if readout_format == "d" else widgets.FloatSlider
    look = dict(layout=widgets.Layout(width=WIDTH), style={"description_width": "16.5em"})
    return kind(min=low, max=high, step=step, description=description, readout_format=readout_format, **look)


def message(text: str = "") -> widgets.HTML:
    """A line that is read out when it changes."""
    line = widgets.HTML(text)
    line.add_class("cgan-message")
    return line


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
        buttons.style.button_width = button_width(names)


def button_width(names: Sequence[str]) -> str:
    """As wide as the longest name needs; a very long one ends in an ellipsis."""
    return f"{min(max(map(len, names)), LONGEST_NAME) * 0.6 + 2:.1f}em"
