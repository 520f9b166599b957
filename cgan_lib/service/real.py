"""Real images beside drawn ones: a sheet of them, for the quiz on the page."""

import hashlib
import re

from cgan_lib.data import is_known, is_local, load_data
from cgan_lib.errors import UserError
from cgan_lib.files import png
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.sampling import GRID_COLUMNS, grid_classes, real_grid

MOST_PIXELS = 16_384  # along a side of a picture that every browser shows


def real_sheet(generator: ConditionalGenerator) -> tuple[str, bytes] | None:
    """File name and PNG of real test images that a generator learned to draw: ten of a class side by side, a row for
    each of `grid_classes`, without gaps.

    None when its data set is not on this machine (nothing is downloaded), cannot be read, has a class without an
    image, or is another by its classes or channels; and where no browser would show so large a picture.
    """
    config, name = generator.config, generator.dataset
    rows = len(grid_classes(config["num_classes"]))
    try:
        if not is_known(name) or not is_local(name) or rows * config["image_size"] > MOST_PIXELS:
            return None
        data = load_data(name, train=False, image_size=config["image_size"])
        images = real_grid(data)
    except UserError:
        return None
    if (data.num_classes, data.channels) != (config["num_classes"], config["channels"]):
        return None
    cells = images.unflatten(0, (-1, GRID_COLUMNS))  # (classes, 10, C, size, size)
    sheet = cells.permute(2, 0, 3, 1, 4).flatten(3).flatten(1, 2)  # (C, classes · size, 10 · size)
    return f"real-{_plain(name)}-{config['image_size']}.png", png(sheet, scale=1)


def _plain(name: str) -> str:
    """A name as part of an address: with letters that mean nothing there, and never that of another."""
    plain = re.sub(r"[^\w.]+", "-", name, flags=re.ASCII).strip("-.")
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".lstrip("-")
