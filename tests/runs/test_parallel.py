"""Several processes: they compute what one does, one writes, and none is waited for in vain. Started by torchrun."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from alike import assert_identical, newest_state
from parallel_runs import TINY
from parallel_steps import all_steps, recipes

from cgan_lib import UserError, open_run, train
from cgan_lib.evaluation.scores import ROWS
from cgan_lib.runs import Stopped
from cgan_lib.runs.checkpoint import checkpoints
from cgan_lib.runs.launch import _result
from cgan_lib.training import Diverged

HERE = Path(__file__).parent
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def environment(home: Path) -> dict[str, str]:
    paths = os.pathsep.join(sys.path)
    return os.environ | {"CGAN_HOME": str(home), "CGAN_PROFILE": "ci", "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}


def torchrun(home: Path, *command: str, fails: bool = False) -> str:
    """What two processes of this command have said of errors; each of them ends well, unless one `fails`."""
    done = subprocess.run(
        [*TORCHRUN, *command], env=environment(home), cwd=home, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode != 0) is fails, done.stderr
    return done.stderr


# --- one step


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """What one process computes, what two do, and whether these two agree: recipe → step → name → tensor."""
    folder = tmp_path_factory.mktemp("steps")
    torchrun(folder, str(HERE / "parallel_steps.py"), str(folder / "two.pt"))
    two = torch.load(folder / "two.pt", weights_only=True)
    return all_steps(), two["found"], two["alike"]


def distance(one: dict, other: dict, kind: str) -> float:
    """How far the tensors of a kind are from each other, relative to their length."""
    names = [name for name in one if name.startswith(kind)]
    a, b = (torch.cat([seen[name].flatten().double() for name in names]) for seen in (one, other))
    return ((a - b).norm() / a.norm().clamp(min=1e-12)).item()


@pytest.mark.parametrize("name", sorted(recipes()))
def test_two_processes_compute_what_one_does_with_the_joined_batch(steps, name):
    """Gradients of the discriminator and of the generator, BatchNorm's statistics and metrics, in the first steps."""
    one, two, _ = steps
    tolerance = {"bf16": 0.1, "fp16": 0.02}.get(name, 1e-5)
    assert len(one[name]) == len(two[name]) == 2
    for alone, shared in zip(one[name], two[name], strict=True):
        assert alone.keys() == shared.keys()
        for kind in ("D gradient", "G gradient", "metric"):
            seen = [tensor for key, tensor in alone.items() if key.startswith(kind)]
            if seen and all(tensor.isfinite().all() for tensor in seen):  # fp16 overflows at first
                assert distance(alone, shared, kind) < tolerance, kind
        for kind in ("D weight", "G weight", "G buffer", "D buffer", "average weight"):
            # Adam makes a step as long as any of the rounding error that is the gradient of a bias before a norm
            if any(key.startswith(kind) for key in alone):
                assert distance(alone, shared, kind) < max(tolerance, 1e-3), kind


def test_both_processes_have_the_same_networks_bit_for_bit(steps):
    assert steps[2] == [True, True]


# --- a run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A home with runs that two processes, or one and two in turn, have trained; and what each process saw."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CGAN_HOME", str(folder))
        patch.setenv("CGAN_PROFILE", "ci")
        train("bce", run="mixed", steps=4, **TINY)
        torchrun(folder, str(HERE / "parallel_runs.py"), "all", str(folder / "seen"))
        assert train("bce", run="mixed", steps=8, processes=2, **TINY).step == 8
        with pytest.warns(UserWarning, match="trained with 2 processes and goes on with 1"):
            train("bce", run="mixed", steps=12, **TINY)
        train("bce", run="alone", steps=12, **TINY)
    seen = [json.loads((folder / f"seen-{number}.json").read_text()) for number in range(2)]
    return folder / "logs" / "digits" / "bce", seen


def test_only_the_first_process_writes(runs):
    _, (first, second) = runs
    assert first["changed"] != []
    assert second["changed"] == []
    assert (first["step"], second["step"]) == (12, 12)


def test_a_run_in_parts_ends_with_the_bits_of_one_that_was_never_stopped(runs):
    folder, _ = runs
    assert_identical(newest_state(folder / "parts"), newest_state(folder / "straight"))


@pytest.mark.parametrize("name", ["mixed", "straight"])
def test_from_one_process_to_two_and_back_a_run_learns_what_one_process_does(runs, name):
    folder, _ = runs
    alone, other = (newest_state(folder / run) for run in ("alone", name))
    assert other["processes"] == (1 if name == "mixed" else 2)
    for part in ("generator", "discriminator", "averaged"):
        assert distance(alone[part], other[part], "") < 1e-3
    curves = [open_run(folder / run).history() for run in ("alone", name)]
    assert curves[0].keys() == curves[1].keys()
    for curve in ("loss/D", "loss/G", "score/fid", "vitals/normalised_together"):
        steps, values = zip(*(each[curve] for each in curves), strict=True)
        assert steps[0][-1] == steps[1][-1]
        assert values[0][-1] == pytest.approx(values[1][-1], rel=0.01)


def test_measuring_is_divided_and_all_have_the_scores(runs):
    _, (first, second) = runs
    assert (first["drawn"], second["drawn"]) == ([51], [50])
    one, other = ({name: each["divided"][name] for name in ROWS if name != "gan_train"} for each in (first, second))
    assert one == pytest.approx(other, rel=1e-6, nan_ok=True)  # up to rounding: by where in memory arrays begin
    assert first["divided"]["fid"] == pytest.approx(second["undivided"]["fid"], rel=1e-3)
    assert first["divided"]["as_requested"] == pytest.approx(second["undivided"]["as_requested"], abs=1.1)


def test_what_is_wrong_is_said_in_all_processes(runs):
    _, both = runs
    for seen in both:
        assert seen["alone_in_trouble"] == "only the second process knew this"
        assert seen["indivisible"] == "batch_size 9 cannot be divided among 2 processes: take 10."
        assert "with device=cuda each has a GPU of its own" in seen["one_gpu"]
        assert "is a run of another recipe (lr is" in seen["other_recipe"]


# --- a run that is ended


def newest_step(folder: Path) -> int:
    return newest_state(folder)["step"]


def test_when_a_process_is_killed_the_others_say_so_and_the_run_goes_on_from_its_checkpoint(home):
    said = torchrun(home, str(HERE / "parallel_runs.py"), "die", "-", fails=True)
    assert "error: another process of this training has ended" in said
    folder = home / "logs" / "digits" / "bce" / "killed"
    assert newest_step(folder) == 4
    assert not [*folder.rglob("*.partial")]
    with pytest.warns(UserWarning, match="trained with 2 processes"):
        assert train("bce", run="killed", steps=12, **TINY).step == 12


def wait_for_checkpoint(folder: Path) -> None:
    until = time.monotonic() + 120
    while not checkpoints(folder / "checkpoints"):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_sigterm_to_torchrun_saves_and_ends(home):
    options = [word for name, value in TINY.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    command = ["-m", "--", "cgan_lib", "train", "bce", "--run", "long", "--steps", "100000", *options]
    folder = home / "logs" / "digits" / "bce" / "long"
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    process = subprocess.Popen([*TORCHRUN, *command], env=environment(home), cwd=home, **pipes)
    wait_for_checkpoint(folder)
    process.terminate()
    said, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert f"Stopped at step {newest_step(folder)} of 100000; the same call goes on from there." in said
    assert said.count("Stopped at") == 1
    assert (folder / "generator.safetensors").is_file()


# --- processes that `train` starts


def test_train_starts_processes_and_ctrl_c_reaches_them(home):
    folder = home / "logs" / "digits" / "bce" / "ci"

    def interrupt() -> None:
        wait_for_checkpoint(folder)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT), os.environ.copy()
    threading.Thread(target=interrupt).start()
    with pytest.raises(Stopped, match="stopped at step") as stopped:
        train("bce", steps=100_000, processes=2, **TINY)
    step = stopped.value.run.step
    assert (stopped.value.signal, newest_step(folder)) == (signal.SIGINT, step)
    assert (signal.getsignal(signal.SIGINT), os.environ.copy()) == before


@pytest.mark.parametrize(
    ("kinds", "died", "expected", "message"),
    [
        (("ProcessLost", "Diverged"), "process 0 ended (1)", Diverged, "said by 1"),
        (("UserError", "ProcessLost"), "process 1 ended (1)", UserError, "said by 0"),
        (("ProcessLost",), "process 1 ended (SIGKILL)", UserError, "said by 0"),
        ((), "process 1 ended (SIGKILL)", UserError, "process 1 ended .SIGKILL.: look for its message above"),
        ((), "stopped", KeyboardInterrupt, None),
    ],
    ids=str,
)
def test_of_what_processes_say_that_failed_the_cause_is_raised(kinds, died, expected, message):
    notes = {f"failed-{rank}": {"kind": kind, "message": f"said by {rank}"} for rank, kind in enumerate(kinds)}
    with pytest.raises(expected, match=message) as raised:
        _result(notes, died)
    assert type(raised.value) is expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(processes=0), "processes=0 must be a whole number from 1 to 64"),
        (dict(processes="two"), "processes='two' must be a whole number"),
        (dict(processes=3), "batch_size 8 cannot be divided among 3 processes: take 9"),
        (dict(live=True), "live=True draws in this one"),
        (dict(score=lambda generator: 1.0), "a score of your own cannot be sent"),
        (dict(watch=lambda step, best: True), "watch cannot be sent"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_what_cannot_be_done_in_several_processes_is_refused_before_they_start(home, changes, message):
    with pytest.raises(UserError, match=message):
        train("bce", **dict(processes=2) | TINY | changes)
    assert [*home.iterdir()] == []
