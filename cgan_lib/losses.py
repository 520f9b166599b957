"""GAN losses as pure functions on logits, in pairs: what the discriminator minimises, what the generator minimises.

Logits are unbounded scores (N,); sigmoid(logit) is the discriminator's probability that an image is real. With
softplus(x) = log(1 + eˣ): −log sigmoid(x) = softplus(−x) and −log(1 − sigmoid(x)) = softplus(x), free of overflow.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor


def bce_d(real: Tensor, fake: Tensor) -> Tensor:
    """−log D(x) − log(1 − D(G(z))), averaged over the batch (Goodfellow et al. 2014, eq. 1): logits (N,) → scalar."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def bce_g(fake: Tensor) -> Tensor:
    """Non-saturating: −log D(G(z)) (Goodfellow et al. 2014, section 3): logits (N,) → scalar."""
    return F.softplus(-fake).mean()


def minimax_g(fake: Tensor) -> Tensor:
    """Saturating: log(1 − D(G(z))), the generator's half of the minimax game (eq. 1): logits (N,) → scalar."""
    return -F.softplus(fake).mean()


class Loss(NamedTuple):
    """A pair: `d(real_logits, fake_logits)` and `g(fake_logits)`, each a scalar to minimise."""

    d: Callable[[Tensor, Tensor], Tensor]
    g: Callable[[Tensor], Tensor]


LOSSES = {
    "bce": Loss(bce_d, bce_g),
    "minimax": Loss(bce_d, minimax_g),
}
