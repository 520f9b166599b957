"""The search space: what is read, what is refused before any trial, and that what is drawn lies in it."""

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from cgan_lib import RECIPES, UserError
from cgan_lib.tuning.space import PUBLISHED, holds, in_words, read_arguments, read_space, suggest

BCE = RECIPES["bce"]


def test_the_published_space_is_read_as_optuna_has_it():
    assert read_space(PUBLISHED, BCE) == {
        "lr": FloatDistribution(1e-5, 2e-3, log=True),
        "beta1": FloatDistribution(0.0, 0.9),
        "latent_dim": CategoricalDistribution((50, 100, 128)),
    }
    published = RECIPES["bce_published"]
    assert all(holds(each, getattr(published, name)) for name, each in read_space(PUBLISHED, BCE).items())


@pytest.mark.parametrize(
    ("field", "wanted", "expected"),
    [
        ("batch_size", "16:64", IntDistribution(16, 64)),
        ("batch_size", "16:64:log", IntDistribution(16, 64, log=True)),
        ("lr_d", "1e-4:1e-2:log", FloatDistribution(1e-4, 1e-2, log=True)),
        ("balanced", "True,False", CategoricalDistribution((True, False))),
        ("loss", "bce, hinge", CategoricalDistribution(("bce", "hinge"))),
        ("ema", [0.0, 0.99], CategoricalDistribution((0.0, 0.99))),
        ("ema", FloatDistribution(0.9, 0.99), FloatDistribution(0.9, 0.99)),
    ],
)
def test_any_field_can_be_searched(field, wanted, expected):
    found = read_space({field: wanted}, BCE)[field]
    assert found == expected
    if isinstance(wanted, str):
        assert read_space({field: in_words(found)}, BCE)[field] == expected


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({}, "must be a dict"),
        ("lr=1:2", "must be a dict"),
        ({"learning_rate": "1:2"}, "unknown field of a recipe 'learning_rate'"),
        ({"seed": "1,2"}, "luck is no setting"),
        ({"steps": "1,2"}, "compared at equal length"),
        ({"dataset": "mnist,digits"}, "do not compare"),
        ({"lr": "1e-4"}, "two different choices"),
        ({"lr": "1e-4,1e-4"}, "two different choices"),
        ({"lr": "a,b"}, "'a' is no float"),
        ({"batch_size": "1.5:3"}, "'1.5' is no int"),
        ({"balanced": "yes,no"}, "is no bool"),
        ({"lr": "1e-3:1e-4"}, "the lower end comes first"),
        ({"lr": "1e-3:1e-3"}, "the lower end comes first"),
        ({"lr": "nan:1"}, "the lower end comes first"),
        ({"lr": "1e-3:inf"}, "the lower end comes first"),
        ({"beta1": "0:0.9:log"}, "no logarithm at 0"),
        ({"lr": "1:2:3"}, "cannot be read"),
        ({"loss": "bce:hinge"}, "cannot be read"),
        ({"lr": 3}, "cannot be read"),
        ({"beta1": "0:1"}, r"beta1=1.0 must be at least 0, below 1"),
        ({"lr": "-1:1"}, r"lr=-1.0 must be more than 0"),
        ({"batch_size": "1:64"}, "at least 2"),
        ({"loss": "bce,hing"}, "unknown loss 'hing'"),
        ({"loss": "bce,relativistic"}, "BatchNorm"),  # each is a loss, but not of this model
    ],
)
def test_a_space_that_no_recipe_has_is_refused_in_one_line(space, said):
    with pytest.raises(UserError, match=said) as error:
        read_space(space, BCE)
    assert "\n" not in str(error.value)


def test_combinations_of_choices_are_tried_not_only_each_by_itself():
    choices = {"loss": "bce,wasserstein", "model": "bce,dropout"}
    with pytest.raises(UserError, match="BatchNorm"):
        read_space(choices, RECIPES["dropout"])


def test_the_command_line_names_each_field_once():
    assert read_arguments(("lr=1:2", "loss=bce,hinge")) == {"lr": "1:2", "loss": "bce,hinge"}
    assert read_arguments(()) == PUBLISHED
    for wrong, said in {("lr",): "must be FIELD=VALUES", ("lr=1:2", "lr=2:3"): "names 'lr' twice"}.items():
        with pytest.raises(UserError, match=said):
            read_arguments(wrong)


def test_what_is_drawn_lies_in_the_space():
    space = read_space(PUBLISHED | {"batch_size": "16:64:log", "balanced": "True,False"}, BCE)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        drawn = suggest(study.ask(), space)
        assert all(holds(each, drawn[name]) for name, each in space.items())
        BCE.replace(**drawn)
    assert not holds(space["lr"], 3e-3)
    assert not holds(space["latent_dim"], 64)
