"""Whole trainings in two processes, run by torchrun from test_parallel.py: python parallel_runs.py JOB OUT.

JOB is `all`, of which each process writes what it saw to OUT-<rank>.json; or `die`, a training by the command line
whose second process is killed in the middle.
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch

from cgan_lib import UserError, evaluate, parallel, train
from cgan_lib.cli import main as command_line
from cgan_lib.evaluation import samples
from cgan_lib.parallel.group import rank
from cgan_lib.training import Trainer

TINY = dict(dataset="digits", batch_size=8, base_channels=8, base_channels_d=8, precision="fp32", save_every=4)


def changed_by_this_process(home: Path) -> list[str]:
    """A list to which every file below `home` is added that this process writes, moves or deletes from now on."""
    changed: list[str] = []

    def hook(event: str, arguments: tuple) -> None:
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return  # to be read
        if event in ("open", "os.rename", "os.remove", "os.mkdir") and str(home) in str(arguments[0]):
            changed.append(f"{event} {arguments[0]}")

    sys.addaudithook(hook)
    return changed


def error_of(act) -> str:
    try:
        act()
    except UserError as error:
        return str(error)
    return ""


def fail_here_alone() -> None:
    with parallel.together():
        if rank() == 1:
            raise UserError("only the second process knew this")


def everything(home: Path) -> dict:
    changed = changed_by_this_process(home)
    train("bce", run="straight", steps=12, **TINY)
    train("bce", run="parts", steps=6, **TINY)
    run = train("bce", run="parts", steps=12, **TINY)
    seen: dict = {"changed": changed, "step": run.step}
    drawn: list[int] = []
    generate = samples.generate
    samples.generate = lambda generator, labels, **how: drawn.append(len(labels)) or generate(generator, labels, **how)
    with parallel.dividing():
        seen["divided"] = evaluate(run.generator, count=101).to_dict()
    seen["drawn"] = [*drawn]
    seen["undivided"] = evaluate(run.generator, count=101).to_dict() if rank() == 1 else None  # nobody has to help
    seen["alone_in_trouble"] = error_of(fail_here_alone)
    seen["indivisible"] = error_of(lambda: train("bce", run="no", **TINY | dict(batch_size=9)))
    seen["one_gpu"] = error_of(lambda: train("bce", run="no", device="cuda:0", **TINY))
    seen["other_recipe"] = error_of(lambda: train("bce", run="parts", lr=0.5, **TINY))
    return seen


def die_in_step(number: int) -> None:
    train_step = Trainer.train_step

    def deadly(trainer, *arguments):
        if rank() == 1 and trainer.step == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return train_step(trainer, *arguments)

    Trainer.train_step = deadly


def main() -> None:
    job, out = sys.argv[1:]
    torch.set_num_threads(1)
    if job == "all":
        parallel.join()
        Path(f"{out}-{rank()}.json").write_text(json.dumps(everything(Path(os.environ["CGAN_HOME"]))))
    else:
        die_in_step(6)
        options = [word for name, value in TINY.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        sys.exit(command_line(["train", "bce", "--run", "killed", "--steps", "12", *options]))


if __name__ == "__main__":
    main()
