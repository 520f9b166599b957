"""Classes that are made of several attributes: a red 7 is a 7, and red. The last attribute counts fastest.

Of ten digits in three colours class 0 is a 0 in the first colour, class 1 a 0 in the second, class 3 a 1 in the first.
"""

from collections.abc import Mapping, Sequence
from itertools import product

import torch
from torch import Tensor


def join_labels(attributes: Tensor, sizes: Sequence[int]) -> Tensor:
    """Attributes (N, A), each below its size → classes (N,)."""
    joined = torch.zeros_like(attributes[:, 0])
    for column, size in enumerate(sizes):
        joined = joined * size + attributes[:, column]
    return joined


def split_labels(labels: Tensor, sizes: Sequence[int]) -> Tensor:
    """Classes (N,) → attributes (N, A)."""
    columns = []
    for size in reversed(sizes):
        columns.append(labels % size)
        labels = labels // size
    return torch.stack(columns[::-1], 1)


def joint_names(attributes: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """A name for each class: of digits 0, 1 and colours red, green these are 0 red, 0 green, 1 red, 1 green."""
    return tuple(" ".join(values) for values in product(*attributes.values()))
