"""`train` and `open_run`: folders, refusals before anything is written, stopping, and going on."""

import copy
import json
import signal
import sys
import threading
from importlib import import_module
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_data import write_files
from torchvision import datasets

from cgan_lib import UserError, generate, get_recipe, load_generator, open_run, train
from cgan_lib.evaluation import quick_scores
from cgan_lib.recipes import QUICK_SAMPLES
from cgan_lib.runs.checkpoint import checkpoints
from cgan_lib.runs.run import run_folder
from cgan_lib.runs.loop import stop_requests
from cgan_lib.training import Trainer
from cgan_lib.weights import facts


def same_weights(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.fixture
def at_step(monkeypatch):
    """A function: have something happen once, in step `n` of whatever is trained next."""

    def arrange(n, happen):
        real_step, to_do = Trainer.train_step, [happen]

        def step(trainer, *arguments):
            metrics = real_step(trainer, *arguments)
            if trainer.step == n and to_do:
                to_do.pop()()
            return metrics

        monkeypatch.setattr(Trainer, "train_step", step)

    return arrange


# --- what a run is


def test_a_run_lies_where_its_names_say(home, finished):
    assert finished.folder == home / "logs" / "digits" / "bce" / "ci"
    assert finished.pictures == home / "output_images" / "DIGITS" / "bce" / "ci"
    assert [path.name for path in finished.grids] == [f"fake_images_steps_0000{n}.png" for n in ("00", "20", "40")]
    assert (finished.step, finished.interrupted, finished.generator.training) == (40, False, False)
    assert finished.seconds > 0


def test_the_run_name_is_the_profile_or_what_is_asked_for(home, tiny):
    assert train("bce", steps=1, **tiny).folder.name == "ci"
    assert train("bce", steps=1, profile="demo", **tiny).folder.name == "demo"
    assert train("bce", steps=1, run="my-run_1.2", **tiny).folder.name == "my-run_1.2"


def test_a_recipe_object_trains_like_its_name(tiny):
    by_name = train("bce", run="a", steps=2, **tiny)
    by_object = train(get_recipe("bce", **tiny), run="b", steps=2)
    assert by_name.recipe == by_object.recipe
    assert same_weights(by_name.generator, by_object.generator)


def test_a_run_opens_as_it_ended(finished):
    opened = open_run(finished.folder)
    assert (opened.recipe, opened.step, opened.seconds) == (finished.recipe, 40, finished.seconds)
    assert same_weights(opened.generator, finished.generator)
    assert not opened.generator.training
    assert open_run(str(finished.folder)).step == 40


@pytest.mark.parametrize("name", ["bce", "bce_published"])
def test_the_weight_file_holds_the_generator_that_draws_the_samples(name, tiny):
    run = train(name, steps=3, **tiny)
    assert same_weights(load_generator(run.folder / "generator.safetensors"), run.generator)
    checkpoint = torch.load(checkpoints(run.folder / "checkpoints")[-1], weights_only=True)
    drawn_with = checkpoint["averaged" if name == "bce" else "generator"]
    assert all(torch.equal(tensor, drawn_with[key]) for key, tensor in run.generator.state_dict().items())


def test_offline_the_run_is_one_of_the_embedded_digits_and_says_so(home, tiny, monkeypatch):
    monkeypatch.setattr(datasets.MNIST, "mirrors", [])
    with pytest.warns(UserWarning, match="Using the embedded 8×8 digits"):
        run = train("bce", steps=1, **tiny | dict(dataset="mnist"))
    assert run.recipe.dataset == "digits"
    assert run.folder == home / "logs" / "digits" / "bce" / "ci"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_run_of_no_steps_is_a_grid_of_untrained_samples_and_a_checkpoint(tiny, monkeypatch, terminal):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    run = train("bce", steps=0, **tiny)
    assert (run.step, run.interrupted, len(run.grids)) == (0, False, 1)
    assert open_run(run.folder).step == 0


def test_a_terminal_gets_a_picture_and_a_log_file_does_not(tiny, monkeypatch, capsys):
    for run, terminal in (("a", True), ("b", False)):
        monkeypatch.setattr(sys.stdout, "isatty", lambda terminal=terminal: terminal)
        train("bce", run=run, steps=1, **tiny)
        assert ("▀" in capsys.readouterr().out) is terminal


def test_live_training_redraws_one_panel_in_the_notebook(notebook, tiny):
    shown = notebook(train, "bce", live=True, steps=4, grid_every=2, log_every=1, **tiny)
    figures = [bundle for bundle in shown if "Figure" in bundle.get("text/plain", "")]
    assert len(figures) == 3  # after steps 0, 2 and 4


def test_live_training_outside_a_notebook_trains_all_the_same(tiny):
    assert train("bce", live=True, steps=2, **tiny).step == 2


@pytest.mark.parametrize("name", ["bce", "bce_published", "dropout", "projection"])
def test_a_run_gives_the_networks_of_its_newest_checkpoint(name, tiny):
    run = train(name, steps=3, **tiny)
    checkpoint = torch.load(checkpoints(run.folder / "checkpoints")[-1], weights_only=True)
    for opened in (run, open_run(run.folder)):
        for network, part in ((opened.discriminator(), "discriminator"), (opened.last_generator(), "generator")):
            state = network.state_dict()
            assert state.keys() == checkpoint[part].keys()
            assert all(torch.equal(state[key], tensor) for key, tensor in checkpoint[part].items())
            assert not network.training
    assert same_weights(run.last_generator(), run.generator) is (not run.recipe.ema)
    images, labels = torch.zeros(2, 1, 28, 28), torch.tensor([0, 1])
    assert run.discriminator()(images, labels).shape == (2,)


def test_without_a_checkpoint_there_is_no_network_to_give(finished):
    for path in checkpoints(finished.folder / "checkpoints"):
        path.unlink()
    for network in (finished.discriminator, finished.last_generator):
        with pytest.raises(UserError, match="has no checkpoint yet"):
            network()


@pytest.mark.parametrize(("n_dis", "steps_g"), [(4, [12, 24]), (100, [])])
def test_a_generator_that_moves_seldom_has_points_where_it_moved(tiny, capsys, n_dis, steps_g):
    run = train("bce", n_dis=n_dis, steps=24, log_every=3, grid_every=12, save_every=12, **tiny)
    curves = run.history()
    assert curves["loss/D"][0].tolist() == [3, 6, 9, 12, 15, 18, 21, 24]
    for name in ("loss/G", "gradient_norm/G"):
        assert (curves[name][0].tolist() if name in curves else []) == steps_g
    assert "D=" in capsys.readouterr().err  # the progress bar shows what there is


# --- scores


MEASURED = ["score/as_requested", "score/coverage", "score/fid", "score/precision", "score/recall"]


def score_curves(run):
    """The curves of the scores: name → (steps, values)."""
    return {name: curve for name, curve in run.history().items() if name.startswith("score")}


def newest_state(run):
    """The newest checkpoint, without what depends on the clock."""
    state = torch.load(checkpoints(run.folder / "checkpoints")[-1], weights_only=True)
    del state["seconds"]
    return state


def identical(one, other):
    """Whether nested dicts, lists and tensors are the same, bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(identical(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(identical, one, other))
    return one == other


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
def test_the_scores_are_those_of_the_generator_that_draws_the_samples(name, tiny):
    curves = score_curves(train(name, steps=3, save_every=2, **tiny))
    for point, step in enumerate((2, 3)):
        then = train(name, run="shorter", steps=step, **tiny)
        expected = quick_scores(then.generator, "digits", QUICK_SAMPLES["ci"])
        assert {f"score/{key}" for key in expected} == set(MEASURED)
        for key, value in expected.items():
            assert curves[f"score/{key}"][1][point] == pytest.approx(value, rel=1e-6)
    if name == "bce":
        assert quick_scores(then.last_generator(), "digits", QUICK_SAMPLES["ci"])["fid"] != pytest.approx(
            expected["fid"], rel=1e-3
        )


def test_the_profile_says_how_many_images_are_measured(tiny):
    run = train("bce", profile="demo", steps=1, **tiny)
    expected = quick_scores(run.generator, "digits", 1000)
    assert run.history()["score/fid"][1] == pytest.approx([expected["fid"]], rel=1e-6)


@pytest.mark.parametrize("score", ["fid", "losses"])
def test_a_run_stopped_out_of_turn_is_not_scored_there_and_ends_with_the_same_curves(tiny, at_step, score):
    settings = dict(steps=6, save_every=2, score=score, **tiny)
    at_step(3, lambda: signal.raise_signal(signal.SIGINT))
    stopped = train("bce", run="stopped", **settings)
    assert (stopped.step, stopped.interrupted) == (3, True)
    assert {tuple(at) for at, _ in score_curves(stopped).values()} == {(2,)}
    curves = [score_curves(train("bce", run=run, **settings)) for run in ("stopped", "straight")]
    assert sorted(curves[0]) == MEASURED
    for name, (at, values) in curves[0].items():
        assert at.tolist() == curves[1][name][0].tolist() == [2, 4, 6]
        assert values.tolist() == curves[1][name][1].tolist()


@pytest.mark.parametrize("name", ["projection", "bce_published"])
def test_scores_change_nothing_in_what_is_learned(name, tiny, monkeypatch):
    settings = dict(steps=5, save_every=2, **tiny)
    states = {score: newest_state(train(name, run=score, score=score, **settings)) for score in ("fid", "losses")}
    monkeypatch.setattr("cgan_lib.runs.scorer.has_classifier", lambda dataset: False)
    without = train(name, run="without", **settings)
    assert score_curves(without) == {}
    states["without"] = newest_state(without)
    assert [(state.pop("chosen_by"), bool(state.pop("best"))) for state in states.values()] == [
        ("fid", True),
        ("losses", True),
        ("losses", True),
    ]
    assert identical(states["fid"], states["without"])
    assert identical(states["losses"], states["without"])
    assert {"generator", "discriminator", "optimizer_g", "optimizer_d"} <= states["fid"].keys()


def test_scoring_leaves_the_random_numbers_of_the_caller_alone(tiny):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    # in turn at 2, and after the last step, out of turn
    run = train("bce", steps=3, save_every=2, score=lambda generator: torch.rand(()).item(), **tiny)
    assert run.history()["score/score"][0].tolist() == [2, 3]
    assert torch.equal(torch.get_rng_state(), before)


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
    assert newest_state(run)["chosen_by"] == "losses"
    assert not (home / "data" / "classifiers").exists()
    run = train("bce", run="own", steps=5, score=lambda generator: 7.0, **clothes)
    assert {name: values.tolist() for name, (_, values) in score_curves(run).items()} == {"score/score": [7.0]}
    assert not (home / "data" / "classifiers").exists()


def test_a_classifier_is_trained_where_fid_is_asked_for_and_used_from_then_on(home, clothes, monkeypatch, capsys):
    module = import_module("cgan_lib.evaluation.classifier")
    monkeypatch.setattr(module, "EPOCHS", 0)
    monkeypatch.setattr(module, "LEAST_STEPS", 3)
    run = train("bce", steps=5, score="fid", **clothes)
    assert "Training a classifier of fashion_mnist, once …" in capsys.readouterr().out
    assert len(list((home / "data" / "classifiers").glob("fashion_mnist-*.safetensors"))) == 1
    assert (sorted(score_curves(run)), about(run.best)[:2]) == (MEASURED, ("fid", 5))
    run = train("bce", steps=10, **clothes)
    assert run.history()["score/fid"][0].tolist() == [5, 10]
    assert newest_state(run)["chosen_by"] == "fid"
    assert "Training a classifier" not in capsys.readouterr().out


# --- the best generator


def scored(*values):
    """A score that gives these values one after the other, and remembers the weights that it was asked about."""
    left, seen = list(values), []

    def score(generator):
        seen.append(copy.deepcopy(generator))
        return left.pop(0)

    score.seen, score.left = seen, left
    return score


@pytest.fixture(params=["fid", "score"])
def judged(request, monkeypatch):
    """A function: the argument `score` of `train` for which these values come one after the other, by either way."""

    def arrange(*values):
        score = scored(*values)
        if request.param == "score":
            return score
        monkeypatch.setattr(
            "cgan_lib.runs.scorer.quick_scores",
            lambda generator, dataset, count: {"fid": score(generator), "coverage": 0.5},
        )
        return "fid"

    arrange.kind = request.param
    return arrange


def about(path):
    """Who chose the best generator, when, and for which value."""
    said = facts(path)
    return said["chosen_by"], int(said["steps"]), float(said["value"])


@pytest.mark.parametrize("name", ["bce", "bce_published"])
def test_a_score_is_a_curve_and_the_lowest_chooses_the_best_generator(name, judged, tiny):
    then = train(name, run="shorter", steps=4, **tiny).generator
    run = train(name, steps=8, save_every=2, score=judged(3.0, 1.0, 2.0, 1.0), **tiny)
    steps, values = run.history()[f"score/{judged.kind}"]
    assert (steps.tolist(), values.tolist()) == ([2, 4, 6, 8], [3.0, 1.0, 2.0, 1.0])
    assert run.best == run.folder / "best_generator.safetensors"
    assert about(run.best) == (judged.kind, 4, 1.0)
    assert same_weights(load_generator(run.best), then)
    assert not same_weights(load_generator(run.best), run.generator)


@pytest.mark.parametrize("name", ["bce", "bce_published"])
def test_a_score_of_ones_own_is_asked_about_the_generator_that_draws_the_samples(name, tiny):
    score = scored(3.0, 1.0)
    run = train(name, steps=4, save_every=2, score=score, **tiny)
    assert sorted(score_curves(run)) == sorted([*MEASURED, "score/score"])
    for step, seen in zip((2, 4), score.seen, strict=True):
        assert same_weights(seen, train(name, run="shorter", steps=step, **tiny).generator)
        assert not seen.training


@pytest.mark.parametrize("name", ["bce", "bce_published"])
def test_by_itself_the_lowest_fid_chooses(name, tiny):
    run = train(name, steps=24, save_every=4, lr=0.01, **tiny)
    steps, values = run.history()["score/fid"]
    assert len(set(values)) == 6
    lowest = steps[values.argmin()]
    assert about(run.best) == ("fid", lowest, pytest.approx(values.min(), rel=1e-6))
    assert same_weights(
        load_generator(run.best), train(name, run="shorter", steps=int(lowest), lr=0.01, **tiny).generator
    )


def test_the_best_score_is_remembered_when_the_run_goes_on(judged, tiny):
    rhythm = dict(save_every=2, **tiny)
    train("bce", steps=4, score=judged(2.0, 1.0), **rhythm)
    run = train("bce", steps=8, score=judged(1.5, 1.0), **rhythm)
    assert about(run.best) == (judged.kind, 4, 1.0)
    run = train("bce", steps=10, score=judged(0.5), **rhythm)
    assert about(run.best) == (judged.kind, 10, 0.5)
    assert run.history()[f"score/{judged.kind}"][1].tolist() == [2.0, 1.0, 1.5, 1.0, 0.5]


def test_the_last_step_may_be_the_best_though_it_is_out_of_turn(judged, tiny):
    run = train("bce", steps=5, save_every=2, score=judged(2.0, 3.0, 1.0), **tiny)
    assert about(run.best) == (judged.kind, 5, 1.0)
    assert same_weights(load_generator(run.best), run.generator)


def test_one_kind_of_score_does_not_compete_with_another(judged, tiny):
    rhythm = dict(log_every=2, save_every=10, **tiny)
    by_losses = train("bce", steps=40, score="losses", **rhythm)
    assert about(by_losses.best)[0] == "losses"
    by_score = train("bce", steps=50, score=judged(1000.0), **rhythm)
    assert about(by_score.best) == (judged.kind, 50, 1000.0)
    train("bce", steps=60, score=judged(-1000.0), **rhythm)
    judged(*[0.0] * 6)  # measured all the same, where it is the fid
    assert about(train("bce", steps=120, score="losses", **rhythm).best)[0] == "losses"


def test_fid_does_not_compete_with_a_score_of_ones_own(tiny):
    rhythm = dict(save_every=2, **tiny)
    train("bce", steps=2, score=scored(-1.0), **rhythm)
    run = train("bce", steps=4, **rhythm)
    assert about(run.best) == ("fid", 4, pytest.approx(run.history()["score/fid"][1][-1]))
    assert about(train("bce", steps=6, score=scored(1e9), **rhythm).best) == ("score", 6, 1e9)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), torch.tensor(float("nan"))])
def test_a_score_that_is_no_number_ends_the_training_with_the_checkpoint_before(judged, tiny, value):
    with pytest.raises(UserError, match=rf"the {judged.kind} at step 4 is (nan|inf): it must be a finite number"):
        train("bce", steps=8, save_every=2, score=judged(1.0, value), **tiny)
    run = train("bce", steps=4, save_every=2, score=judged(2.0), **tiny)  # put right, it goes on
    assert about(run.best) == (judged.kind, 2, 1.0)
    assert run.history()[f"score/{judged.kind}"][1].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("name", ["bce", "bce_published"])
def test_a_score_may_use_the_generator_and_random_numbers_as_it_likes(name, tiny):
    def score(generator):
        assert not generator.training
        return generator(torch.randn(8, 100), torch.arange(8)).std().item()

    watched = train(name, run="watched", steps=6, save_every=2, score=score, **tiny)
    assert same_weights(watched.generator, train(name, steps=6, **tiny).generator)


def test_a_growing_network_can_be_the_best_only_when_it_is_grown(judged, tiny):
    settings = dict(image_size=32, grow_every=4, save_every=4, **tiny)  # at full size after 11 steps
    run = train("dcgan64_progressive", steps=8, score=judged(1.0, 2.0), **settings)
    assert run.best is None
    run = train("dcgan64_progressive", steps=16, score=judged(4.0, 3.0), **settings)
    assert about(run.best) == (judged.kind, 16, 3.0)
    assert run.history()[f"score/{judged.kind}"][1].tolist() == [1.0, 2.0, 4.0, 3.0]
    run = train("dcgan64_progressive", run="again", steps=16, score=judged(1.0, 2.0, 3.0, 4.0), **settings)
    assert about(run.best) == (judged.kind, 12, 3.0)


def test_losses_of_a_growing_network_choose_only_when_it_is_grown(tiny, monkeypatch):
    monkeypatch.setattr("cgan_lib.runs.selection.is_stable", lambda before, now: True)
    settings = dict(image_size=32, grow_every=4, save_every=4, log_every=1, score="losses", **tiny)
    assert train("dcgan64_progressive", steps=8, **settings).best is None
    assert about(train("dcgan64_progressive", steps=12, **settings).best)[:2] == ("losses", 12)


def best_by_the_rule(curves, points):
    """The rule as its module states it, in other words: (number of the best window, its loss), windows from 1."""
    g, d = (curves[name][1].reshape(-1, points) for name in ("loss/G", "loss/D"))
    levels, noise = np.abs(d.mean(1)).clip(0.1), d.std(1)
    steady = [abs(b - a) <= 0.2 * level for (a, b), level in zip(pairwise(d.mean(1)), levels, strict=False)]
    stable = [False, *(s and n < 0.5 * level for s, n, level in zip(steady, noise[1:], levels[1:], strict=True))]
    losses = np.where(stable, g.mean(1), np.inf)
    return int(losses.argmin()) + 1, losses.min()


@pytest.mark.parametrize("name", ["bce", "bce_published"])
def test_the_rule_for_losses_chooses_where_it_is_asked_for(name, tiny):
    run = train(name, steps=60, log_every=2, save_every=10, score="losses", **tiny)
    window, loss = best_by_the_rule(run.history(), points=5)
    assert np.isfinite(loss)
    assert about(run.best) == ("losses", 10 * window, pytest.approx(loss))
    then = train(name, run="shorter", steps=10 * window, **tiny).generator
    assert same_weights(load_generator(run.best), then)
    assert sorted(score_curves(run)) == MEASURED


def test_the_last_step_out_of_turn_ends_no_window_of_losses(tiny):
    rhythm = dict(log_every=2, save_every=10, score="losses", **tiny)
    run = train("bce", run="short", steps=16, **rhythm)
    assert (run.best, run.history()["score/fid"][0].tolist()) == (None, [10, 16])
    longer, straight = (train("bce", run=name, steps=20, **rhythm) for name in ("short", "straight"))
    assert newest_state(longer)["best"] == newest_state(straight)["best"]


@pytest.mark.parametrize("score", ["fid", "losses"])
def test_a_run_stopped_in_the_middle_of_a_window_ends_with_the_same_best_generator(tiny, at_step, score):
    rhythm = dict(steps=40, log_every=2, save_every=10, score=score, **tiny)
    straight = train("bce", run="straight", **rhythm)
    for stop in (10, 33):
        at_step(stop, lambda: signal.raise_signal(signal.SIGINT))
        assert train("bce", run="stopped", **rhythm).interrupted
    stopped = train("bce", run="stopped", **rhythm)
    assert about(stopped.best) == about(straight.best)
    assert same_weights(load_generator(stopped.best), load_generator(straight.best))


def test_before_any_window_is_stable_there_is_no_best_generator(tiny):
    assert train("bce", steps=2, save_every=2, log_every=1, score="losses", **tiny).best is None


# --- refusals


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(recipe="bcee"), "unknown recipe 'bcee': did you mean 'bce'"),
        (dict(profile="dmo"), "unknown profile 'dmo': did you mean 'demo'"),
        (dict(device="gpu"), "unknown device 'gpu'"),
        (dict(steps=-1), "steps=-1 must be at least 0"),
        (dict(learning_rate=1), "unknown field of a recipe 'learning_rate'"),
        (dict(dataset="digit"), "unknown data set 'digit': did you mean 'digits'"),
        (dict(image_size=30), "image_size 30 does not fit"),
        (dict(batch_size=1501), "batch_size 1501 is more than the 1500 images of digits"),
        (dict(score="fdi"), "unknown score 'fdi': did you mean 'fid'"),
        (dict(score=7), "unknown score '7': There are: fid, losses"),
        (dict(lr_halved_at=-1), "lr_halved_at=-1 must be at least 0"),
        (dict(recipe="dropout", batch_size=1), "batch_size"),  # BatchNorm of one number has no variance
        (dict(run="a/b"), "run 'a/b' names a folder"),
        (dict(run=".."), "run '..' names a folder"),
    ],
    ids=str,
)
def test_bad_input_is_refused_before_anything_is_written(home, tiny, changes, message):
    with pytest.raises(UserError, match=message):
        train(**dict(recipe="bce", steps=1) | tiny | changes)
    assert list(home.iterdir()) == []


def test_run_folder_takes_plain_names_only(home):
    assert run_folder("mnist", "bce", "a.b-c_1") == home / "logs" / "mnist" / "bce" / "a.b-c_1"
    for name in ("..", ".", "a b", "a\\b", "/a", "a:b"):
        with pytest.raises(UserError, match="names a folder"):
            run_folder("mnist", "bce", name)


@pytest.mark.parametrize(
    "change", [dict(lr=0.5), dict(seed=1), dict(ema=0.0), dict(loss="minimax"), dict(batch_size=9)]
)
def test_another_recipe_for_the_same_run_is_refused_by_the_name_of_the_field(finished, tiny, contents, home, change):
    before = contents(home)
    ((name, new),) = change.items()
    old = getattr(finished.recipe, name)
    with pytest.raises(UserError, match=f"is a run of another recipe \\({name} is {old!r} there, not {new!r}\\)"):
        train("bce", **tiny | change)
    assert contents(home) == before


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"name": "bce", "model": "unheard-of"}', '{"name": 7}', "\0"])
def test_a_damaged_recipe_file_is_refused_and_left_alone(finished, tiny, contents, home, text):
    (finished.folder / "recipe.json").write_text(text)
    before = contents(home)
    for attempt in (lambda: train("bce", **tiny), lambda: open_run(finished.folder)):
        with pytest.raises(UserError, match=r"recipe\.json cannot be read as a recipe"):
            attempt()
    assert contents(home) == before


def test_a_folder_without_a_run_does_not_open(finished, home):
    with pytest.raises(UserError, match=r"is no run folder \(no recipe\.json\)"):
        open_run(home)
    for path in checkpoints(finished.folder / "checkpoints"):
        path.unlink()
    with pytest.raises(UserError, match="has no checkpoint yet: train it first"):
        open_run(finished.folder)


@pytest.mark.parametrize("blocked", ["logs", "output_images"])
def test_a_place_that_cannot_be_written_to_is_named(home, tiny, blocked):
    (home / blocked).write_text("a file where a folder should be")
    with pytest.raises(UserError, match=f"cannot write to .*{blocked}.*set CGAN_HOME"):
        train("bce", steps=1, **tiny)


# --- going on


def test_a_finished_run_is_not_trained_again(finished, tiny, capsys):
    names = sorted(finished.folder.rglob("*"))
    again = train("bce", log_every=5, grid_every=20, save_every=20, **tiny)
    assert "has its 40 steps already" in capsys.readouterr().out
    assert again.step == 40
    assert same_weights(again.generator, finished.generator)
    assert sorted(finished.folder.rglob("*")) == names  # no new curve, no new checkpoint
    assert again.seconds == finished.seconds


def test_a_process_killed_between_the_last_checkpoint_and_the_weight_file_is_made_up_for(finished, tiny):
    path = finished.folder / "generator.safetensors"
    path.unlink()
    train("bce", **tiny)
    assert same_weights(load_generator(path), finished.generator)


def test_length_and_rhythm_may_change_on_the_way(finished, tiny):
    longer = train("bce", steps=44, log_every=1, grid_every=2, save_every=3, **tiny)
    assert longer.step == 44
    steps, _ = longer.history()["loss/G"]
    assert steps.tolist() == [5, 10, 15, 20, 25, 30, 35, 40, 41, 42, 43, 44]
    straight = train("bce", run="straight", steps=44, **tiny)
    assert same_weights(longer.generator, straight.generator)


def test_curves_of_the_learning_rates_fall_as_the_recipe_says_also_when_the_run_goes_on(tiny):
    settings = dict(lr=0.004, lr_d=0.001, lr_halved_at=3, log_every=1, **tiny)
    train("bce", steps=4, **settings)
    run, straight = train("bce", steps=8, **settings), train("bce", run="straight", steps=8, **settings)
    curves = run.history()
    for name, lr in (("G", 0.004), ("D", 0.001)):
        steps, values = curves[f"learning_rate/{name}"]
        assert steps.tolist() == list(range(1, 9))
        assert values.tolist() == [float(np.float32(lr / (1 + done / 3))) for done in range(8)]
    assert identical(newest_state(run), newest_state(straight))


def test_a_run_from_before_there_was_a_field_goes_on_with_its_default(finished, tiny):
    path = finished.folder / "recipe.json"
    recipe = json.loads(path.read_text())
    del recipe["lr_halved_at"]
    path.write_text(json.dumps(recipe))
    assert open_run(finished.folder).recipe == finished.recipe
    assert train("bce", **tiny).step == 40
    assert json.loads(path.read_text())["lr_halved_at"] == 0


def test_a_damaged_checkpoint_costs_the_steps_since_the_one_before_and_nothing_else(finished, tiny):
    newest = checkpoints(finished.folder / "checkpoints")[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.warns(UserWarning, match=r"step_00000040\.pt is damaged"):
        repaired = train("bce", log_every=5, grid_every=20, save_every=20, **tiny)
    assert repaired.step == 40
    assert same_weights(repaired.generator, finished.generator)
    assert repaired.history()["loss/G"][0].tolist() == [5, 10, 15, 20, 25, 30, 35, 40]


def test_drawing_and_recording_do_not_change_what_is_learned(tiny):
    often = train("dropout", run="a", steps=6, log_every=1, grid_every=1, save_every=1, **tiny)
    seldom = train("dropout", run="b", steps=6, **tiny)
    assert same_weights(often.generator, seldom.generator)


def test_the_clock_of_a_run_goes_on_where_it_stood(finished, tiny):
    assert train("bce", steps=50, **tiny).seconds > finished.seconds


# --- stopping


def test_ctrl_c_ends_after_the_step_with_a_checkpoint_and_the_same_call_goes_on(tiny, at_step, capsys):
    at_step(3, lambda: signal.raise_signal(signal.SIGINT))
    stopped = train("dropout", steps=6, **tiny)
    assert (stopped.step, stopped.interrupted) == (3, True)
    assert "Stopped at step 3 of 6; the same call goes on from there." in capsys.readouterr().out
    assert open_run(stopped.folder).step == 3
    resumed = train("dropout", steps=6, **tiny)
    assert (resumed.step, resumed.interrupted) == (6, False)
    assert "goes on from step 3" in capsys.readouterr().out
    assert same_weights(resumed.generator, train("dropout", run="straight", steps=6, **tiny).generator)


def test_ctrl_c_after_training_is_pythons_own_again(tiny):
    before = signal.getsignal(signal.SIGINT)
    train("bce", steps=1, **tiny)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_breaks():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore Ctrl-C
    with stop_requests() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_training_works_in_a_thread_that_gets_no_signals(tiny):
    runs = []
    thread = threading.Thread(target=lambda: runs.append(train("bce", steps=2, **tiny)))
    thread.start()
    thread.join()
    assert runs[0].step == 2


def test_a_recipe_on_disk_is_readable_and_whole(finished):
    assert json.loads((finished.folder / "recipe.json").read_text())["lr"] == finished.recipe.lr
    assert open_run(finished.folder).recipe == finished.recipe


def test_a_run_draws_the_digits_asked_for(finished):
    images = generate(finished.generator, [7, 7, 3])
    assert images.shape == (3, 1, 28, 28)
    assert not torch.equal(images[0], images[1])  # two latents
