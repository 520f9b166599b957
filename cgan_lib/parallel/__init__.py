"""One training in several processes: `torchrun` starts them, each has a part of every batch, and all agree.

A process that is alone has the whole batch and nobody to ask: then every function here does nothing.
"""

from cgan_lib.parallel.batch import (
    JointBatchNorm,
    alternated,
    average_gradients,
    averaged,
    check_divisible,
    drawn,
    normalise_jointly,
    own_rows,
)
from cgan_lib.parallel.group import (
    ProcessLost,
    agreed,
    from_first,
    gathered,
    in_turn,
    is_first,
    join,
    own_device,
    size,
    together,
    under_torchrun,
)
from cgan_lib.parallel.work import divided, dividing

__all__ = [
    "JointBatchNorm",
    "ProcessLost",
    "agreed",
    "alternated",
    "average_gradients",
    "averaged",
    "check_divisible",
    "divided",
    "dividing",
    "drawn",
    "from_first",
    "gathered",
    "in_turn",
    "is_first",
    "join",
    "normalise_jointly",
    "own_device",
    "own_rows",
    "size",
    "together",
    "under_torchrun",
]
