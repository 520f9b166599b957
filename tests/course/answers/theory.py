"""Notebook 01, the ring."""

from math import log

import numpy as np
import torch


def jsd(p, q, cell):
    m = (p + q) / 2
    return cell * (torch.xlogy(p, p / m) + torch.xlogy(q, q / m)).sum() / 2


def kl(p, q, cell):
    return cell * (p * (p / q).log()).sum()


def jsd_in_numpy(p, q, cell):
    p, q = p.numpy().astype(float), q.numpy().astype(float)
    entropy = [-(x[x > 0] * np.log(x[x > 0])).sum() for x in ((p + q) / 2, p, q)]
    return cell * (entropy[0] - (entropy[1] + entropy[2]) / 2)


def near(samples, centres, radius):
    return torch.cdist(samples, centres) < radius


def modes(samples, centres, radius):
    return (near(samples, centres, radius).float().mean(0) >= 0.01).sum()


def modes_one_by_one(samples, centres, radius):
    close = [sum((x - c).norm().item() < radius for x in samples) for c in centres]
    return sum(count >= 0.01 * len(samples) for count in close)


def modes_in_numpy(samples, centres, radius):
    offsets = samples.numpy()[:, None] - centres.numpy()
    return int(((np.hypot(*offsets.T) < radius).mean(1) >= 0.01).sum())


def w1(a, b):
    return (a.sort().values - b.sort().values).abs().mean()


def by_areas(a, b):
    """Between the two distribution functions."""
    ends = torch.cat([a, b]).double().sort().values
    below = [(x.double()[:, None] <= ends[:-1]).double().mean(0) for x in (a, b)]
    return ((below[0] - below[1]).abs() * ends.diff()).sum()


def in_place(p, q):
    p /= p + q
    return p


RIGHT = [
    ("best_discriminator", lambda p, q: p / (p + q)),
    ("best_discriminator", lambda p, q: torch.sigmoid(p.log() - q.log())),
    ("best_discriminator", lambda p, q: 1 / (1 + q / p)),
    ("best_discriminator", lambda p, q: (p.numpy() / (p + q).numpy()).tolist()),
    ("best_discriminator", lambda p, q: (p / (p + q)).half()),
    ("divergence", jsd),
    ("divergence", jsd_in_numpy),
    ("divergence", lambda p, q, cell: jsd(p.double(), q.double(), cell)),
    ("divergence", lambda p, q, cell: [float(jsd(p, q, cell))]),
    ("modes", modes),
    ("modes", modes_one_by_one),
    ("modes", modes_in_numpy),
    ("modes", lambda *given: float(modes(*given))),
    ("wasserstein", w1),
    ("wasserstein", by_areas),
    ("wasserstein", lambda a, b: float(np.abs(np.sort(a.numpy()) - np.sort(b.numpy())).mean())),
    (
        "wasserstein",
        lambda a, b: sum(abs(x - y) for x, y in zip(sorted(a.tolist()), sorted(b.tolist()), strict=True)) / len(a),
    ),
]
WRONG = [
    ("best_discriminator", lambda p, q: q / (p + q), "other way round"),
    ("best_discriminator", lambda p, q: p / q, "no bound"),
    ("best_discriminator", lambda p, q: (p / q).log(), "sigmoid is missing"),
    ("best_discriminator", lambda p, q: p - q, "difference"),
    ("best_discriminator", lambda p, q: (p - q) / (p + q), "from 0 to 1"),
    ("best_discriminator", lambda p, q: p > q, "no yes or no"),
    ("best_discriminator", lambda p, q: torch.maximum(p, q) / (p + q), "only reals"),
    ("best_discriminator", lambda p, q: torch.sigmoid(p - q), "ratio"),
    ("best_discriminator", lambda p, q: 0.5, "shape should be"),
    ("best_discriminator", lambda p, q: torch.full_like(p, 0.5), "Slope 0"),
    ("best_discriminator", in_place, "in place"),
    ("divergence", lambda p, q, cell: jsd(p, q, 1), "size of a cell"),
    ("divergence", lambda p, q, cell: 2 * jsd(p, q, cell), "half"),
    ("divergence", lambda p, q, cell: jsd(p, q, cell) / log(2), "bits"),
    ("divergence", kl, "KL(p"),
    ("divergence", lambda p, q, cell: kl(q, p, cell), "KL(q"),
    ("divergence", lambda p, q, cell: (kl(p, q, cell) + kl(q, p, cell)) / 2, "not with each other"),
    ("divergence", lambda p, q, cell: kl(p, (p + q) / 2, cell) / 2, "Half of it"),
    ("divergence", lambda p, q, cell: (kl(p, p + q, cell) + kl(q, p + q, cell)) / 2, "not the sum"),
    ("divergence", lambda p, q, cell: 2 * jsd(p, q, cell) - log(4), "JSD alone"),
    ("divergence", lambda p, q, cell: jsd(p, q, cell) ** 0.5, "root"),
    ("divergence", lambda p, q, cell: -jsd(p, q, cell), "sign"),
    ("divergence", lambda p, q, cell: (kl(p, (p + q) / 2, cell) + kl(q, (p + q) / 2, cell)) / 2, "torch.xlogy"),
    ("divergence", lambda p, q, cell: log(2), "half of"),
    ("modes", lambda x, c, r: near(x, c, r).any(0).sum(), "strays"),
    ("modes", lambda x, c, r: near(x, c, r).sum(), "how many samples"),
    ("modes", lambda x, c, r: near(x, c, r).any(1).float().mean(), "share of samples"),
    ("modes", lambda x, c, r: near(x, c, r).float().mean(0) >= 0.01, "which modes"),
    ("modes", lambda x, c, r: modes(x, c, r) / len(c), "share of the modes"),
    ("modes", lambda x, c, r: len(c) - modes(x, c, r), "missing"),
    (
        "modes",
        lambda x, c, r: (torch.cdist(x, c).argmin(1).bincount(minlength=len(c)) >= 0.01 * len(x)).sum(),
        "however far",
    ),
    ("modes", lambda x, c, r: modes(x, c, r**0.5), "root"),
    ("modes", lambda x, c, r: (near(x, c, r).float().mean(0) >= 0.1).sum(), "10%"),
    ("modes", lambda x, c, r: len(c), "how many centres"),
    ("modes", lambda x, c, r: (near(x, c, r).double().mean(0) > 0.01).sum(), "At least 1%"),
    ("modes", lambda x, c, r: (near(x, c, r).sum(0) > len(x) // 100).sum(), "At least 1%"),
    ("modes", lambda x, c, r: (near(x, c, r).sum(0) >= len(x) // 100).sum(), "share of each column"),
    ("modes", lambda x, c, r: modes(x, c, 2 * r), "diameter"),
    ("modes", lambda x, c, r: modes(x, c, 0.6), "share of each column"),
    ("modes", lambda x, c, r: ((torch.cdist(x, c) > r).float().mean(0) >= 0.01).sum(), "*nearer*"),
    ("modes", lambda x, c, r: 3, "share of each column"),
    ("wasserstein", lambda a, b: (a - b).abs().mean(), "sort both"),
    ("wasserstein", lambda a, b: (a.mean() - b.mean()).abs(), "different width"),
    ("wasserstein", lambda a, b: (a.sort().values - b.sort().values).mean(), "absolute value"),
    ("wasserstein", lambda a, b: w1(a, b) * len(a), "not the sum"),
    ("wasserstein", lambda a, b: (a.sort().values - b.sort().values).square().mean(), "W₂²"),
    ("wasserstein", lambda a, b: (a.sort().values - b.sort().values).square().mean().sqrt(), "W₂."),
    ("wasserstein", lambda a, b: (a.sort().values - b.sort().values).abs().max(), "longest way"),
    ("wasserstein", lambda a, b: (a.sort().values - b).abs().mean(), "Both have to be sorted"),
    ("wasserstein", lambda a, b: (a[:, None] - b).abs().mean(), "each number with each"),
    ("wasserstein", lambda a, b: (a[:, None] - b).abs().min(1).values.mean(), "nearest"),
    ("wasserstein", lambda a, b: 1.0, "smallest goes to the smallest"),
]
NOT_ATTEMPTED: list = []
