"""How the controls of the studio look and what they are called, and the picture that stands in for a widget."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from cgan_lib.attributes import join_labels, split_labels
from cgan_lib.classes import Classes
from cgan_lib.errors import needs

with needs("notebooks"):
    import anywidget
    import ipywidgets as widgets
    import traitlets
    from IPython.display import display

WIDTH = "36em"  # of the controls: beside the pictures also in a notebook with its side bar open
Options = Sequence[tuple[str, Any]]
ROOM = Path(__file__).parent
LONGEST_NAME = 24  # letters on a button
MOST_BUTTONS, MOST_LETTERS = 12, 120  # on them together, or a list is faster to use
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


class Choice(widgets.Box):
    """One of several names: buttons, or a list where they would be many. `options` are (name, value), as in them."""

    options = traitlets.Tuple()
    value = traitlets.Any()

    def __init__(self, description: str, options: Options):
        super().__init__()
        self.description = description
        self._link: Any = None
        self.offer(options)

    def offer(self, options: Options) -> None:
        """Let these be chosen; what was chosen stays, or if it is not among them the first one is."""
        if self.options == (options := tuple(options)):
            return
        if self._link:
            self._link.unlink()
        names, values = zip(*options, strict=True)
        chosen = self.value if self.value in values else values[0]
        inner = _buttons(names) if _are_few(names) else widgets.Dropdown(layout=widgets.Layout(width=WIDTH))
        inner.description, inner.options, inner.value = self.description, options, chosen
        self.children, self.value, self.options = [inner], chosen, options
        self._link = traitlets.link((self, "value"), (inner, "value"))


class ClassChooser(widgets.VBox):
    """A class, whose number is the `value`: one `Choice`, or one for each attribute. `options` are (name, number)."""

    options = traitlets.Tuple()
    value = traitlets.Int()

    def __init__(self, description: str, classes: Classes):
        super().__init__()
        self.description = description
        self.classes = Classes([])
        self.choices: list[Choice] = []
        self._showing = False  # what is shown is the value, and no choice of anybody
        self.offer(classes)

    def offer(self, classes: Classes) -> None:
        """Let these be chosen; what was chosen stays: the class of the same name, else the nearest number."""
        if classes == self.classes:
            return
        chosen = min(same_class(self.value, self.classes, classes), len(classes.names) - 1)
        self.classes = classes
        self.choices = [
            Choice(f"{self.description} {name}".strip(), [(value, number) for number, value in enumerate(values)])
            for name, values in (classes.attributes or {"": classes.names}).items()
        ]
        self.children = self.choices
        for choice in self.choices:
            choice.observe(self._take, "value")
        self.value = chosen
        self._show()
        self.options = tuple((name, label) for label, name in enumerate(classes.names))

    @traitlets.observe("value")
    def _show(self, change: Any = None) -> None:
        numbers = split_labels(torch.tensor([self.value]), self.classes.sizes)[0].tolist()
        self._showing = True
        for choice, number in zip(self.choices, numbers, strict=True):
            choice.value = number
        self._showing = False

    def _take(self, change: Any) -> None:
        if not self._showing:
            numbers = torch.tensor([[choice.value for choice in self.choices]])
            self.value = int(join_labels(numbers, self.classes.sizes)[0])


def same_class(label: int, here: Classes, there: Classes) -> int:
    """Of other classes, the one of the same name, or else the same number, which may be none there."""
    name = here.names[label] if label < len(here.names) else None
    return there.names.index(name) if name in there.names else label


def _are_few(names: Sequence[str]) -> bool:
    return len(names) <= MOST_BUTTONS and sum(map(len, names)) <= MOST_LETTERS


def _buttons(names: Sequence[str]) -> widgets.ToggleButtons:
    """As wide as the longest name needs; a very long one ends in an ellipsis."""
    width = f"{min(max(map(len, names)), LONGEST_NAME) * 0.6 + 2:.1f}em"
    return widgets.ToggleButtons(style={"button_width": width})
