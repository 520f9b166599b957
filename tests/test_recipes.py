"""Recipes refuse what makes no sense, name the field, and hold the published numbers."""

import math
from dataclasses import asdict, fields

import pytest
import torch

from cgan_lib import RECIPES, Recipe, UserError, get_recipe, train
from cgan_lib.losses import LOSSES
from cgan_lib.models import MODELS
from cgan_lib.recipes import CI_STEPS, LENGTH_FIELDS, check_profile, current_profile

WHOLE = [f.name for f in fields(Recipe) if f.type in (int, int | None)]
REAL = [f.name for f in fields(Recipe) if f.type in (float, float | None)]
MAY_BE_ZERO = {"beta1", "beta2", "ema", "dropout", "seed", "steps", "penalty_weight", "grow_every", "lr_halved_at"}
MAY_BE_NONE = {"steps", "lr_d", "feature_dim", "penalty_weight"}
BELOW_ONE = {"beta1", "beta2", "ema", "dropout"}
SYSTEMS = ["bce", "dropout", "spatial", "dcgan64", "projection"]
EXTRAS = ["relativistic", "dcgan64_progressive"]  # nobody published them as they are here
WIDTHS = ("base_channels", "base_channels_d", "feature_dim")
# What some fields mean something in
HOME = {
    "feature_dim": dict(model="projection"),
    "penalty_weight": dict(loss="wasserstein"),
    "grow_every": dict(model="growing"),
}


@pytest.fixture
def recipe():
    return Recipe("mine", "bce", dataset="digits")


def bad_numbers():
    for name in WHOLE + REAL:
        bad = [-1, "1", True, math.nan, math.inf]
        bad += [1.5] if name in WHOLE else []
        bad += [] if name in MAY_BE_ZERO else [0]
        bad += [] if name in MAY_BE_NONE else [None]
        bad += [1] if name in BELOW_ONE else []
        yield from ((name, value) for value in bad)
    yield "seed", 2**32


@pytest.mark.parametrize(("name", "value"), list(bad_numbers()))
def test_bad_numbers_are_refused_by_the_name_of_their_field(recipe, name, value):
    with pytest.raises(UserError, match=rf"\b{name}\b"):
        recipe.replace(**{name: value})


@pytest.mark.parametrize("value", ["", "a/b", "..", "a b", "a\\b", None, 7])
def test_names_that_are_no_folder_are_refused(recipe, value):
    with pytest.raises(UserError, match=r"\bname\b"):
        recipe.replace(name=value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(model="spatal"), r"unknown model 'spatal': did you mean 'spatial'\?"),
        (dict(dataset="fashion-mnist"), r"unknown data set 'fashion-mnist': did you mean 'fashion_mnist'\?"),
        (dict(loss="minmax"), r"unknown loss 'minmax': did you mean 'minimax'\?"),
        (dict(precision="bf61"), r"unknown precision 'bf61': did you mean 'bf16'\?"),
        (dict(batchsize=8), r"unknown field of a recipe 'batchsize': did you mean 'batch_size'\?"),
        (dict(zzz=8), r"unknown field of a recipe 'zzz': There are: base_channels, .*steps\."),
        (dict(model=None), r"unknown model None"),
        (dict(loss="relativist"), r"unknown loss 'relativist': did you mean 'relativistic'\?"),
    ],
)
def test_unknown_names_suggest_the_nearest(recipe, change, message):
    with pytest.raises(UserError, match=message):
        recipe.replace(**change)


@pytest.mark.parametrize("field", HOME)
def test_a_field_is_refused_where_it_means_nothing_and_the_message_says_why(recipe, field):
    value, message = {
        "feature_dim": (64, "the discriminator of bce has no feature_dim: leave it out"),
        "penalty_weight": (1.0, "the loss bce has no gradient penalty: leave penalty_weight out"),
        "grow_every": (5, "the networks of bce do not grow: leave grow_every=0, or take model growing"),
    }[field]
    with pytest.raises(UserError, match=message):
        recipe.replace(**{field: value})
    assert getattr(recipe.replace(**HOME[field], **{field: value}), field) == value


def test_the_fields_that_mean_nothing_elsewhere_are_taken_by_all_that_can_use_them(recipe):
    for model, family in MODELS.items():
        if "feature_dim" in family.options:
            assert recipe.replace(model=model, feature_dim=9).build()[1].head.linear.in_features == 9
        if family.grows:
            assert recipe.replace(model=model, grow_every=9).grow_every == 9
    for name, loss in LOSSES.items():
        if loss.penalty:
            assert recipe.replace(loss=name, penalty_weight=0).penalty_weight == 0


@pytest.mark.parametrize("field", ["n_dis", "penalty_every"])
def test_rhythms_are_at_least_one(recipe, field):
    assert getattr(recipe, field) == 1
    with pytest.raises(UserError, match=f"{field}=0 must be more than 0"):
        recipe.replace(**{field: 0})
    assert getattr(recipe.replace(**{field: 3}), field) == 3


def test_unknown_recipe_suggests_the_nearest():
    with pytest.raises(UserError, match=r"unknown recipe 'droput': did you mean 'dropout'\?"):
        get_recipe("droput")


def test_unknown_profile_suggests_the_nearest(monkeypatch):
    with pytest.raises(UserError, match=r"unknown profile 'dem': did you mean 'demo'\?"):
        check_profile("dem")
    monkeypatch.setenv("CGAN_PROFILE", "fll")
    with pytest.raises(UserError, match=r"unknown profile 'fll': did you mean 'full'\?"):
        current_profile()


def test_the_profile_in_force_is_demo_unless_the_environment_says_otherwise(monkeypatch):
    assert current_profile() == "ci"
    monkeypatch.delenv("CGAN_PROFILE")
    assert current_profile() == "demo"


def test_replace_leaves_the_original_alone(recipe):
    changed = recipe.replace(lr=0.5)
    assert (recipe.lr, changed.lr) == (2e-4, 0.5)
    assert get_recipe("bce", lr=0.5).lr == 0.5
    assert RECIPES["bce"].lr != 0.5


# --- the registry


def test_there_are_five_systems_each_with_its_published_twin_and_some_extras():
    assert set(RECIPES) == {*SYSTEMS, *(f"{name}_published" for name in SYSTEMS), *EXTRAS}
    assert {recipe.model for recipe in RECIPES.values()} == set(MODELS)


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_has_the_networks_of_its_published_twin_apart_from_their_widths(name):
    def shapes(recipe):
        return [{k: tuple(v.shape) for k, v in network.state_dict().items()} for network in recipe.build()]

    ours, published = RECIPES[name], RECIPES[f"{name}_published"]
    same_width = ours.replace(**{field: getattr(published, field) for field in WIDTHS})
    assert shapes(same_width) == shapes(published)
    assert (ours.model, ours.loss, ours.image_size) == (published.model, published.loss, published.image_size)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_recipe_builds_two_networks_that_fit_each_other(recipe):
    generator, discriminator = recipe.build()
    z, labels = torch.randn(2, recipe.latent_dim), torch.tensor([0, 9])
    images = generator.eval()(z, labels)
    assert images.shape == (2, 1, recipe.image_size, recipe.image_size)
    assert discriminator.eval()(images, labels).shape == (2,)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        (
            "bce_published",
            dict(model="bce", loss="bce", batch_size=32, lr=1.12e-4, beta1=0.037, epochs=50, latent_dim=100, ema=0),
        ),
        (
            "dropout_published",
            dict(
                model="dropout", loss="bce", lr=2e-4, beta1=0.5, batch_size=128, epochs=30, seed=504, dropout=0.3, ema=0
            ),
        ),
        (
            "dcgan64_published",
            dict(
                model="dcgan64",
                loss="bce",
                lr=2e-4,
                beta1=0.5,
                beta2=0.999,
                batch_size=128,
                dropout=0.5,
                epochs=30,
                image_size=64,
                embed_dim=100,
                latent_dim=100,
                ema=0,
            ),
        ),
        (
            "projection_published",
            dict(model="projection", loss="hinge", base_channels=384, embed_dim=100, latent_dim=100),
        ),
    ],
)
def test_published_numbers(name, numbers):
    recipe = asdict(RECIPES[name])
    assert {field: recipe[field] for field in numbers} == numbers
    assert (recipe["lr_d"], recipe["n_dis"], recipe["dataset"]) == (None, 1, "mnist")


def test_the_progressive_recipe_is_dcgan64_that_grows():
    differing = RECIPES["dcgan64"].differences(RECIPES["dcgan64_progressive"])
    assert differing.keys() == {"name", "model", "grow_every"}
    assert RECIPES["dcgan64_progressive"].demo_steps >= 3 * RECIPES["dcgan64_progressive"].grow_every  # it grows up


# --- length


def test_profiles_set_the_number_of_steps(recipe):
    recipe = recipe.replace(batch_size=32, epochs=3, demo_steps=70)
    lengths = {profile: recipe.length(profile, num_images=1000) for profile in ("ci", "demo", "full")}
    assert lengths == {"ci": CI_STEPS, "demo": 70, "full": 3 * 31}
    with pytest.raises(UserError, match="unknown profile"):
        recipe.length("quick", 1000)


@pytest.mark.parametrize("steps", [0, 5])
def test_steps_go_before_the_profile(recipe, steps):
    assert {recipe.replace(steps=steps).length(profile, 1000) for profile in ("ci", "demo", "full")} == {steps}


def test_profiles_change_nothing_but_the_number_of_steps(tiny, monkeypatch):
    monkeypatch.setattr("cgan_lib.recipes.CI_STEPS", 3)
    tiny = tiny | dict(batch_size=500, demo_steps=3, epochs=1)  # three steps in each profile
    runs = [train("bce", profile=profile, **tiny) for profile in ("ci", "demo", "full")]
    assert len({run.folder for run in runs}) == 3
    assert len({run.recipe for run in runs}) == 1
    for run in runs:
        assert run.step == 3
        for here, there in zip(run.generator.parameters(), runs[0].generator.parameters(), strict=True):
            assert torch.equal(here, there)


# --- differences and weights


OTHER = dict(
    name="other",
    model="spatial",
    dataset="mnist",
    loss="minimax",
    precision="fp32",
    lr_d=0.1,
    steps=1,
    feature_dim=64,
    penalty_weight=0.1,
)


@pytest.mark.parametrize("field", [f.name for f in fields(Recipe)])
def test_a_field_makes_a_run_different_unless_it_says_how_long_or_how_often(recipe, field):
    recipe = recipe.replace(**HOME.get(field, {}))
    value = getattr(recipe, field)
    other = recipe.replace(**{field: OTHER.get(field, value + 1 if isinstance(value, int) else 0.25)})
    expected = {} if field in LENGTH_FIELDS else {field: (value, getattr(other, field))}
    assert recipe.differences(other) == expected


def test_length_fields_are_these():
    assert set(LENGTH_FIELDS) == {"steps", "demo_steps", "epochs", "log_every", "grid_every", "save_every"}


def test_weights_are_drawn_from_the_seed_and_from_nothing_else(recipe):
    small = recipe.replace(base_channels=8, base_channels_d=8)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = small.build()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    second, other = small.build(), small.replace(seed=1).build()
    for network in range(2):
        weights = [torch.cat([p.flatten() for p in nets[network].parameters()]) for nets in (first, second, other)]
        assert torch.equal(weights[0], weights[1])
        assert not torch.equal(weights[0], weights[2])
