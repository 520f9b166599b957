"""The benchmarks of a GPU and of memory, on a scale that takes seconds."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import gpu_steps
import memory
import pytest
import throughput
import time_to_quality
import torch

from cgan_lib import get_recipe

ROOT = Path(__file__).resolve().parents[1]
SMALL = dict(base_channels=8, base_channels_d=8, batch_size=8, precision="fp32", log_every=10**6)


class Miscounts:
    """A recorder whose replays compute something else: each moves the weights by two steps."""

    def rehearse(self, step, inputs):
        step(*inputs)

    def record(self, step, inputs):
        return lambda inputs: (step(*inputs), step(*inputs))


class Refuses(Miscounts):
    def record(self, step, inputs):
        raise RuntimeError("not on this one")


def test_replayed_steps_and_resumed_runs_agree_on_a_cpu():
    recipe = get_recipe("relativistic", **SMALL)
    row = gpu_steps.replayed_of(recipe, 2)
    assert (row["replayed"], row["refused"], row["difference"], row["of_two_without"]) == (False, "", 0, 0)
    assert row["with_graphs"] > 0
    assert gpu_steps.resumed_of(recipe, deterministic=True)["difference"] == 0


@pytest.fixture
def recording(monkeypatch):
    """A function that has every new trainer record with what it is given."""
    return lambda recorder: monkeypatch.setattr("cgan_lib.training.recorder_for", lambda *_, **__: recorder)


def test_steps_that_replay_something_else_are_wrong(recording):
    recording(Miscounts())
    row = gpu_steps.replayed_of(get_recipe("bce", **SMALL), 2)
    assert row["replayed"]
    assert row["difference"] > gpu_steps.MOST
    assert row["of_two_without"] == 0
    assert gpu_steps.troubles({"replayed": [row]}) == [row]


def test_a_refusal_is_wrong_and_says_why(recording):
    recording(Refuses())
    row = gpu_steps.replayed_of(get_recipe("bce", **SMALL), 2)
    assert not row["replayed"]
    assert "not on this one" in row["refused"]
    assert gpu_steps.troubles({"replayed": [row]}) == [row]


def test_combinations_move_both_networks_or_are_not_offered():
    assert gpu_steps.moves_of("growing", "bce", "fp32") == dict(
        model="growing", loss="bce", precision="fp32", offered=True, G=True, D=True
    )
    assert gpu_steps.moves_of("bce", "relativistic", "bf16")["offered"] is False


def test_weights_that_stay_or_are_not_finite_have_not_moved():
    layer = torch.nn.Linear(2, 1)
    before = [p.detach().clone() for p in layer.parameters()]
    assert not gpu_steps.moved(layer, before)
    with torch.no_grad():
        layer.weight[0, 0] += 1
    assert gpu_steps.moved(layer, before)
    with torch.no_grad():
        layer.weight[0, 1] = torch.nan
    assert not gpu_steps.moved(layer, before)


def test_what_fails_or_differs_is_a_trouble_and_the_others_are_measured(capsys):
    rows = gpu_steps.guarded([(1,), (0,), (2,)], lambda number: {"difference": 1e-9 / number})
    assert [row.get("difference") for row in rows] == [1e-9, None, 5e-10]
    assert rows[1] == {"row": ["0"], "error": "ZeroDivisionError: float division by zero"}
    nan, still = {"difference": float("nan")}, dict(offered=True, G=True, D=False)
    fine = [{"difference": 0.0}, dict(offered=False), dict(offered=True, G=True, D=True)]
    assert gpu_steps.troubles({"a": [*rows, nan], "b": [still, *fine]}) == [rows[1], nan, still]
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_results_are_kept_and_a_trouble_ends_the_script_with_1(tmp_path, monkeypatch):
    for difference, code in ((0.0, 0), (1.0, 1)):
        monkeypatch.setattr(gpu_steps, "measured", lambda quick, d=difference: {"resumed": [{"difference": d}]})
        monkeypatch.setattr(sys, "argv", ["gpu_steps.py", "--out", str(tmp_path / "gpu" / "steps.json")])
        with pytest.raises(SystemExit) as ended:
            gpu_steps.main()
        assert ended.value.code == code
        results = json.loads((tmp_path / "gpu" / "steps.json").read_text("utf-8"))
        assert len(results["troubles"]) == code
        assert results["resumed"] == [{"difference": difference}]


def test_the_script_runs_all_parts_on_packed_data_and_says_which_have_failed(tmp_path):
    """With a Python that only notes what it is asked to run, and on what."""
    python, out, raw = tmp_path / "python", tmp_path / "out", tmp_path / "data" / "MNIST" / "raw"
    python.write_text(
        "#!/bin/sh\n"
        f'if [ "$1" = - ]; then exec {sys.executable} "$@"; fi\n'
        'echo "$@"; ls "$CGAN_DATA/MNIST/raw"\ncase "$*" in *throughput*) exit 3;; esac\n'
    )
    python.chmod(0o755)
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"images"))
    settings = dict(PYTHON=str(python), CGAN_DATA=str(tmp_path / "data"), CGAN_GPU_QUICK="1", TMPDIR=str(tmp_path))
    ended = subprocess.run(
        ["bash", ROOT / "benchmarks" / "gpu.sh", out],
        **dict(env=os.environ | settings, capture_output=True, text=True, timeout=100),
    )
    assert ended.returncode == 1, ended.stderr
    parts = json.loads((out / "summary.json").read_text("utf-8"))["parts"]
    assert [part["part"] for part in parts] == ["tests", "steps", "throughput", "speedrun", "full"]
    assert [part["exit"] for part in parts] == [0, 0, 3, 0, 0]
    log = (out / "log.txt").read_text("utf-8")
    assert log.splitlines().count("train-images-idx3-ubyte") == 5  # unpacked
    for script in ("gpu_steps.py --out", "throughput.py bce --rounds 2 --out", "-m cgan_lib train --profile ci"):
        assert script in log
    assert (raw / "train-images-idx3-ubyte.gz").is_file()
    assert not list(tmp_path.glob("tmp.*"))  # what was unpacked is gone


def test_results_go_where_they_are_asked_to_go(tmp_path, monkeypatch):
    monkeypatch.setattr(throughput, "compare", lambda *_: dict(plain=2.0, ours=1.0, ratio=2.0))
    monkeypatch.setattr(sys, "argv", ["throughput.py", "bce", "--out", str(tmp_path / "a" / "throughput.json")])
    throughput.main()
    assert json.loads((tmp_path / "a" / "throughput.json").read_text("utf-8"))["rows"][0]["recipe"] == "bce"
    row = dict(recipe="bce", seed=0, budget=4.0, steps=9, seconds=4.0, as_requested=99.0, floors=2.0, coverage=0.9)
    monkeypatch.setattr(time_to_quality, "measure", lambda *_: iter([row]))
    monkeypatch.setattr(time_to_quality, "PICTURE", None)  # that of README stays
    monkeypatch.setattr(sys, "argv", ["time_to_quality.py", "bce", "--out", str(tmp_path / "quality.json")])
    time_to_quality.main()
    assert json.loads((tmp_path / "quality.json").read_text("utf-8"))["rows"] == [row]
    assert (tmp_path / "quality.png").read_bytes().startswith(b"\x89PNG")


def test_a_clock_is_read_when_the_gpu_is_done(monkeypatch):
    done = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: done.append(True))
    before = gpu_steps.clock()
    assert gpu_steps.clock() >= before
    assert done == [True, True]


# --- memory.py


STATUS = "Name:\tpython\nVmPeak:\t  900000 kB\nVmHWM:\t  512000 kB\nVmRSS:\t   51200 kB\nThreads:\t2\n"


def test_memory_is_read_from_its_own_line():
    assert memory.megabytes("VmHWM", STATUS) == 500
    assert memory.megabytes("VmRSS", STATUS) == 50
    with pytest.raises(LookupError, match="no VmSwap"):
        memory.megabytes("VmSwap", STATUS)


@pytest.mark.skipif(not memory.STATUS.is_file(), reason="no /proc here")
def test_the_peak_of_a_training_has_what_it_once_held(monkeypatch, digits):
    held = 64 * 2**20  # bytes
    monkeypatch.setattr(memory, "load_data", lambda name, image_size: digits)
    monkeypatch.setattr(memory, "get_recipe", lambda name, precision: get_recipe(name, **SMALL))
    monkeypatch.setattr(memory.Trainer, "fit", lambda trainer, steps: torch.ones(steps * held).sum())
    row = memory.trained("bce", 1, "fp32")
    assert row["peak"] >= row["before"] + 4 * held / 2**20 * 0.9  # four bytes a number, given back by now
    assert (row["recipe"], row["image_size"], row["batch"], row["precision"]) == ("bce", 28, 8, "fp32")


def test_the_table_of_memory_has_the_largest_last():
    row = dict(recipe="dcgan64", image_size=64, batch=128, precision="bf16", before=500, peak=3000)
    lines = memory.table([row, row | dict(recipe="bce", peak=900)]).splitlines()
    assert lines[2:] == [
        "| `bce` | 64×64 | 128 | bf16 | 500 | 900 |",
        "| `dcgan64` | 64×64 | 128 | bf16 | 500 | 3,000 |",
    ]
