"""Command line: train, recipes, info, generate, evaluate, export, serve. `train` takes the fields of `Recipe`."""

import io
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cgan_lib.errors import UserError, unknown
from cgan_lib.recipes import RECIPES, Recipe, current_profile, get_recipe

USAGE = """usage: python -m cgan_lib COMMAND …

  train RECIPE [--profile demo] [--run NAME] [--lr 1e-3] …   train, or go on with the same run
  recipes                                                    the recipes, as a table
  info RECIPE                                                both networks, layer by layer
  generate SOURCE --labels 7 7 3 --out digits.png            draw the digits asked for
  evaluate SOURCE [--full]                                   measure it: a table, and a JSON file
  export RUN FOLDER                                          a folder to publish: weights, source, card, samples
  export SOURCE FILE.onnx                                    one file that draws without PyTorch
  serve SOURCE [--port 8000]                                 a page, and an HTTP service, that draw what is asked for

SOURCE is a run folder, a weight file, a published folder, hf://owner/name, or the name of a shipped generator.
`train RECIPE --help`, `generate --help` … explain their options; every field of a recipe is one."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 2 for a mistake in the input, 3 diverged, 130 stopped by Ctrl-C."""
    from cgan_lib.training import Diverged

    arguments = list(sys.argv[1:] if arguments is None else arguments)
    warnings.showwarning = lambda message, *_: print(f"note: {message}", file=sys.stderr)
    commands = {
        "train": _train,
        "recipes": _recipes,
        "info": _info,
        "generate": _generate,
        "evaluate": _evaluate,
        "export": _export,
        "serve": _serve,
    }
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if arguments else 2
    try:
        if arguments[0] not in commands:
            raise unknown("command", arguments[0], commands)
        if arguments[0] in ("recipes", "info", "export") and {"-h", "--help"} & set(arguments):
            print(USAGE)
            return 0
        return commands[arguments[0]](arguments[1:]) or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Diverged as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:  # before the first step, or asked for twice
        print("Stopped.", file=sys.stderr)
        return 130


@dataclass(frozen=True)
class _TrainOptions:
    """Where and how long to train; what to train are the options of the recipe below."""

    run: str | None = None
    """name of the run folder; default: the profile"""
    profile: str | None = None
    """ci, demo or full; default: $CGAN_PROFILE or demo"""
    device: str = "auto"
    """auto (cuda, else mps, else cpu), or a device such as cuda:1"""


def _train(arguments: list[str]) -> int:
    import tyro

    from cgan_lib.paths import home, short
    from cgan_lib.runs.train import train

    @dataclass(frozen=True)
    class Train:
        where: tyro.conf.OmitArgPrefixes[_TrainOptions]
        recipe: tyro.conf.OmitArgPrefixes[Recipe]

    if arguments and arguments[0] in ("-h", "--help"):
        arguments = ["bce", "--help"]
    if not arguments or arguments[0].startswith("-"):
        raise UserError(f"train needs a recipe first: {', '.join(RECIPES)}.")
    recipe = get_recipe(arguments[0])
    parsed = tyro.cli(
        Train,
        prog=f"python -m cgan_lib train {recipe.name}",
        description=f"Train the recipe {recipe.name}, or go on with its run: the same command resumes.",
        args=arguments[1:],
        default=Train(_TrainOptions(), recipe),
    )
    where = parsed.where
    result = train(parsed.recipe, run=where.run, profile=where.profile, device=where.device)
    logs = short(home() / "logs")
    print(f"\n{result.step} steps in {result.seconds:.0f} s of training")
    if result.grids:
        print(f"  sample grid   {short(result.grids[-1])}")
    print(f"  loss curves   {short(_draw_curves(result))}")
    print(f"  run folder    {short(result.folder)}")
    print(f"  TensorBoard   tensorboard --logdir {logs} --samples_per_plugin images=1000")
    print(f"  draw digits   python -m cgan_lib generate {short(result.folder)} --labels 7 7 3 --out digits.png")
    print(f"  measure it    python -m cgan_lib evaluate {short(result.folder)}")
    return 130 if result.interrupted else 0


def _draw_curves(run) -> Path:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from cgan_lib.figures import draw_history
    from cgan_lib.paths import make_folder

    figure, axes = plt.subplots(1, 3, figsize=(12, 3.2), layout="constrained")
    draw_history(axes, run.history())
    figure.suptitle(f"{run.recipe.name}: {run.step} steps, {run.seconds:.0f} s")
    path = make_folder(run.pictures) / "curves.png"
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return path


def _recipes(arguments: list[str]) -> None:
    _no_more(arguments)
    rows = [("recipe", "model", "size", "loss", "batch", "lr", "betas", "ema", "demo steps", "full epochs")]
    for r in RECIPES.values():
        betas = f"({r.beta1}, {r.beta2})"
        row = (r.name, r.model, r.image_size, r.loss, r.batch_size, f"{r.lr:g}", betas, r.ema or "–")
        rows.append((*map(str, row), str(r.demo_steps), str(r.epochs)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"\nprofile in force: {current_profile()} (CGAN_PROFILE=ci, demo or full)")


def _info(arguments: list[str]) -> None:
    import torch
    from torchinfo import summary

    if not arguments:
        raise UserError(f"info needs a recipe: {', '.join(RECIPES)}.")
    recipe = get_recipe(arguments[0])
    _no_more(arguments[1:])
    generator, discriminator = recipe.build()
    batch = recipe.batch_size
    z, labels = torch.zeros(batch, recipe.latent_dim), torch.zeros(batch, dtype=torch.long)
    images = torch.zeros(batch, 1, recipe.image_size, recipe.image_size)
    both = (("generator", generator, (z, labels)), ("discriminator", discriminator, (images, labels)))
    for title, network, inputs in both:
        print(f"\n{recipe.name}: {title}")
        print(summary(network, input_data=inputs, col_names=("output_size", "num_params"), verbose=0))


def _generate(arguments: list[str]) -> None:
    import tyro

    @dataclass(frozen=True)
    class Generate:
        """Draw one image for each label asked for."""

        source: tyro.conf.Positional[str]
        """a run folder, a weight file, a published folder, hf://owner/name, or the name of a shipped generator"""
        labels: list[int]
        """classes to draw, such as 7 7 3"""
        out: Path
        """picture .png, or .npz with images uint8 (N,C,H,W) and labels int64 (N,)"""
        count: int = 1
        """images of each label given"""
        seed: int = 0
        """of the latents: the same seed draws the same images"""

    options = tyro.cli(Generate, prog="python -m cgan_lib generate", args=arguments)
    _draw_to_file(options.source, options.labels, options.out, options.count, options.seed)
    print(options.out)


def _draw_to_file(source: str, labels: list[int], out: Path, count: int, seed: int) -> None:
    import numpy as np

    from cgan_lib.files import png, write_atomically
    from cgan_lib.paths import make_folder
    from cgan_lib.runs.source import open_source
    from cgan_lib.sampling import check_labels, generate, tile

    if out.suffix not in (".png", ".npz"):
        raise UserError(f"--out {out} must end in .png or .npz.")
    if count < 1:
        raise UserError(f"--count {count} must be at least 1.")
    generator = open_source(source).generator
    wanted = check_labels(labels, generator.config["num_classes"]).repeat_interleave(count)
    images = generate(generator, wanted, seed=seed)
    if out.suffix == ".png":
        content = png(tile(images, columns=count if count > 1 else min(len(labels), 10)))
    else:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, images=images.numpy(), labels=wanted.numpy())
        content = buffer.getvalue()
    make_folder(out.parent)
    write_atomically(out, content)


def _evaluate(arguments: list[str]) -> None:
    import tyro

    @dataclass(frozen=True)
    class Evaluate:
        """Measure a generator against the real test images: FID, KID, IS, precision, recall, coverage, GAN-test."""

        source: tyro.conf.Positional[str]
        """a run folder, a weight file, a published folder, hf://owner/name, or the name of a shipped generator"""
        dataset: str | None = None
        """what to compare with; default: the data set of the run, else mnist"""
        count: int | None = None
        """images; default: 200 in the profile ci, 2,000 in demo, 10,000 in full"""
        seeds: int | None = None
        """independent sets of latents; default: 3 in the profile full, else 1"""
        full: bool = False
        """10,000 images, 3 seeds, and GAN-train: minutes on a CPU"""
        inception: bool = False
        """also the Inception-FID of papers, 60,000 images: downloads a network; hours on a CPU"""
        out: Path | None = None
        """the JSON file; default: in the run folder, else in logs/scores/"""

    options = tyro.cli(Evaluate, prog="python -m cgan_lib evaluate", args=arguments)
    _evaluate_to_file(**vars(options))


def _evaluate_to_file(
    source: str,
    dataset: str | None,
    count: int | None,
    seeds: int | None,
    full: bool,
    inception: bool,
    out: Path | None,
) -> None:
    import json

    from cgan_lib.data import load_data
    from cgan_lib.evaluation import evaluate, inception_fid
    from cgan_lib.files import write_atomically
    from cgan_lib.paths import home, make_folder, short
    from cgan_lib.recipes import SAMPLES, SEEDS
    from cgan_lib.runs.source import open_source

    if out is not None and out.suffix != ".json":
        raise UserError(f"--out {out} must end in .json.")
    generator, _, _, run = open_source(source)
    dataset = dataset or (run.recipe.dataset if run else "mnist")
    dataset = load_data(dataset, train=False).name  # the embedded digits, when MNIST cannot be reached
    if full:
        count = SAMPLES["full"] if count is None else count
        seeds = SEEDS["full"] if seeds is None else seeds
    scores = evaluate(generator, dataset, count=count, seeds=seeds, gan_train=full)
    measured = {"source": source, "dataset": dataset, **scores.to_dict()}
    print(scores.table())
    if out is None:
        name = f"scores_images_{scores.count:06d}.json"
        if run:
            out = run.folder / f"scores_steps_{run.step:06d}_images_{scores.count:06d}.json"
        else:
            out = home() / "logs" / "scores" / f"{Path(source).stem}_{name}"
    make_folder(out.parent)
    write_atomically(out, json.dumps(measured, indent=2).encode())
    print(short(out))
    if inception:  # last: it may take hours, and fails offline
        measured["inception_fid"] = inception_fid(generator, dataset)
        write_atomically(out, json.dumps(measured, indent=2).encode())
        print(f"Inception-FID {measured['inception_fid']:.2f} (60,000 fakes, all test images, Inception v3)")


def _export(arguments: list[str]) -> None:
    from cgan_lib.publish.folder import export
    from cgan_lib.publish.onnx import export_onnx
    from cgan_lib.runs.source import open_source
    from cgan_lib.studio.latent import slider_directions

    if len(arguments) != 2:
        raise UserError(
            "export needs a run and a new folder, or any generator and a file: "
            "export logs/mnist/bce/demo my_generator, export relativistic digits.onnx."
        )
    source, target = arguments[0], Path(arguments[1])
    if target.suffix == ".onnx":
        if target.exists():
            raise UserError(f"{target} exists: name a new file, nothing is overwritten.")
        generator, name, class_names, _ = open_source(source)
        ways = slider_directions(generator)
        print(export_onnx(generator, target, name=name, class_names=class_names, directions=ways))
        return
    folder = export(source, target)
    print(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


def _serve(arguments: list[str]) -> None:
    import tyro

    from cgan_lib.runs.source import open_source
    from cgan_lib.service.serve import serve

    @dataclass(frozen=True)
    class Serve:
        """A page, and an HTTP service, that draw what is asked for; Ctrl-C stops it."""

        source: tyro.conf.Positional[str]
        """a run folder, a weight file, a published folder, hf://owner/name, or the name of a shipped generator"""
        host: str = "127.0.0.1"
        """who can reach it: 127.0.0.1 this machine alone, 0.0.0.0 the whole network"""
        port: int = 8000
        """0 takes one that is free"""

    options = tyro.cli(Serve, prog="python -m cgan_lib serve", args=arguments)
    generator, name, class_names, _ = open_source(options.source)
    serve(generator, name, options.host, options.port, class_names)


def _no_more(arguments: list[str]) -> None:
    if arguments:
        raise UserError(f"unexpected {' '.join(arguments)!r}: see python -m cgan_lib --help.")
