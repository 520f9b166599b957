"""Registry of the families: a generator and a discriminator each, with one interface for all.

Generator(latent_dim, num_classes, channels, image_size, embed_dim, base_channels)(z, labels) -> images in [-1, 1]
Discriminator(num_classes, channels, image_size, base_channels, dropout)(x, labels) -> logits
"""

from typing import NamedTuple

from torch import nn

from cgan_lib.models.concat import (
    BCEDiscriminator,
    BCEGenerator,
    DropoutDiscriminator,
    DropoutGenerator,
    SpatialDiscriminator,
    SpatialGenerator,
)


class Family(NamedTuple):
    """The two networks of one architecture, as classes."""

    generator: type[nn.Module]
    discriminator: type[nn.Module]


MODELS = {
    "bce": Family(BCEGenerator, BCEDiscriminator),
    "dropout": Family(DropoutGenerator, DropoutDiscriminator),
    "spatial": Family(SpatialGenerator, SpatialDiscriminator),
}
