"""`cgan info`"""

from typing import Annotated

import torch
import tyro
from tyro.conf import Positional

from cgan_lib.recipes import get_recipe


def command(name: Annotated[Positional[str], tyro.conf.arg(metavar="RECIPE")]) -> None:
    """Both networks of a recipe, layer by layer.

    Args:
        name: one that the command `recipes` lists
    """
    from torchinfo import summary

    recipe = get_recipe(name)
    generator, discriminator = recipe.build()
    batch = recipe.batch_size
    z, labels = torch.zeros(batch, recipe.latent_dim), torch.zeros(batch, dtype=torch.long)
    images = torch.zeros(batch, 1, recipe.image_size, recipe.image_size)
    for title, network, inputs in (("generator", generator, z), ("discriminator", discriminator, images)):
        print(f"\n{name}: {title}")
        print(summary(network, input_data=(inputs, labels), col_names=("output_size", "num_params"), verbose=0))
