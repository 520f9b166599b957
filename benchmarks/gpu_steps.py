"""What training steps do on this machine's device: every combination moves, replayed steps and resumed runs agree.

    python benchmarks/gpu_steps.py [--out benchmarks/results/gpu/steps.json] [--quick]

- `moves`: every family × loss × precision takes a few steps; both networks must move and stay finite.
- `replayed`: every recipe that does not grow, trained with CUDA graphs and without them: the largest difference
  between their weights, between two trainings without, and milliseconds a step of both.
- `resumed`: the same recipes, stopped half way and continued from the checkpoint: the largest difference to a run that
  was not, once as cuDNN likes it best and once with its deterministic kernels.

A difference of 0 means equal bit for bit. Networks are trained on the embedded digits. `--quick`: two recipes, small
networks, few steps. Ends with 1 when a network did not move, or a graph was refused, or weights are too far apart.
"""

import argparse
import io
import json
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from compare import OURS, RESULTS, clock, machine
from torch import Tensor, nn

from cgan_lib import load_data
from cgan_lib.errors import UserError
from cgan_lib.files import write_atomically
from cgan_lib.losses import LOSSES
from cgan_lib.models import MODELS
from cgan_lib.paths import make_folder
from cgan_lib.recipes import RECIPES, Recipe, get_recipe
from cgan_lib.training import Trainer

SMALL = dict(base_channels=16, base_channels_d=8, batch_size=16, log_every=10**6)
FEW_STEPS, TIMED = 12, 80  # after a dozen steps rounding has not grown into another training yet
MOST = 1e-3  # of the largest weight may weights differ
PRECISIONS = ("fp32", "bf16", "fp16")


def trainer_of(recipe: Recipe) -> Trainer:
    """A new trainer on the embedded digits, and on the fastest device."""
    return Trainer(recipe, load_data("digits", image_size=recipe.image_size))


def weights(trainer: Trainer) -> Tensor:
    """All numbers of both networks, one after the other, on the CPU."""
    networks = (trainer.generator, trainer.discriminator)
    return torch.cat(
        [t.detach().double().flatten().cpu() for network in networks for t in network.state_dict().values()]
    )


def difference(one: Trainer, other: Trainer) -> float:
    """The largest between weights of the same name, as a part of the largest weight."""
    a, b = weights(one), weights(other)
    return ((a - b).abs().max() / a.abs().max()).item()


def moved(network: nn.Module, before: list[Tensor]) -> bool:
    """Whether any weights are others than before, and all are finite."""
    pairs = list(zip(network.parameters(), before, strict=True))
    return any(not torch.equal(p, old) for p, old in pairs) and all(bool(p.isfinite().all()) for p, _ in pairs)


def moves_of(model: str, loss: str, precision: str) -> dict[str, Any]:
    """Whether a combination moves both networks; `offered` is False where the library refuses it by design."""
    row: dict[str, Any] = dict(model=model, loss=loss, precision=precision, offered=True)
    recipe = next(recipe for recipe in RECIPES.values() if recipe.model == model)
    size = dict(image_size=32, grow_every=2) if MODELS[model].grows else {}
    try:
        recipe = recipe.replace(loss=loss, precision=precision, penalty_weight=None, penalty_every=2, **SMALL | size)
    except UserError:
        return row | dict(offered=False)
    trainer = trainer_of(recipe)
    networks = (trainer.generator, trainer.discriminator)
    before = [[p.detach().clone() for p in network.parameters()] for network in networks]
    trainer.fit(10 if precision == "fp16" else 6)  # a scaler skips steps until its scale fits
    return row | {name: moved(*pair) for name, pair in zip("GD", zip(networks, before, strict=True), strict=True)}


@contextmanager
def cudnn(deterministic: bool) -> Iterator[None]:
    """Inside, kernels of cuDNN give the same bits each time, or are those that it likes best."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=deterministic, allow_tf32=True):
        yield


def fitted(recipe: Recipe, steps: int, replay: bool) -> tuple[Trainer, str]:
    """A trainer after so many steps, and why a graph was refused if it was."""
    trainer = trainer_of(recipe)
    if not replay:
        trainer.replayed.recorder = None
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        trainer.fit(steps)
    return trainer, " ".join(str(note.message) for note in notes if "CUDA graphs" in str(note.message))


def milliseconds(trainer: Trainer, steps: int) -> float:
    """Of one step, none of them measured but the last."""
    started = clock()
    trainer.fit(trainer.step + steps)
    return 1000 * (clock() - started) / steps


def replayed_of(recipe: Recipe, timed: int) -> dict[str, Any]:
    """Steps of a recipe with CUDA graphs against those without."""
    row: dict[str, Any] = dict(recipe=recipe.name, precision=recipe.precision)
    with cudnn(deterministic=True):
        graphs, refused = fitted(recipe, FEW_STEPS, replay=True)
        plain, again = (fitted(recipe, FEW_STEPS, replay=False)[0] for _ in range(2))
        row |= dict(replayed=graphs.replayed.recorder is not None, refused=refused)
        row |= dict(difference=difference(plain, graphs), of_two_without=difference(plain, again))
    with cudnn(deterministic=False):
        times = dict(with_graphs=milliseconds(graphs, timed), without=milliseconds(plain, timed))
    return row | {name: round(value, 3) for name, value in times.items()}


def resumed_of(recipe: Recipe, deterministic: bool) -> dict[str, Any]:
    """A run that goes on from its checkpoint, as a file holds it, against one that was not stopped."""
    with cudnn(deterministic):
        straight, first, second = (trainer_of(recipe) for _ in range(3))
        straight.fit(2 * FEW_STEPS)
        first.fit(FEW_STEPS)
        file = io.BytesIO()
        torch.save(first.state_dict(), file)
        file.seek(0)
        second.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        second.fit(2 * FEW_STEPS)
        return dict(
            **dict(recipe=recipe.name, precision=recipe.precision, deterministic=deterministic),
            difference=difference(straight, second),
        )


def guarded(rows: Iterable[Any], measure: Any) -> list[dict[str, Any]]:
    """`measure(*row)` of each; where one fails, what it said, and the others go on."""
    results = []
    for row in rows:
        try:
            results.append(measure(*row))
        except Exception as error:
            results.append(dict(row=[str(part)[:80] for part in row], error=f"{type(error).__name__}: {error}"[:300]))
        print(json.dumps(results[-1]), flush=True)
    return results


def measured(quick: bool) -> dict[str, list[dict[str, Any]]]:
    """All three parts, in the order of what is needed most."""
    names = ["relativistic", "bce"] if quick else sorted(n for n in OURS if not MODELS[RECIPES[n].model].grows)
    small = SMALL if quick else dict(log_every=10**6)
    precisions = PRECISIONS[:1] if quick else PRECISIONS[:2]
    recipes = [get_recipe(name, precision=precision, **small) for name in names for precision in precisions]
    combinations = [
        (model, loss, precision)
        for model in ([RECIPES[name].model for name in names] if quick else MODELS)
        for loss in LOSSES
        for precision in precisions[:1] + PRECISIONS[1:]
    ]
    return dict(
        replayed=guarded([(recipe, 4 if quick else TIMED) for recipe in recipes], replayed_of),
        resumed=guarded([(recipe, exact) for recipe in recipes for exact in (True, False)], resumed_of),
        moves=guarded(combinations, moves_of),
    )


def troubles(results: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The rows that should not be as they are."""
    rows = [row for part in results.values() for row in part]
    return [
        row
        for row in rows
        if row.get("error")
        or row.get("refused")
        or not row.get("difference", 0) <= MOST
        or (row.get("offered") and not (row["G"] and row["D"]))
    ]


def main() -> None:
    """Measure, keep the results, and end with 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=RESULTS / "gpu" / "steps.json")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    started = time.perf_counter()
    results = measured(options.quick)
    wrong = troubles(results)
    facts = dict(machine=machine(), torch=torch.__version__, seconds=round(time.perf_counter() - started))
    make_folder(options.out.parent)
    kept = json.dumps(facts | dict(troubles=wrong) | results, indent=1) + "\n"
    write_atomically(options.out, kept.encode())
    print(f"{len(wrong)} of {sum(map(len, results.values()))} rows are wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
