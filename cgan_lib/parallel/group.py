"""Who is who among the processes of a training, and how they agree.

`torchrun` starts them and tells each, by its environment, which of how many it is. What is said here of the first
process is said of rank 0.
"""

import atexit
import os
import pickle
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from cgan_lib.errors import UserError
from cgan_lib.files import first_line

T = TypeVar("T")
PATIENCE = timedelta(hours=1)  # for the others while one of them downloads, or trains a classifier
_parent = os.getppid()


class ProcessLost(UserError):
    """Another process of this training has ended, and without it there is no next step."""


def under_torchrun() -> bool:
    """Whether this process is one of several that `torchrun` has started."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def join() -> None:
    """Under `torchrun`, meet the other processes: all of them must call this. Else, and a second time, nothing."""
    if not under_torchrun() or size() > 1:
        return
    with _meeting():
        dist.init_process_group(timeout=PATIENCE)  # gloo between CPUs, NCCL between GPUs
    atexit.register(_leave)
    if not is_first():
        warnings.simplefilter("ignore")  # the first says the same


def _leave() -> None:
    # Threads of gloo let go of the last tensors a little later: one that does so while Python ends aborts the process
    time.sleep(0.3)
    dist.destroy_process_group()


def size() -> int:
    """How many processes there are: 1 unless `join` has met others."""
    return dist.get_world_size() if _joined() else 1


def rank() -> int:
    """Which of them this is, from 0 on."""
    return dist.get_rank() if _joined() else 0


def is_first() -> bool:
    """Whether this is the process that writes and prints."""
    return rank() == 0


def own_device(name: str) -> str:
    """The device of this process: of several on a machine with CUDA, each has a GPU of its own.

    `UserError` when there are not as many, and for a GPU that all of them were told to take.
    """
    if size() == 1 or name == "cpu":
        return name
    if ":" in name:
        raise UserError(f"{size()} processes cannot share {name}: with device=cuda each has a GPU of its own.")
    if name == "auto" and not torch.cuda.is_available():
        return "cpu"
    number, count = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if name in ("auto", "cuda") and number >= count:
        raise UserError(f"{count} GPUs are too few for the processes here: start {count}, or use device=cpu.")
    if name in ("auto", "cuda"):
        torch.cuda.set_device(number)  # what NCCL exchanges objects through
        return f"cuda:{number}"
    return name


@contextmanager
def together() -> Iterator[None]:
    """What one process raises inside, all raise at the end of the block: none is left waiting for another.

    For what not all of them do, or what may go wrong in one alone, such as writing to a disk.
    """
    if size() == 1:
        yield
        return
    mine = None
    try:
        yield
    except ProcessLost:
        raise
    except Exception as error:
        mine = error
    errors = [error for error in _gathered(_portable(mine)) if error]
    if mine or errors:
        raise mine or errors[0]


def from_first(make: Callable[[], T]) -> T:
    """What `make` returns in the first process, in all of them; what it raises there, too."""
    made: list[Any] = [None]
    with together():
        if is_first():
            made = [make()]
    if size() > 1:
        with _meeting():
            dist.broadcast_object_list(made)
    return made[0]


def in_turn(make: Callable[[], T]) -> T:
    """What `make` returns, which one process of each machine calls before the others do: it finds and keeps files."""
    leads = size() == 1 or os.environ["LOCAL_RANK"] == "0"
    with together():
        if leads:
            made = make()
    with together():
        if not leads:
            made = make()
    return made


def agreed(request: int) -> int:
    """The largest number that any of the processes gives, to all of them; also SIGTERM, once `torchrun` is no more."""
    if size() == 1:
        return request
    if os.getppid() != _parent:
        request = request or int(signal.SIGTERM)
    largest = torch.tensor(request)
    with _meeting():
        dist.all_reduce(largest, dist.ReduceOp.MAX)
    return int(largest)


def gathered(tensor: torch.Tensor) -> list[torch.Tensor]:
    """The tensors (N, …) that the processes give, N may differ, on the CPU and in their order."""
    return _gathered(tensor.cpu())


def sum_(tensor: torch.Tensor) -> torch.Tensor:
    """`tensor` itself, become the sum of those of all processes."""
    with _meeting():
        dist.all_reduce(tensor)
    return tensor


def _gathered(mine: T) -> list[T]:
    if size() == 1:
        return [mine]
    everyones: list[Any] = [None] * size()
    with _meeting():
        dist.all_gather_object(everyones, mine)
    return everyones


def _joined() -> bool:
    return dist.is_available() and dist.is_initialized()


@contextmanager
def _meeting() -> Iterator[None]:
    """Around what takes all processes: gloo and NCCL say in many ways that one is not there any more."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise ProcessLost(
            f"another process of this training has ended ({first_line(error)}). Look for its message, then start all "
            "of them again by the same command: the run goes on from its last checkpoint."
        ) from error


def _portable(error: Exception | None) -> Exception | None:
    """The same error, as it can be sent to another process."""
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:  # of a class that cannot be built from its message
        return RuntimeError(f"{type(error).__name__}: {error}")
