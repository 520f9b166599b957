"""What the tests share: a home of its own for each test, tiny settings, and one finished run to look at."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import matplotlib
import pytest
import torch

from cgan_lib import Run, load, train

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # or onnxruntime, once imported, writes into the real home
matplotlib.use("Agg")  # not by MPLBACKEND: the kernels of the notebooks would inherit that and draw nothing
torch.set_num_threads(1)  # the networks here are too small to be worth sharing out


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The home of this test; no data set is at hand but the embedded digits and what the test writes."""
    monkeypatch.setenv("CGAN_HOME", str(tmp_path))
    monkeypatch.setenv("CGAN_PROFILE", "ci")
    monkeypatch.delenv("CGAN_DATA", raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def tiny():
    """Changes to a recipe that make a step take milliseconds."""
    return dict(dataset="digits", batch_size=8, base_channels=8, base_channels_d=8, precision="fp32")


@pytest.fixture(scope="session")
def digits():
    return load("digits")


@pytest.fixture(scope="session")
def _finished_home(tmp_path_factory, tiny):
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CGAN_HOME", str(folder))
        run = train("bce", profile="ci", log_every=5, grid_every=20, save_every=20, **tiny)
    return folder, run


@pytest.fixture
def finished(_finished_home, home) -> Run:
    """A finished run of 40 steps in this test's home: 8 points a curve, grids at 0, 20 and 40, a checkpoint at both."""
    there, run = _finished_home
    shutil.copytree(there, home, dirs_exist_ok=True)
    return replace(run, folder=home / run.folder.relative_to(there))


@pytest.fixture
def notebook():
    """A function that calls another one as a notebook cell would and returns what it displayed, as MIME bundles."""
    import matplotlib.pyplot as plt
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    InteractiveShell.instance()
    plt.switch_backend("module://matplotlib_inline.backend_inline")

    def cell(function, *arguments, **options) -> list[dict]:
        with capture_output(stdout=False, stderr=False) as captured:
            function(*arguments, **options)
        return [output.data for output in captured.outputs]

    yield cell
    plt.switch_backend("Agg")
    InteractiveShell.clear_instance()


@pytest.fixture(scope="session")
def contents():
    """A function: what lies below a folder, path → (bytes, time of change), to tell whether anything was written."""

    def read(folder: Path) -> dict[str, tuple[bytes | None, int]]:
        return {
            str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else None, path.stat().st_mtime_ns)
            for path in sorted(folder.rglob("*"))
        }

    return read


@pytest.fixture(scope="session")
def tensorboard():
    """A context manager: a real TensorBoard on a folder of runs, with the data server that it chooses; its address."""

    @contextmanager
    def serve(folder: Path) -> Iterator[str]:
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", "0"]
        options = ["--host", "127.0.0.1", "--samples_per_plugin", "images=1000"]
        with subprocess.Popen(command + options, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
            try:
                printed = iter(server.stdout.readline, "")
                yield next(found[0] for line in printed if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
            finally:
                server.terminate()

    return serve
