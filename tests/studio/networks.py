"""Generators whose pictures are known, and a small one of the library with plenty of contrast."""

import torch
from torch import nn

from cgan_lib.models import MODELS


def small(seed=0, **changes) -> nn.Module:
    """An untrained generator of `bce` whose pictures differ visibly."""
    torch.manual_seed(seed)
    network = MODELS["bce"].generator(**dict(latent_dim=6, num_classes=10, base_channels=8) | changes)
    with torch.no_grad():
        network.conv_blocks[4].weight.mul_(6)
    return network.eval()


class Bar(nn.Module):
    """Draws a soft bar: number by number `z` makes it bolder, slanted, wider and taller; the last does nothing.

    `signs` turn round what they do; where a number is larger than `turn`, it does the opposite, and more of it. The
    first layer hears the first number best, and so on.
    """

    def __init__(self, signs=(1, 1, 1, 1), turn=float("inf"), fail=False):
        super().__init__()
        self.config = dict(latent_dim=5, num_classes=3, channels=1, image_size=28)
        self.turn, self.fail = turn, fail
        self.of_labels = nn.Sequential(nn.Embedding(3, 9), nn.Linear(9, 1))  # linear and first, but deaf to z
        self.linear = nn.Linear(5, 5, bias=False)
        self.norm = nn.BatchNorm1d(1)
        self.linear.weight.data = torch.diag(torch.tensor([5.0, 4, 3, 2, 1]))
        self.register_buffer("signs", torch.tensor([*signs, 1.0]) / torch.tensor([5.0, 4, 3, 2, 1]))

    def forward(self, z, labels):
        self.of_labels(labels)
        effect = self.linear(z) * self.signs
        effect = torch.where(effect.abs() > self.turn, -3 * effect, effect)
        bold, slant, wide, tall, _ = torch.tanh(effect / 4)[:, :, None, None].unbind(1)
        if self.fail:
            raise ValueError("broken")
        width, height = 2 * 1.5**wide, 4 * 1.4**tall
        y = 13.5 - torch.arange(28.0)[:, None]  # rows up
        x = torch.arange(28.0) - 13.5 - 0.8 * slant * y
        bar = torch.exp(-((x / width) ** 2) / 2 - (y / height) ** 2 / 2) * 8 / (width * height)  # as much ink always
        return 2 * (0.45 * bar * 1.6**bold)[:, None].clamp(0, 1) - 1


class Dots(nn.Module):
    """Draws `z` itself, each number as a pixel of 16 grey levels, and beside it the label."""

    def __init__(self):
        super().__init__()
        self.config = dict(latent_dim=3, num_classes=4, channels=1, image_size=4)
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, z, labels):
        return torch.cat([z, labels[:, None]], dim=1)[:, None, None] * 16 / 127.5 * self.weight
