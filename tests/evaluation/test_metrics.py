"""The scores against closed forms, naive implementations and each other, on features made for the purpose."""

import contextlib
import math

import numpy as np
import pytest
import torch

import cgan_lib.evaluation.metrics as metrics
from cgan_lib import UserError
from cgan_lib.evaluation.metrics import fid, inception_score, kid, neighbourhoods, spread


def normal(count: int, num_features: int, seed: int) -> torch.Tensor:
    return torch.randn(count, num_features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def exactly(mean: torch.Tensor, factor: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    """`count` rows whose own mean is `mean` and whose own covariance is `factor` `factor`ᵀ."""
    x = normal(count, len(mean), seed)
    x -= x.mean(0)
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(x.T @ x / (count - 1)), x.T, upper=False)
    return (factor @ white).T + mean


def root(matrix: torch.Tensor) -> torch.Tensor:
    """The square root of a symmetric matrix that is positive semidefinite."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ values.clamp(min=0).sqrt().diag() @ vectors.T


MEANS = torch.tensor([[1.0, -2, 0, 3], [0.5, 1, -1, 3]], dtype=torch.float64)
FACTORS = torch.tensor(  # of two covariances that do not commute
    [
        [[2, 0, 0, 0], [1.5, 1, 0, 0], [-1, 0.5, 1, 0], [0, 2, 0.3, 0.5]],
        [[1, 0, 0, 0], [-2, 1.5, 0, 0], [0, 1, 0.2, 0], [1, -1, 1, 3]],
    ],
    dtype=torch.float64,
)


def between_gaussians() -> float:
    one, two = FACTORS @ FACTORS.mT
    cross = root(root(one) @ two @ root(one))
    return ((MEANS[0] - MEANS[1]).square().sum() + (one + two - 2 * cross).trace()).item()


# --- FID


def test_fid_is_the_distance_of_two_gaussians_when_means_and_covariances_are_exact():
    real, fake = (exactly(MEANS[i], FACTORS[i], count, seed=i) for i, count in enumerate((60, 45)))
    assert between_gaussians() > 5
    assert fid(real, fake) == pytest.approx(between_gaussians(), abs=1e-6)


def test_fid_is_symmetric_and_sees_neither_order_nor_origin_and_is_zero_between_equal_sets():
    real, fake = normal(50, 8, 1), normal(70, 8, 2) * 3 + 1
    assert fid(real, fake) == pytest.approx(fid(fake, real))
    assert fid(real.flip(0), fake) == pytest.approx(fid(real, fake))
    assert fid(real + 1000, fake + 1000) == pytest.approx(fid(real, fake), abs=1e-6)
    assert all(0 <= fid(x, x.flip(0)) < 1e-9 for x in (normal(50, 8, seed) for seed in range(20)))


def test_fid_of_fewer_images_than_features_is_finite_and_grows_with_the_distance():
    real = normal(20, 64, 1).relu()
    scores = [fid(real, normal(20, 64, 2).relu() + shift) for shift in (0.0, 1.0, 2.0)]
    assert 0 < scores[0] < scores[1] < scores[2] < math.inf


def test_fid_of_what_is_not_a_number_does_not_look_perfect():
    broken = normal(20, 4, 1)
    broken[3, 2] = math.nan
    with contextlib.suppress(RuntimeError):  # from builds of torch that refuse to find its eigenvalues
        assert math.isnan(fid(normal(20, 4, 2), broken))


# --- KID


def mean_kernel(x: torch.Tensor, y: torch.Tensor, *, without_itself: bool = False) -> float:
    values = [
        (float(np.dot(a, b)) / len(a) + 1) ** 3
        for i, a in enumerate(x.numpy())
        for j, b in enumerate(y.numpy())
        if not (without_itself and i == j)
    ]
    return math.fsum(values) / len(values)


@pytest.mark.parametrize(("count_real", "count_fake"), [(60, 60), (120, 50)])
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 1.0), (2.0, 0.0)])
def test_kid_is_the_unbiased_discrepancy_of_the_cubic_kernel(count_real, count_fake, scale, shift):
    real, fake = normal(count_real, 6, 1), normal(count_fake, 6, 2) * scale + shift
    expected = (
        mean_kernel(real, real, without_itself=True)
        + mean_kernel(fake, fake, without_itself=True)
        - 2 * mean_kernel(real, fake)
    )
    found = [kid(real, fake, seed) for seed in range(5)]  # of random halves: on average, of all
    assert expected > 0.3
    assert np.mean(found) == pytest.approx(expected, rel=0.03)


def test_kid_does_not_depend_on_the_count_as_fid_does():
    def of(measure, count, times):
        return np.mean([measure(normal(count, 8, seed), normal(count, 8, 100 + seed) + 0.5) for seed in range(times)])

    assert of(kid, 40, times=50) == pytest.approx(of(kid, 200, times=15), rel=0.1)
    assert of(fid, 40, times=15) > 1.3 * of(fid, 200, times=15)


def test_kid_is_a_function_of_its_seed_and_moves_no_random_state(recwarn):
    real, fake = normal(60, 4, 1), normal(60, 4, 2) + 1
    state = torch.random.get_rng_state()
    one = kid(real, fake)
    torch.rand(3)
    assert kid(real, fake) == one
    assert kid(real, fake, seed=1) != one
    torch.random.set_rng_state(state)
    kid(real, fake)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not recwarn.list


# --- IS


@pytest.mark.parametrize("sharp", [50.0, 1000.0])
@pytest.mark.parametrize("classes", [2, 4, 10])
def test_the_inception_score_of_clear_and_equally_frequent_classes_is_their_number(sharp, classes):
    logits = sharp * torch.eye(10)[torch.arange(120) % classes]  # of ten that there might be
    assert inception_score(logits) == pytest.approx(classes)
    assert inception_score(2 * logits - sharp) == pytest.approx(classes)


@pytest.mark.parametrize("logits", [[0.0] * 10, [1000.0] + [-1000.0] * 9, [3.0, 1, 0, -1, 2, 0, 0, 0, 0, 5]])
def test_the_inception_score_of_one_thing_over_and_over_is_one(logits):
    assert inception_score(torch.tensor([logits] * 70)) == pytest.approx(1)


def test_the_inception_score_moves_no_random_state_and_warns_of_nothing(recwarn):
    logits = normal(30, 10, 1)
    state = torch.random.get_rng_state()
    assert inception_score(logits) == pytest.approx(inception_score(logits.flip(0)))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not recwarn.list


# --- who is near whom


def naive(real: torch.Tensor, fake: torch.Tensor, k: int) -> dict:
    real, fake = real.tolist(), fake.tolist()

    def reach(points, i):
        return sorted(math.dist(points[i], other) for j, other in enumerate(points) if j != i)[k - 1]

    in_real = [[math.dist(f, r) < reach(real, i) for i, r in enumerate(real)] for f in fake]
    in_fake = [[math.dist(f, r) < reach(fake, j) for j, f in enumerate(fake)] for r in real]
    return dict(
        precision=np.mean([any(row) for row in in_real]),
        recall=np.mean([any(row) for row in in_fake]),
        density=np.mean([sum(row) / k for row in in_real]),
        coverage=np.mean([any(row[i] for row in in_real) for i in range(len(real))]),
        density_of_each=[sum(row) / k for row in in_real],
    )


@pytest.mark.parametrize("chunk", [1000, 7, 1])
@pytest.mark.parametrize(("k", "shift", "scale"), [(5, 0.8, 1.0), (3, 0.0, 2.0), (1, 0.3, 0.5)])
def test_neighbourhoods_are_those_of_the_naive_definition(monkeypatch, chunk, k, shift, scale):
    monkeypatch.setattr(metrics, "CHUNK", chunk)
    real, fake = normal(45, 3, 1), normal(32, 3, 2) * scale + shift
    near, expected = neighbourhoods(real, fake, k), naive(real, fake, k)
    assert len({expected[name] for name in ("precision", "recall", "density", "coverage")}) == 4
    for name in ("precision", "recall", "density", "coverage"):
        assert isinstance(getattr(near, name), float)
        assert getattr(near, name) == pytest.approx(expected[name], abs=1e-12), name
    assert near.density_of_each.shape == (32,)
    assert near.density_of_each.tolist() == pytest.approx(expected["density_of_each"], abs=1e-12)


def test_five_neighbours_are_the_default():
    real, fake = normal(45, 3, 1), normal(32, 3, 2) + 0.8
    assert metrics.NEIGHBOURS == 5
    assert neighbourhoods(real, fake).density_of_each.tolist() == naive(real, fake, 5)["density_of_each"]


def test_few_kinds_are_precise_without_recall_and_too_many_kinds_are_the_opposite():
    wide, narrow = 10 * normal(300, 2, 1), normal(300, 2, 2) / 2
    few, many = neighbourhoods(wide, narrow), neighbourhoods(narrow, wide)
    assert few.precision > 0.95
    assert few.recall < 0.05
    assert few.coverage < 0.1
    assert many.precision < 0.1
    assert many.recall > 0.95
    assert many.density < 0.1
    assert few.density > 0.7


def test_the_same_set_again_is_wholly_precise_recalled_and_covered():
    real = normal(50, 4, 1).float()
    near = neighbourhoods(real, real)
    assert (near.precision, near.recall, near.coverage) == (1, 1, 1)
    assert neighbourhoods(real, real[:20]).coverage < 1


def test_an_outlier_among_the_fakes_is_alone_and_one_among_the_real_images_flatters_precision_but_not_density():
    outlier = torch.full((1, 3), 50.0, dtype=torch.float64)
    alone = neighbourhoods(normal(200, 3, 1), torch.cat([normal(40, 3, 2), outlier]))
    assert alone.density_of_each[-1] == 0
    assert alone.density_of_each[:-1].mean() > 0.5
    flattered = neighbourhoods(torch.cat([normal(200, 3, 1), outlier]), normal(40, 3, 2) + 20)
    assert flattered.precision == 1
    assert flattered.density == pytest.approx(1 / 5)
    assert flattered.coverage == pytest.approx(1 / 201)
    assert flattered.recall == 0


# --- spread


def test_spread_is_the_mean_distance_between_two_of_a_class():
    features = torch.tensor([[0.0, 0.0], [9.0, 9.0], [3.0, 4.0], [9.0, 9.0], [9.0, 11.0]])
    assert spread(features, torch.tensor([0, 1, 0, 1, 1]), 2).tolist() == pytest.approx([5, (0 + 2 + 2) / 3])
    of_four = spread(features, torch.tensor([3, 0, 3, 0, 1]), 4).tolist()  # one of class 1, none of class 2
    assert of_four == pytest.approx([0, math.nan, math.nan, 5], nan_ok=True)


@pytest.mark.parametrize(("score", "least"), [(fid, 2), (kid, 4), (neighbourhoods, 6)])
def test_too_few_images_for_a_score_are_refused_with_how_many_it_needs(score, least):
    enough, few = normal(least, 3, 1), normal(least - 1, 3, 2)
    assert score(enough, enough) is not None
    for sets in ((enough, few), (few, enough)):
        with pytest.raises(UserError, match=f"needs {least} images or more on both sides, got {least - 1}"):
            score(*sets)
