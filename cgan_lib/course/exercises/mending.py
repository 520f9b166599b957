"""Notebook 01: small functions that are broken, and are to be mended."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from cgan_lib.course import broken
from cgan_lib.course.exercises.comparing import close, compare, same_slopes, shaped
from cgan_lib.course.exercises.verdict import CHANGED, Wrong, by_name, check, run
from cgan_lib.losses import bce_d
from cgan_lib.models.concat import BCEGenerator


@check("01", "debug", difficulty=1, minutes=6)
def check_mended_loss(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """`doubtful_loss(real_logits, fake_logits)`, mended: −log D(x) − log(1 − D(G(z))), means over the batch."""
    cases = [(3 * torch.randn(n), 3 * torch.randn(n) - 1) for n in (6, 9)]
    mistakes = {
        "As it was given: how often does a logit go through a sigmoid?": broken.doubtful_loss,
        "Exchanged: reals are to be called real.": lambda r, f: bce_d(f, r),
        "The fakes still go through a sigmoid too many.": lambda r, f: bce_d(r, f.sigmoid()),
        "The reals still go through a sigmoid too many.": lambda r, f: bce_d(r.sigmoid(), f),
        "The sum of two means: not half of it.": lambda r, f: bce_d(r, f) / 2,
        "The mean over each batch, not the sum.": lambda r, f: len(r) * bce_d(r, f),
        "What the fakes cost is missing.": lambda r, f: torch.nn.functional.softplus(-r).mean(),
        "The fakes are to be called fake: zeros, not ones.": lambda r, f: bce_d(r, -f),
        "The reals are to be called real: ones, not zeros.": lambda r, f: bce_d(-r, f),
    }
    compare(answer, cases, bce_d, mistakes, "One sigmoid for each logit, then −log D for reals, −log(1 − D) for fakes.")
    if not all(same_slopes(answer, bce_d, case) for case in cases):
        raise Wrong("The value is right, its gradient is not: let all of it be computed by torch, from the logits.")
    extreme = (torch.tensor([-120.0, 60.0, 3.0]), torch.tensor([120.0, -60.0, 1.0]))
    if not close(torch.as_tensor(run(answer, *extreme)), bce_d(*extreme)) or not same_slopes(answer, bce_d, extreme):
        raise Wrong("Right, until D is very sure: from the logits themselves, with_logits or softplus stays finite.")
    return "Now the loss can come down to 0."


@check("01", "debug", difficulty=2, minutes=8)
def check_mended_samples(answer: Callable[[nn.Module, Tensor, Tensor], Tensor]) -> str:
    """`careless_samples(generator, z, labels)`, mended: images in eval(), a generator left just as it was."""
    for seed, training in ((0, True), (1, False), (2, True)):
        _check_samples(answer, seed, training)
    return "What looks at a training must not touch it."


def _check_samples(answer: Any, seed: int, training: bool) -> None:
    torch.default_generator.manual_seed(seed)
    generator = BCEGenerator(latent_dim=5 + seed, num_classes=4, base_channels=8).train()
    for _ in range(3):  # so that BatchNorm has seen something
        generator(torch.randn(9, 5 + seed) - 1, torch.randint(4, (9,)))
    z, labels = torch.randn(6, 5 + seed), torch.randint(4, (6,))
    generator.train(training)
    used, given = copy.deepcopy(generator), (z.clone(), labels.clone())
    result = by_name(answer, generator=used, z=given[0], labels=given[1])
    if result is None:
        raise Wrong("The function returns nothing: it should end with return.")
    if not torch.equal(given[0], z) or not torch.equal(given[1], labels):
        raise Wrong(CHANGED)
    right = copy.deepcopy(generator).eval()(z, labels)
    images = shaped(result, tuple(right.shape))
    if close(images, copy.deepcopy(generator).train()(z, labels)):
        raise Wrong("These images depend on their neighbours in the batch: BatchNorm is still in train().")
    _check_untouched(used, generator, training)
    if not close(images, right):
        raise Wrong("These are not the images that the generator gives in eval() for z and labels.")
    if getattr(result, "requires_grad", False):
        raise Wrong("The images carry the graph of the generator: with torch.no_grad(), or detach().")


def _check_untouched(used: nn.Module, before: nn.Module, training: bool) -> None:
    if any(not torch.equal(x, y) for x, y in zip(used.buffers(), before.buffers(), strict=True)):
        raise Wrong("BatchNorm's running statistics moved: there is still a pass in train().")
    if any(not torch.equal(x, y) for x, y in zip(used.parameters(), before.parameters(), strict=True)):
        raise Wrong("Looking changed the weights.")
    if any(layer.training != training for layer in used.modules()):
        was = "train" if training else "eval"
        raise Wrong(f"The generator came in {was}() and is to be left so: remember generator.training.")
    if any(weight.grad is not None or not weight.requires_grad for weight in used.parameters()):
        raise Wrong("The weights are not as they were: leave requires_grad and gradients alone.")
