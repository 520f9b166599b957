"""All recipes after the same time of training, and a popular tutorial design beside them, measured by one protocol.

    python benchmarks/compare.py [RECIPE …] [--minutes 2 5] [--seeds 3]     nothing else may run meanwhile
    python benchmarks/compare.py [RECIPE …] --further [--seeds 3]           only the seeds that are missing
    python benchmarks/compare.py [RECIPE …] --measure                       scores anew of generators trained before
    python benchmarks/compare.py [RECIPE …] --full                          the epochs of the profile `full`

The first seed of a recipe is trained against the clock: it stops at each of the `minutes` of training (data loading
for our recipes, and all measuring, not counted), and what it would hand over then is measured: the protocol of
`cgan_lib.evaluation.protocol`, 10,000 images, one set of latents, at the last stop also GAN-train. Every further seed
is trained for as many steps as the first one took, so that it needs no quiet machine and has no times of its own.

Results go to benchmarks/results/, each seed of a recipe replacing its own rows only, with twenty digits of the first
seed for the picture; generators go to logs/compare/. The tables of README, docs/measurements.md and notebook 04 are
made from that file (those of the first two are rewritten).
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean, stdev

import torch
from mlp_peer import MLP, Discriminator, Generator
from safetensors.torch import load_file, save
from throughput import plain_steps
from torch import nn

from cgan_lib import generate, load_data
from cgan_lib.devices import pick_device
from cgan_lib.evaluation import evaluate, real_scores
from cgan_lib.figures import MARKERS, WIDTH, as_png, house_style
from cgan_lib.files import png, write_atomically
from cgan_lib.paths import home, make_folder
from cgan_lib.recipes import RECIPES, Recipe, get_recipe
from cgan_lib.sampling import tile
from cgan_lib.training import Trainer
from cgan_lib.weights import state_to_store

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
GALLERY = ROOT / "output_images" / "gallery"
COUNT = 10_000
BEGIN, END = "<!-- compare:begin -->\n", "<!-- compare:end -->"
SCORES = {  # title: (field of a row, how it is printed)
    "FID ↓": ("fid", "{:.1f}"),
    "precision": ("precision", "{:.2f}"),
    "recall": ("recall", "{:.2f}"),
    "coverage ↑": ("coverage", "{:.2f}"),
    "GAN-test ↑ (%)": ("as_requested", "{:.1f}"),
    "GAN-train ↑ (%)": ("gan_train", "{:.1f}"),
    "diversity": ("diversity", "{:.2f}"),
}
IN_SHORT = ("FID ↓", "coverage ↑", "GAN-test ↑ (%)")
OURS = {name for name in RECIPES if not name.endswith("_published")}
IN_PICTURE = ("fid", "coverage", "as_requested", "gan_train")
ABOUT_TRAINING = {
    "seeds": lambda rows: f"{len(rows)}",
    "steps": lambda rows: f"{rows[0]['steps']:,}",
    "images/s": lambda rows: f"{rows[0]['images_per_second'] or 0:,.0f}",  # only the first seed has a clock
    "parameters": lambda rows: f"{rows[0]['parameters'] / 1e6:.2f} M",
}

Reached = Callable[[int, float], bool]  # (steps, seconds) → whether a stop is reached
Stopped = Callable[[nn.Module, int, float], None]  # (generator, steps, seconds)


def clock() -> float:
    """Seconds, read when a GPU has done all that it was asked for."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def after_seconds(seconds: float) -> Reached:
    """A stop by the clock."""
    return lambda _, spent: spent >= seconds


def after_steps(count: int) -> Reached:
    """A stop by the number of steps."""
    return lambda steps, _: steps >= count


def train_ours(recipe: Recipe, stops: list[Reached], stopped: Stopped) -> None:
    """Train with the library; `stopped` is called at each stop."""
    trainer = Trainer(recipe, load_data("mnist", image_size=recipe.image_size))
    spent = 0.0
    for reached in stops:
        started = clock() - spent
        trainer.fit(10**9, lambda _, r=reached, s=started: not r(trainer.step, clock() - s))
        spent = clock() - started
        stopped(trainer.sampler, trainer.step, spent)


def train_plainly(recipe: Recipe, stops: list[Reached], stopped: Stopped) -> None:
    """Train the tutorial design as tutorials do."""
    torch.manual_seed(recipe.seed)
    generator, discriminator = Generator(), Discriminator()
    steps = plain_steps(recipe, pick_device(), (generator, discriminator))
    spent, count = 0.0, 0
    for reached in stops:
        started = time.perf_counter() - spent
        while not reached(count, time.perf_counter() - started):
            next(steps)
            count += 1
        spent = time.perf_counter() - started
        stopped(generator, count, spent)


def recipe_of(name: str, number: int = 0) -> Recipe:
    """The recipe of this name, or of the tutorial design, with its own seed or one of those after it."""
    recipe = MLP if name == MLP.name else get_recipe(name)
    return recipe.replace(seed=recipe.seed + number)


def networks(recipe: Recipe) -> tuple[nn.Module, nn.Module]:
    """The untrained generator and discriminator of a recipe or of the tutorial design."""
    return (Generator(), Discriminator()) if recipe.name == MLP.name else recipe.build()


def weights_file(recipe: Recipe, minutes: float | None) -> Path:
    """Where a trained generator is kept, to be measured again."""
    budget = "full" if minutes is None else f"{minutes:g}_minutes"
    return home() / "logs" / "compare" / f"{recipe.name}_seed_{recipe.seed}_{budget}.safetensors"


def train(recipe: Recipe, minutes: list[float | None], stops: list[Reached], timed: bool) -> list[dict]:
    """Train one seed of a recipe and measure it at each stop: a row for each."""
    rows: list[dict] = []
    parameters = sum(p.numel() for network in networks(recipe) for p in network.parameters())

    def stopped(generator: nn.Module, steps: int, seconds: float) -> None:
        budget = minutes[len(rows)]
        path = weights_file(recipe, budget)
        make_folder(path.parent)
        write_atomically(path, save(state_to_store(generator, half=False)))
        row = {
            **dict(recipe=recipe.name, seed=recipe.seed, minutes=budget, steps=steps),
            "seconds": round(seconds, 1) if timed else None,
            "images_per_second": round(steps * recipe.batch_size / seconds, 1) if timed else None,
            "parameters": parameters,
        }
        last = len(rows) == len(stops) - 1
        rows.append(row | scores_of(generator, gan_train=last))
        if last and recipe.seed == recipe_of(recipe.name).seed:
            labels = torch.arange(10).repeat_interleave(2)
            strip = tile(generate(generator, labels, seed=0), columns=20)
            write_atomically(make_folder(RESULTS / "digits") / f"{recipe.name}.png", png(strip, scale=1))

    (train_plainly if recipe.name == MLP.name else train_ours)(recipe, stops, stopped)
    return rows


def scores_of(generator: nn.Module, gan_train: bool) -> dict:
    """The scores of a generator as the protocol has them, without those of real images."""
    scores = evaluate(generator, count=COUNT, seeds=1, gan_train=gan_train).to_dict()
    del scores["real"]
    return scores


def measured_again(rows: list[dict]) -> list[dict]:
    """The same rows with new scores, as far as their generators are still there."""
    again = []
    for row in rows:
        recipe = recipe_of(row["recipe"]).replace(seed=row["seed"])
        path = weights_file(recipe, row["minutes"])
        if path.is_file():
            generator = networks(recipe)[0]
            generator.load_state_dict(load_file(path))
            row = row | scores_of(generator.eval(), gan_train=row["gan_train"] is not None)
        again.append(row)
    return again


def table(results: dict, minutes: float | None) -> str:
    """The rows of one budget as a Markdown table, lowest FID first, and below what real training images score.

    With several seeds: mean ± standard deviation over the trainings.
    """
    groups = groups_of(results, minutes)
    scores = {title: one for title, one in SCORES.items() if groups[0][0][one[0]] is not None}
    lines = [["recipe", *ABOUT_TRAINING, *scores], ["---", *["---:"] * (len(ABOUT_TRAINING) + len(scores))]]
    for rows in groups:
        about = [show(rows) for show in ABOUT_TRAINING.values()]
        lines.append([f"`{rows[0]['recipe']}`", *about, *(spread(rows, *one) for one in scores.values())])
    real = [spread([results["real"]], *one) for one in scores.values()]
    lines.append(["*real images*", *[""] * len(ABOUT_TRAINING), *real])
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return text.replace("| --- |", "|---|").replace(" ---: |", "---:|")


def spread(rows: list[dict], field: str, form: str) -> str:
    """The mean of a score over the seeds, and with several ± the standard deviation."""
    values = [row[field] for row in rows]
    return form.format(fmean(values)) + (f" ± {form.format(stdev(values))}" if len(values) > 1 else "")


def groups_of(results: dict, minutes: float | None) -> list[list[dict]]:
    """The results of one budget: the rows of a recipe together, the seed with a clock first; lowest mean FID first."""
    groups: dict[str, list[dict]] = {}
    for row in sorted(results["rows"], key=lambda row: row["seed"]):
        if row["minutes"] == minutes:
            groups.setdefault(row["recipe"], []).append(row)
    return sorted(groups.values(), key=lambda rows: fmean(row["fid"] for row in rows))


def all_tables(results: dict) -> str:
    """What docs/measurements.md shows of the results: every row of every budget."""
    budgets = sorted({row["minutes"] for row in results["rows"]}, reverse=True)
    parts = [
        f"After {minutes:g} minutes of training each, {where(results)}:\n\n{table(results, minutes)}"
        for minutes in budgets
    ]
    return "\n" + "\n".join(parts) + "\n"


def short_table(results: dict) -> str:
    """What README shows of the results: our settings after the longest training, and real images."""
    longest = max(row["minutes"] for row in results["rows"])
    groups = [rows for rows in groups_of(results, longest) if rows[0]["recipe"] in OURS]
    lines = ["| recipe | FID ↓ | coverage ↑ | read as the digit asked for |\n|---|---:|---:|---:|\n"]
    for name, rows in [*((f"`{rows[0]['recipe']}`", rows) for rows in groups), ("*real images*", [results["real"]])]:
        fid, coverage, as_requested = (spread(rows, *SCORES[title]) for title in IN_SHORT)
        lines.append(f"| {name} | {fid} | {coverage} | {as_requested}% |\n")
    return f"\nAfter {longest:g} minutes of training each, {where(results)}:\n\n{''.join(lines)}\n"


def where(results: dict) -> str:
    """On what the results were measured, in words."""
    return f"on a {results['machine']}, torch {results['torch'].split('+')[0]}, {results['real']['count']:,} images"


def write_part(path: Path, part: str) -> None:
    """Replace what stands between the two marks in a file."""
    before, _, rest = path.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    write_atomically(path, (before + BEGIN + part + END + after).encode())


@house_style()
def draw_digits(results: dict, minutes: float | None):
    """A figure with a row of digits for each recipe, lowest FID first: two of each class, none selected."""
    import matplotlib.pyplot as plt

    groups = groups_of(results, minutes)
    figure, axes = plt.subplots(figsize=(WIDTH, 0.5 * len(groups)))  # the width decides: names have theirs
    for place, (row, *_) in enumerate(groups):
        picture = plt.imread(RESULTS / "digits" / f"{row['recipe']}.png")  # (height, width, 3): nearly 1 to 19
        axes.imshow(picture, extent=(0, 19 * 0.9, place + 0.9, place))
    names = [f"{row['recipe']}\nFID {row['fid']:.1f}" for row, *_ in groups]
    axes.set_yticks([place + 0.45 for place in range(len(groups))], names)
    axes.set(xticks=[], xlim=(0, 19 * 0.9), ylim=(len(groups), 0))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


@house_style()
def draw_scores(results: dict):
    """A figure with a line for each recipe and a point for each seed: four scores, a marker for each budget.

    Dotted: what real images score.
    """
    import matplotlib.pyplot as plt

    budgets = sorted({row["minutes"] for row in results["rows"]})
    names = [rows[0]["recipe"] for rows in groups_of(results, budgets[-1])]
    shown = {title: field for title, (field, _) in SCORES.items() if field in IN_PICTURE}
    figure, axes = plt.subplots(1, len(shown), figsize=(WIDTH, 0.3 * len(names) + 1.2), sharey=True)
    for panel, (title, field) in zip(axes, shown.items(), strict=True):
        for number, minutes in enumerate(reversed(budgets)):
            rows = [row for row in results["rows"] if row["minutes"] == minutes and row[field] is not None]
            places = [names.index(row["recipe"]) for row in rows]
            style = dict(marker=MARKERS[number], color=f"C{number}", alpha=0.8, zorder=2)
            panel.scatter([row[field] for row in rows], places, **style, label=f"{minutes:g} minutes")
        panel.axvline(results["real"][field], color="black", linestyle=":", label="real images")
        panel.set(xlabel=title, yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
        panel.grid(alpha=0.6)
    axes[0].set(xscale="log", ylabel="recipe")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def machine() -> str:
    """The machine, in words."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()}-core CPU"


def trainings(name: str, options: argparse.Namespace, there: list[dict]) -> Iterator[list[dict]]:
    """The rows of each seed of a recipe that the command line asks for, as soon as they are measured."""
    first = recipe_of(name)
    if options.measure:
        yield measured_again(there)
    elif options.full:
        images = len(load_data("mnist", image_size=first.image_size))
        yield train(first, [None], [after_steps(first.length("full", images))], timed=True)
    else:
        rows = sorted((row for row in there if row["seed"] == first.seed), key=lambda row: row["minutes"])
        if not options.further:
            minutes = sorted(options.minutes)
            rows = train(first, minutes, [after_seconds(60 * some) for some in minutes], timed=True)
            yield rows
        for number in range(1, options.seeds):
            recipe = recipe_of(name, number)
            if not (options.further and any(row["seed"] == recipe.seed for row in there)):
                stops = [after_steps(row["steps"]) for row in rows]
                yield train(recipe, [row["minutes"] for row in rows], stops, timed=False)


def main() -> None:
    """Train, measure, and write what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=[*RECIPES, MLP.name])
    parser.add_argument("--minutes", type=float, nargs="+", default=[2, 5])
    parser.add_argument("--seeds", type=int, default=3)
    what = parser.add_mutually_exclusive_group()
    for option in ("--further", "--measure", "--full"):
        what.add_argument(option, action="store_true")
    options = parser.parse_args()
    path = make_folder(RESULTS) / ("compare_full.json" if options.full else "compare.json")
    results = {"rows": []}
    for name in options.recipes:
        if options.full and name == MLP.name:
            continue  # it has no published number of epochs here
        results = json.loads(path.read_text("utf-8")) if path.is_file() else results
        there = [row for row in results["rows"] if row["recipe"] == name]
        if not (options.further or options.measure):  # another clock: the seeds that followed the old one are void
            results["rows"] = [row for row in results["rows"] if row["recipe"] != name]
        for rows in trainings(name, options, there):
            new = {(row["recipe"], row["seed"]) for row in rows}
            kept = [row for row in results["rows"] if (row["recipe"], row["seed"]) not in new]
            results |= {"rows": kept + rows, "real": real_scores(count=COUNT, gan_train=True).to_dict()}
            if rows[0]["seconds"] is not None and not options.measure:
                results |= {"machine": machine(), "torch": torch.__version__, "python": platform.python_version()}
            write_atomically(path, (json.dumps(results, indent=1) + "\n").encode())
            print(table({**results, "rows": rows}, rows[-1]["minutes"]), flush=True)
    if not options.full:
        write_part(ROOT / "README.md", short_table(results))
        write_part(ROOT / "docs" / "measurements.md", all_tables(results))
        figure = draw_digits(results, max(row["minutes"] for row in results["rows"]))
        write_atomically(GALLERY / "compare.png", as_png(figure))


if __name__ == "__main__":
    main()
