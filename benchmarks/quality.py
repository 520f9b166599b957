"""Are the digits what was asked for, and are there many of them? Seen by a classifier that never trains a GAN.

    python benchmarks/quality.py [RECIPE …] [--profile demo] [--count 5000]

Trains each recipe in a fresh home, draws `count` digits, and prints a Markdown table of `cgan_lib.evaluate`:
share drawn as requested (over all and for the worst class), and the diversity within a class, as the mean distance
between two images of it in the classifier's feature space, over the same for real test images (1.00 = as diverse as
real digits; near 0 = a few shapes over and over).
"""

import argparse
import os
import tempfile

from cgan_lib import evaluate, train
from cgan_lib.paths import home
from cgan_lib.recipes import RECIPES


def main() -> None:
    """Print the table for the recipes asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=[name for name in RECIPES if not name.endswith("_published")])
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--count", type=int, default=5000)
    options = parser.parse_args()
    os.environ.setdefault("CGAN_DATA", str(home() / "data"))
    print(f"{os.cpu_count()}-core CPU, profile {options.profile}\n")
    print("| recipe | steps | training (s) | as requested | worst class | diversity, mean | least diverse class |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as fresh:
        os.environ["CGAN_HOME"] = fresh
        for name in options.recipes:
            run = train(name, profile=options.profile)
            scores = evaluate(run.generator, count=options.count)
            measured = f"{scores.as_requested:.1f}% | {scores.worst_class:.1f}% | {scores.diversity:.2f}"
            print(
                f"| `{name}` | {run.step:,} | {run.seconds:.0f} | {measured} | {scores.least_diverse:.2f} |", flush=True
            )
    print(f"\nThe classifier is right on {scores.real:.2f}% of the real test images.")


if __name__ == "__main__":
    main()
