"""Notebook 08: name the fault of a run, then mend the part that it comes from."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from cgan_lib.course.exercises.verdict import NotAttempted, Wrong, by_name, check, perform, run
from cgan_lib.course.lab import FAULTS, LETTERS, LabRun, Parts, Scores, fault_of, healthy_run, name_of, train_lab
from cgan_lib.course.lab.training import lab_steps
from cgan_lib.data import load_data
from cgan_lib.losses import bce_g
from cgan_lib.runs.diagnose import CANNOT_TELL, HEALTHY, diagnose
from cgan_lib.runs.vitals import Game

SHORT = 4  # steps in which a part shows what it does to gradients, statistics and images
POINTS, SHARE, COPIES = 15.0, 0.7, 5.0  # how far GAN-test, diversity and near-copies may be from those of a healthy run
LEAST_IMAGES = 2000
VANISHED = 0.1  # of the gradient that the non-saturating loss has where D is sure

# What else each fault would show: said to those who name it where it is not
TRACES = {
    "blind_discriminator": "D's logit would not change at all with the label: look at vitals/label_change",
    "few_images": "the fakes would be copies of reals: look at the column of near-copies",
    "high_rate": "a step would move G's weights by several percent: look at vitals/step_size/G",
    "kept_gradients": "each gradient would be like the one before: look at vitals/gradient_repeats",
    "loud_labels": "a label would move the image much farther than z: look at vitals/z_moves and vitals/label_moves",
    "minimax": "G's loss would never be above 0: look at loss/G",
    "missing_detach": "D's step would leave a gradient in G: look at vitals/gradient_leaks",
    "one_batch": "BatchNorm in D would see two batches at once: look at vitals/normalised_together",
    "seeded_noise": "z would be the same in every step: look at vitals/latents_repeat",
    "shuffled_labels": "D's logit would change with the label, up or down: compare vitals/label_drop and _change",
    "sigmoid_twice": "no logit would leave 0 … 1: look at vitals/logit_lowest and _highest",
    "stale_statistics": "the averaged generator would have other statistics than G: look at vitals/statistics_lag",
    "strong_discriminator": "D(x) would be 1 and D(G(z)) 0, for good: look at the second panel of curves",
    "training_mode": "samples would differ from those of evaluation mode: look at vitals/drawing_differs",
    "unit_range": "D would see reals from 0 to 1: look at vitals/real_lowest",
    "weak_discriminator": "D would hardly move, and be fooled: compare vitals/step_size/D and /G",
}


@check("08", "debug", difficulty=2, minutes=4, cases=LETTERS)
def check_diagnosis(case: str, answer: str) -> str:
    """The name of the fault of a case, one of `CANDIDATES`."""
    if not isinstance(answer, str):
        raise Wrong("Give a name, a text in quotes, from the list of candidates.")
    named = "_".join(answer.lower().replace("-", " ").replace("_", " ").split())
    if named not in FAULTS:
        raise Wrong(f"{answer!r} is none of the candidates: {', '.join(sorted(FAULTS))}.")
    if named != name_of(case):
        raise Wrong(f"With {named} {TRACES[named]}.")
    return fault_of(case).cause


@check("08", "debug", difficulty=2, minutes=8, cases=LETTERS, seconds=600)
def check_mended(case: str, answer: Any) -> str:
    """The part of a case, mended: it is trained anew and must come near to a healthy run."""
    fault = fault_of(case)
    part = _guarded(fault.part, answer)
    PROBES.get(fault.part, lambda part: None)(part)
    parts = fault.parts(part)
    _refuse_ill(_trained(parts, seed=1, steps=SHORT))
    mended = _trained(parts, seed=0, steps=lab_steps())
    scores, healthy = mended.scores, healthy_run().scores
    _refuse_ill(mended)
    _compare(scores, healthy)
    return f"{scores} (healthy: {healthy})."


def _compare(scores: Scores, healthy: Scores) -> None:
    """`Wrong` when a mended run is far from a healthy one in any of the scores."""
    said = f"it reads {scores}; a healthy run: {healthy}"
    if scores.as_requested < healthy.as_requested - POINTS:
        raise Wrong(f"It trains, but too few samples are what was asked for: {said}.")
    if scores.diversity < SHARE * healthy.diversity:
        raise Wrong(f"The samples are what was asked for, and too much alike: {said}.")
    if scores.copies > healthy.copies + COPIES:
        raise Wrong(f"The samples are copies of training images: {said}.")


def _trained(parts: Parts, seed: int, steps: int) -> LabRun:
    try:
        return train_lab(parts, seed, steps)
    except (Wrong, NotAttempted):
        raise
    except Exception as error:  # in the loop, of what the part has returned
        raise Wrong(f"The training stopped with {type(error).__name__}: {error}") from error


def _refuse_ill(trained: LabRun) -> None:
    found = diagnose(trained)
    if found.cause not in (HEALTHY, CANNOT_TELL):
        raise Wrong(f"Still {found.cause.replace('_', ' ')}: {found.reasons[0]}.")


def _guarded(name: str, answer: Any) -> Any:
    """The learner's part, whose errors are the learner's; `Wrong` when it is of another kind than this part."""
    if name == "rates":
        return _two_rates(answer)
    if not callable(answer):
        raise Wrong(f"{name} is a function or a class; this is {type(answer).__name__}.")
    if name in ("generator", "discriminator"):
        return lambda **shape: _tried(name, _built(answer, shape))
    call = perform if name in ("clear_gradients", "average") else run
    return lambda *given: call(answer, *given)


def _built(answer: Callable[..., Any], shape: dict[str, int]) -> Any:
    """A network of the learner's, made by whatever way of naming the shape."""
    takes_all = any(
        parameter.kind is parameter.VAR_KEYWORD for parameter in inspect.signature(answer).parameters.values()
    )
    network = perform(answer, **shape) if takes_all else by_name(answer, **shape)
    if not isinstance(network, nn.Module):
        raise Wrong("There should come a network.")
    return network


def _tried(name: str, network: nn.Module) -> nn.Module:
    """The learner's network, when it gives what such a network does."""
    inputs, shape = (
        (torch.zeros(2, 1, 28, 28), (2,)) if name == "discriminator" else (torch.zeros(2, 100), (2, 1, 28, 28))
    )
    found = run(network, inputs, torch.arange(2))
    if not isinstance(found, Tensor) or tuple(found.shape) != shape:
        wanted = "one logit for each image: (N,)" if name == "discriminator" else "one image for each label"
        raise Wrong(f"A {name} gives {wanted}.")
    return network


def _two_rates(answer: Any) -> tuple[float, float]:
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Wrong("Give two numbers: the rate of G, then that of D.")
    if any(rate is None or rate is ... for rate in answer):
        raise NotAttempted
    try:
        lr_g, lr_d = (float(rate) for rate in answer)
    except (TypeError, ValueError) as error:
        raise Wrong("Give two numbers: the rate of G, then that of D.") from error
    if not (0 < lr_g < 1 and 0 < lr_d < 1):
        raise Wrong("A learning rate lies between 0 and 1.")
    return lr_g, lr_d


def _probe_labels(part: Callable[[Tensor], Tensor]) -> None:
    labels = torch.randint(10, (50,))
    found = part(labels.clone())
    if not isinstance(found, Tensor) or found.shape != labels.shape:
        raise Wrong("real_labels gives one label for each real image.")
    if not torch.equal(found, labels):
        raise Wrong("The labels are still not those of their images.")


def _probe_choice(part: Callable[[Any], Any]) -> None:
    data = load_data()
    chosen = part(data)
    if not hasattr(chosen, "images"):
        raise Wrong("choose gives an ImageData, as it is given one.")
    if len(chosen) < min(LEAST_IMAGES, 0.9 * len(data)):
        raise Wrong(f"{len(chosen)} images can still be learned by heart: there are {len(data):,}.")


def _probe_generator_step(part: Callable[[Game, Tensor, Tensor], Tensor]) -> None:
    """Where D is sure of a fake, G must be pulled as it is by the non-saturating loss, and the same way."""
    gradients = [_gradient_where_d_is_sure(step) for step in (part, _reference_step)]
    found, right = gradients
    if found.norm() < VANISHED * right.norm():
        raise Wrong("Where D is sure of a fake, G still gets hardly any gradient.")
    if torch.cosine_similarity(found, right, dim=0) < 0:
        raise Wrong("The sign: G is to make D's logit of its fakes larger.")


def _reference_step(game: Game, z: Tensor, fake_labels: Tensor) -> Tensor:
    loss = bce_g(game.discriminator(game.generator(z, fake_labels), fake_labels))
    loss.backward()
    return loss


class _Sure(nn.Module):
    """A discriminator that is sure of every fake."""

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return x.mean((1, 2, 3)) - 8


def _gradient_where_d_is_sure(step: Callable[[Game, Tensor, Tensor], Tensor]) -> Tensor:
    torch.default_generator.manual_seed(0)
    generator, discriminator = Parts().generator(num_classes=10, channels=1, image_size=28), _Sure()
    standing = torch.optim.SGD(generator.parameters(), lr=0.0)
    step(Game(generator, discriminator, None, standing, standing), torch.randn(8, 100), torch.arange(8))
    gradient = [p.grad.flatten() for p in generator.parameters() if p.grad is not None]
    return torch.cat(gradient) if gradient else torch.zeros(1)


def _probe_clearing(part: Callable[[Game], None]) -> None:
    """Whatever is there before a step, nothing may be left of it."""
    shape = dict(num_classes=10, channels=1, image_size=28)
    generator, discriminator = Parts().generator(**shape), Parts().discriminator(**shape)
    for parameter in (*generator.parameters(), *discriminator.parameters()):
        parameter.grad = torch.ones_like(parameter)
    standing = (torch.optim.SGD(network.parameters(), lr=0.0) for network in (generator, discriminator))
    part(Game(generator, discriminator, None, *standing))
    for name, network in (("G", generator), ("D", discriminator)):
        if any(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters()):
            raise Wrong(f"Still kept gradients: what {name} has gathered in the step before is there.")


PROBES: dict[str, Callable[[Any], None]] = {
    "real_labels": _probe_labels,
    "choose": _probe_choice,
    "clear_gradients": _probe_clearing,
    "generator_step": _probe_generator_step,
}
