"""What every committed notebook must be, whatever it teaches. (nbval re-runs and compares them besides.)"""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from cgan_lib.course.exercises import EXERCISES
from cgan_lib.recipes import RECIPES

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SUMMARY = re.compile(r"<summary>(.*?)</summary>")
SOLUTION = re.compile(r"<summary>Solution</summary>\s+```python\n(.*?)```", re.DOTALL)
EXERCISE = re.compile(r"^### Exercise .*$", re.MULTILINE)
CHECK = re.compile(r"exercises\.check_(\w+)\((?:\"(\w+)\")?")  # a case comes first, where there is one
ABSOLUTE_PATH = re.compile(r"(?<![\w./:])(/(home|root|tmp|work|Users|content|mnt|var|opt)/|[A-Z]:\\)")
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
MAX_LINES = 22  # of a code cell that is not the set-up cell


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def is_setup(cell: nbformat.NotebookNode) -> bool:
    return cell.source.startswith("# Set-up, the same in every notebook")


def outputs_of(cell: nbformat.NotebookNode) -> str:
    texts = [
        str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
        for output in cell.get("outputs", [])
    ]
    return "\n".join(texts)


each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def test_there_are_notebooks():
    assert len(PATHS) >= 2


@each_notebook
def test_every_code_cell_was_run_in_order_without_error(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]


@each_notebook
def test_outputs_are_stored_pictures_included(path):
    outputs = [output for cell in code_cells(path) for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 3
    strict = [cell for cell in code_cells(path) if "nbval-ignore-output" not in cell.metadata.get("tags", [])]
    assert sum(bool(cell.outputs) for cell in strict) >= 5, "nothing for nbval to compare"


@each_notebook
def test_outputs_hold_no_absolute_path_and_no_widget_state(path):
    notebook = read(path)
    assert "widgets" not in notebook.metadata
    for cell in code_cells(path):
        assert not ABSOLUTE_PATH.search(outputs_of(cell)), outputs_of(cell)


@each_notebook
def test_the_set_up_cell_is_there_once_and_the_same_everywhere(path):
    (setup,) = [cell.source for cell in code_cells(path) if is_setup(cell)]
    (first,) = [cell.source for cell in code_cells(PATHS[0]) if is_setup(cell)]
    assert setup == first


@each_notebook
def test_cells_are_short(path):
    long = [cell.source for cell in code_cells(path) if not is_setup(cell) and cell.source.count("\n") >= MAX_LINES]
    assert not long


@each_notebook
def test_no_cell_asks_whether_it_runs_in_ci(path):
    for cell in code_cells(path):
        assert not re.search(r"CGAN_PROFILE|\bif\b.*(\bci\b|profile)", cell.source), cell.source


def names_before(cells: list[nbformat.NotebookNode], index: int) -> dict:
    """What the imports and definitions of the cells before one bring: a solution that is pasted has no more."""
    names: dict = {}
    for cell in cells[:index]:
        if cell.cell_type == "code":
            nodes = ast.parse(cell.source).body
            definitions = [node for node in nodes if isinstance(node, DEFINITIONS)]
            exec(compile(ast.Module(definitions, []), "notebook", "exec"), names)
    return names


@each_notebook
def test_exercises_are_not_attempted_as_stored_and_their_solutions_are_right(path):
    cells = read(path).cells
    tried = 0
    for index, cell in enumerate(cells):
        if cell.cell_type != "code" or "exercises.check_" not in cell.source:
            continue
        assert "Not attempted" in outputs_of(cell)
        (solution,) = SOLUTION.findall(cells[index + 1].source)
        names = names_before(cells, index + 1)
        exec(solution, names)
        check = cell.source.strip().splitlines()[-1]
        assert eval(check, names).state == "right"
        tried += 1
    assert tried >= (1 if path.stem.startswith("00") else 3)


def exercise_of(cell: nbformat.NotebookNode) -> str:
    """The name of the exercise that a cell checks."""
    check, case = CHECK.search(cell.source).groups()
    return check if check in EXERCISES else f"{check} {case}"


@each_notebook
def test_exercises_are_numbered_and_say_kind_difficulty_and_minutes(path):
    cells = read(path).cells
    named, headings = [], []
    for index, cell in enumerate(cells):
        if cell.cell_type != "code" or "exercises.check_" not in cell.source:
            continue
        named.append(exercise_of(cell))
        above = [found for earlier in cells[:index] for found in EXERCISE.findall(earlier.source)]
        headings.append(above[-1])
        assert SUMMARY.findall(cells[index + 1].source) == ["Hint 1", "Hint 2", "Solution"], named[-1]
    assert headings == [EXERCISES[name].heading(number) for number, name in enumerate(named, 1)]
    everything = "\n".join(cell.source for cell in cells)
    assert EXERCISE.findall(everything) == headings, "a heading without a check"
    assert sorted(named) == sorted(name for name, each in EXERCISES.items() if path.stem.startswith(each.notebook))


@each_notebook
def test_a_solution_stands_nowhere_above_its_exercise(path):
    """Not as a line of a cell, and not as source that is shown."""
    cells = read(path).cells
    for index, cell in enumerate(cells):
        if cell.cell_type != "code" or "exercises.check_" not in cell.source:
            continue
        (solution,) = SOLUTION.findall(cells[index + 1].source)
        body = [line.strip() for line in solution.splitlines() if line.strip().startswith("return")]
        shown = [f"{earlier.source}\n{outputs_of(earlier)}" for earlier in cells[:index]]
        above = {line.strip() for text in shown for line in text.splitlines()}
        assert not above & {line for line in body if len(line) > len("return fake.mean()")}, exercise_of(cell)


@each_notebook
def test_local_links_and_pictures_exist(path):
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\((?!https?:|#)([^)]+)\)", cell.source):
                assert (path.parent / target.split("#")[0]).exists(), target


def test_the_stored_outputs_come_from_a_demo_or_full_run():
    text = "\n".join(outputs_of(cell) for cell in code_cells(ROOT / "notebooks" / "01_bce_cgan.ipynb"))
    trained = int(re.search(r"([\d,]+) steps in \d+ s; everything", text)[1].replace(",", ""))
    assert trained >= RECIPES["bce"].demo_steps
    start = "\n".join(outputs_of(cell) for cell in code_cells(ROOT / "notebooks" / "00_start_here.ipynb"))
    assert "mnist: 60,000 images" in start


def test_the_app_was_run_and_shows_a_picture_without_its_widgets():
    (cell,) = code_cells(ROOT / "cgan_lib" / "studio" / "app" / "studio.ipynb")
    (output,) = cell.outputs
    assert cell.execution_count == 1
    assert "image/png" in output.data
    assert output.data["text/plain"] == "Studio(relativistic)"
    assert not any("widget" in kind for kind in output.data)
