"""Notebook 02: what doubles an image."""

import torch
import torch.nn.functional as F
from torch import nn

NOT_ATTEMPTED = []


def layers(double, norm=lambda c: nn.InstanceNorm2d(c, affine=True), last=nn.ReLU):
    """A maker of up-blocks: doubling, norm, ReLU."""
    return lambda c_in, c_out: nn.Sequential(double(c_in, c_out), norm(c_out), last())


def transposed(kernel=4, stride=2, padding=1, **more):
    return lambda c_in, c_out: nn.ConvTranspose2d(c_in, c_out, kernel, stride, padding, **more)


def nearest(kernel=3, mode="nearest"):
    def double(c_in, c_out):
        return nn.Sequential(
            nn.Upsample(scale_factor=2, mode=mode), nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2)
        )

    return double


def shuffled(c_in, c_out):
    return nn.Sequential(nn.Conv2d(c_in, 4 * c_out, 3, padding=1), nn.PixelShuffle(2))


class Block(nn.Module):
    def __init__(self, c_in, c_out):
        super().__init__()
        self.weight = nn.Parameter(0.02 * torch.randn(c_in, c_out, 4, 4))
        self.scale = nn.Parameter(torch.ones(1, c_out, 1, 1))
        self.shift = nn.Parameter(torch.zeros(1, c_out, 1, 1))

    def forward(self, x):
        x = F.conv_transpose2d(x, self.weight, stride=2, padding=1)
        x = x - x.mean((2, 3), keepdim=True)
        return (self.scale * x / (x.var((2, 3), keepdim=True, correction=0) + 1e-5).sqrt() + self.shift).relu()


class Turned(nn.Sequential):
    def forward(self, x):
        return super().forward(x).flip(3)


class Detached(nn.Sequential):
    def forward(self, x):
        return super().forward(x.detach())


class Only(nn.Module):
    """A function as a layer, which learns nothing."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def renamed(channels, wanted):
    return layers(transposed())(channels, wanted)


def by_other_order(c_out, c_in):
    return layers(transposed(bias=False))(c_in, c_out)


def norm_first(c_in, c_out):
    return nn.Sequential(nn.InstanceNorm2d(c_in, affine=True), transposed()(c_in, c_out), nn.ReLU())


def norm_last(c_in, c_out):
    return nn.Sequential(transposed()(c_in, c_out), nn.ReLU(), nn.InstanceNorm2d(c_out, affine=True))


def no_norm(c_in, c_out):
    return nn.Sequential(transposed()(c_in, c_out), nn.ReLU())


def by_channel(c_in, c_out):
    """Images of one channel, drawn from the first channel alone."""
    return Only(lambda x: F.interpolate(x[:, :1], scale_factor=2.0).expand(-1, c_out, -1, -1))


class FirstOnly(nn.Module):
    """Looks at the first channel alone."""

    def __init__(self, c_in, c_out, more=()):
        super().__init__()
        self.layers = nn.Sequential(transposed()(1, c_out), *more)

    def forward(self, x):
        return self.layers(x[:, :1])


class WithoutEps(Block):
    def forward(self, x):
        x = F.conv_transpose2d(x, self.weight, stride=2, padding=1)
        x = x - x.mean((2, 3), keepdim=True)
        return (self.scale * x / x.std((2, 3), keepdim=True, correction=0) + self.shift).relu()


def frozen_scale(c):
    norm = nn.InstanceNorm2d(c, affine=True)
    norm.weight.requires_grad_(False)
    return norm


def relu_before(c):
    return nn.Sequential(nn.ReLU(), nn.InstanceNorm2d(c, affine=True))


def remembering(c):
    return nn.InstanceNorm2d(c, affine=True, track_running_stats=True)


def relu_on_relu(c_in, c_out):
    """ReLU in place, on what ReLU keeps for its gradient."""
    return nn.Sequential(*layers(transposed())(c_in, c_out), nn.ReLU(inplace=True))


def fixed_size(c_in, c_out):
    return nn.Sequential(transposed()(c_in, c_out), nn.AdaptiveAvgPool2d(8))


SHARED = nn.Sequential(transposed()(6, 3), nn.InstanceNorm2d(3, affine=True), nn.ReLU())
RIGHT = [
    ("up_block", layers(transposed(bias=False))),
    ("up_block", layers(nearest())),
    ("up_block", layers(shuffled)),
    ("up_block", layers(transposed(2, 2, 0), lambda c: nn.GroupNorm(c, c))),
    ("up_block", Block),
    ("up_block", renamed),
    ("up_block", layers(transposed(6, 2, 2), last=lambda: nn.Sequential(nn.ReLU(), nn.ReLU()))),
    ("up_block", layers(nearest(5, "bilinear"))),
    ("up_block", by_other_order),
    ("up_block", lambda c_in, c_out: layers(transposed())(c_in, c_out).double()),
    ("doubling", transposed()),
    ("doubling", transposed(2, 2, 0)),
    ("doubling", transposed(6, 2, 2, bias=False)),
    ("doubling", nearest()),
    ("doubling", nearest(5, "bilinear")),
    ("doubling", shuffled),
]
WRONG = [
    ("up_block", layers(transposed(3, 2, 1, output_padding=1)), "chequerboard"),
    ("up_block", layers(transposed(5, 2, 2, output_padding=1)), "chequerboard"),
    ("up_block", relu_on_relu, "cannot be trained"),
    ("up_block", nn.Identity(), "raised TypeError"),
    ("up_block", lambda c_in, c_out: 3, "something to train"),
    ("up_block", lambda c_in, c_out: lambda x: x, "something to train"),
    ("up_block", lambda c_in, c_out: SHARED, "must not share"),
    ("up_block", layers(transposed(4, 2, 0)), "sides double"),
    ("up_block", layers(transposed(3, 2, 1)), "sides double"),
    ("up_block", layers(transposed(4, 4, 0)), "sides double"),
    ("up_block", lambda c_in, c_out: layers(transposed())(c_out, c_in), "raised RuntimeError"),
    ("up_block", lambda c_in, c_out: layers(transposed())(6, 3), "raised RuntimeError"),
    ("up_block", layers(transposed(), nn.BatchNorm2d), "not BatchNorm"),
    ("up_block", layers(transposed(), nn.InstanceNorm2d), "affine=True"),
    ("up_block", layers(transposed(), lambda c: nn.GroupNorm(1, c)), "deviation 1"),
    ("up_block", layers(transposed(), remembering), "In evaluation"),
    ("up_block", layers(transposed(), frozen_scale), "a scale for each channel"),
    ("up_block", WithoutEps, "Add eps"),
    ("up_block", layers(transposed(), lambda c: nn.InstanceNorm2d(c, affine=True, eps=1.0)), "deviation 1"),
    ("up_block", layers(transposed(), relu_before), "before the norm"),
    ("up_block", layers(transposed(), last=lambda: nn.Threshold(0.5, 0.0)), "what ReLU leaves"),
    ("up_block", layers(transposed(), last=nn.ReLU6), "Large numbers are cut off"),
    ("up_block", layers(transposed(), last=nn.GELU), "ReLU comes last"),
    (
        "up_block",
        layers(lambda c_in, c_out: nn.Sequential(nn.Upsample((8, 8)), nearest()(c_in, c_out))),
        "sides double",
    ),
    ("up_block", layers(transposed(), lambda c: nn.Identity()), "should be a norm"),
    ("up_block", no_norm, "should be a norm"),
    ("up_block", norm_first, "deviation 1"),
    ("up_block", norm_last, "ReLU comes last"),
    ("up_block", layers(transposed(), last=nn.Identity), "ReLU comes last"),
    ("up_block", layers(transposed(), last=nn.Tanh), "ReLU comes last"),
    ("up_block", layers(transposed(), last=nn.Softplus), "about half"),
    ("up_block", layers(transposed(), last=nn.Sigmoid), "about half"),
    ("up_block", layers(transposed(), last=lambda: nn.LeakyReLU(0.2)), "ReLU comes last"),
    ("up_block", layers(transposed(), last=lambda: nn.Sequential(nn.ReLU(), nn.Dropout(0.5))), "each time"),
    ("up_block", layers(nearest(1)), "2×2 equal pixels"),
    ("up_block", lambda c_in, c_out: Turned(*layers(transposed())(c_in, c_out)), "nothing should be turned"),
    ("up_block", lambda c_in, c_out: Detached(*layers(transposed())(c_in, c_out)), "no gradient"),
    (
        "up_block",
        lambda c_in, c_out: FirstOnly(c_in, c_out, [nn.InstanceNorm2d(c_out, affine=True), nn.ReLU()]),
        "every channel",
    ),
    ("doubling", transposed(3, 2, 1, output_padding=1), "4 times as many"),
    ("doubling", transposed(5, 2, 2, output_padding=1), "2.25 times as many"),
    ("doubling", transposed(1, 2, 0, output_padding=1), "others none"),
    ("doubling", transposed(4, 2, 3, dilation=2, output_padding=1), "others none"),
    ("doubling", transposed(4, 2, 0), "sides double"),
    ("doubling", transposed(3, 2, 1), "sides double"),
    ("doubling", transposed(3, 1, 1), "sides double"),
    ("doubling", lambda c_in, c_out: transposed()(c_out, c_in), "raised RuntimeError"),
    ("doubling", nearest(1), "2×2 equal pixels"),
    ("doubling", by_channel, "learns to draw"),
    ("doubling", lambda c_in, c_out: FirstOnly(c_in, c_out), "every channel"),
    ("doubling", lambda c_in, c_out: F.interpolate, "something to train"),
    ("doubling", layers(transposed()), "no norm"),
    ("doubling", layers(transposed(), last=nn.Identity), "no norm"),
    ("doubling", lambda c_in, c_out: nn.Sequential(transposed()(c_in, c_out), nn.Tanh()), "no norm, ReLU or tanh"),
    ("doubling", lambda c_in, c_out: nn.Sequential(transposed()(c_in, c_out), nn.ReLU()), "no norm, ReLU or tanh"),
    ("doubling", lambda c_in, c_out: Turned(transposed()(c_in, c_out)), "nothing should be turned"),
]
