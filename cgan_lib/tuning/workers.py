"""Who works on a study: each process holds a lock while it lives, so that the others see when it was killed."""

import os
import secrets
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState

from cgan_lib.paths import make_folder

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


@contextmanager
def at_work(folder: Path) -> Iterator[str]:
    """Hold a lock in `folder` that tells others that this process lives; gives its name."""
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    path = make_folder(folder) / f"{name}.lock"
    with FileLock(path):
        yield name
    path.unlink(missing_ok=True)  # only after a proper end: of a killed process it stays, and can be had


def is_dead(folder: Path, name: str) -> bool | None:
    """Whether a process that worked here was killed; None where it has left no lock, as one on another machine."""
    path = folder / f"{name}.lock"
    if not path.exists():
        return None
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    lock.release()
    return True


def again(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue a trial that was broken off once more, with its settings and in its run folder, where it goes on."""
    RetryHeartbeatStaleTrialCallback(inherit_intermediate_values=True)(study, trial)


def take_over(study: optuna.Study, folder: Path, alone: bool) -> None:
    """Fail the trials whose processes were killed, and queue each once more; only for who holds the gate of the study.

    With `alone` no other machine works on it, so that a trial without a lock is one of a killed process, too. That of a
    process on another machine is failed by Optuna when its heartbeat has been missing for a while.
    """
    fail_stale_trials(study)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        dead = is_dead(folder, trial.user_attrs.get("worker", "nobody"))
        if dead or (dead is None and alone):
            with suppress(UpdateFinishedTrialError):  # another machine was quicker
                again(study, study.tell(trial.number, state=TrialState.FAIL))


def finished(study: optuna.Study) -> int:
    """How many trials came to an end, pruned ones included."""
    return len(study.get_trials(deepcopy=False, states=FINISHED))


def running(study: optuna.Study) -> int:
    """How many are being trained somewhere."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return sum("worker" in trial.user_attrs for trial in trials)


@contextmanager
def quietly() -> Iterator[None]:
    """Without Optuna's log, nor its notes on what is experimental: what a user should know is printed by us."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
