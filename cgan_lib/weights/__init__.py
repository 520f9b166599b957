"""Weight files: writing a generator, and reading one back, ours or another's, without running foreign code."""

from cgan_lib.weights.load import load_generator
from cgan_lib.weights.places import CONFIG_FILES, PREFERRED, PRETRAINED, SUFFIXES, pretrained
from cgan_lib.weights.save import facts, save_generator, state_to_store

__all__ = [
    "CONFIG_FILES",
    "PREFERRED",
    "PRETRAINED",
    "SUFFIXES",
    "facts",
    "load_generator",
    "pretrained",
    "save_generator",
    "state_to_store",
]
