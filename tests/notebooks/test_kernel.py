"""A real kernel, as Jupyter starts it: its stop button, its TensorBoard, its service, and its death."""

import os
import queue
import re
import signal
import socket
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).resolve().parents[2]
WAIT = 90  # seconds, on a machine with much else to do
TRAIN = """
from cgan_lib import train
tiny = dict(dataset="digits", batch_size=8, base_channels=8, base_channels_d=8, precision="fp32")
run = train("bce", steps=1_000_000, save_every=10, grid_every=1_000_000, **tiny)
"""
TENSORBOARD = "from cgan_lib.course.board import show_tensorboard; show_tensorboard()"


class Kernel:
    """Cells are sent without waiting for those before, as Run All does."""

    def __init__(self, environment: dict[str, str], folder: Path):
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(env=environment, cwd=str(folder))
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=WAIT)

    def send(self, *sources: str) -> list[str]:
        return [self.client.execute(source) for source in sources]

    def reply(self, cell: str) -> dict:
        while True:
            reply = self.client.get_shell_msg(timeout=WAIT)
            if reply["parent_header"]["msg_id"] == cell:
                return reply["content"]

    def shown(self, pattern: str) -> re.Match:
        """The first output from here on that matches."""
        while True:
            try:
                content = self.client.get_iopub_msg(timeout=WAIT)["content"]
            except queue.Empty:
                pytest.fail(f"nothing matches {pattern}")
            text = "\n".join([content.get("text", ""), *map(str, content.get("data", {}).values())])
            if found := re.search(pattern, text):
                return found

    def end(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(tmp_path):
    """A function: a kernel of this Python, whose programs are not on PATH, in a home with a blank in its name."""
    kernels = []

    def start(**environment: str) -> Kernel:
        home = tmp_path / "my home"
        home.mkdir()
        kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        paths = {"PATH": "/usr/bin:/bin", "CGAN_HOME": str(home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        kernels.append(Kernel(kept | paths | environment, tmp_path))
        return kernels[-1]

    yield start
    for each in kernels:
        each.end()


def answers(port: int) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        return direct.open(f"http://127.0.0.1:{port}", timeout=WAIT).status == 200
    except OSError:
        return False


def wait_until(condition) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def is_closed(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_the_stop_button_stops_run_all_and_not_tensorboard_which_ends_with_the_kernel(kernel, tmp_path):
    running = kernel()
    running.send(TENSORBOARD)
    assert running.shown(r"tensorboard --logdir .*")[0] == "tensorboard --logdir logs --samples_per_plugin images=1000"
    port = int(running.shown(r"http://localhost:(\d+)")[1])
    assert running.shown(r"const port = (\d+)")[1] == str(port)
    assert answers(port)

    training, following = running.send(TRAIN, "print('went on')")
    checkpoints = tmp_path / "my home" / "logs" / "digits" / "bce" / "ci" / "checkpoints"
    wait_until(lambda: checkpoints.is_dir() and any(checkpoints.iterdir()))
    running.manager.interrupt_kernel()
    reply = running.reply(training)
    assert reply["status"] == "error"
    assert "KeyboardInterrupt: stopped at step" in "".join(reply["traceback"])
    assert len(reply["traceback"]) == 1  # nothing for a learner to read through
    assert running.reply(following)["status"] == "aborted"
    assert answers(port)  # a stop is for the cell alone

    os.kill(running.manager.provisioner.pid, signal.SIGKILL)
    wait_until(lambda: is_closed(port))


def test_the_service_of_notebook_07_is_asked_past_a_proxy_and_ends_with_the_kernel(kernel):
    """Its cells up to the first pictures, where every request to a proxy ends in nothing."""
    cells = nbformat.read(ROOT / "notebooks" / "07_serving_and_sharing.ipynb", as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    (last,) = [number for number, source in enumerate(code) if "the same bytes:" in source]
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    running = kernel(**nowhere)
    for cell in running.send(*code[: last + 1]):
        reply = running.reply(cell)
        assert reply["status"] == "ok", reply
    assert running.shown(r"the same bytes: (\w+)")[1] == "True"
    running.send("print('port', address)")
    port = int(running.shown(r"port http://127.0.0.1:(\d+)")[1])
    assert answers(port)
    os.kill(running.manager.provisioner.pid, signal.SIGKILL)
    wait_until(lambda: is_closed(port))
