"""Every check tells right, wrong and not attempted apart, with a hint that fits the mistake."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cgan_lib.course import exercises
from cgan_lib.sampling import blend, latents, slerp

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


RIGHT = [
    (exercises.check_status_codes, [422, 422, 422, 200]),
    (exercises.check_passes, passes_of),
    (exercises.check_same_generator, draw_the_same),
    (exercises.check_numbers_in_image, 784),
    (exercises.check_nonsaturating, lambda fake: F.softplus(-fake).mean()),
    (exercises.check_nonsaturating, lambda fake: F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))),
    (exercises.check_one_style_ten_digits, (RIGHT_Z, torch.arange(10))),
    (exercises.check_one_style_ten_digits, (RIGHT_Z, torch.arange(10).flip(0))),
    (exercises.check_one_hot_planes, one_hot),
    (exercises.check_dcgan_init, init),
    (exercises.check_instance_norm, F.instance_norm),
    (exercises.check_curve_reading, READING),
    (exercises.check_projection_score, lambda f, y, e, w, b: f @ w + b + (e[y] * f).sum(1)),
    (exercises.check_hinge, lambda real, fake: (1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean()),
    (exercises.check_power_iteration, lambda W, v: torch.linalg.svdvals(W)[0]),
    (exercises.check_power_iteration, lambda W, v: torch.linalg.svdvals(W)[0].item()),
    (exercises.check_frechet, lambda m, s, n, t: (m - n) ** 2 + (s - t) ** 2),
    (exercises.check_frechet, lambda m, s, n, t: (m - n) ** 2 + s * s + t * t - 2 * (s * s * t * t) ** 0.5),
    (exercises.check_precision, lambda distances, reach: (distances < reach).any(1).float().mean()),
    (exercises.check_precision, lambda distances, reach: ((distances < reach).sum(1) > 0).float().mean().item()),
    (exercises.check_swapped_labels, {"GAN-test", "GAN-train"}),
    (exercises.check_swapped_labels, ["GAN-train", "GAN-test"]),
    (exercises.check_slerp, arc),
    (exercises.check_slerp, lambda start, end, share: slerp(start, end, torch.tensor([share]))[0]),
    (exercises.check_between, torch.tensor([0, 0.75, 0, 0, 0, 0, 0, 0.25, 0, 0])),
    (exercises.check_between, torch.lerp(torch.eye(10)[1], torch.eye(10)[7], 0.25).double()),
    (exercises.check_between, blend(1, 7, torch.tensor([0.25]))[0]),
    (exercises.check_truncated, truncated),
]
WRONG = [
    (exercises.check_status_codes, [404, 422, 422, 200], "value 12"),
    (exercises.check_status_codes, [422, 200, 422, 200], "text"),
    (exercises.check_status_codes, [422, 422, 200, 200], "colour"),
    (exercises.check_status_codes, [422, 422, 422, 422], "without grid"),
    (exercises.check_status_codes, [422], "list of 4"),
    (exercises.check_passes, lambda wanted, limit: [[count] for count in wanted], "as many as fit"),
    (exercises.check_passes, lambda wanted, limit: [list(wanted)], "more than 3"),
    (exercises.check_passes, lambda wanted, limit: [wanted[:1]], "every request once"),
    (exercises.check_passes, lambda wanted, limit: [[], *passes_of(wanted, limit)], "empty pass"),
    (exercises.check_passes, lambda wanted, limit: passes_of(sorted(wanted, reverse=True), limit), "order"),
    (exercises.check_passes, lambda wanted, limit: list(wanted), "list of lists"),
    (exercises.check_same_generator, lambda first, second: first is second, "A copy"),
    (exercises.check_same_generator, lambda first, second: first.config == second.config, "compare the images"),
    (exercises.check_same_generator, lambda first, second: draw_the_same(first, second, classes=1), "every class"),
    (exercises.check_numbers_in_image, 28, "one row"),
    (exercises.check_numbers_in_image, 255, "largest value"),
    (exercises.check_numbers_in_image, 785, "28 wide"),
    (exercises.check_nonsaturating, lambda fake: -F.softplus(fake).mean(), "minimax"),
    (exercises.check_nonsaturating, lambda fake: -F.softplus(-fake).mean(), "sign"),
    (exercises.check_nonsaturating, lambda fake: F.softplus(-fake), "average"),
    (exercises.check_nonsaturating, lambda fake: -fake.log().mean(), "sigmoid"),
    (exercises.check_nonsaturating, lambda fake: F.softplus(-fake).sum(), "then the mean"),
    (exercises.check_nonsaturating, lambda fake: -fake.sigmoid().log().mean(), "log(0)"),
    (exercises.check_nonsaturating, lambda fake: 0.5, "float"),
    (exercises.check_nonsaturating, 3, "function"),
    (exercises.check_nonsaturating, lambda fake: fake.no_such_method(), "AttributeError"),
    (exercises.check_one_style_ten_digits, (torch.randn(10, 100), torch.arange(10)), "another handwriting"),
    (exercises.check_one_style_ten_digits, (RIGHT_Z, torch.zeros(10, dtype=torch.long)), "torch.arange(10)"),
    (exercises.check_one_style_ten_digits, (RIGHT_Z[:1], torch.arange(10)), "one row for each label"),
    (exercises.check_one_style_ten_digits, (torch.zeros(10, 100), torch.arange(10)), "torch.randn"),
    (exercises.check_one_style_ten_digits, RIGHT_Z, "both"),
    (exercises.check_one_hot_planes, lambda y, k, s: one_hot(y, k, s).long(), "float"),
    (exercises.check_one_hot_planes, lambda y, k, s: one_hot(y, k, s).roll(1, 1), "wrong plane"),
    (exercises.check_one_hot_planes, lambda y, k, s: torch.ones(len(y), k, s, s), "other planes all 0"),
    (exercises.check_one_hot_planes, lambda y, k, s: F.one_hot(y, k).float(), "shape should be"),
    (exercises.check_dcgan_init, lambda network: 3, "Return the network"),
    (exercises.check_dcgan_init, lambda network: network, "deviation of a Conv2d"),
    (exercises.check_dcgan_init, lambda network: init(network, std=0.02**0.5), "not the variance"),
    (exercises.check_dcgan_init, lambda network: init(network, mean=0.02), "mean"),
    (exercises.check_dcgan_init, lambda network: init(network, kinds=nn.Conv2d), "deviation of a ConvTranspose2d"),
    (
        exercises.check_dcgan_init,
        lambda network: init(network, kinds=(nn.Conv2d, nn.ConvTranspose2d, nn.Linear)),
        "Only convolutions",
    ),
    (exercises.check_instance_norm, lambda x: F.batch_norm(x, None, None, training=True), "BatchNorm"),
    (exercises.check_instance_norm, lambda x: F.layer_norm(x, x.shape[1:]), "LayerNorm"),
    (exercises.check_instance_norm, lambda x: centred(x) / x.std((2, 3), keepdim=True), "correction=0"),
    (exercises.check_instance_norm, lambda x: centred(x) / x.var((2, 3), keepdim=True, correction=0), "square root"),
    (exercises.check_instance_norm, lambda x: x, "height and width"),
    (exercises.check_curve_reading, READING | {"a": "game"}, "Look again at a"),
    (exercises.check_curve_reading, READING | {"b": "boredom"}, "none of the four"),
    (exercises.check_curve_reading, {"a": "game"}, "keys"),
    (exercises.check_projection_score, lambda f, y, e, w, b: (e[y] * f).sum(1), "realness"),
    (exercises.check_projection_score, lambda f, y, e, w, b: f @ w + b, "agreement"),
    (exercises.check_projection_score, lambda f, y, e, w, b: f @ w + (e[y] * f).sum(1), "bias"),
    (exercises.check_projection_score, lambda f, y, e, w, b: f.sum(1), "dot product"),
    (exercises.check_hinge, lambda real, fake: F.relu(1 + real).mean() + F.relu(1 - fake).mean(), "exchanged"),
    (exercises.check_hinge, lambda real, fake: -real.mean(), "max(0"),
    (exercises.check_hinge, lambda real, fake: (1 - real).mean() + (1 + fake).mean(), "Wasserstein"),
    (exercises.check_hinge, lambda real, fake: F.relu(1 - real).sum() + F.relu(1 + fake).sum(), "Average"),
    (exercises.check_power_iteration, lambda W, v: W.norm(), "Frobenius"),
    (exercises.check_power_iteration, lambda W, v: torch.linalg.svdvals(W)[0] ** 2, "σ²"),
    (exercises.check_power_iteration, lambda W, v: v.norm(), "in turns"),
    (exercises.check_frechet, lambda m, s, n, t: (m - n) ** 2 + (s * s - t * t) ** 2, "a square of what"),
    (exercises.check_frechet, lambda m, s, n, t: (m - n) ** 2 + s * s + t * t, "last part is missing"),
    (exercises.check_frechet, lambda m, s, n, t: (m - n) ** 2, "widths count"),
    (exercises.check_frechet, lambda m, s, n, t: ((m - n) ** 2 + (s - t) ** 2) ** 0.5, "No root"),
    (exercises.check_frechet, lambda m, s, n, t: abs(m - n) + abs(s - t), "Put that into the formula"),
    (exercises.check_precision, lambda distances, reach: (distances < reach).any(0).float().mean(), "coverage"),
    (exercises.check_precision, lambda distances, reach: 100 * (distances < reach).any(1).float().mean(), "percent"),
    (exercises.check_precision, lambda distances, reach: (distances < reach).float().mean(), "One ball is enough"),
    (exercises.check_precision, lambda distances, reach: (distances < reach).sum(1).float().mean(), "counts once"),
    (exercises.check_precision, lambda distances, reach: (distances < reach).all(1).float().mean(), "any of its"),
    (
        exercises.check_precision,
        lambda distances, reach: (distances < reach.mean()).any(1).float().mean(),
        "any of its",
    ),
    (exercises.check_swapped_labels, {"GAN-test"}, "what will it say of real digits"),
    (exercises.check_swapped_labels, {"GAN-train"}, "One score asks of each image"),
    (exercises.check_swapped_labels, {"GAN-test", "GAN-train", "FID"}, "FID looks at the images alone"),
    (exercises.check_swapped_labels, {"GAN-test", "FDI"}, "FDI is not among"),
    (exercises.check_swapped_labels, "GAN-test", "set of names"),
    (exercises.check_slerp, torch.lerp, "straight line"),
    (exercises.check_slerp, lambda start, end, share: arc(end, start, share), "exchanged"),
    (exercises.check_slerp, lambda start, end, share: (1 - share) * end + share * start, "with sines"),
    (
        exercises.check_slerp,
        lambda start, end, share: arc(start, end, share) * torch.sin(torch.arccos(F.cosine_similarity(start, end, 0))),
        "Divide by sin(angle)",
    ),
    (exercises.check_slerp, lambda start, end, share: F.normalize(arc(start, end, share), dim=0), "with sines"),
    (exercises.check_slerp, lambda start, end, share: start, "with sines"),
    (exercises.check_slerp, lambda start, end, share: arc(start, end, share)[None], "shape should be (4,)"),
    (exercises.check_slerp, lambda start, end, share: 1.0, "Return a tensor"),
    (exercises.check_slerp, torch.ones(4), "function"),
    (exercises.check_between, torch.tensor([0, 0.25, 0, 0, 0, 0, 0, 0.75, 0, 0]), "from 7 to 1"),
    (exercises.check_between, torch.tensor([0, 1, 0, 0, 0, 0, 0, 0.25, 0, 0]), "these make 1.25"),
    (exercises.check_between, torch.full((10,), float("nan")), "these make nan"),
    (exercises.check_between, torch.tensor([0.75, 0, 0, 0, 0, 0, 0.25, 0, 0, 0]), "Position 1"),
    (exercises.check_between, torch.eye(10)[7], "Position 1"),
    (exercises.check_between, torch.full((10,), 0.1), "Position 1"),
    (exercises.check_between, torch.eye(10)[[1, 7]], "shape should be (10,)"),
    (exercises.check_between, [0, 0.75, 0, 0, 0, 0, 0, 0.25, 0, 0], "Return a tensor"),
    (exercises.check_truncated, lambda n, d, limit: torch.randn(n, d), "none may be beyond 0.8"),
    (exercises.check_truncated, lambda n, d, limit: -truncated(n, d, 2 * limit), "none may be beyond 0.8"),
    (exercises.check_truncated, lambda n, d, limit: torch.randn(n, d).clamp(-limit, limit), "do not clamp"),
    (exercises.check_truncated, lambda n, d, limit: limit * (2 * torch.rand(n, d) - 1), "standard deviation is 0.46"),
    (exercises.check_truncated, lambda n, d, limit: truncated(n, d, limit / 2), "draw from randn again"),
    (exercises.check_truncated, lambda n, d, limit: torch.zeros(n, d), "standard deviation is 0.00"),
    (exercises.check_truncated, lambda n, d, limit: truncated(d, n, limit), "shape should be (400, 50)"),
    (exercises.check_truncated, truncated(400, 50, 0.8), "function"),
]
NOT_ATTEMPTED = [
    (exercises.check_status_codes, [...] * 4),
    (exercises.check_passes, lambda wanted, limit: ...),
    (exercises.check_same_generator, lambda first, second: None),
    (exercises.check_numbers_in_image, ...),
    (exercises.check_numbers_in_image, None),
    (exercises.check_nonsaturating, lambda fake: ...),
    (exercises.check_nonsaturating, ...),
    (exercises.check_one_style_ten_digits, (..., ...)),
    (exercises.check_one_style_ten_digits, (RIGHT_Z, ...)),
    (exercises.check_one_hot_planes, lambda y, k, s: None),
    (exercises.check_dcgan_init, lambda network: ...),
    (exercises.check_instance_norm, lambda x: ...),
    (exercises.check_curve_reading, dict.fromkeys("abcd", ...)),
    (exercises.check_projection_score, lambda *arguments: ...),
    (exercises.check_hinge, lambda real, fake: ...),
    (exercises.check_power_iteration, lambda W, v: ...),
    (exercises.check_frechet, lambda m, s, n, t: ...),
    (exercises.check_precision, lambda distances, reach: None),
    (exercises.check_swapped_labels, {...}),
    (exercises.check_slerp, lambda start, end, share: ...),
    (exercises.check_slerp, ...),
    (exercises.check_between, ...),
    (exercises.check_between, None),
    (exercises.check_truncated, lambda count, latent_dim, limit: ...),
]


@pytest.mark.parametrize(("check", "answer"), RIGHT)
def test_right_answers_pass(check, answer):
    assert check(answer).state == "right"
    assert repr(check(answer)).startswith("✔")


@pytest.mark.parametrize(("check", "answer", "hint"), WRONG)
def test_wrong_answers_get_the_hint_for_their_mistake(check, answer, hint):
    verdict = check(answer)
    assert verdict.state == "wrong"
    assert hint in verdict.message


@pytest.mark.parametrize(("check", "answer"), NOT_ATTEMPTED)
def test_what_was_not_attempted_is_not_called_wrong(check, answer):
    assert check(answer).state == "not attempted"


def by_quantiles(count, latent_dim, limit):
    below = torch.special.ndtr(torch.tensor(-limit))
    return torch.special.ndtri(below + torch.rand(count, latent_dim) * (1 - 2 * below)).clamp(-limit, limit)


def test_truncated_latents_are_right_however_they_are_drawn():
    def drawn_before(draw, numbers):
        return lambda *arguments: (torch.randn(numbers), draw(*arguments))[1]

    ways = [lambda *a: latents(a[0], a[1], truncation=a[2]), truncated, by_quantiles]
    ways.append(lambda *a: nn.init.trunc_normal_(torch.empty(a[:2]), a=-a[2], b=a[2]))
    for draw in ways:
        for numbers in range(20):
            assert exercises.check_truncated(drawn_before(draw, numbers)).state == "right"


def test_checking_latents_does_not_move_the_global_seed():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    exercises.check_truncated(truncated)
    assert torch.equal(torch.rand(3), expected)


def test_every_check_is_tried_with_right_wrong_and_no_answers():
    checks = {value for name, value in vars(exercises).items() if name.startswith("check_")}
    for tried in (RIGHT, WRONG, NOT_ATTEMPTED):
        assert checks == {row[0] for row in tried}
