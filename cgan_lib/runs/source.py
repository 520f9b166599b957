"""Whatever a name means: a run, a weight file, a published folder, a generator of the hub or one that is shipped."""

from pathlib import Path
from typing import NamedTuple

from cgan_lib.errors import printable
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.paths import locate
from cgan_lib.runs.run import Run, open_run
from cgan_lib.weights import load_generator


class Opened(NamedTuple):
    """What was found under the name of a generator."""

    generator: ConditionalGenerator
    name: str
    """of the recipe, or the file"""
    run: Run | None
    """None for anything but a run folder"""


def open_source(source: str | Path) -> Opened:
    """The generator of a run folder, or of anything else that `load_generator` reads."""
    if (locate(source) / "recipe.json").is_file():
        run = open_run(source)
        return Opened(run.generator, run.recipe.name, run)
    generator = load_generator(source)
    path = locate(source).resolve()  # of which only the last part is told: names are published
    name = path.name if path.is_dir() else path.name.removesuffix(path.suffix)
    return Opened(generator, printable(name), None)
