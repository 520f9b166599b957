"""Where scores are kept: beside what they measured."""

import glob
import hashlib
from pathlib import Path

from cgan_lib.errors import UserError
from cgan_lib.paths import home, locate, make_folder
from cgan_lib.weights import PRETRAINED, SUFFIXES


def scores_file(source: str, name: str) -> Path:
    """The file for the scores `name` of a generator: in its folder, or in `logs/scores/` where nothing can be written.

    A weight file is named in front; what has no folder of ours (shipped, of the hub) by a number of its own too.
    """
    path = locate(source).resolve()
    is_here = path.exists() and not path.is_relative_to(PRETRAINED)
    if is_here:
        beside = path / f"{name}.json" if path.is_dir() else path.with_name(f"{_stem(path)}_{name}.json")
        try:
            make_folder(beside.parent)
            return beside
        except UserError:  # a folder to read only
            pass
    number = hashlib.sha256(str(path if is_here else source).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return home() / "logs" / "scores" / f"{path.stem}-{number}_{name}.json"


def _stem(path: Path) -> str:
    """The name of a weight file without its ending, unless another one there would have the same."""
    same = [each for each in path.parent.glob(f"{glob.escape(path.stem)}.*") if each.suffix.lower() in SUFFIXES]
    return path.stem if len(same) < 2 else path.name
