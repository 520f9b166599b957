"""What a run remembers beside its recipe: the name it was trained by, and the data that it has learned from."""

import json
from dataclasses import asdict
from pathlib import Path

from pydantic.dataclasses import dataclass

from cgan_lib.data import ImageData
from cgan_lib.errors import UserError
from cgan_lib.files import first_line, write_atomically
from cgan_lib.paths import check_name, home, short

FILE = "run.json"


@dataclass(frozen=True)
class About:
    """The file `run.json` of a run folder."""

    run: str
    """its name when it was trained last: its pictures lie under it, those of a copy too"""
    dataset: str
    class_names: tuple[str, ...]
    channels: int
    image_size: int
    images: int
    fingerprint: str
    """of labels and pixels"""
    attributes: dict[str, list[str]] | None = None
    """what a class is made of, where it is made of several"""


def about(run: str, data: ImageData) -> About:
    """What is to be remembered of a run on these data."""
    shape = dict(channels=data.channels, image_size=data.image_size, images=len(data))
    attributes = {name: list(values) for name, values in data.attributes.items()} or None
    return About(run, data.name, tuple(data.class_names), fingerprint=data.fingerprint, attributes=attributes, **shape)


def read_about(folder: Path) -> About | None:
    """What the run in `folder` remembers; None when it is older than this file."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        found = About(**json.loads(path.read_text(encoding="utf-8")))
        check_name("run", found.run)
        return found
    except (OSError, ValueError, TypeError, RecursionError, UserError) as error:
        raise UserError(
            f"{path} cannot be read ({first_line(error)}): bring it back from a copy, or delete it."
        ) from error


def write_about(folder: Path, known: About) -> None:
    """Have the run in `folder` remember it."""
    write_atomically(folder / FILE, json.dumps(asdict(known), ensure_ascii=False, indent=2).encode())


def refuse_other_data(folder: Path, there: About, now: About) -> None:
    """`UserError` when the data are not those that the run in `folder` has begun with; classes may be renamed."""
    changed = ""
    if there.fingerprint != now.fingerprint:
        changed = f"has learned from other images or labels than those that {now.dataset} has now"
    for what, old, new in (
        ("images", there.images, now.images),
        ("channels", there.channels, now.channels),
        ("classes", len(there.class_names), len(now.class_names)),
    ):
        if old != new:
            changed = f"is a run of {old:,} {what}, the data have {new:,}"
    if changed:
        raise UserError(f"{short(folder)} {changed}: give this run another name, or bring the old data back.")


def pictures_folder(dataset: str, recipe: str, run: str) -> Path:
    """Where the pictures of a run are written: output_images/<dataset>/<recipe>/<run>, as in `logs`."""
    return home() / "output_images" / dataset / recipe / run


def find_pictures(folder: Path, dataset: str, recipe: str) -> Path:
    """Where the pictures of the run in `folder` are: in the course that the folder, as it is named, is part of.

    A run that lies elsewhere, since it was copied or `logs` is a link, has them in the course that is in use.
    """
    known = read_about(folder)
    name = known.run if known else folder.resolve().name
    here, before = (pictures_folder(each, recipe, name) for each in (dataset, dataset.upper()))  # once in capitals
    courses = folder.absolute().parents[3:4]  # none, for a folder that is no part of a course
    beside = [course / place.relative_to(home()) for course in courses for place in (here, before)]
    return next((place for place in (*beside, here, before) if place.is_dir()), here)
