"""What a learner has solved and predicted, kept in a file from one session to the next.

Nothing is kept until `keep()` is called, which a notebook does: checks that are called elsewhere leave no trace.
"""

import json
import warnings
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from cgan_lib.errors import UserError
from cgan_lib.files import write_atomically
from cgan_lib.paths import home, make_folder, short

Book = dict[str, dict[str, Any]]
_kept = False


def keep() -> None:
    """From now on, write down what is tried and predicted."""
    global _kept
    _kept = True


def file() -> Path:
    """Where it is kept."""
    return home() / "logs" / "progress.json"


def read() -> Book:
    """`{"exercises": {name: …}, "predictions": {question: …}}`; a damaged file is put aside, with a note.

    `UserError` for a file that may not be read.
    """
    try:
        found = json.loads(file().read_text("utf-8"))
        return {part: dict(found[part]) for part in ("exercises", "predictions")}
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (ValueError, KeyError, TypeError) as error:
        aside = file().with_suffix(".damaged.json")
        warnings.warn(f"{short(file())} cannot be read ({error}); it is {aside.name} now.", stacklevel=2)
        file().replace(aside)
    except OSError as error:  # not to be taken for an empty one, or the next answer would be written over it
        raise UserError(f"{short(file())} cannot be read ({error.strerror}): check who may read it.") from error
    return {"exercises": {}, "predictions": {}}


def note_attempt(name: str, state: str) -> None:
    """Write down that an exercise was tried: how often, and when it was first right."""
    if state == "not attempted":
        return

    def note(book: Book) -> None:
        entry = book["exercises"].setdefault(name, {"attempts": 0, "begun": _now(), "solved": None})
        if not entry["solved"]:
            entry["attempts"] += 1
            entry["solved"] = _now() if state == "right" else None

    _change(note)


def note_prediction(question: str, choice: str) -> None:
    """Write down what was predicted."""
    _change(lambda book: book["predictions"].update({question: {"choice": choice, "made": _now()}}))


def note_outcome(question: str, outcome: str) -> None:
    """Write down what came of a prediction, if one was made."""

    def note(book: Book) -> None:
        if entry := book["predictions"].get(question):
            entry["outcome"] = outcome

    _change(note)


def forget(exercises: set[str] | None = None) -> None:
    """Take these exercises out of the file; default: everything, predictions included."""
    if exercises is None:
        file().unlink(missing_ok=True)
        return
    book = read()
    book["exercises"] = {name: entry for name, entry in book["exercises"].items() if name not in exercises}
    _write(book)


def _change(change: Callable[[Book], None]) -> None:
    """Change the file, if anything is kept; a file that cannot be written must not keep anybody from learning."""
    if not _kept:
        return
    try:
        book = read()
        change(book)
        _write(book)
    except (UserError, OSError) as error:
        warnings.warn(f"progress is not kept: {error}", stacklevel=2)


def _write(book: Book) -> None:
    make_folder(file().parent)
    write_atomically(file(), json.dumps(book, indent=1, ensure_ascii=False).encode())


def _now() -> str:
    return datetime.now().isoformat(timespec="seconds")
