"""`make lab` in a real browser: the first notebook as it opens, and after Run All."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = {name: os.environ[name] for name in ("CGAN_DATA",) if name in os.environ}  # before a test hides it
PANEL = "window.jupyterapp.shell.currentWidget"
CELLS = f"{PANEL}.content.widgets"
CODE = f"{CELLS}.filter(cell => cell.model.type === 'code')"
ERRORS = f"{CODE}.flatMap(cell => cell.model.outputs.toJSON()).filter(output => output.output_type === 'error')"
IDLE = f"{PANEL}.sessionContext.session.kernel.status === 'idle'"
FINISHED = f"() => {ERRORS}.length > 0 || ({CODE}.every(cell => cell.model.executionCount !== null) && {IDLE})"
CLEAR = f"() => {CODE}.forEach(cell => cell.model.clearExecution())"
BROKEN = """async () => {
    const pictures = [...document.querySelectorAll('.jp-Notebook img')];
    await Promise.all(pictures.map(picture => picture.decode().catch(() => {})));
    return pictures.filter(picture => !picture.naturalWidth).map(picture => picture.src.slice(0, 100));
}"""


@pytest.fixture
def course(home) -> Path:
    """A clean copy of the course, its notebooks as this Python's Jupyter would have stored them."""
    for folder in ("notebooks", "output_images/gallery"):  # not as links: Jupyter shows nothing that lies elsewhere
        shutil.copytree(ROOT / folder, home / "course" / folder)
    (home / "course" / "cgan_lib").symlink_to(ROOT / "cgan_lib")
    for path in (home / "course" / "notebooks").glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        notebook.metadata.language_info.version = sys.version.split()[0]
        nbformat.write(notebook, path)
    return home / "course"


@pytest.fixture
def lab(course, home) -> Iterator[str]:
    """The address of what `make lab` starts in the course, with settings of its own and nothing on PATH."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    make = ["make", "--dry-run", "lab", f"BIN={Path(sys.executable).parent}"]
    command = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    options = [
        *("--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root", "--expose-app-in-browser"),
        *("--IdentityProvider.token=", f"--LabApp.user_settings_dir={home / 'settings'}"),
        f"--LabApp.workspaces_dir={home / 'workspaces'}",
    ]
    environment = os.environ | DATA | {"PATH": "/usr/bin:/bin", "JUPYTER_CONFIG_DIR": str(home / "jupyter")}
    with (home / "lab.log").open("w") as log:
        process = subprocess.Popen(
            [*shlex.split(command), *options], cwd=course, env=environment, stdout=log, stderr=log
        )
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert process.poll() is None, (home / "lab.log").read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


@pytest.mark.timeout(300)
def test_the_first_notebook_opens_unmodified_with_all_its_pictures_and_run_all_runs_all(lab, page):
    page.goto(lab, timeout=120_000)
    page.wait_for_function(f"() => window.jupyterapp && {PANEL}?.sessionContext", timeout=90_000)
    page.evaluate(f"() => {PANEL}.sessionContext.ready")
    page.wait_for_function(f"() => {IDLE} && document.querySelector('.jp-Notebook img')", timeout=60_000)
    assert page.url.endswith("/lab/tree/notebooks/00_start_here.ipynb")
    assert page.evaluate(BROKEN) == []
    assert not page.evaluate(f"() => {PANEL}.context.model.dirty")

    page.evaluate(CLEAR)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    page.wait_for_function(FINISHED, timeout=240_000)
    assert page.evaluate(f"() => {ERRORS}.map(output => output.evalue)") == []
    for number in range(page.evaluate(f"() => {CELLS}.length")):  # only those in sight are in the page
        page.evaluate(f"number => {PANEL}.content.scrollToItem(number)", number)
        assert page.evaluate(BROKEN) == []
    board = page.locator("iframe[id^=tensorboard-frame]")
    board.content_frame.locator("tb-webapp").wait_for(timeout=60_000)
    assert board.bounding_box()["height"] >= 1000
