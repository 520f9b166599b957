"""What notebook 01 builds by hand trains: briefly, on the embedded digits."""

from functools import partial
from itertools import islice

import pytest
import torch

from cgan_lib.course import by_hand
from cgan_lib.data import batches
from cgan_lib.models.concat import BCEDiscriminator, BCEGenerator


@pytest.fixture
def game():
    """Two narrow networks and their optimisers."""
    torch.manual_seed(0)
    networks = BCEGenerator(latent_dim=16, base_channels=16), BCEDiscriminator(base_channels=8)
    return networks, [torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.5, 0.999)) for network in networks]


def test_the_minute_of_a_demo_is_shorter_in_ci_and_longer_in_full(monkeypatch):
    lengths = []
    for profile in ("ci", "demo", "full"):
        monkeypatch.setenv("CGAN_PROFILE", profile)
        lengths.append(by_hand.seconds(60))
    assert lengths == sorted(set(lengths))
    assert lengths[1] == 60


def test_the_loop_trains_both_networks(game, digits):
    (generator, discriminator), (optimizer_g, optimizer_d) = game
    before = [next(network.parameters()).detach().clone() for network in game[0]]
    losses = by_hand.training_loop(
        partial(by_hand.discriminator_step, generator, discriminator, optimizer_d),
        partial(by_hand.generator_step, generator, discriminator, optimizer_g),
        islice(batches(digits, 16, seed=0), 12),
        latent_dim=16,
        num_classes=10,
        seconds=60,
    )
    assert torch.tensor(losses).shape == (12, 2)
    assert torch.tensor(losses).isfinite().all()
    for network, start in zip(game[0], before, strict=True):
        assert not torch.equal(next(network.parameters()), start)


def test_the_discriminator_learns_from_its_step(game, digits):
    (generator, discriminator), (_, optimizer_d) = game
    z, fake_labels = torch.randn(16, 16), torch.arange(16) % 10
    losses = [
        by_hand.discriminator_step(generator, discriminator, optimizer_d, real, labels, z, fake_labels).item()
        for real, labels in islice(batches(digits, 16, seed=0), 15)
    ]
    assert losses[-1] < losses[0] / 2
