"""What was handed in, and where it lies: notebooks, or folders that `publish` has written."""

from pathlib import Path
from typing import NamedTuple

from cgan_lib.errors import UserError
from cgan_lib.paths import check_path
from cgan_lib.weights import PREFERRED, SUFFIXES

WHAT = "name a notebook, a published folder, or a folder of either"


class HandedIn(NamedTuple):
    """What lies in some places, in order; there are notebooks or published folders, never both."""

    notebooks: list[Path]
    folders: list[Path]
    empty: list[Path]
    """places with neither"""


def find_handed_in(places: list[Path]) -> HandedIn:
    """The notebooks or the published folders in files and folders.

    `UserError` when there is neither, when there are both, and when a place is not there.
    """
    notebooks: dict[Path, None] = {}  # named twice, it is graded once
    folders: dict[Path, None] = {}
    empty = []
    for place in map(_existing, places):
        of_place, published = _notebooks(place), _published(place)
        notebooks |= dict.fromkeys(of_place)
        folders |= dict.fromkeys(published)
        empty += [] if of_place or published else [place]
    if notebooks and folders:
        raise UserError(
            f"there are notebooks ({next(iter(notebooks))}) and published folders ({next(iter(folders))}), which are "
            "graded apart: name those of one kind."
        )
    if not notebooks and not folders:
        raise UserError(f"nothing to grade{_in_vain(empty)}: {WHAT}.")
    return HandedIn([*notebooks], [*folders], empty)


def _existing(place: Path) -> Path:
    if not check_path(place).exists():
        raise UserError(f"{place} is not there: {WHAT}.")
    if place.is_file() and place.name.lower().endswith(SUFFIXES):
        raise UserError(f"{place} is a weight file: name the published folder that it lies in.")
    return place


def _notebooks(place: Path) -> list[Path]:
    inside = sorted(place.rglob("*.ipynb")) if place.is_dir() else [place]
    return [path for path in inside if ".ipynb_checkpoints" not in path.parts]


def _published(place: Path) -> list[Path]:
    return sorted(path.parent for path in place.rglob(PREFERRED[0])) if place.is_dir() else []


def _in_vain(places: list[Path]) -> str:
    if runs := [place for place in places if (place / "recipe.json").is_file()]:
        return f", {runs[0]} is a run: make a folder of it (cgan export {runs[0]} FOLDER)"
    return f" lies in {', '.join(map(str, places[:3]))}{', …' * (len(places) > 3)}" if places else ""
