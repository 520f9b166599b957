"""Labels as something that a network can read: a learned vector, or a learned plane."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cgan_lib.attributes import join_labels, split_labels


class ClassEmbedding(nn.Embedding):
    """Labels (N,) → one learned vector each (N, embed_dim); class weights (N, num_classes) → mixtures of the vectors.

    Row (0, 0, 0, ½, 0, 0, 0, 0, ½, 0) asks for what lies halfway between a 3 and an 8.

    With `attributes`, such as (10, 3) for ten digits in three colours, the vector of a class is the sum of one vector
    for each attribute: what was learned of 7 and of red is there for a red 7, even if none was ever seen. Then labels
    may be attributes (N, 2), too.
    """

    attributes: Tensor
    rows: Tensor

    def __init__(self, num_classes: int, embed_dim: int, attributes: Sequence[int] = (), **options: Any):
        super().__init__(sum(attributes) or num_classes, embed_dim, **options)
        self.compositional = bool(attributes)
        if attributes:
            self.register_buffer("attributes", torch.tensor(attributes))  # so that a file of weights says it
            first = torch.tensor(attributes).cumsum(0) - torch.tensor(attributes)  # row of each attribute's first value
            self.register_buffer("rows", first + split_labels(torch.arange(num_classes), attributes), persistent=False)

    def forward(self, labels: Tensor) -> Tensor:
        if not self.compositional:
            return labels @ self.weight if labels.is_floating_point() else super().forward(labels)
        if labels.is_floating_point():
            return labels @ super().forward(self.rows).sum(1)  # (N, num_classes) @ (num_classes, embed_dim)
        if labels.ndim == 2:
            labels = join_labels(labels, self.attributes.tolist())
        return super().forward(self.rows[labels]).sum(1)  # (N, A, embed_dim) → (N, embed_dim)


class LabelPlane(nn.Sequential):
    """Label (N,) → learned plane (N, 1, size, size).

    Without `embed_dim` each class owns its size·size numbers; with it, the plane is a linear function of a short
    embedding, so that classes can share strokes.
    """

    def __init__(self, num_classes: int, size: int, embed_dim: int | None = None, attributes: Sequence[int] = ()):
        table: list[nn.Module] = [ClassEmbedding(num_classes, embed_dim or size * size, attributes)]
        if embed_dim:
            table.append(nn.Linear(embed_dim, size * size))
        super().__init__(*table, nn.Unflatten(1, (1, size, size)))  # (N, size·size) → (N, 1, size, size)
