"""A small library of conditional GANs: one call trains, records, resumes and draws what you ask for.

from cgan_lib import generate, train
run = train("bce")
images = generate(run.generator, [7, 7, 3])
"""

from cgan_lib.data import load, load_data
from cgan_lib.errors import UserError
from cgan_lib.evaluation import evaluate
from cgan_lib.publish import publish as export  # its former name, which goes with 1.0; `publish` is the room
from cgan_lib.recipes import RECIPES, Recipe, get_recipe
from cgan_lib.runs.diagnose import diagnose
from cgan_lib.runs.run import Run, open_run
from cgan_lib.runs.train import train
from cgan_lib.sampling import generate
from cgan_lib.version import __version__
from cgan_lib.weights import load_generator, pretrained

__all__ = [
    "RECIPES",
    "Recipe",
    "Run",
    "UserError",
    "__version__",
    "diagnose",
    "evaluate",
    "export",
    "generate",
    "get_recipe",
    "load",
    "load_data",
    "load_generator",
    "open_run",
    "pretrained",
    "train",
]
