"""`cgan info`"""

from typing import Annotated

import torch
import tyro
from torch import Tensor, nn
from tyro.conf import Positional

from cgan_lib.classes import Classes, spread
from cgan_lib.console import quoted
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.paths import locate
from cgan_lib.recipes import RECIPES, get_recipe
from cgan_lib.runs import open_source
from cgan_lib.weights.places import HUB

EXAMPLES = 3  # labels that are shown as they are written


def command(source: Annotated[Positional[str], tyro.conf.arg(metavar="RECIPE|SOURCE")]) -> None:
    """Both networks of a recipe, layer by layer; or what a generator draws, by name.

    Args:
        source: a recipe that the command `recipes` lists; or a run folder, a weight file, a published folder, or
            hf://owner/name
    """
    if source in RECIPES or not (source.startswith(HUB) or locate(source).exists()):
        _print_recipe(source)
    else:
        generator, name, _ = open_source(source)
        _print_classes(generator, name)
        _print_layers(f"{name}: generator", generator, torch.zeros(1, generator.config["latent_dim"]))


def _print_recipe(name: str) -> None:
    recipe = get_recipe(name)
    generator, discriminator = recipe.build()
    images = torch.zeros(recipe.batch_size, 1, recipe.image_size, recipe.image_size)
    _print_layers(f"{name}: generator", generator, torch.zeros(recipe.batch_size, recipe.latent_dim))
    _print_layers(f"{name}: discriminator", discriminator, images)


def _print_classes(generator: ConditionalGenerator, name: str) -> None:
    classes, config = Classes.of(generator), generator.config
    size = f"{config['image_size']}×{config['image_size']}, {config['channels']} channel(s)"
    print(f"{name}: draws {generator.dataset or 'images'}, {size}, {len(classes.names)} classes")
    for attribute, values in classes.attributes.items():
        print(f"  {attribute}: {', '.join(values)}")
    for label, class_name in enumerate(classes.names if not classes.attributes else ()):
        print(f"  {label:>4}  {class_name}")
    said = " ".join(quoted(classes.say(label)) for label in spread(len(classes.names), EXAMPLES))
    print(f"  to ask for some: --labels {said}")


def _print_layers(title: str, network: nn.Module, inputs: Tensor) -> None:
    from torchinfo import summary

    labels = torch.zeros(len(inputs), dtype=torch.long)
    print(f"\n{title}")
    print(summary(network, input_data=(inputs, labels), col_names=("output_size", "num_params"), verbose=0))
