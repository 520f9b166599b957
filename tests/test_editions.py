"""Editions of the notebooks: none of the solutions in one, all of them in the other, and `cgan grade` agrees."""

import json
from itertools import pairwise

import editions
import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from torchvision import datasets

from cgan_lib.course import sandbox
from cgan_lib.course.exercises import EXERCISES
from cgan_lib.course.submissions import plan, read_submission
from notebooks import NOTEBOOKS

QUICK = ["00", "07"]  # notebooks whose checks take no time; those of the others run in tests/notebooks

each_notebook = pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Both editions, a folder each, below one folder."""
    folder = tmp_path_factory.mktemp("build")
    for name in editions.EDITIONS:
        editions.build(name, folder / name)
    return folder


@pytest.fixture
def verdicts(built, monkeypatch):
    """A function: the verdicts on the exercises of a notebook in an edition, by name; its cells run in this process."""

    def of(edition, source):
        steps = plan(read_submission(built / edition / source.name), everything=False)
        said = []
        sandbox.work(dict(enumerate(steps)), said.append)
        came = {number: what[0] for number, what in said if not isinstance(what, str)}
        return {step.exercise: came[number] for number, step in enumerate(steps) if step.exercise}

    monkeypatch.setattr(datasets.MNIST, "mirrors", [])  # the embedded digits will do
    before = sandbox._remembered()
    yield of
    sandbox._put_back(before)
    InteractiveShell.clear_instance()


def names_of(source):
    return {name for name, each in EXERCISES.items() if source.stem.startswith(each.notebook)}


@pytest.mark.filterwarnings("ignore:mnist is not in")
@each_notebook
def test_in_the_student_edition_nothing_is_attempted(source, verdicts):
    assert verdicts("student", source) == dict.fromkeys(names_of(source), "not attempted")


@pytest.mark.parametrize("source", [path for path in NOTEBOOKS if path.stem[:2] in QUICK], ids=lambda path: path.stem)
def test_in_the_instructor_edition_all_is_right(source, verdicts):
    assert verdicts("instructor", source) == dict.fromkeys(names_of(source), "right")


@each_notebook
def test_the_student_edition_is_the_notebook_without_solutions(source, built):
    path = built / "student" / source.name
    assert "Solution</summary>" not in path.read_text("utf-8")
    for old, new in zip(nbformat.read(source, 4).cells, nbformat.read(path, 4).cells, strict=True):
        if "exercises.check_" in old.source and old.cell_type == "code":
            assert (new.source, new.outputs, new.execution_count) == (old.source, [], None)
        elif "Solution</summary>" in old.source:
            assert old.source.startswith(new.source.splitlines()[0])
            assert new.source.count("<details>") == old.source.count("<details>") - 1 == new.source.count("</details>")
        else:
            assert new == old


@each_notebook
def test_the_instructor_edition_has_a_note_after_each_exercise(source, built):
    notebook = nbformat.read(built / "instructor" / source.name, 4)
    nbformat.validate(notebook)
    assert "Solution</summary>" not in json.dumps(notebook)
    notes = [below for _, below in pairwise(notebook.cells) if below.source.startswith("**For the teacher**")]
    assert {note.source.split("`")[1] for note in notes} == names_of(source)


@pytest.mark.parametrize(
    ("cell", "solution", "expected"),
    [
        ("x = ...\nexercises.check_hinge(x)", "x = 3\n", "x = 3\nexercises.check_hinge(x)"),
        (
            "import torch\n\nlabels = torch.zeros(3)  # given\nx = ...\nexercises.check_hinge(x)\nprint(x)",
            "from torch import nn\n\nx = nn.Linear(1, 2)\nexercises.check_hinge(x)\n",
            "import torch\n\nlabels = torch.zeros(3)  # given\nfrom torch import nn\n\nx = nn.Linear(1, 2)\n"
            "exercises.check_hinge(x)\nprint(x)",
        ),
        (
            "def f(x):\n    y = 1\n    return ...\n\n\nverdict = 3\nexercises.check_hinge(f)",
            "def helper(x):\n    return x\n\n\ndef f(x):\n    verdict = helper(x)\n    return verdict\n",
            "def helper(x):\n    return x\n\n\ndef f(x):\n    verdict = helper(x)\n    return verdict\n\n\n"
            "verdict = 3\nexercises.check_hinge(f)",
        ),
        ("exercises.check_hinge(...)", "x = 2\nexercises.check_hinge(x)\n", "x = 2\nexercises.check_hinge(...)"),
    ],
)
def test_a_solution_takes_the_place_of_what_it_solves_and_all_else_stays(cell, solution, expected):
    assert editions.solved(cell, solution) == expected
