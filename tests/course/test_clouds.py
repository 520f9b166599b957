"""Made-up sets of images: each has the fault that its name says, and no other."""

import pytest
import torch

from cgan_lib.course.clouds import World, ranked

WORLD = World(seed=3, count=250)
HIDDEN = WORLD.hidden_cheats()


def different(seen):
    return len(seen.features.unique(dim=0))


def apart(seen, other):
    return torch.cdist(seen.features, other.features).min(1).values


def as_asked(seen):
    return (seen.read == seen.labels).float().mean().item()


def test_the_same_seed_gives_the_same_images():
    again = World(seed=3, count=250)
    assert torch.equal(again.test.features, WORLD.test.features)
    assert not torch.equal(again.draw().features, again.draw().features)


def test_every_set_has_as_many_images_of_each_class():
    sets = WORLD.generators() | WORLD.cheats() | HIDDEN
    assert {name: seen.labels.bincount().tolist() for name, seen in sets.items()} == dict.fromkeys(sets, [50] * 5)


def test_a_cheat_with_few_images_has_these_alone_and_all_as_asked():
    few = {"one image of each class": (WORLD.cheats(), 5), "four new images of each class": (HIDDEN, 20)}
    for name, (cheats, count) in few.items():
        assert (different(cheats[name]), as_asked(cheats[name])) == (count, 1.0)
    assert apart(HIDDEN["four new images of each class"], WORLD.training).min() > 0


def test_copies_are_those_of_training_images():
    far = apart(WORLD.draw(), WORLD.training).median()
    assert apart(WORLD.cheats()["copies"], WORLD.training).max() < 0.01
    assert 0 < apart(HIDDEN["copies, slightly changed"], WORLD.training).max() < far / 2
    assert apart(HIDDEN["half of them copies"], WORLD.training)[:125].max() < 0.01


@pytest.mark.parametrize(("name", "share"), [("swapped labels", 0), ("two classes exchanged", 3 / 5)])
def test_exchanged_labels_are_wrong_where_the_name_says(name, share):
    assert as_asked((WORLD.cheats() | HIDDEN)[name]) == pytest.approx(share, abs=0.05)


def test_a_metric_that_says_nothing_ranks_nothing_and_one_that_reads_labels_sees_these():
    assert not any(ranked(lambda *_: 1.0, WORLD, hidden=True).values())
    found = ranked(lambda fake, training, test: as_asked(fake), WORLD, hidden=True)
    assert found["good above two classes exchanged"]
    assert not found["good above copies"]
    assert len(ranked(lambda *_: 1.0, WORLD)) == 6
