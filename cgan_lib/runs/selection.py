"""Which generator of a run is the best one: by a score, or, without one, by the losses.

The rule for losses, from the recipe `bce` as published: keep the generator of the lowest generator loss while the
discriminator loss is stable. Here the run is cut into windows, from one checkpoint to the next, and
- the loss of a window is the mean of its points;
- the discriminator is stable in a window when its mean loss is within 20% of that of the window before, and the
  points deviate from the mean by less than half of it (standard deviation). Losses below 0.1 count as 0.1;
- the best window is the stable one with the lowest generator loss. The first has none before it: it is never stable.
A low generator loss may also mean a weak discriminator. Where a score is at hand, use that.
"""

import copy
from collections.abc import Mapping, Sequence
from statistics import fmean, pstdev
from typing import Any

DRIFT, NOISE, FLOOR = 0.2, 0.5, 0.1


def is_stable(before: Sequence[float], now: Sequence[float]) -> bool:
    """Whether the discriminator's losses `now` continue those `before`, as the rule above says."""
    if not before or not now:
        return False
    scale = max(abs(fmean(before)), FLOOR)
    return abs(fmean(now) - fmean(before)) <= DRIFT * scale and pstdev(now) < NOISE * max(abs(fmean(now)), FLOOR)


class Best:
    """The lowest value of a run so far, a score or the generator's loss in a stable window; and the window so far."""

    def __init__(self) -> None:
        self.value = float("inf")
        self.protocol: dict[str, Any] = {}  # how it was measured: what was measured otherwise does not compare
        self.losses_g: list[float] = []
        self.losses_d: list[float] = []
        self.before: list[float] = []

    def record(self, metrics: Mapping[str, float]) -> None:
        """Add a point of the curves to the window."""
        for name, losses in (("loss/G", self.losses_g), ("loss/D", self.losses_d)):
            if name in metrics:
                losses.append(metrics[name])

    def offer(self, value: float, protocol: Mapping[str, Any] | None = None) -> bool:
        """Whether `value`, which was measured by `protocol`, is the lowest so far."""
        better = value < self.value
        if better:
            self.value, self.protocol = value, dict(protocol or {})
        return better

    def close_window(self, eligible: bool = True) -> bool:
        """Begin a new window; whether the old one is `eligible`, stable, and of the lowest generator loss so far."""
        losses_g, stable = self.losses_g, is_stable(self.before, self.losses_d)
        self.before, self.losses_g, self.losses_d = self.losses_d, [], []
        return eligible and stable and bool(losses_g) and self.offer(fmean(losses_g))

    def state_dict(self) -> dict:
        """What the next offer depends on."""
        return copy.deepcopy(vars(self))

    def load_state_dict(self, state: dict) -> None:
        """Continue from `state_dict()`."""
        vars(self).update(copy.deepcopy(state))


def lowest_stable_loss(curves: Mapping[str, tuple[Sequence[int], Sequence[float]]], window: int) -> float:
    """The lowest generator loss in a stable window, by the rule above, read off the curves of a run afterwards.

    `window` is the number of steps between two checkpoints; infinite when the discriminator was never stable.
    """
    best = Best()
    (steps, losses_g), (_, losses_d) = curves["loss/G"], curves["loss/D"]
    points = list(zip(steps, losses_g, losses_d, strict=True))
    for end in range(window, max(steps, default=0) + 1, window):
        for step, loss_g, loss_d in points:
            if end - window < step <= end:
                best.record({"loss/G": float(loss_g), "loss/D": float(loss_d)})
        best.close_window()
    return best.value
