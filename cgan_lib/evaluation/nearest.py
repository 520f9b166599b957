"""Does a generator copy? Beside each image the real training images that come closest to it."""

import torch
import torch.nn.functional as F
from torch import Tensor

from cgan_lib.data import ImageData

CHUNK = 500


def nearest_real(images: Tensor, real: ImageData) -> tuple[Tensor, Tensor]:
    """For each image uint8 (N,C,H,W) the position in `real` of the nearest image (N,), and the distance to it (N,).

    The distance is Euclidean over pixels in [0, 1], at the size of `real`.
    """
    size = real.image_size
    wanted = images.float()
    if images.shape[-1] != size:
        wanted = F.interpolate(wanted, size=(size, size), mode="bicubic", antialias=True).clamp(0, 255)
    everything = real.images.flatten(1).float() / 255  # (M, C·H·W)
    positions, distances = [], []
    for some in (wanted / 255).flatten(1).split(CHUNK):
        nearest = torch.cdist(some, everything).argmin(1)
        positions.append(nearest)
        distances.append((some - everything[nearest]).norm(dim=1))  # cdist rounds: a copy would not be at 0
    return torch.cat(positions), torch.cat(distances)
