"""The ring of notebook 01 as the end of a flow: here the best velocity is a formula, and its paths can be drawn."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cgan_lib.course.flow import Velocity, on_the_way
from cgan_lib.course.toy import CENTRES, EXTENT, NEAR, STD, Networks, ring, steps
from cgan_lib.figures import COLOURS, INK, SMALL, WIDTH, house_style

Path = Tensor  # (passes + 1, N, 2): where each of N points was before the first pass, and after each


def ring_velocity(x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
    """The mean of point − noise over all lines from N(0, 1) to the ring that pass `x` (N,2) at `t` (N,): (N,2).

    Every mode is a normal distribution, so noise and point are known from where they meet: E[a | a + b = c] of normal
    a and b. With `labels` (N,) only the lines to that mode count.
    """
    t = t.view(-1, 1, 1)
    variance = (1 - t).square() + (t * STD).square()  # of x around t · centre
    off = x[:, None] - t * CENTRES  # (N, modes, 2)
    to_each = CENTRES + (t * STD**2 - (1 - t)) / variance * off
    if labels is not None:
        return to_each[torch.arange(len(x)), labels]
    likely = torch.softmax(-off.square().sum(-1, keepdim=True) / (2 * variance), dim=1)  # (N, modes, 1)
    return (likely * to_each).sum(1)


def path(velocity: Velocity, x: Tensor, labels: Tensor, times: Sequence[float] | Tensor) -> Path:
    """Where points `x` (N,2) are at each of `times`, from one to the next along the velocity at the former."""
    taken = [x]
    for now, then in pairwise(times):
        taken.append(taken[-1] + (then - now) * velocity(taken[-1], torch.full((len(x),), float(now)), labels))
    return torch.stack(taken)


def even(passes: int) -> Tensor:
    """passes + 1 times from 0 to 1, at equal distances."""
    return torch.linspace(0, 1, passes + 1)


def unlabelled(x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
    """`ring_velocity` of all modes together."""
    return ring_velocity(x, t)


def reflow(noise: Tensor, points: Tensor, seed: int = 0) -> Velocity:
    """A small network for the velocity between *these* pairs (N,2): those that a flow has made (Liu et al. 2023)."""
    draws = torch.Generator().manual_seed(seed)
    network = Networks(1, 3, 2, draws)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    total = steps(1500)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.02, total)

    def velocity(x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        return network(torch.cat([x, t[:, None]], dim=1)[None])[0]

    for _ in range(total):
        rows = torch.randint(len(noise), (256,), generator=draws)
        t = torch.rand(256, generator=draws)
        x = on_the_way(noise[rows], points[rows], t)
        loss = F.mse_loss(velocity(x, t, rows), points[rows] - noise[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return torch.no_grad()(velocity)


def bend(taken: Path) -> float:
    """Mean of |velocity of a step − (end − beginning)|² over steps and points: 0 if one pass does as well as many.

    (Liu et al. 2023, section 2.2, where it is the straightness S.)
    """
    off = (len(taken) - 1) * taken.diff(dim=0) - (taken[-1] - taken[0])  # (passes, N, 2)
    return off.square().sum(-1).mean().item()


def near(points: Tensor) -> float:
    """The share of points (N,2) that lie in the circle of a mode; of the ring's own, 0.99."""
    return ((points[:, None] - CENTRES).norm(dim=-1).min(1).values < NEAR).float().mean().item()


def best_velocity(images: Tensor, x: Tensor, t: float) -> Tensor:
    """The velocity at `x` (N,D) and `t` below 1 that has the least error when there are no images but (M,D): (N,D)."""
    likely = torch.softmax(-torch.cdist(x, t * images).square() / (2 * (1 - t) ** 2), dim=1)  # (N,M)
    return (likely @ images - x) / (1 - t)


def lines(count: int = 40) -> Path:
    """What is learned from: noise, and points of the ring drawn without regard to it, joined by straight lines."""
    draws = torch.Generator().manual_seed(5)
    return torch.stack([torch.randn(count, 2, generator=draws), ring(count, draws)[0]])


@house_style()
def show_paths(panels: Mapping[str, Path], width: float = WIDTH) -> None:
    """Draw paths side by side, each below its title: dots where they begin, and larger ones where they end."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(panels), figsize=(width, width / len(panels) + 0.4), squeeze=False)
    for panel, (title, taken) in zip(axes[0], panels.items(), strict=True):
        _draw_ring(panel)
        panel.plot(taken[..., 0], taken[..., 1], "-", color=INK, alpha=0.35, linewidth=0.9)
        panel.scatter(*taken[0].T, s=6, color=INK, linewidths=0, zorder=3)
        panel.scatter(*taken[-1].T, s=18, color=COLOURS["G"], linewidths=0, zorder=4)
        _frame(panel, title)
    plt.show()


def _draw_ring(axes: Any) -> None:
    from matplotlib.patches import Circle

    for centre in CENTRES.tolist():
        axes.add_patch(Circle(centre, NEAR, fill=False, edgecolor=COLOURS["D"], linewidth=1))


def _frame(axes: Any, title: str) -> None:
    axes.set(xlim=(-EXTENT, EXTENT), ylim=(-EXTENT, EXTENT), xticks=(-2, 0, 2), yticks=(-2, 0, 2), aspect="equal")
    axes.set_title(title)
    axes.tick_params(labelsize=SMALL)
