"""`cgan train`: its options are the fields of `Recipe`."""

from pathlib import Path

from tyro.conf import OmitArgPrefixes

from cgan_lib import parallel
from cgan_lib.classes import Classes, spread
from cgan_lib.commands.arguments import OneOfTheRecipes, check_recipe
from cgan_lib.console import from_here, leave_closed_terminal, neighbour, program, quoted
from cgan_lib.figures import WIDTH, draw_history, house_style
from cgan_lib.paths import home, make_folder, short
from cgan_lib.runs import Run, Stopped, train

__all__ = ["check_recipe", "command"]
LABELS = 10  # to draw, in the line that says how to


def command(
    recipe: OmitArgPrefixes[OneOfTheRecipes],
    run: str | None = None,
    profile: str | None = None,
    device: str = "auto",
    processes: int = 1,
) -> int:
    """Train a recipe, or go on with its run: the same command resumes.

    `train RECIPE --help` lists what it can change.

    Args:
        run: name of the run folder; default: the profile
        profile: ci, demo or full; default: $CGAN_PROFILE or demo
        device: auto (cuda, else mps, else cpu), or a device such as cuda:1
        processes: as many on this machine, with a part of every batch each
    """
    try:
        result, code = train(recipe, run=run, profile=profile, device=device, processes=processes), 0
    except Stopped as stop:
        result, code = stop.run, 128 + stop.signal
        leave_closed_terminal()  # it may have been that which stopped the training
    if not parallel.is_first():
        return code
    folder, classes = quoted(short(result.folder)), Classes.of(result.generator)
    labels = " ".join(quoted(classes.say(label)) for label in spread(len(classes.names), LABELS))
    board = f"{neighbour('tensorboard')} --logdir {quoted(from_here(home() / 'logs'))}"
    print(f"\n{result.step} steps in {result.seconds:.0f} s of training")
    if result.grids:
        print(f"  sample grid   {short(result.grids[-1])}")
    print(f"  loss curves   {short(_save_curves(result))}")
    print(f"  run folder    {folder}")
    print(f"  TensorBoard   {board} --samples_per_plugin images=1000")
    print(f"  make images   {program()} generate {folder} --labels {labels} --out images.png")
    print(f"  measure it    {program()} evaluate {folder}")
    return code


@house_style()
def _save_curves(run: Run) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 3.2))
    draw_history(figure.subplots(1, 3), run.history())
    figure.suptitle(f"{run.recipe.name}: {run.step} steps, {run.seconds:.0f} s")
    path = make_folder(run.pictures) / "curves.png"
    figure.savefig(path)
    return path
