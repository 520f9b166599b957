"""Exercises that check themselves: each check tells right, wrong (with a hint) and not attempted apart.

An answer is not attempted while it is `...` or `None`, or a function that returns one of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.losses import bce_g, hinge_d, minimax_g

State = Literal["right", "wrong", "not attempted"]


@dataclass(frozen=True)
class Verdict:
    """What a check found; a notebook shows it as one line."""

    state: State
    message: str = ""

    def __repr__(self) -> str:
        return {
            "right": f"✔ Right. {self.message}",
            "wrong": f"✘ Not yet. {self.message}",
            "not attempted": "○ Not attempted yet: replace the ... above and run this cell again.",
        }[self.state].strip()


class _Wrong(Exception):
    """Raised by a check with the hint for this particular mistake."""


class _NotAttempted(Exception):
    """Raised by a check when a function still returns nothing."""


def _check(judge: Callable[[Any], str]) -> Callable[[Any], Verdict]:
    """Turn `judge`, which returns praise or raises, into a check that returns a `Verdict` and never raises."""

    @wraps(judge)
    def check(answer: Any) -> Verdict:
        if answer is None or answer is ...:
            return Verdict("not attempted")
        try:
            return Verdict("right", judge(answer))
        except _NotAttempted:
            return Verdict("not attempted")
        except _Wrong as hint:
            return Verdict("wrong", str(hint))
        except Exception as error:  # the learner's own code may raise anything
            return Verdict("wrong", f"Your answer raised {type(error).__name__}: {error}")

    return check


def _call(function: Any, *arguments: Any) -> Any:
    if not callable(function):
        raise _Wrong(f"The answer should be a function; this is {type(function).__name__}.")
    if (result := function(*arguments)) is None or result is ...:
        raise _NotAttempted
    return result


def _tensor(value: Any, shape: tuple[int, ...]) -> Tensor:
    if not isinstance(value, Tensor):
        raise _Wrong(f"Return a tensor; this is {type(value).__name__}.")
    if tuple(value.shape) != shape:
        raise _Wrong(f"The shape should be {shape}; this is {tuple(value.shape)}.")
    return value


@_check
def check_numbers_in_image(answer: int) -> str:
    """How many numbers make one MNIST image."""
    if answer == 28:
        raise _Wrong("28 is one row of pixels.")
    if answer == 255:
        raise _Wrong("255 is the largest value of a pixel; the question is how many pixels there are.")
    if answer != 28 * 28:
        raise _Wrong("An image is 28 pixels high, 28 wide, and has one channel.")
    return "1 × 28 × 28 = 784 numbers: that is what the generator has to get right at once."


@_check
def check_nonsaturating(answer: Callable[[Tensor], Tensor]) -> str:
    """The non-saturating generator loss, −log D(G(z)), from logits (N,)."""
    logits = torch.tensor([-3.0, -0.5, 0.0, 2.0])
    value = _call(answer, logits)
    if isinstance(value, Tensor) and value.shape == logits.shape:
        raise _Wrong("One number for each image: average over the batch.")
    value = _tensor(value, ())
    if torch.isclose(value, minimax_g(logits)):
        raise _Wrong("This is the minimax loss log(1 − D(G(z))), whose gradient vanishes when D is sure.")
    if torch.isclose(value, -bce_g(logits)):
        raise _Wrong("The sign: the generator minimises −log D(G(z)).")
    if torch.isclose(value, -logits.log().mean(), equal_nan=True):
        raise _Wrong("Logits are not probabilities: D(G(z)) = sigmoid(logits).")
    if not torch.isclose(value, bce_g(logits)):
        raise _Wrong("Start from D(G(z)) = sigmoid(logits), then −log of it, then the mean.")
    if not _call(answer, torch.tensor([-200.0])).isfinite():
        raise _Wrong("Correct, until a logit is very negative: log(0). softplus(−x) equals −log sigmoid(x), safely.")
    return "And it stays finite for any logit."


@_check
def check_one_style_ten_digits(answer: tuple[Tensor, Tensor]) -> str:
    """`(z, labels)` that draw the digits 0 to 9 in one and the same handwriting."""
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise _Wrong("Give both: (z, labels).")
    if any(part is None or part is ... for part in answer):
        raise _NotAttempted
    z, labels = answer
    if not isinstance(labels, Tensor) or sorted(labels.tolist()) != list(range(10)):
        raise _Wrong("labels should hold each of 0 to 9 once: torch.arange(10).")
    if not isinstance(z, Tensor) or z.ndim != 2 or len(z) != 10:
        raise _Wrong("z needs one row for each label: shape (10, latent_dim).")
    if not torch.equal(z, z[:1].expand_as(z)):
        raise _Wrong("The rows of z differ, so each digit comes in another handwriting: repeat one row.")
    if z[0].unique().numel() < 2:
        raise _Wrong("All numbers of z are equal: draw the row from N(0, 1) with torch.randn.")
    return "z says how, labels say what."


@_check
def check_one_hot_planes(answer: Callable[[Tensor, int, int], Tensor]) -> str:
    """A function `(labels, num_classes, size)` → one-hot planes (N, num_classes, size, size)."""
    labels = torch.tensor([2, 0, 3])
    planes = _tensor(_call(answer, labels, 4, 5), (3, 4, 5, 5))
    expected = torch.zeros(3, 4, 5, 5)
    expected[range(3), labels] = 1
    if not planes.is_floating_point():
        raise _Wrong("A convolution needs floats: add .float().")
    if torch.equal(planes, expected):
        return "Every pixel now knows its class, and nothing had to be learned for it."
    if torch.equal(planes.sum(1), torch.ones(3, 5, 5)):
        raise _Wrong("Each pixel has one 1, but in the wrong plane: plane labels[n] of image n is the one that is 1.")
    raise _Wrong("Image n: plane labels[n] is all 1, the other planes all 0.")


@_check
def check_dcgan_init(answer: Callable[[nn.Module], nn.Module]) -> str:
    """A function that draws the weights of all convolutions of a network from N(0, 0.02) and returns it."""
    network = nn.Sequential(
        nn.Conv2d(64, 64, 4), nn.BatchNorm2d(64), nn.Sequential(nn.ConvTranspose2d(64, 64, 4)), nn.Linear(64, 64)
    )
    linear = network[3].weight.detach().clone()
    if not isinstance(_call(answer, network), nn.Module):
        raise _Wrong("Return the network.")
    for layer in (network[0], network[2][0]):
        if abs(layer.weight.mean()) > 0.002:
            raise _Wrong(
                f"The mean of a {type(layer).__name__}'s weights should be 0; it is {layer.weight.mean():.3f}."
            )
        if not 0.019 < layer.weight.std() < 0.021:
            spread = (
                f"The deviation of a {type(layer).__name__}'s weights should be 0.02; it is {layer.weight.std():.4f}."
            )
            raise _Wrong(spread + (" (0.02 is the deviation, not the variance.)" if layer.weight.std() > 0.1 else ""))
    if not torch.equal(network[3].weight, linear) or not torch.equal(network[1].weight, torch.ones(64)):
        raise _Wrong("Only convolutions: leave the other layers as they are.")
    return "Inner layers too, whatever they lie in."


@_check
def check_instance_norm(answer: Callable[[Tensor], Tensor]) -> str:
    """InstanceNorm without learned scale: (N, C, H, W) → (N, C, H, W)."""
    x = torch.arange(2 * 3 * 4 * 4).float().reshape(2, 3, 4, 4).sin() * 3 + 1
    value = _tensor(_call(answer, x), tuple(x.shape))
    mistakes = {
        "This is BatchNorm: take each image of the batch alone.": F.batch_norm(x, None, None, training=True),
        "This is LayerNorm: take each channel alone, too.": F.layer_norm(x, x.shape[1:]),
        "The variance divides by H·W here, not by H·W − 1: correction=0.": (x - x.mean((2, 3), True))
        / x.std((2, 3), keepdim=True),
        "Divide by the square root of the variance.": (x - x.mean((2, 3), True))
        / x.var((2, 3), keepdim=True, correction=0),
    }
    if torch.allclose(value, F.instance_norm(x), atol=1e-4):
        return "Every map of every image on its own."
    for hint, mistake in mistakes.items():
        if torch.allclose(value, mistake, atol=1e-4):
            raise _Wrong(hint)
    raise _Wrong("Take from each (image, channel) its mean over height and width, then divide by its deviation.")


@_check
def check_curve_reading(answer: dict[str, str]) -> str:
    """What four pairs of D(x) and D(G(z)) say."""
    expected = {"a": "D is sure", "b": "D guesses", "c": "game", "d": "D is fooled"}
    if not isinstance(answer, dict) or set(answer) != set(expected):
        raise _Wrong("Give a dict with the keys a, b, c and d.")
    if any(value is ... or value is None for value in answer.values()):
        raise _NotAttempted
    if unknown := set(answer.values()) - set(expected.values()):
        raise _Wrong(f"{unknown.pop()!r} is none of the four: {', '.join(expected.values())}.")
    if wrong := [key for key in expected if answer[key] != expected[key]]:
        raise _Wrong(f"Look again at {', '.join(wrong)}. Which of the two is larger, and is any of them near 0 or 1?")
    return "And none of it says whether the digits are good."


@_check
def check_projection_score(answer: Callable[..., Tensor]) -> str:
    """The projection score from features (N, F), labels (N,), embeddings (10, F), weight (F,) and bias."""
    features = torch.arange(12.0).reshape(3, 4).cos()
    embeddings, weight, bias = torch.arange(40.0).reshape(10, 4).sin(), torch.tensor([1.0, -2.0, 0.5, 3.0]), 0.25
    labels = torch.tensor([7, 7, 3])
    value = _tensor(_call(answer, features, labels, embeddings, weight, bias), (3,))
    realness, agreement = features @ weight + bias, (embeddings[labels] * features).sum(1)
    if torch.allclose(value, realness + agreement, atol=1e-5):
        return "The label only chooses the row of the embedding."
    if torch.allclose(value, agreement, atol=1e-5):
        raise _Wrong("The agreement is right; the realness, ψ, is missing.")
    if torch.allclose(value, realness, atol=1e-5):
        raise _Wrong("The realness is right; the agreement with the class is missing.")
    if torch.allclose(value, realness - bias + agreement, atol=1e-5):
        raise _Wrong("Nearly: the bias is missing.")
    raise _Wrong("Realness is features @ weight + bias; agreement is the dot product of each image's two rows.")


@_check
def check_hinge(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """The discriminator's hinge loss from real and fake logits."""
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-3.0, 0.25])
    value = _tensor(_call(answer, real, fake), ())
    if torch.isclose(value, hinge_d(real, fake)):
        return "And beyond the margin it is 0: nothing more to want."
    if torch.isclose(value, hinge_d(fake, real)):
        raise _Wrong("Real and fake are exchanged: reals should be above 1, fakes below −1.")
    if torch.isclose(value, 2 - real.mean() + fake.mean()):
        raise _Wrong("Without max(0, …) a logit far beyond the margin is still rewarded: that is Wasserstein's loss.")
    if torch.isclose(value, F.relu(1 - real).sum() + F.relu(1 + fake).sum()):
        raise _Wrong("Average over the batch.")
    raise _Wrong("The mean of max(0, 1 − real), plus the mean of max(0, 1 + fake).")


@_check
def check_power_iteration(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """The largest singular value of W (rows, columns), from a start vector."""
    W = torch.arange(15.0).reshape(5, 3).sin() * torch.tensor([3.0, 1.0, 0.2])
    value = _call(answer, W, torch.tensor([0.3, -0.5, 0.8]))
    value = _tensor(value if isinstance(value, Tensor) else torch.tensor(float(value)), ())
    sigma = torch.linalg.matrix_norm(W, ord=2)
    if torch.isclose(value, sigma, rtol=1e-3):
        return "50 turns here; a training step needs one, as it starts from the vector of the step before."
    if torch.isclose(value, W.norm(), rtol=1e-3):
        raise _Wrong("This is the Frobenius norm: all singular values together. Only the largest is wanted.")
    if torch.isclose(value, sigma**2, rtol=1e-3):
        raise _Wrong("This is σ²: the largest eigenvalue of WᵀW. Take its root, or use uᵀ W v.")
    raise _Wrong("u = W v and v = Wᵀ u in turns, each made length 1; then uᵀ W v.")


@_check
def check_frechet(answer: Callable[..., float]) -> str:
    """The Fréchet distance of two Gaussians on a line, from mean, standard deviation, mean, standard deviation."""
    cases = ((0.0, 1.0, 3.0, 1.0), (0.0, 2.0, 0.0, 0.5), (1.0, 1.5, -2.0, 3.0))

    def matches(formula: Callable[..., float]) -> bool:
        return all(abs(float(_call(answer, *case)) - formula(*case)) < 1e-4 for case in cases)

    if matches(lambda m, s, n, t: (m - n) ** 2 + (s**2 - t**2) ** 2):
        raise _Wrong("tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½) with Σ = σ² gives σ₁² + σ₂² − 2σ₁σ₂: a square of what?")
    if matches(lambda m, s, n, t: (m - n) ** 2 + s**2 + t**2):
        raise _Wrong("The last part is missing: −2(Σ₁Σ₂)^½, which is −2σ₁σ₂.")
    if matches(lambda m, s, n, t: (m - n) ** 2):
        raise _Wrong("Equal means are not enough: the widths count too.")
    if matches(lambda m, s, n, t: ((m - n) ** 2 + (s - t) ** 2) ** 0.5):
        raise _Wrong("No root at the end: what is called FID is the square of the distance.")
    if not matches(lambda m, s, n, t: (m - n) ** 2 + (s - t) ** 2):
        raise _Wrong("On a line Σ is one number, σ². Put that into the formula above.")
    return "Equal means and equal widths, and it is 0; it sees nothing else."


@_check
def check_precision(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """Precision from distances (M, N) of M fakes to N real images, and the reach (N,) of each real image."""
    distances = torch.tensor([[0.5, 9, 9], [9, 2, 9], [0.5, 0.5, 9], [1.8, 9, 2.5], [9, 9, 9]])  # (5, 3)
    reach = torch.tensor([1.0, 1.0, 3.0])
    value = float(_call(answer, distances, reach))
    inside = distances < reach
    if abs(value - 60) < 1e-4:
        raise _Wrong("Right in percent. Give the share, from 0 to 1.")
    if abs(value - inside.any(0).float().mean().item()) < 1e-6:
        raise _Wrong("That is the share of real images with a fake in their ball: coverage. Ask every fake instead.")
    if abs(value - inside.float().mean().item()) < 1e-6:
        raise _Wrong("One ball is enough: a fake counts once, in however many balls it lies.")
    if abs(value - inside.sum(1).float().mean().item()) < 1e-6:
        raise _Wrong("A fake in two balls counts once. (Counting balls is the idea of density.)")
    if abs(value - 0.6) > 1e-6:
        raise _Wrong("A fake (row) is good when any of its distances is below the reach of that real image (column).")
    return "Three of these five fakes are believable. One of them lies in two balls, which density would count."


@_check
def check_swapped_labels(answer: set[str]) -> str:
    """Which of FID, IS, recall, coverage, GAN-test and GAN-train notice that every label was swapped."""
    known = {"FID", "IS", "recall", "coverage", "GAN-test", "GAN-train"}
    if not isinstance(answer, (set, list, tuple)):
        raise _Wrong('Give a set of names, such as {"FID", "IS"}.')
    chosen = set(answer)
    if chosen == {...}:
        raise _NotAttempted
    if extra := {str(name) for name in chosen} - known:
        raise _Wrong(f"{min(extra)} is not among {', '.join(sorted(known))}.")
    if chosen & (known - {"GAN-test", "GAN-train"}):
        culprit = min(chosen & (known - {"GAN-test", "GAN-train"}))
        raise _Wrong(f"{culprit} looks at the images alone: it never learns what was asked for.")
    if "GAN-test" not in chosen:
        raise _Wrong("One score asks of each image whether it is what was asked for.")
    if "GAN-train" not in chosen:
        raise _Wrong("A classifier that learns from images with wrong labels: what will it say of real digits?")
    return "The other four would give full marks to a generator that ignores you."


@_check
def check_slerp(answer: Callable[[Tensor, Tensor, float], Tensor]) -> str:
    """The point at a share of the arc between two latents (latent_dim,)."""
    start, end = torch.tensor([3.0, 0.0, 0.0, 1.0]), torch.tensor([0.0, 2.0, 1.0, 1.0])
    angle = torch.arccos(F.cosine_similarity(start, end, dim=0))

    def matches(formula: Callable[[float], Tensor]) -> bool:
        return all(torch.allclose(value, formula(t), atol=1e-4) for t, value in values.items())

    values = {t: _tensor(_call(answer, start, end, t), (4,)) for t in (0.25, 0.5, 0.8)}
    if matches(lambda t: torch.lerp(start, end, t)):
        raise _Wrong("That is the straight line. On the arc the weights are sines of parts of the angle.")
    if matches(lambda t: (torch.sin(t * angle) * start + torch.sin((1 - t) * angle) * end) / torch.sin(angle)):
        raise _Wrong("The ends are exchanged: at share 0 you should be at the start.")
    if matches(lambda t: torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end):
        raise _Wrong("Divide by sin(angle), so that share 0 is the start itself.")
    if not matches(lambda t: (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / torch.sin(angle)):
        raise _Wrong("angle = arccos of the cosine similarity; then the formula above, with sines.")
    return "The length stays that of a latent the whole way."


@_check
def check_between(answer: Tensor) -> str:
    """Class weights (10,) for what lies a quarter of the way from 1 to 7."""
    weights = _tensor(answer, (10,)).float()
    if torch.allclose(weights, torch.eye(10)[1] * 0.25 + torch.eye(10)[7] * 0.75):
        raise _Wrong("That is a quarter of the way from 7 to 1: most of it should still be the 1.")
    if not torch.isclose(weights.sum(), torch.tensor(1.0)):
        raise _Wrong(f"Shares add up to 1; these make {weights.sum():.2f}.")
    if not torch.allclose(weights, torch.eye(10)[1] * 0.75 + torch.eye(10)[7] * 0.25):
        raise _Wrong("Start from torch.zeros(10). Position 1 says how much of a 1 it is, position 7 how much of a 7.")
    return "With row torch.eye(10)[7] you would ask for a plain 7: labels are corners, mixtures lie between them."


@_check
def check_truncated(answer: Callable[[int, int, float], Tensor]) -> str:
    """Latents (count, latent_dim) from N(0, 1), drawn again wherever a coordinate is farther from 0 than the limit."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        z = _tensor(_call(answer, 400, 50, 0.8), (400, 50)).float()
    deviation = z.std().item()  # of a normal cut at ±0.8: 0.442; clamped there: 0.62; of a uniform one: 0.462
    if z.abs().max() > 0.8 + 1e-6:
        raise _Wrong(f"There is a coordinate of {z.abs().max():.2f}; none may be beyond 0.8.")
    if (z.abs() > 0.8 - 1e-6).float().mean() > 0.01:
        raise _Wrong("Many coordinates sit exactly at the limit: do not clamp them, draw them again.")
    if abs(deviation - 0.4424) > 0.01:
        raise _Wrong(
            f"The standard deviation is {deviation:.2f}, of the right distribution 0.44: draw from randn again."
        )
    return "Fewer kinds of digits, and fewer strange ones."


@_check
def check_status_codes(answer: list[int]) -> str:
    """What the service answers to a class that is none, a text, an unknown field, and a grid size without a grid."""
    hints = (
        ("value 12", 422, "there is no class 12, and the request itself is to blame: not 404, not 500."),
        ('value "9"', 422, 'is the text "9" the number 9? The service is strict, so that slips are noticed.'),
        ("colour", 422, "a field that nobody knows is a mistake of the sender, and should not be passed over."),
        ("grid_size 3 without grid", 200, "nothing about it is wrong; what is it good for without a grid?"),
    )
    if not isinstance(answer, (list, tuple)) or len(answer) != len(hints):
        raise _Wrong(f"Give a list of {len(hints)} status codes.")
    if any(code is ... for code in answer):
        raise _NotAttempted
    for code, (request, right, hint) in zip(answer, hints, strict=True):
        if code != right:
            raise _Wrong(f"{request}: {hint}")
    return "Three refusals that name the field, and one request that is plainly all right."


@_check
def check_passes(answer: Callable[[list[int], int], list[list[int]]]) -> str:
    """Waiting requests, by the number of images each wants, shared out to passes of at most so many, in order."""
    cases = {(1, 1, 1, 1): [[1, 1, 1], [1]], (1, 3, 2, 1): [[1], [3], [2, 1]], (3,): [[3]], (): []}
    for wanted, right in cases.items():
        passes = _call(answer, list(wanted), 3)
        if not isinstance(passes, list) or not all(isinstance(some, list) for some in passes):
            raise _Wrong("Return a list of lists, such as [[1, 1, 1], [1]].")
        if [count for some in passes for count in some] != list(wanted):
            raise _Wrong(f"From {list(wanted)} came {passes}: every request once, in the order in which they came.")
        if any(sum(some) > 3 for some in passes):
            raise _Wrong(f"{passes} has a pass of more than 3 images.")
        if [] in passes:
            raise _Wrong(f"{passes} has an empty pass.")
        if passes != right:
            raise _Wrong(f"{list(wanted)} could be {right}: as many as fit into each pass; yours is {passes}.")
    return "First come, first served, and the generator is never asked for one image while three are waiting."


@_check
def check_same_generator(answer: Callable[[nn.Module, nn.Module], bool]) -> str:
    """Whether two generators draw the same: True or False."""
    from cgan_lib.models import MODELS

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first = MODELS["bce"].generator(latent_dim=4, base_channels=4, embed_dim=2).eval()
        second = MODELS["bce"].generator(latent_dim=4, base_channels=4, embed_dim=2).eval()
    copied = MODELS["bce"].generator(latent_dim=4, base_channels=4, embed_dim=2).eval()
    copied.load_state_dict(first.state_dict())
    relabelled = MODELS["bce"].generator(latent_dim=4, base_channels=4, embed_dim=2).eval()
    relabelled.load_state_dict(first.state_dict())
    with torch.no_grad():
        relabelled.label_embedding.weight[1:] += 1  # class 0 is as it was
    if not bool(_call(answer, first, copied)):
        raise _Wrong("A copy with the same weights draws the same: give both the same z and the same labels.")
    if bool(_call(answer, first, second)):
        raise _Wrong("Two generators with different weights came out as the same: compare the images themselves.")
    if bool(_call(answer, first, relabelled)):
        raise _Wrong("These two differ for every class but 0: ask for more than one class.")
    return "Files, formats and machines may differ; this is the test that counts."
