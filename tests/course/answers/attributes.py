"""Notebook 09: two attributes, and augmentation."""

import torch
import torch.nn.functional as F
from torch import nn

from cgan_lib.augment import translation
from cgan_lib.models.labels import ClassEmbedding
from cgan_lib.models.projection import ProjectionHead


class TwoTables(nn.Module):
    def __init__(self, num_digits, num_colours, dim):
        super().__init__()
        self.num_colours = num_colours
        self.digits, self.colours = nn.Embedding(num_digits, dim), nn.Embedding(num_colours, dim)

    def forward(self, labels):
        return self.digits(labels // self.num_colours) + self.colours(labels % self.num_colours)


class ByHand(nn.Module):
    """Parameters without layers; other names, other order of arguments."""

    def __init__(self, dim, num_colours, num_digits):
        super().__init__()
        self.b, self.a = nn.Parameter(torch.zeros(num_colours, dim)), nn.Parameter(torch.zeros(num_digits, dim))

    def forward(self, y):
        k = len(self.b)
        return self.a[y.div(k, rounding_mode="floor")] + self.b[y.remainder(k)]


class OneHot(nn.Module):
    """Tables as linear layers of one-hot vectors."""

    def __init__(self, num_digits, num_colours, dim):
        super().__init__()
        self.digits = nn.Linear(num_digits, dim, bias=False)
        self.colours = nn.Linear(num_colours, dim, bias=False)

    def forward(self, labels):
        k = self.colours.in_features
        digits, colours = F.one_hot(labels // k, self.digits.in_features), F.one_hot(labels % k, k)
        return self.digits(digits.float()) + self.colours(colours.float())


class OneTable(nn.Module):
    def __init__(self, num_digits, num_colours, dim):
        super().__init__()
        self.first, self.k = num_digits, num_colours
        self.rows = nn.EmbeddingBag(num_digits + num_colours, dim, mode="sum")

    def forward(self, labels):
        return self.rows(torch.stack([labels // self.k, self.first + labels % self.k], 1))


def of_the_library(num_digits, num_colours, dim):
    return ClassEmbedding(num_digits * num_colours, dim, (num_digits, num_colours))


def tables(forward, base=TwoTables):
    """The two tables with another forward."""

    class Changed(base):
        pass

    Changed.forward = forward
    return Changed


class TableOfClasses(nn.Module):
    def __init__(self, num_digits, num_colours, dim):
        super().__init__()
        self.rows = nn.Embedding(num_digits * num_colours, dim)

    def forward(self, labels):
        return self.rows(labels)


class DigitsAlone(TableOfClasses):
    def __init__(self, num_digits, num_colours, dim):
        nn.Module.__init__(self)
        self.k, self.rows = num_colours, nn.Embedding(num_digits, dim)

    def forward(self, labels):
        return self.rows(labels // self.k)


class ThreeColours(TwoTables):
    def __init__(self, num_digits, num_colours, dim):
        super().__init__(num_digits, 3, dim)


class Frozen(TwoTables):
    def __init__(self, num_digits, num_colours, dim):
        super().__init__(num_digits, num_colours, dim)
        self.colours.requires_grad_(False)


class InAList(nn.Module):
    def __init__(self, num_digits, num_colours, dim):
        super().__init__()
        self.k, self.parts = num_colours, [nn.Embedding(num_digits, dim), nn.Embedding(num_colours, dim)]

    def forward(self, labels):
        return self.parts[0](labels // self.k) + self.parts[1](labels % self.k)


class Padded(TwoTables):
    def __init__(self, num_digits, num_colours, dim):
        super().__init__(num_digits, num_colours, dim)
        self.colours = nn.Embedding(num_colours, dim, padding_idx=0)


class Unwritten(nn.Module):
    def __init__(self, num_digits, num_colours, dim):
        super().__init__()
        ...

    def forward(self, labels):
        return ...


class TwoHead(nn.Module):
    def __init__(self, feature_dim, num_digits, num_colours):
        super().__init__()
        self.psi, self.v = nn.Linear(feature_dim, 1), TwoTables(num_digits, num_colours, feature_dim)

    def rows(self, labels):
        return self.v.digits(labels // self.v.num_colours), self.v.colours(labels % self.v.num_colours)

    def forward(self, features, labels):
        return self.psi(features).squeeze(1) + (self.v(labels) * features).sum(1)


class TermByTerm(TwoHead):
    def forward(self, features, labels):
        digit, colour = self.rows(labels)
        return self.psi(features)[:, 0] + torch.einsum("nf,nf->n", digit, features) + (colour * features).sum(-1)


class BilinearParts(nn.Module):
    def __init__(self, feature_dim, num_digits, num_colours):
        super().__init__()
        self.a, self.b = nn.Linear(feature_dim, num_digits, bias=False), nn.Linear(feature_dim, num_colours, bias=False)
        self.w, self.c = nn.Parameter(torch.zeros(feature_dim)), nn.Parameter(torch.zeros(()))

    def forward(self, f, y):
        k = self.b.out_features
        of_digit = self.a(f).gather(1, (y // k)[:, None])[:, 0]
        return f @ self.w + self.c + of_digit + self.b(f).gather(1, (y % k)[:, None])[:, 0]


def head_of_the_library(feature_dim, num_digits, num_colours):
    return ProjectionHead(feature_dim, num_digits * num_colours, (num_digits, num_colours))


def head(forward):
    return tables(forward, TwoHead)


class HeadInAList(nn.Module):
    def __init__(self, feature_dim, num_digits, num_colours):
        super().__init__()
        self.parts = [TwoHead(feature_dim, num_digits, num_colours)]

    def forward(self, features, labels):
        return self.parts[0](features, labels)


class NoBias(TwoHead):
    def __init__(self, feature_dim, num_digits, num_colours):
        super().__init__(feature_dim, num_digits, num_colours)
        self.psi = nn.Linear(feature_dim, 1, bias=False)


class ClassHead(TwoHead):
    def __init__(self, feature_dim, num_digits, num_colours):
        super().__init__(feature_dim, num_digits, num_colours)
        self.v = nn.Embedding(num_digits * num_colours, feature_dim)


def multiplied_rows(self, f, y):
    digit, colour = self.rows(y)
    return self.psi(f).squeeze(1) + (digit * colour * f).sum(1)


def views(change, real, fake):
    return change(real), change(fake.detach()), change(fake)


def one_view_for_both(change, real, fake):
    seen = change(fake)
    return [change(real), seen.detach(), seen]


def changed_together(change, real, fake):
    for_d = change(torch.cat([real, fake.detach()]))
    return *for_d.chunk(2), change(fake)


def detached_late(change, real, fake):
    return change(real), change(fake).detach(), change(fake)


def shifted(x):
    padded = F.pad(x, (3, 3, 3, 3), mode="replicate")
    starts = torch.randint(7, (len(x), 2)).tolist()
    rows = [image[:, a : a + x.shape[2], b : b + x.shape[3]] for image, (a, b) in zip(padded, starts, strict=True)]
    return torch.stack(rows)


def rolled(x):
    return torch.stack([image.roll(torch.randint(-2, 3, (2,)).tolist(), (1, 2)) for image in x])


def tilted(x):
    angle = (torch.rand(len(x)) - 0.5) * 0.9
    rows = torch.stack([angle.cos(), -angle.sin(), 0 * angle, angle.sin(), angle.cos(), 0 * angle], 1).view(-1, 2, 3)
    grid = F.affine_grid(rows, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def noisy(x, strength=0.4):
    return x + strength * torch.randn_like(x)


RIGHT = [
    ("table_rows", (120, 17, 10)),
    ("table_rows", [120, 17, 10]),
    ("table_rows", torch.tensor([120, 17, 10])),
    ("table_rows", (10 * 3 * 4, 10 + 3 + 4, max(10, 3, 4))),
    ("two_tables", TwoTables),
    ("two_tables", ByHand),
    ("two_tables", OneHot),
    ("two_tables", OneTable),
    ("two_tables", of_the_library),
    ("two_tables", tables(lambda self, y: TwoTables.forward(self, y).double())),
    ("two_attribute_head", TwoHead),
    ("two_attribute_head", TermByTerm),
    ("two_attribute_head", BilinearParts),
    ("two_attribute_head", head_of_the_library),
    ("views", views),
    ("views", one_view_for_both),
    ("views", changed_together),
    ("views", detached_late),
    ("augmentation", translation),
    ("augmentation", shifted),
    ("augmentation", lambda x: rolled(tilted(x))),
    ("augmentation", noisy),
]
WRONG = [
    ("table_rows", (30, 17, 10), "a product"),
    ("table_rows", (17, 120, 10), "a product"),
    ("table_rows", (120, 120, 10), "a sum"),
    ("table_rows", (120, 12, 10), "a sum"),
    ("table_rows", (120, 17, 17), "one image teaches a row of each"),
    ("table_rows", (120, 17, 120), "until every digit was seen"),
    ("table_rows", (120, 17, 4), "until every digit was seen"),
    ("table_rows", (120, 17), "The shape should be"),
    ("table_rows", "120, 17, 10", "Numbers are wanted"),
    ("two_tables", tables(lambda self, y: self.digits(y // self.num_colours)), "of the colour is missing"),
    ("two_tables", tables(lambda self, y: self.colours(y % self.num_colours)), "of the digit is missing"),
    (
        "two_tables",
        tables(lambda self, y: self.digits(y // self.num_colours) * self.colours(y % self.num_colours)),
        "not multiplied",
    ),
    ("two_tables", tables(lambda self, y: TwoTables.forward(self, y) / 2), "not a mean"),
    (
        "two_tables",
        tables(lambda self, y: torch.cat([self.digits(y // self.num_colours), self.colours(y % self.num_colours)], 1)),
        "Side by side",
    ),
    (
        "two_tables",
        tables(lambda self, y: self.digits(y % len(self.digits.weight)) + self.colours(y // len(self.digits.weight))),
        "label // num_colours",
    ),
    ("two_tables", tables(lambda self, y: self.digits(y % 2) + self.colours(y % 2)), "Row label // num_colours"),
    ("two_tables", tables(lambda self, y: TwoTables.forward(self, y).detach()), "no gradient"),
    (
        "two_tables",
        tables(lambda self, y: self.digits(y // self.num_colours) + self.colours(y % self.num_colours).detach()),
        "not every row that is used learns",
    ),
    ("two_tables", TableOfClasses, "red 7s alone"),
    ("two_tables", DigitsAlone, "Only one table"),
    ("two_tables", ThreeColours, "Not three colours always"),
    ("two_tables", Frozen, "leave requires_grad on"),
    ("two_tables", InAList, "nothing to learn"),
    ("two_tables", Padded, "padding_idx"),
    ("two_tables", TwoTables(10, 3, 4), "class itself"),
    ("two_tables", lambda num_digits, num_colours, dim: torch.zeros(num_digits, dim), "class of nn.Module"),
    ("two_attribute_head", head(lambda self, f, y: (self.v(y) * f).sum(1)), "ψ, is missing"),
    ("two_attribute_head", head(lambda self, f, y: self.psi(f).squeeze(1)), "digit and colour is missing"),
    ("two_attribute_head", head(lambda s, f, y: s.psi(f)[:, 0] + (s.rows(y)[0] * f).sum(1)), "the colour is missing"),
    ("two_attribute_head", head(lambda s, f, y: s.psi(f)[:, 0] + (s.rows(y)[1] * f).sum(1)), "the digit is missing"),
    ("two_attribute_head", head(lambda s, f, y: 2 * s.psi(f)[:, 0] + (s.v(y) * f).sum(1)), "counts once"),
    ("two_attribute_head", head(multiplied_rows), "stay apart"),
    ("two_attribute_head", head(lambda s, f, y: s.psi(f)[:, 0] + (s.v(y) * f).mean(1)), "not a mean"),
    ("two_attribute_head", head(lambda s, f, y: s.psi(f) + (s.v(y) * f).sum(1)), "squeeze(1)"),
    ("two_attribute_head", head(lambda s, f, y: TwoHead.forward(s, f, y).detach()), "no gradient"),
    ("two_attribute_head", head(lambda s, f, y: TwoHead.forward(s, f.detach(), y).sigmoid()), "ψ(features) +"),
    ("two_attribute_head", NoBias, "ψ is missing"),
    ("two_attribute_head", ClassHead, "red 7s alone"),
    ("two_attribute_head", HeadInAList, "nothing to learn"),
    ("two_attribute_head", TwoHead(4, 10, 3), "class itself"),
    ("views", lambda change, real, fake: (change(real), fake.detach(), fake), "D sees fakes as they are"),
    ("views", lambda change, real, fake: (change(real), change(fake.detach()), fake), "G sees fakes as they are"),
    ("views", lambda change, real, fake: (real, change(fake.detach()), change(fake)), "D sees reals as they are"),
    ("views", lambda change, real, fake: (change(real), change(fake.detach()), change(fake.detach())), "No gradient"),
    ("views", lambda change, real, fake: (change(real), change(fake), change(fake)), "would move G"),
    ("views", lambda change, real, fake: (change(fake.detach()), change(real), change(fake)), "something else"),
    ("views", lambda change, real, fake: (change(change(real)), change(fake), change(fake)), "something else"),
    ("views", lambda change, real, fake: (change(real) / 2, change(fake.detach()), change(fake)), "call change once"),
    ("views", lambda change, real, fake: change(real), "three views"),
    ("views", lambda change, real, fake: (change(real), change(fake)), "three views"),
    ("augmentation", lambda x: x, "Twice the same change"),
    ("augmentation", lambda x: x.flip(3), "Twice the same change"),
    ("augmentation", lambda x: x.roll(1, 3), "Twice the same change"),
    (
        "augmentation",
        lambda x: x.roll(torch.randint(-3, 4, (2,)).tolist(), (2, 3)) + 0.1 * torch.rand(1),
        "changed alike",
    ),
    ("augmentation", lambda x: torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x, x.flip(3)), "Too much"),
    (
        "augmentation",
        lambda x: torch.stack([i.rot90(int(k), (1, 2)) for i, k in zip(x, torch.randint(4, (len(x),)), strict=True)]),
        "Too much",
    ),
    ("augmentation", lambda x: noisy(x, 0.05), "Too little"),
    ("augmentation", lambda x: noisy(x, 3.0), "Too much"),
    ("augmentation", lambda x: shifted(x.detach()), "no gradient"),
    ("augmentation", lambda x: shifted(x)[:, :, 1:], "Shape in, shape out"),
    ("augmentation", lambda x: shifted(x) * torch.nan, "finite"),
    ("augmentation", lambda x: ((shifted(x) + 1) * 127.5).byte(), "Floats are wanted"),
    ("augmentation", lambda x: x.add_(0.4 * torch.randn_like(x)), "not in place"),
]
NOT_ATTEMPTED = [
    ("table_rows", (..., ..., ...)),
    ("two_tables", Unwritten),
    ("two_tables", tables(lambda self, y: None)),
    ("two_attribute_head", head(lambda self, f, y: ...)),
    ("views", lambda change, real, fake: (..., ..., ...)),
]
