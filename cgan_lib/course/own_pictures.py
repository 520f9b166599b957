"""What notebook 09 needs: a folder of photographs, and networks with a learner's parts."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from torch import nn

from cgan_lib.files import staged_folder
from cgan_lib.models import MODELS, Family
from cgan_lib.models.layers import QUIET
from cgan_lib.models.projection import ResidualDiscriminator, ResidualGenerator, residual_init
from cgan_lib.paths import make_folder

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = ("jpg", "png", "webp")
TURNED, ORIENTATION = 6, 0x0112  # what a camera that was held upright writes beside a picture that lies on its side
ROOM = 0.08  # of its side: how far a view is off the middle


class View(NamedTuple):
    """Where the thing is in a photograph, in pixels."""

    middle: tuple[int, int]
    least: int
    """the side of the smallest view"""
    most: int


VIEWS = {
    "dahlia": View((308, 222), 230, 400),
    "admiral": View((262, 190), 230, 370),
    "temple": View((205, 215), 280, 400),
}


def photo_folder(folder: Path, of_each: int = 100) -> Path:
    """Write views of three photographs, a folder for each class, as PNG, JPEG and WebP; some lie on their sides.

    The photographs come with scikit-learn and matplotlib. All views of a class show one thing, each from a bit nearer,
    farther or beside. The same pictures each time; nothing is written where they are.
    """
    if folder.exists():
        return folder
    rng = np.random.default_rng(0)
    with staged_folder(folder) as partial:  # there whole, or not at all
        for name, photograph in _photographs():
            make_folder(partial / name)
            for number in range(of_each):
                path = partial / name / f"{name} {number}.{SUFFIXES[number % len(SUFFIXES)]}"
                _save(_view(photograph, VIEWS[name], rng), path, turned=number % 9 == 0)
    return folder


def _photographs() -> Iterator[tuple[str, "Image"]]:
    import matplotlib
    from PIL import Image
    from sklearn.datasets import load_sample_image

    yield "dahlia", Image.fromarray(load_sample_image("flower.jpg"))
    with Image.open(Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")) as portrait:
        yield "admiral", portrait.convert("RGB")
    yield "temple", Image.fromarray(load_sample_image("china.jpg"))


def _view(photograph: "Image", view: View, rng: np.random.Generator) -> "Image":
    side = rng.uniform(view.least, view.most)
    corner = np.array(view.middle) - side / 2 + side * rng.uniform(-ROOM, ROOM, 2)
    left, top = corner.clip(0, np.array(photograph.size) - side).tolist()
    return photograph.crop((round(left), round(top), round(left + side), round(top + side))).resize((96, 96))


def _save(picture: "Image", path: Path, turned: bool) -> None:
    from PIL import Image

    exif = Image.Exif()
    if turned:  # numbers that are divided by 9: they are JPEGs
        picture, exif[ORIENTATION] = picture.transpose(Image.Transpose.ROTATE_90), TURNED
    picture.save(path, exif=exif)


Part = Callable[[int, int, int], nn.Module]


def with_parts(table: Part, head: Part) -> str:
    """A family like `residual`, with these parts where data have two attributes; its name in `MODELS`.

    `table(num_digits, num_colours, dim)` embeds labels (N,) in the generator, `head(feature_dim, num_digits,
    num_colours)` turns features and labels into logits in the discriminator.
    """

    class Generator(ResidualGenerator):
        mixes = False  # a table of one's own need not know class weights

        def __init__(self, **sizes: Any):
            super().__init__(**sizes)
            if attributes := sizes.get("attributes"):
                digits, colours = attributes
                self.add_module("label_embedding", _quiet(table(digits, colours, self.config["embed_dim"])))

    class Discriminator(ResidualDiscriminator):
        def __init__(self, **sizes: Any):
            super().__init__(**sizes)
            if attributes := sizes.get("attributes"):
                self.add_module("head", head(self.head.linear.in_features, *attributes))
                residual_init(self.head)

    MODELS["two_attributes"] = Family(Generator, Discriminator, ("feature_dim",))
    return "two_attributes"


def _quiet(table: nn.Module) -> nn.Module:
    """The same with numbers small enough that `z` is heard beside the label at first."""
    for parameter in table.parameters():
        nn.init.normal_(parameter, std=QUIET)
    return table
