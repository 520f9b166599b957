"""Vital signs say what they are named after."""

import pytest
import torch
from torch import nn

from cgan_lib.data import ImageData, to_unit
from cgan_lib.losses import bce_d, bce_g
from cgan_lib.models.concat import BCEDiscriminator, BCEGenerator
from cgan_lib.runs.vitals import Game, Vitals


@pytest.fixture
def data(digits):
    return ImageData("few", digits.images[:40], digits.labels[:40], digits.class_names)


@pytest.fixture
def game():
    torch.manual_seed(0)
    generator, discriminator = BCEGenerator(latent_dim=8, base_channels=8), BCEDiscriminator(base_channels=8)
    optimizers = (torch.optim.Adam(network.parameters(), 1e-3) for network in (generator, discriminator))
    return Game(generator, discriminator, None, *optimizers)


def step(game, data, detach=True, clear=True, z=None, together=False):
    real, labels = to_unit(data.images[:8]), data.labels[:8]
    z = torch.randn(8, 8) if z is None else z
    if clear:
        game.optimizer_d.zero_grad()
        game.optimizer_g.zero_grad()
    fake = game.generator(z, labels)
    seen = fake.detach() if detach else fake
    if together:
        logits = game.discriminator(torch.cat([real, seen]), torch.cat([labels, labels])).chunk(2)
    else:
        logits = game.discriminator(real, labels), game.discriminator(seen, labels)
    bce_d(*logits).backward()
    game.optimizer_d.step()
    bce_g(game.discriminator(game.generator(z, labels), labels)).backward()
    game.optimizer_g.step()


def signs(game, data, steps=3, **options):
    vitals = Vitals(game, data, batch_size=8)
    vitals.watch.on = True
    for _ in range(steps):
        step(game, data, **options)
    return {name.removeprefix("vitals/"): value for name, value in vitals.measure().items()}


def test_a_step_as_it_should_be(game, data):
    found = signs(game, data)
    assert found["gradient_leaks"] == found["latents_repeat"] == found["drawing_differs"] == 0
    assert found["normalised_together"] == 1
    assert found["gradient_repeats/G"] < 0.9
    assert 0 < found["step_size/G"] < 0.5
    assert (found["real_lowest"], found["real_highest"]) == (-1, 1)


@pytest.mark.parametrize(
    ("options", "sign", "least"),
    [
        (dict(detach=False), "gradient_leaks", 0.1),
        (dict(clear=False, steps=9), "gradient_repeats/G", 0.9),
        (dict(z=torch.ones(8, 8)), "latents_repeat", 1),
        (dict(together=True), "normalised_together", 2),
    ],
)
def test_what_goes_wrong_in_a_step_is_seen(game, data, options, sign, least):
    assert signs(game, data, **options)[sign] >= least


def test_nothing_is_said_of_steps_that_were_not_watched(game, data):
    vitals = Vitals(game, data, batch_size=8)
    step(game, data)
    vitals.watch.on = True
    step(game, data)
    assert not any("step_size" in name for name in vitals.measure())
    step(game, data)
    assert "vitals/step_size/G" in vitals.measure()


def test_the_size_of_a_step_is_that_of_the_change_over_that_of_the_weights(game, data):
    vitals = Vitals(game, data, batch_size=8)
    vitals.watch.on = True
    step(game, data)
    before = nn.utils.parameters_to_vector([p.contiguous() for p in game.generator.parameters()]).detach().clone()
    step(game, data)
    after = nn.utils.parameters_to_vector([p.contiguous() for p in game.generator.parameters()]).detach()
    expected = ((after - before).norm() / before.norm()).item()
    assert vitals.measure()["vitals/step_size/G"] == pytest.approx(expected, rel=1e-4)


def test_a_discriminator_that_ignores_labels_and_one_that_knows_them_are_told_apart(game, data):
    class Knows(nn.Module):
        """The logit is high when the label is the one of the image with these pixels."""

        def forward(self, x, labels):
            known = {
                image.tobytes(): label for image, label in zip(to_unit(data.images).numpy(), data.labels, strict=True)
            }
            right = [known.get(image.numpy().tobytes(), -1) == label for image, label in zip(x, labels, strict=True)]
            return torch.tensor(right).float()

    knows = Vitals(game._replace(discriminator=Knows()), data, batch_size=8).measure()
    assert knows["vitals/label_drop"] == knows["vitals/label_change"] > 1

    class Blind(nn.Module):
        def forward(self, x, labels):
            return x.mean((1, 2, 3))

    assert Vitals(game._replace(discriminator=Blind()), data, batch_size=8).measure()["vitals/label_change"] == 0


def test_copies_are_nearer_than_real_images_are_to_each_other(game, data):
    class Copies(BCEGenerator):
        def forward(self, z, labels):
            return to_unit(data.images)[: len(z)]

    vitals = Vitals(game._replace(generator=Copies(latent_dim=8, base_channels=8)), data, batch_size=8)
    assert vitals.measure()["vitals/nearest"] == pytest.approx(0, abs=1e-3)
    assert Vitals(game, data, batch_size=8).measure()["vitals/nearest"] > 1


def test_statistics_that_stay_behind_are_measured_by_their_size(game, data):
    averaged = BCEGenerator(latent_dim=8, base_channels=8).eval()
    averaged.load_state_dict(game.generator.state_dict())
    followed = game._replace(averaged=averaged)
    assert Vitals(followed, data, batch_size=8).measure()["vitals/statistics_lag"] == 0
    for _ in range(3):
        step(game, data)
    assert Vitals(followed, data, batch_size=8).measure()["vitals/statistics_lag"] > 0.1


def test_looking_changes_nothing(game, data):
    step(game, data)
    networks = game.generator, game.discriminator
    before = [value.clone() for network in networks for value in network.state_dict().values()]
    state = torch.get_rng_state()
    Vitals(game, data, batch_size=8).measure()
    after = [value for network in networks for value in network.state_dict().values()]
    assert all(torch.equal(x, y) for x, y in zip(before, after, strict=True))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(network.training for network in networks)
