"""Flow matching (Lipman et al. 2023; the straight paths of Liu et al. 2023), class-conditional: notebook 10.

An image on its way lies on a straight line, x_t = (1 − t) · noise + t · image, and a network learns where it is going:
the velocity image − noise, on the average of all lines that pass there. Drawing follows it from noise, t = 0, to t = 1.

Why no package for it: of those on PyPI, `flow_matching` may not be used commercially, and `torchcfm` and
`rectified-flow-pytorch` (MIT) bring nine packages and more for what are two lines here, `flow_loss`.
"""

import copy
import math
import time
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.data import ImageData, batches
from cgan_lib.errors import UserError, shown
from cgan_lib.models.labels import ClassEmbedding
from cgan_lib.models.layers import Clamp, ConditionalGenerator, downsample, upsample
from cgan_lib.training import pick_device, pick_precision

FASTEST = 100.0  # of the waves that tell a network the time, in radians from t = 0 to t = 1
UNLABELLED = 0.1  # of the images in a batch: what they teach is wanted for guidance
WARM_UP = 100  # steps in which the learning rate rises

Velocity = Callable[[Tensor, Tensor, Tensor], Tensor]  # (x, t, labels) → of the shape of x


def on_the_way(noise: Tensor, images: Tensor, t: Tensor) -> Tensor:
    """(1 − t) · noise + t · images, of shape (N,C,H,W), each at its own time `t` (N,)."""
    return torch.lerp(noise, images, t.view(-1, *[1] * (images.ndim - 1)))


def flow_loss(velocity: Velocity, images: Tensor, labels: Tensor) -> Tensor:
    """The squared error of the velocity at random points of the lines to `images` (N,C,H,W): a scalar."""
    noise, t = torch.randn_like(images), torch.rand(len(images), device=images.device)
    return F.mse_loss(velocity(on_the_way(noise, images, t), t, labels).float(), images - noise)


def follow(velocity: Velocity, x: Tensor, labels: Tensor, passes: int) -> Tensor:
    """Where noise `x` (N,…) gets in so many equal steps of Euler's method from t = 0 to 1, one pass for each."""
    for k in range(passes):
        x = x + velocity(x, torch.full((len(x),), k / passes, device=x.device), labels) / passes
    return x


class Moved(nn.Module):
    """x + two 3×3 convolutions of it, stretched and shifted between them as time and label say; it starts as x."""

    def __init__(self, channels: int, embed_dim: int):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        self.told = nn.Linear(embed_dim, 2 * channels)
        self.second = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        stretch, shift = self.told(told)[:, :, None, None].chunk(2, dim=1)  # (N, c, 1, 1) each
        return x + self.second(F.silu(self.first(F.silu(x)) * (1 + stretch) + shift))


class FlowGenerator(ConditionalGenerator):
    """A small U-Net for the velocity, 14×14 and 7×7 inside, and as a generator: z (N, C·H·W) is the noise it begins as.

    It draws in `passes` passes. With `guidance` w other than 1 each of them runs the network twice, with the label and
    without, and goes w times as far as the label changes the way (Ho & Salimans 2022, eq. 6, w + 1 there).
    """

    def __init__(
        self,
        num_classes: int = 10,
        channels: int = 1,
        image_size: int = 28,
        embed_dim: int = 64,
        base_channels: int = 64,
        passes: int = 20,
        guidance: float = 1.0,
    ):
        super().__init__(channels * image_size**2, num_classes, channels, image_size, embed_dim, base_channels)
        if image_size % 4:
            raise UserError(f"image_size {image_size} must be a multiple of 4: its sides are halved twice.")
        c, self.passes, self.guidance = base_channels, passes, guidance
        self.label_embedding = ClassEmbedding(num_classes, embed_dim)
        self.time = nn.Sequential(nn.Linear(embed_dim, embed_dim), nn.SiLU(), nn.Linear(embed_dim, embed_dim))
        self.read = nn.Conv2d(4 * channels, c, kernel_size=3, padding=1)  # (N, c, H/2, W/2)
        self.before, self.after = Moved(c, embed_dim), Moved(c, embed_dim)
        self.down, self.middle, self.up = downsample(c, 2 * c), Moved(2 * c, embed_dim), upsample(2 * c, c)
        self.write, self.clamp = nn.Conv2d(c, 4 * channels, kernel_size=3, padding=1), Clamp()
        nn.init.zeros_(self.write.weight)  # at first nothing moves

    def velocity(self, x: Tensor, t: Tensor, labels: Tensor, heard: Tensor | None = None) -> Tensor:
        """x (N,C,H,W), t (N,) from 0 to 1, labels (N,) → (N,C,H,W); where `heard` (N,) is 0 the label is not told."""
        label = self.label_embedding(labels)  # (N, E)
        label = label if heard is None else label * heard[:, None]
        told = F.silu(self.time(waves(t, label.shape[1])) + label)
        high = self.before(self.read(F.pixel_unshuffle(x, 2)), told)  # (N, c, H/2, W/2)
        low = self.middle(self.down(high), told)  # (N, 2c, H/4, W/4)
        return F.pixel_shuffle(self.write(F.silu(self.after(high + self.up(low), told))), 2)

    def guided(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        """The velocity with the label, `guidance` times as far from the one without it."""
        told = self.velocity(x, t, labels)
        if self.guidance == 1:
            return told
        return torch.lerp(self.velocity(x, t, labels, torch.zeros_like(t)), told, self.guidance)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        side = self.config["image_size"]
        noise = z.unflatten(1, (-1, side, side)).contiguous(memory_format=torch.channels_last)
        return self.clamp(follow(self.guided, noise, labels, self.passes))

    def drawing(self, passes: int, guidance: float = 1.0) -> "FlowGenerator":
        """The same network, weights shared, that draws in so many passes; `UserError` unless it is 1 or more."""
        if type(passes) is not int or passes < 1:
            raise UserError(f"passes {shown(passes, 20)} must be a whole number from 1 on.")
        other = copy.copy(self)
        other.passes, other.guidance = passes, guidance
        return other


def waves(t: Tensor, count: int) -> Tensor:
    """Times (N,) as (N, count) numbers that a network can tell apart: sines and cosines, from slow to fast."""
    speeds = torch.exp(torch.linspace(0, math.log(FASTEST), count // 2, device=t.device))
    return torch.cat([(t[:, None] * speeds).sin(), (t[:, None] * speeds).cos()], dim=1)


def train_flow(
    network: FlowGenerator, data: ImageData, seconds: float, *, lr: float = 2e-3, batch_size: int = 64, seed: int = 0
) -> FlowGenerator:
    """Train for so many seconds, on the device and in the precision that `Trainer` takes: the average of its weights.

    The learning rate rises, and falls to 0 along a cosine, by the clock: two runs are not the same bit for bit.
    `UserError` for a network of other images or classes than those of the data.
    """
    shape = dict(num_classes=data.num_classes, channels=data.channels, image_size=data.image_size)
    if any(network.config[name] != value for name, value in shape.items()):
        fitting = ", ".join(f"{name}={value}" for name, value in shape.items())
        raise UserError(f"the network does not fit {data.name}: FlowGenerator({fitting}) does.")
    device = pick_device()
    network.draws(data.name, data.class_names, data.attributes)
    network = network.to(device).to(memory_format=torch.channels_last).train()
    averaged = copy.deepcopy(network).eval().requires_grad_(False)
    optimizer = torch.optim.Adam(network.parameters(), lr, betas=(0.9, 0.99), fused=device.type in ("cpu", "cuda"))
    start, losses = time.perf_counter(), []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for step, (images, labels) in enumerate(batches(data.to(device), batch_size, seed)):
            over = (time.perf_counter() - start) / seconds
            if step and over >= 1:
                break
            rise, fall = min(1, (step + 1) / WARM_UP), (1 + math.cos(math.pi * min(1, over))) / 2
            optimizer.param_groups[0]["lr"] = lr * rise * fall
            losses.append(flow_step(network, optimizer, images, labels))
            average(averaged, network, step)
    print(f"{step:,} steps in {seconds:.0f} s, loss {torch.stack(losses[-100:]).mean():.3f}")
    return averaged.cpu()


def flow_step(network: FlowGenerator, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> Tensor:
    """One step on a batch, a tenth of whose labels is not told; the loss before it."""
    heard = (torch.rand(len(images), device=images.device) >= UNLABELLED).float()
    with autocast(images.device):
        loss = flow_loss(partial(network.velocity, heard=heard), images, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def autocast(device: torch.device) -> torch.autocast:
    """The precision in which `Trainer` computes on this device, but without fp16, which would need scaled losses."""
    precision = pick_precision("auto", device)
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@torch.no_grad()
def average(averaged: nn.Module, network: nn.Module, step: int, decay: float = 0.99) -> None:
    """Move averaged weights towards those of `network`: fast at first, so that the random start is soon forgotten."""
    decay = min(decay, (1 + step) / (10 + step))
    torch._foreach_lerp_([*averaged.parameters()], [*network.parameters()], 1 - decay)
