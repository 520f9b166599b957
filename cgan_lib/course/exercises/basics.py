"""Notebook 01: what an image is, the loss of a generator, inputs, labels as planes."""

from collections.abc import Callable

import torch
from torch import Tensor

from cgan_lib.course.exercises.verdict import NotAttempted, Wrong, call, check, tensor
from cgan_lib.losses import bce_g, minimax_g


@check
def check_numbers_in_image(answer: int) -> str:
    """How many numbers make one MNIST image."""
    if answer == 28:
        raise Wrong("28 is one row of pixels.")
    if answer == 255:
        raise Wrong("255 is the largest value of a pixel; the question is how many pixels there are.")
    if answer != 28 * 28:
        raise Wrong("An image is 28 pixels high, 28 wide, and has one channel.")
    return "1 × 28 × 28 = 784 numbers: that is what the generator has to get right at once."


@check
def check_nonsaturating(answer: Callable[[Tensor], Tensor]) -> str:
    """The non-saturating generator loss, −log D(G(z)), from logits (N,)."""
    logits = torch.tensor([-3.0, -0.5, 0.0, 2.0])
    value = call(answer, logits)
    if isinstance(value, Tensor) and value.shape == logits.shape:
        raise Wrong("One number for each image: average over the batch.")
    value = tensor(value, ())
    if torch.isclose(value, minimax_g(logits)):
        raise Wrong("This is the minimax loss log(1 − D(G(z))), whose gradient vanishes when D is sure.")
    if torch.isclose(value, -bce_g(logits)):
        raise Wrong("The sign: the generator minimises −log D(G(z)).")
    if torch.isclose(value, -logits.log().mean(), equal_nan=True):
        raise Wrong("Logits are not probabilities: D(G(z)) = sigmoid(logits).")
    if not torch.isclose(value, bce_g(logits)):
        raise Wrong("Start from D(G(z)) = sigmoid(logits), then −log of it, then the mean.")
    if not call(answer, torch.tensor([-200.0])).isfinite():
        raise Wrong("Correct, until a logit is very negative: log(0). softplus(−x) equals −log sigmoid(x), safely.")
    return "And it stays finite for any logit."


@check
def check_one_style_ten_digits(answer: tuple[Tensor, Tensor]) -> str:
    """`(z, labels)` that draw the digits 0 to 9 in one and the same handwriting."""
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Wrong("Give both: (z, labels).")
    if any(part is None or part is ... for part in answer):
        raise NotAttempted
    z, labels = answer
    if not isinstance(labels, Tensor) or sorted(labels.tolist()) != list(range(10)):
        raise Wrong("labels should hold each of 0 to 9 once: torch.arange(10).")
    if not isinstance(z, Tensor) or z.ndim != 2 or len(z) != 10:
        raise Wrong("z needs one row for each label: shape (10, latent_dim).")
    if not torch.equal(z, z[:1].expand_as(z)):
        raise Wrong("The rows of z differ, so each digit comes in another handwriting: repeat one row.")
    if z[0].unique().numel() < 2:
        raise Wrong("All numbers of z are equal: draw the row from N(0, 1) with torch.randn.")
    return "z says how, labels say what."


@check
def check_one_hot_planes(answer: Callable[[Tensor, int, int], Tensor]) -> str:
    """A function `(labels, num_classes, size)` → one-hot planes (N, num_classes, size, size)."""
    labels = torch.tensor([2, 0, 3])
    planes = tensor(call(answer, labels, 4, 5), (3, 4, 5, 5))
    expected = torch.zeros(3, 4, 5, 5)
    expected[range(3), labels] = 1
    if not planes.is_floating_point():
        raise Wrong("A convolution needs floats: add .float().")
    if torch.equal(planes, expected):
        return "Every pixel now knows its class, and nothing had to be learned for it."
    if torch.equal(planes.sum(1), torch.ones(3, 5, 5)):
        raise Wrong("Each pixel has one 1, but in the wrong plane: plane labels[n] of image n is the one that is 1.")
    raise Wrong("Image n: plane labels[n] is all 1, the other planes all 0.")
