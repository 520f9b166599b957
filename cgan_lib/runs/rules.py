"""What `diagnose` goes by: for each cause a rule that a person can read, and the thresholds that it has.

The rules are asked in order: first those that look at a cause directly (what the optimisers were given, what the
discriminator was shown), then those that infer it from what came out. A threshold lies between what healthy runs and
runs with the fault show; both stand beside it, as measured in the lab of notebook 08 and in young runs of the recipes.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

TINY = 1e-12  # in place of 0, where something is divided by it


class Log:
    """Curves by name, with what rules ask of them."""

    def __init__(self, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]):
        self.step = max((int(steps[-1]) for steps, _ in curves.values() if len(steps)), default=0)
        self.curves = {name.removeprefix("vitals/"): np.asarray(values) for name, (_, values) in curves.items()}

    def __contains__(self, name: str) -> bool:
        return len(self.curves.get(name, ())) > 0

    def all(self, name: str) -> np.ndarray:
        """Every value of a curve."""
        return self.curves[name]

    def first(self, name: str) -> float:
        """The value before training, or the first there is."""
        return float(self.curves[name][0])

    def last(self, name: str) -> float:
        """The newest value."""
        return float(self.curves[name][-1])

    def late(self, name: str) -> float:
        """The median of the second half of a curve."""
        values = self.curves[name]
        return float(np.median(values[len(values) // 2 :]))


class Rule(NamedTuple):
    """One cause: what it needs to know, what gives it away, and what to do."""

    needs: tuple[str, ...]
    """curves without which it says nothing"""
    tells: Callable[[Log], str]
    """the reason, with its numbers; empty when this is not the cause"""
    advice: str
    infers: bool = False
    """from what came out, so that it takes a run that has settled: a first step is always a large one"""


# Threshold                  healthy runs show          runs with the fault show
LOGIT_RANGE = 1.0  #         logits beyond 2            all logits from 0 to 1
RANGE_LOWEST = -0.5  #       -1                         0
NO_CHANGE = 0.01  #          0.3 and more               0
REPEATS = 0.99  #            below 0.9                  1.00
LEAK = 0.02  #               0                          1.2
TOGETHER = 1.5  #            0 (no BatchNorm) or 1      2
SAME_LATENTS = 0.5  #        0                          1
DIFFERS = 0.005  #           0                          0.05
LAG = 0.1  #                 0                          1.9
LOUD = 2.0  #                below 1                    5 to 7
DEAF = 0.3  #                0.8                        0.05
COPIES = 0.7  #              0.9 to 1.6                 0.3 to 0.4
SELDOM_FOOLED = 0.15  #      0.24                       0 to 0.08
HOPELESS = 12.0  #           2 to 9                     15 to 300
OUTPACED = 0.1  #            0.1 to 2                   0.02
FOOLED = 0.2  #              0.8                        0.02
BIG_STEP = 0.039  #          0.01 to 0.04               0.041 to 0.050
FEWER_KINDS = 0.75  #        0.9 (0.3 with small steps) 0.3 to 0.5
RIGHT_PAIRS = 0.5  #         0.9 (0.3 in young runs)    0.1 to 0.3
UNHEARD = 0.5  #             1                          0.2


def _sigmoid_twice(log: Log) -> str:
    low, high = log.all("logit_lowest").min(), log.all("logit_highest").max()
    return _if(
        low >= 0 and high <= LOGIT_RANGE, f"every logit of D lies from {low:.2f} to {high:.2f}: these are probabilities"
    )


def _unit_range(log: Log) -> str:
    low, high = log.all("real_lowest").min(), log.all("real_highest").max()
    return _if(low > RANGE_LOWEST, f"D sees reals from {low:.1f} to {high:.1f}, while tanh draws from -1 to 1")


def _blind_discriminator(log: Log) -> str:
    most = log.all("label_change").max()
    return _if(most < NO_CHANGE, f"D's logit changes by {most:.3f} when the label is exchanged: it never sees labels")


def _kept_gradients(log: Log) -> str:
    name = max("GD", key=lambda name: log.all(f"gradient_repeats/{name}").min())
    least = log.all(f"gradient_repeats/{name}").min()
    return _if(
        least > REPEATS, f"each gradient of {name} is the one before once more (cosine {least:.3f}): they pile up"
    )


def _missing_detach(log: Log) -> str:
    leak = log.all("gradient_leaks").max()
    return _if(leak > LEAK, f"D's step leaves a gradient in G, {leak:.2f} times as large as the one that G moves by")


def _one_batch(log: Log) -> str:
    times = log.late("normalised_together")
    return _if(times > TOGETHER, f"BatchNorm in D sees {times:.0f} batches at once: reals and fakes share statistics")


def _seeded_noise(log: Log) -> str:
    share = log.late("latents_repeat")
    return _if(share > SAME_LATENTS, f"{100 * share:.0f}% of the numbers of z are those of the step before")


def _training_mode(log: Log) -> str:
    gap = log.late("drawing_differs")
    return _if(
        gap > DIFFERS, f"samples are {gap:.3f} a pixel away from what G draws in evaluation mode; it should be 0"
    )


def _stale_statistics(log: Log) -> str:
    lag = log.late("statistics_lag")
    return _if(lag > LAG, f"BatchNorm's statistics in the averaged generator are off by {100 * lag:.0f}% of their size")


def _loud_labels(log: Log) -> str:
    start = log.first("label_moves") / max(log.first("z_moves"), TINY)
    late = log.late("z_moves") / max(log.late("label_moves"), TINY)
    return _if(
        start > LOUD and late < DEAF,
        f"at the start a label moves an image {start:.1f} times as far as z does; later z moves it {late:.2f} times as "
        "far as a label: labels drown it",
    )


def _few_images(log: Log) -> str:
    near = log.last("nearest")
    return _if(near < COPIES, f"fakes are {near:.2f} times as far from the nearest real as reals are from each other")


def _minimax(log: Log) -> str:
    highest, fooled = log.all("loss/G").max(), log.late("probability/D(G(z))")
    return _if(
        highest <= 0 and fooled < SELDOM_FOOLED,
        f"G's loss is never above 0, so that it is log(1 − D), which is flat where D is sure: D(G(z)) is {fooled:.2f}",
    )


def _pace(log: Log) -> float:
    """How many times as fast as G, each measured by the length of its weights, D moves: a median."""
    return float(np.median(log.all("step_size/D") / np.maximum(log.all("step_size/G"), TINY)))


def _strong_discriminator(log: Log) -> str:
    loss, fooled = log.late("loss/G"), log.late("probability/D(G(z))")
    return _if(
        loss > HOPELESS and fooled < SELDOM_FOOLED,
        f"D is sure of every fake: D(G(z)) is {fooled:.2f} for good, and G's loss {loss:.0f}",
    )


def _weak_discriminator(log: Log) -> str:
    pace, sure = _pace(log), log.late("separated")
    return _if(
        sure < FOOLED and pace < OUTPACED,
        f"D moves {pace:.2f} times as fast as G and tells {100 * sure:.0f}% of pairs of a real and a fake apart",
    )


def _high_rate(log: Log) -> str:
    # of G alone: where a penalty comes every few steps, those of D are large at these steps in healthy runs, too
    size = float(np.median(log.all("step_size/G")))
    share = log.late("z_moves") / max(log.late("label_moves"), TINY)
    return _if(
        size > BIG_STEP and share < FEWER_KINDS,
        f"a step moves the weights of G by {100 * size:.1f}% of their length, and z moves an image {share:.2f} times "
        "as far as a label",
    )


def _shuffled_labels(log: Log) -> str:
    right = log.late("label_drop") / max(log.late("label_change"), TINY)
    heard = log.late("label_moves") / max(log.late("z_moves"), TINY)
    return _if(
        right < RIGHT_PAIRS and heard < UNHEARD,
        f"exchanging the label of a real lowers D's logit by {right:.2f} of what it changes it, and a label moves "
        f"fakes {heard:.2f} times as far as z: no label belongs to any image",
    )


def _if(true: bool, reason: str) -> str:
    return reason if true else ""


RULES: dict[str, Rule] = {
    "sigmoid_twice": Rule(
        ("logit_lowest", "logit_highest"), _sigmoid_twice, "Let D end in a logit: the loss has the sigmoid in it."
    ),
    "unit_range": Rule(
        ("real_lowest", "real_highest"),
        _unit_range,
        "Bring pixels to [-1, 1] before D sees them: cgan_lib.data.to_unit.",
    ),
    "blind_discriminator": Rule(("label_change",), _blind_discriminator, "Have D's forward pass use its labels."),
    "kept_gradients": Rule(
        ("gradient_repeats/G", "gradient_repeats/D"),
        _kept_gradients,
        "Call zero_grad on both optimisers in every step.",
    ),
    "missing_detach": Rule(("gradient_leaks",), _missing_detach, "Detach the fakes that D's step is made of."),
    "one_batch": Rule(
        ("normalised_together",), _one_batch, "Give reals and fakes to D in two passes, or take BatchNorm out of it."
    ),
    "seeded_noise": Rule(("latents_repeat",), _seeded_noise, "Set a seed once, before training, not where z is drawn."),
    "training_mode": Rule(("drawing_differs",), _training_mode, "Call eval() on the generator before drawing samples."),
    "stale_statistics": Rule(
        ("statistics_lag",), _stale_statistics, "Copy the buffers into the averaged generator as well as its weights."
    ),
    "loud_labels": Rule(
        ("label_moves", "z_moves"), _loud_labels, "Begin with small embeddings: a standard deviation of 0.35, say."
    ),
    "few_images": Rule(
        ("nearest",), _few_images, "Train on more images, or stop earlier: these are being copied.", infers=True
    ),
    "minimax": Rule(
        ("loss/G", "probability/D(G(z))"),
        _minimax,
        "Take the non-saturating loss: it pulls where D is sure.",
        infers=True,
    ),
    "strong_discriminator": Rule(
        ("loss/G", "probability/D(G(z))"),
        _strong_discriminator,
        "Lower D's rate, or its number of steps.",
        infers=True,
    ),
    "weak_discriminator": Rule(
        ("separated", "step_size/G", "step_size/D"),
        _weak_discriminator,
        "Raise D's rate, or its number of steps.",
        infers=True,
    ),
    "high_rate": Rule(
        ("step_size/G", "z_moves", "label_moves"),
        _high_rate,
        "Lower the learning rates, ten times to begin with.",
        infers=True,
    ),
    "shuffled_labels": Rule(
        ("label_drop", "label_change", "label_moves", "z_moves"),
        _shuffled_labels,
        "Check that images and labels are in one order: show ten reals with the labels that D is given.",
        infers=True,
    ),
}
