"""Seconds of training until digits are good: how long a recipe takes to each of three marks.

    python benchmarks/time_to_quality.py [RECIPE …] [--seconds 20 45 90 120 180 300] [--seeds 3] [--processes 2]
        [--out PATH]
    python benchmarks/time_to_quality.py --draw                 only the table and the picture, from what is there

The clock runs while networks are trained; loading, starting processes, measuring and the classifier that measures are
outside. Nothing is trained on real data before it starts. A recipe whose learning rates fall to zero at the end of a
run is trained anew for each budget by `cgan_lib.train`, in as many processes as `--processes` says, with the number of
steps that fits into it (how many, is measured before); any other is trained once, in this process, and measured as it
passes each budget. A run longer than that of the recipe starts at a lower rate. Every seed has a clock of its own: let
nothing else run.

Measured by the protocol of `cgan_lib.evaluation.protocol`, 10,000 images. FID counts in floors: what as many real
training images score. Results go to benchmarks/results/time_to_quality.json, each recipe replacing its own rows,
or to `--out`, and then the picture beside it.
"""

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import sqrt
from pathlib import Path
from statistics import median
from typing import Any

import torch
from compare import COUNT, GALLERY, RESULTS, after_seconds, machine, recipe_of, train_ours, train_plainly
from mlp_peer import MLP
from torch import nn

from cgan_lib import Run, train
from cgan_lib.evaluation import evaluate, real_scores
from cgan_lib.figures import MARKERS, WIDTH, as_png, house_style
from cgan_lib.files import write_atomically
from cgan_lib.paths import home, make_folder
from cgan_lib.recipes import Recipe

PATH = RESULTS / "time_to_quality.json"
PICTURE = GALLERY / "time_to_quality.png"
MARKS = ((98.5, 10.0), (99.0, 5.0), (99.3, 2.0))  # percent read as requested, and floors of FID
BUDGETS = [20.0, 45.0, 90.0, 120.0, 180.0, 300.0]  # seconds
WARM_UP, TIMED = (200, 800) if torch.cuda.is_available() else (50, 300)  # steps


def suited(recipe: Recipe, steps: int) -> Recipe:
    """The recipe for a run that is longer than its own: a rate that falls to zero starts at less, as 1/√length."""
    return recipe.replace(lr=recipe.lr * min(1.0, sqrt(recipe.demo_steps / steps)))


def trained(recipe: Recipe, steps: int, processes: int) -> Run:
    """A run that writes as little as a run can."""
    name, seldom = f"{recipe.seed}_{steps}", dict(grid_every=steps, save_every=steps)
    return train(recipe, run=name, processes=processes, steps=steps, **seldom)


def steps_in(recipe: Recipe, budgets: list[float], processes: int) -> list[int]:
    """How many steps fit into each budget: timed on networks that are thrown away, by a short run and a longer one."""
    short, long = (trained(recipe, steps, processes).seconds for steps in (WARM_UP, WARM_UP + TIMED))
    step = (long - short) / TIMED
    return [max(1, int(WARM_UP + (budget - short) / step)) for budget in budgets]


def row_of(generator: nn.Module, recipe: Recipe, budget: float, steps: int, seconds: float) -> dict[str, Any]:
    """What is kept of one measurement."""
    scores = evaluate(generator, "mnist", count=COUNT, seeds=1)
    floor = real_scores("mnist", count=COUNT)
    return dict(
        **dict(recipe=recipe.name, seed=recipe.seed, budget=budget, steps=steps, seconds=round(seconds, 2)),
        **dict(as_requested=scores.as_requested, floors=scores.fid / floor.fid, coverage=scores.coverage),
        coverage_of_real=scores.coverage / floor.coverage,
    )


def in_one_run(recipe: Recipe, budgets: list[float]) -> Iterator[dict[str, Any]]:
    """A row for each budget that the training passes."""
    rows: list[dict[str, Any]] = []
    (train_plainly if recipe.name == MLP.name else train_ours)(
        recipe,
        [after_seconds(budget) for budget in budgets],
        lambda generator, *spent: rows.append(row_of(generator, recipe, budgets[len(rows)], *spent)),
    )
    yield from rows


def in_runs_of_their_own(recipe: Recipe, budgets: list[float], processes: int) -> Iterator[dict[str, Any]]:
    """A row for each budget, after a training whose learning rates have reached zero."""
    with temporary_home():
        for budget, steps in zip(budgets, steps_in(recipe, budgets, processes), strict=True):
            run = trained(suited(recipe, steps), steps, processes)
            yield row_of(run.generator, recipe, budget, run.step, run.seconds) | {"processes": processes}


@contextmanager
def temporary_home() -> Iterator[None]:
    """Runs are not kept; data sets and classifiers are found where they are."""
    before, kept = os.environ.get("CGAN_HOME"), os.environ.get("CGAN_DATA")
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"CGAN_HOME": folder, "CGAN_DATA": kept or str(home() / "data")}
        try:
            yield
        finally:
            for name, value in {"CGAN_HOME": before, "CGAN_DATA": kept}.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


def measure(name: str, budgets: list[float], seeds: int, processes: int) -> Iterator[dict[str, Any]]:
    """The rows of all seeds of a recipe."""
    for number in range(seeds):
        recipe = recipe_of(name, number)
        falls = recipe.lr_to_zero
        for row in in_runs_of_their_own(recipe, budgets, processes) if falls else in_one_run(recipe, budgets):
            print(json.dumps(row), flush=True)
            yield row


def reached(rows: list[dict[str, Any]], mark: tuple[float, float]) -> float | None:
    """Median over the seeds of the fewest seconds to a mark; None unless more than half of them got there."""
    seeds = {row["seed"] for row in rows}
    good = [row for row in rows if row["as_requested"] >= mark[0] and row["floors"] <= mark[1]]
    first = [min((row["seconds"] for row in good if row["seed"] == seed), default=float("inf")) for seed in seeds]
    return None if (middle := median(first)) == float("inf") else middle


def table(results: dict[str, Any]) -> str:
    """Seconds to each mark as a Markdown table, the fastest recipe first."""
    titles = [f"{percent:g}%, {floors:g} floors" for percent, floors in MARKS]
    groups = {name: [row for row in results["rows"] if row["recipe"] == name] for name in names(results)}
    lines = ["| recipe | seeds | " + " | ".join(titles) + " |", "|---|---:|" + "---:|" * len(MARKS)]
    for name, rows in groups.items():
        times = [reached(rows, mark) for mark in MARKS]
        shown = ["—" if seconds is None else f"{seconds:.0f} s" for seconds in times]
        lines.append(f"| `{name}` | {len({row['seed'] for row in rows})} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def budgets_table(rows: list[dict[str, Any]]) -> str:
    """What one recipe had reached after each budget, medians and the worst seed, as a Markdown table."""
    lines = [
        "| seconds | steps | as requested (%) | worst | FID, floors | worst | coverage, of real |",
        "|---:" * 7 + "|",
    ]
    for budget in sorted({row["budget"] for row in rows}):
        mine = [row for row in rows if row["budget"] == budget]
        read, floors = ([row[name] for row in mine] for name in ("as_requested", "floors"))
        cells = [f"{median(row['seconds'] for row in mine):.0f}", f"{median(row['steps'] for row in mine):,.0f}"]
        cells += [f"{median(read):.2f}", f"{min(read):.2f}", f"{median(floors):.2f}", f"{max(floors):.2f}"]
        lines.append(f"| {' | '.join(cells)} | {median(row['coverage_of_real'] for row in mine):.3f} |")
    return "\n".join(lines) + "\n"


def names(results: dict[str, Any]) -> list[str]:
    """Recipes, the one that got nearest to real first."""
    every = sorted({row["recipe"] for row in results["rows"]})
    return sorted(every, key=lambda name: min(row["floors"] for row in results["rows"] if row["recipe"] == name))


@house_style()
def draw(results: dict[str, Any]):
    """A figure of two panels against the seconds of training: floors of FID, and what is not read as requested."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(WIDTH, 3.6))
    for number, name in enumerate(names(results)):
        rows = [row for row in results["rows"] if row["recipe"] == name]
        budgets = sorted({row["budget"] for row in rows})
        style = dict(marker=MARKERS[number % len(MARKERS)], color=f"C{number}", label=name)
        for panel, value in zip(
            panels, (lambda row: row["floors"], lambda row: 100 - row["as_requested"]), strict=True
        ):
            middles = [median(value(row) for row in rows if row["budget"] == budget) for budget in budgets]
            panel.plot(budgets, middles, **style)
    for panel, label in zip(panels, ("FID, in floors", "percent not read as requested"), strict=True):
        panel.set(xscale="log", yscale="log", xlabel="seconds of training", ylabel=label)
        panel.grid(alpha=0.5)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def facts() -> dict[str, str]:
    """What numbers depend on beside the program."""
    return dict(machine=machine(), torch=torch.__version__, python=platform.python_version())


def keep(results: dict[str, Any], path: Path = PATH) -> None:
    """Write the results, whole or not at all."""
    make_folder(path.parent)
    write_atomically(path, (json.dumps(results, indent=1) + "\n").encode())


def main() -> None:
    """Train, measure, and write what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=["speedrun", "relativistic", "bce", MLP.name])
    parser.add_argument("--seconds", type=float, nargs="+", default=BUDGETS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--draw", action="store_true")
    parser.add_argument("--out", type=Path, default=PATH)
    options = parser.parse_args()
    results = json.loads(options.out.read_text("utf-8")) if options.out.is_file() else {"rows": []}
    for name in [] if options.draw else options.recipes:
        results["rows"] = [row for row in results["rows"] if row["recipe"] != name]
        results |= facts()
        for row in measure(name, sorted(options.seconds), options.seeds, options.processes):
            results["rows"].append(row)
            keep(results, options.out)
    print(table(results))
    picture = PICTURE if options.out == PATH else options.out.with_suffix(".png")
    write_atomically(picture, as_png(draw(results)))


if __name__ == "__main__":
    main()
