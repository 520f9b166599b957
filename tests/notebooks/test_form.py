"""Notebooks as files: they open unmodified, fit beside Jupyter's panels, and need no magic of one kind of Jupyter."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LONGEST = 95  # letters of a line of code

each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def code(path: Path) -> list[str]:
    """Its code, and that of the solutions in its text."""
    cells = nbformat.read(path, as_version=4).cells
    solutions = [part for cell in cells for part in re.findall(r"```python\n(.*?)```", cell.source, re.DOTALL)]
    return solutions + [cell.source for cell in cells if cell.cell_type == "code"]


@each_notebook
def test_the_file_is_what_jupyter_itself_would_write(path):
    text = path.read_text("utf-8")
    notebook = nbformat.reads(text, as_version=4)
    assert text == nbformat.writes(notebook) + "\n"
    assert notebook.metadata.kernelspec.display_name == "Python 3 (ipykernel)"  # as ipykernel calls itself
    assert {"codemirror_mode", "pygments_lexer", "version"} < set(notebook.metadata.language_info)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


@each_notebook
def test_lines_of_code_are_short(path):
    assert [line for source in code(path) for line in source.splitlines() if len(line) > LONGEST] == []


@each_notebook
def test_every_cell_is_python_and_none_is_left_out_by_the_tests(path):
    """Magics and shell lines are lost in a round trip through a script, and depend on what is on PATH."""
    assert [line for source in code(path) for line in source.splitlines() if re.match(r"\s*[%!]", line)] == []
    tags = {tag for cell in nbformat.read(path, as_version=4).cells for tag in cell.metadata.get("tags", [])}
    assert tags <= {"nbval-ignore-output"}


def test_the_map_links_to_every_notebook():
    text = "\n".join(cell.source for cell in nbformat.read(PATHS[0], as_version=4).cells)
    (course_map,) = re.findall(r"## The map\n(.*?)\n\n[^|]", text, re.DOTALL)
    assert sorted(re.findall(r"\]\(([^)]+)\)", course_map)) == [path.name for path in PATHS]
