"""Widgets for notebooks: sliders that draw. What they do lies in plain functions; widgets only collect a `View`.

A picture follows a slider because ipywidgets sends one message at a time: while a picture is being made, the browser
keeps only the newest place of the slider.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from torch import Tensor

from cgan_lib.classes import Classes
from cgan_lib.errors import UserError, needs
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.paths import home, short
from cgan_lib.runs.source import open_source
from cgan_lib.studio.controls import (
    WIDTH,
    ClassChooser,
    Picture,
    Room,
    beside,
    button,
    chooser,
    message,
    narrow,
    row,
    same_class,
    slider,
)
from cgan_lib.studio.latent import SLIDERS, Direction, Found, slider_directions
from cgan_lib.studio.view import REACH, View, combinations, described, enlarged, picture, strip
from cgan_lib.weights import pretrained

with needs("notebooks"):
    import ipywidgets as widgets

SIDE = 280  # pixels of the picture on the screen
SIDE_OF_TWO = 200
SIDE_OF_TABLE = 480
MAX_ROWS = 6
NO_TRUNCATION = 3.0  # at this end of the slider, nothing is cut off
NOTHING = "nothing"
BEST_SHIPPED = "relativistic"
FIRST_LABEL = 3
FIRST_SEED = 426  # whose first latent is a plain handwriting, as the page has it


@dataclass
class Model:
    """A generator to choose."""

    name: str
    generator: ConditionalGenerator

    @cached_property
    def directions(self) -> list[Direction]:
        """Those for its sliders, found when first asked for."""
        return slider_directions(self.generator)


class Studio(Room):
    """Sliders beside a picture that follows them; `view` is what they say, and `picture` what is shown."""

    def __init__(self, model: Model, names: list[str], label: int | None = None, z: Tensor | None = None):
        self.models = {model.name: model}
        self.shown: list[tuple[Model, Picture]] = []
        self.start, self.problem, self.waiting = z, "", False
        names = [model.name, *(name for name in names if name != model.name)]
        self.model, self.beside = chooser("model", names), chooser("beside", [NOTHING, *names])
        named = Classes.of(model.generator)
        self.label, self.toward = (ClassChooser(what, named) for what in ("class", "becomes"))
        classes = len(named.names)
        self.label.value = label = min(FIRST_LABEL, classes - 1) if label is None else label
        self.toward.value = (label + 5) % classes
        self.t = slider("how far", 0, 1, 0.05, ".2f")
        self.moves = [slider("", -REACH, REACH, 0.1) for _ in range(SLIDERS)]
        self.truncation = slider("truncation (3: none)", 0.2, NO_TRUNCATION, 0.1)
        self.rows = slider("rows", 1, MAX_ROWS, 1, "d")
        self.every = widgets.Checkbox(layout=widgets.Layout(width=WIDTH))
        self.seed = widgets.BoundedIntText(FIRST_SEED, min=0, max=2**31 - 1, description="seed", **narrow())
        self.another, self.reset = button("another", "random"), button("reset", "undo")
        self.message, self.caption, self.other_caption = message(), widgets.HTML(), widgets.HTML()
        self.picture, self.other = Picture(), Picture()
        self.pictures = widgets.Box(layout=beside())
        self.pictures.add_class("cgan-pictures")
        self._center()
        self._changed_model()
        self._listen()
        top, bottom = row(self.model, self.beside), row(self.seed, self.another, self.reset)
        controls = widgets.VBox([top, *self._controls(), bottom, self.message])
        super().__init__([self.pictures, controls], layout=beside())

    @property
    def generator(self) -> ConditionalGenerator:
        """The one that is shown first."""
        return self.shown[0][0].generator

    @property
    def directions(self) -> list[Direction]:
        """Those of its sliders."""
        return self.shown[0][0].directions

    @property
    def view(self) -> View:
        """What the widgets ask for."""
        return self._view_of(self.generator)

    def _view_of(self, generator: ConditionalGenerator) -> View:
        """The same for another generator: a start of another length than its latents it cannot use."""
        fits = self.start is not None and len(self.start) == generator.config["latent_dim"]
        here, there = self.label.classes, Classes.of(generator)
        label, toward = (same_class(chooser.value, here, there) for chooser in (self.label, self.toward))
        return View(
            label=label,
            toward=toward if generator.mixes else None,
            table=combinations(label, there)[0] if self.every.value and there.attributes else (),
            t=self.t.value,
            moves=tuple(move.value for move in self.moves),
            seed=self.seed.value,
            truncation=self.truncation.value if self.truncation.value < NO_TRUNCATION else None,
            count=self.rows.value**2,
            start=self.start if fits else None,
        )

    def go_to(self, found: Found) -> None:
        """Start from a latent that `find_latent` found."""
        with self._together():
            self.start, self.label.value = found.z, found.label
            self._center()

    def strip(self) -> bytes:
        """Rows of what the sliders would show, as PNG."""
        return strip(self.generator, self.view, self.directions, self.shown[0][0].name)

    def __repr__(self) -> str:
        return f"Studio({self.model.value})"

    def _controls(self) -> list[widgets.Widget]:
        return [self.label, self.toward, self.t, *self.moves, self.truncation, self.rows, self.every]

    def _listen(self) -> None:
        for control in self._controls():
            control.observe(self._redraw, "value")
        for dropdown in (self.model, self.beside):
            dropdown.observe(self._changed_model, "value")
        self.seed.observe(self._leave_start, "value")
        self.another.on_click(self._next_seed)
        self.reset.on_click(self._back_to_start)

    def _opened(self, name: str) -> Model:
        if name not in self.models:
            self.models[name] = _open(name)
        return self.models[name]

    def _changed_model(self, change: Any = None) -> None:
        chosen = [(self.model.value, self.picture), (self.beside.value, self.other)]
        try:
            self.shown = [(self._opened(name), image) for name, image in chosen if name != NOTHING]
        except UserError as error:  # the last ones that could be read stay
            self.problem = self.message.value = f"<b>{escape(str(error))}</b>"
            return
        self.problem = ""
        self._name_sliders()
        for control in (self.toward, self.t):
            control.layout.display = None if self.generator.mixes else "none"
        classes = Classes.of(self.generator)
        self.every.layout.display = None if classes.attributes else "none"
        if classes.attributes:
            self.every.description = f"every combination ({combinations(0, classes)[1]})"
        self._arrange_pictures()
        with self._together():
            for chooser in (self.label, self.toward):
                chooser.offer(classes)

    def _name_sliders(self) -> None:
        """Each model moves along its own directions: with two, a slider says what it does to the one | to the other."""
        for number, move in enumerate(self.moves):
            there = [model.directions[number] for model, _ in self.shown if number < len(model.directions)]
            move.layout.display = None if there else "none"
            names = " | ".join(dict.fromkeys(direction.name for direction in there))
            move.description = there[0].label(number + 1) if len(there) == 1 else f"{number + 1} · {names}"

    def _arrange_pictures(self) -> None:
        captions = [self.caption, self.other_caption][: len(self.shown)]
        for caption, (model, _) in zip(captions, self.shown, strict=True):
            caption.value = f"<b>{escape(model.name)}</b>"
        images = [image for _, image in self.shown]
        self.pictures.children = [widgets.VBox(pair) for pair in zip(captions, images, strict=True)]

    def _redraw(self, change: Any = None) -> None:
        if self.waiting:
            return
        problem = self.problem
        for model, image in self.shown:
            view = self._view_of(model.generator)
            side = SIDE_OF_TABLE if view.table else SIDE
            image.side = side if len(self.shown) == 1 else SIDE_OF_TWO
            try:
                image.value = enlarged(picture(model.generator, view, model.directions), side)
                image.alt = described(view, Classes.of(model.generator).names, model.name)
            except UserError as error:
                problem = problem or f"<b>{escape(str(error))}</b>"
        self.message.value = problem

    @contextmanager
    def _together(self) -> Iterator[None]:
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
        self.t.value, self.truncation.value, self.rows.value, self.every.value = 0, NO_TRUNCATION, 1, False


def explore(
    generator: ConditionalGenerator | str | Path = BEST_SHIPPED,
    *,
    label: int | str | None = None,
    z: Tensor | None = None,
) -> Studio:
    """Sliders that draw, beside a picture that follows them; the last line of a notebook cell shows them.

    `generator`: a network, a run folder, or anything that `load_generator` reads; the widget lets you choose another,
    your newest runs first. `label` is the class to start with, by number or name, default 3 or the last; `z`
    (latent_dim,) where to start, such as from `find_latent`. `UserError` for a label that is no class or a `z` of
    another shape.
    """
    _enable_in_colab()
    names = sources()
    if isinstance(generator, (str, Path)):
        model = _open(str(generator))
    else:
        model = Model(f"this {type(generator).__name__}", generator)
    config = model.generator.config
    if label is not None:
        label = Classes.of(model.generator).label(label)
    if z is not None and tuple(z.shape) != (config["latent_dim"],):
        raise UserError(f"z must be ({config['latent_dim']},), got {tuple(z.shape)}.")
    return Studio(model, names, label, z)


def sources() -> list[str]:
    """The generators at hand: those of your runs, newest first, then those shipped with the library."""
    runs = {path.parents[1] for path in (home() / "logs").glob("*/*/*/checkpoints/*.pt")}
    newest_first = sorted(runs, key=lambda folder: folder.stat().st_mtime, reverse=True)
    return [short(folder) for folder in newest_first] + pretrained()


def _open(name: str) -> Model:
    return Model(name, open_source(name).generator)


def _enable_in_colab() -> None:
    """Colab shows widgets other than ipywidgets' own only when asked to."""
    try:
        from google.colab import output
    except ImportError:
        return
    output.enable_custom_widget_manager()
