"""Notebook 04, to design."""

import torch

from cgan_lib.evaluation.metrics import fid, neighbourhoods


def rows_of(training, right=True):
    """For each class the places of its images, of those alone that are read right."""
    good = training.read == training.labels if right else torch.ones_like(training.labels, dtype=torch.bool)
    return [torch.where(good & (training.labels == label))[0] for label in training.labels.unique()]


def at_random(training, count, right=True):
    rows = rows_of(training, right)
    shares = [count // len(rows) + (i < count % len(rows)) for i in range(len(rows))]
    return torch.cat([row[torch.randperm(len(row))[:share]] for row, share in zip(rows, shares, strict=True)])


def best_of_many(training, count, tries):
    tried = [at_random(training, count) for _ in range(tries)]
    return min(tried, key=lambda rows: fid(training.features, training.features[rows]))


def like_all(x, y):
    """How near two sets are in mean and covariance."""
    return (x.mean(0) - y.mean(0)).square().sum() + (torch.cov(x.T) - torch.cov(y.T)).square().sum() / 20


def by_moments(training, count):
    tried = [at_random(training, count) for _ in range(300)]
    return min(tried, key=lambda rows: like_all(training.features, training.features[rows])).numpy()


def by_class_moments(training, count):
    """The best of many for each class alone."""
    chosen, rows = [], rows_of(training)
    for i, row in enumerate(rows):
        share = count // len(rows) + (i < count % len(rows))
        tried = [row[torch.randperm(len(row))[:share]] for _ in range(300)]
        x = training.features
        chosen += min(tried, key=lambda some: like_all(x[row], x[some])).tolist()
    return chosen


def by_exchange(training, count, apart=fid, steps=120):
    rows = at_random(training, count)
    pool = torch.cat(rows_of(training))
    best = apart(training.features, training.features[rows])
    for _ in range(steps):
        tried = rows.clone()
        tried[torch.randint(count, ())] = pool[torch.randint(len(pool), ())]
        if (found := apart(training.features, training.features[tried])) < best:
            rows, best = tried, found
    return tuple(rows.tolist())


def surest(training, count):
    """The most typical images of each class."""
    rows = []
    for row in rows_of(training):
        middle = training.features[row].mean(0)
        rows.append(row[(training.features[row] - middle).norm(dim=1).argsort()[: -(-count // len(rows_of(training)))]])
    return torch.stack(rows, 1).flatten()[:count]


def nearest(one, other):
    return torch.cdist(one.features, other.features).min(1).values


def right(fake):
    return (fake.read == fake.labels).float().mean()


def new(fake, training, test, quantile=0.05):
    return 1 - (nearest(fake, training) < nearest(test, training).quantile(quantile)).float().mean()


def coverage(fake, test):
    return neighbourhoods(test.features, fake.features).coverage


def product(fake, training, test):
    near = neighbourhoods(test.features, fake.features)
    return near.coverage * near.precision * right(fake) * new(fake, training, test)


def least(fake, training, test):
    return min(coverage(fake, test), right(fake).item(), new(fake, training, test).item())


def by_class(fake, training, test):
    each = [
        -fid(test.features[test.labels == c], fake.features[fake.labels == c]) for c in range(len(test.labels.unique()))
    ]
    return sum(each) - 100 * (1 - new(fake, training, test))


def as_far_as_strangers(fake, training, test):
    ratio = nearest(fake, training).median() / nearest(test, training).median()
    return coverage(fake, test) * right(fake) * min(ratio.item(), 1.0)


def counting_exact_copies(fake, training, test):
    return coverage(fake, test) * right(fake) * (nearest(fake, training) > 1e-4).float().mean()


RIGHT = [
    *(("cheat", way) for way in (by_moments, by_class_moments, by_exchange)),
    ("cheat", lambda training, count: by_exchange(training, count, like_all, 400)),
    *(("own_metric", metric) for metric in (product, least, by_class, as_far_as_strangers)),
]
WRONG = [
    ("cheat", at_random, "random pictures score"),
    ("cheat", lambda training, count: at_random(training, count, right=False), "not read as their label"),
    ("cheat", surest, "chance cheats better"),
    ("cheat", lambda training, count: [rows_of(training)[0][0].item()] * count, "chance cheats better"),
    ("cheat", lambda training, count: torch.cat(rows_of(training))[:count], "chance cheats better"),
    ("cheat", lambda training, count: torch.arange(count), "not read as their label"),
    ("cheat", lambda training, count: best_of_many(training, count, 3), "random pictures score"),
    ("cheat", lambda training, count: best_of_many(training, count - 1, 2), "(40,)"),
    ("cheat", lambda training, count: training.features[:count], "(40,)"),
    ("cheat", lambda training, count: torch.cat(rows_of(training)), "(40,)"),
    ("cheat", lambda training, count: torch.rand(count), "whole numbers"),
    ("cheat", lambda training, count: torch.full((count,), -1), "run from 0"),
    ("cheat", lambda training, count: torch.full((count,), 9999), "run from 0"),
    ("cheat", lambda training, count: at_random(training, count) + 0 * training.labels.zero_()[:1], "not in place"),
    ("own_metric", lambda fake, training, test: -fid(test.features, fake.features), "comparisons are right"),
    ("own_metric", lambda fake, training, test: fid(test.features, fake.features), "comparisons are right"),
    ("own_metric", lambda fake, training, test: right(fake), "comparisons are right"),
    ("own_metric", lambda fake, training, test: coverage(fake, test), "comparisons are right"),
    ("own_metric", lambda fake, training, test: coverage(fake, test) * right(fake), "copies"),
    (
        "own_metric",
        lambda fake, training, test: coverage(fake, test) * new(fake, training, test),
        "labels",
    ),
    ("own_metric", lambda fake, training, test: right(fake) * new(fake, training, test), "comparisons are right"),
    ("own_metric", counting_exact_copies, "copies, slightly changed"),
    ("own_metric", lambda fake, training, test: nearest(fake, training).mean(), "comparisons are right"),
    ("own_metric", lambda fake, training, test: -product(fake, training, test), "comparisons are right"),
    ("own_metric", lambda fake, training, test: 1.0, "comparisons are right"),
    ("own_metric", lambda fake, training, test: torch.rand(()), "comparisons are right"),
    ("own_metric", lambda fake, training, test: float("nan"), "comparisons are right"),
    ("own_metric", lambda fake, training, test: (coverage(fake, test), right(fake)), "one number"),
    (
        "own_metric",
        lambda fake, training, test: product(fake, training, test) + fake.labels.zero_().sum(),
        "not in place",
    ),
]
NOT_ATTEMPTED = []
