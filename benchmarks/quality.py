"""Are the digits what was asked for, and are there many of them? Seen by a classifier that never trains a GAN.

    python benchmarks/quality.py [RECIPE …] [--profile demo] [--count 5000]

Trains each recipe in a fresh home, draws `count` digits, and prints a Markdown table:
share drawn as requested (over all and for the worst class), and the diversity within a class, as the mean distance
between two images of it in the classifier's feature space, over the same for real test images (1.00 = as diverse as
real digits; near 0 = a few shapes over and over).
"""

import argparse
import os
import tempfile

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib import generate, load, train
from cgan_lib.data import batches, to_unit
from cgan_lib.paths import home
from cgan_lib.recipes import RECIPES

EPOCHS = 4


def train_judge() -> nn.Sequential:
    """A small CNN on the real training images (28×28): features (N, 128), then 10 logits."""
    torch.manual_seed(1)

    def block(c_in: int, c_out: int, stride: int) -> list[nn.Module]:
        return [nn.Conv2d(c_in, c_out, 3, stride, 1), nn.BatchNorm2d(c_out), nn.ReLU()]

    layers = [*block(1, 32, 1), *block(32, 32, 2), *block(32, 64, 1), *block(64, 64, 2), nn.Flatten(), nn.Dropout(0.3)]
    judge = nn.Sequential(nn.Sequential(*layers, nn.Linear(64 * 7 * 7, 128), nn.ReLU()), nn.Linear(128, 10))
    data = load("mnist")
    steps = EPOCHS * (len(data) // 128)
    optimizer = torch.optim.AdamW(judge.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps)
    for step, (images, labels) in enumerate(batches(data, 128, seed=1)):
        if step == steps:
            break
        shift = torch.randint(-2, 3, (2,)).tolist()
        with torch.autocast("cpu", torch.bfloat16):
            logits = judge(images.roll(shift, (2, 3)))
        optimizer.zero_grad()
        F.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
        schedule.step()
    return judge.eval()


@torch.inference_mode()
def judged(judge: nn.Sequential, images: Tensor, labels: Tensor) -> tuple[float, float, Tensor]:
    """Percent classified as `labels`, the same for the worst class, and the mean distance within each class (10,)."""
    features = torch.cat([judge[0](to_unit(some)) for some in images.split(500)])  # (N, 128)
    right = (judge[1](features).argmax(1) == labels).float()
    by_class = [right[labels == label].mean().item() for label in range(10)]
    spread = [torch.pdist(features[labels == label]).mean() for label in range(10)]
    return 100 * right.mean().item(), 100 * min(by_class), torch.stack(spread)


def main() -> None:
    """Print the table for the recipes asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=[name for name in RECIPES if not name.endswith("_published")])
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--count", type=int, default=5000)
    options = parser.parse_args()
    judge = train_judge()
    test = load("mnist", train=False)
    real_right, _, real_spread = judged(judge, test.images, test.labels)
    print(f"judge: {real_right:.2f}% on the real test images; {os.cpu_count()}-core CPU, profile {options.profile}\n")
    print("| recipe | steps | training (s) | as requested | worst class | diversity, mean | least diverse class |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    labels = torch.arange(options.count) % 10
    os.environ.setdefault("CGAN_DATA", str(home() / "data"))
    with tempfile.TemporaryDirectory() as fresh:
        os.environ["CGAN_HOME"] = fresh
        for name in options.recipes:
            run = train(name, profile=options.profile)
            right, worst, spread = judged(judge, generate(run.generator, labels, seed=1), labels)
            diversity = spread / real_spread
            print(
                f"| `{name}` | {run.step:,} | {run.seconds:.0f} | {right:.1f}% | {worst:.1f}% "
                f"| {diversity.mean():.2f} | {diversity.min():.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
