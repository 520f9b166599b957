"""Notebook 09, classes with two attributes, and augmentation: tables that add up, views that hide training images."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cgan_lib.course.exercises.comparing import DETACHED, Formula, close, compare, numbers, shaped
from cgan_lib.course.exercises.projection import made
from cgan_lib.course.exercises.verdict import NotAttempted, Wrong, call, check, perform, run
from cgan_lib.data import load_data, to_uint8, to_unit
from cgan_lib.evaluation.classifier import load_classifier, read

STILL_READ, LEAST_CHANGE = 90.0, 0.2  # percent of changed digits read right; mean change of a pixel in [-1, 1]


@check("09", "answer", difficulty=1, minutes=5)
def check_table_rows(answer: tuple[int, int, int]) -> str:
    """Ten digits, three colours, four sizes: rows of one table, of three, and the fewest classes that teach all."""
    if isinstance(answer, (list, tuple)) and any(each is ... for each in answer):
        raise NotAttempted
    one, three, seen = shaped(answer, (3,)).tolist()
    if one != 120:
        raise Wrong("One table: a row for each class, and a class is a digit in a colour in a size: a product.")
    if three != 17:
        raise Wrong("Three tables: a row for each digit, each colour and each size: a sum.")
    if seen == 17:
        raise Wrong("Two are right. But one image teaches a row of each table at once: how many rows has the largest?")
    if seen != 10:
        raise Wrong("Two are right. Each image is of one digit: how many images at least, until every digit was seen?")
    return (
        "Ten classes of 120 could be enough to have a row for all; whether rows then add up well is another question."
    )


class Tables(NamedTuple):
    """What was learned of digits (num_digits, dim), and of colours (num_colours, dim)."""

    digits: Tensor
    colours: Tensor

    def rows(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Those of classes (N,), whose colour counts fastest: (N, dim) each."""
        return self.digits[labels // len(self.colours)], self.colours[labels % len(self.colours)]

    def added(self, labels: Tensor) -> Tensor:
        of_digits, of_colours = self.rows(labels)
        return of_digits + of_colours


SIZES = ((10, 3, 6), (4, 5, 7), (2, 6, 11))  # digits, colours, dim: no two alike, so that shapes tell tables apart


@check("09", "build", difficulty=2, minutes=15)
def check_two_tables(answer: Callable[[int, int, int], nn.Module]) -> str:
    """A module made from the numbers of digits, colours and `dim`: labels (N,) → (N, dim), the sum of two rows."""
    for num_digits, num_colours, dim in SIZES:
        module = made(answer, num_digits=num_digits, num_colours=num_colours, dim=dim)
        cases = [(torch.randperm(num_digits * num_colours)[:count],) for count in (8, 1, 8)]
        run(module, torch.tensor([0]))  # it says so when it is not attempted
        _draw_weights(module)
        tables = _tables_of(module, num_digits, num_colours, dim, learned=list(module.parameters()))
        mistakes: dict[str, Formula] = {
            "The row of the digit is right; that of the colour is missing.": lambda y, t=tables: t.rows(y)[0],
            "The row of the colour is right; that of the digit is missing.": lambda y, t=tables: t.rows(y)[1],
            "Added, not multiplied: what is red should be red in the same way on every digit.": (
                lambda y, t=tables: t.rows(y)[0] * t.rows(y)[1]
            ),
            "A sum, not a mean.": lambda y, t=tables: t.added(y) / 2,
            "Side by side they are twice as long: add the two rows.": lambda y, t=tables: torch.cat(t.rows(y), 1),
            "Colours count fastest: label // num_colours is the digit, label % num_colours the colour.": (
                lambda y, t=tables: t.digits[y % len(t.digits)] + t.colours[y // len(t.digits)]
            ),
        }
        compare(module, cases, tables.added, mistakes, "Row label // num_colours of one, plus row label % num_colours.")
        _check_learning(module, cases[0], tables.added, list(module.parameters()))
    return "A red 7 has a place before anybody has seen one: where 7 is, and where red leads from there."


def _draw_weights(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()


def _tables_of(module: nn.Module, num_digits: int, num_colours: int, dim: int, learned: list[nn.Parameter]) -> Tables:
    """The two tables of a module, whatever their names; as one of all rows, digits first, they are right, too."""
    sizes = sorted(parameter.numel() for parameter in learned)
    digits, colours, classes = num_digits * dim, num_colours * dim, num_digits * num_colours * dim
    hints = {
        (): "There is nothing to learn: make two nn.Embedding in __init__, as attributes of self.",
        (classes,): "A row for each class: that of the red 7 would learn from red 7s alone. Take a table of each.",
        (digits,): "Only one table: the colours need one, too.",
        (colours,): "Only one table: the digits need one, too.",
        (min(digits, 3 * dim), max(digits, 3 * dim)): "Not three colours always: num_colours says how many.",
    }
    if sizes not in (sorted([digits, colours]), [digits + colours]):
        wanted = f"{num_digits} rows and {num_colours} rows of {dim} numbers"
        otherwise = f"Two tables are wanted, {wanted}, and nothing else to learn; yours has {sizes}."
        raise Wrong(next((hint for some, hint in hints.items() if list(some) == sizes), otherwise))
    if not all(parameter.requires_grad for parameter in learned):
        raise Wrong("Both tables are to be learned: leave requires_grad on.")
    if len(learned) == 1:
        return Tables(*_upright(learned[0], num_digits + num_colours).split([num_digits, num_colours]))
    first, second = sorted(learned, key=lambda parameter: parameter.numel() != digits)
    return Tables(_upright(first, num_digits), _upright(second, num_colours))


def _upright(parameter: Tensor, rows: int) -> Tensor:
    """A view with a row for each value: the weight of a linear layer has columns."""
    return parameter if len(parameter) == rows else parameter.T


def _check_learning(module: nn.Module, case: tuple[Tensor, ...], right: Formula, learned: list[nn.Parameter]) -> None:
    """`Wrong` unless what is learned gets the gradient that it gets through the right formula."""
    value = right(*case)
    share = torch.rand(value.shape)
    expected = torch.autograd.grad((share * value).sum(), learned)
    try:
        found = torch.autograd.grad((share * run(module, *case)).sum(), learned, materialize_grads=True)
    except RuntimeError as error:
        raise Wrong(DETACHED) from error
    if not all(close(x.to_dense(), y) for x, y in zip(found, expected, strict=True)):
        raise Wrong("The numbers are right, but not every row that is used learns: no .detach() and no padding_idx.")


@check("09", "build", difficulty=2, minutes=12)
def check_two_attribute_head(answer: Callable[[int, int, int], nn.Module]) -> str:
    """A head made from `feature_dim` F and the numbers of digits and colours: (N, F) and (N,) → logits (N,)."""
    for num_digits, num_colours, dim in SIZES:
        head = made(answer, feature_dim=dim, num_digits=num_digits, num_colours=num_colours)
        cases = [(torch.randn(n, dim), torch.randperm(num_digits * num_colours)[:n]) for n in (7, 1, 7)]
        run(head, torch.randn(1, dim), torch.tensor([0]))
        _draw_weights(head)
        weight, bias, rest = _linear_of(head, dim)
        tables = _tables_of(head, num_digits, num_colours, dim, rest)

        def realness(f: Tensor, w: Tensor = weight, b: Tensor = bias) -> Tensor:
            return f @ w.view(-1) + b.view(())

        def score(f: Tensor, y: Tensor, real: Formula = realness, t: Tables = tables) -> Tensor:
            return real(f) + (t.added(y) * f).sum(1)

        mistakes = _mistakes_of_head(realness, tables)
        compare(head, cases, score, mistakes, "ψ(features) + ⟨row of the digit + row of the colour, features⟩.")
        _check_learning(head, cases[0], score, list(head.parameters()))
    return "D asks twice: does it agree with 7, and does it agree with red? Neither answer needs a red 7."


def _linear_of(head: nn.Module, dim: int) -> tuple[Tensor, Tensor, list[nn.Parameter]]:
    """Weight and bias of ψ, and what else is learned."""
    learned = list(head.parameters())
    weight = next((each for each in learned if each.numel() == dim), None)
    bias = next((each for each in learned if each.numel() == 1), None)
    if not learned:
        raise Wrong("There is nothing to learn: make ψ and two tables in __init__, as attributes of self.")
    if weight is None or bias is None:
        raise Wrong("ψ is missing: a linear layer with a bias, from the features to one number, as in notebook 03.")
    return weight, bias, [each for each in learned if each is not weight and each is not bias]


def _mistakes_of_head(realness: Formula, tables: Tables) -> dict[str, Formula]:
    def agreement(f: Tensor, rows: Tensor) -> Tensor:
        return (rows * f).sum(1)

    return {
        "The agreement is right; the realness, ψ, is missing.": lambda f, y: agreement(f, tables.added(y)),
        "The realness is right; the agreement with digit and colour is missing.": lambda f, y: realness(f),
        "The agreement with the colour is missing.": lambda f, y: realness(f) + agreement(f, tables.rows(y)[0]),
        "The agreement with the digit is missing.": lambda f, y: realness(f) + agreement(f, tables.rows(y)[1]),
        "ψ counts once, not for each attribute.": lambda f, y: 2 * realness(f) + agreement(f, tables.added(y)),
        "Multiplied, a digit and a colour are a thing of their own; added, they stay apart.": lambda f, y: (
            realness(f) + agreement(f, tables.rows(y)[0] * tables.rows(y)[1])
        ),
        "A dot product is a sum, not a mean.": lambda f, y: realness(f) + (tables.added(y) * f).mean(1),
        "(N, 1) and (N,) add up to (N, N): take the 1 away with squeeze(1).": lambda f, y: (
            realness(f)[:, None] + agreement(f, tables.added(y))
        ),
        "Colours count fastest: label // num_colours is the digit, label % num_colours the colour.": lambda f, y: (
            realness(f) + agreement(f, tables.digits[y % len(tables.digits)] + tables.colours[y // len(tables.digits)])
        ),
    }


class Change:
    """An augmentation that remembers what it was asked to change: no two calls change alike."""

    def __init__(self) -> None:
        self.calls: list[tuple[Tensor, Tensor]] = []

    def __call__(self, x: Tensor) -> Tensor:
        changed = x * (2 + len(self.calls)) + 5
        self.calls.append((x, changed))
        return changed

    def seen(self, view: Tensor) -> Tensor | None:
        """What a view was made from, alone or beside others; None when it was not made by a call."""
        for x, changed in self.calls:
            for start in range(len(changed) - len(view) + 1):
                rows = slice(start, start + len(view))
                if close(view, changed[rows]):
                    return x[rows]
        return None


@check("09", "debug", difficulty=3, minutes=12)
def check_views(answer: Callable[[Callable[[Tensor], Tensor], Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]) -> str:
    """What D's step sees of reals and of fakes, and what G's step sees of fakes, from an augmentation and both."""
    change, real, fake = Change(), torch.rand(4, 1, 3, 3), torch.rand(4, 1, 3, 3, requires_grad=True)
    views = run(answer, change, real, fake)
    if isinstance(views, Tensor) or not isinstance(views, (tuple, list)) or len(views) != 3:
        raise Wrong("Return three views: D's of the reals, D's of the fakes, G's of the fakes.")
    if any(view is ... for view in views):
        raise NotAttempted
    for view, of, who in zip(views, (real, fake, fake), ("D sees reals", "D sees fakes", "G sees fakes"), strict=True):
        _check_view(view, of, who, change)
    if not views[2].requires_grad or not torch.autograd.grad(views[2].sum(), fake, allow_unused=True)[0].any():
        raise Wrong("No gradient comes through G's view: in G's step the fakes keep their graph.")
    if views[1].requires_grad:
        raise Wrong("D's step would move G: cut the fakes off there, with .detach().")
    return "Whatever D sees is changed, of reals and fakes alike, and G learns through the change."


def _check_view(view: Any, of: Tensor, who: str, change: Change) -> None:
    view_of = numbers(view)
    seen = change.seen(view_of)
    if seen is None:
        if close(view_of, of):
            raise Wrong(f"{who} as they are. What is changed on one side alone, D tells apart by the change.")
        raise Wrong(f"{who}: call change once on them, and hand on what it gives.")
    if not close(seen.detach(), of.detach()):
        raise Wrong(f"{who}: this is a view of something else.")


@check("09", "design", difficulty=3, minutes=20)
def check_augmentation(answer: Callable[[Tensor], Tensor]) -> str:
    """A change of images in [-1, 1] (N, 1, H, W) at random, large, with a gradient, after which digits are the same."""
    digits = load_data("digits", train=False)
    images = to_unit(digits.images)
    changed = numbers(call(answer, images))
    if changed.shape != images.shape:
        raise Wrong(f"Shape in, shape out: {tuple(images.shape)} became {tuple(changed.shape)}.")
    if not changed.is_floating_point() or not changed.isfinite().all():
        raise Wrong("Floats are wanted, all of them finite.")
    _check_random(answer, images[:1].expand(8, -1, -1, -1).clone())
    _check_differentiable(answer, images[:4])
    mean = (changed.float().clamp(-1, 1) - images).abs().mean().item()
    _, logits = read(load_classifier("digits"), to_uint8(changed.float().clamp(-1, 1)))
    right = 100 * (logits.argmax(1) == digits.labels).float().mean().item()
    said = f"pixels change by {mean:.2f} on average, {right:.0f}% of the digits are still read right"
    if right < STILL_READ:
        raise Wrong(f"Too much, or of the wrong kind: {said}; {STILL_READ:.0f}% are wanted. Is a mirrored 3 a 3?")
    if mean < LEAST_CHANGE:
        raise Wrong(f"Too little: {said}; {LEAST_CHANGE} is wanted. D would still know every image.")
    return f"{said[0].upper()}{said[1:]}."


def _check_random(answer: Any, same: Tensor) -> None:
    one, other = (numbers(perform(answer, same.clone())) for _ in range(2))
    if close(one, other):
        raise Wrong("Twice the same change: D would know the changed images by heart instead. Draw it anew each time.")
    if all(close(each, one[0]) for each in one):
        raise Wrong("All images of a batch are changed alike: draw for each image.")


def _check_differentiable(answer: Any, images: Tensor) -> None:
    x = images.clone().requires_grad_()
    try:
        changed = perform(answer, x * 1)
        (slope,) = torch.autograd.grad((changed * torch.rand(images.shape)).sum(), x, allow_unused=True)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise Wrong(DETACHED) from error
    if slope is None or not slope.flatten(1).any(1).all():
        raise Wrong(DETACHED)
