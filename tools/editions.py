"""Two editions of the notebooks, made from the committed ones.

python tools/editions.py student [FOLDER]       without the solutions; the hints stay
python tools/editions.py instructor [FOLDER]    every exercise solved, with a note for the teacher below

They go into build/student and build/instructor, unless you name a folder.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hints
import nbformat
from nbformat.v4 import new_markdown_cell

from cgan_lib.course.exercises import EXERCISES
from cgan_lib.course.submissions import CHECK, exercises_in
from notebooks import NOTEBOOKS, ROOT

FOLD = re.compile(r"<details><summary>Solution</summary>\s*```python\n(.*?)```(.*?)</details>\n*", re.DOTALL)
KINDS = {
    "answer": "there is one right answer",
    "build": "judged by what it does, not by how it is written",
    "debug": "the fault must be gone, and nothing else changed",
    "design": "there are many good answers: see the rubric in docs/teaching.md",
}


def student(notebook: nbformat.NotebookNode) -> None:
    """Take the solutions out, and what exercise cells show."""
    for cell, below, _ in exercise_cells(notebook):
        forget(cell)
        below.source = FOLD.sub("", below.source).strip()


def instructor(notebook: nbformat.NotebookNode) -> None:
    """Put each solution into the cell of its exercise, and a note for the teacher behind its hints."""
    for cell, below, name in list(exercise_cells(notebook)):
        forget(cell)
        ((solution, remark),) = FOLD.findall(below.source)
        cell.source = solved(cell.source, solution)
        below.source = FOLD.sub("", below.source).strip()
        note = new_markdown_cell(teachers_note(name, remark.strip()), id=f"teacher-{cell.id}"[:64])
        notebook.cells.insert(notebook.cells.index(below) + 1, note)


def exercise_cells(
    notebook: nbformat.NotebookNode,
) -> Iterator[tuple[nbformat.NotebookNode, nbformat.NotebookNode, str]]:
    """Each cell that checks an exercise, the one below it, which holds hints and solution, and its name."""
    for cell, below in zip(notebook.cells, notebook.cells[1:], strict=False):
        if cell.cell_type == "code" and (names := exercises_in(cell.source)):
            yield cell, below, names[-1]


def forget(cell: nbformat.NotebookNode) -> None:
    """What a cell showed."""
    cell.outputs, cell.execution_count = [], None


def solved(cell: str, solution: str) -> str:
    """The code of an exercise with a solution in place of what the learner was to write; all else stays."""
    tree = ast.parse(solution).body
    ours = {name for node in tree for name in names_of(node)}
    given = ast.parse(cell).body
    replaced = [node for node in given if ours & names_of(node) and not is_check(node)]
    lines: list[str | None] = list(cell.splitlines())
    for node in replaced:
        lines[node.lineno - 1 : node.end_lineno] = [None] * (node.end_lineno - node.lineno + 1)
    first = replaced[0].lineno - 1 if replaced else next(node.lineno for node in given if is_check(node)) - 1
    checks = {line for node in tree if is_check(node) for line in range(node.lineno - 1, node.end_lineno)}
    code = [line for number, line in enumerate(solution.splitlines()) if number not in checks]
    lines[first:first] = "\n".join(code).strip().splitlines()
    return "\n".join(line for line in lines if line is not None)


def names_of(node: ast.stmt) -> set[str]:
    """The names that a statement binds; a definition binds its own alone."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}


def is_check(node: ast.stmt) -> bool:
    """Whether a statement calls the check of an exercise."""
    return bool(CHECK.search(ast.unparse(node))) and isinstance(node, ast.Expr)


def teachers_note(name: str, remark: str) -> str:
    """What a teacher should know of an exercise: its kind, its length, and where learners go wrong."""
    exercise = EXERCISES[name]
    head = f"**For the teacher** · `{name}` · {'●' * exercise.difficulty} · {exercise.minutes} min"
    about = f"{exercise.kind}: {KINDS[exercise.kind]}."
    mistakes = hints.listed(hints.check_of(name))
    parts = [head, about, remark, f"What the check says to mistakes that it knows:\n{mistakes}" if mistakes else ""]
    return "\n\n".join(filter(None, parts))


EDITIONS: dict[str, Callable[[nbformat.NotebookNode], None]] = {"student": student, "instructor": instructor}


def build(name: str, folder: Path) -> None:
    """Write one edition of all notebooks into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        EDITIONS[name](notebook)
        nbformat.write(notebook, folder / path.name)
    print(f"{len(NOTEBOOKS)} notebooks, {name} edition: {folder}")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in EDITIONS:
        sys.exit(__doc__)
    build(sys.argv[1], Path(sys.argv[2]) if sys.argv[2:] else ROOT / "build" / sys.argv[1])
