"""`train` and `open_run`: folders, refusals before anything is written, stopping, and going on."""

import errno
import json
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from alike import assert_identical, newest_state, same_weights
from torchvision import datasets

from cgan_lib import UserError, get_recipe, load_generator, open_run, train
from cgan_lib.runs.checkpoint import checkpoints
from cgan_lib.runs.stop import SIGNALS, Stopped, stop_requests

# --- what a run is


def test_a_run_lies_where_its_names_say_and_opens_as_it_ended(home, finished):
    assert finished.folder == home / "logs" / "digits" / "bce" / "ci"
    assert finished.pictures == home / "output_images" / "digits" / "bce" / "ci"
    assert [path.name for path in finished.grids] == [f"fake_images_steps_0000{n}.png" for n in ("00", "20", "40")]
    assert (finished.step, finished.generator.training) == (40, False)
    assert finished.seconds > 0
    for opened in (open_run(finished.folder), open_run(str(finished.folder))):
        assert (opened.recipe, opened.step, opened.seconds) == (finished.recipe, 40, finished.seconds)
        assert same_weights(opened.generator, finished.generator)
        assert not opened.generator.training
    assert json.loads((finished.folder / "recipe.json").read_text())["lr"] == finished.recipe.lr


def test_a_recipe_object_trains_like_its_name_and_the_run_has_the_name_of_the_profile_or_its_own(tiny):
    by_name = train("bce", profile="demo", steps=2, **tiny)
    by_object = train(get_recipe("bce", **tiny), run="my-run_1.2", steps=2)
    assert (by_name.folder.name, by_object.folder.name) == ("demo", "my-run_1.2")
    assert by_name.recipe == by_object.recipe
    assert same_weights(by_name.generator, by_object.generator)


@pytest.mark.parametrize("name", ["bce", "bce_published", "dropout", "projection", "speedrun"])
def test_a_run_gives_the_networks_of_its_newest_checkpoint(name, tiny):
    run = train(name, steps=3, **tiny)
    state = newest_state(run.folder)
    for opened in (run, open_run(run.folder)):
        for network, part in ((opened.discriminator(), "discriminator"), (opened.last_generator(), "generator")):
            assert_identical(dict(network.state_dict()), dict(state[part]))
            assert not network.training
    sampler = state["averaged" if run.recipe.averages else "generator"]
    written = load_generator(run.folder / "generator.safetensors")
    for generator in (run.generator, open_run(run.folder).generator, written):
        assert_identical(dict(generator.state_dict()), dict(sampler))
    assert same_weights(run.last_generator(), run.generator) is (not run.recipe.averages)


def test_offline_the_run_is_one_of_the_embedded_digits_and_says_so(home, tiny, monkeypatch):
    monkeypatch.setattr(datasets.MNIST, "mirrors", [])
    with pytest.warns(UserWarning, match="Using the embedded 8×8 digits"):
        run = train("bce", steps=1, **tiny | dict(dataset="mnist"))
    assert run.recipe.dataset == "digits"
    assert run.folder == home / "logs" / "digits" / "bce" / "ci"


@pytest.mark.parametrize(("n_dis", "steps_g"), [(4, [12, 24]), (100, [])])
def test_a_generator_that_moves_seldom_has_points_where_it_moved(tiny, capsys, n_dis, steps_g):
    run = train("bce", n_dis=n_dis, steps=24, log_every=3, grid_every=12, save_every=12, **tiny)
    curves = run.history()
    assert curves["loss/D"][0].tolist() == [3, 6, 9, 12, 15, 18, 21, 24]
    for name in ("loss/G", "gradient_norm/G"):
        assert (curves[name][0].tolist() if name in curves else []) == steps_g
    assert "D=" in capsys.readouterr().err  # the progress bar shows what there is


def test_showing_and_saving_do_not_change_what_is_learned(tiny):
    often = train("dropout", run="a", steps=6, log_every=1, grid_every=1, save_every=1, **tiny)
    seldom = train("dropout", run="b", steps=6, **tiny)
    assert same_weights(often.generator, seldom.generator)


# --- refusals


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(recipe="bcee"), "unknown recipe 'bcee': did you mean 'bce'"),
        (dict(profile="dmo"), "unknown profile 'dmo': did you mean 'demo'"),
        (dict(device="gpu"), "unknown device 'gpu'"),
        (dict(steps=-1), "steps=-1 must be .*at least 0"),
        (dict(learning_rate=1), "unknown field of a recipe 'learning_rate'"),
        (dict(dataset="digit"), "unknown data set 'digit': did you mean 'digits'"),
        (dict(image_size=30), "image_size 30 does not fit"),
        (dict(batch_size=1501), "batch_size 1501 is more than the 1500 images of digits"),
        (dict(recipe="dropout", batch_size=1), "batch_size"),  # BatchNorm of one number has no variance
        (dict(score="fdi"), "unknown score 'fdi': did you mean 'fid'"),
        (dict(score=7), "unknown score '7': There are: fid, losses"),
        *((dict(run=name), "names a folder") for name in ("a/b", "..", ".", "a b", "a\\b", "/a", "a:b")),
    ],
    ids=str,
)
def test_bad_input_is_refused_before_anything_is_written(home, tiny, changes, message):
    with pytest.raises(UserError, match=message):
        train(**dict(recipe="bce", steps=1) | tiny | changes)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("change", [dict(lr=0.5), dict(seed=1), dict(ema=0.0), dict(loss="minimax")], ids=str)
def test_another_recipe_for_the_same_run_is_refused_by_the_name_of_the_field(finished, tiny, contents, home, change):
    before = contents(home)
    ((name, new),) = change.items()
    old = getattr(finished.recipe, name)
    with pytest.raises(UserError, match=f"is a run of another recipe \\({name} is {old!r} there, not {new!r}\\)"):
        train("bce", **tiny | change)
    assert contents(home) == before


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"name": "bce", "model": "unheard-of"}', "\0"])
def test_a_damaged_recipe_file_is_refused_and_left_alone(finished, tiny, contents, home, text):
    (finished.folder / "recipe.json").write_text(text)
    before = contents(home)
    for attempt in (lambda: train("bce", **tiny), lambda: open_run(finished.folder)):
        with pytest.raises(UserError, match=r"recipe\.json cannot be read as a recipe"):
            attempt()
    assert contents(home) == before


def test_without_a_run_or_a_checkpoint_there_is_nothing_to_open(finished, home):
    with pytest.raises(UserError, match=r"is no run folder \(no recipe\.json\)"):
        open_run(home)
    for path in checkpoints(finished.folder / "checkpoints"):
        path.unlink()
    for attempt in (lambda: open_run(finished.folder), finished.discriminator, finished.last_generator):
        with pytest.raises(UserError, match="has no checkpoint yet: train it first"):
            attempt()


@pytest.mark.parametrize("blocked", ["logs", "output_images"])
def test_a_place_that_cannot_be_written_to_is_named(home, tiny, blocked):
    (home / blocked).write_text("a file where a folder should be")
    with pytest.raises(UserError, match=f"cannot write to .*{blocked}.*set CGAN_HOME"):
        train("bce", steps=1, **tiny)


# --- going on


def test_a_finished_run_is_not_trained_again_only_what_is_missing_is_written(finished, tiny, capsys):
    names = sorted(finished.folder.rglob("*"))
    path = finished.folder / "generator.safetensors"
    path.unlink()  # as if the process had been killed just before it wrote that
    again = train("bce", log_every=5, grid_every=20, save_every=20, **tiny)
    assert "has its 40 steps already" in capsys.readouterr().out
    assert (again.step, again.seconds) == (40, finished.seconds)
    for generator in (again.generator, load_generator(path)):
        assert same_weights(generator, finished.generator)
    assert sorted(finished.folder.rglob("*")) == names  # no new curve, no new checkpoint


def test_length_and_rhythm_may_change_on_the_way(finished, tiny):
    longer = train("bce", steps=44, log_every=1, grid_every=2, save_every=3, **tiny)
    assert longer.step == 44
    assert longer.seconds > finished.seconds
    assert longer.history()["loss/G"][0].tolist() == [5, 10, 15, 20, 25, 30, 35, 40, 41, 42, 43, 44]
    straight = train("bce", run="straight", steps=44, **tiny)
    assert same_weights(longer.generator, straight.generator)


def test_curves_of_the_learning_rates_fall_as_the_recipe_says_also_when_the_run_goes_on(tiny):
    settings = dict(lr=0.004, lr_d=0.001, lr_halved_at=3, log_every=1, **tiny)
    train("bce", steps=4, **settings)
    run, straight = train("bce", steps=8, **settings), train("bce", run="straight", steps=8, **settings)
    for name, lr in (("G", 0.004), ("D", 0.001)):
        steps, values = run.history()[f"learning_rate/{name}"]
        assert steps.tolist() == list(range(1, 9))
        assert values.tolist() == [float(np.float32(lr / (1 + done / 3))) for done in range(8)]
    assert_identical(newest_state(run.folder), newest_state(straight.folder))


def test_a_run_from_before_there_was_a_field_goes_on_with_its_default(finished, tiny):
    path = finished.folder / "recipe.json"
    recipe = json.loads(path.read_text())
    del recipe["lr_halved_at"]
    path.write_text(json.dumps(recipe))
    assert open_run(finished.folder).recipe == finished.recipe
    assert train("bce", **tiny).step == 40
    assert json.loads(path.read_text())["lr_halved_at"] == 0


def test_a_run_whose_checkpoints_have_neither_seal_nor_note_of_measuring_goes_on(finished, tiny):
    path = checkpoints(finished.folder / "checkpoints")[-1]
    state = torch.load(path, weights_only=True)
    del state["unmeasured"]
    torch.save(state, path)
    assert train("bce", steps=42, **tiny).step == 42


def test_a_flipped_bit_costs_the_steps_since_the_checkpoint_before_and_nothing_else(finished, tiny):
    newest = checkpoints(finished.folder / "checkpoints")[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    with pytest.warns(UserWarning, match=r"step_00000040\.pt is damaged"):
        repaired = train("bce", log_every=5, grid_every=20, save_every=20, **tiny)
    assert repaired.step == 40
    assert same_weights(repaired.generator, finished.generator)
    assert repaired.history()["loss/G"][0].tolist() == [5, 10, 15, 20, 25, 30, 35, 40]
    assert newest.with_suffix(".damaged").is_file()


def test_a_passing_read_error_changes_nothing_and_the_same_call_goes_on(finished, tiny, contents, home, monkeypatch):
    before = contents(finished.folder)
    with monkeypatch.context() as patch:
        read_bytes = Path.read_bytes

        def failing(path):
            if path.suffix == ".pt":
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return read_bytes(path)

        patch.setattr(Path, "read_bytes", failing)
        for attempt in (lambda: train("bce", steps=42, **tiny), lambda: open_run(finished.folder)):
            with pytest.raises(UserError, match=r"step_00000040\.pt cannot be read \(.*Input/output error\)"):
                attempt()
    after = contents(finished.folder)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) <= {".lock"}
    assert train("bce", steps=42, **tiny).history()["loss/G"][0].tolist()[:8] == [5, 10, 15, 20, 25, 30, 35, 40]


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP])
def test_where_files_cannot_be_locked_a_run_is_trained_all_the_same_with_a_note(tiny, monkeypatch, code):
    def flock(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.warns(UserWarning, match="logs/digits/bce/ci lies where files cannot be locked: see that nobody else"):
        assert train("bce", steps=1, **tiny).step == 1


def test_a_lock_file_that_may_not_be_opened_is_one_line(finished, tiny, monkeypatch):
    monkeypatch.setattr("fcntl.flock", lambda *_: os.open("/", os.O_WRONLY))
    with pytest.raises(UserError, match=r"cannot write .*\.lock \(Is a directory\)"):
        train("bce", **tiny)


def test_another_number_of_threads_is_noted_when_a_run_goes_on(finished, tiny, recwarn):
    settings = dict(log_every=5, grid_every=20, save_every=20, **tiny)
    train("bce", steps=41, **settings)
    assert not [warning for warning in recwarn if "threads" in str(warning.message)]
    torch.set_num_threads(2)
    try:
        with pytest.warns(
            UserWarning, match="was trained with 1 threads and goes on with 2: .* OMP_NUM_THREADS=1 would"
        ):
            train("bce", steps=42, **settings)
    finally:
        torch.set_num_threads(1)


# --- stopping


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_after_the_step_with_a_checkpoint_and_the_same_call_goes_on(tiny, at_step, capsys, number):
    before = signal.getsignal(number)
    at_step(3, lambda: signal.raise_signal(number))
    with pytest.raises(KeyboardInterrupt, match=r"^stopped at step 3 of 6$") as stopped:
        train("dropout", steps=6, **tiny)
    assert (stopped.value.run.step, stopped.value.signal) == (3, number)
    assert "Stopped at step 3 of 6; the same call goes on from there." in capsys.readouterr().out
    assert open_run(stopped.value.run.folder).step == 3
    resumed = train("dropout", steps=6, **tiny)
    assert resumed.step == 6
    assert "goes on from step 3" in capsys.readouterr().out
    assert same_weights(resumed.generator, train("dropout", run="straight", steps=6, **tiny).generator)
    assert signal.getsignal(number) is before  # afterwards it does what it did


def test_a_stop_at_the_last_step_is_no_success_either(tiny, at_step):
    at_step(3, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Stopped, match=r"^stopped after all 3 steps$"):
        train("bce", steps=3, **tiny)
    assert train("bce", steps=3, **tiny).step == 3


def test_a_terminal_that_is_closed_ends_no_training_under_nohup():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stop_requests() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert not stop.signal
    signal.signal(signal.SIGHUP, before)


def test_a_second_ctrl_c_breaks():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore Ctrl-C
    with stop_requests() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.signal == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_training_works_in_a_thread_that_gets_no_signals(tiny):
    runs = []
    thread = threading.Thread(target=lambda: runs.append(train("bce", steps=2, **tiny)))
    thread.start()
    thread.join()
    assert runs[0].step == 2
