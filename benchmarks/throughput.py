"""Time of one training step of each recipe: this library against the plain way, in one process, alternating.

    python benchmarks/throughput.py [RECIPE …] [--rounds 15] [--out PATH]

The plain way is what tutorials do, with the same networks, batch, loss and average: torchvision data set
with per-sample transforms, DataLoader, fp32, Adam as it comes, gradients of everything, losses read every step.
Prints a Markdown table of medians, which docs/measurements.md quotes, and with all recipes keeps it in
benchmarks/results/, or in `--out`, there whichever recipes were asked for.
"""

import argparse
import copy
import itertools
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torchvision import datasets, transforms

from cgan_lib.data import batches, load_data
from cgan_lib.files import write_atomically
from cgan_lib.losses import LOSSES
from cgan_lib.models import layers, subpixel
from cgan_lib.models.labels import ClassEmbedding
from cgan_lib.paths import home, make_folder
from cgan_lib.recipes import RECIPES, Recipe, get_recipe
from cgan_lib.schedules import ema_decay
from cgan_lib.training import Trainer

RESULTS = Path(__file__).resolve().parent / "results" / "throughput.json"
STEPS_A_TURN = 4
WARM_UP_TURNS = 2


def as_tutorials_do(network: nn.Module) -> nn.Module:
    """The same network from the layers that PyTorch ships, where ours do more or do it faster."""
    before: nn.Module = network
    for name, layer in network.named_children():
        if isinstance(layer, layers.DenseToMaps):
            plain = nn.Sequential(nn.Linear(layer.in_features, layer.out_features), nn.Unflatten(1, layer.shape))
            plain[0].load_state_dict(layer.state_dict())
        elif type(layer) is ClassEmbedding:
            plain = nn.Embedding(*layer.weight.shape)
            plain.load_state_dict(layer.state_dict())
        elif isinstance(layer, layers.FlattenPixels):
            plain = nn.Flatten()
        elif isinstance(layer, subpixel.DepthToSpace):
            plain = nn.PixelShuffle(2)
            _order_for_shuffle(before)
        elif isinstance(layer, subpixel.SpaceToDepth):
            plain = nn.PixelUnshuffle(2)
        elif isinstance(layer, layers.Dropout):
            plain = nn.Dropout(layer.p)
        else:
            plain = as_tutorials_do(layer)
        setattr(network, name, plain)
        before = plain
    return network


def _order_for_shuffle(convolution: nn.Module) -> None:
    """Channels of a convolution in the order of `nn.PixelShuffle`: the four that become one are neighbours."""
    for parameter in convolution.parameters():
        parameter.data = parameter.data.unflatten(0, (4, -1)).transpose(0, 1).flatten(0, 1)


def plain_steps(
    recipe: Recipe, device: torch.device, networks: Sequence[nn.Module] | None = None
) -> Iterator[tuple[float, float]]:
    """Train as a tutorial does, `networks` in place of the recipe's where given; each item is one step's losses."""
    to_tensor = transforms.Compose(
        [transforms.Resize(recipe.image_size)] * (recipe.image_size != 28)
        + [transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))]
    )
    root = os.environ.get("CGAN_DATA") or home() / "data"
    images = datasets.MNIST(root, train=True, transform=to_tensor)
    loader = torch.utils.data.DataLoader(images, recipe.batch_size, shuffle=True, drop_last=True)
    networks = networks or [as_tutorials_do(network) for network in recipe.build()]
    generator, discriminator = (network.to(device) for network in networks)
    betas = (recipe.beta1, recipe.beta2)
    optimizer_g = torch.optim.Adam(generator.parameters(), recipe.lr, betas)
    optimizer_d = torch.optim.Adam(discriminator.parameters(), recipe.lr, betas)
    averaged = copy.deepcopy(generator) if recipe.averages else None
    loss = LOSSES[recipe.loss]
    weight = recipe.weight_of_penalty
    for step, (real, labels) in enumerate(itertools.chain.from_iterable(itertools.repeat(loader)), start=1):
        real, labels = real.to(device), labels.to(device)
        z = torch.randn(recipe.batch_size, recipe.latent_dim, device=device)
        random_labels = torch.randint(0, 10, (recipe.batch_size,), device=device)
        fake_labels = labels if loss.paired else random_labels
        fake = generator(z, fake_labels)
        optimizer_d.zero_grad()
        if recipe.auxiliary:
            real_logits, guesses = discriminator.with_guesses(real, labels)
            of_classes = recipe.auxiliary * F.cross_entropy(guesses, labels)
        else:
            real_logits, of_classes = discriminator(real, labels), 0.0
        loss_d = loss.d(real_logits, discriminator(fake.detach(), fake_labels)) + of_classes
        if loss.penalty and step % recipe.penalty_every == 0:
            loss_d = loss_d + recipe.penalty_every * weight * loss.penalty(discriminator, real, fake.detach(), labels)
        loss_d.backward()
        optimizer_d.step()
        optimizer_g.zero_grad()
        logits = [discriminator(fake, fake_labels)]
        if loss.relative:  # the others need no logits of the reals here
            logits.append(discriminator(real, labels))
        loss_g = loss.g(*logits)
        loss_g.backward()
        optimizer_g.step()
        if averaged:
            decay = ema_decay(recipe, step)
            with torch.no_grad():
                for mine, theirs in zip(averaged.parameters(), generator.parameters(), strict=True):
                    mine.mul_(decay).add_(theirs, alpha=1 - decay)
        yield loss_d.item(), loss_g.item()


def our_steps(recipe: Recipe, device: torch.device) -> Iterator[dict | None]:
    """Train as `train` does, measurements every `log_every` steps included; each item is one step."""
    trainer = Trainer(recipe, load_data("mnist", image_size=recipe.image_size), str(device))
    for real, labels in batches(trainer.data, recipe.batch_size, recipe.seed):
        yield trainer.train_step(real, labels, measure=trainer.step % recipe.log_every == 0)


def time_turn(steps: Iterator, device: torch.device) -> float:
    """Seconds for one step, averaged over a turn."""
    started = time.perf_counter()
    for _ in range(STEPS_A_TURN):
        next(steps)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / STEPS_A_TURN


def compare(recipe: Recipe, device: torch.device, rounds: int) -> dict[str, float]:
    """Median milliseconds a step of both ways, taking turns, and the median of the ratios pair by pair."""
    kinds: dict[str, Callable] = {"plain": plain_steps, "ours": our_steps}
    runs = {name: steps(recipe, device) for name, steps in kinds.items()}
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for turn in range(WARM_UP_TURNS + rounds):
        for name, steps in runs.items():
            seconds = time_turn(steps, device)
            if turn >= WARM_UP_TURNS:
                times[name].append(seconds)
    ratios = [plain / ours for plain, ours in zip(times["plain"], times["ours"], strict=True)]
    medians = {name: 1000 * statistics.median(values) for name, values in times.items()}
    return medians | {"ratio": statistics.median(ratios)}


def table(rows: list[dict]) -> str:
    """The measurements as a Markdown table."""
    lines = ["| recipe | batch | plain (ms) | ours (ms) | faster | images/s |", "|---|---:|---:|---:|---:|---:|"]
    for row in rows:
        rate = 1000 * row["batch"] / row["ours"]
        times = f"{row['plain']:.1f} | {row['ours']:.1f} | {row['ratio']:.2f}× | {rate:,.0f}"
        lines.append(f"| `{row['recipe']}` | {row['batch']} | {times} |")
    return "".join(f"{line}\n" for line in lines)


def main() -> None:
    """Measure the recipes asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ours = [name for name, r in RECIPES.items() if not name.endswith("_published") and not r.grow_every]
    parser.add_argument("recipes", nargs="*", default=ours)  # (a growing recipe has no typical step)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    machine = torch.cuda.get_device_name() if device.type == "cuda" else f"{os.cpu_count()}-core CPU"
    rows = []
    for name in options.recipes:
        recipe = get_recipe(name)
        rows.append({"recipe": name, "batch": recipe.batch_size, **compare(recipe, device, options.rounds)})
    print(f"One training step on a {machine}, torch {torch.__version__}, Python {platform.python_version()}\n")
    print(table(rows), end="")
    if options.out or options.recipes == ours:
        results = {"machine": machine, "torch": torch.__version__, "rounds": options.rounds, "rows": rows}
        path = options.out or RESULTS
        make_folder(path.parent)
        write_atomically(path, (json.dumps(results, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
