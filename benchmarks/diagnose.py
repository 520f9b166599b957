"""Does `diagnose` name the fault? Every fault of the lab on seeds that its rules were not made with, and healthy runs.

python benchmarks/diagnose.py     writes results/diagnose.json, run by run (about ten minutes on one core), goes on
                                  where it was interrupted, and prints the table

A row is a run: its true cause, what it was called, the seed, and what was trained. The healthy runs are of the lab, of
the lab with settings that a person would call healthy, and of every recipe of the library while it is young.
"""

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from cgan_lib import diagnose, train
from cgan_lib.course.lab import FAULTS, Parts, train_lab
from cgan_lib.losses import hinge_d, hinge_g
from cgan_lib.runs.diagnose import HEALTHY, HasHistory

RESULTS = Path(__file__).parent / "results" / "diagnose.json"
SEEDS = range(300, 305)  # 0 to 4, 100 to 101 and 200 were seen when the rules were made
LAB_STEPS = 250
HEALTHY_SEEDS = range(300, 308)
RECIPE_STEPS = {  # enough for five times vital signs; the larger networks need most of the time
    **dict(bce=100, dropout=100, spatial=100, projection=100, relativistic=100, speedrun=100),
    **dict(dcgan64=50, dcgan64_progressive=50),
}
Row = dict[str, str | int]


def hinge_discriminator_step(game, real, labels, z, fake_labels):
    """As the lab's, with the hinge loss."""
    fake = game.generator(z, fake_labels).detach()
    real_logits, fake_logits = game.discriminator(real, labels), game.discriminator(fake, fake_labels)
    loss = hinge_d(real_logits, fake_logits)
    loss.backward()
    game.optimizer_d.step()
    return loss, real_logits, fake_logits


def hinge_generator_step(game, z, fake_labels):
    """As the lab's, with the hinge loss."""
    loss = hinge_g(game.discriminator(game.generator(z, fake_labels), fake_labels))
    loss.backward()
    game.optimizer_g.step()
    return loss


VARIANTS: dict[str, Parts] = {
    "lab, batches of 48": Parts(batch_size=48),
    "lab, rates 1e-3": Parts(rates=(1e-3, 1e-3)),
    "lab, rate of D twice that of G": Parts(rates=(1.5e-3, 3e-3)),
    "lab, hinge loss": Parts(discriminator_step=hinge_discriminator_step, generator_step=hinge_generator_step),
}


def train_recipe(name: str, seed: int) -> HasHistory:
    """A young run of a recipe of the library, in a home of its own."""
    steps = RECIPE_STEPS[name]
    with tempfile.TemporaryDirectory(prefix="cgan-diagnose-") as home:
        before = os.environ.get("CGAN_HOME")
        os.environ["CGAN_HOME"] = home
        try:
            settings = dict(steps=steps, grid_every=steps // 5, save_every=10_000, seed=seed)
            return _Kept(train(name, run="diagnose", profile="ci", **settings).history())
        finally:
            os.environ.pop("CGAN_HOME") if before is None else os.environ.update(CGAN_HOME=before)


class _Kept:
    """The log of a run whose folder is gone."""

    def __init__(self, curves):
        self.curves = curves

    def history(self):
        return self.curves


def planned(seeds: Sequence[int], healthy_seeds: Sequence[int]) -> Iterator[tuple[str, str, int, Callable]]:
    """Every run: its true cause, what is trained, the seed, and how."""
    for seed in healthy_seeds:
        yield HEALTHY, "lab", seed, lambda seed=seed: train_lab(Parts(), seed, LAB_STEPS)
    for what, parts in VARIANTS.items():
        yield HEALTHY, what, seeds[0], lambda parts=parts: train_lab(parts, seeds[0], LAB_STEPS)
    for name in RECIPE_STEPS:
        yield HEALTHY, name, seeds[0], lambda name=name: train_recipe(name, seeds[0])
    for seed in seeds:
        for cause, fault in FAULTS.items():
            yield cause, "lab", seed, lambda fault=fault, seed=seed: train_lab(fault.parts(), seed, LAB_STEPS)


def measure(path: Path, seeds: Sequence[int] = SEEDS, healthy_seeds: Sequence[int] = HEALTHY_SEEDS) -> list[Row]:
    """All rows; those that `path` holds already are not made again."""
    rows: list[Row] = json.loads(path.read_text("utf-8")) if path.is_file() else []
    known = {(row["cause"], row["trained"], row["seed"]) for row in rows}
    for cause, trained, seed, make in planned(seeds, healthy_seeds):
        if (cause, trained, seed) in known:
            continue
        found = diagnose(make())
        rows.append(dict(cause=cause, found=found.cause, seed=seed, trained=trained, reason=found.reasons[0]))
        path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", "utf-8")
        print(f"{cause:<22}{found.cause:<22}{seed}  {trained}", flush=True)
    return rows


def shares(rows: Sequence[Row]) -> tuple[int, int, int, int]:
    """How many faults were named rightly, of how many; how many healthy runs were accused, of how many."""
    faulty = [row for row in rows if row["cause"] != HEALTHY]
    healthy = [row for row in rows if row["cause"] == HEALTHY]
    right = sum(row["cause"] == row["found"] for row in faulty)
    return right, len(faulty), sum(row["found"] in FAULTS for row in healthy), len(healthy)


def table(rows: Sequence[Row]) -> str:
    """The confusion table in Markdown: each true cause, what its runs were called and how often."""
    lines = ["| what it was | what it was called |", "|---|---|"]
    for cause in dict.fromkeys(str(row["cause"]) for row in rows):
        called = Counter(str(row["found"]) for row in rows if row["cause"] == cause)
        lines.append(f"| {cause} | {', '.join(f'{name} {count}' for name, count in called.most_common())} |")
    right, faulty, accused, healthy = shares(rows)
    return "\n".join(
        [*lines, "", f"{right} of {faulty} faults named rightly; {accused} of {healthy} healthy runs accused."]
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(table(measure(RESULTS)))
