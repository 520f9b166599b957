"""A small library of conditional GANs: one call trains, records, resumes and draws what you ask for.

from cgan_lib import train, generate
run = train("bce")
images = generate(run.generator, [7, 7, 3])
"""

from cgan_lib.data import load
from cgan_lib.errors import UserError
from cgan_lib.evaluation import evaluate
from cgan_lib.hub import export
from cgan_lib.recipes import RECIPES, Recipe, get_recipe
from cgan_lib.runs import Run, open_run, train
from cgan_lib.sampling import generate
from cgan_lib.weights import load_generator, pretrained

__all__ = [
    "RECIPES",
    "Recipe",
    "Run",
    "UserError",
    "evaluate",
    "export",
    "generate",
    "get_recipe",
    "load",
    "load_generator",
    "open_run",
    "pretrained",
    "train",
]
