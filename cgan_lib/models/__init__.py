"""Registry of the families: a generator and a discriminator each, with one interface for all.

Generator(latent_dim, num_classes, channels, image_size, embed_dim, base_channels)(z, labels) -> images in [-1, 1]
Discriminator(num_classes, channels, image_size, base_channels, dropout, *options)(x, labels) -> logits
"""

from typing import NamedTuple

from torch import nn

from cgan_lib.errors import UserError
from cgan_lib.models.concat import (
    BCEDiscriminator,
    BCEGenerator,
    DropoutDiscriminator,
    DropoutGenerator,
    SpatialDiscriminator,
    SpatialGenerator,
)
from cgan_lib.models.dcgan import DCGANDiscriminator, DCGANGenerator, GrowingDiscriminator, GrowingGenerator
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.models.projection import (
    ProjectionDiscriminator,
    ProjectionGenerator,
    ResidualDiscriminator,
    ResidualGenerator,
)
from cgan_lib.models.subpixel import SubpixelDiscriminator, SubpixelGenerator


class Family(NamedTuple):
    """The two networks of one architecture, as classes."""

    generator: type[ConditionalGenerator]
    discriminator: type[nn.Module]
    options: tuple[str, ...] = ()
    """fields of a recipe that only some discriminators take"""
    grows: bool = False
    """both networks have `grow(stage)`"""


MODELS: dict[str, Family] = {
    "bce": Family(BCEGenerator, BCEDiscriminator),
    "dropout": Family(DropoutGenerator, DropoutDiscriminator),
    "spatial": Family(SpatialGenerator, SpatialDiscriminator),
    "dcgan": Family(DCGANGenerator, DCGANDiscriminator),
    "growing": Family(GrowingGenerator, GrowingDiscriminator, grows=True),
    "projection": Family(ProjectionGenerator, ProjectionDiscriminator, ("feature_dim", "auxiliary")),
    "residual": Family(ResidualGenerator, ResidualDiscriminator, ("feature_dim", "auxiliary")),
    "subpixel": Family(SubpixelGenerator, SubpixelDiscriminator, ("feature_dim", "auxiliary")),
}

# What weights and runs from before say, when the name named a size that the networks are not tied to
FORMER_NAMES = {"dcgan64": "dcgan", "DCGAN64Generator": "DCGANGenerator"}


def family_of(generator: nn.Module) -> str:
    """The name in `MODELS` of the family of a generator; `UserError` when it is in none."""
    for name, family in MODELS.items():
        if family.generator is type(generator):
            return name
    name = type(getattr(generator, "module", generator)).__name__  # what is wrapped goes by its own name
    raise UserError(
        f"{name} is no family known here, so nothing could read what is written: add it to MODELS, or write one ONNX "
        "file, export_onnx."
    )
