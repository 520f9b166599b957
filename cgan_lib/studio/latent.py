"""The latent space of a generator: directions with names, maps of a class, and the way from an image back to `z`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cgan_lib.data import resize, to_unit
from cgan_lib.errors import UserError, shown
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.sampling import generate, generator_config, latents
from cgan_lib.studio.naming import effects, names

SLIDERS = 4
CANDIDATES = 500  # latents among which a search looks for its starts


class Direction(NamedTuple):
    """A way to walk from any latent."""

    vector: Tensor
    """(latent_dim,), of length 1"""
    share: float
    """of all that `z` changes behind the first layer, 0 to 1"""
    name: str
    """what it changes, and no other so much: bolder, leaning right …"""

    def label(self, number: int) -> str:
        """Its name beside a slider: number, name, share."""
        return f"{number} · {self.name} · {100 * self.share:.1f}%"


def directions(generator: ConditionalGenerator, count: int = SLIDERS) -> list[Direction]:
    """The principal directions of the first layer that sees `z`, those that change its output most, largest first.

    That layer is linear and `z` is N(0, I), so the principal components of its output have a closed form: the
    singular vectors of its weights (Shen & Zhou 2021, eq. 4; with samples in place of it: Härkönen et al. 2020). A
    name comes from the images (`naming`); the sign is turned so that it is true. `UserError` when there are not so
    many.
    """
    latent_dim = generator.config["latent_dim"]
    if not 0 < count <= latent_dim:
        raise UserError(f"count {count} must be 1 to latent_dim, {latent_dim}.")
    _, sizes, vectors = torch.linalg.svd(_first_weights(generator), full_matrices=False)
    shares = (sizes**2 / (sizes**2).sum()).tolist()  # variance of each component of the output, over all of it
    named = names(effects(generator, vectors[: max(count, SLIDERS)]), SLIDERS)
    return [
        Direction(sense * vector, share, name)
        for vector, share, (name, sense) in zip(vectors[:count], shares, named, strict=False)
    ]


def slider_directions(generator: ConditionalGenerator) -> list[Direction]:
    """The directions to put on sliders: the first four or as many as there are, and none where no layer is linear."""
    try:
        return directions(generator, min(SLIDERS, generator.config["latent_dim"]))
    except UserError:
        return []


def _first_weights(generator: ConditionalGenerator) -> Tensor:
    """How the output of the first layer depends on `z`: (outputs, latent_dim)."""
    latent_dim = generator.config["latent_dim"]
    z = latents(1, latent_dim)
    found: list[Tensor] = []

    def look(layer: nn.Module, arguments: tuple[Tensor], output: Tensor) -> None:
        if not isinstance(layer, (nn.Linear, nn.ConvTranspose2d)) or len(arguments) != 1:
            return
        (x,) = arguments
        if x.shape[1] >= latent_dim and torch.equal(x.flatten(1)[:, :latent_dim].cpu(), z):
            weight = layer.weight.detach().float().cpu()
            rows = weight.flatten(1).T if isinstance(layer, nn.ConvTranspose2d) else weight  # (outputs, inputs)
            found.append(rows[:, :latent_dim])

    with _watched(generator, look):
        generate(generator, [0], z=z)
    if not found:
        raise UserError(f"{type(generator).__name__} has no linear layer that reads z: there are no directions.")
    return found[0]


@contextmanager
def _watched(network: nn.Module, look: Callable[..., None]) -> Iterator[None]:
    handles = [layer.register_forward_hook(look) for layer in network.modules() if not list(layer.children())]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def latent_grid(
    generator: ConditionalGenerator,
    label: int,
    across: Tensor,
    down: Tensor,
    *,
    z: Tensor,
    side: int = 9,
    reach: float = 4.0,
) -> Tensor:
    """A map of one class around `z` (latent_dim,): uint8 (side², C, H, W), row by row.

    From left to right it goes from -`reach` to `reach` along `across` (latent_dim,), from top to bottom along `down`.
    """
    far = torch.linspace(-reach, reach, side)
    along = far.repeat(side)[:, None] * across + far.repeat_interleave(side)[:, None] * down  # (side², latent_dim)
    return generate(generator, [label] * side**2, z=z + along)


@dataclass(frozen=True)
class Found:
    """Where an image lies in the latent space of a generator."""

    z: Tensor
    """(latent_dim,)"""
    label: int
    image: Tensor
    """what the generator draws there: uint8 (C,H,W)"""
    error: float
    """mean difference of a pixel from the image looked for, of 255"""


def find_latent(
    generator: ConditionalGenerator, image: Tensor, label: int, *, steps: int = 150, starts: int = 8, lr: float = 0.05
) -> Found:
    """The latent from which the generator draws most nearly `image`, uint8 (C,H,W), as class `label`.

    Gradient descent on `z` (Zhu et al. 2016, section 3.1) from the best `starts` of 500 latents: mean squared
    difference of pixels, with a pull to the shell |z| = √latent_dim where the generator was trained. An image of
    another size is resized. `UserError` for another shape or type, or a label that is no class.
    """
    if steps < 1 or starts < 1:
        raise UserError(f"steps {steps} and starts {starts} must be at least 1.")
    target = _target(image, generator_config(generator))  # (1, C, H, W) in [-1, 1]
    z = _nearest(generator, target, label, starts)  # (starts, latent_dim)
    like = next(generator.parameters(), z)  # its device and precision
    z, target = z.to(like.device).requires_grad_(), target.to(like.device)
    labels = torch.full((len(z),), int(label), device=like.device)
    shell = generator.config["latent_dim"] ** 0.5
    adam = torch.optim.Adam([z], lr=lr)
    training = generator.training
    generator.eval()
    try:
        with torch.enable_grad():
            for _ in range(steps):
                difference = (generator(z.to(like), labels).float() - target).square().mean((1, 2, 3))  # (starts,)
                too_far = (z.norm(dim=1) / shell - 1).square()
                loss = (difference + 0.1 * too_far).sum()  # a sum: no start has a say in another's way
                (z.grad,) = torch.autograd.grad(loss, [z])  # of z alone: the generator's weights stay as they are
                adam.step()
    finally:
        generator.train(training)
    z = z.detach().cpu()
    images = generate(generator, [label] * len(z), z=z)
    errors = 127.5 * (to_unit(images) - target.cpu()).abs().mean((1, 2, 3))
    best = int(errors.argmin())
    return Found(z[best], label, images[best], errors[best].item())


def _target(image: Tensor, config: dict[str, int]) -> Tensor:
    """An image uint8 (C,H,W) as the generator would have to draw it: (1, C, image_size, image_size) in [-1, 1]."""
    shape = tuple(image.shape) if isinstance(image, Tensor) and image.dtype == torch.uint8 else ()
    if len(shape) != 3 or shape[0] != config["channels"] or 0 in shape:
        given = f"{image.dtype} {tuple(image.shape)}" if isinstance(image, Tensor) else shown(image)
        raise UserError(
            f"the image must be uint8 ({config['channels']}, H, W), got {given}: take one from load_data(…).images."
        )
    return to_unit(resize(image[None].cpu(), config["image_size"]))


def _nearest(generator: ConditionalGenerator, target: Tensor, label: int, count: int) -> Tensor:
    """Of 500 latents, the `count` that are drawn most nearly like `target` (1,C,H,W): (count, latent_dim)."""
    z = latents(CANDIDATES, generator.config["latent_dim"])
    images = generate(generator, [label] * CANDIDATES, z=z)
    distances = (to_unit(images) - target).square().mean((1, 2, 3))  # (500,)
    return z[distances.topk(min(count, CANDIDATES), largest=False).indices]
