"""The losses against their formulas."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from cgan_lib.losses import LOSSES, bce_d, bce_g, minimax_g

LOG2 = math.log(2)


def logits(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def test_an_undecided_discriminator_costs_two_log_two():
    assert bce_d(logits(0, 0), logits(0, 0, 0)).item() == pytest.approx(2 * LOG2)


def test_a_generator_that_is_a_coin_toss_pays_log_two():
    assert bce_g(logits(0, 0)).item() == pytest.approx(LOG2)
    assert minimax_g(logits(0, 0)).item() == pytest.approx(-LOG2)


def test_values_are_the_means_of_the_formulas():
    real, fake = logits(-1.5, 0.3, 2.0), logits(0.7, -0.2)
    d_real, d_fake = real.sigmoid(), fake.sigmoid()
    torch.testing.assert_close(bce_d(real, fake), -d_real.log().mean() - (1 - d_fake).log().mean())
    torch.testing.assert_close(bce_g(fake), -d_fake.log().mean())
    torch.testing.assert_close(minimax_g(fake), (1 - d_fake).log().mean())


@pytest.mark.parametrize("size", [1e4, 1e30])
def test_large_logits_cost_their_own_size_instead_of_infinity(size):
    low, high = torch.tensor([-size]), torch.tensor([size])
    assert bce_d(low, high).item() == pytest.approx(2 * size)
    assert bce_d(high, low).item() == 0
    assert bce_g(low).item() == pytest.approx(size)
    assert minimax_g(high).item() == pytest.approx(-size)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_agree_with_finite_differences(name):
    real, fake = logits(-3.0, -0.1, 0.4, 5.0), logits(-2.0, 0.2, 1.0)
    assert gradcheck(LOSSES[name].d, (real, fake))
    assert gradcheck(LOSSES[name].g, (fake,))


def test_minimax_gradient_vanishes_where_the_non_saturating_one_is_full():
    """d/dx of −log σ(x) is −(1 − σ(x)); of log(1 − σ(x)) it is −σ(x)."""
    fake = logits(-8.0, -1.0, 0.0, 3.0)
    (bce,) = torch.autograd.grad(bce_g(fake), fake)
    (minimax,) = torch.autograd.grad(minimax_g(fake), fake)
    probability = fake.detach().sigmoid()
    torch.testing.assert_close(bce, -(1 - probability) / 4)
    torch.testing.assert_close(minimax, -probability / 4)
    assert abs(minimax[0]) < 1e-3 < abs(bce[0])  # a fake that is seen through: only one of them teaches
    torch.testing.assert_close(bce[2], minimax[2])  # at a coin toss they agree
