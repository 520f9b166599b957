"""A run that is killed at any moment, again and again, ends exactly like one that never was."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
from alike import assert_identical, newest_state

from cgan_lib import UserError, load_generator, train
from cgan_lib.cli import main
from cgan_lib.runs.checkpoint import checkpoints
from cgan_lib.runs.logbook import read_scalars
from cgan_lib.runs.tensorboard_layout import name_of

fcntl, pty, termios = map(pytest.importorskip, ("fcntl", "pty", "termios"))  # of Unix
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes as Unix does")

STEPS = 120
RHYTHM = dict(log_every=5, grid_every=20, save_every=10)
CURVES = {"loss/G", "loss/D", "probability/D(x)", "probability/D(G(z))", "gradient_norm/G", "gradient_norm/D"}
SCORES = {"score/fid", "score/precision", "score/recall", "score/coverage", "score/as_requested"}
# Who chooses the best generator of a run that is killed again and again
SCORE = {"bce": "fid", "dropout": "losses"}
DEATHS = random.Random(2024)
MOMENTS = [
    "before:recipe.json",
    "after:fake_images_steps_000000.png",
    "step:7",  # before the first checkpoint
    "after:best_generator.safetensors",  # chosen at step 10, whose checkpoint does not know it
    "before:step_00000010.pt",  # the curves are on the disk up to step 10, a checkpoint is not
    "again:step_00000020.pt",  # which is measured, but not yet known to be
    f"step:{DEATHS.randint(21, 50)}",
    "sleep:step_00000060.pt",
    "after:step_00000070.pt",  # before old ones are deleted and it is measured
    "outside:step_00000080.pt",
    f"step:{DEATHS.randint(101, 119)}",
    "before:fake_images_steps_000120.png",
    "before:generator.safetensors",
    "never",
]


class Nursery:
    """Trains in processes that are killed; see killed_training.py."""

    def __init__(self):
        program = [sys.executable, str(Path(__file__).with_name("killed_training.py"))]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "CGAN_PROFILE": "ci"}
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process = subprocess.Popen(program, env=environment, text=True, bufsize=1, **pipes)

    def start(self, home: Path, moment: str, **arguments) -> int:
        """Begin to train, by a clock that is an hour slow or fast; returns the process id."""
        job = dict(home=str(home), moment=moment, clock=DEATHS.choice((-3600, 0, 3600)), **arguments)
        self.process.stdin.write(json.dumps(job) + "\n")
        return int(self.process.stdout.readline())

    def end(self) -> int:
        """Wait for the process that was started last; returns its exit code."""
        return int(self.process.stdout.readline())

    def train(self, home: Path, moment: str = "never", **arguments) -> int:
        """Train until the end, or until killed at `moment`; returns the exit code."""
        process = self.start(home, moment, **arguments)
        kind, _, name = moment.partition(":")
        if kind in ("sleep", "outside"):
            wait_for(lambda: list(home.rglob(f".{name}.*.partial" if kind == "sleep" else name)))
            time.sleep(DEATHS.uniform(0, 0.03))
            os.kill(process, signal.SIGKILL)
        return self.end()


@pytest.fixture(scope="module")
def nursery():
    nursery = Nursery()
    yield nursery
    nursery.process.stdin.close()
    nursery.process.wait()


def wait_for(condition, seconds: float = 300):
    """What `condition()` gives as soon as that is true."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)
    return result


def assert_same_run(folder: Path, other: Path):
    """The same networks, average, optimisers, weight files and curves."""
    assert_identical(newest_state(folder), newest_state(other))
    for name in ("generator.safetensors", "best_generator.safetensors"):
        paths = [run / name for run in (folder, other)]
        assert paths[0].is_file() == paths[1].is_file(), name
        if paths[0].is_file():
            assert_identical(*(load_generator(path).state_dict() for path in paths))
    curves, expected = read_scalars(folder), read_scalars(other)
    assert curves.keys() == expected.keys()
    for name, (steps, values) in curves.items():
        assert steps.tolist() == expected[name][0].tolist(), name
        if name in CURVES | SCORES:
            assert values.tolist() == expected[name][1].tolist(), name


@pytest.fixture(scope="module")
def homes(nursery, tmp_path_factory, tiny):
    """Two homes with the runs `bce` and `dropout`: one never interrupted, one killed at MOMENTS or a few of them."""
    whole, killed = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("killed")
    for recipe, moments in (("bce", MOMENTS), ("dropout", MOMENTS[4:9] + MOMENTS[-1:])):
        print(f"the processes of {recipe} die at", moments)
        settings = dict(recipe=recipe, score=SCORE[recipe], steps=STEPS, **tiny, **RHYTHM)
        assert nursery.train(whole, **settings) == 0
        codes = [nursery.train(killed, moment, **settings) for moment in moments]
        assert dict(zip(moments, codes, strict=True)) == {m: 0 if m == "never" else -9 for m in moments}
    return whole, killed


@pytest.mark.parametrize("recipe", ["bce", "dropout"])  # the discriminator of `dropout` draws random numbers
def test_killed_again_and_again_a_run_ends_bit_identical_to_an_uninterrupted_one(homes, recipe):
    whole, killed = (home / "logs" / "digits" / recipe / "ci" for home in homes)
    assert_same_run(killed, whole)
    assert (newest_state(killed)["step"], newest_state(killed)["chosen_by"]) == (STEPS, SCORE[recipe])
    assert (killed / "best_generator.safetensors").is_file()
    pictures = [home / "output_images" / "digits" / recipe / "ci" for home in homes]
    names = [sorted(path.name for path in folder.glob("*.png")) for folder in pictures]
    assert names[0] == names[1]
    for name in names[0]:
        assert (pictures[0] / name).read_bytes() == (pictures[1] / name).read_bytes(), name


@pytest.mark.parametrize(
    ("recipe", "changes"),
    [
        ("projection", dict(feature_dim=8, n_dis=2)),  # spectral norm has vectors of its own
        ("relativistic", dict(lr_halved_at=15)),  # a penalty every 8 steps
        ("dcgan64_progressive", dict(image_size=32, grow_every=10)),
    ],
)
def test_a_run_with_a_rhythm_of_its_own_that_was_killed_ends_bit_identical_too(
    nursery, tmp_path, recipe, changes, tiny
):
    settings = dict(recipe=recipe, steps=40, **tiny, **RHYTHM, **changes)
    for home, moments in (("whole", ()), ("killed", ("step:17", "before:step_00000030.pt"))):
        for moment in moments:
            assert nursery.train(tmp_path / home, moment, **settings) == -9
        assert nursery.train(tmp_path / home, **settings) == 0
    assert_same_run(*(tmp_path / home / "logs" / "digits" / recipe / "ci" for home in ("killed", "whole")))


WATCHED = {
    f"vitals/{name}"
    for name in (
        *("step_size/G", "step_size/D", "gradient_repeats/G", "gradient_repeats/D"),
        *("gradient_leaks", "latents_repeat", "normalised_together"),
    )
}


def steps_of(name: str) -> list[int]:
    """The steps at which a curve of a whole run has its points."""
    if name.startswith("vitals/"):  # some need two steps before
        return list(range(0 if name not in WATCHED else RHYTHM["grid_every"], STEPS + 1, RHYTHM["grid_every"]))
    every = RHYTHM["save_every" if name in SCORES else "log_every"]
    return list(range(every, STEPS + 1, every))


@pytest.mark.parametrize("recipe", ["bce", "dropout"])
def test_curves_of_a_killed_run_have_each_step_once_and_in_order(homes, recipe):
    curves = read_scalars(homes[1] / "logs" / "digits" / recipe / "ci")
    assert curves.keys() >= CURVES | SCORES
    for name, (steps, _) in curves.items():
        assert steps.tolist() == steps_of(name), name


def test_a_killed_run_leaves_nothing_half_written(homes):
    assert [path for path in homes[1].rglob("*") if path.suffix in (".partial", ".damaged")] == []


@pytest.fixture(scope="module")
def board(homes, tensorboard):
    """A function: what a real TensorBoard answers to a request for the runs that were killed."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with tensorboard(homes[1] / "logs") as address:

        def get(request: str, **parameters):
            query = urllib.parse.urlencode(parameters)
            with direct.open(f"{address}/data/plugin/{request}?{query}", timeout=30) as answer:
                return json.load(answer)

        yield get


@pytest.mark.parametrize("recipe", ["bce", "dropout"])
def test_tensorboard_shows_each_step_of_a_killed_run_once_and_in_order(board, recipe):
    run = f"digits/{recipe}/ci"
    tags = {tag: name_of(tag) for tag in wait_for(lambda: board("scalars/tags").get(run))}
    assert set(tags.values()) >= CURVES | SCORES

    def steps(tag):
        return [step for _, step, _ in board("scalars/scalars", run=run, tag=tag)]

    wait_for(lambda: steps("loss/G")[-1] == STEPS)  # it reads the files bit by bit
    for tag, name in tags.items():
        assert steps(tag) == steps_of(name), tag
    for kind in ("fake", "real"):
        images = board("images/images", run=run, tag=f"samples/{kind}", sample=0)
        assert [image["step"] for image in images] == list(range(0, STEPS + 1, 20))


def test_a_run_made_longer_is_the_same_as_one_that_was_long_from_the_start(nursery, home, homes, tiny):
    for steps in (47, STEPS):  # 47: neither a checkpoint nor a point of the curves is due there
        assert nursery.train(home, recipe="dropout", score="losses", steps=steps, **tiny, **RHYTHM) == 0
    folder, whole = (place / "logs" / "digits" / "dropout" / "ci" for place in (home, homes[0]))
    assert_identical(newest_state(folder), newest_state(whole))
    curves = read_scalars(folder)
    for name in ("loss/G", "score/fid"):
        assert curves[name][0].tolist() == sorted([*steps_of(name), 47])


def test_a_second_process_on_the_same_run_is_refused_while_the_first_one_trains(nursery, home, tiny):
    folder = home / "logs" / "digits" / "bce" / "ci"
    first = nursery.start(home, "never", recipe="bce", steps=100_000, **tiny, **RHYTHM)
    wait_for(lambda: checkpoints(folder / "checkpoints"))
    try:
        with pytest.raises(UserError, match="another process is training logs/digits/bce/ci"):
            train("bce", steps=100_000, **tiny, **RHYTHM)
    finally:
        os.kill(first, signal.SIGKILL)
    assert nursery.end() == -9  # the first was not disturbed
    step = newest_state(folder)["step"]
    assert train("bce", steps=step + 1, **tiny, **RHYTHM).step == step + 1  # nor does its lock outlive it


@pytest.fixture(scope="module")
def not_stopped(nursery, tmp_path_factory, tiny):
    """Settings of a run of 150 steps, and the folder of one that no signal has ended."""
    settings = dict(steps=150, **tiny, **RHYTHM)
    home = tmp_path_factory.mktemp("not stopped")
    assert nursery.train(home, recipe="dropout", **settings) == 0
    return settings, home / "logs" / "digits" / "dropout" / "ci"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_with_128_more_and_the_same_command_goes_on_to_the_same_end(
    not_stopped, home, number
):
    settings, whole = not_stopped
    arguments = ["train", "dropout", "--run", "stopped"]
    for name, value in settings.items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    command = [sys.executable, "-m", "cgan_lib", *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    folder = home / "logs" / "digits" / "dropout" / "stopped"
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        wait_for(lambda: checkpoints(folder / "checkpoints"))
        process.send_signal(number)
        printed = process.communicate()[0]
    assert process.returncode == 128 + number
    stopped_at = newest_state(folder)["step"]
    assert 10 <= stopped_at < settings["steps"]
    assert f"Stopped at step {stopped_at} of {settings['steps']}" in printed
    assert (folder / "generator.safetensors").is_file()
    assert main(arguments) == 0
    assert_identical(newest_state(folder), newest_state(whole))


def test_a_terminal_that_is_closed_ends_the_command_with_129_and_all_is_saved(home, tiny):
    arguments = ["train", "bce", "--steps", "100000"]
    for name, value in (tiny | RHYTHM).items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    outside, terminal = pty.openpty()
    os.set_blocking(outside, False)
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), terminal)
    own = dict(start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    process = subprocess.Popen([sys.executable, "-m", "cgan_lib", *arguments], env=environment, **streams, **own)
    os.close(terminal)
    folder = home / "logs" / "digits" / "bce" / "ci"

    def saved():
        with suppress(BlockingIOError):
            os.read(outside, 1 << 16)  # else it fills up
        return checkpoints(folder / "checkpoints")

    wait_for(saved)
    os.close(outside)
    assert process.wait(300) == 128 + signal.SIGHUP
    assert newest_state(folder)["step"] >= 10
    assert (folder / "generator.safetensors").is_file()


def test_a_run_whose_learning_rates_fall_to_zero_goes_on_with_its_own_length_alone(tiny):
    settings = dict(lr_to_zero=True, **tiny | dict(steps=6))

    class Interrupted(Exception):
        pass

    def stop(generator):
        raise Interrupted

    with pytest.raises(Interrupted):
        train("bce", score=stop, **settings | dict(save_every=3))
    with pytest.raises(UserError, match=r"fall to zero at step 6: go on with steps=6 \(not 8\), or train anew"):
        train("bce", **settings | dict(steps=8))
    assert train("bce", **settings).step == 6
