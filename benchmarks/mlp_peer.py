"""The conditional GAN of many tutorials, for comparison: plain perceptrons and a least-squares loss at 32×32.

The design that the PyTorch-GAN collection made popular, written from its description: a label embedding of 10 numbers
beside z (100) or beside the flattened image; in the generator 128, 256, 512 and 1,024 units, BatchNorm (with an eps of
0.8) after all but the first, LeakyReLU 0.2, tanh; in the discriminator three layers of 512, dropout 0.4 after two. Adam
2e-4, betas (0.5, 0.999), batch 64. Here the discriminator moves first, and samples are drawn in evaluation mode.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from cgan_lib.recipes import Recipe

SIZE = 32
EPS = 0.8
MLP = Recipe("mlp_peer", "bce", image_size=SIZE, loss="least_squares", batch_size=64, lr=2e-4, beta1=0.5)


class Generator(nn.Module):
    """z (N, 100), labels (N,) → images (N, 1, 32, 32) in [-1, 1]."""

    def __init__(self):
        super().__init__()
        self.config = dict(latent_dim=100, num_classes=10, channels=1, image_size=SIZE)
        self.embedding = nn.Embedding(10, 10)
        widths = [110, 128, 256, 512, 1024]
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(pairwise(widths)):
            norm = [nn.BatchNorm1d(after, EPS)] if number else []
            layers += [nn.Linear(before, after), *norm, nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], SIZE * SIZE), nn.Tanh())

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        x = torch.cat([self.embedding(labels), z], 1)  # (N, 110)
        return self.layers(x).view(-1, 1, SIZE, SIZE)


class Discriminator(nn.Module):
    """Images (N, 1, 32, 32), labels (N,) → logits (N,)."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10, 10)
        self.layers = nn.Sequential(
            *(nn.Linear(10 + SIZE * SIZE, 512), nn.LeakyReLU(0.2)),
            *(nn.Linear(512, 512), nn.Dropout(0.4), nn.LeakyReLU(0.2)),
            *(nn.Linear(512, 512), nn.Dropout(0.4), nn.LeakyReLU(0.2)),
            nn.Linear(512, 1),
        )

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return self.layers(torch.cat([x.flatten(1), self.embedding(labels)], 1)).squeeze(1)  # (N, 1034) → (N,)
