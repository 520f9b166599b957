"""GAN losses as pure functions on logits, in pairs: what the discriminator minimises, what the generator minimises.

Logits are unbounded scores (N,). Where a loss says so, sigmoid(logit) is the discriminator's probability that an image
is real. With softplus(x) = log(1 + eˣ): −log sigmoid(x) = softplus(−x) and −log(1 − sigmoid(x)) = softplus(x), free of
overflow. Penalties look at the slope of the discriminator instead: how fast its logit changes when a pixel does.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.parallel import alternated, drawn


def bce_d(real: Tensor, fake: Tensor) -> Tensor:
    """−log D(x) − log(1 − D(G(z))), averaged over the batch (Goodfellow et al. 2014, eq. 1): logits (N,) → scalar."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def bce_g(fake: Tensor) -> Tensor:
    """Non-saturating: −log D(G(z)) (Goodfellow et al. 2014, section 3): logits (N,) → scalar."""
    return F.softplus(-fake).mean()


def minimax_g(fake: Tensor) -> Tensor:
    """Saturating: log(1 − D(G(z))), the generator's half of the minimax game (eq. 1): logits (N,) → scalar."""
    return -F.softplus(fake).mean()


def hinge_d(real: Tensor, fake: Tensor) -> Tensor:
    """max(0, 1 − real) + max(0, 1 + fake) (Lim & Ye 2017; Miyato et al. 2018, eq. 16): logits (N,) → scalar."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def hinge_g(fake: Tensor) -> Tensor:
    """−fake (Lim & Ye 2017; Miyato et al. 2018, eq. 17): logits (N,) → scalar."""
    return -fake.mean()


def least_squares_d(real: Tensor, fake: Tensor) -> Tensor:
    """½ (real − 1)² + ½ fake² (Mao et al. 2017, eq. 9): logits (N,) → scalar."""
    return 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean()


def least_squares_g(fake: Tensor) -> Tensor:
    """½ (fake − 1)² (Mao et al. 2017, eq. 9): logits (N,) → scalar."""
    return 0.5 * (fake - 1).square().mean()


def wasserstein_d(real: Tensor, fake: Tensor) -> Tensor:
    """fake − real: minus the estimated distance (Arjovsky et al. 2017, eq. 2): logits (N,) → scalar."""
    return fake.mean() - real.mean()


def wasserstein_g(fake: Tensor) -> Tensor:
    """−fake: what of the distance depends on the generator (Arjovsky et al. 2017, eq. 2): logits (N,) → scalar."""
    return -fake.mean()


def relativistic_d(real: Tensor, fake: Tensor) -> Tensor:
    """softplus(fake − real): each real is compared with one fake (Huang et al. 2024, eq. 2): logits (N,) → scalar."""
    return F.softplus(fake - real).mean()


def relativistic_g(fake: Tensor, real: Tensor) -> Tensor:
    """softplus(real − fake): the same comparison, seen from the other side: logits (N,) → scalar."""
    return F.softplus(real - fake).mean()


def input_gradient(discriminator: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    """∂D(x, labels)/∂x, flat and differentiable again: (N,C,H,W) → (N, C·H·W)."""
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(x, labels).sum(), x, create_graph=True)
    return gradient.flatten(1)


def r1_r2(discriminator: nn.Module, real: Tensor, fake: Tensor, labels: Tensor) -> Tensor:
    """½ ‖∇D‖² at the reals (R1) and at the fakes (R2), added (Mescheder et al. 2018, eq. 9, 10): (N,C,H,W) → scalar."""
    slopes = input_gradient(discriminator, alternated(real, fake), alternated(labels, labels))  # (2N, C·H·W)
    return slopes.square().sum(1).mean()  # of twice as many images, so that the ½ is in it


def unit_slope(discriminator: nn.Module, real: Tensor, fake: Tensor, labels: Tensor) -> Tensor:
    """(‖∇D‖ − 1)² at points between reals and fakes (Gulrajani et al. 2017, eq. 3): (N,C,H,W) → scalar."""
    t = drawn(lambda n: torch.rand(n, 1, 1, 1, device=real.device), len(real))
    between = t * real + (1 - t) * fake
    return (input_gradient(discriminator, between, labels).norm(dim=1) - 1).square().mean()


class Loss(NamedTuple):
    """A pair of scalars to minimise, and what else the discriminator pays for."""

    d: Callable[[Tensor, Tensor], Tensor]
    """d(real_logits, fake_logits)"""
    g: Callable[..., Tensor]
    """g(fake_logits), or for a relative loss g(fake_logits, real_logits)"""
    probabilities: bool = False
    """sigmoid(logit) is the probability that an image is real: the curves show that in place of the logit"""
    relative: bool = False
    """the generator, too, is compared with real images"""
    penalty: Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor] | None = None
    """penalty(discriminator, real, fake, labels), added to the discriminator's loss"""
    penalty_weight: float = 0.0
    """its weight, when the recipe names none"""

    @property
    def paired(self) -> bool:
        """Each fake is drawn with the label of one real image, since the two are compared or mixed."""
        return self.relative or self.penalty is not None

    def verdicts(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """What the discriminator thinks of reals and fakes on average: logits (N,) → name of the curve → scalar."""
        if self.probabilities:
            return {"probability/D(x)": real.sigmoid().mean(), "probability/D(G(z))": fake.sigmoid().mean()}
        return {"logit/real": real.mean(), "logit/fake": fake.mean()}


LOSSES = {
    "bce": Loss(bce_d, bce_g, probabilities=True),
    "minimax": Loss(bce_d, minimax_g, probabilities=True),
    "hinge": Loss(hinge_d, hinge_g),
    "least_squares": Loss(least_squares_d, least_squares_g),
    "wasserstein": Loss(wasserstein_d, wasserstein_g, penalty=unit_slope, penalty_weight=10.0),
    "relativistic": Loss(relativistic_d, relativistic_g, relative=True, penalty=r1_r2, penalty_weight=1.0),
}
