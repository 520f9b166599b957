"""From bytes to tensors, trusting nothing: no code is run, and no more memory taken than the file is long.

A PyTorch file is a pickle beside the raw numbers. PyTorch's `weights_only` runs no code, but believes what the pickle
says about sizes: kilobytes could ask for gigabytes. So the pickle is looked through first, for names that only make
something of a size, and the numbers are mapped, not read: what is declared and not there cannot be reached.
"""

import pickle
import pickletools
import stat
import zipfile
from pathlib import Path
from typing import IO, Any

import torch

from cgan_lib.errors import UserError, shown
from cgan_lib.files import first_line
from cgan_lib.weights.places import SUFFIXES, is_weight_file

ARCHIVE = b"PK\x03\x04"  # a ZIP file begins so, and with it whatever PyTorch has written since 1.6
PICKLES = 5  # in older files: magic number, protocol, system, content, and the names of what follows
MOST_ENTRIES = 100_000
LONGEST_HEADER = 10_000_000  # bytes; a hundred a tensor is usual
NOT_WEIGHTS = {  # what a file begins with → what it is, and the fix
    b"version https://git-lfs": "is a Git LFS pointer, not the weights themselves: run `git lfs pull` where it is from",
    b"<!doctype": "is a web page, not the weights: download the file itself",
    b"<html": "is a web page, not the weights: download the file itself",
}
# What the pickle of a state dict, or of a training checkpoint around it, is made of. PyTorch would also let
# `bytearray(10**11)` and its like pass
HARMLESS = {
    *("collections OrderedDict", "collections Counter", "builtins set", "__builtin__ set", "builtins complex"),
    *("torch Size", "torch device"),
    *(f"torch._utils _rebuild_{what}" for what in ("tensor", "tensor_v2", "parameter")),
}


def read(path: Path) -> tuple[dict, dict[str, str]]:
    """The content and metadata of a weight file, without ever running code that it holds.

    Tensors may still lie in the file, mapped: copy what is kept. `UserError` for whatever else `path` is.
    """
    _check_kind(path)
    try:
        if path.suffix.lower() == ".safetensors":
            return _read_safetensors(path)
        content = _read_torch(path)
    except UserError:
        raise
    except pickle.UnpicklingError as error:
        raise _other_than_weights(path) from error
    except Exception as error:  # the remains of a file can raise almost anything
        raise UserError(f"{path} is damaged or no weight file ({first_line(error)}): fetch it again.") from error
    if isinstance(content, (list, tuple)) and any(isinstance(part, dict) for part in content):
        content = dict(enumerate(content))
    if not isinstance(content, dict) or not content:
        raise no_state_dict(path)
    return content, {}


def no_state_dict(path: Path) -> UserError:
    """The error for a file that can be read, but holds none."""
    return UserError(f"{path} holds no state dict: save torch.save(generator.state_dict(), path).")


def _other_than_weights(path: Path, what: str = "") -> UserError:
    return UserError(
        f"{path} is a pickle of something other than weights{what}, which could run code: "
        "save only the state dict, torch.save(generator.state_dict(), path)."
    )


def _check_kind(path: Path) -> None:
    """`UserError` unless `path` is a file, with the name and the first bytes of a weight file."""
    if not is_weight_file(path):
        raise UserError(f"{path} is no weight file: expected one of {', '.join(SUFFIXES)}.")
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe would be to wait for ever
            raise UserError(f"{path} is no file but a folder, a pipe or a device: name the weight file itself.")
        with open(path, "rb") as file:
            start = file.read(100).lstrip().lower()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): check the path, and who may read it.") from error
    for beginning, reason in NOT_WEIGHTS.items():
        if start.startswith(beginning):
            raise UserError(f"{path} {reason}.")


def _read_safetensors(path: Path) -> tuple[dict, dict[str, str]]:
    from safetensors import safe_open

    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > min(LONGEST_HEADER, path.stat().st_size):
        raise UserError(f"{path} is damaged or no weight file (a header of {length:,} bytes): fetch it again.")
    with safe_open(path, framework="pt") as file:  # compares shapes, places and the length of the file itself
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118


def _read_torch(path: Path) -> Any:
    with open(path, "rb") as file:
        archive = file.read(len(ARCHIVE)) == ARCHIVE
        file.seek(0)
        if archive:
            _check_archive(file, path)
        else:
            for _ in range(PICKLES):
                _check_pickle(file, path)
    return torch.load(path, map_location="cpu", weights_only=True, mmap=archive)


def _check_archive(file: IO[bytes], path: Path) -> None:
    """`UserError` unless the entries lie in the file as they are, each once, and their pickle is harmless."""
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise UserError(f"{path} is compressed, so its size says nothing: unzip it, or save it with torch.save.")
        names = {entry.filename for entry in entries}
        if len(names) < len(entries) or len(entries) > MOST_ENTRIES:
            raise UserError(f"{path} is damaged or no weight file ({len(entries):,} entries): fetch it again.")
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise UserError(f"{path} declares more bytes than it has: it is damaged, fetch it again.")
        for name in (name for name in names if name.endswith("data.pkl")):
            with archive.open(name) as pickled:
                _check_pickle(pickled, path)


def _check_pickle(file: IO[bytes], path: Path) -> None:
    """Read one pickle without obeying it; `UserError` when it names what no state dict is made of."""
    for operation, argument, _ in pickletools.genops(file):
        if operation.name == "GLOBAL" and not _harmless(str(argument)):
            raise _other_than_weights(path, f" (it names {shown(argument)})")
        if operation.name in ("STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"):  # other ways to name something
            raise _other_than_weights(path)


def _harmless(name: str) -> bool:
    module, _, attribute = name.partition(" ")
    if attribute in ("TypedStorage", "UntypedStorage"):  # the others are only names, but these can be made of a size
        return False
    is_type = isinstance(vars(torch).get(attribute), torch.dtype)
    return name in HARMLESS or (module == "torch" and (attribute.endswith("Storage") or is_type))
