"""Peak memory of a training on a CPU, each recipe at full width in a process of its own.

    python benchmarks/memory.py [RECIPE …] [--steps 10] [--precision auto]

What counts is what the process ever held in memory at once, Python, PyTorch and MNIST with it; how much that is before
the networks are built, stands beside it. Linux only: the numbers are those of /proc. Prints a Markdown table, and with
all recipes keeps it in benchmarks/results/memory.json.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from compare import OURS, RESULTS, machine

from cgan_lib import load_data
from cgan_lib.files import write_atomically
from cgan_lib.recipes import RECIPES, get_recipe
from cgan_lib.training import Trainer

PATH = RESULTS / "memory.json"
STATUS = Path("/proc/self/status")


def megabytes(field: str, status: str) -> int:
    """A field of /proc/self/status: VmHWM is the most memory that was ever resident, VmRSS what is now."""
    found = re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)
    if not found:
        raise LookupError(f"no {field} in {STATUS}")
    return round(int(found[1]) / 1024)


def trained(name: str, steps: int, precision: str) -> dict[str, Any]:
    """What a training of some steps in this process has taken: for a process that has done nothing else."""
    recipe = get_recipe(name, precision=precision)
    data = load_data("mnist", image_size=recipe.image_size)
    before = megabytes("VmRSS", STATUS.read_text("utf-8"))
    trainer = Trainer(recipe, data, "cpu")
    trainer.fit(steps)
    facts = dict(recipe=name, image_size=recipe.image_size, batch=recipe.batch_size, precision=trainer.precision)
    return facts | dict(before=before, peak=megabytes("VmHWM", STATUS.read_text("utf-8")))


def in_its_own_process(name: str, steps: int, precision: str) -> dict[str, Any]:
    """`trained` in a new process; raises `CalledProcessError` where that one fails, after it has said why."""
    command = [sys.executable, __file__, name, "--steps", str(steps), "--precision", precision, "--here"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def table(rows: list[dict[str, Any]]) -> str:
    """The measurements as a Markdown table, the largest last."""
    lines = ["| recipe | images | batch | precision | before (MB) | peak (MB) |", "|---|---:|---:|---|---:|---:|"]
    for row in sorted(rows, key=lambda row: row["peak"]):
        side = row["image_size"]
        sizes = f"{side}×{side} | {row['batch']} | {row['precision']} | {row['before']:,} | {row['peak']:,}"
        lines.append(f"| `{row['recipe']}` | {sizes} |")
    return "".join(f"{line}\n" for line in lines)


def main() -> None:
    """Measure the recipes asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ours = [name for name in RECIPES if name in OURS]
    parser.add_argument("recipes", nargs="*", default=ours)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--precision", default="auto", choices=["auto", "bf16", "fp32"])
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # what the processes are told
    options = parser.parse_args()
    if options.here:
        print(json.dumps(trained(options.recipes[0], options.steps, options.precision)))
        return
    rows = [in_its_own_process(name, options.steps, options.precision) for name in options.recipes]
    print(f"Training on a {machine()}, torch {torch.__version__}, {options.steps} steps\n\n{table(rows)}", end="")
    if options.recipes == ours:
        facts = dict(machine=machine(), torch=torch.__version__, steps=options.steps)
        write_atomically(PATH, (json.dumps(facts | {"rows": rows}, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
