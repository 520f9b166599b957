"""`cgan generate`"""

import io
from pathlib import Path

import numpy as np
import torch

from cgan_lib.classes import Classes
from cgan_lib.commands.arguments import Source, check_out
from cgan_lib.errors import UserError
from cgan_lib.files import png, write_atomically
from cgan_lib.paths import make_folder
from cgan_lib.runs import open_source
from cgan_lib.sampling import generate, tile

# Bytes of pixels that are made at once: a picture is held in memory twenty times as large as they are
MOST_PIXELS = {".png": 2**24, ".npz": 2**27}


def command(source: Source, labels: list[str], out: Path, count: int = 1, seed: int = 0, force: bool = False) -> None:
    """Make one image for each label asked for.

    Args:
        labels: classes by name, such as shirt bag; a number, as 7 7 3, is the class of that name, or where no class is
            called by another's number the class of that number; of several attributes 7,red, and '*,red' is every red
            one (`info SOURCE` lists names)
        out: picture .png, or .npz with images uint8 (N,C,H,W) and labels int64 (N,)
        count: images of each label given
        seed: of the latents: the same seed makes the same images
        force: write over a file that is there
    """
    check_out(out, force, ".png", ".npz")
    if not labels:
        raise UserError("--labels is empty: name a class or several.")
    if count < 1:
        raise UserError(f"--count {count} must be at least 1.")
    generator = open_source(source).generator
    classes = Classes.of(generator)
    chosen = [label for said in labels for label in classes.find(said)]
    _check_memory(count * len(chosen), out.suffix, generator.config)
    repeated = torch.tensor(chosen).repeat_interleave(count)
    images = generate(generator, repeated, seed=seed)
    if out.suffix == ".png":
        content = png(tile(images, columns=count if count > 1 else min(len(chosen), 10)))
    else:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, images=images.numpy(), labels=repeated.numpy())
        content = buffer.getvalue()
    make_folder(out.parent)
    write_atomically(out, content)
    print(out)


def _check_memory(images: int, suffix: str, config: dict[str, int]) -> None:
    pixels = config.get("channels", 1) * config.get("image_size", 28) ** 2
    if images > (most := MOST_PIXELS[suffix] // pixels):
        raise UserError(
            f"{images:,} images are more than fit into a {suffix}, which is made in memory: ask for {most:,} at most, "
            "and for others with another --seed."
        )
