"""Notebook 07: status codes, batching of requests, the same generator in another file."""

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cgan_lib.course.exercises.comparing import numbers
from cgan_lib.course.exercises.verdict import NotAttempted, Wrong, call, check
from cgan_lib.models.concat import BCEGenerator


@check("07", "answer", difficulty=1, minutes=4)
def check_status_codes(answer: list[int]) -> str:
    """What the service answers to a class that is none, a text, an unknown field, and a grid size without a grid."""
    hints = (
        ("value 12", 422, "there is no class 12, and the request itself is to blame: not 404, not 500."),
        ('value "9"', 422, 'is the text "9" the number 9? The service is strict, so that slips are noticed.'),
        ("colour", 422, "a field that nobody knows is a mistake of the sender, and should not be passed over."),
        ("grid_size 3 without grid", 200, "nothing about it is wrong; what is it good for without a grid?"),
    )
    codes = _listed(answer)
    if codes is None or len(codes) != len(hints):
        raise Wrong(f"Give a list of {len(hints)} status codes.")
    if any(code is ... or code is None for code in codes):
        raise NotAttempted
    if any(isinstance(code, str) for code in codes):
        raise Wrong("Status codes are numbers: leave out the quotes.")
    for code, (request, right, hint) in zip(codes, hints, strict=True):
        if code != right:
            raise Wrong(f"{request}: {hint}")
    return "Three refusals that name the field, and one request that is plainly all right."


def _listed(value: Any) -> list[Any] | None:
    """The parts of a list, a tuple, an array or a tensor; None for anything else."""
    if isinstance(value, (Tensor, np.ndarray)):
        return value.tolist() if value.ndim else None
    return list(value) if isinstance(value, Iterable) and not isinstance(value, (str, bytes, dict, set)) else None


@check("07", "build", difficulty=2, minutes=10)
def check_passes(answer: Callable[[list[int], int], list[list[int]]]) -> str:
    """Waiting requests, by the number of images each wants, shared out to passes of at most so many, in order."""
    for wanted, limit in _requests():
        parts = _listed(call(answer, wanted, limit))
        passes = None if parts is None else [_listed(part) for part in parts]
        if passes is None or any(counts is None for counts in passes):
            raise Wrong("Return a list of lists, such as [[1, 1, 1], [1]].")
        _check_shares(passes, wanted, limit)
    return "First come, first served, and the generator is never asked for one image while three are waiting."


def _requests() -> Iterator[tuple[list[int], int]]:
    """Lists of requests, each with a limit: a few that are easily read first, then random ones."""
    yield from (([1, 1, 1, 1], 3), ([1, 3, 2, 1], 3), ([3], 3), ([], 3), ([2, 2, 2, 1], 4), ([1, 1], 1))
    for limit in range(2, 9):
        yield torch.randint(1, limit + 1, (12,)).tolist(), limit


def _check_shares(passes: list[Any], wanted: list[int], limit: int) -> None:
    if [count for counts in passes for count in counts] != wanted:
        raise Wrong(f"From {wanted} came {passes}: every request once, in the order in which they came.")
    if any(sum(counts) > limit for counts in passes):
        raise Wrong(f"{passes} has a pass of more than {limit} images.")
    if [] in passes:
        raise Wrong(f"{passes} has an empty pass.")
    if passes != (right := _fill(wanted, limit)):
        raise Wrong(f"{wanted} with limit {limit} could be {right}: as many as fit into each pass; yours is {passes}.")


def _fill(wanted: list[int], limit: int) -> list[list[int]]:
    passes: list[list[int]] = []
    for count in wanted:
        if not passes or sum(passes[-1]) + count > limit:
            passes.append([])
        passes[-1].append(count)
    return passes


@check("07", "build", difficulty=2, minutes=10)
def check_same_generator(answer: Callable[[nn.Module, nn.Module], bool]) -> str:
    """Whether two generators draw the same: True or False."""
    for first, second, same, hint in _pairs():
        if _yes(call(answer, first, second)) != same:
            raise Wrong(hint)
    return "Files, formats and machines may differ; this is the test that counts."


def _yes(value: Any) -> bool:
    """An answer to a question of yes or no, be it of Python, NumPy or PyTorch."""
    found = numbers(value) if isinstance(value, (bool, np.bool_, np.ndarray, Tensor)) else None
    if found is None or found.dtype != torch.bool:
        raise Wrong(f"The answer should be True or False; this is {type(value).__name__}.")
    if found.numel() != 1:
        raise Wrong("One answer for both generators: True when all of their images agree.")
    return bool(found)


class _OddFarOut(BCEGenerator):
    """Draws something else wherever a coordinate of `z` is not near 0."""

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return super().forward(z + 3 * (z.abs() > 0.5), labels)


def _pairs() -> Iterator[tuple[nn.Module, nn.Module, bool, str]]:
    """Two generators, whether they draw the same, and what to say when the answer is another."""
    sizes: dict[str, Any] = dict(latent_dim=100, base_channels=4, embed_dim=4)
    first = BCEGenerator(**sizes).eval()
    again = "A copy with the same weights draws the same: give both the same z and the same labels."
    yield first, copy.deepcopy(first), True, again
    images = "Two generators with different weights came out as the same: compare the images themselves."
    other = BCEGenerator(**sizes).eval()
    yield first, other, False, images
    yield other, first, False, images
    for name, hint in (
        ("conv_blocks.4.weight", "These two differ in the last layer alone: compare the images themselves."),
        ("conv_blocks.1.bias", "These two differ in one bias alone: compare the images themselves."),
        ("conv_blocks.2.running_mean", "These two differ in what BatchNorm has seen: compare the images themselves."),
    ):
        yield first, _changed(first, name, slice(None)), False, hint
    for label in range(10):
        hint = f"These two differ for class {label} and for no other: ask for every class."
        yield first, _changed(first, "label_embedding.weight", slice(label, label + 1)), False, hint
    recounted = copy.deepcopy(first)
    recounted.get_buffer("conv_blocks.0.num_batches_tracked").add_(1)
    hint = "These two draw the same, though a counter in their files differs: compare images, not weights."
    yield first, recounted, True, hint
    far = _OddFarOut(**sizes).eval()
    far.load_state_dict(first.state_dict())
    yield far, first, False, "These two are the same near z = 0 alone: draw z from N(0, 1)."
    training = copy.deepcopy(first).train()
    yield training, copy.deepcopy(training), True, f"{again} (In training mode, in one batch: BatchNorm looks at all.)"
    yield training, _changed(training, "conv_blocks.4.weight", slice(None)), False, images


def _changed(generator: nn.Module, name: str, rows: slice) -> nn.Module:
    """A copy in which some rows of one tensor are other numbers."""
    changed = copy.deepcopy(generator)
    value = changed.state_dict()[name]
    value[rows] += 2 * torch.randn_like(value[rows])
    return changed
