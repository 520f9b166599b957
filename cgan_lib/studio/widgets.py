"""Widgets for notebooks: sliders that draw digits. What they do lies in plain functions; widgets only collect a `View`.

A picture follows a slider because ipywidgets sends one message at a time: while a picture is being drawn, the browser
keeps only the newest place of the slider.
"""

from collections.abc import Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as widgets
import torch
import traitlets
from torch import Tensor, nn

from cgan_lib.errors import UserError
from cgan_lib.runs.source import Opened, open_source
from cgan_lib.sampling import check_labels
from cgan_lib.studio import views
from cgan_lib.studio.latent import SLIDERS, Direction, Found, View, find_latent, slider_directions
from cgan_lib.studio.views import REACH, draw, enlarged, like_mnist, read_digit, sources
from cgan_lib.weights import pretrained

SIDE = 280  # pixels of the picture on the screen
SIDE_OF_TWO = 200
WIDTH = "32em"  # of the controls: beside the pictures also in a notebook with its side bar open
MAX_ROWS = 6
NO_TRUNCATION = 3.0  # at this end of the slider, nothing is cut off
NOTHING = "nothing"
ANY_DIGIT = "any"
BEST_SHIPPED = "relativistic"


class _WithStrip:
    """A widget that leaves a picture, `strip()` as PNG, where widgets cannot be shown: GitHub, or a closed kernel."""

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_(**options)
        return bundle | {"text/plain": repr(self), "image/png": self.strip()}


class Studio(_WithStrip, widgets.HBox):
    """Sliders beside a picture that follows them; `view` is what they say, and `picture` what is shown."""

    def __init__(
        self,
        generator: nn.Module,
        name: str,
        names: list[str],
        digit: int,
        z: Tensor | None,
        class_names: Sequence[str] | None = None,
    ):
        self.generators: dict[str, nn.Module] = {name: generator}
        self.class_names = {name: list(class_names or map(str, range(generator.config["num_classes"])))}
        self.directions: dict[str, list[Direction]] = {}
        self.start, self.waiting = z, False
        slider = dict(layout=widgets.Layout(width=WIDTH), style={"description_width": "12.5em"}, readout_format=".1f")
        chooser = dict(layout=widgets.Layout(width="15.9em"), style={"description_width": "4.2em"})
        names = [name, *(other for other in names if other != name)]
        self.model = widgets.Dropdown(options=names, description="model", **chooser)
        self.beside = widgets.Dropdown(options=[NOTHING, *names], description="beside", **chooser)
        self.digit, self.toward = (_class_buttons(what) for what in ("digit", "becomes"))
        self._name_classes(self.class_names[name])
        self.digit.value, self.toward.value = digit, (digit + 5) % generator.config["num_classes"]
        self.share = widgets.FloatSlider(
            0, min=0, max=1, step=0.05, description="how far", **slider | {"readout_format": ".2f"}
        )
        self.moves = [widgets.FloatSlider(0, min=-REACH, max=REACH, step=0.25, **slider) for _ in range(SLIDERS)]
        self.truncation = widgets.FloatSlider(
            NO_TRUNCATION, min=0.2, max=NO_TRUNCATION, step=0.1, description="truncation (3: none)", **slider
        )
        self.rows = widgets.IntSlider(1, min=1, max=MAX_ROWS, description="rows", **slider | {"readout_format": "d"})
        self.seed = widgets.BoundedIntText(0, min=0, max=2**31 - 1, description="seed", **chooser)
        self.another = widgets.Button(description="another", icon="random", layout=widgets.Layout(width="7em"))
        self.reset = widgets.Button(description="reset", icon="undo", layout=widgets.Layout(width="7em"))
        self.message = widgets.HTML()
        self.picture, self.other = (widgets.Image(format="png", layout=_square()) for _ in range(2))
        self.caption, self.other_caption = widgets.HTML(), widgets.HTML()
        self.pictures = widgets.HBox()
        self._changed_model()
        for control in self._controls():
            control.observe(self._redraw, "value")
        self.model.observe(self._changed_model, "value")
        self.beside.observe(self._changed_model, "value")
        self.seed.observe(self._leave_start, "value")
        self.another.on_click(self._next_seed)
        self.reset.on_click(self._back_to_start)
        columns = widgets.VBox(
            [
                widgets.HBox([self.model, self.beside]),
                self.digit,
                self.toward,
                self.share,
                *self.moves,
                self.truncation,
                self.rows,
                widgets.HBox([self.seed, self.another, self.reset]),
                self.message,
            ]
        )
        super().__init__([self.pictures, columns], layout=widgets.Layout(flex_flow="row wrap", grid_gap="12px"))

    @property
    def view(self) -> View:
        """What the widgets ask for."""
        return View(
            digit=self.digit.value,
            toward=self.toward.value,
            share=self.share.value,
            moves=tuple(move.value for move in self.moves),
            seed=self.seed.value,
            truncation=self.truncation.value if self.truncation.value < NO_TRUNCATION else None,
            count=self.rows.value**2,
            start=self.start if self.start is not None and len(self.start) == self._latent_dim else None,
        )

    @property
    def _latent_dim(self) -> int:
        return self.shown[0][1].config["latent_dim"]

    def go_to(self, found: Found) -> None:
        """Start from a latent that `find_latent` found."""
        with self._together():
            self.start, self.digit.value = found.z, found.label
            self._center()

    def _controls(self) -> list[widgets.Widget]:
        return [self.digit, self.toward, self.share, *self.moves, self.truncation, self.rows]

    def _generator(self, name: str) -> nn.Module:
        if name not in self.generators:
            opened = open_source(name)
            self.generators[name], self.class_names[name] = opened.generator, opened.class_names
        return self.generators[name]

    def _name_classes(self, names: list[str]) -> None:
        """Let the buttons offer these classes; what was chosen stays, as far as there is such a class."""
        options = tuple((name, label) for label, name in enumerate(names))
        for buttons in (self.digit, self.toward):
            if buttons.options != options:
                chosen = buttons.value or 0
                buttons.options = options
                buttons.value = min(chosen, len(names) - 1)
                buttons.style.button_width = f"{max(map(len, names)) * 0.6 + 2}em"

    def _changed_model(self, change: Any = None) -> None:
        chosen = [(self.model.value, self.picture, self.caption), (self.beside.value, self.other, self.other_caption)]
        chosen = [choice for choice in chosen if choice[0] != NOTHING]
        try:
            generators = [self._generator(name) for name, _, _ in chosen]
        except UserError as error:  # the last ones that could be read stay
            self.problem = f"<b>{error}</b>"
            self.message.value = self.problem
            return
        self.problem = ""
        self.shown = [
            (name, generator, picture) for (name, picture, _), generator in zip(chosen, generators, strict=True)
        ]
        if self.model.value not in self.directions:
            self.directions[self.model.value] = slider_directions(generators[0])
        self.ways = self.directions[self.model.value]
        for number, move in enumerate(self.moves, start=1):
            there = number <= len(self.ways)
            move.layout.display = None if there else "none"
            move.description = self.ways[number - 1].label(number) if there else ""
        side = SIDE if len(chosen) == 1 else SIDE_OF_TWO
        for name, picture, caption in chosen:
            caption.value = f"<b>{name}</b>"
            picture.layout.width = picture.layout.height = f"{side}px"
        self.pictures.children = [widgets.VBox([caption, picture]) for _, picture, caption in chosen]
        with self._together():
            self._name_classes(self.class_names[self.model.value])

    def _redraw(self, change: Any = None) -> None:
        if self.waiting:
            return
        view, message = self.view, self.problem
        for name, generator, picture in self.shown:
            try:
                check_labels([view.digit, view.toward], generator.config["num_classes"])
                if generator.config["latent_dim"] != self._latent_dim:
                    raise UserError(f"{name} has latents of another length: choose it as the model.")
                picture.value = enlarged(draw(generator, view, self.ways), SIDE)
            except UserError as error:
                message = message or f"<b>{error}</b>"
        self.message.value = message

    @contextmanager
    def _together(self):
        """Several widgets change, the picture once."""
        self.waiting = True
        try:
            yield
        finally:
            self.waiting = False
        self._redraw()

    def _leave_start(self, change: Any) -> None:
        self.start = None
        self._redraw()

    def _next_seed(self, button: Any) -> None:
        self.seed.value += 1

    def _back_to_start(self, button: Any) -> None:
        with self._together():
            self._center()

    def _center(self) -> None:
        for move in self.moves:
            move.value = 0
        self.share.value, self.truncation.value, self.rows.value = 0, NO_TRUNCATION, 1

    def __repr__(self) -> str:
        return f"Studio({self.model.value})"

    def strip(self) -> bytes:
        """Rows of what the sliders would show, as PNG."""
        name, generator, _ = self.shown[0]
        return views.strip(generator, self.view, self.ways, name)


class DigitPad(anywidget.AnyWidget):
    """A square to draw in; `pixels` holds 28·28 numbers 0…255 after each stroke, none when cleared."""

    _esm = Path(__file__).parent / "pad.js"
    pixels = traitlets.List(traitlets.Int()).tag(sync=True)


class Finder(_WithStrip, widgets.VBox):
    """Draw a digit, find it in the latent space of a generator, and walk on from there with a `Studio`."""

    def __init__(self, studio: Studio):
        self.studio = studio
        self.pad = DigitPad()
        self.find = widgets.Button(description="find me", icon="search", button_style="primary")
        self.clear = widgets.Button(description="clear", icon="eraser")
        self.label = widgets.ToggleButtons(
            options=[(ANY_DIGIT, ANY_DIGIT), *studio.digit.options],
            description="it is a",
            style={"button_width": studio.digit.style.button_width},
        )
        self.drawn, self.nearest = (widgets.Image(format="png", layout=_square(140)) for _ in range(2))
        self.message = widgets.HTML("Draw a digit, then press <b>find me</b>.")
        self.find.on_click(self._search)
        self.clear.on_click(self._clear)
        named = [
            widgets.VBox([widgets.HTML(name), picture])
            for name, picture in (("yours, framed as MNIST", self.drawn), ("nearest it can draw", self.nearest))
        ]
        buttons = widgets.HBox([self.find, self.clear])
        super().__init__([widgets.HBox([self.pad, *named]), self.label, buttons, self.message, studio])

    def __repr__(self) -> str:
        return f"Finder({self.studio.model.value})"

    def strip(self) -> bytes:
        """That of its studio."""
        return self.studio.strip()

    def _search(self, button: Any) -> None:
        self.find.disabled, self.message.value = True, "searching …"
        try:
            pixels = torch.tensor(self.pad.pixels or [0] * 28 * 28, dtype=torch.uint8).view(28, 28)
            image = like_mnist(pixels)
            label = read_digit(image) if self.label.value == ANY_DIGIT else self.label.value
            found = find_latent(self.studio.shown[0][1], image, label)
        except UserError as error:
            self.message.value = f"<b>{error}</b>"
            return
        finally:
            self.find.disabled = False
        self.drawn.value = enlarged(image.expand(3, -1, -1), 140)
        self.nearest.value = enlarged(found.image.expand(3, -1, -1), 140)
        self.message.value = f"Drawn as a {label}; a pixel is off by {found.error:.1f} of 255 in the mean."
        self.studio.go_to(found)

    def _clear(self, button: Any) -> None:
        self.pad.pixels = []


def explore(generator: nn.Module | str | Path | None = None, *, digit: int = 3, z: Tensor | None = None) -> Studio:
    """Sliders that draw digits, beside a picture that follows them; the last line of a notebook cell shows them.

    `generator`: a network, a run folder, or anything that `load_generator` reads (default: your newest run, else the
    best one shipped); the widget lets you choose another. `z` (latent_dim,): where to start, such as from
    `find_latent`. `UserError` for a digit that is no class or a `z` of another shape.
    """
    _enable_in_colab()
    names = sources()
    if isinstance(generator, nn.Module):
        network, name, class_names = generator, f"this {type(generator).__name__}", None
    else:
        runs = [name for name in names if name not in pretrained()]
        name, opened = _first_that_opens([*runs, BEST_SHIPPED] if generator is None else [str(generator)])
        network, class_names = opened.generator, opened.class_names
    check_labels([digit], network.config["num_classes"])
    if z is not None and tuple(z.shape) != (network.config["latent_dim"],):
        raise UserError(f"z must be ({network.config['latent_dim']},), got {tuple(z.shape)}.")
    return Studio(network, name, names, digit, z, class_names)


def draw_and_find(generator: nn.Module | str | Path = BEST_SHIPPED) -> Finder:
    """A square to draw a digit in, and a button that finds it in the latent space of a generator."""
    return Finder(explore(generator))


def _first_that_opens(names: list[str]) -> tuple[str, Opened]:
    """The first of `names` that can be read: a run may have no checkpoint yet, or be of another version."""
    for name in names[:-1]:
        with suppress(UserError):
            return name, open_source(name)
    return names[-1], open_source(names[-1])


def _enable_in_colab() -> None:
    """Colab shows widgets other than ipywidgets' own only when asked to."""
    try:
        from google.colab import output
    except ImportError:
        return
    output.enable_custom_widget_manager()


def _class_buttons(description: str) -> widgets.ToggleButtons:
    return widgets.ToggleButtons(options=[("", 0)], description=description)


def _square(side: int = SIDE) -> widgets.Layout:
    return widgets.Layout(width=f"{side}px", height=f"{side}px")
