"""`train`: one call that trains, records and resumes."""

import json
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

from cgan_lib import parallel
from cgan_lib.data import check_batch_size, load_data
from cgan_lib.errors import UserError
from cgan_lib.evaluation.samples import enough
from cgan_lib.files import locked, remove_partials, write_atomically
from cgan_lib.paths import make_folder, short
from cgan_lib.recipes import QUICK_SAMPLES, Recipe, check_profile, current_profile, get_recipe
from cgan_lib.runs.about import About, about, find_pictures, pictures_folder, read_about, refuse_other_data, write_about
from cgan_lib.runs.launch import launch
from cgan_lib.runs.loop import Watch, go_on
from cgan_lib.runs.run import Run, own_name, read_recipe, run_folder
from cgan_lib.runs.scorer import Score, Scorer
from cgan_lib.runs.session import Session
from cgan_lib.training import Trainer


def train(
    recipe: str | Recipe = "bce",
    *,
    run: str | None = None,
    profile: str | None = None,
    device: str = "auto",
    live: bool = False,
    score: Score | None = None,
    watch: Watch | None = None,
    processes: int = 1,
    **changes,
) -> Run:
    """Train a recipe, or go on with it: the same call again resumes where the run stands (on one CPU: bit for bit).

    Ctrl-C (a notebook's stop button), SIGTERM and SIGHUP end it after the step at hand, which is saved: then it raises
    `Stopped`, a `KeyboardInterrupt` with the run, so that a script or Run All ends there too.

    `run` names the run folder (default: the profile); `profile` is ci, demo or full (default: `$CGAN_PROFILE` or
    demo); `changes` are fields of the recipe, such as `lr=1e-3` or `steps=500`; `live` draws curves and samples
    into the notebook while it trains.

    At every checkpoint and at the end a few images are measured (curves `score/…`), where a classifier of the data
    set is at hand. `score` says which generator is kept as the best one: the one of lowest `fid`, by the rule for
    `losses` in `cgan_lib.runs.selection`, or of the lowest `score(generator)`, then a curve too. Default: `fid`, and
    `losses` where there is no classifier yet. After each measurement `watch(step, best)` is called with the value of
    the best one so far (infinite before there is one): where it returns False, the training ends.

    With `processes` it starts as many on this machine, each with a part of every batch: a GPU for each, or some cores.
    Under `torchrun` they are started already. The batch, and so what is learned, stay the same; docs/parallel.md.

    Raises `UserError` for bad input, before anything is written, and `Diverged` when a loss is no longer finite.
    """
    recipe = recipe.replace(**changes) if isinstance(recipe, Recipe) else get_recipe(recipe, **changes)
    profile = current_profile() if profile is None else check_profile(profile)
    if processes != 1:
        return launch(recipe, processes, live=live, score=score, watch=watch, run=run, profile=profile, device=device)
    parallel.join()
    device = parallel.own_device(device)
    data = parallel.in_turn(partial(load_data, recipe.dataset, image_size=recipe.image_size))
    check_batch_size(data, recipe.batch_size)
    parallel.check_divisible(recipe.batch_size, parallel.size())
    recipe = recipe.replace(dataset=data.name)  # the embedded digits, when MNIST cannot be reached
    steps = recipe.length(profile, len(data))
    scorer = Scorer(score, recipe.dataset, enough(QUICK_SAMPLES[profile], data.num_classes), recipe.image_size)
    folder = run_folder(data.name, recipe.name, run or profile)
    name = own_name(folder)
    known = about(name, data)
    with ExitStack() as stack:
        with parallel.together():
            if parallel.is_first():
                _refuse_other(folder, recipe, known)
            trainer = Trainer(recipe, data, device, length=steps)
            if parallel.is_first():
                stack.enter_context(_taken(folder))
        session = Session(trainer, folder, pictures_folder(data.name, recipe.name, name), scorer)
        with parallel.together():
            if parallel.is_first():
                _begin(session, known)
        scorer.prepare()
        return go_on(session, steps, live, watch)


def _refuse_other(folder: Path, recipe: Recipe, known: About) -> None:
    """`UserError` when the run in `folder` is one of another recipe, or of other data."""
    _refuse_other_recipe(folder, recipe)
    if there := read_about(folder):
        refuse_other_data(folder, there, known)


@contextmanager
def _taken(folder: Path) -> Iterator[None]:
    """The folder of a run, which nobody else trains meanwhile."""
    make_folder(folder)
    busy = f"another process is training {short(folder)}: wait for it, or use another name."
    with locked(folder / ".lock", busy) as alone:
        if not alone:
            warnings.warn(
                f"{short(folder)} lies where files cannot be locked: see that nobody else trains it.", stacklevel=4
            )
        yield


def _begin(session: Session, known: About) -> None:
    """Write what a run is, and clear what a process that was killed has left."""
    folder, recipe = session.folder, session.recipe
    _take_pictures_along(folder, recipe, session)
    write_about(folder, known)
    write_atomically(folder / "recipe.json", json.dumps(asdict(recipe), indent=2).encode())
    for place in (folder, session.checkpoints, session.pictures):
        remove_partials(place)


def _refuse_other_recipe(folder: Path, recipe: Recipe) -> None:
    there = read_recipe(folder)
    if there and (differing := there.differences(recipe)):
        changes = ", ".join(f"{name} is {old!r} there, not {new!r}" for name, (old, new) in differing.items())
        raise UserError(f"{short(folder)} is a run of another recipe ({changes}): give this run another name.")


def _take_pictures_along(folder: Path, recipe: Recipe, session: Session) -> None:
    """Give a run that is a copy of another, and goes on under its own name, the grids that it had."""
    there = find_pictures(folder, recipe.dataset, recipe.name)
    if there != session.pictures and session.step and not session.pictures.exists():
        make_folder(session.pictures)
        for picture in there.glob("*_images_steps_*.png"):
            write_atomically(session.pictures / picture.name, picture.read_bytes())
