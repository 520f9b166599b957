"""What is measured while a run trains, and which of its generators is kept as the best."""

import copy
import json
import signal
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from alike import assert_identical, newest_state, same_weights
from test_data import write_files

from cgan_lib import UserError, load_generator, open_run, train
from cgan_lib.evaluation import quick_scores
from cgan_lib.recipes import QUICK_SAMPLES
from cgan_lib.weights import facts

MEASURED = ["score/as_requested", "score/coverage", "score/fid", "score/precision", "score/recall"]


def score_curves(run):
    """The curves of the scores: name → (steps, values)."""
    return {name: curve for name, curve in run.history().items() if name.startswith("score")}


def about(path):
    """Who chose the best generator, when, and for which value."""
    said = facts(path)
    return said["chosen_by"], int(said["steps"]), float(said["value"])


def scored(*values):
    """A score that gives these values one after the other, and remembers the generators that it was asked about."""
    left, seen = list(values), []

    def score(generator):
        seen.append(copy.deepcopy(generator))
        return left.pop(0)

    score.seen = seen
    return score


@pytest.fixture(params=["fid", "score"])
def chooser(request, monkeypatch):
    """A function: the argument `score` of `train` for which these values come one after the other, by either way."""

    def arrange(*values):
        arrange.score = score = scored(*values)
        if request.param == "score":
            return score
        monkeypatch.setattr(
            "cgan_lib.runs.scorer.quick_scores",
            lambda generator, dataset, count: {"fid": score(generator), "coverage": 0.5},
        )
        return "fid"

    arrange.kind = request.param
    return arrange


# --- scores


@pytest.mark.parametrize(("steps", "expected"), [(6, [2, 4, 6]), (5, [2, 4, 5]), (1, [1]), (0, [])])
def test_scores_are_curves_with_a_point_at_every_checkpoint_in_turn_and_at_the_last_step(tiny, steps, expected):
    run = train("bce", steps=steps, save_every=2, **tiny)
    curves = score_curves(run)
    assert sorted(curves) == (MEASURED if expected else [])
    for at, values in curves.values():
        assert at.tolist() == expected
        assert np.isfinite(values).all()
    assert open_run(run.folder).step == steps


@pytest.mark.parametrize("name", ["bce", "bce_published"])
def test_the_scores_are_those_of_the_generator_that_makes_the_samples(name, tiny):
    curves = score_curves(train(name, steps=3, save_every=2, **tiny))
    for point, step in enumerate((2, 3)):
        then = train(name, run="shorter", steps=step, **tiny)
        expected = quick_scores(then.generator, "digits", QUICK_SAMPLES["ci"])
        assert {f"score/{key}": value for key, value in expected.items()} == pytest.approx(
            {key: values[point] for key, (_, values) in curves.items()}, rel=1e-6
        )


def test_the_profile_says_how_many_images_are_measured(tiny):
    run = train("bce", profile="demo", steps=1, **tiny)
    expected = quick_scores(run.generator, "digits", 1000)
    assert run.history()["score/fid"][1] == pytest.approx([expected["fid"]], rel=1e-6)


@pytest.mark.parametrize("name", ["projection", "bce_published"])
def test_scores_change_nothing_in_what_is_learned(name, tiny, monkeypatch):
    def random(generator):
        assert not generator.training
        return generator(torch.randn(8, 100), torch.arange(8)).std().item()

    settings = dict(steps=5, save_every=2, **tiny)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    runs = [train(name, run=str(score), score=score, **settings) for score in ("fid", "losses")]
    runs.append(train(name, run="own", score=random, **settings))
    assert torch.equal(torch.get_rng_state(), before)
    monkeypatch.setattr("cgan_lib.runs.scorer.has_classifier", lambda dataset, size: False)
    runs.append(train(name, run="without", **settings))
    assert score_curves(runs[-1]) == {}
    states = [newest_state(run.folder) for run in runs]
    assert [state.pop("chosen_by") for state in states] == ["fid", "losses", "score", "losses"]
    for state in states:
        del state["best"]
        assert_identical(state, states[0])


def test_the_time_that_scores_take_is_not_time_of_training(tiny, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("cgan_lib.runs.clock.time", SimpleNamespace(perf_counter=lambda: clock[0]))

    def slow(generator):
        clock[0] += 1000
        return 1.0

    run = train("bce", steps=5, save_every=2, score=slow, **tiny)
    assert (clock[0], run.seconds) == (3000, 0)


@pytest.fixture
def clothes(home, tiny):
    """Settings for a data set without a classifier: a few images of noise."""
    write_files(home / "data", "FashionMNIST")
    return tiny | dict(dataset="fashion_mnist", log_every=1, save_every=5)


def test_without_a_classifier_of_the_data_set_there_are_no_scores_and_losses_choose(home, clothes):
    run = train("bce", steps=12, **clothes)
    assert score_curves(run) == {}
    assert newest_state(run.folder)["chosen_by"] == "losses"
    run = train("bce", run="own", steps=5, score=lambda generator: 7.0, **clothes)
    assert {name: values.tolist() for name, (_, values) in score_curves(run).items()} == {"score/score": [7.0]}
    assert not (home / "data" / "classifiers").exists()


def test_a_classifier_is_trained_where_fid_is_asked_for_and_used_from_then_on(home, clothes, monkeypatch, capsys):
    module = import_module("cgan_lib.evaluation.classifier")
    monkeypatch.setattr(module, "EPOCHS", 0)
    monkeypatch.setattr(module, "LEAST_STEPS", 3)
    run = train("bce", steps=5, score="fid", **clothes)
    assert "Training a classifier of fashion_mnist, once …" in capsys.readouterr().out
    assert (sorted(score_curves(run)), about(run.best)[:2]) == (MEASURED, ("fid", 5))
    run = train("bce", steps=10, **clothes)
    assert run.history()["score/fid"][0].tolist() == [5, 10]
    assert newest_state(run.folder)["chosen_by"] == "fid"
    assert "Training a classifier" not in capsys.readouterr().out


# --- by a score


@pytest.mark.parametrize("name", ["bce", "bce_published"])
def test_a_score_is_a_curve_and_the_lowest_chooses_the_best_generator(name, chooser, tiny):
    then = train(name, run="shorter", steps=4, **tiny).generator
    run = train(name, steps=8, save_every=2, score=chooser(3.0, 1.0, 2.0, 1.0), **tiny)
    steps, values = run.history()[f"score/{chooser.kind}"]
    assert (steps.tolist(), values.tolist()) == ([2, 4, 6, 8], [3.0, 1.0, 2.0, 1.0])
    assert run.best == run.folder / "best_generator.safetensors"
    assert about(run.best) == (chooser.kind, 4, 1.0)
    for best in (load_generator(run.best), chooser.score.seen[1]):
        assert same_weights(best, then)
        assert not same_weights(best, run.generator)


def test_the_best_score_is_remembered_when_the_run_goes_on(chooser, tiny):
    rhythm = dict(save_every=2, **tiny)
    train("bce", steps=4, score=chooser(2.0, 1.0), **rhythm)
    run = train("bce", steps=8, score=chooser(1.5, 1.0), **rhythm)
    assert about(run.best) == (chooser.kind, 4, 1.0)
    run = train("bce", steps=9, score=chooser(0.5), **rhythm)  # the last step, out of turn
    assert about(run.best) == (chooser.kind, 9, 0.5)
    assert same_weights(load_generator(run.best), run.generator)
    assert run.history()[f"score/{chooser.kind}"][1].tolist() == [2.0, 1.0, 1.5, 1.0, 0.5]


@pytest.fixture
def by_count(monkeypatch):
    """A function: the fids that come one after the other, and the counts of images that were asked for."""

    def arrange(*values):
        left, counts = list(values), []

        def scores(generator, dataset, count):
            counts.append(count)
            return {"fid": left.pop(0)}

        monkeypatch.setattr("cgan_lib.runs.scorer.quick_scores", scores)
        return counts

    return arrange


@pytest.mark.parametrize(("again", "best"), [(3.0, (2, 3.0)), (9.0, (4, 5.0))])
def test_a_best_fid_of_fewer_images_is_measured_again_before_others_compete_with_it(
    tiny, by_count, capsys, again, best
):
    rhythm = dict(run="mine", save_every=2, **tiny)
    by_count(1.0)
    first = load_generator(train("bce", profile="ci", steps=2, **rhythm).best)
    counts = by_count(again, 5.0)
    run = train("bce", profile="demo", steps=4, **rhythm)
    assert "of step 2, is measured anew: 1.0 then" in capsys.readouterr().out
    assert counts == [QUICK_SAMPLES["demo"]] * 2
    assert about(run.best) == ("fid", *best)
    assert json.loads(facts(run.best)["protocol"])["images"] == QUICK_SAMPLES["demo"]
    assert same_weights(load_generator(run.best), first) is (best[0] == 2)
    assert run.history()["score/fid"][1].tolist() == [1.0, 5.0]  # the curve stays as it was measured
    counts = by_count(8.0)
    assert about(train("bce", profile="demo", steps=6, **rhythm).best) == ("fid", *best)
    assert len(counts) == 1


def test_a_best_fid_of_another_classifier_is_measured_again_really(tiny, monkeypatch, capsys):
    rhythm = dict(run="mine", save_every=2, profile="demo", **tiny)
    with monkeypatch.context() as before:  # `undo` would take the home of this test away, too
        before.setattr("cgan_lib.runs.scorer.fingerprint", lambda network: "another")
        before.setattr("cgan_lib.runs.scorer.quick_scores", lambda *arguments: {"fid": 1.0})
        first = load_generator(train("bce", steps=2, **rhythm).best)
    best = train("bce", steps=4, **rhythm).best
    of_first, of_best = (
        quick_scores(network, "digits", QUICK_SAMPLES["demo"])["fid"] for network in (first, load_generator(best))
    )
    assert f"of step 2, is measured anew: 1.0 then, {of_first:.1f} now" in capsys.readouterr().out
    assert about(best)[2] == pytest.approx(
        of_best, rel=1e-4
    )  # of the generator in training, its weights laid otherwise


@pytest.mark.parametrize("content", [None, b"", b"damaged"])
def test_a_best_generator_that_cannot_be_measured_again_makes_room_with_a_note(tiny, by_count, content):
    rhythm = dict(run="mine", save_every=2, **tiny)
    by_count(1.0)
    best = train("bce", profile="ci", steps=2, **rhythm).best
    best.unlink() if content is None else best.write_bytes(content)
    by_count(5.0)
    with pytest.warns(UserWarning, match="cannot be measured again .*the next one that is measured counts as the best"):
        run = train("bce", profile="demo", steps=4, **rhythm)
    assert about(run.best) == ("fid", 4, 5.0)


def test_one_kind_of_score_does_not_compete_with_another(chooser, tiny):
    rhythm = dict(log_every=2, save_every=10, **tiny)
    assert about(train("bce", steps=40, score="losses", **rhythm).best)[0] == "losses"
    assert about(train("bce", steps=50, score=chooser(1000.0), **rhythm).best) == (chooser.kind, 50, 1000.0)
    other = scored(1e9) if chooser.kind == "fid" else None  # from fid to a score of one's own, and the other way
    chooser(0.0)
    run = train("bce", steps=60, score=other, **rhythm)
    assert about(run.best)[:2] == ("score" if other else "fid", 60)
    chooser(*[-1000.0] * 6)  # measured all the same, where it is the fid
    assert about(train("bce", steps=120, score="losses", **rhythm).best)[0] == "losses"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), torch.tensor(float("nan"))])
def test_a_score_that_is_no_number_ends_the_training_and_is_asked_for_again(chooser, tiny, value):
    with pytest.raises(UserError, match=rf"the {chooser.kind} at step 4 is (nan|inf): it must be a finite number"):
        train("bce", steps=8, save_every=2, score=chooser(1.0, value), **tiny)
    run = train("bce", steps=4, save_every=2, score=chooser(2.0), **tiny)  # put right, it goes on
    assert about(run.best) == (chooser.kind, 2, 1.0)
    assert run.history()[f"score/{chooser.kind}"][1].tolist() == [1.0, 2.0]


def assert_same_choice(run, other):
    """The same checkpoint, the same best generator and the same curves of scores."""
    assert_identical(newest_state(run.folder), newest_state(other.folder))
    assert about(run.best) == about(other.best)
    assert same_weights(load_generator(run.best), load_generator(other.best))
    curves, expected = score_curves(run), score_curves(other)
    assert sorted(curves) == sorted(expected) == MEASURED
    for name, (steps, values) in curves.items():
        assert steps.tolist() == expected[name][0].tolist()
        assert values.tolist() == expected[name][1].tolist()


@pytest.fixture(scope="module", params=["fid", "losses"])
def straight(request, tmp_path_factory, tiny):
    """The settings of a run of 40 steps that was never interrupted, and the run."""
    settings = dict(steps=40, log_every=2, save_every=10, score=request.param, **tiny)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CGAN_HOME", str(tmp_path_factory.mktemp("straight")))
        patch.setenv("CGAN_PROFILE", "ci")
        return settings, train("bce", **settings)


@pytest.mark.parametrize("failing", [1, 2, 4])
def test_a_scorer_that_raises_costs_no_step_and_its_measurement_is_made_up_for(straight, failing, monkeypatch):
    settings, expected = straight
    calls = []

    def scores(*arguments):
        calls.append(arguments)
        if len(calls) == failing:
            raise OSError("the score cannot be had")
        return quick_scores(*arguments)

    monkeypatch.setattr("cgan_lib.runs.scorer.quick_scores", scores)
    with pytest.raises(OSError, match="the score cannot be had"):
        train("bce", **settings)
    run = train("bce", **settings)
    assert len(calls) == 4 + 1
    assert_same_choice(run, expected)
    train("bce", **settings)  # now there is nothing left to do
    assert len(calls) == 4 + 1


def test_a_run_stopped_out_of_turn_is_not_scored_there_and_ends_with_the_same_best_generator(straight, at_step):
    settings, expected = straight
    for stop, scored_at in ((10, [10]), (33, [10, 20, 30])):
        at_step(stop, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt) as stopped:
            train("bce", **settings)
        assert stopped.value.run.step == stop
        assert [at.tolist() for at, _ in score_curves(stopped.value.run).values()] == [scored_at] * 5
    assert_same_choice(train("bce", **settings), expected)


def test_a_growing_network_can_be_the_best_only_when_it_is_grown(chooser, tiny):
    settings = dict(image_size=32, grow_every=4, save_every=4, **tiny)  # at full size after 11 steps
    run = train("dcgan64_progressive", steps=8, score=chooser(1.0, 2.0), **settings)
    assert run.best is None
    run = train("dcgan64_progressive", steps=16, score=chooser(4.0, 3.0), **settings)
    assert about(run.best) == (chooser.kind, 16, 3.0)
    assert run.history()[f"score/{chooser.kind}"][1].tolist() == [1.0, 2.0, 4.0, 3.0]
    run = train("dcgan64_progressive", run="again", steps=16, score=chooser(1.0, 2.0, 3.0, 4.0), **settings)
    assert about(run.best) == (chooser.kind, 12, 3.0)


# --- by losses


def test_losses_of_a_growing_network_choose_only_when_it_is_grown(tiny, monkeypatch):
    monkeypatch.setattr("cgan_lib.runs.selection.is_stable", lambda before, now: True)
    settings = dict(image_size=32, grow_every=4, save_every=4, log_every=1, score="losses", **tiny)
    assert train("dcgan64_progressive", steps=8, **settings).best is None
    assert about(train("dcgan64_progressive", steps=12, **settings).best)[:2] == ("losses", 12)


def best_by_the_rule(curves, points):
    """The rule as its module states it, in other words: (number of the best window, its loss), windows from 1."""
    g, d = (curves[name][1].reshape(-1, points) for name in ("loss/G", "loss/D"))
    level, noise = d.mean(1), d.std(1)
    steady = abs(np.diff(level)) <= 0.2 * abs(level[:-1]).clip(0.1)
    stable = [False, *(steady & (noise[1:] < 0.5 * abs(level[1:]).clip(0.1)))]
    losses = np.where(stable, g.mean(1), np.inf)
    return int(losses.argmin()) + 1, losses.min()


def test_the_rule_for_losses_chooses_where_it_is_asked_for(tiny):
    run = train("bce", steps=60, log_every=2, save_every=10, score="losses", **tiny)
    window, loss = best_by_the_rule(run.history(), points=5)
    assert np.isfinite(loss)
    assert about(run.best) == ("losses", 10 * window, pytest.approx(loss))
    then = train("bce", run="shorter", steps=10 * window, **tiny).generator
    assert same_weights(load_generator(run.best), then)


def test_the_last_step_out_of_turn_ends_no_window_of_losses(tiny):
    rhythm = dict(log_every=2, save_every=10, score="losses", **tiny)
    run = train("bce", run="short", steps=16, **rhythm)
    assert (run.best, run.history()["score/fid"][0].tolist()) == (None, [10, 16])
    longer, straight = (train("bce", run=name, steps=20, **rhythm) for name in ("short", "straight"))
    assert newest_state(longer.folder)["best"] == newest_state(straight.folder)["best"]
