"""`train(processes=N)`: does what `torchrun` does, from a notebook, a script or the command line."""

import json
import logging
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from cgan_lib import parallel
from cgan_lib.errors import UserError, shown
from cgan_lib.recipes import Recipe
from cgan_lib.runs.run import Run, open_run
from cgan_lib.runs.stop import Stopped
from cgan_lib.training import Diverged

MOST_PROCESSES = 64  # on one machine
ROOT = Path(__file__).resolve().parents[2]
WORKER = "cgan_lib.runs.worker"
SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")  # that the agent hands on to the processes
ENDED, STOPPED, FAILED = "ended", "stopped", "failed-{}"  # files in which a worker notes what became of its training


def launch(recipe: Recipe, processes: int, *, live: bool, score: Any, watch: Any, **job: Any) -> Run:
    """Train `recipe` in `processes` processes of this machine, with a part of every batch each; its run.

    `job` are other arguments of `train`. What a process raises is raised here. Ctrl-C is handed on to all, which save:
    then it raises `Stopped`.
    """
    _check(recipe, processes, live, score, watch)
    with tempfile.TemporaryDirectory() as folder:
        job |= {"recipe": asdict(recipe), "score": score, "notes": folder}
        died = _run(processes, ["-m", WORKER, json.dumps(job)])
        notes = {path.name: json.loads(path.read_text("utf-8")) for path in sorted(Path(folder).iterdir())}
    return _result(notes, died)


def _check(recipe: Recipe, processes: int, live: bool, score: Any, watch: Any) -> None:
    if not isinstance(processes, int) or not 1 <= processes <= MOST_PROCESSES:
        raise UserError(f"processes={shown(processes, 30)} must be a whole number from 1 to {MOST_PROCESSES}.")
    if parallel.under_torchrun():
        raise UserError("torchrun has started the processes already: leave processes out.")
    if live or callable(score) or watch:
        own = "a score of your own" if callable(score) else "watch"
        what = "live=True draws in this one" if live else f"{own} cannot be sent to them"
        raise UserError(
            f"processes={processes} trains in processes of their own, and {what}: leave one of the two out."
        )
    parallel.check_divisible(recipe.batch_size, processes)


def _run(processes: int, command: list[str]) -> str:
    """Run Python with these arguments in as many processes; how one of them died, if one did."""
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(1, 1, processes, run_id=str(uuid.uuid4()), max_restarts=0)
    config.rdzv_backend, config.rdzv_endpoint = "c10d", "localhost:0"
    threads = max(1, torch.get_num_threads() // processes)
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    wanted = dict(OMP_NUM_THREADS=str(threads), PYTHONPATH=paths, TORCHELASTIC_SIGNALS_TO_HANDLE=",".join(SIGNALS))
    try:
        with _environment(wanted), _handlers_kept(), _quiet_agent():
            elastic_launch(config, sys.executable)(*command)
    except SignalException:  # was handed on, and the processes have ended
        return "stopped"
    except ChildFailedError as error:
        number, failure = error.get_first_failure()
        return f"process {number} ended ({failure.signal_name() if failure.exitcode < 0 else failure.exitcode})"
    return ""


def _result(notes: dict[str, dict[str, Any]], died: str) -> Run:
    """The run that workers have noted, or the error that is to be raised for them."""
    failures = [note for name, note in notes.items() if name.startswith(FAILED.format(""))]
    # One that lost another is a consequence: what came of the other says more
    for note in sorted(failures, key=lambda note: note["kind"] == parallel.ProcessLost.__name__):
        raise (Diverged if note["kind"] == Diverged.__name__ else UserError)(note["message"])
    if stopped := notes.get(STOPPED):
        raise Stopped(stopped["message"], open_run(stopped["folder"]), stopped["signal"])
    if died == "stopped":  # before the first step
        raise KeyboardInterrupt
    if died:
        raise UserError(f"{died}: look for its message above; the same call goes on from the last checkpoint.")
    return open_run(notes[ENDED]["folder"])


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """The environment that processes are started in."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """PyTorch's agent takes the signals that end a process to itself; afterwards Ctrl-C is to be Ctrl-C again."""
    taken = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in taken}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)


@contextmanager
def _quiet_agent() -> Iterator[None]:
    """What its log says of a process that ended, we say in one line."""
    known = [name for name in logging.root.manager.loggerDict if name.startswith("torch.distributed.elastic")]
    levels = {logging.getLogger(name): logging.getLogger(name).level for name in known}
    for logger in levels:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
