"""Work on many rows that has nothing to do with a batch, such as measuring: each process does a part of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from cgan_lib.parallel.group import gathered, rank, size

_dividing = False


@contextmanager
def dividing() -> Iterator[None]:
    """Inside, `divided` divides: for what every process calls, with the same arguments."""
    global _dividing
    before, _dividing = _dividing, size() > 1
    try:
        yield
    finally:
        _dividing = before


def divided(work: Callable[..., Tensor], *rows: Tensor) -> Tensor:
    """`work(*rows)`, which makes a row of each row; inside `dividing` each process does its part, and all get all.

    Elsewhere a process does all of it: it may be the only one that was asked.
    """
    if not _dividing or len(rows[0]) < size():
        return work(*rows)
    made = work(*(each.tensor_split(size())[rank()] for each in rows))
    return torch.cat(gathered(made)).to(made.device)
