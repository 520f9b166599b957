"""Where things are: `data/`, `logs/` and `output_images/` of the course, from whatever folder you work in."""

import os
from pathlib import Path

from cgan_lib.errors import UserError, shown

LONGEST_PART, LONGEST_PATH = 255, 4000  # bytes: what file systems allow
LONGEST_NAME = 100  # bytes of a run: files named after it have some more
DEVICES = ("COM", "LPT")
RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{device}{number}" for device in DEVICES for number in "0123456789¹²³")}


def home() -> Path:
    """The folder that holds `data/`, `logs/` and `output_images/`.

    `$CGAN_HOME` when set; else the checkout this package lies in; else, for an installed copy, the working folder.
    """
    if chosen := os.environ.get("CGAN_HOME"):
        return expanded("CGAN_HOME", chosen).resolve()
    checkout = Path(__file__).resolve().parents[1]
    return checkout if (checkout / "notebooks").is_dir() else Path.cwd()


def expanded(variable: str, value: str) -> Path:
    """The path in an environment variable, with ~ as the home folder; `UserError` for one that cannot be."""
    try:
        value.encode()  # TensorBoard, for one, knows no other names
        return Path(value).expanduser()
    except (UnicodeError, RuntimeError) as error:
        raise UserError(f"{variable}={value!r} is no path ({error}): name a folder, or unset it.") from error


def short(path: Path) -> str:
    """`path` as people should read it: relative to the course when it lies inside, with forward slashes."""
    path = Path(path).resolve()
    return path.relative_to(home()).as_posix() if path.is_relative_to(home()) else str(path)


def locate(path: str | Path) -> Path:
    """`path` as it is, or inside the course when it is not in the working folder: what `short` prints can be used."""
    path = check_path(path)
    return home() / path if not path.exists() and (home() / path).exists() else path


def check_path(path: str | Path) -> Path:
    """`path` itself; `UserError` for what is none, or none that a file system could hold."""
    if not isinstance(path, (str, os.PathLike)):
        raise UserError(f"{shown(path)} is no path: name a file or a folder, in quotes.")
    try:
        os.fsencode(path)
        str(path).encode()  # neither PyTorch nor TensorBoard knows other names
    except UnicodeEncodeError as error:
        raise UserError(f"the path {str(path)!r} holds what is no letter: leave it out.") from error
    parts = [part.encode("utf-8", "surrogatepass") for part in Path(path).parts]
    if any(b"\0" in part for part in parts):
        raise UserError(f"the path {str(path)!r} holds a NUL: leave it out.")
    if any(len(part) > LONGEST_PART for part in parts) or sum(map(len, parts)) > LONGEST_PATH:
        raise UserError(f"the path {str(path)[:40]}… is too long: a name may have {LONGEST_PART} bytes.")
    return Path(path)


def check_name(what: str, name: str) -> str:
    """`name` itself; `UserError` when it is no plain name for a folder, on whatever system it may come to lie."""
    if not isinstance(name, str):
        raise UserError(f"{what} {name!r} must be a name, in quotes.")
    if not name.translate(dict.fromkeys(map(ord, ".-_"))).isalnum() or name.endswith("."):
        raise UserError(f"{what} {name!r} names a folder: use letters, digits, dots, - and _.")
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME:
        raise UserError(f"{what} {name[:20]!r}… has {len(name)} letters: use a shorter name.")
    if name.split(".")[0].upper() in RESERVED:
        raise UserError(
            f"{what} {name!r} is the name of a device in Windows, where no folder can have it: take another."
        )
    return name


def is_name(name: str) -> bool:
    """Whether `check_name` takes it."""
    try:
        return bool(check_name("name", name))
    except UserError:
        return False


def make_folder(folder: Path) -> Path:
    """Create `folder` with its parents; a `UserError` that names it when it cannot be written to."""
    check_path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"cannot write to {folder} ({error.strerror}): take another folder, or set CGAN_HOME to a folder you own."
        ) from error
    return folder
