"""Notebook 01."""

import numpy as np
import torch
import torch.nn.functional as F

RIGHT_Z = torch.randn(1, 100, generator=torch.Generator().manual_seed(0)).repeat(10, 1)
TEN = torch.arange(10)


def one_hot(labels, num_classes, size):
    return F.one_hot(labels, num_classes).float()[:, :, None, None].expand(-1, -1, size, size)


def planes_by_loop(labels, num_classes, size):
    return [[np.full((size, size), float(k == label)) for k in range(num_classes)] for label in labels]


def planes_by_scatter(labels, num_classes, size):
    planes = torch.zeros(len(labels), num_classes, size, size, dtype=torch.float16)
    return planes.scatter_(1, labels[:, None, None, None].expand(-1, 1, size, size), 1.0)


def loss(fake):
    return F.softplus(-fake).mean()


def in_place_loss(fake):
    return F.softplus(fake.neg_()).mean()


def without_graph(fake):
    with torch.no_grad():
        return loss(fake)


class HalfSlope(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient / 2


def z_with(change):
    z = RIGHT_Z.clone()
    change(z)
    return z


RIGHT = [
    ("numbers_in_image", 784),
    ("numbers_in_image", 784.0),
    ("numbers_in_image", np.int64(784)),
    ("numbers_in_image", torch.tensor([784])),
    ("numbers_in_image", torch.zeros(1, 28, 28).numel()),
    ("nonsaturating", loss),
    ("nonsaturating", lambda fake: F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))),
    ("nonsaturating", lambda fake: -F.logsigmoid(fake).sum() / len(fake)),
    ("nonsaturating", lambda fake: torch.logaddexp(-fake, torch.zeros(())).mean(0, keepdim=True)),
    ("nonsaturating", lambda fake: F.softplus(-fake.double()).mean()),
    ("nonsaturating", lambda fake: ((-fake).clamp(min=0) + torch.log1p(torch.exp(-fake.abs()))).mean()),
    ("nonsaturating", lambda fake: sum(torch.stack([F.softplus(-x) for x in fake])) / len(fake)),
    ("one_style_ten_digits", (RIGHT_Z, TEN)),
    ("one_style_ten_digits", (RIGHT_Z, TEN.flip(0))),
    ("one_style_ten_digits", (RIGHT_Z, list(range(10)))),
    ("one_style_ten_digits", [RIGHT_Z[:1].expand(10, 100), range(10)]),
    ("one_style_ten_digits", (RIGHT_Z.double().numpy(), np.arange(10))),
    ("one_style_ten_digits", (RIGHT_Z.numpy(), np.arange(10)[::-1])),
    ("one_style_ten_digits", (RIGHT_Z.tolist(), tuple(TEN))),
    ("one_style_ten_digits", (RIGHT_Z.bfloat16(), TEN.int())),
    ("one_hot_planes", one_hot),
    ("one_hot_planes", lambda labels, k, s: one_hot(labels, k, s).double()),
    ("one_hot_planes", lambda labels, k, s: one_hot(labels, k, s).numpy()),
    ("one_hot_planes", lambda labels, k, s: torch.eye(k)[labels].reshape(-1, k, 1, 1).repeat(1, 1, s, s)),
    ("one_hot_planes", planes_by_loop),
    ("one_hot_planes", planes_by_scatter),
]
RIGHT += [
    ("scaled_pixels", lambda images: images.float() / 127.5 - 1),
    ("scaled_pixels", lambda images: (images.double() / 255 - 0.5) / 0.5),
    ("scaled_pixels", lambda images: torch.lerp(torch.tensor(-1.0), torch.tensor(1.0), images / 255)),
    ("scaled_pixels", lambda images: np.interp(images.numpy(), [0, 255], [-1, 1])),
    ("scaled_pixels", lambda images: 2 * (images / 255) - 1),
    ("scaled_pixels", lambda images: (images.to(torch.bfloat16) - 127.5) / 127.5),
]
WRONG = [
    ("scaled_pixels", lambda images: images / 255, "from 0 to 1"),
    ("scaled_pixels", lambda images: images / 255 - 0.5, "From −0.5 to 0.5"),
    ("scaled_pixels", lambda images: images / 127.5, "From 0 to 2"),
    ("scaled_pixels", lambda images: 1 - images / 127.5, "Upside down"),
    ("scaled_pixels", lambda images: images / 128 - 1, "0.99"),
    ("scaled_pixels", lambda images: images / 127 - 1, "1.01"),
    ("scaled_pixels", lambda images: images // 127.5 - 1, "halves"),
    ("scaled_pixels", lambda images: 2 * images / 255 - 1, "overflow"),
    ("scaled_pixels", lambda images: (images - 127) / 127.5, "begin again at 255"),
    ("scaled_pixels", lambda images: (images.float() - images.float().mean()) / images.float().std(), "two points"),
    ("scaled_pixels", lambda images: images.float().div(127.5).sub(1).flatten(), "shape should be"),
    ("scaled_pixels", lambda images: images.float().div(127.5).sub(1).clamp(-0.9, 0.9), "two points"),
    ("scaled_pixels", lambda images: images.float().div(127.5).sub(1).round().long(), "two points"),
    ("scaled_pixels", lambda images: images.clamp_(max=3) / 127.5 - 1, "in place"),
    (
        "scaled_pixels",
        lambda images: 2 * (images - images.min()).float() / (images.max() - images.min()) - 1,
        "By the least and the largest",
    ),
    ("numbers_in_image", 28, "one row"),
    ("numbers_in_image", 255, "largest value"),
    ("numbers_in_image", 785, "28 wide"),
    ("numbers_in_image", 28 + 28, "each of 28 rows"),
    ("numbers_in_image", 3 * 784, "grey"),
    ("numbers_in_image", 100, "go into the generator"),
    ("numbers_in_image", (1, 28, 28), "multiply"),
    ("numbers_in_image", "784", "str"),
    ("numbers_in_image", float("nan"), "28 wide"),
    ("numbers_in_image", lambda: 784, "function"),
    ("nonsaturating", lambda fake: -F.softplus(fake).mean(), "minimax"),
    ("nonsaturating", lambda fake: F.softplus(fake).mean(), "what D pays"),
    ("nonsaturating", lambda fake: -F.softplus(-fake).mean(), "sign"),
    ("nonsaturating", lambda fake: F.softplus(-fake), "average"),
    ("nonsaturating", lambda fake: -fake.log().mean(), "sigmoid"),
    ("nonsaturating", lambda fake: F.softplus(-fake).sum(), "not the sum"),
    ("nonsaturating", lambda fake: -fake.sigmoid().mean().log(), "log of the mean"),
    ("nonsaturating", lambda fake: -fake.sigmoid().log2().mean(), "base e"),
    ("nonsaturating", lambda fake: fake.sigmoid().mean(), "log is missing"),
    ("nonsaturating", lambda fake: 0.5, "then the mean"),
    ("nonsaturating", lambda fake: F.softplus(-fake[:4]).mean(), "then the mean"),
    ("nonsaturating", lambda fake: -fake.sigmoid().log().mean(), "log(0)"),
    ("nonsaturating", lambda fake: (1 + (-fake).exp()).log().mean(), "exp(200)"),
    ("nonsaturating", lambda fake: -(fake.sigmoid() + 1e-7).log().mean(), "gradient is gone"),
    ("nonsaturating", lambda fake: -fake.sigmoid().clamp(1e-7).log().mean(), "gradient is gone"),
    ("nonsaturating", lambda fake: F.softplus(-fake.clamp(-30, 30)).mean(), "gradient is gone"),
    ("nonsaturating", lambda fake: F.binary_cross_entropy(fake.sigmoid(), torch.ones_like(fake)), "gradient is gone"),
    (
        "nonsaturating",
        lambda fake: torch.where(fake > -9, F.softplus(-fake), -fake.detach()).mean(),
        "gradient is gone",
    ),
    ("nonsaturating", lambda fake: loss(fake).detach(), "no gradient"),
    ("nonsaturating", lambda fake: loss(fake).item(), "no gradient"),
    ("nonsaturating", lambda fake: torch.tensor(loss(fake).item(), requires_grad=True), "no gradient"),
    ("nonsaturating", lambda fake: np.logaddexp(0, -fake.numpy()).mean(), "no gradient"),
    ("nonsaturating", without_graph, "no gradient"),
    ("nonsaturating", lambda fake: loss(HalfSlope.apply(fake)), "its gradient is not"),
    ("nonsaturating", in_place_loss, "not in place"),
    ("nonsaturating", 3, "function"),
    ("nonsaturating", lambda fake: "loss", "this is str"),
    ("nonsaturating", lambda fake: fake.no_such_method(), "raised AttributeError"),
    ("one_style_ten_digits", (torch.randn(10, 100), TEN), "another handwriting"),
    ("one_style_ten_digits", (z_with(lambda z: z[7].neg_()), TEN), "another handwriting"),
    ("one_style_ten_digits", (z_with(lambda z: z[:, 4].fill_(float("nan"))), TEN), "NaN"),
    ("one_style_ten_digits", (RIGHT_Z, torch.zeros(10, dtype=torch.long)), "torch.arange(10)"),
    ("one_style_ten_digits", (RIGHT_Z, range(1, 11)), "torch.arange(10)"),
    ("one_style_ten_digits", (RIGHT_Z, torch.eye(10)), "torch.arange(10)"),
    ("one_style_ten_digits", (RIGHT_Z, TEN[:, None]), "torch.arange(10)"),
    ("one_style_ten_digits", (RIGHT_Z, TEN.float()), "not floats"),
    ("one_style_ten_digits", (RIGHT_Z, [float(label) for label in range(10)]), "not floats"),
    ("one_style_ten_digits", (RIGHT_Z, "0123456789"), "this is str"),
    ("one_style_ten_digits", (TEN, RIGHT_Z), "other way round"),
    ("one_style_ten_digits", (RIGHT_Z[:1], TEN), "one row for each label"),
    ("one_style_ten_digits", (RIGHT_Z[:, :50], TEN), "(10, 100)"),
    ("one_style_ten_digits", (torch.zeros(10, 100), TEN), "torch.randn"),
    ("one_style_ten_digits", (torch.rand(1, 100).repeat(10, 1), TEN), "N(0, 1)"),
    ("one_style_ten_digits", ((2 * torch.rand(1, 100) - 1).repeat(10, 1), TEN), "N(0, 1)"),
    ("one_style_ten_digits", (-RIGHT_Z.abs(), TEN), "N(0, 1)"),
    ("one_style_ten_digits", (100 * RIGHT_Z, TEN), "N(0, 1)"),
    ("one_style_ten_digits", (torch.randint(-3, 4, (1, 100)).repeat(10, 1), TEN), "N(0, 1)"),
    ("one_style_ten_digits", (torch.linspace(-3, 3, 100).repeat(10, 1), TEN), "N(0, 1)"),
    ("one_style_ten_digits", (z_with(lambda z: z[:, 50:].zero_()), TEN), "N(0, 1)"),
    ("one_style_ten_digits", RIGHT_Z, "both"),
    ("one_hot_planes", lambda y, k, s: one_hot(y, k, s).long(), "float"),
    ("one_hot_planes", lambda y, k, s: one_hot(y, k, s) > 0, "float"),
    ("one_hot_planes", lambda y, k, s: one_hot(y, k, s).roll(1, 1), "wrong plane"),
    ("one_hot_planes", lambda y, k, s: one_hot(torch.tensor([2, 0, 3])[torch.arange(len(y)) % 3], k, s), "wrong plane"),
    ("one_hot_planes", lambda y, k, s: 1 - one_hot(y, k, s), "Exchanged"),
    ("one_hot_planes", lambda y, k, s: torch.ones(len(y), k, s, s), "other planes all 0"),
    ("one_hot_planes", lambda y, k, s: 0.9 * one_hot(y, k, s), "other planes all 0"),
    ("one_hot_planes", lambda y, k, s: one_hot(y, k, s) * y[:, None, None, None], "other planes all 0"),
    ("one_hot_planes", lambda y, k, s: F.one_hot(y, k).float(), "shape should be"),
    ("one_hot_planes", lambda y, k, s: one_hot(y, int(y.max()) + 1, s), "shape should be"),
    ("one_hot_planes", lambda y, k, s: one_hot(y, 4, s), "raised RuntimeError"),
    ("one_hot_planes", lambda y, k, s: one_hot(y, k, s).transpose(0, 1), "shape should be"),
    ("one_hot_planes", lambda y, k, s: one_hot(y.clamp_(max=1), k, s), "not in place"),
]
NOT_ATTEMPTED = [("one_style_ten_digits", (..., ...)), ("one_style_ten_digits", (RIGHT_Z, ...))]
