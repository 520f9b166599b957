"""What a step costs while another program keeps a core busy, and which setting helps.

    python benchmarks/shared_cores.py [RECIPE …] [--steps 60] [--rounds 3]

Threads that have finished their part spin until the others have, too. With a core that is shared, the others wait for
the core, and those that spin keep it from them. Each setting is measured in processes of its own, in turn, with and
without a program that does nothing but count, one for each two cores. Prints milliseconds per step, medians, as a
Markdown table; results go to benchmarks/results/shared_cores.json.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import torch

from cgan_lib import load_data
from cgan_lib.files import write_atomically
from cgan_lib.recipes import get_recipe
from cgan_lib.training import Trainer

RESULTS = Path(__file__).resolve().parent / "results" / "shared_cores.json"
SETTINGS: dict[str, dict[str, str]] = {
    "as it comes": {},
    "OMP_WAIT_POLICY=passive": {"OMP_WAIT_POLICY": "passive"},
    "OMP_NUM_THREADS=1": {"OMP_NUM_THREADS": "1"},
}
WARM_UP = 20


def milliseconds(name: str, steps: int) -> float:
    """One step of a recipe in this process."""
    trainer = Trainer(get_recipe(name), load_data("mnist", image_size=get_recipe(name).image_size), "cpu")
    trainer.fit(WARM_UP)
    started = time.perf_counter()
    trainer.fit(WARM_UP + steps)
    return 1000 * (time.perf_counter() - started) / steps


def in_a_process(name: str, steps: int, variables: dict[str, str]) -> float:
    """The same in a fresh process with these variables."""
    command = [sys.executable, __file__, name, "--steps", str(steps), "--alone"]
    said = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=True)
    return float(said.stdout)


def _count() -> None:
    while True:
        pass


@contextmanager
def busy() -> Iterator[None]:
    """Programs that count, one for each two cores."""
    others = [multiprocessing.Process(target=_count, daemon=True) for _ in range(max(1, (os.cpu_count() or 2) // 2))]
    for other in others:
        other.start()
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.join()


def measure(names: list[str], steps: int, rounds: int) -> list[dict]:
    """A row for each recipe and setting: milliseconds alone and shared, medians over the rounds."""
    times: dict[tuple[str, str], dict[str, list[float]]] = {}
    for _ in range(rounds):
        for name in names:
            for setting, variables in SETTINGS.items():
                row = times.setdefault((name, setting), {"alone": [], "shared": []})
                row["alone"].append(in_a_process(name, steps, variables))
                with busy():
                    row["shared"].append(in_a_process(name, steps, variables))
    return [
        {"recipe": name, "setting": setting} | {kind: median(values) for kind, values in row.items()}
        for (name, setting), row in times.items()
    ]


def table(rows: list[dict]) -> str:
    """Milliseconds per step as a Markdown table."""
    lines = ["| recipe | setting | alone (ms) | shared (ms) |", "|---|---|---:|---:|"]
    lines += [f"| `{r['recipe']}` | {r['setting']} | {r['alone']:.1f} | {r['shared']:.1f} |" for r in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=["bce", "speedrun"])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        print(milliseconds(options.recipes[0], options.steps))
        return
    rows = measure(options.recipes, options.steps, options.rounds)
    facts = {"machine": f"{os.cpu_count()}-core CPU", "torch": torch.__version__, "rows": rows}
    write_atomically(RESULTS, (json.dumps(facts, indent=1) + "\n").encode())
    print(table(rows))


if __name__ == "__main__":
    main()
