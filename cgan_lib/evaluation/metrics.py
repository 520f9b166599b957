"""The scores themselves, from features (N, d) and logits (N, classes) alone: FID, KID, IS, and who is near whom.

FID, KID and the Inception Score are those of `torchmetrics`, computed on the features of our classifier. They are told
not to sync: among several processes they would wait for the others, and add what these have seen.
"""

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cgan_lib.errors import UserError

NEIGHBOURS = 5  # k of precision, recall, density and coverage
LARGEST_GAP = 700.0  # between two logits: e^-700 is about the least that a double holds, and log 0 would give NaN
CHUNK = 1000  # rows of a distance matrix that are in memory at a time


class _AsGiven(nn.Module):
    """Stands where `torchmetrics` expects a feature network: the features are computed once, elsewhere."""

    def __init__(self, num_features: int):
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def fid(real: Tensor, fake: Tensor) -> float:
    """Fréchet distance between the Gaussians fitted to two sets of features (N, d), (M, d); 0 is best.

    |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½): Heusel et al. 2017, eq. 6. It falls with N: compare at equal counts only.
    With no more rows than features the covariances are singular, and the distance says little. Both need 2 rows.
    """
    _check_rows("FID", 2, real, fake)
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(_AsGiven(real.shape[1]), sync_on_compute=False).to(real.device)
    metric.update(real.double(), real=True)
    metric.update(fake.double(), real=False)
    return max(metric.compute().item(), 0.0)  # rounding may leave −1e-10 between equal sets; nan stays nan


def kid(real: Tensor, fake: Tensor, seed: int = 0) -> float:
    """Squared maximum mean discrepancy of two sets of features (N, d), with the kernel (x·y/d + 1)³; 0 is best.

    The mean over random subsets of up to 1,000. Of independent draws it is unbiased (Bińkowski et al. 2018): it hardly
    depends on the counts, and may fall below 0. With fixed shares of the classes it is a little low. Both need 4 rows.
    """
    _check_rows("KID", 4, real, fake)
    from torchmetrics.image.kid import KernelInceptionDistance

    size = min(1000, len(real) // 2, len(fake) // 2)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save all extracted features")
        metric = KernelInceptionDistance(_AsGiven(real.shape[1]), subset_size=size, sync_on_compute=False)
    metric.update(real.double(), real=True)
    metric.update(fake.double(), real=False)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # of the subsets, which are drawn on the CPU
        return metric.compute()[0].item()


def inception_score(logits: Tensor) -> float:
    """exp of the mean KL(p(y|x) ‖ p(y)) from logits (N, classes): from 1 to the number of classes, which is best.

    Salimans et al. 2016. It asks whether images are clear and classes equally frequent; it never sees a real image.
    Over all images at once: the mean over ten splits, as in papers, falls short of the best where splits are small.
    """
    from torchmetrics.image.inception import InceptionScore

    below_best = logits.double() - logits.double().amax(1, keepdim=True)  # the same probabilities
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):  # it shuffles
        warnings.filterwarnings("ignore", "Metric `InceptionScore` will save all extracted features")
        warnings.filterwarnings("ignore", r"std\(\): degrees of freedom")  # it has one split, and no deviation
        metric = InceptionScore(_AsGiven(logits.shape[1]), splits=1, sync_on_compute=False)
        metric.update(below_best.clamp(min=-LARGEST_GAP))
        return metric.compute()[0].item()


@dataclass(frozen=True)
class Neighbourhoods:
    """How two sets of features lie among each other; every image has a ball that reaches to its k-th neighbour."""

    precision: float
    """share of fakes inside the ball of any real image: are they believable? (Kynkäänniemi et al. 2019)"""
    recall: float
    """share of real images inside the ball of any fake: could each have been drawn?"""
    density: float
    """balls of real images around a fake, on average, over k; may exceed 1 (Naeem et al. 2020)"""
    coverage: float
    """share of real images with a fake inside their ball: is each kind there?"""
    density_of_each: Tensor
    """the same as `density`, of each fake (M,): high in the thick of the real images, 0 for one that none resembles"""


def neighbourhoods(real: Tensor, fake: Tensor, k: int = NEIGHBOURS) -> Neighbourhoods:
    """Precision, recall, density and coverage of fakes (M, d) among real images (N, d); both need more than k rows."""
    _check_rows(f"precision, with the neighbour number {k} of each,", k + 1, real, fake)
    real, fake = real.double(), fake.double()
    reach_real, reach_fake = _reach(real, k), _reach(fake, k)  # (N,), (M,)
    drawable, covered = torch.zeros(2, len(real), dtype=torch.bool, device=real.device)
    counts = []
    for chunk, reach in zip(fake.split(CHUNK), reach_fake.split(CHUNK), strict=True):
        distances = torch.cdist(chunk, real)  # (chunk, N)
        inside = distances < reach_real
        counts.append(inside.sum(1))
        covered |= inside.any(0)
        drawable |= (distances < reach[:, None]).any(0)
    around = torch.cat(counts).double()  # (M,): the balls of real images that each fake is in
    return Neighbourhoods(
        precision=(around > 0).double().mean().item(),
        recall=drawable.double().mean().item(),
        density=(around / k).mean().item(),
        coverage=covered.double().mean().item(),
        density_of_each=around / k,
    )


def _reach(features: Tensor, k: int) -> Tensor:
    """Distance from each row to its k-th neighbour, itself not counted (N,)."""
    nearest = [torch.cdist(chunk, features).topk(k + 1, largest=False).values[:, k] for chunk in features.split(CHUNK)]
    return torch.cat(nearest)


def spread(features: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Mean distance between two images of the same class, of each (num_classes,); NaN where there are not two."""
    return torch.stack([torch.pdist(features[labels == label]).mean() for label in range(num_classes)])


def _check_rows(score: str, least: int, *sets: Tensor) -> None:
    if (rows := min(map(len, sets))) < least:
        raise UserError(f"{score} needs {least} images or more on both sides, got {rows}.")
