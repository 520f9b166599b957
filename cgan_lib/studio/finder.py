"""Draw a digit with the mouse, find it in the latent space of a generator, and walk on from there."""

from html import escape
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cgan_lib.data import resize
from cgan_lib.errors import UserError, needs, shown
from cgan_lib.evaluation.classifier import SHIPPED, load_classifier, read
from cgan_lib.figures import WIDTH, as_png, draw_grid, house_style
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.studio.controls import ROOM, Choice, Picture, Room, beside, button, message
from cgan_lib.studio.latent import Found, find_latent
from cgan_lib.studio.view import draw_walks, enlarged
from cgan_lib.studio.widgets import BEST_SHIPPED, Studio, explore

with needs("notebooks"):
    import anywidget
    import ipywidgets as widgets
    import traitlets

ANY_DIGIT = "any"
SMALL_SIDE = 140  # pixels of what was drawn and what was found
MNIST_SIDE, BOX = 28, 20  # a digit of MNIST fits into a box in the middle of its image
PAIR_HEIGHT = 3.4  # inches of what was drawn and what was found, beside the rows of a strip
ASK = "Draw a digit, then press <b>find me</b>."


class DigitPad(anywidget.AnyWidget):
    """A square to draw in; `pixels` holds 28·28 numbers 0…255 after each stroke, none when cleared."""

    _esm = ROOM / "pad.js"
    pixels = traitlets.List(traitlets.Int()).tag(sync=True)


class Finder(Room):
    """Draw a digit, find it in the latent space of a generator, and walk on from there with a `Studio`."""

    def __init__(self, studio: Studio, drawing: Tensor | None = None):
        self.studio = studio
        self.sought: Tensor | None = None  # a drawing, framed: uint8 (1,28,28)
        self.found: Found | None = None
        self.pad = DigitPad(pixels=[] if drawing is None else drawing.flatten().tolist())
        self.find = button("find me", "search", button_style="primary")
        self.label = Choice("it is a", [(ANY_DIGIT, ANY_DIGIT)])
        self.drawn, self.nearest = Picture(side=SMALL_SIDE), Picture(side=SMALL_SIDE)
        self.captions = [widgets.HTML(), widgets.HTML()]
        self.message = message(ASK)
        self._offer_labels()
        self.find.on_click(self._search)
        self.pad.observe(self._changed_drawing, "pixels")
        self.studio.label.observe(self._offer_labels, "options")
        self.studio.model.observe(self._changed_model, "value")
        pairs = zip(self.captions, (self.drawn, self.nearest), strict=True)
        top = widgets.Box([self.pad, *(widgets.VBox(pair) for pair in pairs)], layout=beside())
        column = widgets.Layout(flex_flow="column")
        super().__init__([top, self.label, self.find, self.message, studio], layout=column)
        if drawing is not None:
            self._search()

    def __repr__(self) -> str:
        return f"Finder({self.studio.model.value})"

    @house_style()
    def strip(self) -> bytes:
        """What was drawn, what was found and where the sliders lead from there; before a search that of the studio."""
        if self.sought is None or self.found is None:
            return self.studio.strip()
        from matplotlib.figure import Figure

        studio = self.studio
        figure = Figure(figsize=(WIDTH, PAIR_HEIGHT), layout="compressed")
        left, right = figure.subplots(1, 2, width_ratios=(1, 4))
        found = self.found.image
        pair = torch.stack([resize(self.sought[None], found.shape[-1])[0].expand_as(found), found])  # (2, C, H, W)
        draw_grid(left, pair, ["drawn", "found"], studio.model.value, columns=1)
        draw_walks(right, studio.generator, studio.view, studio.directions, "and from there")
        return as_png(figure)

    def _framed(self) -> Tensor:
        """What is on the pad, as MNIST would frame it: uint8 (1,28,28)."""
        pixels = torch.tensor(self.pad.pixels or [0] * MNIST_SIDE**2, dtype=torch.uint8)
        return like_mnist(pixels.view(MNIST_SIDE, MNIST_SIDE))

    def _search(self, button: Any = None) -> None:
        self.find.disabled, self.message.value = True, "searching …"
        try:
            image = self._framed()
            generator = self.studio.generator
            label = read_digit(image, generator.dataset) if self.label.value == ANY_DIGIT else self.label.value
            found = find_latent(generator, image.expand(generator.config["channels"], -1, -1), label)
        except UserError as error:
            self.message.value = f"<b>{escape(str(error))}</b>"
            return
        finally:
            self.find.disabled = False
        self._show(image, found)

    def _show(self, image: Tensor, found: Found) -> None:
        self.sought, self.found = image, found
        name = self.studio.generator.class_names[found.label]
        whats = "yours, framed as MNIST", "nearest it can draw"
        pictures = zip(self.captions, (self.drawn, self.nearest), whats, (image, found.image), strict=True)
        for caption, picture, what, pixels in pictures:
            caption.value, picture.alt = what, f"{name}: {what}"
            picture.value = enlarged(pixels.expand(3, -1, -1), SMALL_SIDE)
        self.message.value = f"Drawn as a {escape(name)}; a pixel is off by {found.error:.1f} of 255 in the mean."
        self.studio.go_to(found)

    def _changed_drawing(self, change: Any) -> None:
        if not self.pad.pixels:
            self._forget()

    def _changed_model(self, change: Any) -> None:
        self._forget()
        self._offer_labels()

    def _forget(self) -> None:
        """What was found goes: there is no drawing any more, or another generator."""
        self.sought, self.found, self.message.value = None, None, ASK
        for caption, picture in zip(self.captions, (self.drawn, self.nearest), strict=True):
            caption.value, picture.value = "", b""

    def _offer_labels(self, change: Any = None) -> None:
        """The classes of the model, and "any" where there is something that reads them."""
        readable = self.studio.generator.dataset in readable_datasets()
        self.label.offer([*([(ANY_DIGIT, ANY_DIGIT)] if readable else []), *self.studio.label.options])


def draw_and_find(
    generator: ConditionalGenerator | str | Path = BEST_SHIPPED, *, drawing: Tensor | None = None
) -> Finder:
    """A square to draw a digit in, and a button that finds it in the latent space of a generator.

    `drawing` uint8 (28,28) or (1,28,28), white on black, is there already, and is looked for. `UserError` for another
    shape or type.
    """
    if drawing is not None and (drawing.dtype != torch.uint8 or drawing.numel() != MNIST_SIDE**2):
        raise UserError(f"a drawing must be uint8 (28, 28), got {drawing.dtype} {tuple(drawing.shape)}.")
    return Finder(explore(generator), drawing)


def like_mnist(pixels: Tensor) -> Tensor:
    """A drawing uint8 (H,W), white on black, framed as MNIST's digits are: uint8 (1,28,28).

    Scaled to fit 20×20 pixels, then moved until its centre of mass is the middle (LeCun et al. 1998, section III.A).
    `UserError` when nothing was drawn.
    """
    rows, columns = pixels.amax(1).nonzero().flatten(), pixels.amax(0).nonzero().flatten()
    if len(rows) == 0:
        raise UserError("nothing is drawn yet: draw a digit first.")
    digit = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].float()  # (h, w)
    scale = BOX / max(digit.shape)
    size = [max(round(scale * side), 1) for side in digit.shape]
    digit = F.interpolate(digit[None, None], size=size, mode="bilinear", antialias=True)[0, 0]
    top, left = (_offset(digit.sum(1 - axis)) for axis in range(2))
    framed = torch.zeros(MNIST_SIDE, MNIST_SIDE)
    framed[top : top + size[0], left : left + size[1]] = digit
    return framed.round().clamp(0, 255).byte()[None]


def _offset(ink: Tensor) -> int:
    """Where `ink` (length,) along one side has to begin for its centre of mass to be the middle, if it fits there."""
    centre = (ink * torch.arange(len(ink))).sum() / ink.sum()
    return int(((MNIST_SIDE - 1) / 2 - centre).round().clamp(0, MNIST_SIDE - len(ink)))


def readable_datasets() -> set[str]:
    """The data sets that a shipped classifier reads."""
    return {path.stem for path in SHIPPED.glob("*.safetensors")}


def read_digit(image: Tensor, dataset: str = "mnist") -> int:
    """The class that the shipped evaluation classifier of a data set reads in an image uint8 (1,28,28).

    `UserError` for a data set that none is shipped for: what it would read are other classes.
    """
    if dataset not in readable_datasets():
        raise UserError(f"nothing here reads images of {shown(dataset)}: say which class the drawing is.")
    return int(read(load_classifier(dataset, image.shape[-1]), image[None])[1].argmax(1))
