"""Networks of other people: any PyTorch generator with `forward(z, labels)`, wrapped so that the library can use it."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.errors import UserError, shown
from cgan_lib.files import first_line
from cgan_lib.models import family_of
from cgan_lib.models.labels import ClassEmbedding
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.models.limits import check_config
from cgan_lib.weights.recognise import State, differences, first_of, plain, state_dicts

BEYOND = 1e-3  # of images in [-1, 1]: what rounding may add


class ForeignGenerator(ConditionalGenerator):
    """A network that is in no family, as a generator: `module(z, labels)` → images (N,C,H,W) in [-1, 1].

    Channels and size are found by one pass. Class weights are mixed where the network can: where it has an embedding of
    the labels, or reads class weights itself (`mixes`). Otherwise each row must ask for one class, and an ONNX file
    takes the class of the largest weight. `UserError`, with the fix, for a network that does not do what is said here.
    """

    def __init__(self, module: nn.Module, latent_dim: int, num_classes: int):
        super(ConditionalGenerator, self).__init__()  # which would have an embedding and a width
        sizes = check_config(dict(latent_dim=latent_dim, num_classes=num_classes))
        _let_embeddings_mix(module, num_classes)
        self.module = module.eval()
        z, labels = _example(module, **sizes)
        images = self._draw(z, labels, sizes)
        self.config = check_config(sizes | dict(channels=images.shape[1], image_size=images.shape[2]))
        self.mixes = self._agrees(z, F.one_hot(labels, num_classes).to(z), images)
        self.dataset, self.class_names = "", tuple(map(str, range(num_classes)))

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """`z` (N, latent_dim), and labels (N,) or class weights (N, num_classes) → images (N,C,H,W)."""
        if labels.is_floating_point() and not self.mixes:
            labels = self._single(labels)
        return self.module(z, labels)

    def save_pretrained(self, *arguments: Any, **options: Any) -> Any:
        """`UserError`: nothing could read back what is written."""
        family_of(self)

    def _single(self, weights: Tensor) -> Tensor:
        """Class weights (N, num_classes), each of one class, as labels (N,)."""
        labels = weights.argmax(1)
        if not torch.jit.is_tracing() and not torch.equal(weights, F.one_hot(labels, weights.shape[1]).to(weights)):
            raise UserError(
                f"{type(self.module).__name__} cannot mix classes: ask for one class, or give its labels an "
                "nn.Embedding(num_classes, …)."
            )
        return labels

    def _draw(self, z: Tensor, labels: Tensor, sizes: dict[str, int]) -> Tensor:
        """The images of one pass, which are as they should be."""
        name, asked = type(self.module).__name__, ", ".join(f"{name}={size}" for name, size in sizes.items())
        try:
            with torch.no_grad():
                images = self.module(z, labels)
        except Exception as error:  # someone else's code
            raise UserError(
                f"{name} fails on z {tuple(z.shape)} and labels {tuple(labels.shape)}, whole numbers "
                f"({first_line(error)}): check {asked}, or wrap it in a module whose forward(z, labels) takes them."
            ) from error
        _check_images(images, name, len(labels))
        return images

    def _agrees(self, z: Tensor, weights: Tensor, images: Tensor) -> bool:
        """Whether class weights of one class each give the same images as its label."""
        try:
            with torch.no_grad():
                others = self.module(z, weights)
            return others.shape == images.shape and torch.allclose(others, images, atol=BEYOND)
        except Exception:  # someone else's code, not made for class weights
            return False


def _example(module: nn.Module, latent_dim: int, num_classes: int) -> tuple[Tensor, Tensor]:
    """Two latents (2, latent_dim), always the same, and the first and the last label (2,), where the module is."""
    like = next(module.parameters(), torch.empty(0))
    z = torch.randn(2, latent_dim, generator=torch.Generator().manual_seed(0))
    return z.to(like), torch.tensor([0, num_classes - 1], device=like.device)


def _check_images(images: Any, name: str, count: int) -> None:
    if not isinstance(images, Tensor) or images.ndim != 4 or len(images) != count or images.shape[2] != images.shape[3]:
        given = f"a tensor {tuple(images.shape)}" if isinstance(images, Tensor) else f"a {type(images).__name__}"
        raise UserError(
            f"{name} gives {given} for {count} labels: its forward must return images ({count}, channels, side, side), "
            "for flat ones images.view(-1, channels, side, side)."
        )
    low, high = images.min().item(), images.max().item()
    if not (low >= -1 - BEYOND and high <= 1 + BEYOND):  # NaN is wrong too
        raise UserError(
            f"{name} gives numbers from {low:.3g} to {high:.3g}, images are in [-1, 1]: end it in nn.Tanh(), or bring "
            "them there, for 0 to 255 by images / 127.5 - 1."
        )
    if low >= 0:
        warnings.warn(
            f"{name} gives numbers from {low:.3g} to {high:.3g}: if it ends in a sigmoid, return 2 * images - 1, for "
            "black is -1.",
            stacklevel=2,
        )


def _let_embeddings_mix(module: nn.Module, num_classes: int) -> None:
    """Put a `ClassEmbedding`, with the very same weights, in the place of each embedding of the labels."""
    for parent in list(module.modules()):
        for name, layer in parent.named_children():
            if type(layer) is nn.Embedding and layer.num_embeddings == num_classes and layer.max_norm is None:
                setattr(parent, name, ClassEmbedding(num_classes, layer.embedding_dim, _weight=layer.weight))


def fill(module: nn.Module, content: dict, path: Path) -> nn.Module:
    """`module` itself, with the tensors that `content` holds under its names; `UserError` when they do not fit."""
    if not isinstance(module, nn.Module):
        raise UserError(f"module must be a network, such as MyGenerator(), not {shown(module)}.")
    name = type(module).__name__
    own = {plain(key): (key, tensor) for key, tensor in module.state_dict().items() if isinstance(tensor, Tensor)}
    found = state_dicts(content, path)
    named = {prefix: state for prefix, state in found.items() if set(state) == set(own)}
    if not named:
        nearest = max(found.values(), key=lambda state: len(set(own) & set(state)) - len(set(own) ^ set(state)))
        raise UserError(f"{path} does not fit {name}: {differences(set(own), set(nearest))}.")
    fitting = {prefix: state for prefix, state in named.items() if not _misfit(state, own)}
    if not fitting:
        raise UserError(
            f"{path} does not fit {name}: {_misfit(next(iter(named.values())), own)} in {name}: make it with the "
            "arguments that it was trained with."
        )
    state = first_of(fitting, path)
    module.load_state_dict({own[key][0]: tensor for key, tensor in state.items()}, strict=False)
    return module


def _misfit(state: State, own: dict[str, tuple[str, Tensor]]) -> str:
    """The first tensor of another shape than that of the network, in words; empty when there is none."""
    for key, tensor in state.items():
        if tensor.shape != own[key][1].shape:
            return f"{shown(key)} is {tuple(tensor.shape)} in the file and {tuple(own[key][1].shape)}"
    return ""


def wrap(
    module: nn.Module, latent_dim: int | None, num_classes: int | None, said: Mapping[str, Any]
) -> ConditionalGenerator:
    """A network as a generator that knows what it draws, by what is given or, failing that, `said` in the file."""
    generator = (
        module
        if isinstance(module, ConditionalGenerator)
        else ForeignGenerator(
            module,
            _size("latent_dim", latent_dim, module, said),
            _size("num_classes", num_classes, module, said),
        )
    )
    generator.draws(said.get("dataset"), said.get("class_names"))
    return generator


def _size(name: str, given: int | None, module: nn.Module, said: Mapping[str, Any]) -> int:
    """What is given, else what the network has under that name, else what the file says; `UserError` for none."""
    for size in (given, getattr(module, name, None), said.get(name)):
        if size is not None:
            return size
    raise UserError(f"neither {type(module).__name__} nor the file says its {name}: load_generator(…, {name}=…).")
