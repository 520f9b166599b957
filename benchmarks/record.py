"""How the record fell: each idea between `relativistic` and `speedrun`, and those that failed, at equal seconds.

    python benchmarks/record.py [--seconds 30] [--seeds 3] [--processes 1]
    python benchmarks/record.py --table                         only the table, from what is there

The ideas are those of `cgan_lib.course.record`, each on top of those before it; what failed is one change to
`speedrun`. Measured as in `time_to_quality.py`. Results go to benchmarks/results/record.json.
"""

import argparse
import json
from pathlib import Path
from statistics import median
from typing import Any

from compare import RESULTS
from time_to_quality import facts, keep, row_of, steps_in, temporary_home, trained

from cgan_lib.course.record import failures, ladder
from cgan_lib.recipes import Recipe

PATH = RESULTS / "record.json"
SHOWN = {"steps": "{:,.0f}", "as_requested": "{:.2f}", "floors": "{:.1f}", "coverage": "{:.3f}"}


def measure(idea: str, recipe: Recipe, seconds: float, processes: int) -> dict[str, Any]:
    """One training of so many seconds."""
    with temporary_home():
        (steps,) = steps_in(recipe, [seconds], processes)
        run = trained(recipe, steps, processes)
        return {"idea": idea} | row_of(run.generator, recipe, seconds, run.step, run.seconds)


def table(rows: list[dict[str, Any]]) -> str:
    """Medians over the seeds as a Markdown table, in the order of the ideas."""
    lines = ["| | steps | as requested (%) | FID, floors | coverage |", "|---|---:|---:|---:|---:|"]
    for idea in dict.fromkeys(row["idea"] for row in rows):
        mine = [row for row in rows if row["idea"] == idea]
        cells = [form.format(median(row[name] for row in mine)) for name, form in SHOWN.items()]
        lines.append(f"| {idea} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(path: Path = PATH) -> None:
    """Train and measure what the command line asks for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    results = json.loads(path.read_text("utf-8")) if options.table else facts() | {"rows": []}
    ideas = ladder() | {f"speedrun, {name}": recipe for name, recipe in failures().items()}
    for seed in [] if options.table else range(options.seeds):
        for idea, recipe in ideas.items():
            row = measure(idea, recipe.replace(seed=seed), options.seconds, options.processes)
            print(json.dumps(row), flush=True)
            results["rows"].append(row)
            keep(results, path)
    print(table(results["rows"]))


if __name__ == "__main__":
    main()
