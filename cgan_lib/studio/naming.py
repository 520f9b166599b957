"""What a direction does to what is drawn: measurements of images, and the names of directions made of them."""

from collections.abc import Iterator, Sequence
from itertools import permutations

import torch
from torch import Tensor

from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.sampling import generate, latents

REACH = 2.0  # how far a slider goes, both ways: nine of ten digits stay readable on every slider of what is shipped
LATENTS = 100  # on which names are measured
CLASSES = 10  # as many of them at most
NO_EFFECT = 0.5  # standard deviations between both ends below which a change is not worth a word
CLEARLY = 1.3  # times as much as any other direction changes it
NEARLY_ALL = 0.85  # of the latents on which it must hold
WORDS = {  # of `measurements`: what is said of images where it has risen, and where it has fallen
    "ink": ("bolder", "finer"),
    "slant": ("leaning right", "leaning left"),
    "width": ("wider", "narrower"),
    "height": ("taller", "shorter"),
    "right": ("farther right", "farther left"),
    "up": ("higher", "lower"),
    "bulge": ("bulging left", "bulging right"),
    "top": ("wider top", "wider bottom"),
}
MIXED = "mixed"  # where no word is true


def measurements(images: Tensor) -> dict[str, Tensor]:
    """How bold, slanted, wide, tall … what is drawn in images uint8 (N,C,H,W) is: name → (N,).

    `ink`: mean brightness, 0 to 1. `slant`: columns to the right for each row up. `width` and `height`: standard
    deviation of the brightness along each side, `right` and `up`: its mean, `top`: by how much its upper half is wider
    than the lower one, all in pixels. `bulge`: how far its middle lies to the left of both its ends, without a unit.
    """
    ink = images.float().mean(1) / 255 + 1e-6  # (N, H, W)
    weights = ink / ink.sum((1, 2), keepdim=True)
    x, width = _centred(weights.sum(1))  # (N, W), (N,)
    y, height = _centred(weights.sum(2))
    together = torch.einsum("nhw,nh,nw->n", weights, y, x)
    far_up = (y / height[:, None]).square() - 1  # (N, H): above 0 at both ends, below in the middle
    return {
        "ink": ink.mean((1, 2)),
        "slant": -together / height.square(),
        "width": width,
        "height": height,
        "right": -x[:, 0],
        "up": y[:, 0],
        "bulge": torch.einsum("nhw,nh,nw->n", weights, far_up, x / width[:, None]),
        "top": _width_of_rows(weights, y < 0) - _width_of_rows(weights, y >= 0),
    }


def _centred(shares: Tensor) -> tuple[Tensor, Tensor]:
    """Places along a side less the mean of `shares` (N, length) there, and their standard deviation (N,)."""
    places = torch.arange(shares.shape[1], dtype=torch.float32)
    centred = places - (shares @ places)[:, None]  # (N, length)
    return centred, (shares * centred**2).sum(1).sqrt().clamp(min=1e-3)


def _width_of_rows(weights: Tensor, rows: Tensor) -> Tensor:
    """The width of what is drawn in some rows (N, H) of `weights` (N, H, W): (N,)."""
    across = (weights * rows[:, :, None]).sum(1)  # (N, W)
    return _centred(across / across.sum(1, keepdim=True).clamp(min=1e-12))[1]


def effects(generator: ConditionalGenerator, vectors: Sequence[Tensor], seed: int = 0) -> Tensor:
    """What a walk from -2 to 2 along each vector (latent_dim,) changes: (vectors, latents, measurements of `WORDS`).

    In standard deviations of each measurement within a class, one latent after the other.
    """
    classes = min(generator.config["num_classes"], CLASSES)
    labels = torch.arange(classes).repeat(LATENTS // classes)
    z = latents(len(labels), generator.config["latent_dim"], seed)
    return torch.stack([_effect(generator, vector, z, labels, classes) for vector in vectors])


def _effect(generator: ConditionalGenerator, vector: Tensor, z: Tensor, labels: Tensor, classes: int) -> Tensor:
    z = z - (z @ vector)[:, None] * vector  # what they hold of it already would blur both ends
    ends = [measurements(generate(generator, labels, z=z + side * REACH * vector)) for side in (-1, 1)]
    values = torch.stack([torch.stack([end[name] for name in WORDS], dim=1) for end in ends])  # (2, N, measurements)
    spread = values.unflatten(1, (-1, classes)).std((0, 1)).mean(0)  # (measurements,)
    return (values[1] - values[0]) / spread.clamp(min=1e-6)


def names(changes: Tensor, compared: int) -> list[tuple[str, int]]:
    """A name for each direction whose `effects` are given, and 1 or -1: the sense in which the name is true.

    One word or two for what it changes clearly more than every direction before it, and than the first `compared`, do;
    so no two have the same name, and those of the first ones do not depend on how many there are.
    """
    found: list[tuple[str, int]] = []
    for number, change in enumerate(changes):
        rivals = [i for i in range(len(changes)) if i != number and i < max(number, compared)]
        taken = {name for name, _ in found}
        found.append(_name(change, changes[rivals].mean(1), taken) or (f"{MIXED} {number + 1}", 1))
    return found


def _name(change: Tensor, rivals: Tensor, taken: set[str]) -> tuple[str, int] | None:
    """The best name, of one word if one will do, for `change` (latents, measurements); `rivals`: (others, same)."""
    mean = change.mean(0)  # (measurements,)
    for count in (1, 2):
        possible = []
        for name, sense, weights in _candidates(mean, count):
            own, by_rivals = (mean @ weights).item(), max((rivals @ weights).abs().tolist(), default=0.0)
            holds = (change @ weights > 0).float().mean().item()
            if own >= CLEARLY * by_rivals and holds >= NEARLY_ALL and name not in taken:
                possible.append((own - by_rivals, name, sense))
        if possible:
            return max(possible)[1:]
    return None


def _candidates(mean: Tensor, count: int) -> Iterator[tuple[str, int, Tensor]]:
    """Names of `count` words, their sense and the weights of what they mean, for a direction with these mean changes.

    The strongest word comes first, as risen: the sense is that in which it rises, where a slider goes to the right.
    """
    for chosen in permutations(range(len(WORDS)), count):
        strengths = mean[list(chosen)]
        if strengths.abs().min() < NO_EFFECT or (strengths.abs().diff() > 0).any():
            continue
        sense = int(strengths[0].sign())
        words = [
            list(WORDS.values())[i][0 if strength * sense > 0 else 1]
            for i, strength in zip(chosen, strengths, strict=True)
        ]
        weights = torch.zeros(len(WORDS)).index_fill(0, torch.tensor(chosen), 1 / count) * mean.sign()
        yield ", ".join(words), sense, weights
