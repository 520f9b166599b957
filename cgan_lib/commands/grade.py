"""`cgan grade`"""

import sys
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from cgan_lib.commands.arguments import check_out
from cgan_lib.course.grading import Graded, as_csv, grade
from cgan_lib.course.submissions import find_notebooks
from cgan_lib.errors import UserError, printable
from cgan_lib.files import write_atomically
from cgan_lib.paths import make_folder

PATIENCE, PATIENCE_ALL = 120, 1800  # seconds for a cell: without trainings, and with
Places = Annotated[
    Positional[list[Path]],
    tyro.conf.arg(metavar="NOTEBOOK", help="notebooks that were handed in, or folders of them"),
]


def command(
    submissions: Places,
    everything: Annotated[bool, tyro.conf.arg(name="all")] = False,
    seconds: int | None = None,
    csv: Path | None = None,
    force: bool = False,
) -> int:
    """Run the exercises of notebooks that were handed in; a table for each.

    Points are the difficulty of the exercises that are right.

    The code of others runs on this machine: for strangers, use a container.

    Args:
        everything: run each notebook from top to bottom, trainings too, not only what its exercises need
        seconds: after which a cell is stopped; default: 120, with --all 1,800
        csv: also write a line for each submission and exercise into this file
        force: write over the file --csv
    """
    if seconds is None:
        seconds = PATIENCE_ALL if everything else PATIENCE
    if seconds < 1:
        raise UserError("--seconds must be 1 or more.")
    if csv is not None:
        check_out(csv, force, ".csv")
    graded: list[Graded] = []
    notebooks, unread = find_notebooks(submissions), 0
    if csv is not None:
        make_folder(csv.parent)
    try:
        for path in notebooks:
            try:
                graded.append(grade(path, everything, seconds))
            except UserError as error:  # the others are graded all the same
                print(f"error: {error}", file=sys.stderr)
                unread += 1
                continue
            said = f"{printable(str(path))} (notebook {graded[-1].submission.notebook})\n{graded[-1].table()}\n"
            print(said, flush=True)
    finally:  # who interrupts it keeps what is graded
        if csv is not None:
            write_atomically(csv, as_csv(graded).encode("utf-8-sig"))  # or spreadsheets take it for another alphabet
    if len(graded) > 1:
        _print_summary(graded)
    return 2 if unread else 0


def _print_summary(graded: list[Graded]) -> None:
    width = max(len(printable(str(each.submission.path))) for each in graded) + 2
    for each in graded:
        print(f"{printable(str(each.submission.path)):<{width}}{each.total()}")
