"""Arcs between latents, and mixtures of classes."""

import numpy as np
import pytest
import torch
from scipy.spatial import geometric_slerp
from torch import nn

from cgan_lib import UserError
from cgan_lib.sampling import blend, latents, slerp

T = torch.linspace(0, 1, 9)


# --- arcs and mixtures


@pytest.mark.parametrize("dimensions", [2, 3, 100])
def test_an_arc_is_the_great_circle_and_keeps_the_length(dimensions):
    start, end = 5 * nn.functional.normalize(latents(2, dimensions, seed=3))  # both of length 5
    arc = slerp(start, end, T)
    assert arc.shape == (9, dimensions)
    units = [(vector / vector.norm()).double().numpy() for vector in (start.double(), end.double())]
    np.testing.assert_allclose(arc, 5 * geometric_slerp(*units, T.double().numpy()), atol=2e-5)
    assert torch.allclose(arc.norm(dim=1), torch.tensor(5.0), atol=1e-4)


@pytest.mark.parametrize("angle", [0.01, 0.3, 3.0, 3.13])
def test_narrow_and_wide_arcs_are_arcs_too(angle):
    turned = angle * T
    circle = 10 * torch.stack([turned.cos(), turned.sin()], dim=1)
    assert torch.allclose(slerp(circle[0], circle[-1], T), circle, atol=0.02)


def test_an_arc_between_different_lengths_starts_and_ends_exactly_and_turns_evenly():
    start, end = torch.tensor([3.0, 0, 0, 1]), torch.tensor([0.0, 2, 1, 1])
    arc = slerp(start, end, T)
    assert torch.allclose(arc[[0, -1]], torch.stack([start, end]), atol=1e-6)
    # x'' = -angle²·x, the equation of even turning: then the neighbours of every point add up to a multiple of it
    cosine = torch.cos(torch.arccos(start @ end / start.norm() / end.norm()) / 8)
    assert torch.allclose(arc[:-2] + arc[2:], 2 * cosine * arc[1:-1], atol=1e-5)


def test_an_arc_to_the_same_or_the_opposite_latent_is_finite_and_has_the_right_ends():
    for seed in range(20):  # rounding differs from one to the next
        start = latents(1, 100, seed)[0]
        same, doubled, opposite = (slerp(start, end, T) for end in (start, 2 * start, -start))
        assert torch.allclose(same, start.expand(9, -1), atol=1e-4)
        assert torch.allclose(doubled, start * (1 + T[:, None]), atol=1e-2)
        assert opposite.isfinite().all()
        assert opposite.norm(dim=1).max() <= start.norm() * 1.001
        assert torch.allclose(opposite[[0, -1]], torch.stack([start, -start]), atol=1e-3)
    assert slerp(torch.zeros(3), torch.zeros(3), T).isfinite().all()


def test_a_mixture_goes_from_one_class_to_the_other_and_adds_up_to_one():
    weights = blend(3, 1, T, num_classes=5)
    assert weights.shape == (9, 5)
    assert weights.dtype == torch.float32
    assert weights[0].tolist() == [0, 0, 0, 1, 0]
    assert weights[-1].tolist() == [0, 1, 0, 0, 0]
    assert torch.allclose(weights.sum(1), torch.ones(9))
    assert torch.allclose(weights[:, 1], T)
    assert blend(2, 2, T)[:, 2].eq(1).all()
    assert blend(0, 9, T).shape == (9, 10)


@pytest.mark.parametrize("labels", [(-1, 3), (3, 10), (10, 3), (3, -1)])
def test_a_mixture_of_what_is_no_class_is_an_error(labels):
    with pytest.raises(UserError, match=r"label -?\d+ is no class: use 0 to 9"):
        blend(*labels, T)
