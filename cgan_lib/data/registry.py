"""The data sets that are built in, and where to add one's own."""

from collections.abc import Callable

import torch
from torch import Tensor

DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
KANA = ("お", "き", "す", "つ", "な", "は", "ま", "や", "れ", "を")


def embedded_digits(train: bool) -> tuple[Tensor, Tensor]:
    """scikit-learn's 1,797 real handwritten digits at 8×8: 1,500 to train on and 297 to test with."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = torch.randperm(len(digits.target), generator=torch.Generator().manual_seed(0))
    order = order[:1500] if train else order[1500:]
    images = torch.from_numpy(digits.images).float().mul(255 / 16).round().to(torch.uint8)  # (1797, 8, 8)
    labels = torch.from_numpy(digits.target).long()
    return images[order].unsqueeze(1), labels[order]


# name: (where it comes from, names of the classes). It comes from a class in torchvision.datasets with four files as
# MNIST has, or from a function of your own, `read(train: bool)` → images uint8 (N,C,H,W) and labels int64 (N,)
DATASETS: dict[str, tuple[str | Callable[[bool], tuple[Tensor, Tensor]], tuple[str, ...]]] = {
    "mnist": ("MNIST", DIGITS),
    "fashion_mnist": ("FashionMNIST", CLOTHES),
    "kmnist": ("KMNIST", KANA),
    "digits": (embedded_digits, DIGITS),
}
