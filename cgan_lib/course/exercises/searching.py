"""Notebook 06: directions found by measuring, and the latent of a picture found by descent."""

import copy
from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.course.exercises.comparing import Formula, compare, shaped
from cgan_lib.course.exercises.verdict import Wrong, check, run
from cgan_lib.evaluation.classifier import load_classifier, read
from cgan_lib.models.concat import BCEGenerator
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.sampling import generate, latents
from cgan_lib.studio.naming import REACH, measurements
from cgan_lib.weights import load_generator

MODEL = "relativistic"
SEED = 20_261  # of the latents on which a direction is judged: a notebook uses smaller ones
BOLDER, MOVED, READ = 2.4, 0.75, 0.9  # what a direction has to change, at most may change, and to leave readable
KEPT = ("slant", "width", "height")


@check("06", "build", difficulty=2, minutes=10)
def check_mean_difference(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """Latents (N, latent_dim), each with a value (N,) → the unit vector (latent_dim,) from low values to high ones."""
    cases = [(torch.randn(n, dim) + 0.5, 3 * torch.randn(n).exp() - 1) for n, dim in ((40, 8), (12, 3), (300, 20))]
    mistakes: dict[str, Formula] = {
        "The sign: it should lead from small values to large ones.": lambda z, v: -mean_difference(z, v),
        "Divide by its length: the vector should have length 1.": lambda z, v: _halves(z, v)[1] - _halves(z, v)[0],
        "That is the middle of the upper half; the lower half's has to be taken from it.": lambda z, v: F.normalize(
            _halves(z, v)[1], dim=0
        ),
        "Split at the median: half of the latents on each side, however the values are spread.": lambda z, v: _split(
            z, v > v.mean()
        ),
        "Split at the median of the values, not at 0.": lambda z, v: _split(z, v > 0),
        "The two parts should be halves. The median of torch is one of the values: it belongs to the lower half.": (
            lambda z, v: F.normalize(z[v > v.median()].mean(0) - z[v < v.median()].mean(0), dim=0)
        ),
        "The two parts should be halves; here one of the lower half counts as high.": lambda z, v: _split(
            z, v >= v.median()
        ),
        "Means over the latents, dim 0: one number for each coordinate.": lambda z, v: F.normalize(
            z[v > v.median()].mean(1) - z[v <= v.median()].mean(1), dim=0
        ),
        "The values only say to which half a latent belongs; the mean of each half weighs all alike.": lambda z, v: (
            F.normalize((v - v.mean()) @ z, dim=0)
        ),
        "Divide by the length, the root of the sum of squares.": lambda z, v: (
            (_halves(z, v)[1] - _halves(z, v)[0]) / (_halves(z, v)[1] - _halves(z, v)[0]).abs().sum()
        ),
    }
    hint = "The mean of z where the value is above the median, less the mean of the others; then divide by its length."
    compare(answer, cases, mean_difference, mistakes, hint)
    return "It works for whatever you can measure: slant, width, a smile."


def _halves(z: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """The middle of the latents with the smaller values, and of those with the larger ones."""
    low, high = z[values.argsort()].chunk(2)
    return low.mean(0), high.mean(0)


def mean_difference(z: Tensor, values: Tensor) -> Tensor:
    """From the mean of the half of the latents `z` (N, latent_dim) with the smaller values (N,) to that of the others.

    (latent_dim,), of length 1.
    """
    low, high = _halves(z, values)
    return F.normalize(high - low, dim=0)


def _split(z: Tensor, high: Tensor) -> Tensor:
    return F.normalize(z[high].mean(0) - z[~high].mean(0), dim=0)


@check("06", "design", difficulty=3, minutes=20)
def check_bolder(answer: Tensor) -> str:
    """A direction (latent_dim,) of the generator `relativistic` that makes digits bolder and changes little else.

    Its length does not matter: the walk goes from -2 to 2 along it, from latents that nobody has seen.
    """
    generator = _generator()
    direction = shaped(answer, (generator.config["latent_dim"],)).float()
    if not direction.isfinite().all() or direction.norm() == 0:
        raise Wrong("A direction is a vector of finite numbers that are not all 0.")
    changes, readable = _changes(generator, F.normalize(direction, dim=0))
    said = ", ".join(f"{name} {change:+.1f}" for name, change in changes.items())
    strays = [name for name in KEPT if abs(changes[name]) > MOVED]
    if changes["ink"] < -BOLDER:
        raise Wrong(f"It makes digits finer: turn the sign. ({said})")
    if changes["ink"] < BOLDER:
        raise Wrong(f"ink should rise by {BOLDER} at least: {said}.")
    if strays:
        raise Wrong(f"Bolder, but {' and '.join(strays)} should move by {MOVED} at most, either way: {said}.")
    if readable < READ:
        raise Wrong(f"Of the digits at the ends only {readable:.0%} are still read as what they are: {said}.")
    return f"From end to end, in standard deviations: {said}. Of the digits {readable:.0%} stay readable."


@lru_cache(maxsize=1)
def _generator() -> ConditionalGenerator:
    return load_generator(MODEL)


def _changes(generator: ConditionalGenerator, direction: Tensor) -> tuple[dict[str, float], float]:
    """What a walk from -2 to 2 changes, in standard deviations within a class; the share that stays readable."""
    labels = torch.arange(10).repeat(10)
    z = latents(len(labels), len(direction), SEED)
    low, middle, high = (generate(generator, labels, z=z + far * direction) for far in (-REACH, 0, REACH))
    before, after, plain = (measurements(images) for images in (low, high, middle))
    changes = {
        name: ((after[name] - before[name]).mean() / plain[name].view(-1, 10).std(0).mean()).item()
        for name in ("ink", *KEPT)
    }
    with torch.inference_mode():
        _, logits = read(load_classifier("mnist"), torch.cat([low, high]))
    return changes, (logits.argmax(1) == labels.repeat(2)).float().mean().item()


Find = Callable[[nn.Module, Tensor, int, Tensor, int], Tensor]


@check("06", "debug", difficulty=3, minutes=15)
def check_finder(answer: Find) -> str:
    """A function `(generator, target, label, z, steps)` → the `z` (1, latent_dim), from the given one on, for a target.

    The target (1, C, H, W) in [-1, 1] should be what the generator draws there.
    """
    generator = _small_generator()
    for label, steps in ((3, 60), (7, 75)):
        goal, start = torch.randn(2, 1, 16)
        with torch.no_grad():
            target = generator(goal, torch.tensor([label]))
        found = _find(answer, generator, target, label, start, steps)
        _check_found(generator, target, label, start, found)
        begun = _find(answer, generator, target, label, start, 3)
        if not torch.allclose(begun, _three_steps(generator, target, label, start), atol=2e-3):
            raise Wrong(
                "It arrives, but not by the steps asked for: one Adam with a rate of 0.1, from the z given, "
                "and the mean of the squared differences."
            )
    return "The weights stand still, z moves: training turned round."


def _small_generator() -> nn.Module:
    """An untrained generator whose pictures depend on `z` and label as much as those of a trained one."""
    generator = BCEGenerator(latent_dim=16, base_channels=4, embed_dim=4).eval()
    for weight in generator.parameters():
        if weight.ndim > 1:
            weight.data.mul_(3)
    return generator


def _find(answer: Find, generator: nn.Module, target: Tensor, label: int, start: Tensor, steps: int) -> Tensor:
    """What the learner's search gives; `Wrong` when it changes what it is given, or takes another number of steps."""
    used, own_target, own_start = copy.deepcopy((generator, target, start))
    gradients: list[int] = []

    def count(network: nn.Module, inputs: tuple[Tensor, ...], image: Tensor) -> None:
        if image.requires_grad:
            image.register_hook(lambda _: gradients.append(1))

    used.register_forward_hook(count)
    found = run(answer, used, own_target, label, own_start, steps)
    before = generator.state_dict()
    if any(not torch.equal(now, before[name]) for name, now in used.state_dict().items()):
        raise Wrong("The weights of the generator have moved: the optimiser should hold z, and nothing else.")
    if not torch.equal(own_start, start) or not torch.equal(own_target, target):
        raise Wrong("What was given has changed: search on a copy, z.clone().")
    if gradients and len(gradients) != steps:
        raise Wrong(f"{steps} steps were asked for; a gradient was computed {len(gradients)} times.")
    return shaped(found, tuple(start.shape)).float()


def _three_steps(generator: nn.Module, target: Tensor, label: int, start: Tensor) -> Tensor:
    z = start.clone().requires_grad_()
    adam = torch.optim.Adam([z], lr=0.1)
    for _ in range(3):
        loss = (generator(z, torch.tensor([label])) - target).square().mean()
        (z.grad,) = torch.autograd.grad(loss, [z])
        adam.step()
    return z.detach()


def _check_found(generator: nn.Module, target: Tensor, label: int, start: Tensor, found: Tensor) -> None:
    def error(z: Tensor, label: int = label) -> float:
        with torch.no_grad():
            return (generator(z, torch.tensor([label])) - target).square().mean().item()

    if not found.isfinite().all():
        raise Wrong("There are numbers that are NaN or infinite.")
    if torch.equal(found, start):
        raise Wrong("z has not moved: does a gradient reach it, and is it z that the optimiser holds?")
    left = error(found) / error(start)
    if left > 1:
        raise Wrong(f"The error has grown to {left:.1f} times its size: are old gradients cleared? Is the sign right?")
    if left > 0.02:
        raise Wrong(f"At the end {left:.0%} of the error is left: with the right label and gradient it is 1%.")
