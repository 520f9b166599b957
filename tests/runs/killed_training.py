"""Trains in processes that die where they are told to; run by test_resume.py, not by pytest.

Reads jobs from stdin, one JSON object a line: arguments of `train`, plus `home`, `clock` (the seconds that it is fast)
and `moment`. Each is trained in a process of its own, forked from this one, which has imported everything already and
trained nothing. For each it prints the process id, and when that has ended, its exit code (-9: killed). `moment` is
one of

    never            train to the end
    step:17          after step 17, before it is recorded
    before:<name>    when file <name> is written beside its place and not yet moved there
    again:<name>     the same, when it is written for the second time
    after:<name>     when file <name> has just been moved to its place
    sleep:<name>     does not die: sleeps when file <name> is written and not yet moved, to be killed from outside
    outside:<name>   trains to the end, unless killed from outside
"""

import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import torch

import cgan_lib
from cgan_lib.evaluation.classifier import has_classifier
from cgan_lib.training import Trainer

for slow in (
    "safetensors.torch",
    "sklearn.datasets",
    "tensorboard.backend.event_processing.event_accumulator",
    "torch.utils.tensorboard",
    "torchmetrics.image.fid",
    "torchvision.io",
    "torchvision.utils",
    "tqdm.auto",
):
    importlib.import_module(slow)
torch.set_num_threads(1)  # a pool of threads would not outlive the fork
has_classifier("digits")  # as each training asks: the answer is kept


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def set_clock(fast: float) -> None:
    right = time.time
    time.time = lambda: right() + fast


def arrange(moment: str) -> None:
    kind, _, value = moment.partition(":")
    train_step, replace = Trainer.train_step, os.replace

    def deadly_step(trainer, *arguments):
        metrics = train_step(trainer, *arguments)
        if trainer.step == int(value):
            die()
        return metrics

    moved = []

    def deadly_replace(source, target):
        here = Path(target).name == value
        if here and (kind == "before" or (kind == "again" and value in moved)):
            die()
        if here and kind == "sleep":
            time.sleep(60)
        replace(source, target)
        if here and kind == "after":
            die()
        moved.append(Path(target).name)

    if kind == "step":
        Trainer.train_step = deadly_step
    else:
        os.replace = deadly_replace


def main() -> None:
    for line in sys.stdin:
        job = json.loads(line)
        process = os.fork()
        if process == 0:
            os.environ["CGAN_HOME"] = job.pop("home")
            sys.stdout = sys.stderr
            try:
                set_clock(job.pop("clock"))
                arrange(job.pop("moment"))
                cgan_lib.train(**job)
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr)
                os._exit(1)
            os._exit(0)
        print(process, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
