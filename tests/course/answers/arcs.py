"""Notebook 06."""

from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from cgan_lib.sampling import blend, latents, slerp

ONE, SEVEN = torch.eye(10)[[1, 7]]


def arc(start, end, share):
    angle = torch.arccos(F.cosine_similarity(start, end, dim=0))
    return (torch.sin((1 - share) * angle) * start + torch.sin(share * angle) * end) / torch.sin(angle)


def arc_in_numpy(start, end, share):
    start, end = start.numpy().astype(float), end.numpy().astype(float)
    angle = np.arccos(start @ end / np.linalg.norm(start) / np.linalg.norm(end))
    return (np.sin((1 - share) * angle) * start + np.sin(share * angle) * end) / np.sin(angle)


def arc_at_angle(angle_of):
    """The arc, with another angle."""

    def point(start, end, share):
        angle = angle_of(start, end)
        return (torch.sin((1 - share) * angle) * start + torch.sin(share * angle) * end) / torch.sin(angle)

    return point


def arc_in_place(start, end, share):
    angle = torch.arccos(F.cosine_similarity(start, end, dim=0))
    start *= torch.sin((1 - share) * angle)
    return (start + torch.sin(share * angle) * end) / torch.sin(angle)


def film(start, end, digit, frames):
    shares = torch.linspace(0, 1, frames)
    return slerp(start, end, shares), torch.full((frames,), digit)


def film_in_a_loop(start, end, digit, frames):
    z, labels = [], []
    for frame in range(frames):
        z.append(arc(start, end, frame / (frames - 1)))
        labels.append(digit)
    return torch.stack(z), labels


def film_through(z_of_shares, labels_of=lambda digit, frames: [digit] * frames):
    """A film with other latents, from the shares of its frames, or other labels."""

    def inputs(start, end, digit, frames):
        return z_of_shares(start, end, torch.linspace(0, 1, frames)), labels_of(digit, frames)

    return inputs


def broken_film(start, end, digit, frames):
    z, labels = [], []
    for frame in range(frames):
        share = frame / frames
        z.append((1 - share) * start + share * end)
        labels.append((digit + frame) % 10)
    return torch.stack(z), torch.tensor(labels)


def along_the_line(start, end, shares):
    return torch.lerp(start, end, shares[:, None])


def truncated(count, latent_dim, limit):
    z = torch.randn(count, latent_dim)
    while (far := z.abs() > limit).any():
        z[far] = torch.randn(int(far.sum()))
    return z


def redrawn(again):
    """Latents of which the coordinates that are too far out are replaced in another way, once."""

    def draw(count, latent_dim, limit):
        z = torch.randn(count, latent_dim)
        far = z.abs() > limit
        z[far] = again(z[far], limit)
        return z

    return draw


def by_quantiles(count, latent_dim, limit):
    below = torch.special.ndtr(torch.tensor(-limit))
    return torch.special.ndtri(below + torch.rand(count, latent_dim) * (1 - 2 * below)).clamp(-limit, limit)


def from_a_pool(count, latent_dim, limit):
    pool = torch.randn(200_000)
    return pool[pool.abs() <= limit][: count * latent_dim].reshape(count, latent_dim)


def in_numpy(count, latent_dim, limit):
    z = np.random.default_rng(0).standard_normal((count, latent_dim))
    while (np.abs(z) > limit).any():
        z = np.where(np.abs(z) > limit, np.random.default_rng(int(1e6 * abs(z).sum())).standard_normal(z.shape), z)
    return z


def three_tries(count, latent_dim, limit):
    z = torch.randn(count, latent_dim)
    for _ in range(3):
        z = torch.where(z.abs() > limit, torch.randn(z.shape), z)
    return z.clamp(-limit, limit)


RIGHT_TRUNCATED = [
    truncated,
    by_quantiles,
    from_a_pool,
    in_numpy,
    lambda count, latent_dim, limit: latents(count, latent_dim, truncation=limit),
    lambda *a: nn.init.trunc_normal_(torch.empty(a[:2]), a=-a[2], b=a[2]),
    lambda *a: truncated(*a).bfloat16(),
]
RIGHT = [
    ("slerp", arc),
    ("slerp", arc_in_numpy),
    ("slerp", lambda start, end, share: arc(start.double(), end.double(), share)),
    ("slerp", lambda start, end, share: arc(start, end, share).tolist()),
    ("slerp", lambda start, end, share: slerp(start, end, torch.tensor([share]))[0]),
    ("film", film),
    ("film", film_in_a_loop),
    ("film", film_through(lambda start, end, shares: [arc(start, end, share) for share in shares])),
    ("film", film_through(lambda *a: slerp(*a).double().numpy(), lambda digit, n: np.repeat(digit, n))),
    ("film", film_through(slerp, lambda digit, n: (digit,) * n)),
    ("between", torch.tensor([0, 0.75, 0, 0, 0, 0, 0, 0.25, 0, 0])),
    ("between", torch.lerp(ONE, SEVEN, 0.25).double()),
    ("between", blend(1, 7, torch.tensor([0.25]))[0]),
    ("between", [0, 0.75, 0, 0, 0, 0, 0, 0.25, 0, 0]),
    ("between", [0, Fraction(3, 4), 0, 0, 0, 0, 0, Fraction(1, 4), 0, 0]),
    ("between", np.eye(10)[1] * 0.75 + np.eye(10)[7] / 4),
    ("between", (0.75 * ONE + 0.25 * SEVEN).bfloat16()),
    *(("truncated", method) for method in RIGHT_TRUNCATED),
    ("truncated", lambda *a: truncated(*a).tolist()),
]
WRONG = [
    ("slerp", torch.lerp, "straight line"),
    ("slerp", lambda start, end, share: F.normalize(torch.lerp(start, end, share), dim=0), "made length 1"),
    ("slerp", lambda start, end, share: arc(end, start, share), "exchanged"),
    ("slerp", lambda start, end, share: (1 - share) * end + share * start, "with sines"),
    ("slerp", lambda *a: arc(*a) * torch.sin(torch.arccos(F.cosine_similarity(a[0], a[1], 0))), "Divide by sin(angle)"),
    ("slerp", lambda start, end, share: F.normalize(arc(start, end, share), dim=0), "length is not"),
    ("slerp", lambda *a: arc(F.normalize(a[0], dim=0), F.normalize(a[1], dim=0), a[2]), "put start and end"),
    ("slerp", lambda start, end, share: arc(start, end, share)[None], "shape should be (4,)"),
    ("slerp", lambda start, end, share: start, "with sines"),
    ("slerp", lambda start, end, share: arc(start, end, 0.5), "with sines"),
    ("slerp", lambda start, end, share: torch.lerp(start, end, np.sin(share * np.pi / 2).item()), "with sines"),
    ("slerp", arc_at_angle(lambda start, end: torch.tensor(torch.pi / 2)), "with sines"),
    ("slerp", arc_at_angle(lambda start, end: torch.arccos(start @ end)), "NaN"),
    ("slerp", arc_at_angle(lambda start, end: torch.arccos(F.cosine_similarity(start, end, 0).abs())), "with sines"),
    (
        "slerp",
        arc_at_angle(lambda start, end: torch.rad2deg(torch.arccos(F.cosine_similarity(start, end, 0)))),
        "sines",
    ),
    ("slerp", arc_in_place, "not in place"),
    ("film", broken_film, "digit changes"),
    ("film", film_through(along_the_line), "too short"),
    ("film", film_through(lambda a, b, t: slerp(a, b, t * (1 - 1 / len(t)))), "never arrives"),
    ("film", film_through(lambda a, b, t: slerp(b, a, t)), "start itself"),
    ("film", film_through(lambda a, b, t: slerp(a, b, t), lambda digit, n: torch.full((n,), 3)), "digit changes"),
    ("film", film_through(slerp, lambda digit, n: torch.arange(n)), "digit changes"),
    ("film", film_through(slerp, lambda digit, n: torch.full((n,), float(digit))), "whole numbers"),
    ("film", film_through(slerp, lambda digit, n: digit), "shape should be (5,)"),
    ("film", film_through(slerp, lambda digit, n: torch.full((n, 1), digit)), "shape should be (5,)"),
    ("film", film_through(lambda a, b, t: slerp(a, b, t**2)), "even steps"),
    ("film", film_through(lambda a, b, t: F.normalize(along_the_line(a, b, t), dim=1) * 10), "start itself"),
    ("film", film_through(lambda a, b, t: torch.cat([a[None], torch.randn(len(t) - 2, len(a)), b[None]])), "even"),
    ("film", film_through(lambda a, b, t: slerp(a, b, t)[:-1]), "shape should be (5, 16)"),
    ("film", lambda *a: film(*a)[::-1], "other way round"),
    ("film", lambda *a: film(*a)[0], "Return both"),
    ("film", lambda start, end, digit, frames: film(start.mul_(1.1), end, digit, frames), "not in place"),
    ("between", torch.tensor([0, 0.25, 0, 0, 0, 0, 0, 0.75, 0, 0]), "from 7 to 1"),
    ("between", [0, 75, 0, 0, 0, 0, 0, 25, 0, 0], "percent"),
    ("between", (ONE + SEVEN) / 2, "half of the way"),
    ("between", torch.tensor([0, 1, 0, 0, 0, 0, 0, 0.25, 0, 0]), "these make 1.25"),
    ("between", torch.full((10,), float("nan")), "these make nan"),
    ("between", torch.tensor([0.75, 0, 0, 0, 0, 0, 0.25, 0, 0, 0]), "Position 1"),
    ("between", torch.tensor([0, 0.8, 0, 0, 0, 0, 0, 0.2, 0, 0]), "Position 1"),
    ("between", torch.tensor([-1, 1.75, 0, 0, 0, 0, 0, 0.25, 0, 0]), "Position 1"),
    ("between", SEVEN, "Position 1"),
    ("between", [0.75, 0.25], "shape should be (10,)"),
    ("between", (0.75 * ONE + 0.25 * SEVEN)[None], "shape should be (10,)"),
    ("between", {1: 0.75, 7: 0.25}, "this is dict"),
    ("between", [[0.75], 0.25], "differ in shape"),
    ("between", 2.5, "shape should be (10,)"),
    ("truncated", lambda n, d, limit: torch.randn(n, d), "none may be beyond 0.8"),
    ("truncated", lambda n, d, limit: torch.randn(n, d).clamp(-limit, limit), "do not clamp"),
    ("truncated", three_tries, "do not clamp"),
    ("truncated", lambda n, d, limit: limit * (2 * torch.rand(n, d) - 1), "standard deviation is 0.46"),
    ("truncated", lambda n, d, limit: truncated(n, d, limit / 2), "draw from randn again"),
    ("truncated", lambda n, d, limit: torch.zeros(n, d), "standard deviation is 0.00"),
    ("truncated", lambda n, d, limit: truncated(d, n, limit), "shape should be (400, 50)"),
    ("truncated", redrawn(lambda far, limit: torch.randn(far.shape)), "Redraw until none is"),
    ("truncated", redrawn(lambda far, limit: limit * (2 * torch.rand(far.shape) - 1)), "randn again"),
    ("truncated", redrawn(lambda far, limit: truncated(1, 1, limit)[0, 0]), "randn again"),
    ("truncated", redrawn(lambda far, limit: far % limit), "randn again"),
    ("truncated", redrawn(lambda far, limit: 0.0), "randn again"),
    ("truncated", lambda n, d, limit: limit * torch.tanh(torch.randn(n, d)), "randn again"),
    ("truncated", lambda n, d, limit: limit * (z := torch.randn(n, d)) / z.abs().max(), "randn again"),
    ("truncated", lambda n, d, limit: truncated(n, d, limit).abs(), "not those of N(0, 1)"),
    (
        "truncated",
        lambda n, d, limit: truncated(n, d, limit).flatten().sort().values.reshape(n, d),
        "follow from others",
    ),
    ("truncated", lambda n, d, limit: truncated(n, d, limit).abs() * (-1) ** torch.arange(d), "follow from others"),
    ("truncated", lambda n, d, limit: truncated(n, d, 0.8), "randn again"),
    ("truncated", lambda n, d, limit: truncated(1, d, limit).repeat(n, 1), "follow from others"),
    ("truncated", lambda n, d, limit: truncated(n // 2 + 1, d, limit).repeat(2, 1)[:n], "follow from others"),
    ("truncated", lambda n, d, limit: torch.cat([z := truncated(n, d // 2 + 1, limit), -z], 1)[:, :d], "follow from"),
    ("truncated", lambda n, d, limit: truncated(n, d, limit).index_fill(1, torch.tensor(0), 0.0), "follow from others"),
    ("truncated", lambda n, d, limit: torch.full((n, d), float("nan")), "NaN"),
]
NOT_ATTEMPTED = [("film", lambda *_: (..., ...))]
