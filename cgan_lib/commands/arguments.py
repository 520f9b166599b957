"""What several commands take: the generator they work on, and the file they write."""

import os
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from cgan_lib.errors import UserError
from cgan_lib.paths import check_path

Source = Annotated[
    Positional[str],
    tyro.conf.arg(
        metavar="SOURCE",
        help="a run folder, a weight file, a published folder, hf://owner/name, or the name of a shipped generator",
    ),
]


def check_out(out: Path, force: bool, *suffixes: str) -> None:
    """`UserError` for another ending, a file that is there already, and a place where none can be."""
    if out.suffix not in suffixes:
        raise UserError(f"--out {str(check_path(out))!r} must end in {' or '.join(suffixes)}.")
    if check_path(out).is_file() and not force:
        raise UserError(f"{out} exists: name a new file, or write over it with --force.")
    there = next(folder for folder in out.absolute().parents if folder.exists())
    if out.is_dir() or not there.is_dir() or not os.access(there, os.W_OK):  # rather now than after the work
        raise UserError(f"cannot write {out}: name a file in a folder where you may write.")
