"""What several commands take: the generator they work on, the recipe they train, and the file they write."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from tyro.conf import Positional

from cgan_lib.errors import UserError
from cgan_lib.paths import check_path
from cgan_lib.recipes import RECIPES, Recipe, get_recipe

Source = Annotated[
    Positional[str],
    tyro.conf.arg(
        metavar="SOURCE",
        help="a run folder, a weight file, a published folder, hf://owner/name, or the name of a shipped generator",
    ),
]

if TYPE_CHECKING:
    OneOfTheRecipes = Recipe
else:  # a subcommand each, so that the options have the recipe's values as defaults
    OneOfTheRecipes = tyro.extras.subcommand_type_from_defaults(
        RECIPES,
        {name: f"{r.model}, {r.image_size}×{r.image_size}, loss {r.loss}, lr {r.lr:g}" for name, r in RECIPES.items()},
        prefix_names=False,
        sort_subcommands=False,
    )


def check_recipe(name: str = "-", /) -> None:
    """One line with the nearest name, where tyro would list them all; options may come first."""
    if not name.startswith("-"):
        get_recipe(name)


def check_out(out: Path, force: bool, *suffixes: str) -> None:
    """`UserError` for another ending, a file that is there already, and a place where none can be."""
    if out.suffix not in suffixes:
        raise UserError(f"--out {str(check_path(out))!r} must end in {' or '.join(suffixes)}.")
    if check_path(out).is_file() and not force:
        raise UserError(f"{out} exists: name a new file, or write over it with --force.")
    there = next(folder for folder in out.absolute().parents if folder.exists())
    if out.is_dir() or not there.is_dir() or not os.access(there, os.W_OK):  # rather now than after the work
        raise UserError(f"cannot write {out}: name a file in a folder where you may write.")
