"""`train` and `open_run`: folders, refusals before anything is written, stopping, and going on."""

import copy
import json
import signal
import sys
import threading
from itertools import pairwise

import numpy as np
import pytest
import torch
from torchvision import datasets

from cgan_lib import UserError, generate, get_recipe, load_generator, open_run, train
from cgan_lib.checkpoint import checkpoints
from cgan_lib.runs import run_folder, stop_requests
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


# --- the best generator


def scored(*values):
    """A score that gives these values one after the other, and remembers the weights that it was asked about."""
    left, seen = list(values), []

    def score(generator):
        seen.append(copy.deepcopy(generator))
        return left.pop(0)

    score.seen, score.left = seen, left
    return score


def about(path):
    """Who chose the best generator, when, and for which value."""
    said = facts(path)
    return said["chosen_by"], int(said["steps"]), float(said["value"])


@pytest.mark.parametrize("name", ["bce", "bce_published"])
def test_a_score_is_a_curve_and_the_lowest_chooses_the_best_generator(name, tiny):
    score = scored(3.0, 1.0, 2.0, 1.0)
    run = train(name, steps=8, save_every=2, score=score, **tiny)
    steps, values = run.history()["score"]
    assert (steps.tolist(), values.tolist()) == ([2, 4, 6, 8], [3.0, 1.0, 2.0, 1.0])
    assert run.best == run.folder / "best_generator.safetensors"
    assert about(run.best) == ("score", 4, 1.0)
    then = train(name, run="shorter", steps=4, **tiny).generator
    assert same_weights(load_generator(run.best), then)
    assert same_weights(score.seen[1], then)  # it was asked about the generator that draws the samples
    assert not same_weights(load_generator(run.best), run.generator)


def test_the_best_score_is_remembered_when_the_run_goes_on(tiny):
    rhythm = dict(save_every=2, **tiny)
    train("bce", steps=4, score=scored(2.0, 1.0), **rhythm)
    run = train("bce", steps=8, score=scored(1.5, 1.0), **rhythm)
    assert about(run.best) == ("score", 4, 1.0)
    run = train("bce", steps=10, score=scored(0.5), **rhythm)
    assert about(run.best) == ("score", 10, 0.5)
    assert run.history()["score"][1].tolist() == [2.0, 1.0, 1.5, 1.0, 0.5]


def test_a_score_that_comes_later_does_not_compete_with_losses_nor_the_other_way_round(tiny):
    rhythm = dict(log_every=2, save_every=10, **tiny)
    by_losses = train("bce", steps=40, **rhythm)
    assert about(by_losses.best)[0] == "losses"
    by_score = train("bce", steps=50, score=scored(1000.0), **rhythm)
    assert about(by_score.best) == ("score", 50, 1000.0)
    train("bce", steps=60, score=scored(-1000.0), **rhythm)
    assert about(train("bce", steps=120, **rhythm).best)[0] == "losses"


def test_a_checkpoint_out_of_turn_is_not_scored(tiny):
    score = scored(2.0, 1.0)
    run = train("bce", steps=5, save_every=2, score=score, **tiny)
    assert score.left == []
    assert open_run(run.folder).step == 5
    assert run.history()["score"][0].tolist() == [2, 4]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), torch.tensor(float("nan"))])
def test_a_score_that_is_no_number_ends_the_training_with_the_checkpoint_before(tiny, value):
    with pytest.raises(UserError, match=r"the score at step 4 is (nan|inf): score\(generator\) must return a number"):
        train("bce", steps=8, save_every=2, score=scored(1.0, value), **tiny)
    run = train("bce", steps=4, save_every=2, score=scored(2.0), **tiny)  # put right, it goes on
    assert about(run.best) == ("score", 2, 1.0)


@pytest.mark.parametrize("name", ["bce", "bce_published"])
def test_a_score_may_use_the_generator_and_random_numbers_as_it_likes(name, tiny):
    def score(generator):
        assert not generator.training
        return generator(torch.randn(8, 100), torch.arange(8)).std().item()

    watched = train(name, run="watched", steps=6, save_every=2, score=score, **tiny)
    assert same_weights(watched.generator, train(name, steps=6, **tiny).generator)


def best_by_the_rule(curves, points):
    """The rule as its module states it, in other words: (number of the best window, its loss), windows from 1."""
    g, d = (curves[name][1].reshape(-1, points) for name in ("loss/G", "loss/D"))
    levels, noise = np.abs(d.mean(1)).clip(0.1), d.std(1)
    steady = [abs(b - a) <= 0.2 * level for (a, b), level in zip(pairwise(d.mean(1)), levels, strict=False)]
    stable = [False, *(s and n < 0.5 * level for s, n, level in zip(steady, noise[1:], levels[1:], strict=True))]
    losses = np.where(stable, g.mean(1), np.inf)
    return int(losses.argmin()) + 1, losses.min()


@pytest.mark.parametrize("name", ["bce", "bce_published"])
def test_without_a_score_the_rule_for_losses_chooses(name, tiny):
    run = train(name, steps=60, log_every=2, save_every=10, **tiny)
    window, loss = best_by_the_rule(run.history(), points=5)
    assert np.isfinite(loss)
    assert about(run.best) == ("losses", 10 * window, pytest.approx(loss))
    then = train(name, run="shorter", steps=10 * window, **tiny).generator
    assert same_weights(load_generator(run.best), then)
    assert "score" not in run.history()


def test_a_run_stopped_in_the_middle_of_a_window_ends_with_the_same_best_generator(tiny, at_step):
    rhythm = dict(steps=40, log_every=2, save_every=10, **tiny)
    straight = train("bce", run="straight", **rhythm)
    for stop in (10, 33):
        at_step(stop, lambda: signal.raise_signal(signal.SIGINT))
        assert train("bce", run="stopped", **rhythm).interrupted
    stopped = train("bce", run="stopped", **rhythm)
    assert about(stopped.best) == about(straight.best)
    assert same_weights(load_generator(stopped.best), load_generator(straight.best))


def test_before_any_window_is_stable_there_is_no_best_generator(tiny):
    assert train("bce", steps=2, save_every=2, log_every=1, **tiny).best is None


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
