"""The toy of notebook 01: a ring of eight Gaussians, so small that what the theory speaks of can be computed.

Several trainings run side by side, one for each index of a leading axis `runs`: five seeds take little longer than one.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.losses import bce_d, bce_g
from cgan_lib.recipes import current_profile

MODES, RADIUS, STD = 8, 2.0, 0.2
NEAR = 3 * STD  # less than half of the way to the next mode
COVERED = 0.01  # of the samples near a mode; a fair generator puts 0.12 there
CLOUD = 1.5  # standard deviation of the broad Gaussian that stands for an untrained generator
EXTENT = 3.2  # of the pictures and grids, to each side of 0
LATENT_DIM, WIDTH = 2, 64  # of z, of the hidden layers
SHOWN = 500  # samples of a snapshot
ANGLES = 2 * math.pi * torch.arange(MODES) / MODES
CENTRES = RADIUS * torch.stack([ANGLES.cos(), ANGLES.sin()], 1)  # (MODES, 2)

Logits = Callable[[Tensor], Tensor]  # points (N,2) → (N,)


@dataclass(frozen=True)
class Setting:
    """How the toy is trained: steps in the profile `demo`, batch size, Adam's learning rates and beta1."""

    demo_steps: int = 900
    batch_size: int = 128
    lr_g: float = 2e-3
    lr_d: float = 2e-3
    beta1: float = 0.0


STEADY = Setting()
SLOW_D = Setting(lr_d=2e-4)


def steps(demo: int) -> int:
    """How many steps the profile in force takes in place of those of `demo`."""
    return {"ci": 40, "demo": demo, "full": 2 * demo}[current_profile()]


def ring(count: int, draws: torch.Generator | int = 0) -> tuple[Tensor, Tensor]:
    """Points (count,2) of the ring, and the mode (count,) that each comes from; `draws` is a seed or a generator."""
    draws = torch.Generator().manual_seed(draws) if isinstance(draws, int) else draws
    modes = torch.randint(MODES, (count,), generator=draws)
    return CENTRES[modes] + STD * torch.randn(count, 2, generator=draws), modes


def cloud(count: int, draws: torch.Generator | int = 1) -> Tensor:
    """Points (count,2) of the broad Gaussian N(0, 1.5²)."""
    draws = torch.Generator().manual_seed(draws) if isinstance(draws, int) else draws
    return CLOUD * torch.randn(count, 2, generator=draws)


def ring_density(points: Tensor) -> Tensor:
    """The density of the ring at points (…,2): (…)."""
    return gaussian(points[..., None, :] - CENTRES, STD).mean(-1)  # (…,MODES) → (…)


def cloud_density(points: Tensor) -> Tensor:
    """The density of the broad Gaussian at points (…,2): (…)."""
    return gaussian(points, CLOUD)


def gaussian(points: Tensor, std: float) -> Tensor:
    """The density of N(0, std²) in two dimensions at points (…,2): (…)."""
    return torch.exp(-points.square().sum(-1) / (2 * std**2)) / (2 * math.pi * std**2)


def plane(side: int, extent: float = EXTENT) -> Tensor:
    """Points (side,side,2) in the middle of the cells of a square grid, the first axis upwards."""
    along = extent * ((2 * torch.arange(side) + 1) / side - 1)
    return torch.stack(torch.meshgrid(along, along, indexing="xy"), -1)


def best_discriminator(p: Tensor, q: Tensor) -> Tensor:
    """D* = p / (p + q), from the densities of reals and fakes (Goodfellow et al. 2014, proposition 1)."""
    return p / (p + q)


def value(p: Tensor, q: Tensor, probability: Tensor, cell: float) -> float:
    """The objective E_p log D + E_q log(1 − D) on a grid, whose cells have the size `cell`; 0 · log 0 is 0."""
    return cell * (torch.xlogy(p, probability) + torch.xlogy(q, 1 - probability)).sum().item()


def js_divergence(p: Tensor, q: Tensor, cell: float) -> float:
    """The Jensen–Shannon divergence of two densities on a grid: from 0 (equal) to log 2 (they do not overlap)."""
    middle = (p + q) / 2
    return cell * (_relative(p, middle) + _relative(q, middle)).sum().item() / 2


def _relative(p: Tensor, other: Tensor) -> Tensor:
    return torch.xlogy(p, p) - torch.xlogy(p, other)


def wasserstein(a: Tensor, b: Tensor) -> float:
    """How far two sets of numbers (N,) lie apart on their line: W1, for which the n-th smallest go together."""
    return (a.sort().values - b.sort().values).abs().mean().item()


def covered(samples: Tensor, centres: Tensor = CENTRES, near: float = NEAR) -> Tensor:
    """Samples (…,N,2) → which modes (…,K) have at least 1% of the samples nearer than `near` to their centre (K,2)."""
    inside = (samples[..., None, :] - centres).norm(dim=-1) < near  # (…,N,K)
    return inside.double().mean(-2) >= COVERED


def modes_covered(samples: Tensor) -> list[int]:
    """How many of the eight modes each of several sets of samples (runs,N,2) covers."""
    return covered(samples).sum(-1).tolist()


def pull(logits: Logits, points: Tensor) -> Tensor:
    """Where the generator's loss wants fakes at points (N,2) to go: −∂/∂x of −log D(x), (N,2)."""
    points = points.detach().requires_grad_()
    loss = len(points) * bce_g(logits(points))  # the sum: each point has a slope of its own
    return -torch.autograd.grad(loss, points)[0]


class Networks(nn.Module):
    """`runs` networks of one shape side by side, two hidden layers of 64: (runs,N,inputs) → (runs,N,outputs)."""

    def __init__(self, runs: int, inputs: int, outputs: int, draws: torch.Generator) -> None:
        super().__init__()
        sizes = list(pairwise([inputs, WIDTH, WIDTH, outputs]))
        # As nn.Linear begins: uniform, up to 1 / √inputs
        self.weights = nn.ParameterList(_uniform((runs, a, b), a**-0.5, draws) for a, b in sizes)
        self.biases = nn.ParameterList(_uniform((runs, 1, b), a**-0.5, draws) for a, b in sizes)

    def forward(self, x: Tensor, modes: Tensor | None = None) -> Tensor:
        """With `modes` (runs,N) each row is told its mode, as a one-hot vector beside `x`."""
        if modes is not None:
            x = torch.cat([x, F.one_hot(modes, MODES).float()], -1)
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, F.relu(x) if layer else x, weight)
        return x

    def first(self, points: Tensor) -> Tensor:
        """The one output of the first network, at points (N,2): (N,)."""
        return self(points.expand(len(self.weights[0]), -1, -1))[0, :, 0]


def _uniform(shape: tuple[int, ...], limit: float, draws: torch.Generator) -> nn.Parameter:
    return nn.Parameter(limit * (2 * torch.rand(shape, generator=draws) - 1))


@dataclass(frozen=True)
class Snapshot:
    """A moment of `runs` trainings: samples of each, always of the same latents (runs,SHOWN,2), and D as it was."""

    step: int
    samples: Tensor
    discriminator: Networks

    def logits(self, points: Tensor) -> Tensor:
        """What the discriminator of the first run says of points (N,2): (N,)."""
        return self.discriminator.first(points)


def fit_discriminator(batch_size: int = 512, seed: int = 0) -> Logits:
    """Train a discriminator alone, on the ring (real) against the broad Gaussian (fake), and return its logits.

    The learning rate sinks to a fiftieth, so that it comes to rest.
    """
    draws = torch.Generator().manual_seed(seed)
    network = Networks(1, 2, 1, draws)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    total = steps(1500)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.02, total)
    for _ in range(total):
        real, fake = ring(batch_size, draws)[0], cloud(batch_size, draws)
        _step(optimizer, bce_d(network(real[None]), network(fake[None])))
        schedule.step()
    return network.first


def train_ring(
    setting: Setting = STEADY,
    *,
    conditional: bool = False,
    runs: int = 1,
    seed: int = 0,
    snapshots: int = 14,
    total: int | None = None,
) -> list[Snapshot]:
    """Train `runs` GANs on the ring side by side; `snapshots` moments of it, the first one before any step.

    With `conditional` both networks are told the mode: in a snapshot, sample n is of mode n % 8. `total` steps are
    taken, by default as many as the profile in force says.
    """
    draws, told = torch.Generator().manual_seed(seed), MODES if conditional else 0
    generator, discriminator = Networks(runs, LATENT_DIM + told, 2, draws), Networks(runs, 2 + told, 1, draws)
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=setting.lr_g, betas=(setting.beta1, 0.99))
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=setting.lr_d, betas=(setting.beta1, 0.99))
    fixed = torch.randn(runs, SHOWN, LATENT_DIM, generator=draws)
    total = steps(setting.demo_steps) if total is None else total
    wanted = {round(total * share**1.5) for share in torch.linspace(0, 1, snapshots).tolist()}  # denser at the start
    taken = []
    for step in range(total + 1):
        if step in wanted:
            samples = generator(fixed, torch.arange(SHOWN).expand(runs, -1) % MODES if conditional else None).detach()
            taken.append(Snapshot(step, samples, copy.deepcopy(discriminator)))
        real, modes = ring(runs * setting.batch_size, draws)
        real, labels = real.view(runs, -1, 2), modes.view(runs, -1) if conditional else None
        fake = generator(torch.randn(*real.shape[:2], LATENT_DIM, generator=draws), labels)
        # × runs: the mean of the loss is over all runs, the gradient of each is to be that of its own batch
        _step(optimizer_d, runs * bce_d(discriminator(real, labels), discriminator(fake.detach(), labels)))
        _step(optimizer_g, runs * bce_g(discriminator(fake, labels)))
    return taken


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
