"""Notebook 03: an average of the last steps' weights, and the two time scales, on the ring of notebook 01."""

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from cgan_lib.course.exercises.comparing import close
from cgan_lib.course.exercises.penalties import settings_of
from cgan_lib.course.exercises.verdict import Wrong, check, perform
from cgan_lib.course.toy import CENTRES, LATENT_DIM, MODES, STD, Networks, ring
from cgan_lib.losses import hinge_d, hinge_g


@torch.no_grad()
def update_average(averaged: nn.Module, generator: nn.Module, step: int, decay: float) -> None:
    """Move an averaged generator towards the current one; at step t the decay is at most (1 + t) / (10 + t)."""
    decay = min(decay, (1 + step) / (10 + step))
    torch._foreach_lerp_([*averaged.parameters()], [*generator.parameters()], 1 - decay)
    for mine, theirs in zip(averaged.buffers(), generator.buffers(), strict=True):
        mine.copy_(theirs)


@check("03", "debug", difficulty=2, minutes=12)
def check_average(answer: Callable[[nn.Module, nn.Module, int, float], None]) -> str:
    """A function that moves an averaged generator towards the current one, after a step, with a decay."""
    generator = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2)))
    averaged = copy.deepcopy(generator).requires_grad_(False).eval()
    for step in (5, 6, 0, 3, 5000, 5001):
        _move(generator)
        for parameter in generator.parameters():
            parameter.grad = torch.ones_like(parameter)
        before, current = copy.deepcopy(averaged), copy.deepcopy(generator)
        perform(answer, averaged, generator, step, 0.8)
        if any(not torch.equal(x, y) for x, y in zip(_numbers(generator), _numbers(current), strict=True)):
            raise Wrong("Training goes on with the current generator: leave it as it is.")
        if not all(x.requires_grad and x.grad is not None and x.grad.all() for x in generator.parameters()):
            raise Wrong("The generator goes on learning: leave requires_grad and .grad of its weights as they are.")
        if averaged.training or not generator.training:
            raise Wrong("The average was in evaluation mode, the generator in training mode: leave both as they are.")
        _check_weights(averaged, before, generator, step)
        for mine, old, theirs in zip(averaged.buffers(), before.buffers(), generator.buffers(), strict=True):
            if mine.is_floating_point() and not torch.equal(mine, theirs):  # how many batches there were draws nothing
                raise Wrong(
                    "The weights are right. But BatchNorm's statistics are buffers, no parameters: those of the "
                    "averaged generator are still from the start."
                    if torch.equal(mine, old)
                    else "Statistics are copied, not averaged: they belong to the weights of now."
                )
        _check_apart(averaged, generator)
    return "Averaged weights, copied statistics: the two differ in nothing else."


def _move(generator: nn.Module) -> None:
    """New numbers in a generator, as training would bring them."""
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(torch.randn_like(parameter))
        for buffer in generator.buffers():
            buffer.copy_(buffer + 1 if buffer.ndim == 0 else torch.rand_like(buffer) + 0.5)


def _numbers(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]


def _check_weights(averaged: nn.Module, before: nn.Module, generator: nn.Module, step: int) -> None:
    decay = min(0.8, (1 + step) / (10 + step))
    mine, old, new = (list(network.parameters()) for network in (averaged, before, generator))

    def is_mean(share: float) -> bool:
        return all(close(x.detach(), share * a + (1 - share) * b) for x, a, b in zip(mine, old, new, strict=True))

    if is_mean(decay):
        return
    hints = {
        1.0: "The averaged weights have not moved: change them in place, mine.lerp_(…) or mine.copy_(…).",
        0.0: "These are the current weights, not an average.",
        1 - decay: "The weights are exchanged: with a decay of 0.8 four fifths of the old average stay.",
        0.8: "The ramp is missing: at step t the decay is at most (1 + t) / (10 + t).",
    }
    found = [hint for share, hint in hints.items() if is_mean(share)]
    raise Wrong(found[0] if found else "New average = decay · old average + (1 − decay) · current weights.")


def _check_apart(averaged: nn.Module, generator: nn.Module) -> None:
    """`Wrong` when the two share memory, or a graph."""
    if any(parameter.requires_grad for parameter in averaged.parameters()):
        raise Wrong("The average carries the graph of every step: keep @torch.no_grad().")
    kept = copy.deepcopy(averaged)
    _move(generator)
    if any(not torch.equal(x, y) for x, y in zip(_numbers(averaged), _numbers(kept), strict=True)):
        raise Wrong("The two generators share tensors, so the average moves with the next step: copy_ numbers.")


UPDATES, BATCH, RUNS = 600, 64, 5  # of both networks together; points in a batch; trainings side by side
NEAR_ENOUGH = 0.16


def train_with(lr: float, lr_d: float, n_dis: int, ema: float, seed: int = 0) -> Tensor:
    """Samples (5, 100, 8, 2), 100 of each mode of the ring, of five conditional GANs trained with hinge side by side.

    Rates of G and D, steps of D for one of G, decay of the averaged generator. All have 600 updates, D's and G's.
    """
    draws = torch.Generator().manual_seed(seed)
    generator, discriminator = Networks(RUNS, LATENT_DIM + MODES, 2, draws), Networks(RUNS, 2 + MODES, 1, draws)
    averaged = copy.deepcopy(generator).requires_grad_(False)
    optimizer_g = torch.optim.Adam(generator.parameters(), lr, betas=(0.0, 0.9))
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr_d, betas=(0.0, 0.9))
    for step in range(UPDATES // (n_dis + 1)):
        for _ in range(n_dis):
            real, labels = (part.view(RUNS, BATCH, *part.shape[1:]) for part in ring(RUNS * BATCH, draws))
            fake = generator(torch.randn(RUNS, BATCH, LATENT_DIM, generator=draws), labels)
            _descend(optimizer_d, hinge_d(discriminator(real, labels), discriminator(fake.detach(), labels)))
        _descend(optimizer_g, hinge_g(discriminator(fake, labels)))
        update_average(averaged, generator, step, ema)
    labels = (torch.arange(100 * MODES) % MODES).expand(RUNS, -1)
    return averaged(torch.randn(*labels.shape, LATENT_DIM, generator=draws), labels).view(RUNS, 100, MODES, 2)


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    (RUNS * loss).backward()  # the mean of the loss is over all runs
    optimizer.step()


def miss(samples: Tensor) -> float:
    """How far the modes of samples (runs, N, 8, 2) lie from those of the ring, in place and in width: the middle run.

    The root of the mean over modes of |m − centre|² + |s − 0.2|², the Fréchet distance of round normal distributions.
    """
    off = (samples.mean(1) - CENTRES).square().sum(-1)  # (runs, 8)
    width = (samples.std(1) - STD).square().sum(-1)
    return (off + width).mean(1).sqrt().median().item()


@check("03", "design", difficulty=2, minutes=20)
def check_rates(answer: Mapping[str, float]) -> str:
    """Settings of the toy, `lr`, `lr_d`, `n_dis` and `ema`, with which it draws a ring within 600 updates."""
    lr, lr_d, n_dis, ema = settings_of(answer, ("lr", "lr_d", "n_dis", "ema"))
    if not (0 < lr <= 1 and 0 < lr_d <= 1 and 0 <= ema < 1):
        raise Wrong("Rates are more than 0 and at most 1, ema is from 0 to below 1.")
    if n_dis not in range(1, 21):
        raise Wrong("n_dis is a whole number from 1 to 20.")
    found = miss(train_with(lr, lr_d, int(n_dis), ema, seed=20))
    if found <= NEAR_ENOUGH:
        return f"The modes miss their place and width by {found:.3f}, in the middle one of five trainings."
    if found > 0.6 and max(lr, lr_d) > 0.1:
        hint = "Such steps jump over all that is to be learned: smaller rates."
    elif found > 0.6:
        fewer = ", or fewer steps of D, which leave more for G" if n_dis > 2 else ""
        hint = f"G is still on its way: larger rates{fewer}?"
    elif not ema:
        hint = "The last steps still throw G about: average them."
    else:
        hint = "Does D keep ahead of G? It may learn faster, or take more steps."
    raise Wrong(f"The modes miss their place and width by {found:.3f}; {NEAR_ENOUGH} is asked for. {hint}")
