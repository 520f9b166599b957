"""A study: its trials are ordinary runs, it can be killed at any moment, and several processes work on it."""

import math
from collections import Counter

import optuna
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata, plugin_data_pb2

from cgan_lib import UserError, train
from cgan_lib.recipes import get_recipe
from cgan_lib.runs.selection import lowest_stable_loss
from cgan_lib.tuning import ranking, run_of, tune
from cgan_lib.tuning.study import of_length
from cgan_lib.tuning.workers import at_work, is_dead
from cgan_lib.weights import facts

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
TRIALS = 3
DEAD = -9


def runs_of(study) -> list[tuple]:
    """What came of each run: its name, settings, state, value and curve, of the trials that came to an end."""
    kept = [trial for trial in study.trials if trial.state.name in ("COMPLETE", "PRUNED")]
    rows = [
        (
            t.user_attrs["run"],
            t.params,
            t.state.name,
            t.value if t.state.name == "COMPLETE" else None,
            t.intermediate_values,
        )
        for t in kept
    ]
    return sorted(rows, key=lambda row: row[0])


@pytest.fixture(scope="module")
def undisturbed(small, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CGAN_HOME", str(tmp_path_factory.mktemp("undisturbed")))
        return runs_of(tune(trials=TRIALS, **small))


@pytest.mark.parametrize("moment", ["claim:1", "step:2:5", "tell:3", "stop:2:1"])
def test_a_study_that_was_killed_goes_on_and_ends_as_one_that_was_not(moment, searchers, small, home, undisturbed):
    (code,) = searchers.search(home=str(home), moment=moment, trials=TRIALS, **small)
    assert code == (1 if moment.startswith("stop") else DEAD)
    study = tune(trials=TRIALS, **small)
    assert runs_of(study) == undisturbed
    assert Counter(trial.state.name for trial in study.trials)["RUNNING"] == 0


def test_processes_share_a_study_and_end_with_the_asked_number_of_trials(searchers, small, home):
    assert searchers.search(home=str(home), at_once=2, trials=TRIALS, **small) == [0, 0]
    study = tune(trials=TRIALS, **small)
    assert [trial.state.is_finished() for trial in study.trials] == [True] * TRIALS
    assert len({trial.user_attrs["run"] for trial in study.trials}) == TRIALS
    assert len({trial.user_attrs["worker"] for trial in study.trials}) > 1
    assert not list((home / "logs" / "studies").rglob("workers/*"))


# --- trials


def test_a_trial_is_an_ordinary_run_with_its_settings_in_tensorboard(small, home):
    study = tune(trials=1, space={"lr": "1e-4:1e-2:log", "beta1": "0:0.9"}, **small)
    (trial,) = study.trials
    run = run_of(study, trial)
    assert run.folder == home / "logs" / "digits" / "bce" / "search-000"
    assert trial.params == {"lr": run.recipe.lr, "beta1": run.recipe.beta1}
    assert trial.params == {name: getattr(get_recipe("bce"), name) for name in ("lr", "beta1")}
    steps, values = run.history()["score/fid"]
    assert steps.tolist() == [2, 4, 6, 8, 10]
    assert trial.value == pytest.approx(values.min(), rel=1e-5)
    lowest = {10 * step: values[: number + 1].min() for number, step in enumerate(steps.tolist())}
    assert trial.intermediate_values == pytest.approx(lowest, rel=1e-5)
    events = EventAccumulator(str(run.folder)).Reload()
    content = events.summary_metadata[metadata.SESSION_START_INFO_TAG].plugin_data.content
    told = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert {name: told[name].number_value for name in trial.params} == trial.params


def test_trials_see_equally_many_images_whatever_their_batch():
    recipe = get_recipe("bce")
    for batch_size in (8, 32, 64, 500):
        run = of_length(recipe.replace(batch_size=batch_size), 10_000)
        assert run.steps == 5 * run.save_every
        assert run.steps * batch_size == pytest.approx(10_000, rel=0.2)
        assert run.log_every <= run.save_every


def test_hopeless_trials_are_given_up_by_a_rule_of_ones_own_which_sees_what_is_comparable(small):
    seen = []

    def rule(so_far, finished):
        seen.append((so_far, finished))
        return max(so_far) >= 40

    study = tune(trials=5, pruner=rule, **small)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 4 + ["PRUNED"]
    assert run_of(study, study.trials[4]).step == 4
    assert [max(so_far) for so_far, _ in seen] == [20, 40]
    assert all(sorted(curve) == [20, 40, 60, 80, 100] for _, finished in seen for curve in finished)
    assert len(ranking(study)) == 4


def test_losses_as_objective_are_the_published_rule(small):
    study = tune(trials=1, objective="losses", **small | {"steps": 100})
    (trial,) = study.trials
    run = run_of(study, trial)
    by_rule = lowest_stable_loss(run.history(), run.recipe.save_every)
    if math.isinf(by_rule):
        assert trial.user_attrs["why"] == "D was never stable"
    else:
        assert trial.value == pytest.approx(by_rule, rel=1e-5)
        assert facts(run.best)["chosen_by"] == "losses"


def test_a_trial_that_diverges_counts_as_given_up(small, capsys):
    study = tune(trials=2, space={"lr": [1e3, 1e20]}, **small)
    assert [trial.state.name for trial in study.trials] == ["PRUNED", "PRUNED"]
    assert "diverged" in capsys.readouterr().out
    assert ranking(study) == []


def test_a_watched_run_ends_where_it_is_told_to_and_goes_on_when_asked_again(tiny):
    seen = []

    def watch(step, best):
        seen.append((step, best))
        return step < 4

    ways = dict(run="watched", profile="ci", save_every=2, **tiny)
    assert train("bce", steps=8, watch=watch, **ways).step == 4
    assert [step for step, _ in seen] == [2, 4]
    assert seen[1][1] <= seen[0][1]
    assert train("bce", steps=8, **ways).step == 8


# --- what is refused


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (dict(trials=0), "trials 0 must be a whole number from 1"),
        (dict(trials=2.5), "trials 2.5 must be"),
        (dict(objective="loss"), "did you mean 'losses'"),
        (dict(pruner="medium"), "did you mean 'median'"),
        (dict(pruner=3), "pruner 3 must be one of"),
        (dict(study="a/b"), "study 'a/b' names a folder"),
        (dict(device="gpu"), "gpu"),
        (dict(profile="fast"), "unknown profile"),
        (dict(steps=0), "0 steps"),
        (dict(lrr=1), "did you mean 'lr'"),
        (dict(batch_size=10**6), "batch"),
        (dict(storage="nowhere"), "is no address"),
    ],
)
def test_a_mistake_is_one_line_before_any_trial(wrong, said, small, home):
    with pytest.raises(UserError, match=said):
        tune(**dict(small, trials=1) | wrong)
    assert not (home / "logs" / "digits").exists()


def test_a_study_goes_on_only_with_what_it_has_begun_with(small):
    tune(trials=1, **small)
    for changed in (dict(space={"lr": "1e-4:1e-2"}), dict(objective="losses"), dict(ema=0.9), dict(steps=20)):
        with pytest.raises(UserError, match="the study search has begun with another"):
            tune(trials=2, **small | changed)
    tune(trials=1, pruner="none", **small | {"log_every": 3})  # how often curves are written is no part of it


def test_a_torn_last_line_of_the_journal_is_dropped(small, home):
    tune(trials=1, **small)
    (journal,) = (home / "logs" / "studies").rglob("journal.log")
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":4,"worker')
    assert len(tune(trials=1, **small).trials) == 1
    assert journal.read_bytes().startswith(whole)
    assert b"worker{" not in journal.read_bytes()
    journal.write_bytes(b"no journal\n" + whole)
    with pytest.raises(UserError, match=r"journal.log cannot be read .* name another study"):
        tune(trials=1, **small)


def test_a_trial_whose_lock_was_cleared_away_is_taken_over_too(searchers, small, home):
    assert searchers.search(home=str(home), moment="step:1:3", trials=2, **small) == [DEAD]
    for lock in (home / "logs" / "studies").rglob("workers/*.lock"):
        lock.unlink()
    assert [trial.state.name for trial in tune(trials=2, **small).trials] == ["FAIL", "COMPLETE", "COMPLETE"]


def test_a_worker_is_dead_when_its_lock_can_be_had(tmp_path):
    with at_work(tmp_path) as name:
        assert is_dead(tmp_path, name) is False
    assert is_dead(tmp_path, name) is None  # it ended properly, and left nothing
    (tmp_path / f"{name}.lock").touch()
    assert is_dead(tmp_path, name) is True


def test_optuna_is_as_loud_afterwards_as_before(small):
    before = optuna.logging.get_verbosity()
    tune(trials=1, **small)
    assert optuna.logging.get_verbosity() == before
