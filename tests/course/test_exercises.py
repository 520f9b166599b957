"""Every check tells right, wrong and not attempted apart, with a hint that fits the mistake."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cgan_lib.course import exercises
from cgan_lib.course.exercises.projection import stretch
from cgan_lib.sampling import blend, latents, slerp

NAMES = sorted(name.removeprefix("check_") for name in vars(exercises) if name.startswith("check_"))
RIGHT_Z = torch.randn(1, 100).repeat(10, 1)


def one_hot(labels, num_classes, size):
    return F.one_hot(labels, num_classes).float()[:, :, None, None].expand(-1, -1, size, size)


def init(network, std=0.02, mean=0.0, kinds=(nn.Conv2d, nn.ConvTranspose2d)):
    for layer in network.modules():
        if isinstance(layer, kinds):
            nn.init.normal_(layer.weight, mean, std)
    return network


def centred(x):
    return x - x.mean((2, 3), keepdim=True)


def arc(start, end, share):
    angle = torch.arccos(F.cosine_similarity(start, end, dim=0))
    return (torch.sin((1 - share) * angle) * start + torch.sin(share * angle) * end) / torch.sin(angle)


def truncated(count, latent_dim, limit):
    z = torch.randn(count, latent_dim)
    while (far := z.abs() > limit).any():
        z[far] = torch.randn(int(far.sum()))
    return z


READING = {"a": "D is sure", "b": "D guesses", "c": "game", "d": "D is fooled"}


def passes_of(wanted, limit):
    passes = []
    for count in wanted:
        if not passes or sum(passes[-1]) + count > limit:
            passes.append([])
        passes[-1].append(count)
    return passes


def draw_the_same(first, second, classes=10):
    labels, z = torch.arange(classes), torch.randn(classes, first.config["latent_dim"])
    with torch.no_grad():
        return torch.allclose(first(z, labels), second(z, labels))


def by_jacobian(layer, x, *_):
    matrix = torch.autograd.functional.jacobian(layer, x).flatten(0, x.ndim - 1)
    return torch.linalg.matrix_norm(matrix.reshape(-1, x.numel()), ord=2).item()


RIGHT = [
    ("status_codes", [422, 422, 422, 200]),
    ("passes", passes_of),
    ("same_generator", draw_the_same),
    ("numbers_in_image", 784),
    ("nonsaturating", lambda fake: F.softplus(-fake).mean()),
    ("nonsaturating", lambda fake: F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))),
    ("one_style_ten_digits", (RIGHT_Z, torch.arange(10))),
    ("one_style_ten_digits", (RIGHT_Z, torch.arange(10).flip(0))),
    ("one_hot_planes", one_hot),
    ("dcgan_init", init),
    ("instance_norm", F.instance_norm),
    ("curve_reading", READING),
    ("projection_score", lambda f, y, e, w, b: f @ w + b + (e[y] * f).sum(1)),
    ("hinge", lambda real, fake: (1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean()),
    ("power_iteration", lambda W, v: torch.linalg.svdvals(W)[0]),
    ("power_iteration", lambda W, v: torch.linalg.svdvals(W)[0].item()),
    ("stretch", stretch),
    ("stretch", lambda layer, x: by_jacobian(layer, x)),
    ("stretch", lambda layer, x: torch.tensor(by_jacobian(layer, x.double(), layer.double()))),
    ("frechet", lambda m, s, n, t: (m - n) ** 2 + (s - t) ** 2),
    ("frechet", lambda m, s, n, t: (m - n) ** 2 + s * s + t * t - 2 * (s * s * t * t) ** 0.5),
    ("precision", lambda distances, reach: (distances < reach).any(1).float().mean()),
    ("precision", lambda distances, reach: ((distances < reach).sum(1) > 0).float().mean().item()),
    ("swapped_labels", {"GAN-test", "GAN-train"}),
    ("swapped_labels", ["GAN-train", "GAN-test"]),
    ("slerp", arc),
    ("slerp", lambda start, end, share: slerp(start, end, torch.tensor([share]))[0]),
    ("between", torch.tensor([0, 0.75, 0, 0, 0, 0, 0, 0.25, 0, 0])),
    ("between", torch.lerp(torch.eye(10)[1], torch.eye(10)[7], 0.25).double()),
    ("between", blend(1, 7, torch.tensor([0.25]))[0]),
    ("truncated", truncated),
]
WRONG = [
    ("status_codes", [404, 422, 422, 200], "value 12"),
    ("status_codes", [422, 200, 422, 200], "text"),
    ("status_codes", [422, 422, 200, 200], "colour"),
    ("status_codes", [422, 422, 422, 422], "without grid"),
    ("status_codes", [422], "list of 4"),
    ("passes", lambda wanted, limit: [[count] for count in wanted], "as many as fit"),
    ("passes", lambda wanted, limit: [list(wanted)], "more than 3"),
    ("passes", lambda wanted, limit: [wanted[:1]], "every request once"),
    ("passes", lambda wanted, limit: [[], *passes_of(wanted, limit)], "empty pass"),
    ("passes", lambda wanted, limit: passes_of(sorted(wanted, reverse=True), limit), "order"),
    ("passes", lambda wanted, limit: list(wanted), "list of lists"),
    ("same_generator", lambda first, second: first is second, "A copy"),
    ("same_generator", lambda first, second: first.config == second.config, "compare the images"),
    ("same_generator", lambda first, second: draw_the_same(first, second, classes=1), "every class"),
    ("numbers_in_image", 28, "one row"),
    ("numbers_in_image", 255, "largest value"),
    ("numbers_in_image", 785, "28 wide"),
    ("nonsaturating", lambda fake: -F.softplus(fake).mean(), "minimax"),
    ("nonsaturating", lambda fake: -F.softplus(-fake).mean(), "sign"),
    ("nonsaturating", lambda fake: F.softplus(-fake), "average"),
    ("nonsaturating", lambda fake: -fake.log().mean(), "sigmoid"),
    ("nonsaturating", lambda fake: F.softplus(-fake).sum(), "then the mean"),
    ("nonsaturating", lambda fake: -fake.sigmoid().log().mean(), "log(0)"),
    ("nonsaturating", lambda fake: 0.5, "float"),
    ("nonsaturating", 3, "function"),
    ("nonsaturating", lambda fake: fake.no_such_method(), "AttributeError"),
    ("one_style_ten_digits", (torch.randn(10, 100), torch.arange(10)), "another handwriting"),
    ("one_style_ten_digits", (RIGHT_Z, torch.zeros(10, dtype=torch.long)), "torch.arange(10)"),
    ("one_style_ten_digits", (RIGHT_Z[:1], torch.arange(10)), "one row for each label"),
    ("one_style_ten_digits", (torch.zeros(10, 100), torch.arange(10)), "torch.randn"),
    ("one_style_ten_digits", RIGHT_Z, "both"),
    ("one_hot_planes", lambda y, k, s: one_hot(y, k, s).long(), "float"),
    ("one_hot_planes", lambda y, k, s: one_hot(y, k, s).roll(1, 1), "wrong plane"),
    ("one_hot_planes", lambda y, k, s: torch.ones(len(y), k, s, s), "other planes all 0"),
    ("one_hot_planes", lambda y, k, s: F.one_hot(y, k).float(), "shape should be"),
    ("dcgan_init", lambda network: 3, "Return the network"),
    ("dcgan_init", lambda network: network, "deviation of a Conv2d"),
    ("dcgan_init", lambda network: init(network, std=0.02**0.5), "not the variance"),
    ("dcgan_init", lambda network: init(network, mean=0.02), "mean"),
    ("dcgan_init", lambda network: init(network, kinds=nn.Conv2d), "deviation of a ConvTranspose2d"),
    (
        "dcgan_init",
        lambda network: init(network, kinds=(nn.Conv2d, nn.ConvTranspose2d, nn.Linear)),
        "Only convolutions",
    ),
    ("instance_norm", lambda x: F.batch_norm(x, None, None, training=True), "BatchNorm"),
    ("instance_norm", lambda x: F.layer_norm(x, x.shape[1:]), "LayerNorm"),
    ("instance_norm", lambda x: centred(x) / x.std((2, 3), keepdim=True), "correction=0"),
    ("instance_norm", lambda x: centred(x) / x.var((2, 3), keepdim=True, correction=0), "square root"),
    ("instance_norm", lambda x: x, "height and width"),
    ("curve_reading", READING | {"a": "game"}, "Look again at a"),
    ("curve_reading", READING | {"b": "boredom"}, "none of the four"),
    ("curve_reading", {"a": "game"}, "keys"),
    ("projection_score", lambda f, y, e, w, b: (e[y] * f).sum(1), "realness"),
    ("projection_score", lambda f, y, e, w, b: f @ w + b, "agreement"),
    ("projection_score", lambda f, y, e, w, b: f @ w + (e[y] * f).sum(1), "bias"),
    ("projection_score", lambda f, y, e, w, b: f.sum(1), "dot product"),
    ("hinge", lambda real, fake: F.relu(1 + real).mean() + F.relu(1 - fake).mean(), "exchanged"),
    ("hinge", lambda real, fake: -real.mean(), "max(0"),
    ("hinge", lambda real, fake: (1 - real).mean() + (1 + fake).mean(), "Wasserstein"),
    ("hinge", lambda real, fake: F.relu(1 - real).sum() + F.relu(1 + fake).sum(), "Average"),
    ("power_iteration", lambda W, v: W.norm(), "Frobenius"),
    ("power_iteration", lambda W, v: torch.linalg.svdvals(W)[0] ** 2, "σ²"),
    ("power_iteration", lambda W, v: v.norm(), "in turns"),
    ("stretch", lambda layer, x: torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2), "norm of the kernel"),
    ("stretch", lambda layer, x: by_jacobian(layer, x) ** 2, "σ²"),
    ("stretch", lambda layer, x: layer(x).norm() / x.norm(), "bias away"),
    ("stretch", lambda layer, x: layer.weight.norm(), "autograd apply"),
    ("stretch", lambda layer, x: stretch(layer, x, turns=1), "length 1 in each turn"),
    ("stretch", lambda layer, x: layer(x), "The shape should be"),
    ("frechet", lambda m, s, n, t: (m - n) ** 2 + (s * s - t * t) ** 2, "a square of what"),
    ("frechet", lambda m, s, n, t: (m - n) ** 2 + s * s + t * t, "last part is missing"),
    ("frechet", lambda m, s, n, t: (m - n) ** 2, "widths count"),
    ("frechet", lambda m, s, n, t: ((m - n) ** 2 + (s - t) ** 2) ** 0.5, "No root"),
    ("frechet", lambda m, s, n, t: abs(m - n) + abs(s - t), "Put that into the formula"),
    ("precision", lambda distances, reach: (distances < reach).any(0).float().mean(), "coverage"),
    ("precision", lambda distances, reach: 100 * (distances < reach).any(1).float().mean(), "percent"),
    ("precision", lambda distances, reach: (distances < reach).float().mean(), "One ball is enough"),
    ("precision", lambda distances, reach: (distances < reach).sum(1).float().mean(), "counts once"),
    ("precision", lambda distances, reach: (distances < reach).all(1).float().mean(), "any of its"),
    (
        "precision",
        lambda distances, reach: (distances < reach.mean()).any(1).float().mean(),
        "any of its",
    ),
    ("swapped_labels", {"GAN-test"}, "what will it say of real digits"),
    ("swapped_labels", {"GAN-train"}, "One score asks of each image"),
    ("swapped_labels", {"GAN-test", "GAN-train", "FID"}, "FID looks at the images alone"),
    ("swapped_labels", {"GAN-test", "FDI"}, "FDI is not among"),
    ("swapped_labels", "GAN-test", "set of names"),
    ("slerp", torch.lerp, "straight line"),
    ("slerp", lambda start, end, share: arc(end, start, share), "exchanged"),
    ("slerp", lambda start, end, share: (1 - share) * end + share * start, "with sines"),
    (
        "slerp",
        lambda start, end, share: arc(start, end, share) * torch.sin(torch.arccos(F.cosine_similarity(start, end, 0))),
        "Divide by sin(angle)",
    ),
    ("slerp", lambda start, end, share: F.normalize(arc(start, end, share), dim=0), "with sines"),
    ("slerp", lambda start, end, share: arc(start, end, share)[None], "shape should be (4,)"),
    ("between", torch.tensor([0, 0.25, 0, 0, 0, 0, 0, 0.75, 0, 0]), "from 7 to 1"),
    ("between", torch.tensor([0, 1, 0, 0, 0, 0, 0, 0.25, 0, 0]), "these make 1.25"),
    ("between", torch.full((10,), float("nan")), "these make nan"),
    ("between", torch.tensor([0.75, 0, 0, 0, 0, 0, 0.25, 0, 0, 0]), "Position 1"),
    ("between", torch.eye(10)[7], "Position 1"),
    ("truncated", lambda n, d, limit: torch.randn(n, d), "none may be beyond 0.8"),
    ("truncated", lambda n, d, limit: torch.randn(n, d).clamp(-limit, limit), "do not clamp"),
    ("truncated", lambda n, d, limit: limit * (2 * torch.rand(n, d) - 1), "standard deviation is 0.46"),
    ("truncated", lambda n, d, limit: truncated(n, d, limit / 2), "draw from randn again"),
    ("truncated", lambda n, d, limit: torch.zeros(n, d), "standard deviation is 0.00"),
    ("truncated", lambda n, d, limit: truncated(d, n, limit), "shape should be (400, 50)"),
]
NOT_ATTEMPTED = [
    *((name, nothing) for name in NAMES for nothing in (None, ...)),
    *((name, answer) for name, right in RIGHT if callable(right) for answer in (lambda *_: None, lambda *_: ...)),
    ("status_codes", [...] * 4),
    ("one_style_ten_digits", (..., ...)),
    ("one_style_ten_digits", (RIGHT_Z, ...)),
    ("curve_reading", dict.fromkeys("abcd", ...)),
    ("swapped_labels", {...}),
]


def verdict(name, answer):
    return getattr(exercises, f"check_{name}")(answer)


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_pass(name, answer):
    assert verdict(name, answer).state == "right"
    assert repr(verdict(name, answer)).startswith("✔")


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG)
def test_wrong_answers_get_the_hint_for_their_mistake(name, answer, hint):
    assert verdict(name, answer).state == "wrong"
    assert hint in repr(verdict(name, answer))


@pytest.mark.parametrize(("name", "answer"), NOT_ATTEMPTED)
def test_what_was_not_attempted_is_not_called_wrong(name, answer):
    assert verdict(name, answer).state == "not attempted"


def test_every_check_is_tried_with_right_and_wrong_answers():
    assert set(NAMES) == {row[0] for row in RIGHT} == {row[0] for row in WRONG}


def by_quantiles(count, latent_dim, limit):
    below = torch.special.ndtr(torch.tensor(-limit))
    return torch.special.ndtri(below + torch.rand(count, latent_dim) * (1 - 2 * below)).clamp(-limit, limit)


@pytest.mark.parametrize(
    "method",
    [
        truncated,
        by_quantiles,
        lambda count, latent_dim, limit: latents(count, latent_dim, truncation=limit),
        lambda *a: nn.init.trunc_normal_(torch.empty(a[:2]), a=-a[2], b=a[2]),
    ],
)
def test_truncated_latents_are_right_however_they_are_drawn(method):
    for before in range(20):
        assert verdict("truncated", lambda *a, n=before: (torch.randn(n), method(*a))[1]).state == "right"


@pytest.mark.parametrize(("name", "answer"), [("truncated", truncated), ("same_generator", draw_the_same)])
def test_checking_does_not_move_the_random_state(name, answer):
    state = torch.random.get_rng_state()
    assert verdict(name, answer).state == "right"
    assert torch.equal(torch.random.get_rng_state(), state)
