"""One exception for every mistake in the input, whose message names the fix."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in what was asked for; the message is one line and says how to put it right."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not registered: suggests the nearest one and lists them all."""
    known = sorted(known)
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return UserError(f"unknown {kind} {name!r}: {hint}There are: {', '.join(known)}.")
