"""Every command and every line of Python in README and docs/ does what it says, in order, in a copy of the course."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from cgan_lib import load_data

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
VENV = Path(sys.prefix)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SERVERS = {  # what stays until it is stopped: beginning of the command → where it answers
    "cgan serve": "http://localhost:8000/healthz",
    "python -m http.server 8001": "http://localhost:8001/",
}
STEPS = re.compile(r"(?<=--steps )\d+|(?<=steps=)\d+")  # a page tells of as many as show something; fewer do the same
PATIENCE = 300  # seconds that one command may take on a busy machine

pytestmark = pytest.mark.skipif(
    not (VENV / "bin" / ".installed").is_file(), reason="the environment is not one of `make`"
)


def blocks(page: Path, *languages: str) -> list[tuple[str, str]]:
    """Language and text of each block of code in a page."""
    return [(language, text) for language, text in BLOCK.findall(page.read_text()) if language in languages]


def plain(command: str) -> str:
    """A command without its comment."""
    return shlex.join(shlex.split(command, comments=True))


def commands(text: str) -> list[str]:
    """The commands of a block, a line each unless it ends in a backslash."""
    return [line for line in text.replace("\\\n", "").splitlines() if shlex.split(line, comments=True)]


@pytest.fixture(scope="module", params=PAGES, ids=lambda page: page.name)
def page(request) -> Path:
    return request.param


@pytest.fixture(scope="module")
def course(page, tmp_path_factory) -> Path:
    """What git knows of the course, in a folder with a space, beside the environment of these tests."""
    folder = tmp_path_factory.mktemp("a course") / "main"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
            os.utime(folder / name, (0, 0))  # older than what is installed: `make` must not install the copy
    (folder / ".venv").symlink_to(VENV)
    return folder


@pytest.fixture(scope="module")
def first_commands() -> set[str]:
    """What pages have begun with, and has worked: in the clean copy of another page it would do the same again."""
    return set()


@pytest.fixture(scope="module")
def environment(course) -> dict[str, str]:
    if load_data("mnist", train=False).name != "mnist":
        pytest.skip("the folders that the commands name are those of real MNIST, which is not to be had")
    return os.environ | {"CGAN_HOME": str(course), "CGAN_PROFILE": "ci", "PYTHONPATH": str(course)}


def in_shell(command: str) -> list[str]:
    return ["bash", "-c", f"source .venv/bin/activate\n{STEPS.sub('10', command)}"]


@contextmanager
def running(command: str, address: str, course: Path, environment: dict[str, str]) -> Iterator[None]:
    """A server that was started by a command, from its first answer on."""
    server = subprocess.Popen(in_shell(f"exec {command}"), cwd=course, env=environment)
    try:
        _wait_for(address, server)
        yield
        server.send_signal(signal.SIGINT)
        assert server.wait(60) in (0, 130, -signal.SIGINT)
    finally:
        server.kill()
        server.wait()


def _wait_for(address: str, server: subprocess.Popen) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert server.poll() is None, f"ended with {server.returncode} before {address} answered"
        try:
            httpx.get(address, trust_env=False)
            return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(f"{address} did not answer in {PATIENCE} s")


def test_the_commands_of_a_shell_work_in_their_order(page, course, environment, first_commands):
    in_order = [command for _, text in blocks(page, "bash") for command in commands(text)]
    first = {plain(command) for command in in_order[:1]}
    if first & first_commands:
        del in_order[0]
    with ExitStack() as servers:
        for command in in_order:
            begins = next((begin for begin in SERVERS if command.startswith(begin)), None)
            if begins:
                servers.enter_context(running(plain(command), SERVERS[begins], course, environment))
                continue
            if command.startswith("make test"):  # which is what runs now
                command = command.replace("make test", "make --dry-run test")
            done = subprocess.run(
                in_shell(command), cwd=course, env=environment, capture_output=True, text=True, timeout=PATIENCE
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    first_commands.update(first)


def test_the_lines_of_python_work_in_their_order(page, course, environment):
    lines = STEPS.sub("10", "\n".join(text for _, text in blocks(page, "python")))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", lines],
        cwd=course,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr


def test_what_powershell_is_told_to_run_is_there(page):
    """PowerShell itself is not: the programs and paths are compared with those of this environment."""
    for _, text in blocks(page, "powershell"):
        for command in commands(text.replace("\\", "/")):
            program, *arguments = shlex.split(command, comments=True)
            if program == "py":
                assert arguments == ["-m", "venv", ".venv"]
                continue
            assert program.startswith(".venv/Scripts/")
            assert (VENV / "bin" / Path(program).name).exists(), program
            for argument in arguments:
                assert "/" not in argument or (ROOT / argument).exists(), argument


def test_links_of_a_page_lead_somewhere(page):
    text = page.read_text()
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
            assert anchor in anchors.union(re.findall(r'<a id="([^"]+)">', linked.read_text())), target
