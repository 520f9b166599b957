"""Command line: train, recipes, info, generate, evaluate, export, serve. `train` takes the fields of `Recipe`."""

import io
import json
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
import tyro
from tyro.conf import CascadeSubcommandArgs, FlagCreatePairsOff, OmitArgPrefixes, Positional

from cgan_lib.console import exit_code, from_here, quoted, with_plain_letters
from cgan_lib.errors import UserError, printable, unknown
from cgan_lib.evaluation import Scores, evaluate, inception_fid, scores_file
from cgan_lib.figures import draw_history
from cgan_lib.files import png, write_atomically
from cgan_lib.paths import check_path, home, make_folder, short
from cgan_lib.publish import export_onnx, publish
from cgan_lib.recipes import RECIPES, SAMPLES, SEEDS, Recipe, current_profile, get_recipe
from cgan_lib.runs import Run, Stopped, open_source, train
from cgan_lib.sampling import check_labels, generate, tile
from cgan_lib.service import serve
from cgan_lib.studio.latent import slider_directions

PROGRAM = "python -m cgan_lib"
# Bytes of pixels that are made at once: a picture is held in memory twenty times as large as they are
MOST_PIXELS = {".png": 2**24, ".npz": 2**27}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code, which `console` explains."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    warnings.showwarning = lambda message, *_: print(f"note: {printable(str(message))}", file=sys.stderr)
    with_plain_letters()
    code = exit_code(lambda: _run(arguments))
    return code if arguments else 2  # help was shown, but nothing was asked for


def _run(arguments: Sequence[str]) -> int:
    _refuse_unknown_names(*arguments[:2])
    code = tyro.extras.subcommand_cli_from_dict(
        COMMANDS,
        prog=PROGRAM,
        description="Train conditional GANs, measure them, and make the images asked for.",
        args=arguments or ["--help"],
        config=(CascadeSubcommandArgs, FlagCreatePairsOff),
    )
    return code or 0


def _refuse_unknown_names(command: str = "-", recipe: str = "-", /) -> None:
    """One line with the nearest name, where tyro would list them all."""
    if not command.startswith("-") and command not in COMMANDS:
        raise unknown("command", command, COMMANDS)
    if command == "train" and not recipe.startswith("-"):
        get_recipe(recipe)


if TYPE_CHECKING:
    OneOfTheRecipes = Recipe
else:  # a subcommand each, so that the options have the recipe's values as defaults
    OneOfTheRecipes = tyro.extras.subcommand_type_from_defaults(
        RECIPES,
        {name: f"{r.model}, {r.image_size}×{r.image_size}, loss {r.loss}, lr {r.lr:g}" for name, r in RECIPES.items()},
        prefix_names=False,
        sort_subcommands=False,
    )

Source = Annotated[
    Positional[str],
    tyro.conf.arg(
        metavar="SOURCE",
        help="a run folder, a weight file, a published folder, hf://owner/name, or the name of a shipped generator",
    ),
]


def _train(
    recipe: OmitArgPrefixes[OneOfTheRecipes], run: str | None = None, profile: str | None = None, device: str = "auto"
) -> int:
    """Train a recipe, or go on with its run: the same command resumes. `train RECIPE --help` lists what it can change.

    Args:
        run: name of the run folder; default: the profile
        profile: ci, demo or full; default: $CGAN_PROFILE or demo
        device: auto (cuda, else mps, else cpu), or a device such as cuda:1
    """
    try:
        result, code = train(recipe, run=run, profile=profile, device=device), 0
    except Stopped as stop:
        result, code = stop.run, 128 + stop.signal
    folder, classes = quoted(short(result.folder)), range(min(result.generator.config["num_classes"], 10))
    print(f"\n{result.step} steps in {result.seconds:.0f} s of training")
    if result.grids:
        print(f"  sample grid   {short(result.grids[-1])}")
    print(f"  loss curves   {short(_save_curves(result))}")
    print(f"  run folder    {folder}")
    print(f"  TensorBoard   tensorboard --logdir {quoted(from_here(home() / 'logs'))} --samples_per_plugin images=1000")
    print(f"  make images   {PROGRAM} generate {folder} --labels {' '.join(map(str, classes))} --out images.png")
    print(f"  measure it    {PROGRAM} evaluate {folder}")
    return code


def _save_curves(run: Run) -> Path:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(12, 3.2), layout="constrained")
    draw_history(axes, run.history())
    figure.suptitle(f"{run.recipe.name}: {run.step} steps, {run.seconds:.0f} s")
    path = make_folder(run.pictures) / "curves.png"
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return path


def _recipes() -> None:
    """The recipes, as a table."""
    rows = [("recipe", "model", "size", "loss", "batch", "lr", "betas", "ema", "demo steps", "full epochs")]
    for r in RECIPES.values():
        size, batch, betas, ema = str(r.image_size), str(r.batch_size), f"({r.beta1}, {r.beta2})", str(r.ema or "–")
        rows.append((r.name, r.model, size, r.loss, batch, f"{r.lr:g}", betas, ema, str(r.demo_steps), str(r.epochs)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"\nprofile in force: {current_profile()} (CGAN_PROFILE=ci, demo or full)")


def _info(name: Annotated[Positional[str], tyro.conf.arg(metavar="RECIPE")]) -> None:
    """Both networks of a recipe, layer by layer.

    Args:
        name: one that the command `recipes` lists
    """
    from torchinfo import summary

    recipe = get_recipe(name)
    generator, discriminator = recipe.build()
    batch = recipe.batch_size
    z, labels = torch.zeros(batch, recipe.latent_dim), torch.zeros(batch, dtype=torch.long)
    images = torch.zeros(batch, 1, recipe.image_size, recipe.image_size)
    for title, network, inputs in (("generator", generator, z), ("discriminator", discriminator, images)):
        print(f"\n{name}: {title}")
        print(summary(network, input_data=(inputs, labels), col_names=("output_size", "num_params"), verbose=0))


def _generate(source: Source, labels: list[int], out: Path, count: int = 1, seed: int = 0, force: bool = False) -> None:
    """Make one image for each label asked for.

    Args:
        labels: the classes, such as 7 7 3
        out: picture .png, or .npz with images uint8 (N,C,H,W) and labels int64 (N,)
        count: images of each label given
        seed: of the latents: the same seed makes the same images
        force: write over a file that is there
    """
    _check_out(out, force, ".png", ".npz")
    if count < 1:
        raise UserError(f"--count {count} must be at least 1.")
    generator = open_source(source).generator
    chosen = check_labels(labels, generator.config["num_classes"])
    _check_memory(count * len(chosen), out.suffix, generator.config)
    repeated = chosen.repeat_interleave(count)
    images = generate(generator, repeated, seed=seed)
    if out.suffix == ".png":
        content = png(tile(images, columns=count if count > 1 else min(len(labels), 10)))
    else:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, images=images.numpy(), labels=repeated.numpy())
        content = buffer.getvalue()
    make_folder(out.parent)
    write_atomically(out, content)
    print(out)


def _check_out(out: Path, force: bool, *suffixes: str) -> None:
    """`UserError` for another ending, a file that is there already, and a place where none can be."""
    if out.suffix not in suffixes:
        raise UserError(f"--out {str(check_path(out))!r} must end in {' or '.join(suffixes)}.")
    if check_path(out).is_file() and not force:
        raise UserError(f"{out} exists: name a new file, or write over it with --force.")
    there = next(folder for folder in out.absolute().parents if folder.exists())
    if out.is_dir() or not there.is_dir() or not os.access(there, os.W_OK):  # rather now than after the work
        raise UserError(f"cannot write {out}: name a file in a folder where you may write.")


def _check_memory(images: int, suffix: str, config: dict[str, int]) -> None:
    pixels = config.get("channels", 1) * config.get("image_size", 28) ** 2
    if images > (most := MOST_PIXELS[suffix] // pixels):
        raise UserError(
            f"{images:,} images are more than fit into a {suffix}, which is made in memory: ask for {most:,} at most, "
            "and for others with another --seed."
        )


def _evaluate(
    source: Source,
    dataset: str | None = None,
    count: int | None = None,
    seeds: int | None = None,
    full: bool = False,
    inception: bool = False,
    out: Path | None = None,
    force: bool = False,
) -> None:
    """Measure a generator against the real test images: FID, KID, IS, precision, recall, coverage, GAN-test.

    Args:
        dataset: what to compare with; default: the data set it was trained on, mnist when unknown
        count: images; default: 200 in the profile ci, 2,000 in demo, 10,000 in full
        seeds: independent sets of latents; default: 3 in the profile full, else 1
        full: 10,000 images, 3 seeds, and GAN-train: minutes on a CPU
        inception: also the Inception-FID of papers, 60,000 images: downloads a network; hours on a CPU
        out: the JSON file; default: beside what is measured, or in logs/scores/ where that cannot be
        force: write over the file --out
    """
    if out is not None:
        _check_out(out, force, ".json")
    generator, _, run = open_source(source)
    if full:
        count = SAMPLES["full"] if count is None else count
        seeds = SEEDS["full"] if seeds is None else seeds
    scores = evaluate(generator, dataset, count=count, seeds=seeds, gan_train=full)
    measured = {"source": source, **scores.to_dict()}
    out = out or _scores_file(source, run, scores, generator.dataset)
    make_folder(out.parent)
    write_atomically(out, json.dumps(measured, indent=2).encode())  # first: a console may fail
    print(scores.table())
    print(short(out))
    if inception:  # last: it may take hours, and fails offline
        measured["inception_fid"] = inception_fid(generator, scores.dataset)
        write_atomically(out, json.dumps(measured, indent=2).encode())
        print(f"Inception-FID {measured['inception_fid']:.2f} (60,000 fakes, all test images, Inception v3)")


def _scores_file(source: str, run: Run | None, scores: Scores, trained_on: str) -> Path:
    """Where scores are kept: beside what they measured, one file for each of its measurements."""
    other = f"{scores.dataset}_" if trained_on and scores.dataset != trained_on else ""
    name = f"{other}images_{scores.count:06d}"
    if run:
        return run.folder / f"scores_steps_{run.step:06d}_{name}.json"
    return scores_file(source, f"scores_{name}")


def _export(source: Source, target: Annotated[Positional[Path], tyro.conf.arg(metavar="TARGET")]) -> None:
    """Write a generator to hand on: a folder to publish (weights, source, card, samples), or one ONNX file.

    Args:
        target: a new folder, or a new file .onnx, which makes images without PyTorch
    """
    as_onnx = target.name.lower().endswith(".onnx")  # .ONNX is no folder that anybody means
    if as_onnx and check_path(target).exists():
        raise UserError(f"{target} exists: name a new file, nothing is overwritten.")
    generator, name, run = open_source(source)
    if as_onnx:
        print(export_onnx(generator, target, name=name, directions=slider_directions(generator)))
    else:
        folder = publish(run or generator, target)
        print(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


def _serve(source: Source, host: str = "127.0.0.1", port: int = 8000, allow_host: tuple[str, ...] = ()) -> None:
    """A page, and an HTTP service, that make the images asked for; Ctrl-C stops it.

    Args:
        host: who can reach it: 127.0.0.1 this machine alone, 0.0.0.0 the whole network
        port: 0 takes one that is free
        allow_host: names, besides --host, that it may be reached by, such as that of a proxy; '*' for every name
    """
    generator, name, _ = open_source(source)
    serve(generator, name, host, port, allow_host)


COMMANDS: dict[str, Callable[..., int | None]] = {
    "train": _train,
    "recipes": _recipes,
    "info": _info,
    "generate": _generate,
    "evaluate": _evaluate,
    "export": _export,
    "serve": _serve,
}
