"""The losses and their penalties against their formulas."""

import math

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck

from cgan_lib.losses import (
    LOSSES,
    bce_d,
    bce_g,
    hinge_d,
    hinge_g,
    least_squares_d,
    least_squares_g,
    minimax_g,
    r1_r2,
    relativistic_d,
    relativistic_g,
    unit_slope,
    wasserstein_d,
    wasserstein_g,
)

LOG2 = math.log(2)
UNDECIDED = {  # what both pay when every logit is 0: (discriminator, generator)
    "bce": (2 * LOG2, LOG2),
    "minimax": (2 * LOG2, -LOG2),
    "hinge": (2, 0),
    "least_squares": (0.5, 0.5),
    "wasserstein": (0, 0),
    "relativistic": (LOG2, LOG2),
}


def logits(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("name", UNDECIDED)
def test_the_price_of_a_discriminator_that_is_undecided(name):
    loss, (d, g) = LOSSES[name], UNDECIDED[name]
    fake, real = logits(0, 0, 0), logits(0, 0, 0) if loss.relative else logits(0, 0)
    assert loss.d(real, fake).item() == pytest.approx(d)
    assert loss.g(*((fake, real) if loss.relative else (fake,))).item() == pytest.approx(g)


def test_values_are_the_means_of_the_formulas():
    real, fake = logits(-1.5, 0.3, 2.0), logits(0.7, -0.2)
    d_real, d_fake = real.sigmoid(), fake.sigmoid()
    torch.testing.assert_close(bce_d(real, fake), -d_real.log().mean() - (1 - d_fake).log().mean())
    torch.testing.assert_close(bce_g(fake), -d_fake.log().mean())
    torch.testing.assert_close(minimax_g(fake), (1 - d_fake).log().mean())
    assert hinge_d(real, fake).item() == pytest.approx((2.5 + 0.7 + 0) / 3 + (1.7 + 0.8) / 2)
    assert hinge_g(fake).item() == pytest.approx(-0.25)
    assert least_squares_d(real, fake).item() == pytest.approx((6.25 + 0.49 + 1) / 6 + (0.49 + 0.04) / 4)
    assert least_squares_g(fake).item() == pytest.approx((0.09 + 1.44) / 4)
    assert wasserstein_d(real, fake).item() == pytest.approx(0.25 - 0.8 / 3)
    assert wasserstein_g(fake).item() == pytest.approx(-0.25)


@pytest.mark.parametrize("shift", [0, -7.0, 100.0])
def test_the_relativistic_and_the_wasserstein_loss_only_see_differences_of_real_and_fake(shift):
    real, fake = logits(-1.5, 0.3, 2.0) + shift, logits(0.7, -0.2, 4.0) + shift
    differences = (2.2, -0.5, 2.0)  # fake − real, each real with one fake
    assert relativistic_d(real, fake).item() == pytest.approx(sum(math.log1p(math.exp(x)) for x in differences) / 3)
    assert relativistic_g(fake, real).item() == pytest.approx(sum(math.log1p(math.exp(-x)) for x in differences) / 3)
    assert wasserstein_d(real, fake).item() == pytest.approx(sum(differences) / 3)


def test_beyond_its_margin_the_hinge_loss_is_satisfied_and_teaches_nothing():
    real, fake = logits(1.5, 0.5), logits(-3.0, -0.5)
    hinge_d(real, fake).backward()
    assert real.grad.tolist() == [0, -0.5]
    assert fake.grad.tolist() == [0, 0.5]


@pytest.mark.parametrize("size", [1e4, 1e30])
def test_large_logits_cost_their_own_size_instead_of_infinity(size):
    low, high = torch.tensor([-size]), torch.tensor([size])
    assert bce_d(low, high).item() == pytest.approx(2 * size)
    assert bce_g(low).item() == pytest.approx(size)
    assert minimax_g(high).item() == pytest.approx(-size)
    assert relativistic_d(low, high).item() == relativistic_g(low, high).item() == pytest.approx(2 * size)
    assert bce_d(high, low).item() == relativistic_d(high, low).item() == 0


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_agree_with_finite_differences(name):
    loss = LOSSES[name]
    real, fake = logits(-3.0, -0.1, 0.4), logits(-2.0, 0.2, 1.0)
    assert gradcheck(loss.d, (real, fake))
    assert gradcheck(loss.g, (fake, real) if loss.relative else (fake,))


def test_minimax_gradient_vanishes_where_the_non_saturating_one_is_full():
    """d/dx of −log σ(x) is −(1 − σ(x)); of log(1 − σ(x)) it is −σ(x)."""
    fake = logits(-8.0, -1.0, 0.0, 3.0)
    (bce,) = torch.autograd.grad(bce_g(fake), fake)
    (minimax,) = torch.autograd.grad(minimax_g(fake), fake)
    probability = fake.detach().sigmoid()
    torch.testing.assert_close(bce, -(1 - probability) / 4)
    torch.testing.assert_close(minimax, -probability / 4)
    assert abs(minimax[0]) < 1e-3 < abs(bce[0])  # a fake that is seen through: only one of them teaches


def test_what_each_loss_is_and_brings_along():
    def names(holds):
        return {name for name, loss in LOSSES.items() if holds(loss)}

    assert names(lambda loss: loss.relative) == {"relativistic"}
    assert names(lambda loss: loss.paired) == {"wasserstein", "relativistic"}  # those that mix or compare images
    assert names(lambda loss: loss.probabilities) == {"bce", "minimax"}
    assert {name: (loss.penalty, loss.penalty_weight) for name, loss in LOSSES.items() if loss.penalty} == {
        "wasserstein": (unit_slope, 10),
        "relativistic": (r1_r2, 1),
    }
    assert not LOSSES["wasserstein"]._replace(penalty=None).paired
    assert LOSSES["relativistic"]._replace(penalty=None).paired


@pytest.mark.parametrize("name", LOSSES)
def test_verdicts_are_probabilities_only_where_a_logit_stands_for_one(name):
    verdicts = LOSSES[name].verdicts(logits(0.0, math.log(3)), logits(-math.log(3)))
    if name in ("bce", "minimax"):
        expected = {"probability/D(x)": (0.5 + 0.75) / 2, "probability/D(G(z))": 0.25}
    else:
        expected = {"logit/real": math.log(3) / 2, "logit/fake": -math.log(3)}
    assert {key: value.item() for key, value in verdicts.items()} == pytest.approx(expected)


# --- penalties


class Linear(nn.Module):
    """D(x, y) = ⟨w_y, x⟩: its slope is w_y everywhere."""

    def __init__(self, *rows):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(rows))

    def forward(self, x, labels):
        return (self.w[labels] * x.flatten(1)).sum(1)


class Quadratic(nn.Module):
    """D(x) = a/2 ‖x‖²: its slope is a·x. Remembers where it was asked."""

    def __init__(self, a):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))

    def forward(self, x, labels):
        self.asked = x.detach()
        return self.a / 2 * x.flatten(1).square().sum(1)


@pytest.fixture
def images():
    """Reals and fakes (5, 1, 2, 2), and labels 0."""
    torch.manual_seed(0)
    return torch.randn(5, 1, 2, 2), torch.randn(5, 1, 2, 2), torch.zeros(5, dtype=torch.long)


@pytest.mark.parametrize(
    ("penalty", "row", "value", "pull"),
    [
        (r1_r2, [1.0, -2.0, 0.0, 2.0], 9, 2),  # ‖w‖² has the gradient 2w
        (unit_slope, [1.0, -2.0, 0.0, 2.0], 4, 2 * 2 / 3),  # (‖w‖ − 1)² has 2 (‖w‖ − 1) w/‖w‖
        (r1_r2, [0.0] * 4, 0, 0),  # flat: still finite
        (unit_slope, [0.0] * 4, 1, 0),
    ],
)
def test_penalties_of_a_linear_discriminator_depend_on_its_slope_alone_and_pull_at_it(
    penalty, row, value, pull, images
):
    discriminator = Linear(row)
    computed = penalty(discriminator, *images)
    assert computed.item() == pytest.approx(value)
    computed.backward()
    torch.testing.assert_close(discriminator.w.grad, pull * discriminator.w.detach())


def test_penalties_ask_about_the_label_of_each_image(images):
    discriminator, labels = Linear([3.0, 0.0, 0.0, 4.0], [0.0, 2.0, 0.0, 0.0]), torch.tensor([0, 1, 1, 1, 0])
    assert r1_r2(discriminator, *images[:2], labels).item() == pytest.approx((2 * 25 + 3 * 4) / 5)
    assert unit_slope(discriminator, *images[:2], labels).item() == pytest.approx((2 * 16 + 3 * 1) / 5)


def test_penalties_of_a_quadratic_discriminator_depend_on_the_place(images):
    real, fake, labels = images
    squares = sum(batch.square().sum((1, 2, 3)).mean() for batch in (real, fake))
    discriminator = Quadratic(0.7)
    penalty = r1_r2(discriminator, *images)
    torch.testing.assert_close(penalty, 0.5 * 0.7**2 * squares)
    penalty.backward()
    torch.testing.assert_close(discriminator.a.grad, 0.7 * squares)
    norms = real.flatten(1).norm(dim=1)
    penalty = unit_slope(discriminator, real, real, labels)  # between a point and itself is the point
    torch.testing.assert_close(penalty, (0.7 * norms - 1).square().mean())


def test_unit_slope_asks_at_one_place_between_each_real_and_its_fake(images):
    real, fake, labels = images
    discriminator = Quadratic(1.0)
    unit_slope(discriminator, real, fake, labels)
    t = ((discriminator.asked - fake) / (real - fake)).flatten(1)  # (5, 4)
    torch.testing.assert_close(t, t[:, :1].expand(-1, 4), atol=1e-4, rtol=0)
    assert ((t > 0) & (t < 1)).all()
    assert t[:, 0].std() > 0.05


@pytest.mark.parametrize("penalty", [r1_r2, unit_slope])
def test_penalties_leave_the_images_and_what_made_them_alone(penalty, images):
    real, fake, labels = images
    fake.requires_grad_()
    before = fake.detach().clone()
    penalty(Linear([1.0, -2.0, 0.0, 2.0]), real, fake, labels).backward()
    assert fake.grad is None
    assert not real.requires_grad
    assert torch.equal(fake.detach(), before)
