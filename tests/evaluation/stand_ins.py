"""What stands in for generators whose faults are known."""

from itertools import cycle

import torch
from torch import nn

from cgan_lib.data import to_unit


class Given(nn.Module):
    """Stands where a generator would: `images(labels)` gives its images, uint8 (N,C,H,W)."""

    def __init__(self, images, **config):
        super().__init__()
        self.images, self.config = images, dict(num_classes=10, latent_dim=1) | config

    def forward(self, z, labels):
        return to_unit(self.images(labels))


def real_images(data, labels):
    """For each label a real image of it, the next one whenever it is asked for again."""
    turns = [(labels[:n] == label).sum() for n, label in enumerate(labels)]
    members = [data.images[data.labels == label] for label in range(10)]
    return torch.stack([members[label][turn % len(members[label])] for label, turn in zip(labels, turns, strict=True)])


def in_turn(data):
    """All images of `data`, one after the other in the order of their classes, whatever is asked for."""
    images = cycle(data.images[data.labels.sort(stable=True).indices])
    return lambda labels: torch.stack([next(images) for _ in labels])


def noise(labels):
    random = torch.Generator().manual_seed(0)
    return torch.randn(len(labels), 1, 28, 28, generator=random).mul(20).add(128).clamp(0, 255).byte()
