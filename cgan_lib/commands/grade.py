"""`cgan grade`"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import Positional

from cgan_lib.commands.arguments import check_out
from cgan_lib.course.capstone import Certificate, certificates_as_csv, certify, check_seed, fresh_seed
from cgan_lib.course.grading import Graded, as_csv, grade
from cgan_lib.course.handed_in import find_handed_in
from cgan_lib.errors import UserError, printable
from cgan_lib.files import write_atomically
from cgan_lib.paths import make_folder

PATIENCE, PATIENCE_ALL = 120, 1800  # seconds for a cell: without trainings, and with
Result = Graded | Certificate
Places = Annotated[
    Positional[list[Path]],
    tyro.conf.arg(metavar="PLACE", help="notebooks or published folders that were handed in, or folders of them"),
]


def command(
    submissions: Places,
    everything: Annotated[bool, tyro.conf.arg(name="all")] = False,
    seconds: int | None = None,
    dataset: str | None = None,
    seed: int | None = None,
    csv: Path | None = None,
    force: bool = False,
) -> int:
    """Grade what was handed in: run the exercises of notebooks, or measure the generators of published folders.

    Of a notebook: a table; points are the difficulty of the exercises that are right.
    The code of others runs on this machine: for strangers, use a container.

    Of a published folder: a certificate; each score beside that of real pictures. No code of it is run.

    Args:
        everything: run each notebook from top to bottom, trainings too, not only what its exercises need
        seconds: after which a cell of a notebook is stopped; default: 120, with --all 1,800
        dataset: what folders are compared with, a name or a path; default: the data they were trained on
        seed: of the latents that folders are measured on; default: a fresh one, which is printed
        csv: also write a line for each submission and exercise, or folder and score, into this file
        force: write over the file --csv
    """
    if seconds is not None and seconds < 1:
        raise UserError("--seconds must be 1 or more.")
    if csv is not None:
        check_out(csv, force, ".csv")
    found = find_handed_in(submissions)
    if found.notebooks:
        _refuse("notebooks", dataset=dataset, seed=seed)
        grade_one = partial(grade, everything=everything, seconds=seconds or (PATIENCE_ALL if everything else PATIENCE))
        return _grade(found.notebooks, found.empty, grade_one, as_csv, csv)
    _refuse("published folders", all=everything or None, seconds=seconds)
    seed = check_seed(fresh_seed() if seed is None else seed)  # the same for all
    return _grade(found.folders, found.empty, partial(_certify, dataset, seed), certificates_as_csv, csv)


def _certify(dataset: str | None, seed: int, folder: Path) -> Certificate:
    print(f"measuring {printable(str(folder))}, a minute or two …", file=sys.stderr, flush=True)
    return certify(folder, dataset, seed)


def _refuse(kind: str, **options: object) -> None:
    """`UserError` for an option that says nothing about what was handed in."""
    for name, value in options.items():
        if value is not None:
            raise UserError(f"--{name} does nothing for {kind}: leave it out.")


def _grade(
    places: list[Path],
    empty: list[Path],
    grade_one: Callable[[Path], Result],
    to_csv: Callable[[list[Any]], str],
    csv: Path | None,
) -> int:
    """Print what comes of each place, and write the file; 2 when one of them could not be graded."""
    graded: list[Result] = []
    unread = len(empty)
    for place in empty:
        print(f"error: nothing to grade lies in {printable(str(place))}.", file=sys.stderr)
    if csv is not None:
        make_folder(csv.parent)
    try:
        for path in places:
            try:
                graded.append(grade_one(path))
            except UserError as error:  # the others are graded all the same
                print(f"error: {error}", file=sys.stderr)
                unread += 1
                continue
            print(f"{graded[-1].title()}\n{graded[-1].table()}\n", flush=True)
    finally:  # who interrupts it keeps what is graded
        if csv is not None:
            write_atomically(csv, to_csv(graded).encode("utf-8-sig"))  # or spreadsheets take it for another alphabet
    if len(graded) > 1:
        _print_summary(graded)
    return 2 if unread else 0


def _print_summary(graded: list[Result]) -> None:
    width = max(len(each.name) for each in graded) + 2
    for each in graded:
        print(f"{each.name:<{width}}{each.total()}")
