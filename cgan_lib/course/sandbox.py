"""Strangers' cells, run in a process of their own, which is killed when one of them takes too long.

This guards against accidents, not against attacks: what runs here may do whatever its user may do.
"""

import builtins
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

import torch

from cgan_lib.course import exercises
from cgan_lib.course.submissions import Step
from cgan_lib.errors import needs, printable
from cgan_lib.paths import expanded, home

START = 300  # seconds until the process must be ready: it imports PyTorch, on a machine that may be busy
CHECK = 900  # seconds for a check, which has a limit of its own, but not on Windows
LONGEST = 300  # letters of a message: Python puts whole arrays into some
CHECKS = {name.removeprefix("check_"): value for name, value in vars(exercises).items() if name.startswith("check_")}

Outcome = tuple[str, str]
"""what came of a step, and what the check, or Python, says of it"""
Steps = Mapping[int, Step]
Send = Callable[[tuple[int, str | Outcome]], None]
"""takes the number of a step with "run" or "check" when that begins, and with what came of it in the end"""


def run_apart(steps: list[Step], seconds: int) -> dict[int, Outcome]:
    """What came of steps, by their place in the list: of those with an exercise, and of those that failed.

    Where a step takes more than so many `seconds`, or ends the process, all others run again without it.
    """
    outcomes: dict[int, Outcome] = {}
    left = dict(enumerate(steps))
    while (stopped := _attempt(left, seconds, outcomes)) is not None:
        del left[stopped]
    return outcomes


def _attempt(steps: Steps, seconds: int, outcomes: dict[int, Outcome]) -> int | None:
    """Run steps and note what comes of them; the number of the one that did not come to an end, or None."""
    running, limit = None, START
    with _process(steps) as connection:
        while connection.poll(limit):
            try:
                number, said = connection.recv()
            except EOFError:  # after the last step, or in the middle of one
                if running is not None:
                    outcomes.setdefault(running, ("raised", "the process ended in this cell"))
                return running
            running = number if isinstance(said, str) else None
            limit = CHECK if said == "check" else seconds
            if not isinstance(said, str):
                outcomes.setdefault(number, said)
    if running is not None:
        outcomes.setdefault(running, ("took too long", f"stopped after {limit} s"))
    return running


@contextmanager
def _process(steps: Steps) -> Iterator[Connection]:
    """A process at work on steps, in an empty folder, and what it sends; in the end it is killed, and what it began."""
    context = multiprocessing.get_context("spawn")  # as on every system; nothing of this process is in it
    ours, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix="cgan-grade-", ignore_cleanup_errors=True) as folder:
        process = context.Process(target=_serve, args=(steps, _environment(folder), theirs))
        process.start()
        theirs.close()
        try:
            yield ours
        finally:
            _kill(process)
            ours.close()


def _environment(folder: str) -> dict[str, str]:
    """What the process is to find in its environment: nothing it writes, and no run it finds, is of this course."""
    data = home() / "data"
    there = data.is_dir() and any(path.is_dir() for path in data.iterdir())
    chosen = os.environ.get("CGAN_DATA", str(data) if there else "")
    data_at = {"CGAN_DATA": os.path.abspath(expanded("CGAN_DATA", chosen))} if chosen else {}  # it works elsewhere
    return {"CGAN_HOME": folder, "IPYTHONDIR": folder, "MPLBACKEND": "agg", **data_at}


def _kill(process: BaseProcess) -> None:
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):  # it may not have begun, or be gone
            os.killpg(process.pid or 0, signal.SIGKILL)
    process.kill()
    process.join()


def _serve(steps: Steps, environment: dict[str, str], connection: Connection) -> None:
    """What the process does."""
    if hasattr(os, "setsid"):
        os.setsid()
    os.environ |= environment
    os.chdir(environment["CGAN_HOME"])
    with open(os.devnull, "w") as nowhere:
        for stream in (1, 2):
            os.dup2(nowhere.fileno(), stream)
    work(steps, connection.send)


def work(steps: Steps, send: Send) -> None:
    """Run steps in one namespace, as a notebook would, and say what comes of those that fail or have an exercise."""
    with needs("notebooks"):
        from IPython.core.interactiveshell import InteractiveShell
    shell = InteractiveShell.instance()
    vars(shell)["enable_gui"] = lambda gui=None: None  # which %matplotlib asks for; there is no window
    library = _remembered()
    for number, step in steps.items():
        send((number, "run"))
        result = shell.run_cell(step.source, silent=True)
        error = result.error_before_exec or result.error_in_exec
        if error is not None:
            send((number, ("raised", _said(error))))
        elif step.exercise:
            send((number, "check"))
            _put_back(library)
            send((number, _checked(step, shell.user_ns)))


def _checked(step: Step, names: dict[str, Any]) -> Outcome:
    """The verdict of the library's own check on the arguments that stand in the cell."""
    try:
        given, named = eval(f"(lambda *given, **named: (given, named))({step.arguments})", names)
    except BaseException as error:
        return "raised", _said(error)
    check = CHECKS.get(step.exercise) or CHECKS[step.exercise.rpartition(" ")[0]]
    verdict = check(*given, **named)
    return verdict.state, printable(verdict.message)[:LONGEST]


def _said(error: BaseException) -> str:
    text = f"{error.msg}, line {error.lineno}" if isinstance(error, SyntaxError) else str(error)
    return printable(f"{type(error).__name__}: {text}")[:LONGEST]


Library = list[tuple[ModuleType, dict[str, Any]]]


def _remembered() -> Library:
    """What the names in the modules that checks use stand for."""
    ours = [module for name, module in sys.modules.items() if name.split(".")[0] == "cgan_lib"]
    return [(module, dict(vars(module))) for module in (*ours, builtins, torch, torch.nn.functional)]


def _put_back(library: Library) -> None:
    """Undo what cells have changed there: a check must not be talked into another opinion."""
    for module, names in library:
        for name, value in names.items():
            if vars(module).get(name) is not value:
                setattr(module, name, value)
