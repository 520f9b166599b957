"""What learners get wrong, as far as the checks know it: every sentence with which one refuses an answer."""

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from cgan_lib.course import exercises
from cgan_lib.course.exercises import Exercise

EXERCISES_ROOM = "cgan_lib.course.exercises."
SENTENCE_ENDS = (".", "?", "!", ")")
FEWEST_WORDS, FEWEST_WORDS_OF_A_PART = 4, 8  # of a sentence, and of what is put into one; … is no word


def folded(in_order: Sequence[Exercise]) -> str:
    """The hints of all exercises, a fold for each notebook."""
    return "\n\n".join(
        _fold(notebook, [each for each in in_order if each.notebook == notebook])
        for notebook in dict.fromkeys(each.notebook for each in in_order)
    )


def _fold(notebook: str, of_one: list[Exercise]) -> str:
    said = {check: listed(check) for check in dict.fromkeys(check_of(each.name) for each in of_one)}
    count = sum(len(texts.splitlines()) for texts in said.values())
    parts = [f"**`{check}`**\n{texts}" for check, texts in said.items()]
    return "\n\n".join([f"<details><summary>Notebook {notebook}: {count} hints</summary>", *parts, "</details>"])


def check_of(exercise: str) -> str:
    """The check that serves an exercise: its name, without the case."""
    return exercise.split(" ")[0]


def listed(check: str) -> str:
    """The hints of a check as a list, in which nothing else is taken for markup."""
    return "\n".join("- " + re.sub(r"([*<\[`])", r"\\\1", text) for text in of_check(check))


def of_check(check: str) -> list[str]:
    """The hints of a check and of what it uses in its file, or the files of its kind; … where it puts a value in."""
    defined = _defined(getattr(exercises, f"check_{check}").__module__)
    found: dict[str, None] = {}
    todo, seen = [f"check_{check}"], set()
    while todo:
        name = todo.pop(0)
        if name in defined and name not in seen:
            seen.add(name)
            found |= dict.fromkeys(_hints(defined[name]))
            todo += [each.id for each in ast.walk(defined[name]) if isinstance(each, ast.Name)]
    return list(found)


@cache
def _defined(module: str) -> dict[str, ast.AST]:
    """The functions and constants of a module by name, and of the modules of exercises that it imports from."""
    tree = ast.parse(Path(str(sys.modules[module].__file__)).read_text("utf-8"))
    found: dict[str, ast.AST] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            found[node.target.id] = node.value
        elif isinstance(node, ast.ImportFrom) and _has_hints(str(node.module)):
            found = _defined(str(node.module)) | found
    return found


def _has_hints(module: str) -> bool:
    return module.startswith(EXERCISES_ROOM) and module.rpartition(".")[2] not in ("verdict", "comparing")


def _hints(node: ast.AST) -> Iterator[str]:
    """The sentences in a function, or a constant, without docstring and praise."""
    known = {
        name: value.value
        for name, value in _assigned(node)
        if isinstance(value, ast.Constant) and isinstance(value.value, str)
    }
    praises = isinstance(node, ast.FunctionDef) and node.name.startswith("check_")
    for text in _texts(node, known, praises):
        words = [word for word in text.split() if word.strip("…,.:;")]
        if len(words) >= (FEWEST_WORDS if text[-1:] in SENTENCE_ENDS else FEWEST_WORDS_OF_A_PART):
            yield text


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    for each in ast.walk(node):
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name):
            yield each.targets[0].id, each.value


def _texts(node: ast.AST, known: dict[str, str], praises: bool) -> Iterator[str]:
    """The texts in a piece of code, without docstrings; where it `praises`, also without what it returns."""
    if praises and isinstance(node, ast.Return):
        return
    if isinstance(node, (ast.Constant, ast.JoinedStr)):
        yield " ".join(_text(node, known).split())
        return
    documented = isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None
    for each in node.body[1:] if documented else ast.iter_child_nodes(node):
        yield from _texts(each, known, praises)


def _text(node: ast.AST, known: dict[str, str]) -> str:
    """A text; of an f-string, with … for its values."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, known) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return known.get(getattr(node.value, "id", ""), "…")
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
