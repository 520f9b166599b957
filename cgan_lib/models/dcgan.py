"""The DCGAN family with InstanceNorm, of any size: whole at once (`dcgan`), or grown from 16×16 (`growing`).

Generators: `z` (N, latent_dim) and `labels` (N,) → images (N, C, H, W) in [-1, 1].
Discriminators: images `x` (N, C, H, W) and `labels` (N,) → logits (N,).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.models.labels import ClassEmbedding, LabelPlane
from cgan_lib.models.layers import (
    LEAK,
    ConditionalGenerator,
    Dropout,
    check_image,
    classes_of,
    dcgan_init,
    downsample,
    upsample,
)
from cgan_lib.models.limits import halvings

GROWTH_STAGES = 2  # sides are doubled twice while a network grows: 16 → 32 → 64


def growth_at(stage: float) -> float:
    """How far networks have grown when `stage` image sizes have had their time (Karras et al. 2018, section 2).

    The first size is trained alone; every further one is faded in during the first half of its time.
    """
    whole, part = divmod(stage, 1)
    return whole - 1 + min(1.0, 2 * part) if whole else 0.0


class DCGANGenerator(ConditionalGenerator):
    """Label vector beside `z` as an image of one pixel, a stack of transposed convolutions, InstanceNorm and ReLU."""

    def __init__(
        self,
        latent_dim: int = 100,
        num_classes: int = 10,
        channels: int = 1,
        image_size: int = 64,
        embed_dim: int = 100,
        base_channels: int = 512,
        attributes: Sequence[int] = (),
    ):
        doublings = halvings(image_size)
        super().__init__(
            *(latent_dim, num_classes, channels, image_size, embed_dim, base_channels, attributes),
            divisor=2 ** (doublings - 1),
        )
        side = image_size // 2**doublings  # 4 for 64
        widths = [base_channels // 2**k for k in range(doublings)]  # 512, 256, 128, 64 for 64
        self.label_embedding = ClassEmbedding(num_classes, embed_dim, attributes)
        first = nn.ConvTranspose2d(latent_dim + embed_dim, widths[0], side, bias=False)  # 1×1 → side×side
        self.stages = nn.ModuleList([nn.Sequential(first, nn.InstanceNorm2d(widths[0], affine=True), nn.ReLU())])
        for c_in, c_out in pairwise(widths):
            self.stages.append(nn.Sequential(upsample(c_in, c_out), nn.InstanceNorm2d(c_out, affine=True), nn.ReLU()))
        self.to_image = nn.Sequential(upsample(widths[-1], channels), nn.Tanh())
        dcgan_init(self)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        joined = torch.cat([z, self.label_embedding(labels)], dim=1)  # (N, latent_dim + embed_dim)
        maps = joined[:, :, None, None]  # (N, latent_dim + embed_dim, 1, 1)
        for stage in self.stages:
            maps = stage(maps)  # (N, 512, 4, 4), (N, 256, 8, 8), (N, 128, 16, 16), (N, 64, 32, 32)
        return self.to_image(maps)  # (N, C, 64, 64)

    @staticmethod
    def infer_config(state: dict[str, Tensor]) -> dict[str, Any]:
        classes, embed_dim = classes_of(state, "label_embedding"), state["label_embedding.weight"].shape[1]
        joined, base_channels, side, _ = state["stages.0.0.weight"].shape
        stages = {name.split(".")[1] for name in state if name.startswith("stages.")}
        return dict(
            **classes,
            latent_dim=joined - embed_dim,
            channels=state["to_image.0.weight"].shape[1],
            image_size=side * 2 ** len(stages),
            embed_dim=embed_dim,
            base_channels=base_channels,
        )


class DCGANDiscriminator(nn.Module):
    """Label plane beside the image, a stack of strided convolutions with InstanceNorm and LeakyReLU, one logit."""

    def __init__(
        self,
        num_classes: int = 10,
        channels: int = 1,
        image_size: int = 64,
        base_channels: int = 64,
        dropout: float = 0.5,
        attributes: Sequence[int] = (),
    ):
        super().__init__()
        halved = halvings(image_size)
        self.channels, self.image_size = channels, image_size
        widths = [base_channels * 2**k for k in range(halved)]  # 64, 128, 256, 512 for 64
        self.label_plane = LabelPlane(num_classes, image_size, attributes=attributes)
        # No norm after the first convolution: it would take the mean, and with it a plane that is constant, away
        self.stages = nn.ModuleList([nn.Sequential(downsample(channels + 1, widths[0]), nn.LeakyReLU(LEAK))])
        for c_in, c_out in pairwise(widths):
            norm = nn.InstanceNorm2d(c_out, affine=True)
            self.stages.append(nn.Sequential(downsample(c_in, c_out), norm, nn.LeakyReLU(LEAK)))
        # No norm before the logit either: over a single pixel InstanceNorm has nothing to compare
        self.to_logit = nn.Sequential(Dropout(dropout), nn.Conv2d(widths[-1], 1, image_size // 2**halved), nn.Flatten())
        dcgan_init(self)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        check_image(x, self.channels, self.image_size)
        maps = torch.cat([x, self.label_plane(labels)], dim=1)  # (N, C + 1, 64, 64)
        for stage in self.stages:
            maps = stage(maps)  # (N, 64, 32, 32), (N, 128, 16, 16), (N, 256, 8, 8), (N, 512, 4, 4)
        return self.to_logit(maps).squeeze(1)  # (N, 1) → (N,)


class Growing(nn.Module):
    """What both growing networks share: `growth`, from 0 (a quarter of the size) to `grown` (the whole image).

    Between two whole numbers the next size is being faded in: at 0.25 a quarter of what counts comes from it. Images
    keep their full size throughout; a network that is not grown yet only looks at, or draws, larger pixels.
    """

    growth: Tensor
    grown: int

    def grow(self, growth: float) -> None:
        """Set `growth`; more than `grown` means grown."""
        self.growth.fill_(min(max(growth, 0.0), self.grown))

    def _prepare(self, image_size: int) -> None:
        self.grown = min(GROWTH_STAGES, halvings(image_size) - 1)
        # A buffer, so that a saved network knows how far it had grown
        self.register_buffer("growth", torch.tensor(float(self.grown)))

    def _now(self) -> tuple[int, float]:
        """The smaller size that counts (0 … grown), and the share of the next larger one."""
        growth = self.growth.item()
        return int(growth), growth % 1


class GrowingGenerator(Growing, DCGANGenerator):
    """`DCGANGenerator` with a way out to an image at every size that it passes while it grows."""

    def __init__(
        self,
        latent_dim: int = 100,
        num_classes: int = 10,
        channels: int = 1,
        image_size: int = 64,
        embed_dim: int = 100,
        base_channels: int = 512,
        attributes: Sequence[int] = (),
    ):
        super().__init__(latent_dim, num_classes, channels, image_size, embed_dim, base_channels, attributes)
        self._prepare(image_size)
        self.early_to_image = nn.ModuleList()  # for 16×16, then 32×32
        for size in range(self.grown):
            width = base_channels // 2 ** (len(self.stages) - 1 - self.grown + size)
            self.early_to_image.append(nn.Sequential(upsample(width, channels), nn.Tanh()))
        dcgan_init(self.early_to_image)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        size, share = self._now()
        exits = [*self.early_to_image, self.to_image]
        joined = torch.cat([z, self.label_embedding(labels)], dim=1)  # (N, latent_dim + embed_dim)
        maps = joined[:, :, None, None]  # (N, latent_dim + embed_dim, 1, 1)
        last = len(self.stages) - self.grown + size  # stages that the smaller size needs
        for stage in self.stages[:last]:
            maps = stage(maps)
        image = exits[size](maps)
        if share:
            larger = exits[size + 1](self.stages[last](maps))
            image = F.interpolate(image, scale_factor=2.0).lerp(larger, share)
            size += 1
        return F.interpolate(image, scale_factor=2.0 ** (self.grown - size))  # (N, C, H, W), pixels repeated


class GrowingDiscriminator(Growing, DCGANDiscriminator):
    """`DCGANDiscriminator` with a way in for the image at every size that it passes while it grows."""

    def __init__(
        self,
        num_classes: int = 10,
        channels: int = 1,
        image_size: int = 64,
        base_channels: int = 64,
        dropout: float = 0.5,
        attributes: Sequence[int] = (),
    ):
        super().__init__(num_classes, channels, image_size, base_channels, dropout, attributes)
        self._prepare(image_size)
        self.early_from_image = nn.ModuleList()  # for 16×16, then 32×32
        for size in range(self.grown):
            width = base_channels * 2 ** (self.grown - size)
            self.early_from_image.append(nn.Sequential(downsample(channels + 1, width), nn.LeakyReLU(LEAK)))
        dcgan_init(self.early_from_image)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        check_image(x, self.channels, self.image_size)
        size, share = self._now()
        entries = [*self.early_from_image, self.stages[0]]
        joined = torch.cat([x, self.label_plane(labels)], dim=1)  # (N, C + 1, 64, 64)
        smaller = F.avg_pool2d(joined, 2 ** (self.grown - size))  # (N, C + 1, 16, 16) when nothing has grown
        maps = entries[size](smaller)
        first = self.grown - size + 1  # the stage that comes after the smaller size's way in
        if share:
            larger = entries[size + 1](F.avg_pool2d(joined, 2 ** (self.grown - size - 1)))
            maps = maps.lerp(self.stages[first - 1](larger), share)
        for stage in self.stages[first:]:
            maps = stage(maps)
        return self.to_logit(maps).squeeze(1)  # (N, 1) → (N,)
