"""Real images beside drawn ones: a sheet of them, for the quiz on the page."""

import torch
from torch import Tensor

from cgan_lib.data import DATASETS, ImageData, is_local, load_data
from cgan_lib.errors import UserError
from cgan_lib.files import png
from cgan_lib.models.layers import ConditionalGenerator

EACH = 10  # images of a class


def real_sheet(generator: ConditionalGenerator) -> tuple[str, bytes] | None:
    """File name and PNG of real test images that a generator learned to draw: ten of each class side by side, a row for
    each class, without gaps.

    None when its data set is not on this machine (nothing is downloaded), cannot be read, or is another by its classes
    or channels.
    """
    config, name = generator.config, generator.dataset
    if name not in DATASETS or not is_local(name):
        return None
    try:
        data = load_data(name, train=False, image_size=config["image_size"])
    except UserError:
        return None
    if (data.num_classes, data.channels) != (config["num_classes"], config["channels"]):
        return None
    return f"real-{name}-{config['image_size']}.png", png(_sheet(data), scale=1)


def _sheet(data: ImageData) -> Tensor:
    """uint8 (C, classes · size, 10 · size), black where a class has fewer images."""
    size = data.image_size
    cells = torch.zeros(data.num_classes, EACH, data.channels, size, size, dtype=torch.uint8)
    for label, row in enumerate(cells):
        images = data.images[data.labels == label][:EACH]
        row[: len(images)] = images
    return cells.permute(2, 0, 3, 1, 4).reshape(data.channels, data.num_classes * size, EACH * size)
