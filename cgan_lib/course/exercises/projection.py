"""Notebook 03: the projection head."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from cgan_lib.course.exercises.comparing import DETACHED, Formula, close, compare
from cgan_lib.course.exercises.verdict import Wrong, by_name, check, run


class Head(NamedTuple):
    """What a projection head has learned."""

    weight: Tensor
    """of ψ (F,)"""
    bias: Tensor
    """of ψ, one number"""
    embeddings: Tensor
    """(K, F)"""

    def realness(self, f: Tensor) -> Tensor:
        return f @ self.weight + self.bias

    def agreement(self, f: Tensor, y: Tensor) -> Tensor:
        return (self.embeddings[y] * f).sum(1)

    def score(self, f: Tensor, y: Tensor) -> Tensor:
        return self.realness(f) + self.agreement(f, y)


@check("03", "build", difficulty=2, minutes=15)
def check_projection_head(answer: Callable[[int, int], nn.Module]) -> str:
    """A module made from `feature_dim` F and `num_classes` K: features (N, F) and labels (N,) → logits (N,)."""
    for feature_dim, num_classes, labels in ((6, 10, [7, 7, 3]), (7, 4, [0, 2, 2, 1, 3]), (5, 12, [11, 0, 3, 11])):
        cases = [(torch.randn(len(labels), feature_dim), torch.tensor(order)) for order in (labels, labels[::-1])]
        cases += [(torch.randn(1, feature_dim), torch.tensor(labels[-1:]))]
        head = made(answer, feature_dim=feature_dim, num_classes=num_classes)
        run(head, *cases[0])  # it says so when it is not attempted, and lazy layers have weights from here on
        parts = _parts_of(head, feature_dim, num_classes)
        for training in (True, False):
            with torch.no_grad():
                for parameter in head.parameters():
                    parameter.normal_()
            before = parameters_to_vector(head.parameters())
            compare(
                head.train(training),
                cases,
                parts.score,
                _mistakes(parts),
                "Realness is ψ(features); agreement is ⟨v_y, φ⟩.",
            )
            if not torch.equal(before, parameters_to_vector(head.parameters())):
                raise Wrong("Only an optimizer moves the weights; yours move when the head is called.")
        _check_gradients(head, parts, *cases[0])
    return "The label only chooses the row of the embedding, and only that row learns from the image."


def made(answer: Callable[..., nn.Module], **sizes: int) -> nn.Module:
    """The module that a class makes from these sizes; `Wrong` when it makes none."""
    if isinstance(answer, nn.Module):
        raise Wrong("Give the class itself, without brackets: the check makes modules of several sizes.")
    module = by_name(answer, **sizes)
    if not isinstance(module, nn.Module):
        raise Wrong(f"The answer should be a class of nn.Module; it makes {type(module).__name__}.")
    return module


def _parts_of(head: nn.Module, feature_dim: int, num_classes: int) -> Head:
    """The parameters of a head, whatever their names; `Wrong` when there are others."""
    sizes = sorted(parameter.numel() for parameter in head.parameters())
    table = num_classes * feature_dim
    hints = {
        (): "There is nothing to learn: make nn.Linear and nn.Embedding in __init__, as attributes of self.",
        (feature_dim, table): "ψ is a linear layer with a bias; that is missing.",
        (1, feature_dim): "Only ψ has weights to learn: the embedding of the classes is missing.",
        (table,): "Only the embedding has weights to learn: ψ is missing.",
        (1, num_classes, feature_dim, table): "The embedding has a row for each class and no bias.",
        (1, feature_dim, 10 * feature_dim): "Not 10 classes always: num_classes says how many.",
        (1, table, table): "ψ gives one number for an image, whatever the classes.",
    }
    if sizes != [1, feature_dim, table]:
        learned = f"ψ has {feature_dim} weights and a bias, the embedding {num_classes} rows of {feature_dim}"
        otherwise = f"For {feature_dim} features and {num_classes} classes {learned}; yours has {sizes}."
        raise Wrong(next((hint for some, hint in hints.items() if sorted(some) == sizes), otherwise))
    if not all(parameter.requires_grad for parameter in head.parameters()):
        raise Wrong("All of it is to be learned: leave requires_grad on.")
    bias, weight, embeddings = sorted(head.parameters(), key=torch.numel)
    flat = embeddings.squeeze()  # that of nn.Bilinear is (1, K, F)
    rows = flat if flat.shape == (num_classes, feature_dim) else flat.T
    return Head(weight.view(-1), bias.view(()), rows)


def _mistakes(parts: Head) -> dict[str, Formula]:
    weight, bias, embeddings = parts

    return {
        "The agreement is right; the realness, ψ, is missing.": parts.agreement,
        "The realness is right; the agreement with the class is missing.": lambda f, y: parts.realness(f),
        "Nearly: the bias is missing.": lambda f, y: parts.score(f, y) - bias,
        "Nearly: the bias counts once.": lambda f, y: parts.score(f, y) + bias,
        "Added, not taken away: a high agreement makes a high score.": lambda f, y: (
            parts.realness(f) - parts.agreement(f, y)
        ),
        "Realness and agreement are added, not multiplied.": lambda f, y: parts.realness(f) * parts.agreement(f, y),
        "A dot product is a sum, not a mean.": lambda f, y: parts.realness(f) + (embeddings[y] * f).mean(1),
        "The agreement of each image with its own label alone: one row of the embedding.": lambda f, y: (
            parts.realness(f) + (f @ embeddings.T).sum(1)
        ),
        "Row n of the embedding is not that of image n: the label says which.": lambda f, y: (
            parts.realness(f) + (embeddings[torch.arange(len(y)) % len(embeddings)] * f).sum(1)
        ),
        "One number for each image: sum over the features alone, dim=1.": lambda f, y: (
            parts.realness(f) + parts.agreement(f, y).sum()
        ),
        "(N, 1) and (N,) add up to (N, N): take the 1 away with squeeze(1).": lambda f, y: (
            parts.realness(f)[:, None] + parts.agreement(f, y)
        ),
        "One logit for each image, (N,): take the 1 away with squeeze(1).": lambda f, y: parts.score(f, y)[:, None],
        "A logit has no bounds: no sigmoid here.": lambda f, y: parts.score(f, y).sigmoid(),
    }


def _check_gradients(head: nn.Module, parts: Head, features: Tensor, labels: Tensor) -> None:
    """`Wrong` unless features, ψ and the rows of the labels learn what they should, and other rows nothing."""
    inputs = [features.requires_grad_(), *head.parameters()]
    share = torch.rand(len(labels)) + 0.5
    expected = torch.autograd.grad((share * parts.score(features, labels)).sum(), inputs)
    try:
        learning = (share * run(head, features, labels)).sum()
        found = torch.autograd.grad(learning, inputs, materialize_grads=True)
    except RuntimeError as error:
        raise Wrong(DETACHED) from error
    if not all(close(x.to_dense(), y) for x, y in zip(found, expected, strict=True)):
        raise Wrong(
            "The value is right, but what learns from it is not: no .detach(), .data or torch.no_grad(), and no option "
            "of nn.Embedding that changes gradients, such as padding_idx."
        )
