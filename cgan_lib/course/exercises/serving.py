"""Notebook 07: status codes, batching of requests, the same generator in another file."""

import copy
from collections.abc import Callable

import torch
from torch import nn

from cgan_lib.course.exercises.verdict import NotAttempted, Wrong, call, check
from cgan_lib.models.concat import BCEGenerator


@check
def check_status_codes(answer: list[int]) -> str:
    """What the service answers to a class that is none, a text, an unknown field, and a grid size without a grid."""
    hints = (
        ("value 12", 422, "there is no class 12, and the request itself is to blame: not 404, not 500."),
        ('value "9"', 422, 'is the text "9" the number 9? The service is strict, so that slips are noticed.'),
        ("colour", 422, "a field that nobody knows is a mistake of the sender, and should not be passed over."),
        ("grid_size 3 without grid", 200, "nothing about it is wrong; what is it good for without a grid?"),
    )
    if not isinstance(answer, (list, tuple)) or len(answer) != len(hints):
        raise Wrong(f"Give a list of {len(hints)} status codes.")
    if any(code is ... for code in answer):
        raise NotAttempted
    for code, (request, right, hint) in zip(answer, hints, strict=True):
        if code != right:
            raise Wrong(f"{request}: {hint}")
    return "Three refusals that name the field, and one request that is plainly all right."


@check
def check_passes(answer: Callable[[list[int], int], list[list[int]]]) -> str:
    """Waiting requests, by the number of images each wants, shared out to passes of at most so many, in order."""
    cases = {(1, 1, 1, 1): [[1, 1, 1], [1]], (1, 3, 2, 1): [[1], [3], [2, 1]], (3,): [[3]], (): []}
    for wanted, right in cases.items():
        passes = call(answer, list(wanted), 3)
        if not isinstance(passes, list) or not all(isinstance(counts, list) for counts in passes):
            raise Wrong("Return a list of lists, such as [[1, 1, 1], [1]].")
        if [count for counts in passes for count in counts] != list(wanted):
            raise Wrong(f"From {list(wanted)} came {passes}: every request once, in the order in which they came.")
        if any(sum(counts) > 3 for counts in passes):
            raise Wrong(f"{passes} has a pass of more than 3 images.")
        if [] in passes:
            raise Wrong(f"{passes} has an empty pass.")
        if passes != right:
            raise Wrong(f"{list(wanted)} could be {right}: as many as fit into each pass; yours is {passes}.")
    return "First come, first served, and the generator is never asked for one image while three are waiting."


@check
def check_same_generator(answer: Callable[[nn.Module, nn.Module], bool]) -> str:
    """Whether two generators draw the same: True or False."""
    first, second = (BCEGenerator(latent_dim=4, base_channels=4, embed_dim=2).eval() for _ in range(2))
    copied, relabelled = copy.deepcopy(first), copy.deepcopy(first)
    with torch.no_grad():
        relabelled.label_embedding.weight[1:] += 1  # class 0 is as it was
    if not bool(call(answer, first, copied)):
        raise Wrong("A copy with the same weights draws the same: give both the same z and the same labels.")
    if bool(call(answer, first, second)):
        raise Wrong("Two generators with different weights came out as the same: compare the images themselves.")
    if bool(call(answer, first, relabelled)):
        raise Wrong("These two differ for every class but 0: ask for more than one class.")
    return "Files, formats and machines may differ; this is the test that counts."
