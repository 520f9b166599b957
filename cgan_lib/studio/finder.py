"""Draw a digit with the mouse, find it in the latent space of a generator, and walk on from there."""

from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as widgets
import torch
import torch.nn.functional as F
import traitlets
from torch import Tensor

from cgan_lib.errors import UserError
from cgan_lib.evaluation.classifier import load_classifier, read
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.studio.controls import WithStrip, square
from cgan_lib.studio.latent import find_latent
from cgan_lib.studio.view import enlarged
from cgan_lib.studio.widgets import BEST_SHIPPED, Studio, explore

ANY_DIGIT = "any"
SMALL_SIDE = 140  # pixels of what was drawn and what was found
MNIST_SIDE, BOX = 28, 20  # a digit of MNIST fits into a box in the middle of its image


class DigitPad(anywidget.AnyWidget):
    """A square to draw in; `pixels` holds 28·28 numbers 0…255 after each stroke, none when cleared."""

    _esm = Path(__file__).parent / "pad.js"
    pixels = traitlets.List(traitlets.Int()).tag(sync=True)


class Finder(WithStrip, widgets.VBox):
    """Draw a digit, find it in the latent space of a generator, and walk on from there with a `Studio`."""

    def __init__(self, studio: Studio):
        self.studio = studio
        self.pad = DigitPad()
        self.find = widgets.Button(description="find me", icon="search", button_style="primary")
        self.clear = widgets.Button(description="clear", icon="eraser")
        self.label = widgets.ToggleButtons(
            options=[(ANY_DIGIT, ANY_DIGIT), *studio.label.options],
            description="it is a",
            style={"button_width": studio.label.style.button_width},
        )
        self.drawn, self.nearest = (widgets.Image(format="png", layout=square(SMALL_SIDE)) for _ in range(2))
        self.message = widgets.HTML("Draw a digit, then press <b>find me</b>.")
        self.find.on_click(self._search)
        self.clear.on_click(self._clear)
        named = [
            widgets.VBox([widgets.HTML(name), image])
            for name, image in (("yours, framed as MNIST", self.drawn), ("nearest it can draw", self.nearest))
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
            pixels = torch.tensor(self.pad.pixels or [0] * MNIST_SIDE**2, dtype=torch.uint8)
            image = like_mnist(pixels.view(MNIST_SIDE, MNIST_SIDE))
            label = read_digit(image) if self.label.value == ANY_DIGIT else self.label.value
            found = find_latent(self.studio.generator, image, label)
        except UserError as error:
            self.message.value = f"<b>{error}</b>"
            return
        finally:
            self.find.disabled = False
        self.drawn.value, self.nearest.value = (
            enlarged(shown.expand(3, -1, -1), SMALL_SIDE) for shown in (image, found.image)
        )
        self.message.value = f"Drawn as a {label}; a pixel is off by {found.error:.1f} of 255 in the mean."
        self.studio.go_to(found)

    def _clear(self, button: Any) -> None:
        self.pad.pixels = []


def draw_and_find(generator: ConditionalGenerator | str | Path = BEST_SHIPPED) -> Finder:
    """A square to draw a digit in, and a button that finds it in the latent space of a generator."""
    return Finder(explore(generator))


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


def read_digit(image: Tensor) -> int:
    """The class that the evaluation classifier of MNIST reads in an image uint8 (1,28,28)."""
    return int(read(load_classifier("mnist"), image[None])[1].argmax(1))
