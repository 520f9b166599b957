"""One exception for every mistake in the input, whose message names the fix."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

MOST_LISTED = 50  # names in a message
JOINERS = "\u200c\u200d"  # inside words of Persian or Hindi, and emoji; no terminal obeys them


class UserError(Exception):
    """A mistake in what was asked for; the message is one line and says how to put it right."""

    def __init__(self, message: str):
        super().__init__(printable(message))


def printable(text: str) -> str:
    """`text` on one line, without what a terminal would obey: names in files are chosen by whoever wrote the file."""
    return "".join(letter if letter.isprintable() or letter in JOINERS else repr(letter)[1:-1] for letter in text)


def shown(value: Any, most: int = 80) -> str:
    """A value as part of a message: its `repr`, printable and not longer than `most`."""
    try:
        text = printable(repr(value))
    except (RecursionError, ValueError):  # nested too deeply, or a number of thousands of digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= most else f"{text[:most]}…"


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not registered: suggests the nearest one and lists them, all or the first ones."""
    known = sorted(known)
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    more = f" and {len(known) - MOST_LISTED} more" if len(known) > MOST_LISTED else ""
    return UserError(f"unknown {kind} {shown(name)}: {hint}There are: {', '.join(known[:MOST_LISTED])}{more}.")


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Around imports that only an extra of this package brings: a `UserError` that names it where they are missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if str(error.name).startswith("cgan_lib"):
            raise
        raise UserError(f'{error.name} is missing: pip install "cgan_lib[{extra}]".') from error
