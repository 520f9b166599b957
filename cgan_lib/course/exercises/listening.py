"""Notebook 02: whether a network listens to what it is given, and two that do not."""

from collections.abc import Callable
from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.course.exercises.comparing import DETACHED, close, compare, shaped
from cgan_lib.course.exercises.verdict import Wrong, call, check, perform, run


@check("02", "build", difficulty=2, minutes=10)
def check_share_of_z(answer: Callable[[Tensor], Tensor]) -> str:
    """Images (classes, latents, C, H, W) → the share of their variance that stays when the class is given."""
    cases = [(_families(*shape),) for shape in ((10, 6, 1, 4, 4), (3, 8, 2, 3, 5), (4, 2, 1, 2, 2))]
    mistakes = {
        "That is the share of the class, not of z: one minus this.": lambda x: 1 - share_of_z(x),
        "Divide by the variance over all images, not by that between the classes.": lambda x: (
            share_of_z(x) / (1 - share_of_z(x))
        ),
        "Variances, not deviations.": lambda x: _within(x).sqrt().sum() / _total(x).sqrt().sum(),
        "A ratio of variances, without a root.": lambda x: share_of_z(x).sqrt(),
        "Over all images of a class, pixel by pixel: each pixel has a variance of its own, dim=1.": lambda x: (
            x.flatten(1).var(1, correction=0).mean() / x.var(correction=0)
        ),
        "Over classes and latents, pixel by pixel: not over the pixels as well.": lambda x: (
            _within(x).mean() / x.var(correction=0)
        ),
        "Add the variances of all pixels up first, then divide once.": lambda x: (_within(x) / _total(x)).mean(),
        "A variance divides by the number of images here: correction=0.": lambda x: (
            x.var(1).mean(0).sum() / x.flatten(0, 1).var(0).sum()
        ),
        "z moves along axis 1; this is the variance over axis 0, the classes.": lambda x: (
            x.var(0, correction=0).mean(0).sum() / _total(x).sum()
        ),
        "Only the variance inside the classes: divide by that over all images.": lambda x: _within(x).sum(),
    }
    otherwise = "The variance over the latents, averaged over the classes, over the variance over all images."
    compare(answer, cases, share_of_z, mistakes, otherwise)
    return "0: one picture for each class. 1: the class is not to be seen."


def share_of_z(images: Tensor) -> Tensor:
    """Images (classes, latents, C, H, W) → how much of their variance is there inside a class, from 0 to 1."""
    return _within(images).sum() / _total(images).sum()


def _within(images: Tensor) -> Tensor:
    """Variance over the latents, mean over the classes: (C, H, W)."""
    return images.var(1, correction=0).mean(0)


def _total(images: Tensor) -> Tensor:
    """Variance over all images: (C, H, W)."""
    return images.flatten(0, 1).var(0, correction=0)


def _families(classes: int, latents: int, *shape: int) -> Tensor:
    """Random images of classes that differ in the mean, pixels that differ in how much they vary."""
    means, scales = torch.randn(classes, 1, *shape), 0.3 + torch.rand(shape)
    return scales * torch.randn(classes, latents, *shape) + means * torch.rand(shape) + 2 * torch.randn(shape)


class DeafGenerator(nn.Module):
    """z (N, latent_dim) and labels (N,) → images (N, 1, 16, 16); whatever z says, a class gets the same image."""

    def __init__(self, latent_dim: int = 16, width: int = 32):
        super().__init__()
        self.start = nn.Sequential(
            nn.Linear(latent_dim, width),
            nn.Unflatten(1, (width, 1, 1)),
            nn.GroupNorm(width, width),
            nn.LeakyReLU(0.2),
        )
        self.spread = nn.ConvTranspose2d(width, width, 4)
        self.label_map = nn.Embedding(10, 16)
        self.stages = nn.Sequential(
            nn.ConvTranspose2d(width + 1, width, 4, stride=2, padding=1),
            nn.GroupNorm(width, width),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        maps = self.spread(self.start(z))  # (N, width, 4, 4)
        label = self.label_map(labels).view(-1, 1, 4, 4)
        return self.stages(torch.cat([maps, label], dim=1))  # (N, 1, 16, 16)


@check("02", "debug", difficulty=2, minutes=10)
def check_deaf_to_z(answer: Callable[[DeafGenerator], DeafGenerator]) -> str:
    """A function that mends a `DeafGenerator`: it takes the layer away that keeps z from being heard."""
    for latent_dim, width in ((16, 32), (8, 12)):
        generator = DeafGenerator(latent_dim, width)
        fault, others = generator.start[2], _layers_but(generator, generator.start[2])
        before = deepcopy([layer.state_dict() for layer in others.values()])
        mended = run(answer, generator)
        if mended is not generator:
            raise Wrong("Return the generator that you were given, mended.")
        _check_kept(others, before, mended)
        if fault in mended.modules() and not _hears_z(mended, latent_dim):
            raise Wrong("Nothing has changed for z. Where do two images of one class, of different z, become the same?")
        if not _hears_z(mended, latent_dim):
            raise Wrong("z is still not heard: over one pixel every norm of single maps leaves zeros.")
        _check_touched(mended)
    return "One pixel has no deviation: what a norm leaves of it is 0, whatever z was."


def _layers_but(network: nn.Module, fault: nn.Module) -> dict[str, nn.Module]:
    """The layers that hold no layers, without one of them, by name."""
    return {name: layer for name, layer in network.named_modules() if layer is not fault and not list(layer.children())}


def _check_kept(others: dict[str, nn.Module], before: list[dict[str, Tensor]], mended: nn.Module) -> None:
    """`Wrong` unless these layers are still there, as they were, and in use."""
    there = list(mended.modules())
    for (name, layer), state in zip(others.items(), before, strict=True):
        if not any(layer is each for each in there):
            raise Wrong(f"{name} was not at fault: only one layer is, leave the others in.")
        if any(not torch.equal(value, state[key]) for key, value in layer.state_dict().items()):
            raise Wrong(f"The weights of {name} are not at fault: leave them as they are.")


def _check_touched(mended: nn.Module) -> None:
    """`Wrong` when more was done to a generator than to change a layer."""
    if "forward" in vars(mended):
        raise Wrong("Change the layer at fault, not forward: z should take the way through all layers.")
    if not all(each.training for each in mended.modules()):
        raise Wrong("It was in training mode, and now it is not: leave that as it is.")
    if not all(parameter.requires_grad for parameter in mended.parameters()):
        raise Wrong("The generator is still to be trained: leave requires_grad on.")


def _hears_z(generator: nn.Module, latent_dim: int) -> bool:
    """Whether z moves the images, while labels do as well; `Wrong` when they are no images, or drawn by chance."""
    z, labels = (
        torch.randn(10, latent_dim).repeat(4, 1),
        torch.arange(4).repeat_interleave(10),
    )  # the same for each class
    z.requires_grad_()
    images = perform(generator, z, labels)
    shaped(images, (40, 1, 16, 16))
    if not torch.equal(images, perform(generator, z, labels)):
        raise Wrong("The same z gives another image each time: noise is no ear for z.")
    if not close(perform(generator, z[:5], labels[:5]), images[:5].detach()):
        raise Wrong("Now an image depends on the others of its batch: a norm over the batch is no cure.")
    share = share_of_z(images.detach().unflatten(0, (4, 10)))
    if share > 0.99:
        raise Wrong("Now the labels are not heard any more.")
    return bool(share > 0.01 and torch.autograd.grad(images.square().sum(), z)[0].any())


def forgetful_logits(x: Tensor, labels: Tensor, first: nn.Module, norm: nn.Module, rest: nn.Module) -> Tensor:
    """Images `x` (N, 1, H, W) and labels (N,) → logits (N,); whatever the label, an image gets the same logit."""
    plane = labels.view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:]) / 9  # (N, 1, H, W), from 0 to 1
    maps = norm(first(torch.cat([x, plane], dim=1)))
    return rest(F.leaky_relu(maps, 0.2)).squeeze(1)


@check("02", "debug", difficulty=2, minutes=10)
def check_erased_label(answer: Callable[..., Tensor]) -> str:
    """`forgetful_logits`, mended: the logit depends on the label, and on image and label together."""
    for size, width in ((16, 8), (20, 6)):
        layers = _discriminator(size, width)
        x = torch.randn(12, 1, size, size) * (0.5 + torch.rand(12, 1, 1, 1))
        if not torch.equal(*(_logits(answer, x, torch.arange(12) % 10, layers) for _ in range(2))):
            raise Wrong("The same images and labels get other logits each time: no noise, no dropout.")
        by_label = torch.stack([_logits(answer, x, torch.full((12,), label), layers) for label in range(10)])
        _check_judgement(by_label)
        labels = torch.arange(12) % 10
        if not close(_logits(answer, x, labels, layers), by_label[labels, torch.arange(12)]):
            raise Wrong("A logit changes with the other images of the batch, or their labels: each on its own.")
        _check_slopes(answer, x, labels, layers)
    return "The mean of a map is not taken away where a label has just come in as a constant."


def _logits(answer: Callable[..., Tensor], x: Tensor, labels: Tensor, layers: tuple[nn.Module, ...]) -> Tensor:
    return shaped(call(answer, x, labels, *layers), (len(x),)).double()


def _check_judgement(by_label: Tensor) -> None:
    """`Wrong` unless logits (10, N), a row for each label, depend on image, label, and both together."""
    spread, steps = by_label[0].std(), torch.pdist(by_label, p=1) / by_label.shape[1]  # from each label to each other
    if not spread > 1e-3:
        raise Wrong("Every image gets the same logit: the image has to be seen as well.")
    if by_label.abs().max() <= 1:
        raise Wrong("Logits are wanted, which have no bounds: no sigmoid, no tanh.")
    if steps.mean() < 1e-3 * spread:
        raise Wrong("The label still changes nothing. What does a norm take away from a map, and what is this plane?")
    if steps.min() < 1e-4 * spread:
        raise Wrong("Some labels get the same logits as others: each of the ten should count.")
    if (1 - torch.corrcoef(by_label)[0].square()).max() < 1e-6:  # by another label all are shifted or stretched alike
        raise Wrong("The label moves all logits alike: D should judge image and label together, in its layers.")


def _discriminator(size: int, width: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    """The first convolution, a norm, and the rest of a small discriminator, which has a norm further in."""
    side = (size - 2) // 2
    deeper = nn.Sequential(nn.Conv2d(width, 8, 3), nn.InstanceNorm2d(8), nn.LeakyReLU(0.2), nn.Flatten())
    to_logit = nn.Linear(8 * (side - 2) ** 2, 1)
    nn.init.normal_(to_logit.weight)  # logits far beyond 0 and 1
    return nn.Conv2d(2, width, 4, stride=2), nn.InstanceNorm2d(width), nn.Sequential(deeper, to_logit)


def _check_slopes(answer: Callable[..., Tensor], x: Tensor, labels: Tensor, layers: tuple[nn.Module, ...]) -> None:
    """`Wrong` unless a gradient reaches the image, by which G learns, and the first and the last layers."""
    x = x.clone().requires_grad_()
    value = perform(answer, x, labels, *layers)
    wanted = [x, *layers[0].parameters(), *layers[2].parameters()]
    try:
        slopes = torch.autograd.grad(value.square().sum(), wanted, allow_unused=True)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise Wrong(DETACHED) from error
    if any(slope is None or not slope.any() for slope in (slopes[0], slopes[1], slopes[-1])):
        raise Wrong("Some layer gets no gradient: use first and rest as before, and detach nothing.")
