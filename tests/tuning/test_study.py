"""A study: its trials are ordinary runs, it can be killed at any moment, and several processes work on it."""

from collections import Counter

import optuna
import pytest

from cgan_lib import UserError, open_run
from cgan_lib.tuning import ranking, tune
from cgan_lib.tuning.study import of_length
from cgan_lib.recipes import get_recipe

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
TRIALS = 5
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


@pytest.mark.parametrize("moment", ["claim:1", "step:2:5", "tell:4", "stop:5:1"])
def test_a_study_that_was_killed_goes_on_and_ends_as_one_that_was_not(moment, searchers, small, home, undisturbed):
    (code,) = searchers.search(home=str(home), moment=moment, trials=TRIALS, **small)
    assert code == (1 if moment.startswith("stop") else DEAD)
    study = tune(trials=TRIALS, **small)
    assert runs_of(study) == undisturbed
    assert Counter(trial.state.name for trial in study.trials)["RUNNING"] == 0


def test_processes_share_a_study_and_end_with_the_asked_number_of_trials(searchers, small, home):
    assert searchers.search(home=str(home), at_once=3, trials=TRIALS, **small) == [0, 0, 0]
    study = tune(trials=TRIALS, **small)
    assert [trial.state.is_finished() for trial in study.trials] == [True] * TRIALS
    assert len({trial.user_attrs["run"] for trial in study.trials}) == TRIALS
    assert len({trial.user_attrs["worker"] for trial in study.trials}) > 1
    assert not list((home / "logs" / "studies").rglob("workers/*"))
