"""A training step in two processes, piece by piece; and, from the pieces, what many GPUs would gain.

    python benchmarks/scaling.py [RECIPE …] [--rounds 15]

On this machine, one thread a process, gloo between them, for each recipe:
- one: a step of one process with the whole batch; half: with the half of it, which is what one of two computes,
- two: a step of two processes with half the batch each, as `train` does it,
- DDP: the same, gradients averaged by PyTorch's DistributedDataParallel during the backward pass,
- sums: how many all-reduces a step has, how many bytes, and what they take alone.

Prints Markdown tables, the second of which is arithmetic (`efficiency`), and with all recipes keeps the numbers in
benchmarks/results/.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from cgan_lib import parallel
from cgan_lib.data import ImageData, batches, load_data
from cgan_lib.files import write_atomically
from cgan_lib.recipes import Recipe, get_recipe
from cgan_lib.training import Trainer

RESULTS = Path(__file__).resolve().parent / "results" / "scaling.json"
OURS = ("bce", "dropout", "spatial", "dcgan64", "projection", "relativistic")
STEPS_A_TURN, WARM_UP_TURNS = 8, 2  # 8: `relativistic` takes a penalty once in as many steps
PROCESSES = 2
# What the arithmetic assumes of GPUs, eight in a machine; nothing here was measured on them
STEP_MS = 3.0  # a step of one of them: small networks take as long as it takes to launch their kernels
INSIDE_MS, ACROSS_MS = 0.02, 0.03  # until a message arrives: in a machine, and more for each doubling of machines
INSIDE_GB, ACROSS_GB = 200.0, 25.0  # that one sends in a second
MACHINES = (1, 2, 4, 8, 16)


class WithDDP(Trainer):
    """The same step, its gradients averaged by DistributedDataParallel."""

    def __init__(self, recipe: Recipe, data: ImageData):
        super().__init__(recipe, data, "cpu")
        # In a step real and fake pass before one backward pass, and the penalty is not in every step
        options = dict(broadcast_buffers=False, find_unused_parameters=bool(recipe.grow_every))
        self.generator = DistributedDataParallel(self.generator, **options)
        self.discriminator = DistributedDataParallel(self.discriminator, **options)

    def _descend(self, loss, parameters, optimizer):
        optimizer.zero_grad()
        loss.backward(inputs=parameters)
        optimizer.step()


def steps(trainer: Trainer) -> Iterator[None]:
    """One training step for each item, measurements included as in `fit`."""
    recipe = trainer.recipe
    rows = parallel.own_rows(recipe.batch_size)
    for real, labels in batches(trainer.data, recipe.batch_size, recipe.seed, rows=rows):
        yield trainer.train_step(real, labels, measure=(trainer.step + 1) % recipe.log_every == 0)
        parallel.agreed(0)  # whether to stop


def milliseconds(kinds: dict[str, Trainer], rounds: int) -> dict[str, float]:
    """Median milliseconds of a step of each kind, taking turns."""
    running = {name: steps(trainer) for name, trainer in kinds.items()}
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for turn in range(WARM_UP_TURNS + rounds):
        for name, each in running.items():
            started = time.perf_counter()
            for _ in range(STEPS_A_TURN):
                next(each)
            if turn >= WARM_UP_TURNS:
                times[name].append(1000 * (time.perf_counter() - started) / STEPS_A_TURN)
    return {name: statistics.median(values) for name, values in times.items()}


def sums_of(trainer: Trainer) -> list[int]:
    """The bytes of each all-reduce in a turn of steps."""
    sizes: list[int] = []
    all_reduce: Callable = dist.all_reduce
    dist.all_reduce = lambda tensor, *rest: (
        sizes.append(tensor.numel() * tensor.element_size()) or all_reduce(tensor, *rest)
    )
    try:
        for _, _ in zip(range(STEPS_A_TURN), steps(trainer), strict=False):
            pass
    finally:
        dist.all_reduce = all_reduce
    return sizes


def time_of(sizes: list[int], rounds: int) -> float:
    """Median milliseconds of all-reduces of these bytes, one after the other, for one step."""
    tensors = [torch.zeros(size // 4) for size in sizes]
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        for tensor in tensors:
            dist.all_reduce(tensor)
        taken.append(1000 * (time.perf_counter() - started) / STEPS_A_TURN)
    return statistics.median(taken)


def settings(name: str) -> tuple[Recipe, ImageData]:
    """A recipe and images of its size: the embedded digits, since a step takes as long on any."""
    recipe = get_recipe(name, dataset="digits")
    return recipe, load_data("digits", image_size=recipe.image_size)


def of_one_process(name: str, rounds: int) -> dict[str, float]:
    """What one process takes for the whole batch, and for its half."""
    recipe, data = settings(name)
    half = recipe.replace(batch_size=recipe.batch_size // PROCESSES)
    return milliseconds({"one": Trainer(recipe, data, "cpu"), "half": Trainer(half, data, "cpu")}, rounds)


def of_two_processes(name: str, rounds: int) -> dict[str, float]:
    """What each of two processes takes, and for what."""
    recipe, data = settings(name)
    warnings.simplefilter("ignore")  # of DDP, about its options
    kinds = {"two": Trainer(recipe, data, "cpu"), "ddp": WithDDP(recipe, data)}
    found = milliseconds(kinds, rounds)
    sizes = sums_of(kinds["two"])
    return found | {
        "sums": len(sizes) / STEPS_A_TURN,
        "bytes": sum(sizes) / STEPS_A_TURN,
        "sum_ms": time_of(sizes, rounds),
    }


def in_processes(name: str, rounds: int) -> dict[str, float]:
    """`of_two_processes`, started by torchrun."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(PROCESSES)]
        command = [sys.executable, "-m", *launcher, __file__, name, "--rounds", str(rounds), "--out", str(out)]
        subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True)
        return json.loads(out.read_text("utf-8"))


def efficiency(row: dict, machines: int, step_ms: float = STEP_MS) -> float:
    """The share of its time that a GPU computes, in so many machines of eight, each GPU with a batch of its own.

    step / (step + sums · latency + 2 · (N − 1) / N · bytes / bandwidth), where nothing is hidden behind the backward
    pass. The second term waits for messages, longer with each doubling of the machines, as in a tree; the third moves
    bytes, as in a ring (Patarasuk & Yuan 2009). Across machines the slowest link counts.
    """
    gpus = 8 * machines
    latency = INSIDE_MS + ACROSS_MS * math.log2(machines)
    bandwidth = 1e6 * (INSIDE_GB if machines == 1 else ACROSS_GB)  # bytes a millisecond
    transfer = 2 * (gpus - 1) / gpus * row["bytes"] / bandwidth
    return step_ms / (step_ms + row["sums"] * latency + transfer)


def measured_table(rows: list[dict]) -> str:
    """What was measured, as a Markdown table."""
    lines = [
        "| recipe | batch | one (ms) | half (ms) | two (ms) | faster | DDP (ms) | sums | MB | sums (ms) |",
        f"|---|{'---:|' * 9}",
    ]
    for row in rows:
        times = f"{row['one']:.1f} | {row['half']:.1f} | {row['two']:.1f} | {row['one'] / row['two']:.2f}×"
        sums = f"{row['sums']:.1f} | {row['bytes'] / 1e6:.1f} | {row['sum_ms']:.1f}"
        lines.append(f"| `{row['recipe']}` | {row['batch']} | {times} | {row['ddp']:.1f} | {sums} |")
    return "".join(f"{line}\n" for line in lines)


def paper_table(rows: list[dict]) -> str:
    """What many GPUs would gain, as a Markdown table: how many times as fast as one, of so many."""
    lines = [f"| recipe | {' | '.join(f'{8 * n} GPUs' for n in MACHINES)} |", f"|---|{'---:|' * len(MACHINES)}"]
    for row in rows:
        cells = [f"{8 * n * efficiency(row, n):.0f}× ({efficiency(row, n):.0%})" for n in MACHINES]
        lines.append(f"| `{row['recipe']}` | {' | '.join(cells)} |")
    return "".join(f"{line}\n" for line in lines)


def tables(results: dict) -> str:
    """Both tables, with what they rest on."""
    head = f"On a {results['machine']}, torch {results['torch']}, medians of {results['rounds']} turns:"
    return f"{head}\n\n{measured_table(results['rows'])}\nOn paper:\n\n{paper_table(results['rows'])}"


def main() -> None:
    """Measure the recipes asked for and print the tables; with --out, be one of the processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=list(OURS))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.out:
        parallel.join()
        found = of_two_processes(options.recipes[0], options.rounds)
        if parallel.is_first():
            options.out.write_text(json.dumps(found), "utf-8")
        dist.barrier()  # one that leaves earlier, with DDP's threads, is aborted now and then
        return
    rows = []
    for name in options.recipes:
        row = {"recipe": name, "batch": get_recipe(name).batch_size}
        rows.append(row | of_one_process(name, options.rounds) | in_processes(name, options.rounds))
    machine = f"{os.cpu_count()}-core CPU"
    results = {"machine": machine, "torch": torch.__version__, "rounds": options.rounds, "rows": rows}
    print(tables(results), end="")
    if options.recipes == list(OURS):
        write_atomically(RESULTS, (json.dumps(results, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
