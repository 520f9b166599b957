"""The 28×28 families that condition by concatenation: `bce`, `dropout` and `spatial`.

All generators: `z` (N, latent_dim) and `labels` (N,) → images (N, C, H, W) in [-1, 1].
All discriminators: images `x` (N, C, H, W) and `labels` (N,) → logits (N,). The sigmoid belongs to the loss.
"""

from collections.abc import Sequence
from math import isqrt
from typing import Any

import torch
from torch import Tensor, nn

from cgan_lib.models.labels import ClassEmbedding, LabelPlane
from cgan_lib.models.layers import (
    LEAK,
    ConditionalGenerator,
    DenseToMaps,
    Dropout,
    FlattenPixels,
    check_image,
    classes_of,
    config_of,
    downsample,
    quiet_labels_init,
    upsample,
)
from cgan_lib.models.limits import quarter


class ConcatDiscriminator(nn.Module):
    """Base of the discriminators here: the label as a plane beside the image, then a stack `features` to one logit."""

    label_plane: LabelPlane
    features: nn.Sequential

    def __init__(self, channels: int, image_size: int):
        super().__init__()
        self.channels, self.image_size = channels, image_size

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        check_image(x, self.channels, self.image_size)
        joined = torch.cat([x, self.label_plane(labels)], dim=1)  # (N, C + 1, H, W)
        return self.features(joined).squeeze(1)


class BCEGenerator(ConditionalGenerator):
    """Label vector beside `z`; the networks and state-dict keys of the public weights `VioletaR/cgan-mnist`."""

    def __init__(
        self,
        latent_dim: int = 100,
        num_classes: int = 10,
        channels: int = 1,
        image_size: int = 28,
        embed_dim: int = 20,
        base_channels: int = 128,
        attributes: Sequence[int] = (),
    ):
        super().__init__(latent_dim, num_classes, channels, image_size, embed_dim, base_channels, attributes)
        c, s = base_channels, quarter(image_size)
        self.label_embedding = ClassEmbedding(num_classes, embed_dim, attributes)
        self.projection = nn.Sequential(
            DenseToMaps(latent_dim + embed_dim, c, s),  # (N, c, s, s)
        )
        self.conv_blocks = nn.Sequential(
            nn.BatchNorm2d(c),
            upsample(c, c // 2),  # (N, c/2, 2s, 2s)
            nn.BatchNorm2d(c // 2),
            nn.LeakyReLU(LEAK),
            upsample(c // 2, channels),  # (N, C, 4s, 4s)
            nn.Tanh(),
        )

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        joined = torch.cat([z, self.label_embedding(labels)], dim=1)  # (N, latent_dim + embed_dim)
        return self.conv_blocks(self.projection(joined))

    @staticmethod
    def infer_config(state: dict[str, Tensor]) -> dict[str, Any]:
        return config_of(
            state,
            "projection.0",
            base_channels=len(state["conv_blocks.0.weight"]),
            channels=state["conv_blocks.4.weight"].shape[1],
        )


class BCEDiscriminator(ConcatDiscriminator):
    """Label plane beside the image, two stride-2 blocks with BatchNorm, flatten, one logit."""

    def __init__(
        self,
        num_classes: int = 10,
        channels: int = 1,
        image_size: int = 28,
        base_channels: int = 32,
        dropout: float = 0.0,
        attributes: Sequence[int] = (),
    ):
        super().__init__(channels, image_size)
        c, s = base_channels, quarter(image_size)
        self.label_plane = LabelPlane(num_classes, image_size, attributes=attributes)
        self.features = nn.Sequential(
            downsample(channels + 1, c),  # (N, c, 2s, 2s)
            nn.BatchNorm2d(c),
            nn.LeakyReLU(LEAK),
            downsample(c, 2 * c),  # (N, 2c, s, s)
            nn.BatchNorm2d(2 * c),
            nn.LeakyReLU(LEAK),
            FlattenPixels(),  # (N, s·s·2c)
            Dropout(dropout),
            nn.Linear(s * s * 2 * c, 1),
        )


class DropoutGenerator(ConditionalGenerator):
    """Label vector beside `z`, a dense layer to a wide 7×7 map with BatchNorm and ReLU, two upsampling stages."""

    def __init__(
        self,
        latent_dim: int = 100,
        num_classes: int = 10,
        channels: int = 1,
        image_size: int = 28,
        embed_dim: int = 50,
        base_channels: int = 256,
        attributes: Sequence[int] = (),
    ):
        super().__init__(latent_dim, num_classes, channels, image_size, embed_dim, base_channels, attributes)
        c, s = base_channels, quarter(image_size)
        self.label_embedding = ClassEmbedding(num_classes, embed_dim, attributes)
        self.dense = nn.Sequential(
            DenseToMaps(latent_dim + embed_dim, c, s),  # (N, c, s, s)
            nn.BatchNorm2d(c),
            nn.ReLU(),
        )
        self.upsampling = nn.Sequential(
            upsample(c, c // 4),  # (N, c/4, 2s, 2s)
            nn.BatchNorm2d(c // 4),
            nn.ReLU(),
            upsample(c // 4, channels),  # (N, C, 4s, 4s)
            nn.Tanh(),
        )
        quiet_labels_init(self)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        joined = torch.cat([z, self.label_embedding(labels)], dim=1)  # (N, latent_dim + embed_dim)
        return self.upsampling(self.dense(joined))

    @staticmethod
    def infer_config(state: dict[str, Tensor]) -> dict[str, Any]:
        return config_of(
            state,
            "dense.0",
            base_channels=len(state["upsampling.0.weight"]),
            channels=state["upsampling.3.weight"].shape[1],
        )


class DropoutDiscriminator(ConcatDiscriminator):
    """Label mask (embedding, then a dense layer) beside the image, two stride-2 blocks with dropout, no BatchNorm."""

    def __init__(
        self,
        num_classes: int = 10,
        channels: int = 1,
        image_size: int = 28,
        base_channels: int = 32,
        dropout: float = 0.3,
        embed_dim: int = 50,
        attributes: Sequence[int] = (),
    ):
        super().__init__(channels, image_size)
        c, s = base_channels, quarter(image_size)
        self.label_plane = LabelPlane(num_classes, image_size, embed_dim, attributes)
        self.features = nn.Sequential(
            downsample(channels + 1, c),  # (N, c, 2s, 2s)
            nn.LeakyReLU(LEAK),
            Dropout(dropout),
            downsample(c, 2 * c),  # (N, 2c, s, s)
            nn.LeakyReLU(LEAK),
            Dropout(dropout),
            FlattenPixels(),  # (N, s·s·2c)
            nn.Linear(s * s * 2 * c, 1),
        )
        quiet_labels_init(self)


class SpatialGenerator(ConditionalGenerator):
    """Label as a 7×7 map beside the 7×7 features of `z`: the label has a place, not only a direction."""

    def __init__(
        self,
        latent_dim: int = 100,
        num_classes: int = 10,
        channels: int = 1,
        image_size: int = 28,
        embed_dim: int = 50,
        base_channels: int = 128,
        attributes: Sequence[int] = (),
    ):
        super().__init__(latent_dim, num_classes, channels, image_size, embed_dim, base_channels, attributes)
        c, s = base_channels, quarter(image_size)
        self.label_map = LabelPlane(num_classes, s, embed_dim, attributes)  # (N, 1, s, s)
        self.dense = nn.Sequential(
            DenseToMaps(latent_dim, c, s),  # (N, c, s, s)
            nn.LeakyReLU(LEAK),
        )
        self.upsampling = nn.Sequential(
            upsample(c + 1, c // 2),  # (N, c/2, 2s, 2s)
            nn.BatchNorm2d(c // 2),
            nn.LeakyReLU(LEAK),
            upsample(c // 2, c // 4),  # (N, c/4, 4s, 4s)
            nn.BatchNorm2d(c // 4),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(c // 4, channels, kernel_size=3, padding=1),  # (N, C, 4s, 4s)
            nn.Tanh(),
        )

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        joined = torch.cat([self.dense(z), self.label_map(labels)], dim=1)  # (N, c + 1, s, s)
        return self.upsampling(joined)

    @staticmethod
    def infer_config(state: dict[str, Tensor]) -> dict[str, Any]:
        classes, embed_dim = classes_of(state, "label_map.0"), state["label_map.0.weight"].shape[1]
        cells, _ = state["label_map.1.weight"].shape
        return dict(
            **classes,
            latent_dim=state["dense.0.weight"].shape[1],
            channels=len(state["upsampling.6.weight"]),
            image_size=4 * isqrt(cells),
            embed_dim=embed_dim,
            base_channels=2 * state["upsampling.0.weight"].shape[1],
        )


class SpatialDiscriminator(ConcatDiscriminator):
    """Label plane beside the image, two strided blocks with BatchNorm, **global max pooling**, dropout, one logit."""

    def __init__(
        self,
        num_classes: int = 10,
        channels: int = 1,
        image_size: int = 28,
        base_channels: int = 32,
        dropout: float = 0.4,
        embed_dim: int = 50,
        attributes: Sequence[int] = (),
    ):
        super().__init__(channels, image_size)
        c = base_channels
        quarter(image_size)
        self.label_plane = LabelPlane(num_classes, image_size, embed_dim, attributes)
        self.features = nn.Sequential(
            downsample(channels + 1, c),  # (N, c, H/2, W/2)
            nn.BatchNorm2d(c),
            nn.LeakyReLU(LEAK),
            downsample(c, 2 * c),  # (N, 2c, H/4, W/4)
            nn.BatchNorm2d(2 * c),
            nn.LeakyReLU(LEAK),
            nn.AdaptiveMaxPool2d(1),  # (N, 2c, 1, 1): the strongest response of each feature, wherever it is
            nn.Flatten(),  # (N, 2c)
            Dropout(dropout),
            nn.Linear(2 * c, 1),
        )
