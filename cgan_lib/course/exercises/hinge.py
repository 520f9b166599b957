"""Notebook 03: the hinge losses, D's loss of pairs, and the least that hinge can cost."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib.course.exercises.comparing import DETACHED, Formula, check_as_before, close, compare, same_slopes
from cgan_lib.course.exercises.verdict import Wrong, call, check, run
from cgan_lib.losses import hinge_d, hinge_g


@check("03", "build", difficulty=1, minutes=8)
def check_hinge(answer: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> str:
    """Both hinge losses, the discriminator's and the generator's, from real and fake logits."""
    extreme = (torch.tensor([50.0, -50.0, 0.3]), torch.tensor([-50.0, 50.0, 50.0, -0.3]))
    beyond = (torch.tensor([1.5, 3.0]), torch.tensor([-2.0, -1.25, -4.0]))
    cases = [
        *((torch.tensor([2.0, 0.5, -1.2]), torch.tensor([-3.0, 0.25])), (torch.randn(6), torch.randn(4))),
        *(extreme, beyond),
    ]
    loss_d, loss_g = both(answer, cases[0])
    compare(loss_d, cases, hinge_d, HINGE_MISTAKES, "D: the mean of max(0, 1 − real), plus that of max(0, 1 + fake).")
    mistakes: dict[str, Formula] = {
        "G's loss has no max(0, …): it is never content.": lambda real, fake: F.relu(1 - fake).mean(),
        "G's loss has no max(0, …), and wants logits up.": lambda real, fake: F.relu(1 + fake).mean(),
        "G's sign: it minimises, so that −fake goes down while the logits go up.": lambda real, fake: fake.mean(),
        "G's loss is a mean, too.": lambda real, fake: -fake.sum(),
        "G is not D's enemy by −L_D: only its own fakes count for it.": lambda real, fake: -hinge_d(real, fake),
        "G's loss looks at the fakes, not at the reals.": lambda real, fake: -real.mean(),
        "G: reals are not its affair, its fakes alone.": lambda real, fake: real.mean() - fake.mean(),
    }
    compare(loss_g, cases, lambda real, fake: hinge_g(fake), mistakes, "G: minus the mean of the fakes' logits.")
    for loss, right in ((loss_d, hinge_d), (loss_g, lambda real, fake: hinge_g(fake))):
        if not all(same_slopes(loss, right, case) for case in cases):
            raise Wrong("The value is right, its gradient is not: let all of it be computed by torch, from the logits.")
    return "Beyond the margin D's is 0: nothing more to want. G's goes on."


def both(answer: Callable[..., tuple[Tensor, Tensor]], case: tuple[Tensor, ...]) -> tuple[Formula, Formula]:
    """The two functions in one that returns a pair of losses, tried on a `case`."""
    pair = call(answer, *case)
    if not (isinstance(pair, (tuple, list)) and len(pair) == 2):
        raise Wrong("Return both losses: return loss_d, loss_g.")
    return lambda *logits: answer(*logits)[0], lambda *logits: answer(*logits)[1]


HINGE_MISTAKES: dict[str, Formula] = {
    "D's loss comes first, then G's.": lambda real, fake: hinge_g(fake),
    "Real and fake are exchanged: reals should be above 1, fakes below −1.": lambda real, fake: hinge_d(fake, real),
    "Without max(0, …) a logit far beyond the margin is still rewarded: that is Wasserstein's loss.": (
        lambda real, fake: 2 - real.mean() + fake.mean()
    ),
    "That is Wasserstein's loss: the margin of 1 and max(0, …) are missing.": lambda real, fake: (
        fake.mean() - real.mean()
    ),
    "Average over the batch.": lambda real, fake: F.relu(1 - real).sum() + F.relu(1 + fake).sum(),
    "Two means, added: not halved.": lambda real, fake: hinge_d(real, fake) / 2,
    "A mean of the reals plus a mean of the fakes: not one mean of them all.": lambda real, fake: torch.cat(
        [F.relu(1 - real), F.relu(1 + fake)]
    ).mean(),
    "The margin of 1 is missing: even a logit on the right side pays until it is beyond 1.": lambda real, fake: (
        F.relu(-real).mean() + F.relu(fake).mean()
    ),
    "Not squared: max(0, …) itself.": lambda real, fake: (
        F.relu(1 - real).square().mean() + F.relu(1 + fake).square().mean()
    ),
    "max(0, …) of each logit, then the mean: not the other way round.": lambda real, fake: (
        F.relu(1 - real.mean()) + F.relu(1 + fake.mean())
    ),
    "The fakes are missing.": lambda real, fake: F.relu(1 - real).mean(),
    "The reals are missing.": lambda real, fake: F.relu(1 + fake).mean(),
    "This is the BCE loss: no softplus, but max(0, …) with a margin of 1.": lambda real, fake: (
        F.softplus(-real).mean() + F.softplus(fake).mean()
    ),
    "The sign: D minimises it, so that what is beyond the margin gives 0 and the rest is positive.": (
        lambda real, fake: -hinge_d(real, fake)
    ),
}


class Critic(nn.Module):
    """A small discriminator of images (N, …): a linear layer and a projection of the pixels themselves."""

    def __init__(self, pixels: int, num_classes: int):
        super().__init__()
        self.linear, self.embedding = nn.Linear(pixels, 1), nn.Embedding(num_classes, pixels)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        pixels = x.flatten(1)
        return self.linear(pixels).squeeze(1) + (self.embedding(labels) * pixels).sum(1)


@check("03", "debug", difficulty=2, minutes=10)
def check_pair_loss(answer: Callable[..., Tensor]) -> str:
    """D's hinge loss from a discriminator, reals (N, …) and fakes (M, …), each followed by its labels."""
    critic = Critic(9, 10)
    cases = [_pairs(critic, n, n) for n in (6, 9)]
    mistakes: dict[str, Formula] = {
        "Both faults are still there: one in which label stands beside what, one in the last line.": (
            lambda d, real, y, fake, k: _margin_of_mean(d(real, k), d(fake, k))
        ),
        "The last line is right now. The first is not: a real image comes with its own label.": lambda d, r, y, f, k: (
            hinge_d(d(r, k), d(f, k))
        ),
        "The labels are right now. The last line lets one good logit pay for a bad one: max(0, …) first, of each.": (
            lambda d, real, y, fake, k: _margin_of_mean(d(real, y), d(fake, k))
        ),
        "The fakes were drawn for fake_labels, and are judged with these.": lambda d, real, y, fake, k: hinge_d(
            d(real, y), d(fake, y)
        ),
        "The labels are exchanged: each image comes with its own.": lambda d, real, y, fake, k: hinge_d(
            d(real, k), d(fake, y)
        ),
        "Real and fake are exchanged.": lambda d, real, y, fake, k: hinge_d(d(fake, k), d(real, y)),
        "A mean over the batch, not the sum.": lambda d, real, y, fake, k: (
            F.relu(1 - d(real, y)).sum() + F.relu(1 + d(fake, k)).sum()
        ),
    }

    def right(d: nn.Module, real: Tensor, y: Tensor, fake: Tensor, k: Tensor) -> Tensor:
        return hinge_d(d(real, y), d(fake, k))

    hint = "hinge_d of two sets of logits: the reals with their labels, the fakes with theirs."
    compare(answer, cases, right, mistakes, hint)
    uneven = _pairs(critic, 5, 3)
    compare(answer, [uneven], right, {}, "Nearly: there need not be as many fakes as reals.")
    learned = list(critic.parameters())
    expected = torch.autograd.grad(right(*uneven), learned)
    try:
        found = torch.autograd.grad(run(answer, *uneven), learned, materialize_grads=True)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise Wrong(DETACHED) from error
    if not all(close(x, y) for x, y in zip(found, expected, strict=True)):
        raise Wrong("The value is right, but not all of it reaches the discriminator's weights.")
    check_as_before(critic)
    return "Now every pair counts, and real pairs agree."


def _pairs(critic: nn.Module, n: int, m: int) -> tuple[nn.Module, Tensor, Tensor, Tensor, Tensor]:
    labels, fake_labels = torch.arange(n) % 7, 3 + torch.arange(m) % 7
    return critic, torch.randn(n, 1, 3, 3), labels, torch.randn(m, 1, 3, 3), fake_labels


def _margin_of_mean(real: Tensor, fake: Tensor) -> Tensor:
    return F.relu(1 - real.mean()) + F.relu(1 + fake.mean())


def least_hinge(p: Tensor, q: Tensor) -> Tensor:
    """The least hinge loss that any D can have, from tables p and q (…) of how likely each pair is: from 0 to 2."""
    return 2 * torch.minimum(p, q).sum()


@check("03", "answer", difficulty=2, minutes=10)
def check_hinge_optimum(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """The least hinge loss of D for tables p and q (…) of probabilities, each logit the best one."""
    cases = [tuple(_table(*shape) for _ in "pq") for shape in ((3, 3), (2, 5), (12,))]
    even = _table(4, 3)
    cases += [(even, even), (torch.tensor([0.5, 0.5, 0, 0]), torch.tensor([0, 0, 0.25, 0.75]))]
    mistakes: dict[str, Formula] = {
        "Half of it: at the logit +1 a fake costs 2, and at −1 a real does.": lambda p, q: torch.minimum(p, q).sum(),
        "That is how far p and q are apart. D pays where they are alike.": lambda p, q: (p - q).abs().sum(),
        "That is the total variation. D pays where p and q are alike.": lambda p, q: (p - q).abs().sum() / 2,
        "Nearly: D pays twice that.": lambda p, q: 1 - (p - q).abs().sum() / 2,
        "D may choose: at each pair it takes the side that costs less.": lambda p, q: 2 * torch.maximum(p, q).sum(),
        "That is the loss of a constant logit: D can do better where p and q differ.": lambda p, q: torch.tensor(2.0),
        "That is the cost of each pair; the loss is their sum.": lambda p, q: 2 * torch.minimum(p, q),
        "p and q are the weights already: a sum, not a mean.": lambda p, q: 2 * torch.minimum(p, q).mean(),
        "These are the best logits. What do they cost?": lambda p, q: (p - q).sign(),
        "Of the reals alone: the fakes cost as well.": lambda p, q: 2 * (p * (p < q)).sum(),
        "Of the fakes alone: the reals cost as well.": lambda p, q: 2 * (q * (p > q)).sum(),
        "That is the best value of BCE. Hinge knows sides alone: its logits are ±1.": lambda p, q: (
            -(torch.xlogy(p, p / (p + q)) + torch.xlogy(q, q / (p + q))).sum()
        ),
    }
    hint = "One pair costs p·max(0, 1 − ℓ) + q·max(0, 1 + ℓ). What at ℓ = +1, what at −1, which is less?"
    compare(answer, cases, least_hinge, mistakes, hint)
    return "It is 2 − Σ|p − q|: near 2 while D cannot tell p from q, 0 when they never meet."


def _table(*shape: int) -> Tensor:
    numbers = torch.rand(shape) ** 2 + 0.02
    return numbers / numbers.sum()
