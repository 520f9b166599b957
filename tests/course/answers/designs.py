"""Notebook 01: the open tasks."""

from dataclasses import asdict, replace

import numpy as np
import torch
from torch import nn

from cgan_lib.course import toy
from cgan_lib.models.concat import BCEGenerator
from cgan_lib.weights import load_generator

SLOWER_G = replace(toy.SLOW_D, lr_g=1e-4, demo_steps=1500, batch_size=64)
GENERATOR = load_generator("bce")


class Wrapped(nn.Module):
    """A good generator that is asked for something else than it is told."""

    def __init__(
        self, z=lambda z: z, labels=lambda labels: labels, images=lambda images: images, config=GENERATOR.config
    ):
        super().__init__()
        self.config, self.inner = config, GENERATOR
        self.z, self.labels, self.images = z, labels, images

    def forward(self, z, labels):
        return self.images(self.inner(self.z(z), self.labels(labels)))


class InAList(nn.Module):
    """Layers where PyTorch does not find them."""

    def __init__(self):
        super().__init__()
        self.config, self.layers = GENERATOR.config, [GENERATOR]

    def forward(self, z, labels):
        return self.layers[0](z, labels)


RIGHT = [
    ("ring_setting", SLOWER_G),
    ("ring_setting", toy.Setting(lr_d=2e-4, lr_g=1e-4, demo_steps=1500.0, batch_size=64)),
    ("ring_setting", toy.Setting(**asdict(SLOWER_G))),
    ("ring_setting", replace(toy.STEADY, lr_d=2e-4, lr_g=1e-4, demo_steps=1500, batch_size=64.0)),
    ("ring_setting", replace(SLOWER_G, lr_g=np.float32(1e-4), demo_steps=np.int64(1500))),
    ("own_generator", GENERATOR),
    ("own_generator", load_generator("relativistic")),
    ("own_generator", Wrapped()),
    ("own_generator", Wrapped(z=torch.neg)),
]
WRONG = [
    ("ring_setting", replace(toy.SLOW_D, demo_steps=300), "wait for the other"),
    ("ring_setting", replace(toy.SLOW_D, demo_steps=60, lr_g=1e-4), "on average"),
    ("ring_setting", toy.STEADY, "stays slow"),
    ("ring_setting", replace(SLOWER_G, demo_steps=20_000), "2000 steps"),
    ("ring_setting", replace(SLOWER_G, batch_size=4096), "2 to 128"),
    ("ring_setting", replace(SLOWER_G, lr_g=0.0), "more than 0"),
    ("ring_setting", replace(SLOWER_G, beta1=1.0), "less than 1"),
    ("ring_setting", replace(SLOWER_G, lr_g="1e-4"), "a number"),
    ("ring_setting", replace(SLOWER_G, lr_g=float("nan")), "a number"),
    ("ring_setting", asdict(SLOWER_G), "toy.Setting is wanted"),
    ("own_generator", BCEGenerator(), "At least 95%"),
    ("own_generator", Wrapped(labels=lambda labels: (labels + 1) % 10), "At least 95%"),
    ("own_generator", Wrapped(z=lambda z: 0 * z), "same few images"),
    ("own_generator", Wrapped(z=lambda z: 0.3 * z), "same few images"),
    ("own_generator", Wrapped(images=lambda images: images * torch.nan), "cannot be measured"),
    ("own_generator", Wrapped(config=None), "cannot be measured"),
    ("own_generator", BCEGenerator(num_classes=3), "cannot be measured"),
    ("own_generator", BCEGenerator(base_channels=256), "weights"),
    ("own_generator", "bce", "a network"),
    ("own_generator", BCEGenerator, "this is its class"),
    ("own_generator", InAList(), "no weights of its own"),
    ("own_generator", lambda z, labels: GENERATOR(z, labels), "a network"),
]
NOT_ATTEMPTED: list = []
