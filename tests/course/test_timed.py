"""Trainings of so many seconds, and the ideas that are compared by them."""

from dataclasses import asdict

import pytest

from cgan_lib import generate, load_data
from cgan_lib.course import record, timed
from cgan_lib.recipes import get_recipe

TINY = dict(image_size=16, batch_size=8, base_channels=8, base_channels_d=4, feature_dim=8, embed_dim=6, latent_dim=5)


@pytest.fixture
def data():
    return load_data("digits", image_size=16)


def test_a_training_lasts_as_long_as_it_is_told_and_leaves_nothing_behind(home, data):
    short, long = (timed.train_for(get_recipe("relativistic", **TINY), data, seconds) for seconds in (1e-9, 20))
    assert short.steps == 1 < long.steps
    assert long.seconds >= 20 * 0.02  # in the profile ci
    assert not long.generator.training
    assert generate(long.generator, [3], seed=0).shape == (1, 1, 16, 16)
    assert list(home.iterdir()) == []


def test_where_rates_fall_to_zero_they_do_so_at_the_last_step(data, monkeypatch):
    monkeypatch.setattr(timed, "seconds_of_a_step", lambda recipe, data: 0.04)
    rates = []
    before = timed.Trainer.train_step

    def noted(trainer, *arguments):
        metrics = before(trainer, *arguments)
        rates.append(trainer.learning_rates()["learning_rate/G"])
        return metrics

    monkeypatch.setattr(timed.Trainer, "train_step", noted)
    trained = timed.train_for(get_recipe("speedrun", **TINY), data, 8)  # 8 × 0.02 s in the profile ci: 4 steps
    assert trained.steps == 4
    assert rates == pytest.approx([3e-3, 3e-3 * 3 / 4, 3e-3 / 2, 3e-3 / 4])


def test_the_time_of_a_step_is_that_of_a_step(data):
    tiny, large = TINY, TINY | dict(batch_size=256)
    assert timed.seconds_of_a_step(get_recipe("relativistic", **large), data) > timed.seconds_of_a_step(
        get_recipe("relativistic", **tiny), data
    )


def test_the_ideas_lead_from_one_recipe_to_the_other():
    rungs = record.ladder()
    assert [*rungs] == ["relativistic", *(f"+ {idea}" for idea in record.IDEAS)]
    first, *_, last = rungs.values()
    assert first == get_recipe("relativistic")
    target = get_recipe("speedrun")
    length = dict(name=target.name, epochs=target.epochs, demo_steps=target.demo_steps)
    assert asdict(last.replace(**length)) == asdict(target)


def test_what_failed_differs_from_the_recipe_in_what_it_says():
    for name, recipe in record.failures().items():
        assert {*get_recipe("speedrun").differences(recipe)} == {*record.FAILED[name]}
