"""A run on disk: where it lies, what it is, and its networks."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cgan_lib.errors import UserError
from cgan_lib.files import first_line
from cgan_lib.models import MODELS
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.paths import check_name, home, locate, short
from cgan_lib.recipes import Recipe
from cgan_lib.runs.about import find_pictures, read_about
from cgan_lib.runs.checkpoint import load_newest
from cgan_lib.runs.logbook import read_scalars

BEST = "best_generator.safetensors"


@dataclass
class Run:
    """A run on disk and its generator, ready to sample."""

    folder: Path
    """logs/<dataset>/<recipe>/<run>"""
    recipe: Recipe
    generator: ConditionalGenerator
    """the averaged generator when the recipe has one"""
    step: int
    """steps trained so far"""
    seconds: float
    """time spent in training steps, without grids and checkpoints"""

    @property
    def pictures(self) -> Path:
        """output_images/<dataset>/<recipe>/<run>; those of a copy are where those of the original are."""
        return find_pictures(self.folder, self.recipe.dataset, self.recipe.name)

    @property
    def grids(self) -> list[Path]:
        """The PNG grids of fakes, oldest first."""
        return sorted(self.pictures.glob("fake_images_steps_*.png"), key=lambda path: (len(path.name), path.name))

    @property
    def best(self) -> Path | None:
        """The weight file of the best generator (see `cgan_lib.runs.selection`), if there is one yet."""
        path = self.folder / BEST
        return path if path.is_file() else None

    def discriminator(self) -> nn.Module:
        """The discriminator of the newest checkpoint, in evaluation mode on the CPU."""
        state = _newest(self.folder)
        with fitting(self.folder, self.recipe):
            config = state["config"]
            _, discriminator = self.recipe.build(
                config["num_classes"], config["channels"], config.get("attributes", ())
            )
            discriminator.load_state_dict(state["discriminator"])
        return discriminator.eval()

    def last_generator(self) -> ConditionalGenerator:
        """The generator as the last step left it, whether or not `generator` is an average; on the CPU."""
        return _generator(self.folder, self.recipe, _newest(self.folder), "generator")

    def history(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """The curves: name → (steps, values)."""
        return read_scalars(self.folder)

    def fixed_inputs(self) -> tuple[Tensor, Tensor]:
        """The latents (N, latent_dim) and labels (N,) of its sample grids, as saved when the run began."""
        try:
            z, labels = (torch.from_numpy(np.load(self.folder / f"{name}_eval.npy")) for name in ("z", "labels"))
        except (OSError, ValueError, TypeError, EOFError) as error:
            raise UserError(
                f"z_eval.npy or labels_eval.npy in {short(self.folder)} cannot be read ({first_line(error)}): "
                "cgan_lib.sampling.grid_inputs(num_classes, latent_dim, seed) makes the same."
            ) from error
        return z, labels


def open_run(folder: str | Path) -> Run:
    """The run in a folder `logs/<dataset>/<recipe>/<run>`, with its newest generator on the CPU."""
    folder = locate(folder)
    recipe = read_recipe(folder)
    if recipe is None:
        raise UserError(f"{folder} is no run folder (no recipe.json): use one like logs/mnist/bce/demo.")
    state = _newest(folder)
    generator = _generator(folder, recipe, state, "averaged" if recipe.averages else "generator")
    with fitting(folder, recipe):
        return Run(folder, recipe, generator, state["step"], state["seconds"])


def _generator(folder: Path, recipe: Recipe, state: dict[str, Any], part: str) -> ConditionalGenerator:
    known = read_about(folder)
    with fitting(folder, recipe), torch.random.fork_rng(devices=[]):  # the weights that it starts with are drawn
        generator = MODELS[recipe.model].generator(**state["config"])
        generator.load_state_dict(state[part])
    generator.draws(recipe.dataset, *((known.class_names, known.attributes) if known else (None,)))
    return generator.eval()


@contextmanager
def fitting(folder: Path, recipe: Recipe) -> Iterator[None]:
    """`UserError` when a checkpoint of the run in `folder` is not one of the networks that its recipe now names."""
    try:
        yield
    except (RuntimeError, LookupError, TypeError, ValueError, AttributeError, UserError) as error:
        raise UserError(
            f"the checkpoint in {short(folder)} does not fit the networks of {recipe.model} ({first_line(error)}): "
            "they have changed since. Bring the old code back, or train under another run name."
        ) from error


def _newest(folder: Path) -> dict[str, Any]:
    state = load_newest(folder / "checkpoints")
    if state is None:
        raise UserError(f"{folder} has no checkpoint yet: train it first.")
    return state


def run_folder(dataset: str, recipe: str, run: str) -> Path:
    """Where a run lies; `UserError` for a name that is no plain folder name."""
    return home() / "logs" / dataset / recipe / check_name("run", run)


def own_name(folder: Path) -> str:
    """The name of the run in `folder`; for a link to a run beside it, that one's: its pictures stay together."""
    real = folder.resolve()
    return real.name if real.parent == folder.parent.resolve() else folder.name


def read_recipe(folder: Path) -> Recipe | None:
    """The recipe of the run in `folder`; None when there is no run. `UserError` for a file that holds none."""
    path = folder / "recipe.json"
    if not path.is_file():
        return None
    try:
        return Recipe(**json.loads(path.read_text(encoding="utf-8")))
    except (UserError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path} cannot be read as a recipe ({error}): use another run name.") from error
