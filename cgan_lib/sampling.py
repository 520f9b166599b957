"""From labels to images: one for each label, fixed latents, the grid that every run draws."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.attributes import join_labels
from cgan_lib.classes import Classes, spread
from cgan_lib.data import ImageData, check_classes, to_uint8
from cgan_lib.errors import UserError, shown
from cgan_lib.files import first_line
from cgan_lib.models.layers import ConditionalGenerator

GRID_COLUMNS = 10
GRID_ROWS = 100  # of a sample grid at most: with more classes, it shows some of them


class NotFinite(UserError):
    """A generator gives numbers that are no image."""


def latents(count: int, latent_dim: int, seed: int = 0, truncation: float | None = None) -> Tensor:
    """`count` latent vectors (count, latent_dim) from N(0, 1), the same for the same seed on every device, here and in
    the browser; the first ones of many are those of a few.

    The numbers are NumPy's frozen stream (NEP 19), which the page's `latents.js` draws too: the Mersenne Twister
    (Matsumoto & Nishimura 1998), seeded by an array of the low and the high 32 bits of `seed`; two of its outputs make
    a uniform number of 53 bits, and the polar method (Marsaglia & Bray 1964) makes normal ones of these, rounded to
    float32. With `truncation`, none of their coordinates is farther from 0 than that: see `truncate`. `UserError` for
    a seed that is no whole number from 0 to 2⁶³ − 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed < 2**63:
        raise UserError(f"seed {shown(seed, 30)} must be a whole number from 0 to 2**63 - 1.")
    stream = np.random.RandomState([int(seed) & 0xFFFFFFFF, int(seed) >> 32])
    z = torch.from_numpy(stream.standard_normal((count, latent_dim)).astype(np.float32))
    return z if truncation is None else truncate(z, truncation)


def truncate(z: Tensor, limit: float) -> Tensor:
    """Latents `z` from N(0, 1) → latents of the same shape, no coordinate farther from 0 than `limit`.

    Distributed as if a coordinate were drawn again until it is near enough (Brock et al. 2019, section 3.1), but by the
    quantiles of the same draw: latents move continuously with the limit, and a large one changes nothing. `UserError`
    for a limit that is not positive.
    """
    if not isinstance(limit, Real) or not limit > 0:
        raise UserError(
            f"truncation {shown(limit, 30)} must be more than 0: 0.5 draws typical images, 3 nearly all kinds."
        )
    inside = torch.erf(torch.tensor(limit / 2**0.5, dtype=torch.float64))  # the share that is near enough
    return (2**0.5 * torch.erfinv(torch.erf(z.double() / 2**0.5) * inside)).float().clamp(-limit, limit)


def slerp(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """Latents on the arc from `start` to `end`, each (latent_dim,), at `t` (N,) from 0 to 1: (N, latent_dim).

    On the arc the length stays that of latents the generator was trained on; on the straight line it sinks to 0.7 of
    it half way (White 2016, section 2.1; Shoemake 1985).
    """
    angle = torch.arccos(F.cosine_similarity(start, end, dim=0).clamp(-1, 1))
    t = t[:, None]  # (N, 1)
    if torch.sin(angle) < 1e-4:  # the same direction, or the opposite one, to which no arc is the shortest
        return torch.lerp(start[None], end[None], t)
    return (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / torch.sin(angle)


def blend(start: int, end: int, t: Tensor, num_classes: int = 10) -> Tensor:
    """Class weights (N, num_classes) from class `start`, at `t` (N,) = 0, to class `end`, at 1, for `generate`."""
    ends = F.one_hot(check_labels([start, end], num_classes), num_classes).float()  # (2, num_classes)
    return torch.lerp(ends[:1], ends[1:], t[:, None].float())


@torch.inference_mode()
def generate(
    generator: ConditionalGenerator,
    labels: Sequence[Any] | Tensor,
    *,
    z: Sequence[Sequence[float]] | Tensor | None = None,
    seed: int = 0,
    batch_size: int = 250,
) -> Tensor:
    """One image for each label: uint8 (N,C,H,W) on the CPU.

    Labels are numbers or names: [7, 7, 3], ["shirt", "bag"], of several attributes also [["7", "red"], "3,blue"]. In
    place of labels (N,), class weights (N, num_classes) ask for what lies between classes. `z` (N, latent_dim) is drawn
    from `seed` when not given. Tensors, arrays and lists will do, of any number type. The generator is used in
    evaluation mode and left as it was, and so is the random state. `UserError` for a label outside the classes, a `z`
    of another shape, a network without `config`, or one that gives numbers that are NaN or infinite.
    """
    config = generator_config(generator)
    if not isinstance(batch_size, int) or batch_size < 1:
        raise UserError(f"batch_size {shown(batch_size, 30)} must be a whole number from 1 on.")
    labels = check_labels(_numbers(labels, generator), config["num_classes"], config.get("attributes", ()))
    z = (
        _check_latents(z, len(labels), config["latent_dim"])
        if z is not None
        else latents(len(labels), config["latent_dim"], seed)
    )
    like = next(generator.parameters(), z)  # its device and precision
    if labels.is_floating_point():
        labels = labels.to(like.dtype)
    with evaluating(generator):
        images = [
            _pixels(generator(z_batch.to(like), labels_batch.to(like.device)))
            for z_batch, labels_batch in zip(z.split(batch_size), labels.split(batch_size), strict=True)
        ]
    return torch.cat(images)


def _numbers(labels: Any, generator: nn.Module) -> Any:
    """Labels as they are, or if there are names among them the number of each."""
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "UO":
        labels = labels.tolist()
    if not isinstance(labels, (list, tuple)) or not any(map(_has_names, labels)):
        return labels
    classes = Classes.of(generator)
    return [classes.label(said) for said in labels]


def _has_names(said: Any) -> bool:
    return isinstance(said, (str, Mapping)) or (isinstance(said, (list, tuple)) and any(map(_has_names, said)))


def _pixels(images: Tensor) -> Tensor:
    """Images of a generator as uint8 on the CPU; `UserError` unless its numbers are finite, for NaN becomes black."""
    if not images.isfinite().all():
        raise NotFinite(
            "the generator gives numbers that are NaN or infinite, not images: check its weights and z, or take "
            "weights from before the training diverged."
        )
    return to_uint8(images).cpu()


def generator_config(generator: nn.Module) -> dict[str, Any]:
    """The `config` of a generator: latent_dim, num_classes and more; `UserError` for a network without one."""
    if isinstance(generator, (str, Path)):
        raise UserError(f"{shown(generator)} names a generator: hand on load_generator({shown(str(generator))}).")
    config = getattr(generator, "config", None)
    if not isinstance(config, dict) or not {"latent_dim", "num_classes"} <= set(config):
        raise UserError(
            f"{type(generator).__name__} has no `config` that says its latent_dim and num_classes: derive it from "
            "ConditionalGenerator, or set config = dict(latent_dim=…, num_classes=…, channels=…, image_size=…)."
        )
    return config


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Every layer in evaluation mode meanwhile; then the modes, and the random state, are what they were."""
    modes = {layer: layer.training for layer in network.modules()}
    device = next(network.parameters(), torch.empty(0)).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        network.eval()
        try:
            yield
        finally:
            for layer, training in modes.items():
                layer.training = training


def _check_latents(z: Sequence[Sequence[float]] | Tensor, count: int, latent_dim: int) -> Tensor:
    try:
        z = _as_tensor(z)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"z must be {count} rows of {latent_dim} numbers ({first_line(error)}).") from error
    if tuple(z.shape) != (count, latent_dim):
        raise UserError(f"z has shape {tuple(z.shape)}, but {count} labels need {(count, latent_dim)}.")
    return z


def _as_tensor(values: Any) -> Tensor:
    """A tensor of its own numbers; also from a reversed array, one of another byte order, and a list of rows."""
    if isinstance(values, (list, tuple)) and values and all(isinstance(row, Tensor) for row in values):
        return torch.stack(tuple(values))
    if isinstance(values, np.ndarray):
        values = values.astype(values.dtype.newbyteorder("="), order="C")  # a copy: PyTorch warns of what is read-only
    tensor = torch.as_tensor(values)
    if tensor.is_meta:
        raise ValueError("a tensor on the meta device holds no numbers")
    return tensor.to_dense()


def check_labels(labels: Sequence[int] | Tensor, num_classes: int, attributes: Sequence[int] = ()) -> Tensor:
    """`labels` as int64 (N,), or class weights as float (N, num_classes); `UserError` unless they are all right.

    With `attributes`, the sizes of several that make a class, labels may be a row of these each, too: (N, A).
    """
    try:
        labels = _as_tensor(labels)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"labels must be a list of classes such as [7, 7, 3], got {shown(labels)}.") from error
    if labels.ndim == 2 and labels.is_floating_point() and len(labels):
        return _check_weights(labels, num_classes)
    if attributes and labels.ndim == 2 and labels.shape[1] == len(attributes) and len(labels):
        columns = [check_labels(column, size) for column, size in zip(labels.unbind(1), attributes, strict=True)]
        return join_labels(torch.stack(columns, 1), attributes)
    if labels.ndim == 2 and labels.shape[1] == num_classes and len(labels):
        raise UserError(
            f"labels of shape {tuple(labels.shape)} look one-hot: give classes, labels.argmax(1), or class weights, "
            "labels.float()."
        )
    if labels.ndim != 1 or len(labels) == 0:
        raise UserError(f"labels must be a list of classes such as [7, 7, 3], got shape {tuple(labels.shape)}.")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise UserError(f"labels must be whole numbers, got {labels.dtype}.")
    labels = labels.long()
    outside = labels[(labels < 0) | (labels >= num_classes)]
    if len(outside):
        raise UserError(f"label {outside[0].item()} is no class: use 0 to {num_classes - 1}.")
    return labels


def _check_weights(weights: Tensor, num_classes: int) -> Tensor:
    if weights.shape[1] != num_classes:
        raise UserError(f"class weights have {weights.shape[1]} columns, but there are {num_classes} classes.")
    if not weights.isfinite().all():
        raise UserError("class weights must be finite numbers.")
    return weights.float()


def grid_inputs(num_classes: int, latent_dim: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Fixed inputs of a sample grid: row r asks for class `grid_classes(…)[r]`, column c uses latent c in every row.

    Returns `z` (rows·10, latent_dim) and `labels` (rows·10,).
    """
    rows = grid_classes(num_classes)
    z = latents(GRID_COLUMNS, latent_dim, seed).repeat(len(rows), 1)
    return z, torch.tensor(rows).repeat_interleave(GRID_COLUMNS)


def grid_classes(num_classes: int) -> list[int]:
    """The class of each row of a sample grid: all of them, or a hundred evenly spread."""
    return spread(num_classes, GRID_ROWS)


def real_grid(data: ImageData, seed: int = 0) -> Tensor:
    """Real images in the layout of a sample grid, ten of each of its classes: uint8 (rows·10, C, H, W).

    A class with fewer shows them again, a combination of attributes with none stays black; `UserError` for another
    class with none.
    """
    check_classes(data)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed)).to(data.labels.device)
    shuffled = data.labels[order]
    rows: list[Tensor] = []
    nothing = torch.zeros(GRID_COLUMNS, *data.images.shape[1:], dtype=torch.uint8)
    for label in grid_classes(data.num_classes):
        members = order[shuffled == label].cpu()
        again = torch.arange(GRID_COLUMNS) % max(1, len(members))  # if there are too few
        rows.append(data.images[members[again]].cpu() if len(members) else nothing)
    return torch.cat(rows)


def tile(images: Tensor, columns: int = GRID_COLUMNS) -> Tensor:
    """Images uint8 (N,C,H,W) → one picture uint8 (3, height, width), `columns` in a row, with grey between them."""
    from torchvision.utils import make_grid

    if len(images) == 0 or columns < 1:
        raise UserError(f"a picture needs images and columns: {len(images)} images in {columns} columns are none.")
    return make_grid(images, nrow=columns, padding=2, pad_value=96)
