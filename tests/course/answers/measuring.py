"""Notebook 04, the scores."""

import numpy as np
import scipy.linalg
import torch


def frechet(m, s, n, t):
    return (m - n) ** 2 + (s - t) ** 2


def precision(distances, reach):
    return (distances < reach).any(1).float().mean()


def precision_by_loop(distances, reach):
    return np.mean([any(d < r for d, r in zip(row, reach, strict=True)) for row in distances.tolist()])


def gan_test(logits, labels):
    return 100 * (logits.argmax(1) == labels).float().mean()


def gan_test_by_loop(logits, labels):
    right = [int(np.argmax(row)) == int(label) for row, label in zip(logits.tolist(), labels, strict=True)]
    return 100.0 * sum(right) / len(right)


def root_trace(matrix):
    return torch.linalg.eigvals(matrix).sqrt().real.sum()


def fid(x, y, cov=lambda z: torch.cov(z.T), moved=lambda m: m.square().sum(), between=lambda a, b: root_trace(a @ b)):
    one, other = cov(x), cov(y)
    return moved(x.mean(0) - y.mean(0)) + one.trace() + other.trace() - 2 * between(one, other)


def fid_by_scipy(real, fake):
    x, y = real.double().numpy(), fake.double().numpy()
    one, other = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    return np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(one + other - 2 * scipy.linalg.sqrtm(one @ other).real)


def fid_by_symmetric_roots(real, fake):
    """tr (Σ₁Σ₂)^½ is the nuclear norm of Σ₁^½ Σ₂^½, and any factor will do for a root."""
    x, y = ((z - z.mean(0)).double() / (len(z) - 1) ** 0.5 for z in (real, fake))
    moved = (real.mean(0) - fake.mean(0)).double().square().sum()
    return (moved + x.square().sum() + y.square().sum() - 2 * torch.linalg.matrix_norm(x @ y.T, "nuc")).item()


def inside(centres, points, k):
    reach = torch.cdist(centres, centres).topk(k + 1, largest=False).values[:, -1]
    return torch.cdist(centres, points) < reach[:, None]


def coverage(real, fake, k):
    return inside(real, fake, k).any(1).float().mean()


def coverage_by_loop(real, fake, k):
    covered = 0
    for i, x in enumerate(real.tolist()):
        near = sorted(np.linalg.norm(np.subtract(x, other)) for j, other in enumerate(real.tolist()) if j != i)
        covered += any(np.linalg.norm(np.subtract(x, other)) <= near[k - 1] for other in fake.tolist())
    return covered / len(real)


def coverage_by_nearest(real, fake, k):
    apart = torch.cdist(real, real)
    apart.fill_diagonal_(torch.inf)
    return (torch.cdist(real, fake).min(1).values / apart.sort().values[:, k - 1] < 1).double().mean()


def in_place(real, fake):
    real -= real.mean(0)
    return fid(real, fake)


BOTH = ("GAN-test", "GAN-train")
RIGHT = [
    ("gan_test", gan_test),
    ("gan_test", gan_test_by_loop),
    (
        "gan_test",
        lambda logits, labels: 100 - 100 * (logits.softmax(1).argmax(1) - labels).count_nonzero() / len(labels),
    ),
    ("gan_test", lambda logits, labels: (logits.max(1).indices == labels).double().mean().item() * 100),
    ("gan_test", lambda x, y: 100 * (x.gather(1, y[:, None])[:, 0] >= x.amax(1)).numpy().mean()),
    ("fid", fid),
    ("fid", fid_by_scipy),
    ("fid", fid_by_symmetric_roots),
    ("fid", lambda real, fake: fid(fake.double(), real.double()).item()),
    ("fid", lambda x, y: fid(x, y, lambda z: (z - z.mean(0)).T @ (z - z.mean(0)) / (len(z) - 1))),
    ("fid", lambda x, y: fid(x, y, between=lambda a, b: torch.linalg.eigvals(b @ a).real.clamp(min=0).sqrt().sum())),
    ("coverage", coverage),
    ("coverage", coverage_by_loop),
    ("coverage", coverage_by_nearest),
    ("coverage", lambda real, fake, k: coverage(real.double(), fake.double(), k).item()),
    ("coverage", lambda x, y, k: (inside(x, y, k).sum(1) > 0).sum() / len(x)),
    ("frechet", frechet),
    ("frechet", lambda m, s, n, t: (m - n) ** 2 + s * s + t * t - 2 * (s * s * t * t) ** 0.5),
    ("frechet", lambda m, s, n, t: np.float32(frechet(m, s, n, t))),
    ("frechet", lambda m, s, n, t: torch.dist(torch.tensor([m, s]), torch.tensor([n, t])) ** 2),
    ("frechet", lambda m, s, n, t: [abs(complex(m - n, s - t)) ** 2]),
    ("precision", precision),
    ("precision", lambda distances, reach: ((distances < reach).sum(1) > 0).float().mean().item()),
    ("precision", lambda distances, reach: precision(distances, reach).double()),
    ("precision", lambda distances, reach: ((distances / reach).min(1).values <= 1).sum() / len(distances)),
    ("precision", lambda distances, reach: 1 - (distances >= reach).all(1).half().mean()),
    ("precision", precision_by_loop),
    *(("swapped_labels", kind(BOTH)) for kind in (set, list, tuple, frozenset, np.array, iter)),
]
WRONG = [
    ("gan_test", lambda logits, labels: gan_test(logits, labels) / 100, "percent, from 0 to 100"),
    ("gan_test", lambda logits, labels: (logits.argmax(1) == labels).sum(), "percent of all"),
    ("gan_test", lambda logits, labels: logits.argmax(1) == labels, "take their mean"),
    ("gan_test", lambda logits, labels: 100 * (logits.argmax(1) != labels).float().mean(), "*not*"),
    ("gan_test", lambda x, y: 100 * x.softmax(1)[torch.arange(len(y)), y].mean(), "how sure"),
    ("gan_test", lambda x, y: gan_test(x, y.sort().values), "argmax(1)"),
    ("gan_test", lambda x, y: 100 * (x.argmin(1) == y).float().mean(), "argmax(1)"),
    ("gan_test", lambda x, y: 100 * (x[torch.arange(len(y)), y] > 0).float().mean(), "argmax(1)"),
    ("gan_test", lambda x, y: 100 * (x.topk(2).indices == y[:, None]).any(1).float().mean(), "argmax(1)"),
    ("gan_test", lambda x, y: round(gan_test(x, y).item()), "argmax(1)"),
    ("gan_test", lambda x, y: 60.0, "argmax(1)"),
    ("gan_test", lambda x, y: gan_test(x[:10], y[:10]), "argmax(1)"),
    ("gan_test", lambda x, y: 100 * (x.argmax(1) == y).float().sum() / x.shape[1], "argmax(1)"),
    ("gan_test", lambda x, y: gan_test(x, y.clamp_(max=2)), "not in place"),
    ("gan_test", lambda x, y: 100 * (x.argmax(0) == y).float().mean(), "must match"),
    ("fid", lambda x, y: (x.mean(0) - y.mean(0)).square().sum(), "traces are missing"),
    ("fid", lambda x, y: fid(x, y, moved=lambda m: 0), "means are missing"),
    ("fid", lambda x, y: fid(x, y, moved=lambda m: m.norm()), "as its square"),
    ("fid", lambda x, y: fid(x, y, moved=lambda m: m.square().mean()), "is their sum"),
    ("fid", lambda x, y: fid(x, y, moved=lambda m: m.abs().sum()), "trace of a root"),
    ("fid", lambda x, y: fid(x, y, between=lambda a, b: 0), "last part is missing"),
    ("fid", lambda x, y: fid(x, y, between=lambda a, b: root_trace(a @ b) / 2), "factor 2"),
    ("fid", lambda x, y: fid(x, y, between=lambda a, b: -root_trace(a @ b)), "taken away"),
    ("fid", lambda x, y: fid(x, y, between=lambda a, b: (a @ b).trace()), "root is missing"),
    ("fid", lambda x, y: fid(x, y, between=lambda a, b: root_trace(a * b)), "not of number with number"),
    ("fid", lambda x, y: fid(x, y, between=lambda a, b: (a @ b).abs().sqrt().trace()), "root of each number"),
    ("fid", lambda x, y: fid(x, y, between=lambda a, b: (a @ b).sqrt().trace()), "trace of a root"),
    ("fid", lambda x, y: fid(x, y, between=lambda a, b: root_trace(a) * root_trace(b)), "trace of a root"),
    ("fid", lambda x, y: fid(x, y, between=lambda a, b: (a @ b).trace().sqrt()), "trace of a root"),
    ("fid", lambda x, y: fid(x, y) ** 0.5, "No root at the end"),
    ("fid", lambda x, y: fid(x, y, lambda z: torch.diag(z.var(0))), "Only the variances"),
    ("fid", lambda x, y: fid(x, y, lambda z: torch.diag(z.std(0))), "trace of a root"),
    ("fid", lambda x, y: fid(x, y, lambda z: torch.cov(z.T, correction=0)), "N − 1"),
    ("fid", lambda x, y: fid(x, y, lambda z: z.T @ z / len(z)), "Without its mean"),
    ("fid", lambda x, y: fid(x, y, lambda z: torch.corrcoef(z.T)), "trace of a root"),
    ("fid", lambda x, y: fid(x, y, lambda z: torch.cov(z)), "cannot be multiplied"),
    ("fid", lambda x, y: fid(x, y[: len(x)]), "trace of a root"),
    ("fid", lambda x, y: fid(x, x) + fid(y, y) + 3, "trace of a root"),
    ("fid", lambda x, y: fid(x, y, moved=lambda m: m.square()), "one number"),
    ("fid", in_place, "not in place"),
    ("coverage", lambda x, y, k: 100 * coverage(x, y, k), "percent"),
    ("coverage", lambda x, y, k: inside(x, y, k).any(1).sum(), "share of all real"),
    ("coverage", lambda x, y, k: inside(x, y, k).any(1), "take their mean"),
    ("coverage", lambda x, y, k: inside(x, y, k - 1).any(1).float().mean(), "is itself"),
    ("coverage", lambda x, y, k: coverage(x, y, k + 1), "is number 0"),
    ("coverage", lambda x, y, k: inside(x, y, k).any(0).float().mean(), "precision"),
    ("coverage", lambda x, y, k: inside(y, x, k).any(0).float().mean(), "recall"),
    ("coverage", lambda x, y, k: coverage(y, x, k), "exchanged"),
    ("coverage", lambda x, y, k: inside(x, y, k).float().mean(), "no mean over the fakes"),
    ("coverage", lambda x, y, k: inside(x, y, k).sum(1).float().mean(), "not its fakes"),
    ("coverage", lambda x, y, k: inside(x, y, k).all(1).float().mean(), "position k"),
    ("coverage", lambda x, y, k: 1 - coverage(x, y, k), "position k"),
    ("coverage", lambda x, y, k: coverage(x, y, 5), "position k"),
    ("coverage", lambda x, y, k: coverage(x, y, 1), "position k"),
    ("coverage", lambda x, y, k: 0.75, "position k"),
    ("coverage", lambda x, y, k: (torch.cdist(x, y).min(1).values < 1).float().mean(), "position k"),
    (
        "coverage",
        lambda x, y, k: (torch.cdist(x, y) < torch.cdist(x, x).max(1).values[:, None]).any(1).float().mean(),
        "farthest of all",
    ),
    (
        "coverage",
        lambda x, y, k: (torch.cdist(x, y) < torch.cdist(x, x).sort().values[:, k]).any(1).float().mean(),
        "must match",
    ),
    ("coverage", lambda x, y, k: coverage(x.mul_(2), y, k), "not in place"),
    ("frechet", lambda m, s, n, t: (m - n) ** 2 + (s * s - t * t) ** 2, "a square of what"),
    ("frechet", lambda m, s, n, t: (m - n) ** 2 + s * s + t * t, "last part is missing"),
    ("frechet", lambda m, s, n, t: (m - n) ** 2 + s * s + t * t - s * t, "factor 2"),
    ("frechet", lambda m, s, n, t: (m - n) ** 2 + (s + t) ** 2, "taken away"),
    ("frechet", lambda m, s, n, t: (m - n) ** 2 + s * s + t * t - 2 * (s * t) ** 2, "is a root"),
    ("frechet", lambda m, s, n, t: (m - n) ** 2 + s + t - 2 * (s * t) ** 0.5, "the arguments are σ"),
    ("frechet", lambda m, s, n, t: (m - n) ** 2, "widths count"),
    ("frechet", lambda m, s, n, t: (s - t) ** 2, "distance of the means is missing"),
    ("frechet", lambda m, s, n, t: abs(m - n) + (s - t) ** 2, "counts as its square"),
    ("frechet", lambda m, s, n, t: ((m - n) ** 2 + (s - t) ** 2) ** 0.5, "No root"),
    ("frechet", lambda m, s, n, t: abs(m - n) + abs(s - t), "Put that into the formula"),
    ("frechet", lambda m, s, n, t: (m + n) ** 2 + (s - t) ** 2, "Put that into the formula"),
    ("frechet", lambda m, s, n, t: 9.0, "Put that into the formula"),
    ("frechet", lambda m, s, n, t: round(frechet(m, s, n, t), 1), "Put that into the formula"),
    ("frechet", lambda m, s, n, t: frechet(m, t, n, s) + (m - n) * (s - t), "Put that into the formula"),
    ("frechet", lambda m, s, n, t: (m - n) ** 0.5, "complex"),
    ("frechet", lambda m, s, n, t: ((m - n) ** 2, (s - t) ** 2), "one number"),
    ("precision", lambda distances, reach: (distances < reach).any(0).float().mean(), "coverage"),
    ("precision", lambda distances, reach: 100 * precision(distances, reach), "percent"),
    ("precision", lambda distances, reach: (distances < reach).float().mean(), "One ball is enough"),
    ("precision", lambda distances, reach: (distances < reach).sum(1).float().mean(), "counts once"),
    ("precision", lambda distances, reach: (distances < reach).any(1).sum(), "share of all fakes"),
    ("precision", lambda distances, reach: (distances < reach).any(1), "take their mean"),
    ("precision", lambda distances, reach: (distances > reach).all(1).float().mean(), "outside all balls"),
    ("precision", lambda d, reach: (d.min(1).values < reach[d.argmin(1)]).float().mean(), "nearest real image"),
    ("precision", lambda distances, reach: (distances < reach).all(1).float().mean(), "any of its"),
    ("precision", lambda distances, reach: (distances < reach.mean()).any(1).float().mean(), "any of its"),
    ("precision", lambda distances, reach: (distances < reach.max()).any(1).float().mean(), "any of its"),
    ("precision", lambda distances, reach: (distances > reach).any(1).float().mean(), "any of its"),
    ("precision", lambda distances, reach: 0.6, "any of its"),
    ("precision", lambda distances, reach: (distances < 1).any(1).float().mean(), "any of its"),
    ("precision", lambda distances, reach: precision(distances[:5], reach), "any of its"),
    ("precision", lambda distances, reach: precision(distances.sub_(reach), 0), "not in place"),
    ("precision", lambda distances, reach: bool((distances < reach).any()), "any of its"),
    ("swapped_labels", {"GAN-test"}, "what will it say of real digits"),
    ("swapped_labels", {"GAN-train"}, "One score asks of each image"),
    ("swapped_labels", set(), "One score asks of each image"),
    ("swapped_labels", {"GAN-test", "GAN-train", "FID"}, "FID looks at the images alone"),
    ("swapped_labels", [*BOTH, "recall", "IS"], "IS looks at the images alone"),
    ("swapped_labels", {"GAN-test", "FDI"}, "FDI is not among"),
    ("swapped_labels", [["GAN-test", "GAN-train"]], "is not among"),
    ("swapped_labels", ["GAN-test", 3], "3 is not among"),
    ("swapped_labels", "GAN-test", "set of names"),
    ("swapped_labels", {"GAN-test": True, "GAN-train": True}, "set of names"),
    ("swapped_labels", 2, "set of names"),
]
NOT_ATTEMPTED = [("swapped_labels", {...}), ("swapped_labels", {"FID", ...})]
