"""Results as CSV, for spreadsheets."""

import csv
import io
from collections.abc import Iterable, Sequence


def as_csv_text(columns: Sequence[str], rows: Iterable[Sequence[str | int]]) -> str:
    """A head and rows as CSV, in which nothing is a formula: file names and errors are chosen by whoever handed in."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([_no_formula(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return text.getvalue()


def _no_formula(cell: str) -> str:
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell
