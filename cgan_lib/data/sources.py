"""Folders and files of pictures by name: what was named once is known by its name from then on."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

from cgan_lib.data.collection import Collection
from cgan_lib.data.folder import open_folder
from cgan_lib.data.made import MADE
from cgan_lib.data.pictures import Fit
from cgan_lib.data.registry import DATASETS
from cgan_lib.data.tables import open_table
from cgan_lib.data.torchvision_sets import find_set
from cgan_lib.errors import UserError, shown
from cgan_lib.files import first_line, locked, write_atomically
from cgan_lib.paths import check_name, home, is_name, locate, make_folder

TABLES = (".npz", ".npy", ".csv")


@dataclass(frozen=True)
class Source:
    """Where pictures are, and how they are made square."""

    path: str
    fit: Fit = "crop"
    grey: bool = False

    def open(self) -> Collection:
        """The pictures; `UserError` when they are gone."""
        path = Path(self.path)
        if not path.exists():
            raise UserError(f"{path} is gone: bring it back, or name the place where the pictures are now.")
        return open_folder(path) if path.is_dir() else open_table(path)


def add_data(path: str | Path, name: str | None = None, *, fit: Fit = "crop", grey: bool = False) -> str:
    """Give pictures a name, by which `load_data`, `train` and the rest know them from now on; returns it.

    `path`: a folder with a folder for each class, or a file .npz, .npy or .csv. `fit`: `crop` takes the middle of a
    picture that is not square, `pad` all of it. `grey` leaves colours out. Default of `name`: that of the folder.
    `UserError` for what cannot be read so, and for a name that is taken.
    """
    place = locate(path).resolve()
    if not place.is_dir() and not (place.is_file() and place.suffix.lower() in TABLES):
        raise UserError(f"{place} is neither a folder nor a file {', '.join(TABLES)}: name one that is.")
    if fit not in get_args(Fit):
        raise UserError(f"fit={shown(fit)} must be crop or pad.")
    source, known = Source(str(place), fit, bool(grey)), _read()
    if (chosen := _choose(name, source, known)) in known:
        return chosen
    assert source.open().class_names  # looked for now, so that what holds none gets no name
    with locked(make_folder(_file().parent) / f".{_file().name}.lock"):
        known = _read()  # another process may have written since
        chosen = _choose(name, source, known)
        content = {each: asdict(one) for each, one in (known | {chosen: source}).items()}
        write_atomically(_file(), json.dumps(content, indent=1, ensure_ascii=False).encode())
    return chosen


def _choose(name: str | None, source: Source, known: Mapping[str, Source]) -> str:
    """`name`, or one that is free; `UserError` when it is taken by others."""
    if name is None:
        return next(each for each in _names(source) if each not in known or known[each] == source)
    if is_taken(check_name("name", name)) or known.get(name, source) != source:
        raise UserError(f"the name {name} is taken: choose another.")
    return name


def find_source(name: str) -> Source | None:
    """What a name was given to; None when it was given to nothing."""
    return _read().get(name)


def source_names() -> list[str]:
    """All names that were given."""
    return sorted(_read())


def is_path(name: str) -> bool:
    """Whether a text means a place rather than a name: it is there, or is written as a path is."""
    return "/" in name or "\\" in name or Path(name).suffix.lower() in TABLES or locate(name).is_dir()


def is_taken(name: str) -> bool:
    """Whether a name means something else already."""
    try:
        return name in DATASETS or name in MADE or find_set(name) is not None
    except UserError:  # emnist, of which there are several
        return True


def _names(source: Source) -> Iterator[str]:
    """What these pictures could be called, the shortest first."""
    path = Path(source.path)
    suffix = "_pad" * (source.fit == "pad") + "_grey" * source.grey
    own, parent = (_slug(part) for part in (path.stem if path.is_file() else path.name, path.parent.name))
    for name in (own, f"{parent}_{own}".strip("_")):
        if not is_taken(name + suffix) and is_name(name + suffix):
            yield name + suffix
    yield f"{own}_{hashlib.sha256(source.path.encode()).hexdigest()[:6]}{suffix}"


def _slug(text: str) -> str:
    """What of a name may be in that of a folder, in at most 40 bytes: of non-Latin letters these are some 13."""
    plain = re.sub(r"[^\w-]+", "_", text).encode()[:40].decode(errors="ignore")
    return plain.strip("_-") or "pictures"


def _file() -> Path:
    return home() / "data" / "sources.json"


def _read() -> dict[str, Source]:
    try:
        return {name: Source(**facts) for name, facts in json.loads(_file().read_text("utf-8")).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{_file()} cannot be read ({first_line(error)}): bring it back, or delete it.") from error
