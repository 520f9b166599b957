"""Notebook 01: the steps of a training, judged by what they do to two tiny networks."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cgan_lib.course import broken, by_hand
from cgan_lib.course.exercises.rig import Batch, Outcome, Rig, Step, descend, judge_step, of_learner, play
from cgan_lib.course.exercises.verdict import Wrong, check
from cgan_lib.losses import bce_d, bce_g, minimax_g

D_PARTS = ("generator", "discriminator", "optimizer_d", "real", "labels", "z", "fake_labels")
G_PARTS = ("generator", "discriminator", "optimizer_g", "z", "fake_labels")
BOTH_PARTS = ("generator", "discriminator", "optimizer_g", "optimizer_d", "real", "labels", "z", "fake_labels")

TWICE = "A sigmoid too many: the losses of torch that end in with_logits have theirs inside."
ADDED = "Gradients add up: zero_grad before each backward, or the old ones are still there."
G_EVAL = "The generator was in eval(): in training both networks stay in train()."
D_EVAL = "The discriminator was in eval(): in training both networks stay in train()."


@check("01", "build", difficulty=2, minutes=15)
def check_discriminator_step(answer: Callable[..., Tensor]) -> str:
    """The discriminator's step: `(generator, discriminator, optimizer_d, real, labels, z, fake_labels)` → its loss."""
    mistakes: dict[str, Step] = {
        ADDED: _d_step(clear="never"),
        "The generator's step leaves gradients in D: zero_grad before backward, not only after.": _d_step(
            clear="after"
        ),
        "Exchanged: D wants large logits for reals, small ones for fakes.": _d_step(lambda r, f: bce_d(f, r)),
        "The sign: that makes D worse.": _d_step(lambda r, f: -bce_d(r, f)),
        "The two terms are added; half of the sum learns half as fast.": _d_step(lambda r, f: bce_d(r, f) / 2),
        "The mean over the batch, not the sum.": _d_step(lambda r, f: len(r) * bce_d(r, f)),
        "D saw no fakes: the loss has two terms.": _d_step(lambda r, f: F.softplus(-r).mean()),
        "D saw no reals: the loss has two terms.": _d_step(lambda r, f: F.softplus(f).mean()),
        TWICE: _d_step(lambda r, f: bce_d(r.sigmoid(), f.sigmoid())),
        "D judged the fakes by the labels of the reals: they were asked for fake_labels.": _d_step(judged="labels"),
        "The fakes are to be drawn for fake_labels.": _d_step(drawn="labels"),
        "The fakes are asked for fake_labels, drawn and judged.": _d_step(drawn="labels", judged="labels"),
        "D judged the reals by fake_labels: they have labels of their own.": _d_step(of_real="fake_labels"),
        "All labels are exchanged: reals have labels, fakes have fake_labels.": _d_step(
            drawn="labels", judged="labels", of_real="fake_labels"
        ),
        G_EVAL: _d_step(still="generator"),
        D_EVAL: _d_step(still="discriminator"),
        "Reals and fakes went through D in one batch, and its BatchNorm mixed them: call D twice.": _d_step(joint=True),
        "D moves twice: one optimizer_d.step().": _d_twice,
    }
    judge_step(of_learner(answer, D_PARTS, 1), _d_step(), mistakes, _only_d_moves)
    return "D has moved, and nothing else."


def _only_d_moves(outcome: Outcome, played: Rig) -> None:
    if outcome.moved_g.any():
        raise Wrong("The generator moved: in this step only the discriminator may.")
    if any(weight.grad is not None and weight.grad.any() for weight in played.generator.parameters()):
        raise Wrong("D's loss reached the generator and left gradients there: cut the fakes off with detach().")
    if not outcome.moved_d.any():
        raise Wrong("D did not move: zero_grad, then backward, then optimizer_d.step(), in this order.")


def _d_step(
    loss: Callable[[Tensor, Tensor], Tensor] = bce_d,
    drawn: str = "fake_labels",
    judged: str = "fake_labels",
    of_real: str = "labels",
    clear: str = "before",
    still: str = "",
    joint: bool = False,
) -> Step:
    """The discriminator's step, or with a mistake: these labels, this network in eval(), all in one batch."""

    def step(played: Rig, batch: Batch) -> Tensor:
        if still:
            getattr(played, still).eval()
        fake = played.generator(batch.z, getattr(batch, drawn)).detach()
        inputs = (batch.real, getattr(batch, of_real)), (fake, getattr(batch, judged))
        if joint:
            logits = played.discriminator(*map(torch.cat, zip(*inputs, strict=True))).chunk(2)
        else:
            logits = tuple(played.discriminator(*pair) for pair in inputs)
        return descend(played.optimizer_d, loss(*logits), clear)

    return step


def _d_twice(played: Rig, batch: Batch) -> Tensor:
    value = _d_step()(played, batch)
    played.optimizer_d.step()
    return value


@check("01", "build", difficulty=2, minutes=10)
def check_generator_step(answer: Callable[..., Tensor]) -> str:
    """The generator's step: `(generator, discriminator, optimizer_g, z, fake_labels)` → its loss."""
    mistakes: dict[str, Step] = {
        ADDED: _g_step(clear="never"),
        "That is the minimax loss, whose gradient vanishes when D is sure.": _g_step(minimax_g),
        "The sign: that makes fakes that look less real.": _g_step(lambda fake: -bce_g(fake)),
        "That is what D pays for fakes: G wants large logits.": _g_step(lambda fake: F.softplus(fake).mean()),
        "The mean over the batch, not the sum.": _g_step(lambda fake: len(fake) * bce_g(fake)),
        "G's loss has one term, without a factor.": _g_step(lambda fake: bce_g(fake) / 2),
        "First −log of each probability, then the mean.": _g_step(lambda fake: F.softplus(-fake.mean())),
        "That is −logit, the loss of a critic: −log sigmoid(logit) is wanted.": _g_step(lambda fake: -fake.mean()),
        TWICE: _g_step(lambda fake: bce_g(fake.sigmoid())),
        G_EVAL: _g_step(still="generator"),
        D_EVAL: _g_step(still="discriminator"),
        "G moves twice: one optimizer_g.step().": _g_twice,
    }
    judge_step(of_learner(answer, G_PARTS, 1), _g_step(), mistakes, _only_g_moves)
    return "The gradient went through D as through a lens, and only G moved."


def _only_g_moves(outcome: Outcome, played: Rig) -> None:
    if outcome.moved_d.any():
        raise Wrong("The discriminator moved: in this step only the generator may.")
    if not outcome.moved_g.any():
        raise Wrong("G did not move: is there a detach or a no_grad in its way, or zero_grad after backward?")


def _g_step(loss: Callable[[Tensor], Tensor] = bce_g, clear: str = "before", still: str = "") -> Step:
    """The generator's step, or with a mistake."""

    def step(played: Rig, batch: Batch) -> Tensor:
        if still:
            getattr(played, still).eval()
        fake = played.generator(batch.z, batch.fake_labels)
        return descend(played.optimizer_g, loss(played.discriminator(fake, batch.fake_labels)), clear)

    return step


def _g_twice(played: Rig, batch: Batch) -> Tensor:
    value = _g_step()(played, batch)
    played.optimizer_g.step()
    return value


@check("01", "debug", difficulty=3, minutes=12)
def check_mended_step(answer: Callable[..., tuple[Tensor, Tensor]]) -> str:
    """`careless_step`, mended: G learns from its own loss alone; both losses."""
    mistakes: dict[str, Step] = {
        "As it was given: G still takes part of D's gradient. Which loss reaches G, and where could that be cut?": (
            lambda played, batch: broken.careless_step(**_values(played, batch, BOTH_PARTS))
        ),
        f"{ADDED} Here those of D.": _shared(clear_d="never"),
        f"{ADDED} Here those of G.": _shared(clear_g="never"),
        f"{ADDED} Here those of both.": _shared("never", "never"),
        "D is to move first; G's loss asks the new D.": _g_first,
        "G's loss was computed before D moved: ask the new D.": _old_d,
        "The two losses are exchanged: D's comes first.": lambda played, batch: _both(played, batch)[::-1],
    }
    step = of_learner(answer, BOTH_PARTS, 2)
    judge_step(step, _both, mistakes, _both_move)
    _, played = play(step, seed=0)
    if played.generator.drawn > len(played.batches):
        raise Wrong("Both move as they should, but the fakes are drawn twice: draw them once, for both losses.")
    return "With detach, no retain_graph is needed: an error that asks for it often means that a gradient goes too far."


def _both_move(outcome: Outcome, played: Rig) -> None:
    for name, moved in (("G", outcome.moved_g), ("D", outcome.moved_d)):
        if not moved.any():
            raise Wrong(f"{name} no longer moves: cut the fakes off from G for D's loss only.")


def _values(played: Rig, batch: Batch, parts: tuple[str, ...]) -> dict[str, Any]:
    return {part: getattr(played if hasattr(played, part) else batch, part) for part in parts}


def _both(played: Rig, batch: Batch) -> tuple[Tensor, Tensor]:
    return by_hand.both_steps(**_values(played, batch, BOTH_PARTS))


def _shared(clear_d: str = "before", clear_g: str = "before") -> Step:
    """Both steps on the same fakes, or with gradients that are not cleared."""

    def step(played: Rig, batch: Batch) -> tuple[Tensor, Tensor]:
        fake = played.generator(batch.z, batch.fake_labels)
        on_real = played.discriminator(batch.real, batch.labels)
        on_fake = played.discriminator(fake.detach(), batch.fake_labels)
        loss_d = descend(played.optimizer_d, bce_d(on_real, on_fake), clear_d)
        loss_g = bce_g(played.discriminator(fake, batch.fake_labels))
        return loss_d, descend(played.optimizer_g, loss_g, clear_g)

    return step


def _g_first(played: Rig, batch: Batch) -> tuple[Tensor, Tensor]:
    loss_g = _g_step()(played, batch)
    return _d_step()(played, batch), loss_g


def _old_d(played: Rig, batch: Batch) -> tuple[Tensor, Tensor]:
    fake = played.generator(batch.z, batch.fake_labels)
    loss_g = bce_g(played.discriminator(fake, batch.fake_labels))
    gradients = torch.autograd.grad(loss_g, list(played.generator.parameters()))
    loss_d = _d_step()(played, batch)
    for weight, gradient in zip(played.generator.parameters(), gradients, strict=True):
        weight.grad = gradient
    played.optimizer_g.step()
    return loss_d, loss_g.detach()
