"""The toy of notebook 01: what the theory says of it is what comes out."""

import io
from math import log

import pytest
import torch
from PIL import Image

from cgan_lib.course import toy
from cgan_lib.course.toy_figures import ARROWS, animate, picture_of, probability
from cgan_lib.losses import bce_g

POINTS = toy.plane(240, extent=8.0)
CELL = (16 / 240) ** 2
P, Q = toy.ring_density(POINTS), toy.cloud_density(POINTS)


@pytest.fixture
def demo(monkeypatch):
    monkeypatch.setenv("CGAN_PROFILE", "demo")


@pytest.mark.parametrize(("draw", "density"), [(lambda n: toy.ring(n)[0], P), (toy.cloud, Q)], ids=["ring", "cloud"])
def test_points_follow_their_density(draw, density):
    assert (CELL * density.sum()).item() == pytest.approx(1, abs=1e-3)
    points = draw(20_000)
    for moment in (lambda x: x.norm(dim=-1), lambda x: x.prod(-1).abs(), lambda x: (x[..., 0] > 1).float()):
        assert moment(points).mean().item() == pytest.approx((CELL * moment(POINTS) * density).sum().item(), rel=0.03)


def test_points_of_a_ring_lie_at_the_mode_they_come_from():
    points, modes = toy.ring(4000, 3)
    assert modes.bincount().tolist() == pytest.approx([500] * 8, rel=0.2)
    assert (points - toy.CENTRES[modes]).std().item() == pytest.approx(toy.STD, rel=0.05)


def test_the_value_at_the_best_discriminator_is_two_divergences_less_log_4():
    best = toy.value(P, Q, toy.best_discriminator(P, Q), CELL)
    assert best == pytest.approx(2 * toy.js_divergence(P, Q, CELL) - log(4), abs=1e-3)
    for other in (0.9 * toy.best_discriminator(P, Q), torch.full_like(P, 0.5)):
        assert toy.value(P, Q, other, CELL) < best - 0.01


def test_a_trained_logit_is_the_logarithm_of_the_ratio_where_there_is_mass(demo):
    logits = toy.fit_discriminator()
    points = torch.cat([toy.ring(1000, 7)[0], toy.cloud(1000, 8)])
    expected = (toy.ring_density(points) / toy.cloud_density(points)).log()
    likely = expected > -2
    assert (logits(points) - expected)[likely].abs().mean() < 0.3
    assert (logits(points).sigmoid() - expected.sigmoid()).abs().mean() < 0.04


def test_supports_that_do_not_meet_are_log_2_apart_by_one_measure_and_their_distance_by_the_other():
    line = (torch.arange(1000) + 0.5) / 100  # from 0 to 10
    first = ((line > 0) & (line < 1)).float()
    for gap in (1.5, 4.0, 8.0):
        second = ((line > gap) & (line < gap + 1)).float()
        assert toy.js_divergence(first, second, 0.01) == pytest.approx(log(2), abs=1e-4)
        assert toy.wasserstein(line[first > 0], line[second > 0]) == pytest.approx(gap, abs=1e-4)


def test_wasserstein_does_not_mind_the_order_and_sees_a_change_of_width():
    numbers = torch.randn(100)
    assert toy.wasserstein(numbers, numbers.flip(0)) == 0
    assert toy.wasserstein(numbers.flip(0), 3 * numbers) == pytest.approx(2 * numbers.abs().mean().item(), abs=1e-5)


def test_modes_are_counted_where_samples_are():
    full = toy.CENTRES.repeat(25, 1)  # (200,2)
    three = toy.CENTRES[:3].repeat(66, 1)[:197]
    strays = torch.cat([three, toy.CENTRES[5:6], torch.zeros(2, 2)])  # 1 of 200 is less than 1%
    assert toy.modes_covered(torch.stack([full, strays, full + toy.NEAR])) == [8, 3, 0]
    assert toy.covered(strays).tolist() == [True] * 3 + [False] * 5


def test_the_pull_is_downhill_of_the_generator_s_loss():
    network = toy.Networks(1, 2, 1, torch.Generator().manual_seed(0)).double()
    points = toy.plane(3).flatten(0, 1).double()
    for axis in (0, 1):
        step = 1e-5 * torch.eye(2).double()[axis]
        slopes = [(bce_g(network.first(x[None] + step)) - bce_g(network.first(x[None] - step))) / 2e-5 for x in points]
        assert torch.allclose(toy.pull(network.first, points)[:, axis], -torch.stack(slopes), atol=1e-6)


def test_runs_side_by_side_are_those_of_single_networks():
    """Each run has the gradient of its own batch, whatever the number of others."""
    networks = toy.Networks(3, 2, 1, torch.Generator().manual_seed(0))
    x = torch.randn(3, 5, 2)
    bce_g(networks(x)).mul(3).backward()
    for run in range(3):
        alone = toy.Networks(1, 2, 1, torch.Generator())
        for one, many in zip(alone.parameters(), networks.parameters(), strict=True):
            one.data = many.data[run : run + 1]
        bce_g(alone(x[run : run + 1])).backward()
        for one, many in zip(alone.parameters(), networks.parameters(), strict=True):
            assert torch.allclose(one.grad[0], many.grad[run], atol=1e-6)


@pytest.mark.parametrize(
    ("setting", "conditional", "wanted"),
    [(toy.STEADY, False, range(8, 9)), (toy.SLOW_D, False, range(5)), (toy.SLOW_D, True, range(8, 9))],
    ids=["steady", "slow D", "slow D, told the mode"],
)
def test_a_slow_discriminator_loses_modes_and_labels_bring_them_back(demo, setting, conditional, wanted):
    last = toy.train_ring(setting, conditional=conditional, runs=5)[-1]
    assert last.step == setting.demo_steps
    assert sum(count in wanted for count in toy.modes_covered(last.samples)) >= 4
    if conditional:
        nearest = torch.cdist(last.samples, toy.CENTRES).argmin(-1)
        assert (nearest == torch.arange(toy.SHOWN) % 8).float().mean() > 0.95


def test_the_same_seed_trains_the_same_and_leaves_the_random_state(monkeypatch):
    monkeypatch.setenv("CGAN_PROFILE", "ci")
    state = torch.random.get_rng_state()
    one, two, other = (toy.train_ring(seed=seed, snapshots=2) for seed in (0, 0, 1))
    assert [snapshot.step for snapshot in one] == [0, 40]
    assert torch.equal(one[-1].samples, two[-1].samples)
    assert not torch.equal(one[-1].samples, other[-1].samples)
    weights = [snapshots[0].discriminator.weights[0] for snapshots in (one, two, other)]  # before any step
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_training_is_shown_as_a_small_animation(monkeypatch):
    monkeypatch.setenv("CGAN_PROFILE", "ci")
    snapshots = toy.train_ring(snapshots=4)
    picture = Image.open(io.BytesIO(animate(snapshots, seconds=2).data))
    assert picture.n_frames == 4
    assert picture.size == picture_of(snapshots[0]).shape[:0:-1]


def test_the_map_and_the_arrows_have_a_place_each():
    values = probability(lambda points: points[:, 0], toy.plane(ARROWS))
    assert values.shape == (ARROWS, ARROWS)
    assert (values.diff(dim=1) > 0).all()  # to the right, as x grows
    assert (values.diff(dim=0) == 0).all()


def test_as_many_steps_are_taken_as_are_asked_for_whatever_the_profile():
    assert [moment.step for moment in toy.train_ring(snapshots=2, total=7)] == [0, 7]
