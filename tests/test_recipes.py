"""Recipes refuse what makes no sense, name the field, and hold the published numbers."""

import math
import re
from dataclasses import asdict, fields

import pytest
import torch
from torch import nn

from cgan_lib import RECIPES, Recipe, UserError, get_recipe, train
from cgan_lib.models import MODELS
from cgan_lib.recipes import CI_STEPS, QUICK_SAMPLES, check_profile, current_profile

NAMES = {"augment", "balanced", "lr_to_zero", "name", "model", "dataset", "loss", "precision"}
FROM_1 = {
    *("image_size", "latent_dim", "embed_dim", "base_channels", "base_channels_d", "feature_dim", "penalty_every"),
    *("batch_size", "n_dis", "epochs", "demo_steps", "log_every", "grid_every", "save_every"),
}
FROM_0 = {"lr_halved_at", "grow_every", "seed", "steps"}
FRACTIONS = {"dropout", "beta1", "beta2", "ema"}
ABOVE_0 = {"lr", "lr_d"}
MAY_BE_NONE = {"steps", "lr_d", "feature_dim", "penalty_weight"}
SYSTEMS = ["bce", "dropout", "spatial", "dcgan64", "projection"]
EXTRAS = ["relativistic", "speedrun", "dcgan64_progressive"]  # nobody published them as they are here
WIDTHS = ("base_channels", "base_channels_d", "feature_dim")
# What some fields mean something in
HOME = {
    "feature_dim": dict(model="projection"),
    "penalty_weight": dict(model="residual", loss="wasserstein"),
    "grow_every": dict(model="growing"),
    "auxiliary": dict(model="residual"),
}


@pytest.fixture
def recipe():
    return Recipe("mine", "bce", dataset="digits")


# --- what is refused


def bad_numbers():
    for name in sorted({field.name for field in fields(Recipe)} - NAMES):
        bad = [-1, "1", True, math.nan, math.inf, [1]]
        bad += [1.5, 9.0] if name in FROM_1 | FROM_0 else []
        bad += [0] if name in FROM_1 | ABOVE_0 else []
        bad += [1] if name in FRACTIONS else []
        bad += [] if name in MAY_BE_NONE else [None]
        yield from ((name, value) for value in bad)
    yield "seed", 2**32


@pytest.mark.parametrize(("name", "value"), list(bad_numbers()))
def test_a_bad_number_is_refused_in_one_line_with_its_field_and_what_it_must_be(recipe, name, value):
    with pytest.raises(UserError) as refusal:
        recipe.replace(**{name: value})
    assert re.fullmatch(rf"{name}={re.escape(repr(value))} must be (?!\.).+\.", str(refusal.value))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(lr=0.0), "lr=0.0 must be more than 0."),
        (dict(beta1=1), "beta1=1 must be at least 0, below 1."),
        (dict(steps=2.5), "steps=2.5 must be a whole number, at least 0."),
        (dict(ema=math.nan), "ema=nan must be a finite number, at least 0, below 1."),
        (dict(batch_size=1), "batch_size=1 must be at least 2: BatchNorm compares the images of a batch."),
        (dict(n_dis=0, lr="9"), "lr='9' must be a number, more than 0. n_dis=0 must be more than 0."),
        (dict(feature_dim=64), "the discriminator of bce has no feature_dim: leave it out."),
        (dict(penalty_weight=1.0), "the loss bce has no gradient penalty: leave penalty_weight out."),
        (dict(grow_every=5), "the networks of bce do not grow: leave grow_every=0, or take model growing."),
    ],
)
def test_a_refusal_says_what_would_do(recipe, change, message):
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        recipe.replace(**change)


@pytest.mark.parametrize(
    ("field", "value"),
    [(name, 0) for name in sorted({*FROM_0, *FRACTIONS, "penalty_weight"})]
    + [(name, 5e-324) for name in sorted(ABOVE_0)]
    + [(name, 2 if name == "batch_size" else 1) for name in sorted(FROM_1)]
    + [*((name, None) for name in sorted(MAY_BE_NONE)), ("seed", 2**32 - 1), ("ema", 1 - 2**-53)],
)
def test_the_limits_themselves_are_allowed(recipe, field, value):
    assert getattr(recipe.replace(**HOME.get(field, {}), **{field: value}), field) == value


@pytest.mark.parametrize("model", [name for name, family in MODELS.items() if "feature_dim" in family.options])
def test_feature_dim_is_what_a_discriminator_compares_with_the_class(recipe, model):
    assert recipe.replace(model=model, feature_dim=9).build()[1].head.linear.in_features == 9


@pytest.mark.parametrize("value", ["", "a/b", "..", "a b", "a\\b", None, 7])
def test_names_that_are_no_folder_are_refused(recipe, value):
    with pytest.raises(UserError, match=r"^name .*: use letters, digits, - and _\.$"):
        recipe.replace(name=value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(model="spatal"), r"unknown model 'spatal': did you mean 'spatial'\?"),
        (dict(balanced=1), r"balanced=1 must be True or False"),
        (dict(lr_to_zero=1), r"lr_to_zero=1 must be True or False"),
        (dict(auxiliary=1), r"the discriminator of bce has no auxiliary classifier: leave auxiliary=0\."),
        (dict(lr_to_zero=True, lr_halved_at=5), r"lr_to_zero and lr_halved_at are two ways .*: choose one\."),
        (dict(ema=0.9, ema_power=5), r"ema and ema_power are two ways .*: choose one\."),
        (dict(augment="cutuot"), r"unknown augmentation 'cutuot': did you mean 'cutout'\?"),
        (dict(dataset=7), r"dataset=7 must be a name, such as mnist, or a path"),
        (dict(dataset=" "), r"dataset=' ' must be a name"),
        (dict(loss="relativist"), r"unknown loss 'relativist': did you mean 'relativistic'\?"),
        (dict(precision="bf61"), r"unknown precision 'bf61': did you mean 'bf16'\?"),
        (dict(batchsize=8), r"unknown field of a recipe 'batchsize': did you mean 'batch_size'\?"),
        (dict(zzz=8), r"unknown field of a recipe 'zzz': There are: augment, .*steps\."),
        (dict(model=None), "unknown model None"),
        (dict(model=["bce"]), r"unknown model \['bce'\]"),
    ],
)
def test_unknown_names_suggest_the_nearest(recipe, change, message):
    for make in (recipe.replace, lambda **changes: Recipe(**{"name": "mine", "model": "bce"} | changes)):
        with pytest.raises(UserError, match=message):
            make(**change)


def test_a_recipe_without_networks_is_none():
    with pytest.raises(UserError, match="a recipe needs a model"):
        Recipe("mine")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: get_recipe("droput"), r"unknown recipe 'droput': did you mean 'dropout'\?"),
        (lambda: get_recipe("bce", dataset="fashion-mnist"), r"'fashion-mnist': did you mean 'fashion_mnist'\?"),
        (lambda: check_profile("dem"), r"unknown profile 'dem': did you mean 'demo'\?"),
    ],
)
def test_unknown_recipes_and_profiles_suggest_the_nearest(ask, message):
    with pytest.raises(UserError, match=message):
        ask()


def test_the_profile_in_force_is_demo_unless_the_environment_says_otherwise(monkeypatch):
    assert current_profile() == "ci"
    monkeypatch.delenv("CGAN_PROFILE")
    assert current_profile() == "demo"
    monkeypatch.setenv("CGAN_PROFILE", "fll")
    with pytest.raises(UserError, match=r"unknown profile 'fll': did you mean 'full'\?"):
        current_profile()


def test_replace_leaves_the_original_alone(recipe):
    assert (recipe.replace(lr=0.5).lr, recipe.lr) == (0.5, 2e-4)
    assert get_recipe("bce", lr=0.5).lr == 0.5
    assert RECIPES["bce"].lr != 0.5


# --- penalties and BatchNorm


@pytest.mark.parametrize("model", ["bce", "spatial"])
@pytest.mark.parametrize("loss", ["wasserstein", "relativistic"])
def test_a_gradient_penalty_refuses_batch_norm_in_the_discriminator_and_names_the_fix(recipe, model, loss):
    with pytest.raises(UserError, match=rf"{model} .* \(dropout, dcgan, growing, .*\), or penalty_weight=0\.$"):
        recipe.replace(model=model, loss=loss)
    assert recipe.replace(model=model, loss=loss, penalty_weight=0).loss == loss
    assert recipe.replace(model="dropout", loss=loss).penalty_weight is None


@pytest.mark.parametrize(("layer", "refused"), [(nn.BatchNorm1d, True), (nn.SyncBatchNorm, True), (nn.Identity, False)])
def test_whether_a_family_normalises_over_the_batch_is_read_off_its_network(recipe, monkeypatch, layer, refused):
    class Discriminator(MODELS["dropout"].discriminator):
        def __init__(self, **options):
            super().__init__(**options)
            self.features.append(layer(1))

    monkeypatch.setitem(MODELS, "added", MODELS["dropout"]._replace(discriminator=Discriminator))
    before = torch.get_rng_state()
    if refused:
        with pytest.raises(UserError, match="BatchNorm in the discriminator of added"):
            recipe.replace(model="added", loss="wasserstein")
    else:
        assert recipe.replace(model="added", loss="wasserstein").model == "added"
    assert torch.equal(torch.get_rng_state(), before)


# --- the registry


def test_there_are_five_systems_each_with_its_published_twin_and_some_extras():
    assert set(RECIPES) >= {*SYSTEMS, *(f"{name}_published" for name in SYSTEMS), *EXTRAS}
    assert {recipe.model for recipe in RECIPES.values()} == set(MODELS)


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_has_the_networks_of_its_published_twin_apart_from_their_widths(name):
    def shapes(recipe):
        return [{k: tuple(v.shape) for k, v in network.state_dict().items()} for network in recipe.build()]

    ours, published = RECIPES[name], RECIPES[f"{name}_published"]
    same_width = ours.replace(**{field: getattr(published, field) for field in WIDTHS})
    assert shapes(same_width) == shapes(published)
    assert (ours.model, ours.loss, ours.image_size) == (published.model, published.loss, published.image_size)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("bce", dict(model="bce", loss="bce", lr=1.12e-4, beta1=0.037, batch_size=32, epochs=50, ema=0)),
        ("dropout", dict(model="dropout", loss="bce", lr=2e-4, beta1=0.5, batch_size=128, epochs=30, ema=0)),
        ("dropout", dict(seed=504, dropout=0.3)),
        ("dcgan64", dict(model="dcgan", loss="bce", lr=2e-4, beta1=0.5, beta2=0.999, batch_size=128, epochs=30)),
        ("dcgan64", dict(image_size=64, embed_dim=100, dropout=0.5, ema=0)),
        ("projection", dict(model="projection", loss="hinge", base_channels=384, embed_dim=100)),
    ],
)
def test_published_numbers(name, numbers):
    recipe = asdict(RECIPES[f"{name}_published"])
    assert {field: recipe[field] for field in numbers} == numbers
    assert (recipe["lr_d"], recipe["n_dis"], recipe["dataset"], recipe["latent_dim"]) == (None, 1, "mnist", 100)


def test_the_progressive_recipe_is_dcgan64_that_grows():
    differing = RECIPES["dcgan64"].differences(RECIPES["dcgan64_progressive"])
    assert differing.keys() == {"name", "model", "grow_every"}
    assert RECIPES["dcgan64_progressive"].demo_steps >= 3 * RECIPES["dcgan64_progressive"].grow_every  # it grows up


# --- length


def test_profiles_set_the_number_of_steps_unless_the_recipe_does(recipe):
    recipe = recipe.replace(batch_size=32, epochs=3, demo_steps=70)
    for steps, expected in ((None, [CI_STEPS, 70, 3 * 31]), (0, [0] * 3), (5, [5] * 3)):
        recipe = recipe.replace(steps=steps)
        assert [recipe.length(profile, num_images=1000) for profile in ("ci", "demo", "full")] == expected
    with pytest.raises(UserError, match="unknown profile"):
        recipe.replace(steps=None).length("quick", 1000)


def test_profiles_change_nothing_but_the_number_of_steps(tiny, monkeypatch):
    monkeypatch.setattr("cgan_lib.recipe.CI_STEPS", 3)
    for profile in QUICK_SAMPLES:
        monkeypatch.setitem(QUICK_SAMPLES, profile, 100)
    tiny = tiny | dict(batch_size=500, demo_steps=3, epochs=1)  # three steps in each profile
    runs = [train("bce", profile=profile, **tiny) for profile in ("ci", "demo", "full")]
    assert len({run.folder for run in runs}) == 3
    assert len({run.recipe for run in runs}) == 1
    for run in runs:
        assert run.step == 3
        for here, there in zip(run.generator.parameters(), runs[0].generator.parameters(), strict=True):
            assert torch.equal(here, there)


# --- differences and weights


LENGTH = {"steps", "demo_steps", "epochs", "log_every", "grid_every", "save_every"}
OTHER = dict(name="other", model="spatial", dataset="mnist", loss="minimax", precision="fp32")
OTHER |= dict(
    augment="colour",
    balanced=True,
    lr_to_zero=True,
    auxiliary=0.5,
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
    expected = {} if field in LENGTH else {field: (value, getattr(other, field))}
    assert recipe.differences(other) == expected


def test_weights_come_from_the_seed_and_from_nothing_else(recipe):
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


# Sums of the absolute weights of generator and discriminator before the first step. Layers draw from the seed in the
# order in which they are made: another order is another network, and another run for everybody who has this recipe
DRAWN = {
    "bce": (37158.121, 7184.233),
    "dcgan64": (9803.985, 14443.11),
    "dcgan64_progressive": (9828.844, 14507.693),
    "dropout": (25431.298, 2941.126),
    "projection": (23555.258, 4954.582),
    "relativistic": (16944.212, 4227.335),
    "spatial": (35141.605, 4175.22),
}


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_a_seed_draws_the_weights_that_it_always_drew(name):
    sums = [sum(p.double().abs().sum().item() for p in network.parameters()) for network in RECIPES[name].build()]
    assert sums == pytest.approx(DRAWN[name], rel=1e-6)


def test_a_recipe_of_a_family_under_its_former_name_is_the_same_recipe():
    assert Recipe("mine", model="dcgan64").differences(Recipe("mine", model="dcgan")) == {}
    assert Recipe("mine", model="dcgan64").model == "dcgan"
