"""Norms of what a training is made of: they tell how strongly a network is pulled, and whether all is still finite."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor, nn
from torch.nn.utils import get_total_norm


def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """The norm of all gradients together; a network that is not grown yet has weights that no gradient reaches."""
    return get_total_norm([p.grad for p in parameters if p.grad is not None])


def all_finite(states: Iterable[dict[str, Any]]) -> bool:
    """Whether no floating point tensor of these nested state dicts holds NaN or infinity."""
    tensors = [tensor for state in states for tensor in _tensors(state)]
    return math.isfinite(get_total_norm([tensor for tensor in tensors if tensor.is_floating_point()]))


def _tensors(state: Any) -> Iterator[Tensor]:
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, (dict, list)):
        for part in state.values() if isinstance(state, dict) else state:
            yield from _tensors(part)
