"""Searches in processes, several at once, that die where they are told to; run by the tests, not by pytest.

Reads jobs from stdin, one JSON object a line. Arguments of `tune`, plus `home` and `moment`, start a process, forked
from this one, which has imported everything already; its id is printed. {"wait": id} prints the exit code of that one
(-9: killed). `moment` is one of

    never              search to the end
    claim:2            in the second trial, before it is known whose it is
    step:2:10          in the second trial, after step 10
    tell:2             in the second trial, when it is trained, before its value is noted
    stop:2:10          not killed, but asked to stop, as by Ctrl-C, in the second trial after step 10
"""

import importlib
import json
import os
import signal
import sys

import torch
from optuna import Study, Trial

from cgan_lib.evaluation.classifier import has_classifier
from cgan_lib.training import Trainer
from cgan_lib.tuning import study, tune

for slow in (
    "optuna.storages._rdb.models",
    "optuna.storages._rdb.storage",
    "safetensors.torch",
    "scipy.stats",
    "sklearn.datasets",
    "tensorboard.backend.event_processing.event_accumulator",
    "torch.utils.tensorboard",
    "torchmetrics.image.fid",
    "tqdm.auto",
):
    importlib.import_module(slow)
torch.set_num_threads(1)  # a pool of threads would not outlive the fork
has_classifier("digits")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arrange(moment: str) -> None:
    kind, _, where = moment.partition(":")
    number, _, step = where.partition(":")
    claim, train_step, train = Trial.set_user_attr, Trainer.train_step, study.train
    begun = []

    def watched_claim(trial, name, value):
        if name == "run":
            begun.append(trial.number)
        if kind == "claim" and len(begun) == int(number):
            die()
        claim(trial, name, value)

    def watched_step(trainer, *arguments):
        metrics = train_step(trainer, *arguments)
        if kind in ("step", "stop") and len(begun) == int(number) and trainer.step == int(step):
            os.kill(os.getpid(), signal.SIGINT) if kind == "stop" else die()
        return metrics

    def watched_train(*arguments, **named):
        run = train(*arguments, **named)
        if kind == "tell" and len(begun) == int(number):
            die()
        return run

    Trial.set_user_attr, Trainer.train_step, study.train = watched_claim, watched_step, watched_train


def begin(job: dict) -> int:
    process = os.fork()
    if process == 0:
        os.environ["CGAN_HOME"] = job.pop("home")
        sys.stdout = sys.stderr
        try:
            arrange(job.pop("moment"))
            found = tune(**job)
            assert isinstance(found, Study)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return process


def main() -> None:
    for line in sys.stdin:
        job = json.loads(line)
        if "wait" in job:
            print(os.waitstatus_to_exitcode(os.waitpid(job["wait"], 0)[1]), flush=True)
        else:
            print(begin(job), flush=True)


if __name__ == "__main__":
    main()
