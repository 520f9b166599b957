"""Notebook 01: how a label gets into a network."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from cgan_lib.course.exercises.comparing import DETACHED, close, compare, shaped
from cgan_lib.course.exercises.verdict import Wrong, call, check, perform
from cgan_lib.models.concat import BCEGenerator

PARTS = (100, 10, 1, 8, 20, 8)  # latent_dim, num_classes, channels, image_size, embed_dim, base_channels


@check("01", "build", difficulty=1, minutes=6)
def check_label_planes(answer: Callable[[Tensor, Tensor, int], Tensor]) -> str:
    """Labels (N,) and a table (num_classes, size·size) of learned numbers → planes (N, 1, size, size)."""
    cases = [
        (torch.tensor(labels), torch.randn(num_classes, size * size), size)
        for labels, num_classes, size in (([2, 0, 1, 1], 3, 4), ([8, 8, 1, 0, 5, 3, 7], 10, 3), ([3], 5, 2))
    ]
    mistakes = {
        "Rows and columns of the plane are exchanged: the numbers of a row follow each other.": lambda y, t, s: _planes(
            y, t, s
        ).transpose(2, 3),
        "The channel is missing: (N, 1, size, size), one more channel beside the image.": lambda y, t, s: t[y].view(
            -1, s, s
        ),
        "That is right for the first label only: each has a row of its own.": lambda y, t, s: _planes(
            y[:1], t, s
        ).expand(len(y), -1, -1, -1),
        "That is the table itself: pick the rows of the labels.": lambda y, t, s: t.view(-1, 1, s, s),
        "Off by one: label 0 has row 0.": lambda y, t, s: _planes((y + 1) % len(t), t, s),
        "Fold each row into a plane: its size·size numbers become size rows.": lambda y, t, s: t[y],
    }
    compare(answer, cases, _planes, mistakes, "Row labels[n] of the table, folded to (1, size, size), is plane n.")
    labels, table, size = cases[1]
    _check_learns(answer, labels, table, size)
    return "The numbers are learned, and only those of the labels in a batch get a gradient."


def _planes(labels: Tensor, table: Tensor, size: int) -> Tensor:
    return table[labels].view(-1, 1, size, size)


def _check_learns(answer: Any, labels: Tensor, table: Tensor, size: int) -> None:
    leaf = table.clone().requires_grad_()
    planes = perform(answer, labels, leaf, size)
    if not isinstance(planes, Tensor) or not planes.requires_grad:
        raise Wrong(DETACHED)
    other, weights = table.clone().requires_grad_(), torch.randn(len(labels), 1, size, size)
    (gradient,) = torch.autograd.grad((planes * weights).sum(), leaf, allow_unused=True)
    (right,) = torch.autograd.grad((_planes(labels, other, size) * weights).sum(), other)
    if gradient is None:
        raise Wrong(DETACHED)
    if not close(gradient, right):
        raise Wrong("The value is right, the gradient that reaches the table is not: let torch pick the rows.")


@check("01", "build", difficulty=2, minutes=10)
def check_generator_forward(answer: Callable[..., BCEGenerator]) -> str:
    """A `BCEGenerator` with a `forward` of the learner's: z and labels → images."""
    if isinstance(answer, nn.Module):
        raise Wrong("Give the class, not a network of it: MyGenerator, without ().")
    network = perform(answer, *PARTS)
    if not isinstance(network, BCEGenerator):
        raise Wrong("Leave `class …(BCEGenerator)` as it is: only what forward returns is missing.")
    for training in (True, False):
        for count in (5, 2):
            _check_forward(network.train(training), torch.randn(count, PARTS[0]), torch.randint(PARTS[1], (count,)))
    _check_whole_gradient(network)
    return "z and the label vector, side by side, through all layers: a picture of what was asked for."


def _check_forward(network: BCEGenerator, z: Tensor, labels: Tensor) -> None:
    before = _twin(network)
    modes = [layer.training for layer in network.modules()]
    images = call(network, z, labels)
    _explain(shaped(images, (len(z), 1, 8, 8)), before, z, labels)
    if modes != [layer.training for layer in network.modules()]:
        raise Wrong("forward switches between train() and eval(): leave that to those who use the network.")


def _twin(network: BCEGenerator) -> BCEGenerator:
    """The course's network with the same weights; what a learner's `forward` has kept in `self` cannot be copied."""
    twin = BCEGenerator(*PARTS)
    twin.load_state_dict(network.state_dict(), strict=False)
    return twin.train(network.training)


def _explain(images: Tensor, network: BCEGenerator, z: Tensor, labels: Tensor) -> None:
    """`Wrong` unless these are the images of a network: with z first, or the vector first, which is as good."""
    vector = network.label_embedding(labels)
    if any(close(images, _draw(network, pair)) for pair in ((z, vector), (vector, z))):
        return
    mistakes = {
        "It draws the same for every label: lay the label vector beside z.": (z, 0 * vector),
        "z has no effect: all images of a class are the same.": (0 * z, vector),
        "Every image has the label vector of the first label.": (z, vector[:1].expand_as(vector)),
        "Every image has the z of the first.": (z[:1].expand_as(z), vector),
    }
    for hint, pair in mistakes.items():
        if any(close(images, _draw(network, order)) for order in (pair, pair[::-1])):
            raise Wrong(hint)
    if close(images, _draw(network, (z, vector)).tanh()):
        raise Wrong("The tanh is in conv_blocks already.")
    if close(images, _draw(copy.deepcopy(network).train(not network.training), (z, vector))):
        raise Wrong("forward switches between train() and eval(): leave that to those who use the network.")
    raise Wrong("torch.cat of z and label_embedding(labels), then projection, then conv_blocks: each once.")


def _draw(network: BCEGenerator, joined: tuple[Tensor, Tensor]) -> Tensor:
    network = copy.deepcopy(network)  # BatchNorm remembers what it has seen
    return network.conv_blocks(network.projection(torch.cat(joined, 1)))


def _check_whole_gradient(network: BCEGenerator) -> None:
    z = torch.randn(PARTS[1], PARTS[0], requires_grad=True)
    images = perform(network.train(), z, torch.arange(PARTS[1]))
    wanted = [z] + [weight for name, weight in network.named_parameters() if name != "projection.0.bias"]  # BatchNorm's
    gradients = torch.autograd.grad(images.square().sum(), wanted, allow_unused=True) if images.requires_grad else ()
    if not gradients or any(gradient is None or not gradient.any() for gradient in gradients):
        raise Wrong("Some layers, or z, get no gradient: no detach, no torch.no_grad in forward.")


@check("01", "build", difficulty=2, minutes=8)
def check_one_hot_planes(answer: Callable[[Tensor, int, int], Tensor]) -> str:
    """A function `(labels, num_classes, size)` → one-hot planes (N, num_classes, size, size)."""
    cases = [([2, 0, 3], 4, 5), ([1, 1, 6, 0, 3], 10, 2), ([0, 2, 2, 5, 4, 1, 0], 7, 3)]
    for labels, num_classes, size in cases:
        given = torch.tensor(labels)
        planes = shaped(call(answer, given, num_classes, size), (len(labels), num_classes, size, size))
        _check_planes(planes, given)
    return "Every pixel now knows its class, and nothing had to be learned for it."


def _check_planes(planes: Tensor, labels: Tensor) -> None:
    expected = torch.zeros(planes.shape, dtype=torch.float64)
    expected[range(len(labels)), labels] = 1
    if not planes.is_floating_point():
        raise Wrong("A convolution needs floats: add .float().")
    if torch.equal(planes.double(), expected):
        return
    if torch.equal(planes.double(), 1 - expected):
        raise Wrong("Exchanged: the plane of the label is 1, the others are 0.")
    if torch.equal(planes.double().sum(1), torch.ones_like(expected[:, 0])):
        raise Wrong("Each pixel has one 1, but in the wrong plane: plane labels[n] of image n is the one that is 1.")
    raise Wrong("Image n: plane labels[n] is all 1, the other planes all 0.")
