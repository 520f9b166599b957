"""One picture, whatever it was stored as, as square pixels: turned upright, cropped or padded, in colour or grey."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cgan_lib.files import first_line

if TYPE_CHECKING:
    from PIL.Image import Image

Fit = Literal["crop", "pad"]
SUFFIXES = {".png", ".jpg", ".jpeg", ".jpe", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".ppm", ".pnm", ".avif"}
# What a file may be, whatever its name says: others, such as EPS, are handed to programs outside
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF")
SIXTEEN_BITS = 257  # 65535 / 255


class Unreadable(Exception):
    """A file that is no picture, or a damaged one."""


def read_picture(source: Path | Callable[[], Any], size: int, fit: Fit) -> np.ndarray:
    """RGB pixels uint8 (3, size, size) of a file, or of what a function returns; `Unreadable` when there are none."""
    from PIL import Image

    try:
        if callable(source):
            return squared(as_picture(source()), size, fit)
        Image.init()  # then it knows every format that is installed
        with Image.open(source, formats=[each for each in FORMATS if each in Image.OPEN]) as picture:
            if picture.format == "JPEG":
                picture.draft("RGB", (2 * size, 2 * size))  # decodes no finer than it has to
            return squared(picture, size, fit)
    except Exception as error:  # the many decoders of PIL raise whatever they like, SyntaxError among it
        raise Unreadable(first_line(error)) from error


def as_picture(pixels: Any) -> "Image":
    """A picture of PIL: itself, or of pixels uint8 (H,W), (H,W,C) or (C,H,W)."""
    from PIL import Image

    if isinstance(pixels, Image.Image):
        return pixels
    array = np.asarray(pixels)
    if array.ndim == 3 and array.shape[0] in (1, 3, 4) and array.shape[2] not in (1, 3, 4):
        array = array.transpose(1, 2, 0)  # (C, H, W) → (H, W, C)
    return Image.fromarray(np.ascontiguousarray(array[..., 0] if array.shape[2:] == (1,) else array))


def squared(picture: "Image", size: int, fit: Fit) -> np.ndarray:
    """RGB pixels uint8 (3, size, size): the middle of a picture, or all of it on a ground of its corners' colour."""
    from PIL import Image, ImageOps

    upright = in_rgb(ImageOps.exif_transpose(picture))
    square = (size, size)
    if fit == "crop":
        done = ImageOps.fit(upright, square, Image.Resampling.BICUBIC)
    else:
        done = ImageOps.pad(upright, square, Image.Resampling.BICUBIC, color=_ground(upright))
    return np.asarray(done).transpose(2, 0, 1)  # (size, size, 3) → (3, size, size)


def in_rgb(picture: "Image") -> "Image":
    """A picture in RGB: 16 bits as 8, and what is transparent on white."""
    from PIL import Image

    if picture.mode.startswith("I"):  # grey in 16 bits, "I;16"; of older versions of PIL, in 32
        pixels = np.asarray(picture).astype(np.int64)
        deep = picture.mode.startswith("I;16") or pixels.max() > 255
        eight = pixels // SIXTEEN_BITS if deep else pixels
        return Image.fromarray(eight.clip(0, 255).astype(np.uint8)).convert("RGB")
    if picture.mode == "F":
        raise ValueError("its pixels are fractions, of which nobody knows black and white")
    if "A" in picture.mode or "transparency" in picture.info:
        colours = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", colours.size, "white"), colours).convert("RGB")
    return picture.convert("RGB")


def _ground(picture: "Image") -> tuple[int, ...]:
    """The mean colour of the four corners."""
    corners = np.asarray(picture)[[0, 0, -1, -1], [0, -1, 0, -1]]  # (4, 3)
    return tuple(corners.mean(0).round().astype(int).tolist())
