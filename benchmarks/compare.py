"""All recipes after the same time of training, and a popular tutorial design beside them, measured by one protocol.

    python benchmarks/compare.py [RECIPE …] [--minutes 2 5] [--full]

Trains each recipe once, on this machine and with nothing else running, stops at each of the `minutes` of training (data
loading for our recipes, and all measuring, not counted) and measures what it would hand over then: the protocol of
`cgan_lib.evaluation.scores`, 10,000 images, one seed, at the last stop also GAN-train. `--full` trains the epochs of
the profile `full` instead. Results go to benchmarks/results/, one recipe replacing its own rows only, with twenty
digits of each for the picture; the tables of README and notebook 04 are made from that file (README's is rewritten).
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch
from mlp_peer import MLP, Discriminator, Generator
from throughput import plain_steps
from torch import nn

from cgan_lib import generate, load
from cgan_lib.checkpoint import write_atomically
from cgan_lib.evaluation import evaluate, real_scores
from cgan_lib.logbook import png
from cgan_lib.paths import make_folder
from cgan_lib.recipes import RECIPES, Recipe, get_recipe
from cgan_lib.sampling import tile
from cgan_lib.training import Trainer, pick_device

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
GALLERY = ROOT / "output_images" / "gallery"
COUNT = 10_000
BEGIN, END = "<!-- compare:begin -->\n", "<!-- compare:end -->"
COLUMNS = {  # title: how a row is printed there
    "recipe": lambda row: f"`{row['recipe']}`",
    "steps": lambda row: f"{row['steps']:,}",
    "images/s": lambda row: f"{row['images_per_second']:,.0f}",
    "parameters": lambda row: f"{row['parameters'] / 1e6:.2f} M",
    "FID ↓": lambda row: f"{row['fid']:.1f}",
    "precision": lambda row: f"{row['precision']:.2f}",
    "recall": lambda row: f"{row['recall']:.2f}",
    "coverage ↑": lambda row: f"{row['coverage']:.2f}",
    "GAN-test ↑": lambda row: f"{row['as_requested']:.1f}%",
    "GAN-train ↑": lambda row: "–" if row["gan_train"] is None else f"{row['gan_train']:.1f}%",
    "diversity": lambda row: f"{row['diversity']:.2f}",
}

ABOUT_TRAINING = ("steps", "images/s", "parameters")

Stopped = Callable[[nn.Module, int, float], None]  # (generator, steps, seconds)


def train_ours(recipe: Recipe, stops: list[float], stopped: Stopped) -> None:
    """Train with the library; at each of `stops`, seconds of training, `stopped` is called."""
    trainer = Trainer(recipe, load("mnist", image_size=recipe.image_size))
    spent = 0.0
    for stop in stops:
        started = time.perf_counter()
        deadline = started + stop - spent
        trainer.fit(10**9, lambda _, deadline=deadline: time.perf_counter() < deadline)
        spent += time.perf_counter() - started
        stopped(trainer.sampler, trainer.step, spent)


def train_full(recipe: Recipe, stopped: Stopped) -> None:
    """Train the epochs of the profile `full`."""
    trainer = Trainer(recipe, load("mnist", image_size=recipe.image_size))
    started = time.perf_counter()
    trainer.fit(recipe.length("full", len(trainer.data)))
    stopped(trainer.sampler, trainer.step, time.perf_counter() - started)


def train_plainly(stops: list[float], stopped: Stopped) -> None:
    """Train the tutorial design as tutorials do."""
    torch.manual_seed(0)
    generator, discriminator = Generator(), Discriminator()
    steps = plain_steps(MLP, pick_device(), (generator, discriminator))
    spent, count = 0.0, 0
    for stop in stops:
        started = time.perf_counter()
        while spent + time.perf_counter() - started < stop:
            next(steps)
            count += 1
        spent += time.perf_counter() - started
        stopped(generator, count, spent)


def measure(name: str, stops: list[float], full: bool) -> list[dict]:
    """Train a recipe (or `mlp_peer`) and measure it at each stop: one row for each."""
    rows = []
    recipe = MLP if name == MLP.name else get_recipe(name)
    discriminator = Discriminator() if recipe is MLP else recipe.build()[1]

    def stopped(generator: nn.Module, steps: int, seconds: float) -> None:
        last = full or len(rows) == len(stops) - 1
        scores = evaluate(generator, count=COUNT, seeds=1, gan_train=last).to_dict()
        del scores["real"]
        networks = (generator, discriminator)
        rows.append(
            {
                "recipe": name,
                "minutes": None if full else round(stops[len(rows)] / 60, 6),
                "steps": steps,
                "seconds": round(seconds, 1),
                "images_per_second": round(steps * recipe.batch_size / seconds, 1),
                "parameters": sum(p.numel() for network in networks for p in network.parameters()),
                **scores,
            }
        )
        if last:
            labels = torch.arange(10).repeat_interleave(2)
            strip = tile(generate(generator, labels, seed=0), columns=20)
            write_atomically(make_folder(RESULTS / "digits") / f"{name}.png", png(strip, scale=1))

    if recipe is MLP:
        train_plainly(stops, stopped)
    elif full:
        train_full(recipe, stopped)
    else:
        train_ours(recipe, stops, stopped)
    return rows


def table(results: dict, minutes: float | None) -> str:
    """The rows of one budget as a Markdown table, lowest FID first, and below what real training images score."""
    rows = rows_of(results, minutes)
    columns = {
        k: show for k, show in COLUMNS.items() if not k.startswith("GAN-train") or rows[0]["gan_train"] is not None
    }
    real = ["*real images*"]
    for title, show in list(columns.items())[1:]:
        real.append("" if title in ABOUT_TRAINING else show(results["real"]))
    cells = [[show(row) for show in columns.values()] for row in rows]
    lines = [list(columns), ["---", *["---:"] * (len(columns) - 1)], *cells, real]
    return (
        "".join(f"| {' | '.join(line)} |\n" for line in lines).replace("| --- |", "|---|").replace(" ---: |", "---:|")
    )


def rows_of(results: dict, minutes: float | None) -> list[dict]:
    """The results of one budget, lowest FID first."""
    return sorted((row for row in results["rows"] if row["minutes"] == minutes), key=lambda row: row["fid"])


def readme_part(results: dict) -> str:
    """What README shows of the results."""
    budgets = sorted({row["minutes"] for row in results["rows"]}, reverse=True)
    where = f"on a {results['machine']}, torch {results['torch'].split('+')[0]}, {results['real']['count']:,} images"
    parts = [
        f"After {minutes:g} minutes of training each, {where}:\n\n{table(results, minutes)}" for minutes in budgets
    ]
    return "\n" + "\n".join(parts) + "\n"


def write_readme(results: dict, path: Path) -> None:
    """Replace the tables between the two marks in README."""
    before, _, rest = path.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    write_atomically(path, (before + BEGIN + readme_part(results) + END + after).encode())


def draw_digits(results: dict, minutes: float | None):
    """A figure with a row of digits for each recipe, lowest FID first: two of each class, none selected."""
    import matplotlib.pyplot as plt

    rows = rows_of(results, minutes)
    figure, axes = plt.subplots(len(rows), 1, figsize=(9, 0.5 * len(rows)), layout="constrained", squeeze=False)
    for panel, row in zip(axes[:, 0], rows, strict=True):
        panel.imshow(plt.imread(RESULTS / "digits" / f"{row['recipe']}.png"))
        panel.set_ylabel(f"{row['recipe']}\nFID {row['fid']:.1f}", rotation=0, ha="right", va="center", fontsize=9)
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
    return figure


def draw_scores(results: dict):
    """A figure with a line for each recipe: four scores after each budget (lighter: shorter), dotted what is real."""
    import matplotlib.pyplot as plt

    budgets = sorted({row["minutes"] for row in results["rows"]})
    names = [row["recipe"] for row in rows_of(results, budgets[-1])]
    scores = {
        "fid": "FID ↓",
        "coverage": "coverage ↑",
        "as_requested": "GAN-test ↑ (%)",
        "gan_train": "GAN-train ↑ (%)",
    }
    figure, axes = plt.subplots(1, len(scores), figsize=(11, 0.3 * len(names) + 1), layout="constrained", sharey=True)
    for panel, (name, title) in zip(axes, scores.items(), strict=True):
        for number, minutes in enumerate(budgets, start=1):
            shown = [row for row in rows_of(results, minutes) if row[name] is not None]
            places = [names.index(row["recipe"]) for row in shown]
            values = [row[name] for row in shown]
            alpha = number / len(budgets)
            panel.scatter(values, places, color="#c8553d", alpha=alpha, zorder=2, label=f"{minutes:g} minutes")
        panel.axvline(results["real"][name], color="#2f6f8f", linestyle=":", label="real images")
        panel.set(title=title, yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
        panel.grid(alpha=0.25)
    axes[0].set_xscale("log")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def machine() -> str:
    """The machine, in words."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()}-core CPU"


def main() -> None:
    """Train, measure, and write what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=[*RECIPES, MLP.name])
    parser.add_argument("--minutes", type=float, nargs="+", default=[2, 5])
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    path = make_folder(RESULTS) / ("compare_full.json" if options.full else "compare.json")
    for name in options.recipes:
        if options.full and name == MLP.name:
            continue  # it has no published number of epochs here
        rows = measure(name, [60 * minutes for minutes in sorted(options.minutes)], options.full)
        results = json.loads(path.read_text()) if path.is_file() else {"rows": []}
        real = real_scores(count=COUNT, gan_train=True).to_dict()
        results |= {"machine": machine(), "torch": torch.__version__, "python": platform.python_version(), "real": real}
        results["rows"] = [row for row in results["rows"] if row["recipe"] != name] + rows
        write_atomically(path, (json.dumps(results, indent=1) + "\n").encode())
        print(table({**results, "rows": rows}, rows[-1]["minutes"]), flush=True)
    if not options.full:
        write_readme(results, ROOT / "README.md")
        draw_digits(results, max(row["minutes"] for row in results["rows"])).savefig(GALLERY / "compare.png", dpi=110)


if __name__ == "__main__":
    main()
