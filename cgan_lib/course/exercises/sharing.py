"""Notebook 07: files that cannot hold code, the same generator in another file, class weights for ONNX."""

import copy
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from cgan_lib.course.exercises.comparing import numbers
from cgan_lib.course.exercises.verdict import Raised, Wrong, call, check, run
from cgan_lib.models.concat import BCEGenerator

USUAL = 100  # latent_dim of the generators that the library ships


@check("07", "build", difficulty=2, minutes=10)
def check_same_generator(answer: Callable[[nn.Module, nn.Module], bool]) -> str:
    """Whether two generators draw the same: True or False."""
    for first, second, same, hint in _pairs():
        try:
            found = call(answer, first, second)
        except Raised as error:
            if first.config["latent_dim"] == USUAL:
                raise
            raise Wrong(f'How long its z is, a generator says itself: first.config["latent_dim"]. {error}') from error
        if _yes(found) != same:
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
    """Draws something else wherever a coordinate of `z` lies well below 0."""

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return super().forward(z + 3 * (z < -0.5), labels)


class _BlackAndWhite(BCEGenerator):
    """Draws -1 and 1 alone: sums of its pixels are exact."""

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return super().forward(z, labels).sign()


class _Mirrored(_BlackAndWhite):
    """Draws everything the other way round: each mean, and each set of pixels, is the same."""

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return super().forward(z, labels).flip(3)


class _OneBrighter(BCEGenerator):
    """Draws one pixel of every image brighter."""

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        image = super().forward(z, labels)
        image[..., 14, 14] += 0.5
        return image


def _with_weights_of(first: BCEGenerator, kind: type[BCEGenerator]) -> BCEGenerator:
    generator = kind(**first.config)
    generator.load_state_dict(first.state_dict())
    return generator.eval()


def _pairs() -> Iterator[tuple[BCEGenerator, BCEGenerator, bool, str]]:
    """Two generators, whether they draw the same, and what to say when the answer is another."""
    sizes: dict[str, Any] = dict(latent_dim=USUAL, base_channels=4, embed_dim=4)
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
    far = "These two are the same where no coordinate of z is far below 0: draw z from N(0, 1)."
    yield _with_weights_of(first, _OddFarOut), first, False, far
    slightly = copy.deepcopy(first)
    for name in ("conv_blocks.4.weight", "conv_blocks.4.bias"):
        slightly.get_parameter(name).data.mul_(1.1)
    yield first, slightly, False, "These two differ by little, and everywhere: allow for rounding, not for more."
    plain, mirrored = (_with_weights_of(first, kind) for kind in (_BlackAndWhite, _Mirrored))
    yield plain, mirrored, False, "One of these draws mirror images of the other: compare pixel with pixel."
    brighter = _with_weights_of(first, _OneBrighter)
    pixel = "These two differ in one pixel, which is brighter in one of them: compare all, and in either direction."
    yield brighter, first, False, pixel
    yield first, brighter, False, pixel
    training = copy.deepcopy(first).train()
    yield training, copy.deepcopy(training), True, f"{again} (In training mode, in one batch: BatchNorm looks at all.)"
    yield training, _changed(training, "conv_blocks.4.weight", slice(None)), False, images
    small = BCEGenerator(**{**sizes, "latent_dim": 24}).eval()
    yield small, copy.deepcopy(small), True, again


def _changed(generator: BCEGenerator, name: str, rows: slice) -> BCEGenerator:
    """A copy in which some rows of one tensor are other numbers."""
    changed = copy.deepcopy(generator)
    value = changed.state_dict()[name]
    value[rows] += 2 * torch.randn_like(value[rows])
    return changed


@check("07", "debug", difficulty=2, minutes=10)
def check_safe_loading(answer: Callable[[Path], dict[str, Tensor]]) -> str:
    """A function that reads a weight file, .pth or .safetensors, and runs no code that hides in one."""
    plain = {"weight": torch.randn(3, 2), "bias": torch.randn(3)}
    varied = {"Block.0.scale": torch.randn(2, 5).half(), "seen": torch.tensor([7])}  # other names, other types
    with TemporaryDirectory() as folder:
        for number, weights in enumerate((plain, varied)):
            for name, save in ((f"first_{number}.pth", torch.save), (f"second_{number}.safetensors", save_file)):
                path = Path(folder) / name
                save(weights, path)
                _check_weights(run(answer, path), weights, name)
        for protocol in (torch.save, _pickled):
            _check_refusal(answer, protocol, Path(folder) / "third.pth")
    return "A file from a stranger can be read now: the worst that it holds are bad weights."


def _check_weights(found: Any, weights: dict[str, Tensor], name: str) -> None:
    if not isinstance(found, dict) or set(found) != set(weights):
        raise Wrong(f"{name} holds {' and '.join(weights)}: return them as a dictionary of tensors.")
    if not all(_same(tensor, weights[key]) for key, tensor in found.items()):
        raise Wrong(f"The tensors of {name} should come back as they were saved.")


def _same(found: Any, saved: Tensor) -> bool:
    return isinstance(found, Tensor) and found.dtype == saved.dtype and torch.equal(found, saved)


_ran: list[str] = []


def _trace(what: str) -> dict[str, Tensor]:
    """Stands in for what a stranger might do on your computer."""
    _ran.append(what)
    return {"weight": torch.zeros(3, 2), "bias": torch.zeros(3)}


class _Trap:
    """An object that has a function called when it is read."""

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return _trace, ("code of a stranger",)


def _pickled(thing: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(thing, protocol=2))


def _check_refusal(answer: Callable[[Path], Any], save: Callable[[Any, Path], None], path: Path) -> None:
    """`Wrong` unless the answer raises for a file with code in it, and before that has run."""
    save({"weight": _Trap()}, path)
    _ran.clear()
    refused = False
    try:
        run(answer, path)
    except Raised:
        refused = True
    except Wrong:  # nothing came back
        pass
    if _ran:
        raise Wrong(
            "A file with code in it was read, and the code ran: torch.load has an option that reads tensors only."
        )
    if not refused:
        raise Wrong("A file that is refused should raise: whoever gets an answer believes that all went well.")


@check("07", "build", difficulty=1, minutes=5)
def check_class_weights(answer: Callable[[list[int], int], NDArray[np.float32]]) -> str:
    """From labels and the number of classes to the class weights (N, num_classes) that the ONNX file takes."""
    for labels, classes in (([3, 0, 3, 9], 10), ([1], 4), ([2, 1, 0, 4, 2, 3, 1], 5), (list(range(10)), 10)):
        found = call(answer, labels, classes)
        if isinstance(found, Tensor):
            raise Wrong("onnxruntime knows no tensors of PyTorch: return a NumPy array.")
        if not isinstance(found, np.ndarray):
            raise Wrong(f"Return a NumPy array; this is {type(found).__name__}.")
        _check_one_hot(found, np.arange(classes) == np.array(labels)[:, None])
    return "The file says so itself: tensor(float), which is float32, N rows, a column for each class."


def _check_one_hot(found: NDArray[Any], right: NDArray[np.bool_]) -> None:
    if found.shape != right.shape:
        raise Wrong(f"The shape should be {right.shape}, a row for each label; this has shape {found.shape}.")
    if not np.array_equal(found, right):
        raise Wrong("In row n column labels[n] is 1, all others are 0.")
    if found.dtype != np.float32:
        raise Wrong(
            f"The numbers are right, their type is {found.dtype}: the file asks for float32, and refuses others."
        )
