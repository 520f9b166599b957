"""Few pictures, with and without augmentation: 500 of a data set, the same steps and seeds, what comes of it.

    python benchmarks/augment.py [mnist fashion_mnist] [--steps 1500] [--seeds 3] [--images 500]

Measured after all steps, with 2,000 images of the averaged generator:
- FID against as many real test images, by a classifier of the whole data set (held out: none of the 500 is among them),
- coverage: how many of these test images have a generated one nearby,
- copying: the median distance of a generated image to the nearest of the 500, over that of a test image to it; 1 is
  as near as another real image is, well below 1 is a copy (Euclidean over pixels).

Prints a Markdown table of means over the seeds, with their deviation, and the FID that real training images have in
place of the generated ones; each run goes to benchmarks/results/ as soon as it is there.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path
from statistics import fmean, stdev

import torch

from cgan_lib.data import ImageData, load_data
from cgan_lib.evaluation import evaluate_images, in_proportion, nearest_real
from cgan_lib.evaluation.samples import generate_like
from cgan_lib.files import write_atomically
from cgan_lib.recipes import get_recipe
from cgan_lib.training import Trainer

RESULTS = Path(__file__).resolve().parent / "results" / "augment.json"
RECIPE, AUGMENT = "relativistic", "translation+colour+cutout"
SETS = ("mnist", "fashion_mnist")
IMAGES, STEPS, SEEDS, COUNT = 500, 1500, 3, 2000
SCORES = {"fid": ("FID ↓", "{:.1f}"), "coverage": ("coverage ↑", "{:.2f}"), "copying": ("copying", "{:.2f}")}


def distance(images: torch.Tensor, few: ImageData) -> float:
    """The median distance to the nearest of a few pictures."""
    return nearest_real(images, few)[1].median().item()


def measure(few: ImageData, test: ImageData, augment: str, steps: int, seed: int) -> dict:
    """One run on a few pictures: how long it took and what it scores."""
    recipe = get_recipe(RECIPE, dataset=few.name, augment=augment, seed=seed)
    trainer = Trainer(recipe, few)
    started = time.perf_counter()
    trainer.fit(steps)
    seconds = time.perf_counter() - started
    fakes = generate_like(trainer.sampler, test, COUNT)
    scores = evaluate_images(fakes.images, fakes.labels, few.name)
    copying = distance(fakes.images, few) / distance(test.images, few)
    return {
        **dict(dataset=few.name, augment=augment, seed=seed, steps=steps, images=len(few), seconds=round(seconds, 1)),
        **dict(fid=scores.fid, coverage=scores.coverage, as_requested=scores.as_requested, copying=copying),
        "real_fid": scores.real.fid,
    }


def keep(row: dict) -> None:
    """Put a run into the file of results, in place of the same one."""
    there = json.loads(RESULTS.read_text("utf-8"))["rows"] if RESULTS.is_file() else []
    same = ("dataset", "augment", "seed")
    others = [each for each in there if any(each[key] != row[key] for key in same)]
    rows = sorted([*others, row], key=lambda each: (SETS.index(each["dataset"]), each["seed"], each["augment"]))
    write_atomically(RESULTS, (json.dumps({"recipe": RECIPE, "count": COUNT, "rows": rows}, indent=1) + "\n").encode())


def table(rows: list[dict]) -> str:
    """Means over seeds as a Markdown table."""
    titles = [title for title, _ in SCORES.values()]
    lines = [f"| data | augmentation | {' | '.join(titles)} | seeds |", f"|---|---|{'---:|' * (len(titles) + 1)}"]
    for name, augment in dict.fromkeys((row["dataset"], row["augment"]) for row in rows):
        runs = [row for row in rows if (row["dataset"], row["augment"]) == (name, augment)]
        cells = [spread([run[key] for run in runs], form) for key, (_, form) in SCORES.items()]
        lines.append(f"| {name} | {augment or 'none'} | {' | '.join(cells)} | {len(runs)} |")
    floors = {row["dataset"]: row["real_fid"] for row in rows}
    lines += ["", *(f"FID of real images of {name}: {floor:.1f}" for name, floor in floors.items())]
    return "".join(f"{line}\n" for line in lines)


def spread(values: list[float], form: str) -> str:
    """A mean, with its deviation where there is one."""
    return form.format(fmean(values)) + (f" ± {form.format(stdev(values))}" if len(values) > 1 else "")


def main() -> None:
    """Train and measure every pair of runs, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=list(SETS), metavar="SET")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--images", type=int, default=IMAGES)
    options = parser.parse_args()
    machine = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()}-core CPU"
    facts = {"machine": machine, "torch": torch.__version__, "python": platform.python_version()}
    rows = []
    for seed in range(options.seeds):
        for name in options.sets:
            few = in_proportion(load_data(name), options.images)
            test = in_proportion(load_data(name, train=False), COUNT)
            for augment in ("", AUGMENT):
                rows.append(measure(few, test, augment, options.steps, seed))
                keep(rows[-1] | facts)
    print(f"{RECIPE} on {options.images} images, {options.steps:,} steps, on a {machine}\n")
    print(table(rows), end="")


if __name__ == "__main__":
    main()
