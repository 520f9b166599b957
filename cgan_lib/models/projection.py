"""Families whose discriminator compares image features with the class: `projection` and `residual`.

Generators: `z` (N, latent_dim) and `labels` (N,) → images (N, C, H, W) in [-1, 1].
Discriminators: images `x` (N, C, H, W) and `labels` (N,) → logits (N,), the sum of two terms (Miyato & Koyama 2018,
eq. 3): how real the features look, and how well they agree with an embedding of the class.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from cgan_lib.models.layers import (
    LEAK,
    Clamp,
    ClassEmbedding,
    ConditionalGenerator,
    DenseToMaps,
    Dropout,
    check_image,
    config_of,
    downsample,
    quiet_labels_init,
    upsample,
)
from cgan_lib.models.limits import quarter


class ProjectionGenerator(ConditionalGenerator):
    """Class embedding beside `z`, a dense layer to a 7×7 map, two upsampling stages with BatchNorm, a convolution."""

    def __init__(
        self,
        latent_dim: int = 100,
        num_classes: int = 10,
        channels: int = 1,
        image_size: int = 28,
        embed_dim: int = 100,
        base_channels: int = 384,
    ):
        super().__init__(latent_dim, num_classes, channels, image_size, embed_dim, base_channels)
        c, s = base_channels, quarter(image_size)
        self.label_embedding = ClassEmbedding(num_classes, embed_dim)
        self.dense = DenseToMaps(latent_dim + embed_dim, c, s)  # (N, c, s, s)
        self.upsampling = nn.Sequential(
            nn.BatchNorm2d(c),
            nn.ReLU(),
            upsample(c, c // 2),  # (N, c/2, 2s, 2s)
            nn.BatchNorm2d(c // 2),
            nn.ReLU(),
            upsample(c // 2, c // 4),  # (N, c/4, 4s, 4s)
            nn.BatchNorm2d(c // 4),
            nn.ReLU(),
            nn.Conv2d(c // 4, channels, kernel_size=3, padding=1),  # (N, C, 4s, 4s)
            nn.Tanh(),
        )
        quiet_labels_init(self)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        joined = torch.cat([z, self.label_embedding(labels)], dim=1)  # (N, latent_dim + embed_dim)
        return self.upsampling(self.dense(joined))

    @staticmethod
    def infer_config(state: dict[str, Tensor]) -> dict[str, int]:
        return config_of(
            state, "dense", base_channels=len(state["upsampling.0.weight"]), channels=len(state["upsampling.8.weight"])
        )


class ProjectionHead(nn.Module):
    """Features (N, F) and labels (N,) → logits (N,): `realness` + `agreement` with the embedding of the class."""

    def __init__(self, feature_dim: int, num_classes: int):
        super().__init__()
        self.linear = nn.Linear(feature_dim, 1)
        self.class_embedding = nn.Embedding(num_classes, feature_dim)

    def realness(self, features: Tensor) -> Tensor:
        """How real the features look, whatever the class: (N, F) → (N,)."""
        return self.linear(features).squeeze(1)

    def agreement(self, features: Tensor, labels: Tensor) -> Tensor:
        """⟨embedding of the class, features⟩: (N, F) and (N,) → (N,)."""
        return (self.class_embedding(labels) * features).sum(1)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        return self.realness(features) + self.agreement(features, labels)


class ProjectionDiscriminator(nn.Module):
    """Convolutions with spectral norm, global sum pooling, then the projection head, normalised too."""

    def __init__(
        self,
        num_classes: int = 10,
        channels: int = 1,
        image_size: int = 28,
        base_channels: int = 64,
        dropout: float = 0.0,
        feature_dim: int = 256,
    ):
        super().__init__()
        quarter(image_size)
        self.channels, self.image_size = channels, image_size
        c = base_channels
        self.backbone = nn.Sequential(
            spectral_norm(nn.Conv2d(channels, c, kernel_size=3, padding=1)),  # (N, c, H, W)
            nn.LeakyReLU(LEAK),
            spectral_norm(downsample(c, 2 * c)),  # (N, 2c, H/2, W/2)
            nn.LeakyReLU(LEAK),
            spectral_norm(downsample(2 * c, feature_dim)),  # (N, F, H/4, W/4)
            nn.LeakyReLU(LEAK),
            spectral_norm(nn.Conv2d(feature_dim, feature_dim, kernel_size=3, padding=1)),  # (N, F, H/4, W/4)
            nn.LeakyReLU(LEAK),
        )
        self.dropout = Dropout(dropout)
        self.head = ProjectionHead(feature_dim, num_classes)
        spectral_norm(self.head.linear)
        spectral_norm(self.head.class_embedding)

    def features(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) → features (N, F): what was found, summed over all places."""
        check_image(x, self.channels, self.image_size)
        return self.dropout(self.backbone(x).sum((2, 3)))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return self.head(self.features(x), labels)


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
    """No norm layers: class embedding beside `z`, a dense layer to 7×7, residual blocks between two doublings."""

    def __init__(
        self,
        latent_dim: int = 100,
        num_classes: int = 10,
        channels: int = 1,
        image_size: int = 28,
        embed_dim: int = 100,
        base_channels: int = 128,
    ):
        super().__init__(latent_dim, num_classes, channels, image_size, embed_dim, base_channels)
        c, s = base_channels, quarter(image_size)
        self.label_embedding = ClassEmbedding(num_classes, embed_dim)
        self.dense = DenseToMaps(latent_dim + embed_dim, c, s)  # (N, c, s, s)
        self.upsampling = nn.Sequential(
            Residual(c),
            upsample(c, c // 2),  # (N, c/2, 2s, 2s)
            Residual(c // 2),
            upsample(c // 2, c // 4),  # (N, c/4, 4s, 4s)
            nn.LeakyReLU(LEAK),
            nn.Conv2d(c // 4, channels, kernel_size=3, padding=1),  # (N, C, 4s, 4s)
            Clamp(),
        )
        residual_init(self)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        joined = torch.cat([z, self.label_embedding(labels)], dim=1)  # (N, latent_dim + embed_dim)
        return self.upsampling(self.dense(joined))

    @staticmethod
    def infer_config(state: dict[str, Tensor]) -> dict[str, int]:
        return config_of(
            state, "dense", base_channels=len(state["upsampling.1.weight"]), channels=len(state["upsampling.5.weight"])
        )


class ResidualDiscriminator(nn.Module):
    """No norm layers: residual blocks between two halvings, flatten, features, then the projection head."""

    def __init__(
        self,
        num_classes: int = 10,
        channels: int = 1,
        image_size: int = 28,
        base_channels: int = 32,
        dropout: float = 0.0,
        feature_dim: int = 128,
    ):
        super().__init__()
        c, s = base_channels, quarter(image_size)
        self.channels, self.image_size = channels, image_size
        self.backbone = nn.Sequential(
            downsample(channels, c),  # (N, c, H/2, W/2)
            Residual(c),
            downsample(c, 2 * c),  # (N, 2c, s, s)
            Residual(2 * c),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(2 * c, feature_dim, kernel_size=s),  # (N, F, 1, 1): every place has weights of its own
            nn.LeakyReLU(LEAK),
            nn.Flatten(),  # (N, F)
            Dropout(dropout),
        )
        self.head = ProjectionHead(feature_dim, num_classes)
        residual_init(self)

    def features(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) → features (N, F)."""
        check_image(x, self.channels, self.image_size)
        return self.backbone(x)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return self.head(self.features(x), labels)


def residual_init(network: nn.Module) -> None:
    """Glorot weights and small embeddings; the last convolution of every residual block a tenth of that."""
    quiet_labels_init(network)
    for layer in network.modules():
        if isinstance(layer, Residual):
            with torch.no_grad():
                next(layer.convolutions[-1].parameters()).mul_(0.1)
