"""Does a generator copy? Beside each image the real training images that come closest to it."""

import torch
from torch import Tensor

from cgan_lib.data import ImageData, resize
from cgan_lib.evaluation.samples import check_images

CHUNK = 500


def nearest_real(images: Tensor, real: ImageData) -> tuple[Tensor, Tensor]:
    """For each image uint8 (N,C,H,W) the position in `real` of the nearest image (N,), and the distance to it (N,).

    The distance is Euclidean over pixels in [0, 1], at the size of `real`. `UserError` for images of another type,
    shape or number of channels.
    """
    images, real = check_images(images, real.channels), real.to("cpu").resized(real.image_size)
    if images.shape[-1] != real.image_size:
        images = resize(images, real.image_size)
    everything = real.images.flatten(1).float() / 255  # (M, C·H·W)
    positions, distances = [], []
    for chunk in (images.flatten(1).float() / 255).split(CHUNK):
        nearest = torch.cdist(chunk, everything).argmin(1)
        positions.append(nearest)
        distances.append((chunk - everything[nearest]).norm(dim=1))  # cdist rounds: a copy would not be at 0
    return torch.cat(positions), torch.cat(distances)
