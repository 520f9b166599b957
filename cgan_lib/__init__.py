"""A small library of conditional GANs: one call trains, records, resumes and draws what you ask for.

from cgan_lib import train, generate
run = train("bce")
images = generate(run.generator, [7, 7, 3])
"""

from cgan_lib.checkpoint import load_generator
from cgan_lib.data import load
from cgan_lib.errors import UserError
from cgan_lib.recipes import RECIPES, Recipe, get_recipe
from cgan_lib.runs import Run, open_run, train
from cgan_lib.sampling import generate

__all__ = [
    "RECIPES",
    "Recipe",
    "Run",
    "UserError",
    "generate",
    "get_recipe",
    "load",
    "load_generator",
    "open_run",
    "train",
]
