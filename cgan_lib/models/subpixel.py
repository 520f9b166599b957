"""A small family for fast training: no convolution works at full size; pixels move between channels and places instead.

Generator: `z` (N, latent_dim) and `labels` (N,) → images (N, C, H, W) in [-1, 1].
Discriminator: images `x` (N, C, H, W) and `labels` (N,) → logits (N,).
The rearrangement is that of sub-pixel convolutions (Shi et al. 2016, eq. 4), in both directions.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cgan_lib.models.labels import ClassEmbedding
from cgan_lib.models.layers import (
    LEAK,
    Clamp,
    ConditionalGenerator,
    DenseToMaps,
    Dropout,
    FlattenPixels,
    check_image,
    config_of,
)
from cgan_lib.models.limits import doublings
from cgan_lib.models.projection import FeatureDiscriminator, ProjectionHead, Residual, first_side, residual_init


class DepthToSpace(nn.Module):
    """(N, 4c, H, W) → (N, c, 2H, 2W): `nn.PixelShuffle` with the channels in another order, cheap in channels-last."""

    def forward(self, x: Tensor) -> Tensor:
        c, h, w = x.shape[1:]  # -1 for N: an ONNX file would keep the number of images that it was made with
        x = x.permute(0, 2, 3, 1).reshape(-1, h, w, 2, 2, c // 4)  # the last axis is that of memory
        return x.transpose(2, 3).reshape(-1, 2 * h, 2 * w, c // 4).permute(0, 3, 1, 2)  # (N, c, 2H, 2W)


class SpaceToDepth(nn.Module):
    """(N, c, H, W) → (N, 4c, H/2, W/2): the inverse of `DepthToSpace`."""

    def forward(self, x: Tensor) -> Tensor:
        c, h, w = x.shape[1:]
        x = x.permute(0, 2, 3, 1).reshape(-1, h // 2, 2, w // 2, 2, c)
        return x.transpose(2, 3).reshape(-1, h // 2, w // 2, 4 * c).permute(0, 3, 1, 2)  # (N, 4c, H/2, W/2)


def _widths(base_channels: int, stages: int) -> list[int]:
    """Channels at each size of a generator, the smallest size first: c, c/2, c/4, and c/4 again."""
    return [max(base_channels // 2**k, base_channels // 4) for k in range(stages)]


class SubpixelGenerator(ConditionalGenerator):
    """Class embedding beside `z`, a dense layer to a small map, residual blocks, and sides doubled out of channels."""

    def __init__(
        self,
        latent_dim: int = 24,
        num_classes: int = 10,
        channels: int = 1,
        image_size: int = 28,
        embed_dim: int = 32,
        base_channels: int = 64,
        attributes: Sequence[int] = (),
    ):
        super().__init__(latent_dim, num_classes, channels, image_size, embed_dim, base_channels, attributes)
        self.label_embedding = ClassEmbedding(num_classes, embed_dim, attributes)
        self.dense = DenseToMaps(latent_dim + embed_dim, base_channels, first_side(image_size))  # (N, c, s, s)
        widths = _widths(base_channels, doublings(image_size))
        layers: list[nn.Module] = []
        for c_in, c_out in zip(widths, [*widths[1:], None], strict=True):
            layers.append(Residual(c_in))
            if c_out:
                layers += [nn.Conv2d(c_in, 4 * c_out, kernel_size=1), DepthToSpace()]  # (N, c/2, 2s, 2s)
        layers += [nn.LeakyReLU(LEAK), nn.Conv2d(widths[-1], 4 * channels, kernel_size=3, padding=1)]  # at H/2
        self.upsampling = nn.Sequential(*layers, DepthToSpace(), Clamp())  # (N, C, H, W)
        residual_init(self)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        joined = torch.cat([z, self.label_embedding(labels)], dim=1)  # (N, latent_dim + embed_dim)
        return self.upsampling(self.dense(joined))

    @staticmethod
    def infer_config(state: dict[str, Tensor]) -> dict[str, Any]:
        stages = 1 + sum(name.startswith("upsampling.") and t.shape[2:] == (1, 1) for name, t in state.items())
        base_channels = len(state["upsampling.0.convolutions.1.weight"])
        return config_of(state, "dense", base_channels, len(state[f"upsampling.{3 * stages - 1}.weight"]) // 4, stages)


class SubpixelDiscriminator(FeatureDiscriminator):
    """Sides halved into channels before each convolution, residual blocks, a dense layer, then the projection head."""

    def __init__(
        self,
        num_classes: int = 10,
        channels: int = 1,
        image_size: int = 28,
        base_channels: int = 16,
        dropout: float = 0.0,
        feature_dim: int = 128,
        auxiliary: bool = False,
        attributes: Sequence[int] = (),
    ):
        super().__init__()
        self.channels, self.image_size = channels, image_size
        c = base_channels
        layers: list[nn.Module] = [SpaceToDepth(), nn.Conv2d(4 * channels, c, 3, padding=1), Residual(c)]
        for _ in range(doublings(image_size) - 1):
            layers += [SpaceToDepth(), nn.Conv2d(4 * c, 2 * c, kernel_size=1), Residual(2 * c)]  # (N, 2c, H/4, W/4)
            c = 2 * c
        dense = nn.Linear(c * first_side(image_size) ** 2, feature_dim)
        layers += [nn.LeakyReLU(LEAK), FlattenPixels(), dense, nn.LeakyReLU(LEAK), Dropout(dropout)]  # (N, F)
        self.backbone = nn.Sequential(*layers)
        self.head = ProjectionHead(feature_dim, num_classes, attributes, auxiliary)
        residual_init(self)

    def features(self, x: Tensor) -> Tensor:
        check_image(x, self.channels, self.image_size)
        return self.backbone(x)
