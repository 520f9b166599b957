"""Train what the library ships: the classifier that measures, and small generators to look at before training one.

    python tools/ship.py classifiers [DATASET …]
    python tools/ship.py generators [RECIPE …] [--seconds 240]

Every generator gets the same time on this machine and is stored in half precision, with its steps and seconds; its
picture goes to output_images/gallery/. Nothing else should run meanwhile.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from cgan_lib import UserError, evaluate, generate, load_generator, train
from cgan_lib.evaluation.classifier import (
    SHIPPED,
    accuracy,
    load_classifier,
    load_for_reading,
    save_classifier,
    train_classifier,
)
from cgan_lib.files import png, write_atomically
from cgan_lib.paths import home
from cgan_lib.sampling import tile
from cgan_lib.weights import PRETRAINED, save_generator

GALLERY = Path(__file__).resolve().parents[1] / "output_images" / "gallery"
DATASETS = ["mnist", "digits", "coloured_digits"]
RECIPES = ["bce", "dcgan64", "projection", "relativistic"]


def ship_classifiers(datasets: list[str]) -> None:
    """Train the classifiers of data sets and say how often they are right."""
    for dataset in datasets:
        data = load_for_reading(dataset)  # with the combinations that no generator sees
        if data.name != dataset:
            raise UserError(f"{dataset} is not at hand: its classifier cannot be trained.")
        save_classifier(train_classifier(data), SHIPPED / f"{dataset}.safetensors", half=True)
        right = accuracy(load_classifier(dataset), load_for_reading(dataset, train=False))
        print(f"classifier of {dataset}: {right:.2f}% of the real test images")


def ship_generator(recipe: str, seconds: float) -> None:
    """Train a recipe for about `seconds` of training steps, in a fresh home."""
    with tempfile.TemporaryDirectory() as fresh:
        os.environ["CGAN_HOME"] = fresh
        run = train(recipe, run="shipped", steps=200)
        while run.seconds < 0.97 * seconds:  # half of what is left, so that a change of pace is noticed in time
            left = (seconds - run.seconds) * run.step / run.seconds
            run = train(recipe, run="shipped", steps=run.step + max(round(left / 2), 50))
        path = PRETRAINED / f"{recipe}.safetensors"
        save_generator(run.generator, path, half=True, steps=run.step, seconds=round(run.seconds))
        z, labels = run.fixed_inputs()
        picture = png(tile(generate(load_generator(path), labels, z=z)), scale=2 if run.recipe.image_size < 64 else 1)
        write_atomically(GALLERY / f"{recipe}.png", picture)
        print(f"{recipe}: {run.step:,} steps in {run.seconds:.0f} s, {evaluate(run.generator)}", flush=True)


def main() -> None:
    """Train and store what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["classifiers", "generators"])
    parser.add_argument("names", nargs="*", help="default: all that are shipped now")
    parser.add_argument("--seconds", type=float, default=240)
    options = parser.parse_args()
    os.environ.setdefault("CGAN_DATA", str(home() / "data"))
    started = time.perf_counter()
    if options.what == "classifiers":
        ship_classifiers(options.names or DATASETS)
    else:
        for recipe in options.names or RECIPES:
            ship_generator(recipe, options.seconds)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
