"""TensorBoard below a cell."""

import io
import re
import shlex
import subprocess
import sys
import threading
from contextlib import redirect_stdout
from pathlib import Path

from cgan_lib.course.beside import Beside
from cgan_lib.errors import UserError
from cgan_lib.paths import home, locate, short

OPTIONS = ("--samples_per_plugin", "images=1000")  # it would show ten pictures of a run
ADDRESS = re.compile(r"http://\S+:(\d+)")
_running: dict[Path, tuple[Beside, int]] = {}


def show_tensorboard(folder: str | Path | None = None, height: int = 1000) -> None:
    """Show the runs in `folder` in TensorBoard, `height` pixels high, and print the command that does it in a terminal.

    Default: all runs, those in `logs`. It ends with the notebook. Called again, the same one is shown. `UserError` when
    it does not start.
    """
    from tensorboard import notebook

    folder = (home() / "logs" if folder is None else locate(folder)).resolve()
    process, port = _running.get(folder, (None, 0))
    if process is None or process.poll() is not None:
        _running[folder] = _, port = _start(folder)
    command = shlex.join(["tensorboard", "--logdir", short(folder), *OPTIONS])
    print("In a terminal, in the folder of the course:", command, flush=True)
    if "google.colab" not in sys.modules:  # there it runs on a machine far away
        print(f"In a tab of its own, with more room: http://localhost:{port}", flush=True)
    with redirect_stdout(io.StringIO()):  # it names the folder in full
        notebook.display(port=port, height=height)


def _start(folder: Path) -> tuple[Beside, int]:
    """A TensorBoard, and its port. By this Python's own module: its programs need not be on PATH."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", "0", *OPTIONS]
    process = Beside(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    said = []
    assert process.stderr
    for line in process.stderr:
        said.append(line)
        if found := ADDRESS.search(line):
            threading.Thread(target=process.stderr.read, daemon=True).start()  # or it might wait until somebody reads
            return process, int(found[1])
    raise UserError(f"TensorBoard did not start: {' '.join(said[-1:]).strip()}")
