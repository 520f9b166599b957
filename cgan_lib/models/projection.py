"""Families whose discriminator compares image features with the class: `projection` and `residual`.

Generators: `z` (N, latent_dim) and `labels` (N,) → images (N, C, H, W) in [-1, 1].
Discriminators: images `x` (N, C, H, W) and `labels` (N,) → logits (N,), the sum of two terms (Miyato & Koyama 2018,
eq. 3): how real the features look, and how well they agree with an embedding of the class.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from cgan_lib.models.labels import ClassEmbedding
from cgan_lib.models.layers import (
    LEAK,
    Clamp,
    ConditionalGenerator,
    DenseToMaps,
    Dropout,
    check_image,
    config_of,
    downsample,
    quiet_labels_init,
    upsample,
)
from cgan_lib.models.limits import doublings


def first_side(image_size: int) -> int:
    """The side of the map that an image begins as: 7 for 28, 8 for 32, 64 and 128."""
    return image_size // 2 ** doublings(image_size)


def _narrowing(base_channels: int, image_size: int) -> list[int]:
    """Channels before and after each doubling, halved down to a quarter: c, c/2, c/4, and c/4 again."""
    return [max(base_channels // 2**k, base_channels // 4) for k in range(doublings(image_size) + 1)]


def _stages(state: dict[str, Tensor]) -> int:
    """How many layers of a generator double the sides: kernels of 4×4 have no others."""
    return sum(name.startswith("upsampling.") and tensor.shape[2:] == (4, 4) for name, tensor in state.items())


class ProjectionGenerator(ConditionalGenerator):
    """Class embedding beside `z`, a dense layer to a small map, upsampling stages with BatchNorm, a convolution."""

    def __init__(
        self,
        latent_dim: int = 100,
        num_classes: int = 10,
        channels: int = 1,
        image_size: int = 28,
        embed_dim: int = 100,
        base_channels: int = 384,
        attributes: Sequence[int] = (),
    ):
        super().__init__(latent_dim, num_classes, channels, image_size, embed_dim, base_channels, attributes)
        widths = _narrowing(base_channels, image_size)
        self.label_embedding = ClassEmbedding(num_classes, embed_dim, attributes)
        self.dense = DenseToMaps(latent_dim + embed_dim, base_channels, first_side(image_size))  # (N, c, s, s)
        layers: list[nn.Module] = []
        for c_in, c_out in pairwise(widths):
            layers += [nn.BatchNorm2d(c_in), nn.ReLU(), upsample(c_in, c_out)]  # (N, c/2, 2s, 2s), (N, c/4, 4s, 4s)
        layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU()]
        layers += [nn.Conv2d(widths[-1], channels, kernel_size=3, padding=1), nn.Tanh()]  # (N, C, H, W)
        self.upsampling = nn.Sequential(*layers)
        quiet_labels_init(self)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        joined = torch.cat([z, self.label_embedding(labels)], dim=1)  # (N, latent_dim + embed_dim)
        return self.upsampling(self.dense(joined))

    @staticmethod
    def infer_config(state: dict[str, Tensor]) -> dict[str, Any]:
        stages = _stages(state)
        base_channels, channels = len(state["upsampling.0.weight"]), len(state[f"upsampling.{3 * stages + 2}.weight"])
        return config_of(state, "dense", base_channels, channels, stages)


class ProjectionHead(nn.Module):
    """Features (N, F) and labels (N,) → logits (N,): `realness` + `agreement` with the embedding of the class."""

    def __init__(self, feature_dim: int, num_classes: int, attributes: Sequence[int] = (), auxiliary: bool = False):
        super().__init__()
        self.linear = nn.Linear(feature_dim, 1)
        self.class_embedding = ClassEmbedding(num_classes, feature_dim, attributes)
        if auxiliary:  # which class do the features look like? (AC-GAN, Odena et al. 2017)
            self.classifier = nn.Linear(feature_dim, num_classes)

    def realness(self, features: Tensor) -> Tensor:
        """How real the features look, whatever the class: (N, F) → (N,)."""
        return self.linear(features).squeeze(1)

    def agreement(self, features: Tensor, labels: Tensor) -> Tensor:
        """⟨embedding of the class, features⟩: (N, F) and (N,) → (N,)."""
        return (self.class_embedding(labels) * features).sum(1)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        return self.realness(features) + self.agreement(features, labels)


class FeatureDiscriminator(nn.Module):
    """Discriminators that turn an image into features, about which a projection head says the rest."""

    head: ProjectionHead

    def features(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) → features (N, F)."""
        raise NotImplementedError

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return self.head(self.features(x), labels)

    def with_guesses(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The logits (N,), and those of the auxiliary classifier (N, num_classes), from the same features."""
        features = self.features(x)
        return self.head(features, labels), self.head.classifier(features)


class ProjectionDiscriminator(FeatureDiscriminator):
    """Convolutions with spectral norm, global sum pooling, then the projection head, normalised too."""

    def __init__(
        self,
        num_classes: int = 10,
        channels: int = 1,
        image_size: int = 28,
        base_channels: int = 64,
        dropout: float = 0.0,
        feature_dim: int = 256,
        auxiliary: bool = False,
        attributes: Sequence[int] = (),
    ):
        super().__init__()
        self.channels, self.image_size = channels, image_size
        widths = [base_channels * 2**k for k in range(doublings(image_size))]  # c, 2c for 28 and 32
        # Each convolution gets its norm before the next is made: both draw from the seed, and the order is part of it
        layers = [spectral_norm(nn.Conv2d(channels, base_channels, kernel_size=3, padding=1)), nn.LeakyReLU(LEAK)]
        for c_in, c_out in pairwise([*widths, feature_dim]):
            layers += [spectral_norm(downsample(c_in, c_out)), nn.LeakyReLU(LEAK)]  # (N, 2c, H/2, W/2), (N, F, s, s)
        last = nn.Conv2d(feature_dim, feature_dim, kernel_size=3, padding=1)  # (N, F, s, s)
        self.backbone = nn.Sequential(*layers, spectral_norm(last), nn.LeakyReLU(LEAK))
        self.dropout = Dropout(dropout)
        self.head = ProjectionHead(feature_dim, num_classes, attributes, auxiliary)
        spectral_norm(self.head.linear)
        spectral_norm(self.head.class_embedding)

    def features(self, x: Tensor) -> Tensor:
        """What was found, summed over all places."""
        check_image(x, self.channels, self.image_size)
        return self.dropout(self.backbone(x).sum((2, 3)))


class Residual(nn.Module):
    """x + two 3×3 convolutions of x, whose sum starts small, so that a stack without norm layers starts tame.

    (N, c, H, W) → (N, c, H, W). The scale of the start follows Fix-up (Zhang et al. 2019), as in R3GAN.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.LeakyReLU(LEAK),
            nn.Conv2d(channels, channels, kernel_size=3, padding=1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.convolutions(x)


class ResidualGenerator(ConditionalGenerator):
    """No norm layers: class embedding beside `z`, a dense layer to a small map, residual blocks before doublings."""

    def __init__(
        self,
        latent_dim: int = 100,
        num_classes: int = 10,
        channels: int = 1,
        image_size: int = 28,
        embed_dim: int = 100,
        base_channels: int = 128,
        attributes: Sequence[int] = (),
    ):
        super().__init__(latent_dim, num_classes, channels, image_size, embed_dim, base_channels, attributes)
        widths = _narrowing(base_channels, image_size)
        self.label_embedding = ClassEmbedding(num_classes, embed_dim, attributes)
        self.dense = DenseToMaps(latent_dim + embed_dim, base_channels, first_side(image_size))  # (N, c, s, s)
        layers: list[nn.Module] = []
        for c_in, c_out in pairwise(widths):
            layers += [Residual(c_in), upsample(c_in, c_out)]  # (N, c/2, 2s, 2s), (N, c/4, 4s, 4s)
        layers += [nn.LeakyReLU(LEAK), nn.Conv2d(widths[-1], channels, kernel_size=3, padding=1), Clamp()]
        self.upsampling = nn.Sequential(*layers)  # (N, C, H, W)
        residual_init(self)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        joined = torch.cat([z, self.label_embedding(labels)], dim=1)  # (N, latent_dim + embed_dim)
        return self.upsampling(self.dense(joined))

    @staticmethod
    def infer_config(state: dict[str, Tensor]) -> dict[str, Any]:
        stages = _stages(state)
        base_channels, channels = len(state["upsampling.1.weight"]), len(state[f"upsampling.{2 * stages + 1}.weight"])
        return config_of(state, "dense", base_channels, channels, stages)


class ResidualDiscriminator(FeatureDiscriminator):
    """No norm layers: halvings with residual blocks behind them, flatten, features, then the projection head."""

    def __init__(
        self,
        num_classes: int = 10,
        channels: int = 1,
        image_size: int = 28,
        base_channels: int = 32,
        dropout: float = 0.0,
        feature_dim: int = 128,
        auxiliary: bool = False,
        attributes: Sequence[int] = (),
    ):
        super().__init__()
        self.channels, self.image_size = channels, image_size
        widths = [channels, *(base_channels * 2**k for k in range(doublings(image_size)))]  # C, c, 2c for 28 and 32
        layers: list[nn.Module] = []
        for c_in, c_out in pairwise(widths):
            layers += [downsample(c_in, c_out), Residual(c_out)]  # (N, c, H/2, W/2), (N, 2c, H/4, W/4)
        whole = nn.Conv2d(widths[-1], feature_dim, kernel_size=first_side(image_size))  # (N, F, 1, 1)
        layers += [nn.LeakyReLU(LEAK), whole, nn.LeakyReLU(LEAK), nn.Flatten(), Dropout(dropout)]  # (N, F)
        self.backbone = nn.Sequential(*layers)
        self.head = ProjectionHead(feature_dim, num_classes, attributes, auxiliary)
        residual_init(self)

    def features(self, x: Tensor) -> Tensor:
        check_image(x, self.channels, self.image_size)
        return self.backbone(x)


def residual_init(network: nn.Module) -> None:
    """Glorot weights and small embeddings; the last convolution of every residual block a tenth of that."""
    quiet_labels_init(network)
    for layer in network.modules():
        if isinstance(layer, Residual):
            with torch.no_grad():
                next(layer.convolutions[-1].parameters()).mul_(0.1)
