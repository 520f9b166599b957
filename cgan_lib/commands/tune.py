"""`cgan tune`: its options are the fields of `Recipe`, for all trials alike, and what a study is made of."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import OmitArgPrefixes

from cgan_lib.commands.arguments import OneOfTheRecipes, check_recipe
from cgan_lib.console import from_here, neighbour, program, quoted
from cgan_lib.paths import home
from cgan_lib.recipes import RECIPES, Recipe
from cgan_lib.runs import Stopped
from cgan_lib.tuning import confirm, ranking, tune
from cgan_lib.tuning.space import read_arguments
from cgan_lib.tuning.study import OBJECTIVES, Objective, settings_in_words

__all__ = ["check_recipe", "command"]
SHOWN = 5  # of the best trials


def command(
    recipe: OmitArgPrefixes[OneOfTheRecipes],
    trials: int,
    space: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FIELD=VALUES …")] = (),
    objective: Objective = "fid",
    pruner: Literal["median", "hyperband", "none"] = "median",
    study: str = "search",
    storage: str | None = None,
    confirm_best: Annotated[bool, tyro.conf.arg(name="confirm")] = False,
    profile: str | None = None,
    device: str = "auto",
) -> int:
    """Search for settings of a recipe, in many short trials; the same command goes on.

    `tune RECIPE --help` lists what can be set for all trials alike.

    Args:
        trials: how many are to be finished, those given up early included
        space: fields to search: low:high, low:high:log, or choices a,b,c; default: lr, beta1 and latent_dim of bce
        objective: what a trial is judged by: fid, or losses, the published rule
        pruner: which trials are given up: those worse than the median, by hyperband, or none
        study: its name; its runs are called NAME-000, NAME-001, ...
        storage: a database that several machines share, such as postgresql://user@host/database; default: a file
        confirm_best: train the best settings and the recipe's own again, with three fresh seeds each
        profile: ci, demo or full; default: $CGAN_PROFILE or demo
        device: auto (cuda, else mps, else cpu), or a device such as cuda:1
    """
    common: dict[str, Any] = dict(study=study, profile=profile, device=device)
    try:
        done = tune(
            recipe,
            trials=trials,
            space=read_arguments(space),
            objective=objective,
            pruner=pruner,
            storage=storage,
            **common,
        )
        best = ranking(done)[:SHOWN]
        print(f"\nThe best of {len(done.trials)} trials, by {OBJECTIVES[objective]}:")
        for trial in best:
            print(f"  {trial.value:>10.4g}  {settings_in_words(trial.params)}  ({trial.user_attrs['run']})")
        if best and confirm_best:
            print(f"\n{confirm(recipe, best[0].params, **common).table()}")
    except Stopped as stop:
        print("The same command goes on.")
        return 128 + stop.signal
    _say_what_next(recipe, best[0].params if best else {}, study)
    return 0


def _say_what_next(recipe: Recipe, settings: dict[str, Any], study: str) -> None:
    board = f"{neighbour('tensorboard')} --logdir {quoted(from_here(home() / 'logs'))}"
    found = _options(recipe, settings)
    print(f"  train it      {program()} train {recipe.name} {found} --run {study}-best")
    print(f"  TensorBoard   {board} --samples_per_plugin images=1000")


def _options(recipe: Recipe, settings: dict[str, Any]) -> str:
    """What makes of the recipe with this name one with these settings, as options."""
    usual, chosen = asdict(RECIPES[recipe.name]), asdict(recipe) | settings
    differing = {name: value for name, value in chosen.items() if name != "steps" and value != usual[name]}
    return " ".join(_option(name.replace("_", "-"), value) for name, value in differing.items())


def _option(name: str, value: Any) -> str:
    """As the command `train` reads it; what is true or false has no value there."""
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return f"--{name} {quoted(str(value))}"
