"""Notebooks 00 and 01: what an image is, the loss of a generator, its inputs."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from cgan_lib.course.exercises.comparing import Formula, close, compare, distance, numbers, same_slopes, shaped
from cgan_lib.course.exercises.verdict import NotAttempted, Wrong, call, check
from cgan_lib.data import to_unit
from cgan_lib.losses import bce_g, minimax_g


@check("00", "answer", difficulty=1, minutes=2)
def check_numbers_in_image(answer: int) -> str:
    """How many numbers make one MNIST image."""
    found = numbers(answer)
    if found.numel() > 1:
        raise Wrong("One number is wanted: multiply the three sizes.")
    hints: dict[float, str] = {
        28: "28 is one row of pixels.",
        56: "Not 28 + 28: each of 28 rows has 28 pixels.",
        255: "255 is the largest value of a pixel; the question is how many pixels there are.",
        3 * 28 * 28: "These images are grey: one channel, not three.",
        100: "100 numbers go into the generator; the question is how many come out.",
        10: "10 is the number of classes.",
    }
    if (value := shaped(found, ()).item()) != 28 * 28:
        raise Wrong(hints.get(value, "An image is 28 pixels high, 28 wide, and has one channel."))
    return "1 × 28 × 28 = 784 numbers: that is what the generator has to get right at once."


@check("00", "build", difficulty=1, minutes=5)
def check_scaled_pixels(answer: Callable[[Tensor], Tensor]) -> str:
    """Bytes of any shape → floats, linearly: 0 → −1, 255 → 1."""
    cases = [(torch.randint(256, shape, dtype=torch.uint8),) for shape in ((5,), (2, 1, 4, 4), (3, 6))]
    cases += [(torch.tensor([0, 127, 128, 255], dtype=torch.uint8),), (torch.tensor([7, 90], dtype=torch.uint8),)]
    mistakes: dict[str, Formula] = {
        "These run from 0 to 1: twice as wide, then one down.": lambda x: x.float() / 255,
        "From −0.5 to 0.5: twice as wide.": lambda x: x.float() / 255 - 0.5,
        "From 0 to 2: one down.": lambda x: x.float() / 127.5,
        "Upside down: white, 255, is 1.": lambda x: 1 - x.float() / 127.5,
        "By the least and the largest of this picture, so that a grey one turns black and white: by 0 and 255.": (
            lambda x: 2 * (x.double() - x.min()) / (x.max() - x.min()) - 1
        ),
        "255 becomes 0.99: half of 255 is 127.5.": lambda x: x.float() / 128 - 1,
        "255 becomes 1.01: half of 255 is 127.5.": lambda x: x.float() / 127 - 1,
        "A whole number of bytes cannot hold halves: .float() first.": lambda x: x // 127.5 - 1,
        "Bytes overflow: .float() comes first.": lambda x: (x * 2) / 255 - 1,
        "Bytes that go below 0 begin again at 255: .float() comes first.": lambda x: (x - 127) / 127.5,
    }
    values = compare(answer, cases, to_unit, mistakes, "A line through two points: 0 → −1 and 255 → 1.")
    if not all(value.is_floating_point() for value in values):
        raise Wrong("A network wants floats: .float().")
    return "Now real images have the range of the tanh at the end of a generator."


@check("01", "build", difficulty=1, minutes=5)
def check_nonsaturating(answer: Callable[[Tensor], Tensor]) -> str:
    """The non-saturating generator loss, −log D(G(z)), from logits (N,)."""
    cases = [(torch.rand(5) + 0.5,), (2 * torch.randn(7),), (torch.tensor([-3.0, -0.5, 0.1, 2.0]),)]
    mistakes = {
        "One number for each image: average over the batch.": lambda x: F.softplus(-x),
        "This is the minimax loss log(1 − D(G(z))), whose gradient vanishes when D is sure.": minimax_g,
        "This is −log(1 − D(G(z))), what D pays for a fake: the generator wants D(G(z)) near 1.": lambda x: (
            -minimax_g(x)
        ),
        "The sign: the generator minimises −log D(G(z)).": lambda x: -bce_g(x),
        "Logits are not probabilities: D(G(z)) = sigmoid(logits).": lambda x: -x.log().mean(),
        "The mean over the batch, then, not the sum.": lambda x: F.softplus(-x).sum(),
        "First −log of each D(G(z)), then the mean: not the log of the mean.": lambda x: -x.sigmoid().mean().log(),
        "Only the logarithm to the base e, torch.log, has this gradient.": lambda x: bce_g(x) / torch.tensor(2).log(),
        "The −log is missing: this is D(G(z)) itself.": lambda x: x.sigmoid().mean(),
    }
    compare(answer, cases, bce_g, mistakes, "Start from D(G(z)) = sigmoid(logits), then −log of it, then the mean.")
    if not all(same_slopes(answer, bce_g, case) for case in cases):
        raise Wrong("The value is right, its gradient is not: let all of it be computed by torch, from the logits.")
    _check_extremes(answer)
    return "And it stays finite for any logit."


def _check_extremes(loss: Callable[[Tensor], Tensor]) -> None:
    """`Wrong` where a generator loss, right elsewhere, is not at logits far from 0."""
    cure = "softplus(−x) equals −log sigmoid(x), safely."
    logits = torch.tensor([-200.0, -50.0, 50.0, 200.0])
    if not (value := numbers(call(loss, logits))).isfinite().all():
        raise Wrong(f"Correct, until a logit is very negative: log(0), or exp(200), is infinite. {cure}")
    if not close(value, bce_g(logits)) or not same_slopes(loss, bce_g, (logits,)):
        raise Wrong(f"Finite at a logit of −50, but the gradient is gone where G has most to learn. {cure}")


@check("01", "answer", difficulty=1, minutes=5)
def check_one_style_ten_digits(answer: tuple[Tensor, Tensor]) -> str:
    """`(z, labels)` that draw the digits 0 to 9 in one and the same handwriting."""
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Wrong("Give both: (z, labels).")
    if any(part is None or part is ... for part in answer):
        raise NotAttempted
    z, labels = (numbers(part) for part in answer)
    if tuple(z.shape) == (10,) and labels.ndim == 2:
        raise Wrong("The other way round: first z, then labels.")
    _check_ten_labels(labels)
    _check_one_style(z)
    return "z says how, labels say what."


def _check_ten_labels(labels: Tensor) -> None:
    if labels.ndim != 1 or sorted(labels.tolist()) != list(range(10)):
        raise Wrong("labels should hold each of 0 to 9 once: torch.arange(10).")
    if labels.is_floating_point():
        raise Wrong("labels are classes: whole numbers, not floats.")


def _check_one_style(z: Tensor) -> None:
    if tuple(z.shape) != (10, 100):
        raise Wrong(f"z needs one row for each label: shape (10, 100), not {tuple(z.shape)}.")
    if not z.isfinite().all():
        raise Wrong("z holds numbers that are NaN or infinite.")
    if not torch.equal(z, z[:1].expand_as(z)):
        raise Wrong("The rows of z differ, so each digit comes in another handwriting: repeat one row.")
    if z[0].unique().numel() < 2:
        raise Wrong("All numbers of z are equal: draw the row from N(0, 1) with torch.randn.")
    row = z[0].double()
    strange = distance(row, torch.special.ndtr) > 0.3 or not 1 < row.abs().max() < 6 or row.std() > 1.5
    if strange or row.unique().numel() < 60:  # 85 at least of 100 from N(0, 1), in bfloat16
        raise Wrong("These are no numbers from N(0, 1), which the generator knows: draw the row with torch.randn.")
