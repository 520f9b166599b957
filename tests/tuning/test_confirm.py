"""Whether a result counts: fresh seeds, equal budgets, separated scores; and the pictures of a study."""

import json
from dataclasses import replace
from statistics import fmean

import matplotlib.pyplot as plt
import optuna
import pytest
from test_cli import SCORES

from cgan_lib import RECIPES, UserError, open_run
from cgan_lib.tuning import Confirmation, confirm, draw_curves, draw_importances, draw_parallel, separated
from cgan_lib.tuning.confirm import _contestants
from cgan_lib.tuning.plots import importances

pytestmark = pytest.mark.filterwarnings("ignore:FID of 200 images")


def of_fids(**fids):
    return Confirmation({name: tuple(replace(SCORES, fid=fid) for fid in each) for name, each in fids.items()})


def test_found_settings_count_as_better_when_every_seed_is():
    found = of_fids(tuned=(1.0, 2.0, 3.0), bce=(3.1, 9.0, 4.0), bce_published=(2.9, 9.0, 9.0))
    assert found.beaten == ["bce"]
    said = found.table()
    assert "every seed of the found settings is better than every seed of bce\n" in said
    assert "not told apart from bce_published" in said
    assert (
        of_fids(tuned=(5.0, 6.0), bce=(1.0, 4.9))
        .table()
        .endswith("of bce is better than every seed of the found settings")
    )
    assert not separated([1.0, 2.0], [2.0, 3.0])


def test_the_contestants_differ_in_what_was_found_and_in_what_was_published_alone():
    bce = RECIPES["bce"].replace(base_channels=8, dataset="digits")
    found = _contestants(bce, {"lr": 5e-4})
    assert list(found) == ["tuned", "bce", "bce_published"]
    assert found["tuned"].differences(bce) == {"lr": (5e-4, 1e-3)}
    published = RECIPES["bce_published"]
    assert set(found["bce_published"].differences(bce)) == {"lr", "batch_size", "beta1", "ema"}
    assert found["bce_published"].lr == published.lr
    assert list(_contestants(bce, {"lr": 1e-3})) == ["tuned", "bce_published"]
    assert list(_contestants(RECIPES["relativistic"], {"lr": 1e-3})) == ["tuned", "relativistic"]


def test_seeds_are_fresh_images_equally_many_and_scores_kept(small, home):
    tiny = {name: value for name, value in small.items() if name not in ("recipe", "steps", "profile")}
    recipe = RECIPES["bce"].replace(name="mine", seed=7, **tiny)
    found = confirm(recipe, {"batch_size": 16}, seeds=2, profile="ci", steps=10)
    runs = [open_run(path.parent) for path in sorted((home / "logs" / "digits").rglob("recipe.json"))]
    assert [run.folder.name for run in runs] == [f"search-{n}-{seed}" for n in ("mine", "tuned") for seed in (8, 9)]
    assert [run.recipe.seed for run in runs] == [8, 9, 8, 9]
    assert {run.step * run.recipe.batch_size for run in runs} == {80}
    kept = json.loads((home / "logs/studies/digits/mine/search/confirmation.json").read_text())
    assert [each["fid"] for each in kept["scores"]["tuned"]] == found.fids("tuned")
    assert f"{fmean(found.fids('mine')):.1f}" in found.table()
    with pytest.raises(UserError, match="seeds 0 must be"):
        confirm("bce", {}, seeds=0)


@pytest.fixture(scope="module")
def study():
    """A study of made-up values, of which the learning rate alone decides; two trials were given up."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))

    def objective(trial):
        lr = trial.suggest_float("lr", 1e-5, 2e-3, log=True)
        trial.suggest_categorical("latent_dim", [50, 100, 128])
        trial.report(2e5 * lr, 20)
        if trial.number in (5, 6):
            raise optuna.TrialPruned
        trial.report(1e5 * lr, 100)
        return 1e5 * lr

    study.optimize(objective, n_trials=16)
    return study


def test_what_decides_has_the_largest_share(study):
    found = importances(study)
    assert list(found) == ["lr", "latent_dim"]
    assert found["lr"] > 0.7
    assert sum(found.values()) == pytest.approx(1)


def test_pictures_show_every_trial_and_the_best_one_before_all(study):
    figure, axes = plt.subplots(1, 3)
    draw_importances(axes[0], study)
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["latent_dim", "lr"]
    draw_parallel(axes[1], study)
    lines = [line for line in axes[1].lines if len(line.get_xdata()) > 2 or line.get_linestyle() == "--"]
    assert len(lines) == 16
    assert [len(line.get_xdata()) for line in lines].count(2) == 2  # those given up have no value
    (best,) = [line for line in lines if line.get_linewidth() == 3]
    assert best.get_ydata()[-1] == best.get_ydata()[0] == 0  # the lowest rate has the lowest value here
    draw_curves(axes[2], study)
    assert [line.get_marker() for line in axes[2].lines].count("x") == 2
    plt.close(figure)


def test_pictures_of_a_study_of_one_trial_and_of_none_at_all():
    study = optuna.create_study()
    with pytest.raises(UserError, match="search longer"):
        importances(study)
    figure, axes = plt.subplots()
    draw_parallel(axes, study)
    scale = optuna.distributions.FloatDistribution(0, 2)
    study.add_trial(optuna.create_trial(params={"lr": 1.0}, distributions={"lr": scale}, value=3.0))
    draw_parallel(axes, study)
    draw_curves(axes, study)
    with pytest.raises(UserError, match="search longer"):
        draw_importances(axes, study)
    figure.canvas.draw()
    plt.close(figure)
