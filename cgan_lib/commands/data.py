"""`cgan data`"""

from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from cgan_lib.console import program
from cgan_lib.data import Fit, add_data, load_data
from cgan_lib.errors import UserError


def command(
    path: Annotated[Positional[Path], tyro.conf.arg(metavar="PATH")],
    name: str | None = None,
    fit: Fit = "crop",
    grey: bool = False,
    image_size: int = 64,
) -> None:
    """Give a folder of pictures a name, and say what is in it.

    A folder with a folder for each class, or one file .npz, .npy or .csv.

    Args:
        path: the folder or file
        name: by which the other commands know it; default: that of the folder
        fit: crop takes the middle of each picture, pad all of it
        grey: leave colours out
        image_size: height and width in pixels that are tried
    """
    known = add_data(path, name, fit=fit, grey=grey)
    train = load_data(known, image_size=image_size)
    try:
        tested = load_data(known, train=False, image_size=image_size).labels.bincount(minlength=train.num_classes)
    except UserError:  # no class has more than one picture
        tested = train.labels.new_zeros(train.num_classes)
    trained = train.labels.bincount(minlength=train.num_classes)
    width = max(5, *map(len, train.class_names))
    print(f"{'class':<{width}}  to train  to test")
    for each, training, testing in zip(train.class_names, trained.tolist(), tested.tolist(), strict=True):
        print(f"{each:<{width}}  {training:>8,}  {testing:>7,}")
    colours = "in colour" if train.channels == 3 else "grey"
    print(f"\n{len(train):,} pictures of {image_size}×{image_size} {colours}, known as {known}:")
    print(f"{program()} train relativistic --dataset {known} --image-size {image_size}")
