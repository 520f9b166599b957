"""Where things are: `data/`, `logs/` and `output_images/` of the course, from whatever folder you work in."""

import os
from pathlib import Path

from cgan_lib.errors import UserError


def home() -> Path:
    """The folder that holds `data/`, `logs/` and `output_images/`.

    `$CGAN_HOME` when set; else the checkout this package lies in; else, for an installed copy, the working folder.
    """
    if chosen := os.environ.get("CGAN_HOME"):
        return Path(chosen).expanduser().resolve()
    checkout = Path(__file__).resolve().parents[1]
    return checkout if (checkout / "notebooks").is_dir() else Path.cwd()


def short(path: Path) -> str:
    """`path` as people should read it: relative to the course when it lies inside, with forward slashes."""
    path = Path(path).resolve()
    return path.relative_to(home()).as_posix() if path.is_relative_to(home()) else str(path)


def locate(path: str | Path) -> Path:
    """`path` as it is, or inside the course when it is not in the working folder: what `short` prints can be used."""
    path = Path(path)
    return home() / path if not path.exists() and (home() / path).exists() else path


def make_folder(folder: Path) -> Path:
    """Create `folder` with its parents; a `UserError` that names it when it cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"cannot write to {folder} ({error.strerror}): free it, or set CGAN_HOME to a folder you own."
        ) from error
    return folder
