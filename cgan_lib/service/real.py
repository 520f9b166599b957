"""Real images beside drawn ones: a sheet of them, for the quiz on the page."""

from cgan_lib.data import is_known, is_local, load_data
from cgan_lib.errors import UserError
from cgan_lib.files import png
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.sampling import GRID_COLUMNS, real_grid


def real_sheet(generator: ConditionalGenerator) -> tuple[str, bytes] | None:
    """File name and PNG of real test images that a generator learned to draw: ten of each class side by side, a row for
    each class, without gaps.

    None when its data set is not on this machine (nothing is downloaded), cannot be read, has a class without an
    image, or is another by its classes or channels.
    """
    config, name = generator.config, generator.dataset
    if not is_known(name) or not is_local(name):
        return None
    try:
        data = load_data(name, train=False, image_size=config["image_size"])
        images = real_grid(data)
    except UserError:
        return None
    if (data.num_classes, data.channels) != (config["num_classes"], config["channels"]):
        return None
    cells = images.unflatten(0, (-1, GRID_COLUMNS))  # (classes, 10, C, size, size)
    sheet = cells.permute(2, 0, 3, 1, 4).flatten(3).flatten(1, 2)  # (C, classes · size, 10 · size)
    return f"real-{name}-{config['image_size']}.png", png(sheet, scale=1)
