"""A training step that a GPU repeats by itself: recorded once as a CUDA graph, replayed from then on.

A small network keeps a GPU busy for microseconds an operator, less than Python needs to ask for the next. A graph asks
for all operators of a step at once. It reads and writes where the recorded step did: what changes from step to step
must lie in tensors that stay where they are.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from cgan_lib import parallel
from cgan_lib.files import first_line

Step = Callable[..., object]
REHEARSALS = 3  # steps of each kind before it is recorded: PyTorch asks for some, on a stream of their own


class Recorder(Protocol):
    """What turns a step into something that can be replayed."""

    def rehearse(self, step: Step, inputs: Sequence[Tensor]) -> None:
        """Compute `step(*inputs)` as it is, but in the place where it is going to be recorded."""

    def record(self, step: Step, inputs: Sequence[Tensor]) -> Callable[[Sequence[Tensor]], None]:
        """A function of other inputs of the same shapes that does what `step` would; nothing is computed yet.

        Raises `RuntimeError` where that cannot be.
        """


class Replayed:
    """Steps of several kinds: each is computed some times, then recorded, then replayed.

    Where recording is refused, a warning says why, and from then on every step is computed operator by operator.
    """

    def __init__(self, recorder: Recorder | None, optimizers: Sequence[Optimizer]):
        """`recorder`: None computes every step operator by operator. `optimizers`: those that move in a step."""
        self.recorder = recorder
        self.optimizers = optimizers
        self.forget()

    def forget(self) -> None:
        """Record anew: for tensors that a step uses have been replaced."""
        self._replays: dict[Hashable, Callable[[Sequence[Tensor]], None]] = {}
        self._rehearsed: Counter[Hashable] = Counter()

    def __call__(self, kind: Hashable, step: Step, *inputs: Tensor) -> None:
        """Do what `step(*inputs)` does; two steps of one `kind` differ in nothing but their inputs and tensors."""
        key = (kind, *((tensor.shape, tensor.dtype) for tensor in inputs))
        if self.recorder is None:
            step(*inputs)
        elif key in self._replays:
            self._replays[key](inputs)
        elif self._rehearsed[key] < REHEARSALS:
            self._rehearsed[key] += 1
            self.recorder.rehearse(step, inputs)
        elif replay := self._recorded(self.recorder, step, inputs):
            self._replays[key] = replay
            replay(inputs)
        else:
            step(*inputs)

    def _recorded(
        self, recorder: Recorder, step: Step, inputs: Sequence[Tensor]
    ) -> Callable[[Sequence[Tensor]], None] | None:
        try:
            with _capturable(self.optimizers):
                return recorder.record(step, inputs)
        except RuntimeError as error:  # which out of memory is, too
            cause = error.__context__ or error  # an error inside a recording has its end fail as well
            warnings.warn(
                f"training goes on without CUDA graphs, more slowly: one was refused ({first_line(cause)}).",
                stacklevel=2,
            )
            self.recorder = None
            self.forget()
            return None


class CUDAGraphs:
    """Records on a GPU. All graphs share their memory: no two run at once, and none reads what another left there."""

    def __init__(self, device: torch.device):
        self.device = device
        with torch.cuda.device(device):
            self.stream = torch.cuda.Stream()
        self.pool = torch.cuda.graph_pool_handle()

    def rehearse(self, step: Step, inputs: Sequence[Tensor]) -> None:
        """Compute the step on the stream on which it is recorded, between what comes before and after it."""
        usual = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(usual)
        with torch.cuda.stream(self.stream):
            step(*inputs)
        usual.wait_stream(self.stream)

    def record(self, step: Step, inputs: Sequence[Tensor]) -> Callable[[Sequence[Tensor]], None]:
        """Random numbers of a replay come from the seed that is set when it begins, as those of the step would."""
        graph, own = torch.cuda.CUDAGraph(), [tensor.clone() for tensor in inputs]
        usual = torch.cuda.current_stream(self.device)
        try:
            # thread_local: another thread may be sending the next batch meanwhile
            with torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"):
                step(*own)
        except BaseException:
            torch.cuda.set_stream(usual)
            _renew_generator(self.device)
            raise

        def replay(inputs: Sequence[Tensor]) -> None:
            for mine, given in zip(own, inputs, strict=True):
                mine.copy_(given)
            graph.replay()

        return replay


def recorder_for(device: torch.device, precision: str, grows: bool) -> CUDAGraphs | None:
    """What records the steps of a training; None where no step can be recorded.

    On a GPU alone. Not in fp16, where the size of each gradient decides whether a step counts; not while networks
    grow, where every step differs; nor among several processes, which exchange gradients within a step.
    """
    if device.type != "cuda" or precision == "fp16" or grows or parallel.size() > 1:
        return None
    return CUDAGraphs(device)


def set_rate(optimizer: Optimizer, rate: float, device: torch.device) -> None:
    """Set the learning rate. On CUDA it lies in a tensor that stays where it is, for graphs read it there."""
    group = optimizer.param_groups[0]
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = torch.tensor(rate, device=device) if device.type == "cuda" else rate


def with_plain_rates(state: dict[str, Any]) -> dict[str, Any]:
    """An optimiser's state dict whose learning rates are numbers, so that it fits any device."""
    groups = [group | {"lr": float(group["lr"])} for group in state["param_groups"]]
    return state | {"param_groups": groups}


@contextmanager
def _capturable(optimizers: Sequence[Optimizer]) -> Iterator[None]:
    """Tell optimisers that they are being recorded, and only then: Adam warns where it is told so in vain."""
    groups = [optimizer.param_groups[0] for optimizer in optimizers]
    before = [group["capturable"] for group in groups]
    for group in groups:
        group["capturable"] = True
    try:
        yield
    finally:
        for group, was in zip(groups, before, strict=True):
            group["capturable"] = was


def _renew_generator(device: torch.device) -> None:
    """A recording that broke off leaves the generator of its device believing that it still goes on."""
    index = torch.cuda.current_device() if device.index is None else device.index
    generator, fresh = torch.cuda.default_generators[index], torch.Generator(device)
    fresh.manual_seed(generator.initial_seed())
    generator.graphsafe_set_state(fresh.graphsafe_get_state())
