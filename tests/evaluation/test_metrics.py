"""The scores against closed forms, naive implementations and each other, on features made for the purpose."""

import contextlib
import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

import cgan_lib.evaluation.metrics as metrics
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


def test_fid_of_large_samples_comes_close_to_that_of_the_gaussians_they_are_from():
    real, fake = (MEANS[i] + normal(100_000, 4, seed=i) @ FACTORS[i].T for i in range(2))
    assert fid(real, fake) == pytest.approx(between_gaussians(), rel=0.02)


def test_fid_agrees_with_the_matrix_root_of_scipy():
    real, fake = normal(300, 40, 1).relu(), (normal(200, 40, 2) @ normal(40, 40, 3) / 6).relu()
    (mean, cov), (mean_f, cov_f) = ((x.mean(0).numpy(), np.cov(x.numpy(), rowvar=False)) for x in (real, fake))
    expected = ((mean - mean_f) ** 2).sum() + np.trace(cov + cov_f - 2 * sqrtm(cov @ cov_f).real)
    assert fid(real, fake) == pytest.approx(expected, rel=1e-6)


def test_fid_is_symmetric_and_sees_neither_order_nor_origin_and_is_zero_between_equal_sets():
    real, fake = normal(50, 8, 1), normal(70, 8, 2) * 3 + 1
    assert fid(real, fake) == pytest.approx(fid(fake, real))
    assert fid(real.flip(0), fake) == pytest.approx(fid(real, fake))
    assert fid(real + 1000, fake + 1000) == pytest.approx(fid(real, fake), abs=1e-6)
    assert all(0 <= fid(some, some.flip(0)) < 1e-9 for some in (normal(50, 8, seed) for seed in range(20)))


def test_fid_of_fewer_images_than_features_is_finite_and_grows_with_the_distance():
    real = normal(20, 64, 1).relu()
    scores = [fid(real, normal(20, 64, 2).relu() + shift) for shift in (0.0, 1.0, 2.0)]
    assert 0 < scores[0] < scores[1] < scores[2] < math.inf


def test_fid_of_one_distribution_falls_as_the_count_grows():
    scores = [fid(normal(count, 16, 1), normal(count, 16, 2)) for count in (40, 400, 4000)]
    assert scores[0] > 5 * scores[1] > 25 * scores[2] > 0


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


def test_kid_of_one_distribution_is_zero_on_average_and_may_be_negative():
    scores = np.array([kid(normal(200, 8, seed), normal(200, 8, 100 + seed)) for seed in range(20)])
    far = kid(normal(200, 8, 0), normal(200, 8, 1) + 1)
    assert abs(scores.mean()) < 0.02 * far
    assert scores.min() < 0 < scores.max()


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
@pytest.mark.parametrize("classes", [2, 10])
def test_the_inception_score_of_clear_and_equally_frequent_classes_is_their_number(sharp, classes):
    logits = sharp * torch.eye(classes).repeat(13, 1)
    assert inception_score(logits) == pytest.approx(classes)
    assert inception_score(logits - sharp) == pytest.approx(classes)
    assert inception_score(logits[torch.randperm(len(logits))]) == pytest.approx(classes)
    assert inception_score(2 * logits - sharp) == pytest.approx(classes)


def test_the_inception_score_counts_the_classes_that_are_there():
    assert inception_score(1000 * torch.eye(10)[torch.arange(120) % 4]) == pytest.approx(4)


@pytest.mark.parametrize("logits", [[0.0] * 10, [1000.0] + [-1000.0] * 9, [3.0, 1, 0, -1, 2, 0, 0, 0, 0, 5]])
def test_the_inception_score_of_one_thing_over_and_over_is_one(logits):
    assert inception_score(torch.tensor([logits] * 70)) == pytest.approx(1)


@pytest.mark.filterwarnings("ignore:Metric `InceptionScore` will save", "ignore:std")
def test_the_inception_score_is_that_of_torchmetrics_without_splits():
    from torchmetrics.image.inception import InceptionScore

    logits = 3 * normal(150, 10, 1)
    reference = InceptionScore(metrics._AsGiven(10), splits=1)
    reference.update(logits)
    expected = reference.compute()[0].item()
    assert 2 < expected < 9
    assert inception_score(logits) == pytest.approx(expected)
    assert inception_score(logits.float()) == pytest.approx(expected, rel=1e-5)


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


def test_far_away_nothing_is_precise_or_recalled():
    near = neighbourhoods(normal(60, 3, 1), normal(60, 3, 2) + 100)
    assert (near.precision, near.recall, near.density, near.coverage) == (0, 0, 0, 0)
    assert near.density_of_each.tolist() == [0] * 60


def test_one_distribution_has_the_density_and_coverage_that_theory_expects():
    """Naeem et al. 2020: density 1, coverage 1 − (N−1)…(N−k) / (2N−1)…(2N−k) for as many fakes as real images."""
    near = [neighbourhoods(normal(400, 16, seed), normal(400, 16, 100 + seed)) for seed in range(5)]
    expected = 1 - math.prod((400 - i) / (800 - i) for i in range(1, 6))
    assert np.mean([one.density for one in near]) == pytest.approx(1, abs=0.05)
    assert np.mean([one.coverage for one in near]) == pytest.approx(expected, abs=0.01)


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
    assert spread(features, torch.tensor([0, 1, 0, 1, 1])).tolist() == pytest.approx([5, (0 + 2 + 2) / 3])
    assert spread(features, torch.tensor([1, 0, 1, 0, 0])).tolist() == pytest.approx([(0 + 2 + 2) / 3, 5])
