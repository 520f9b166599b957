"""What the tests of the evaluation share: a generator, unseen images, and classifiers that are trained in no time."""

from importlib import import_module

import pytest
import torch

from cgan_lib import load_data
from cgan_lib.models import MODELS


@pytest.fixture(scope="session")
def unseen():
    """The test images of the embedded digits."""
    return load_data("digits", train=False)


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return MODELS["bce"].generator(base_channels=8).eval()


@pytest.fixture
def train_for(monkeypatch):
    """A function: from now on classifiers are trained for so many epochs, and at least so many steps."""

    def set_length(epochs: int, least_steps: int) -> None:
        module = import_module("cgan_lib.evaluation.classifier")
        monkeypatch.setattr(module, "EPOCHS", epochs)
        monkeypatch.setattr(module, "LEAST_STEPS", least_steps)

    return set_length
