"""Inception-FID: what goes into the network, and what to do where it cannot be had."""

from urllib.error import URLError

import pytest
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance

from cgan_lib import UserError
from cgan_lib.evaluation import inception_fid
from cgan_lib.evaluation.metrics import fid
from cgan_lib.evaluation.samples import generate_like
from cgan_lib.models import MODELS


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (ModuleNotFoundError("no torch_fidelity"), "pip install torch-fidelity"),
        (URLError("no route to host"), r"could not be fetched \(<urlopen error no route to host>\): go online once"),
        (OSError(28, "No space left on device"), "could not be fetched .*No space left .*Every other score works off"),
    ],
)
def test_without_the_inception_network_it_is_said_what_to_do(generator, monkeypatch, problem, message):
    def refuse(feature, sync_on_compute):
        raise problem

    monkeypatch.setattr("torchmetrics.image.fid.FrechetInceptionDistance", refuse)
    with pytest.raises(UserError, match=message):
        inception_fid(generator, "digits", count=100)


def test_a_layer_that_the_inception_network_does_not_have_is_refused(generator):
    with pytest.raises(UserError, match=r"must be one of \(64, 192, 768, 2048\), but got 100"):
        inception_fid(generator, "digits", count=100, feature=100)


class Brightness(nn.Module):
    """Stands where the Inception network would: sees eight bright or dark places in an image."""

    num_features = 8

    def forward(self, images):
        return images[:, :, 5:25:5, 10:20:5].double().mean(1).flatten(1)


@pytest.mark.parametrize("model", ["bce", "dcgan"])
def test_all_test_images_at_the_size_of_the_fakes_and_as_many_fakes_as_asked_for_go_in(model, unseen, monkeypatch):
    generator = MODELS[model].generator(base_channels=8)
    size = generator.config["image_size"]
    given = {True: [], False: []}

    class Watched(FrechetInceptionDistance):
        def __init__(self, feature, sync_on_compute):
            super().__init__(Brightness() if feature == 64 else feature)

        def update(self, imgs, real):
            given[real].append(imgs)
            super().update(imgs, real)

    with monkeypatch.context() as patch:
        patch.setattr("torchmetrics.image.fid.FrechetInceptionDistance", Watched)
        found = inception_fid(generator, "digits", count=120, seed=5, feature=64)
    assert max(map(len, given[True] + given[False])) <= 50
    real, fake = (torch.cat(given[part]).cpu() for part in (True, False))
    assert (real.dtype, *real.shape) == (torch.uint8, 297, 3, size, size)
    assert torch.equal(real, unseen.resized(size).images.expand(-1, 3, -1, -1))
    assert torch.equal(fake, generate_like(generator, unseen, 120, seed=5).images.expand(-1, 3, -1, -1))
    assert found == pytest.approx(fid(Brightness()(real), Brightness()(fake)))
