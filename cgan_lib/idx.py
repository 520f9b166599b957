"""The four files of MNIST and of sets built like it: found where people lay them, read as they are, or downloaded."""

import gzip
import math
import os
import socket
import tempfile
import threading
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import torch
from torch import Tensor

from cgan_lib.errors import UserError
from cgan_lib.files import first_line
from cgan_lib.paths import expanded, home, make_folder

if TYPE_CHECKING:
    from torchvision.datasets import MNIST

CONNECT_SECONDS = 8  # to find out whether any mirror answers; they are asked side by side
LARGEST = 2**27  # bytes that a file may hold when it is unpacked, or a hundred times what it has on the disk
GZIP = b"\x1f\x8b"


class OfflineError(UserError):
    """The data set is not on this machine and its mirrors cannot be reached."""


def read_part(source: "type[MNIST]", name: str, train: bool) -> tuple[Tensor, Tensor, Path]:
    """The images uint8 (N,H,W) and labels (N,) to train or to test with, and their folder.

    Looked for in `$CGAN_DATA`, then in `data/`; failing that, downloaded into `data/`. Files that are there stay as
    they are.
    """
    files = _files(source, name)
    images, labels = ("train-images", "train-labels") if train else ("t10k-images", "t10k-labels")
    image_file, label_file = (
        next(path for file, path in files.items() if file.startswith(part)) for part in (images, labels)
    )
    return read_idx(image_file, 3), read_idx(label_file, 1), image_file.parent


def read_idx(path: Path, ndim: int) -> Tensor:
    """The bytes of an idx file, gzipped or not, whatever its name says: uint8 with `ndim` dimensions."""
    try:
        with open(path, "rb") as packed:
            is_packed = packed.read(2) == GZIP
            packed.seek(0)
            file = cast(IO[bytes], gzip.GzipFile(fileobj=packed)) if is_packed else packed
            return _parse(file, ndim, max(LARGEST, 100 * path.stat().st_size))
    except (ValueError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is damaged ({first_line(error)}): delete it, and get it again.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): check who may read it.") from error


def _parse(file: IO[bytes], ndim: int, most: int) -> Tensor:
    """Zero, zero, 8 for bytes, the number of dimensions; each of them as four bytes; the content."""
    head = file.read(4 + 4 * ndim)
    if len(head) < 4 + 4 * ndim or head[:4] != bytes([0, 0, 8, ndim]):
        raise ValueError(f"no idx file of bytes in {ndim} dimensions")
    sizes = [int.from_bytes(head[at : at + 4], "big") for at in range(4, len(head), 4)]
    length = math.prod(sizes)
    if not 0 < length <= most:
        raise ValueError(f"it declares {length:,} bytes")
    content = bytearray(file.read(length + 1))  # one more, to see that it ends, and that gzip's sum is right
    if len(content) != length:
        raise ValueError(f"{'more' if len(content) > length else 'less'} than the {length:,} bytes that it declares")
    return torch.frombuffer(content, dtype=torch.uint8).view(sizes)


def _files(source: "type[MNIST]", name: str) -> dict[str, Path]:
    """The four files: their names at the source → where each of them is."""
    names = [Path(url).stem for url, _ in source.resources]
    chosen = chosen_root()
    if chosen:
        found = _search(chosen, source.__name__, names)
        if len(found) == len(names):
            return found
        if found:
            raise UserError(f"{name} is not whole: {_told(chosen, source.__name__, names, found)}.")
    data = home() / "data"
    found = _search(data, source.__name__, names)
    if len(found) < len(names):
        missing = _told(chosen, source.__name__, names, {}) if chosen else ""
        _download(source, data, name, missing)
        found = _search(data, source.__name__, names)
    return found


def is_here(source: "type[MNIST]") -> bool:
    """Whether the four files lie where `read_part` looks before it downloads them."""
    names = [Path(url).stem for url, _ in source.resources]
    roots = filter(None, (chosen_root(), home() / "data"))
    return any(len(_search(root, source.__name__, names)) == len(names) for root in roots)


def chosen_root() -> Path | None:
    """`$CGAN_DATA`, if it is set; `UserError` when it is no folder."""
    if not (chosen := os.environ.get("CGAN_DATA")):
        return None
    root = Path(os.path.abspath(expanded("CGAN_DATA", chosen)))
    if not root.is_dir():
        raise UserError(
            f"CGAN_DATA names {root}, where there is no folder: name the one that holds MNIST, or unset it."
        )
    return root


def _search(root: Path, class_name: str, names: list[str]) -> dict[str, Path]:
    """The files as they lie in one folder, in the one that has most of them."""
    each = [_present(folder, names) for folder in _folders(root, class_name)]
    return max(each, key=len, default={})


def _present(folder: Path, names: list[str]) -> dict[str, Path]:
    paths = {name: next((folder / v for v in _variants(name) if (folder / v).is_file()), None) for name in names}
    return {name: path for name, path in paths.items() if path}


def _variants(name: str) -> list[str]:
    """`train-images-idx3-ubyte` as people have it: with a dot, in a folder of its own (Kaggle), gzipped."""
    plain = [name, name.replace("-idx", ".idx")]
    return [*plain, *(f"{each}/{name}" for each in plain), *(f"{each}.gz" for each in plain)]


def _folders(root: Path, class_name: str) -> list[Path]:
    """Where below `root` a data set may lie: <class>/raw, as torchvision has it, <class>, and `root` if it is meant."""
    try:
        inside = [child for child in root.iterdir() if _letters(child) == class_name.lower() and child.is_dir()]
    except OSError:  # no such folder, or one that may not be entered
        return []
    inside.sort(key=lambda child: child.name != class_name)
    meant = [root] if _owner(root) == class_name else []
    return [folder for parent in (*inside, *meant) for folder in (parent / "raw", parent)]


def _owner(folder: Path) -> str:
    """The data set that a folder is named after; MNIST where it is none, since all of them have the same file names."""
    from torchvision.datasets import MNIST

    named = _letters(folder.parent if folder.name == "raw" else folder)
    classes = sorted((each.__name__ for each in MNIST.__subclasses__()), key=len, reverse=True)
    return next((name for name in classes if name.lower() in named), "MNIST")


def _letters(path: Path) -> str:
    return "".join(filter(str.isalnum, path.name)).lower()


def _told(root: Path, class_name: str, names: list[str], found: dict[str, Path]) -> str:
    """What was looked for below `$CGAN_DATA`, and what was found."""
    missing = ", ".join(name for name in names if name not in found)
    where = " and ".join(sorted({str(path.parent) for path in found.values()}))
    places = where or f"{class_name}/raw, {class_name}, raw and the folder itself"
    content = sorted(path.name for path in root.iterdir())
    there = ", ".join(content[:8]) + (", …" if len(content) > 8 else "") or "nothing"
    return f"CGAN_DATA is {root}, with {there}; looked for {missing} (.idx or .gz will do) in {places}"


def _download(source: "type[MNIST]", root: Path, name: str, missing: str) -> None:
    """Fetch the files that are not there yet; they appear when all have come."""
    if not _reachable(source.mirrors):
        raise OfflineError(
            f"{name} is not in {root} and no mirror answers: go online, or set CGAN_DATA to a folder that holds "
            f"{source.__name__}/raw." + (f" {missing}." if missing else "")
        )
    make_folder(root)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(CONNECT_SECONDS)  # a connection that stalls must not hang the notebook
    try:
        with tempfile.TemporaryDirectory(dir=root, prefix=".download-") as staged:
            source(staged, download=True)
            _move(Path(staged, source.__name__, "raw"), root / source.__name__ / "raw", source)
    except UserError:
        raise
    except Exception as error:
        reason = f"downloading {name} to {root} failed ({first_line(error)}): try again later."
        raise OfflineError(reason + (f" {missing}." if missing else "")) from error
    finally:
        socket.setdefaulttimeout(before)


def _move(staged: Path, raw: Path, source: "type[MNIST]") -> None:
    names = [Path(url).stem for url, _ in source.resources]
    present = _present(make_folder(raw), names)
    for name in names:
        if name not in present:
            os.replace(staged / name, raw / name)


def _reachable(mirrors: list[str]) -> bool:
    """Whether any mirror answers within `CONNECT_SECONDS`. In threads, because looking a name up has no time limit."""
    answered = threading.Event()
    finished = threading.Semaphore(0)

    def ask(url: str) -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=CONNECT_SECONDS).close()
            answered.set()
        except urllib.error.HTTPError:  # an answer all the same
            answered.set()
        except (OSError, ValueError):
            pass
        finally:
            finished.release()

    for mirror in mirrors:
        threading.Thread(target=ask, args=(mirror,), daemon=True).start()
    deadline = time.monotonic() + CONNECT_SECONDS
    for _ in mirrors:
        finished.acquire(timeout=max(0, deadline - time.monotonic()))
        if answered.is_set():
            return True
    return False
