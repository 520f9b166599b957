"""`cgan grade`: what runs of a notebook that was handed in, what its checks say, and what no submission can do."""

import builtins
import csv
import json
from pathlib import Path

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

from cgan_lib import UserError
from cgan_lib.cli import main
from cgan_lib.commands.grade import command
from cgan_lib.course import sandbox
from cgan_lib.course.exercises import EXERCISES
from cgan_lib.course.grading import Grade, Graded, as_csv
from cgan_lib.course.handed_in import find_handed_in
from cgan_lib.course.submissions import Submission, made_by_training, plan, read_submission

IMPORT = "from cgan_lib.course import exercises"


def notebook(path: Path, *cells: str) -> Path:
    """A notebook file with code cells alone."""
    code = [dict(cell_type="code", source=cell, outputs=[], metadata={}, execution_count=None) for cell in cells]
    path.write_text(json.dumps(dict(cells=code, metadata={}, nbformat=4, nbformat_minor=5)))
    return path


def submission(*cells: str) -> Submission:
    return Submission(Path("00.ipynb"), "00", dict(enumerate(cells)))


@pytest.fixture
def work():
    """A function: what comes of steps, when they run in this process; what they changed is put back afterwards."""

    def run(steps):
        said = []
        sandbox.work(dict(enumerate(steps)), said.append)
        return {number: what for number, what in said if not isinstance(what, str)}

    before = sandbox._remembered()
    yield run
    sandbox._put_back(before)
    InteractiveShell.clear_instance()


# --- what runs


def sources(*cells: str, everything: bool = False) -> list[str]:
    return [step.source for step in plan(submission(*cells), everything)]


def test_what_an_exercise_needs_runs_and_nothing_else():
    cells = (
        "import torch\nimport os\nprint('hello')",
        "half = torch.tensor(0.5)\nother = half * 3",
        "def double(x):\n    other = 3\n    return factor * x",
        "factor = [0]\nfactor[0] = 2\nfactor.append(5)\ndel other",
        "exercises.check_numbers_in_image(double(half))",
        "half = 9",
    )
    kept = [
        *("import torch", "half = torch.tensor(0.5)", "def double(x):\n    other = 3\n    return factor * x"),
        *("factor = [0]", "factor[0] = 2", "factor.append(5)", ""),
    ]
    assert sources(*cells) == kept
    assert len(sources(*cells, everything=True)) == len(cells)


@pytest.mark.parametrize(
    "training",
    [
        "run = train('bce')",
        "run = cgan_lib.training.Trainer(recipe).run",
        "for _ in range(9):\n    run = step()\n    run.backward()",
        "def mine():\n    return train('bce')\ndef all_of_mine():\n    return mine()\nrun = all_of_mine()",
    ],
)
def test_nothing_is_trained(training):
    cells = (training, "exercises.check_numbers_in_image(run)")
    assert all("run" not in step.split() for step in sources(*cells))
    assert "run" in made_by_training(submission(*cells))
    assert "run" in " ".join(sources(*cells, everything=True)).split()


@pytest.mark.parametrize("line", ["run = load_pretrained('bce')", "run = network.train()", "run = untrained()"])
def test_not_everything_with_train_in_its_name_is_a_training(line):
    assert sources(line, "exercises.check_numbers_in_image(run)") == [line, ""]
    assert made_by_training(submission(line)) == set()


def test_a_check_is_found_wherever_it_stands():
    for cell in (
        "x = 3\nexercises.check_numbers_in_image(x)\nprint(x)",
        "x = 3\nverdict = exercises.check_numbers_in_image(x)",
        "x = 3\nprint(bool(check_numbers_in_image(x)))",
        "x = 3\nif x:\n    exercises.check_numbers_in_image(x)",
    ):
        first, *_ = plan(submission(cell), False)
        assert (first.source, first.exercise, first.arguments) == ("x = 3", "numbers_in_image", "x")


def test_two_checks_in_a_cell_and_lines_for_jupyter_alone(tmp_path):
    cell = "%matplotlib inline\n!pip list\nexercises.check_hinge(f, g=1)\nexercises.check_nonsaturating(f)"
    steps = plan(read_submission(notebook(tmp_path / "a.ipynb", cell)), False)
    assert [(step.exercise, step.arguments) for step in steps] == [("hinge", "f, g=1"), ("nonsaturating", "f")]
    assert steps[0].source.count("get_ipython()") == 2


@pytest.mark.parametrize(
    "cell",
    [
        "%%time\nhalf = 392\nexercises.check_numbers_in_image(2 * half)",
        "\n%%capture said\n%matplotlib inline\nhalf = 392\n%time exercises.check_numbers_in_image(2 * half)",
        "if True:\n    %time half = 392\n'a line\u2028or two'\n%time exercises.check_numbers_in_image(2 * half)",
    ],
)
def test_what_is_timed_is_graded_as_it_is(tmp_path, work, cell):
    path = notebook(tmp_path / "00.ipynb", "%%time\n" + IMPORT, cell)
    steps = plan(read_submission(path), False)
    assert [step.exercise for step in steps if step.exercise] == ["numbers_in_image"]
    assert ("right", "") in [(verdict, "") for verdict, _ in work(steps).values()]


@pytest.mark.parametrize(
    "cell",
    [
        "%%bash\necho 'exercises.check_modes(3)'",
        "%%timeit\ndef f():\n    pass",
        "%time x = (",
        "a = %time 3",
        "%time " * 999,
    ],
)
def test_what_is_no_python_or_keeps_nothing_stays_a_call(tmp_path, cell):
    read = read_submission(notebook(tmp_path / "01.ipynb", cell))
    assert "get_ipython()" in read.cells[0] or read.cells[0] == cell
    assert [step.exercise for step in plan(read, False) if step.exercise] == []


# --- what is said


def test_the_check_that_counts_is_the_one_of_the_library(work):
    cheats = (
        'exercises = type("Mine", (), {"check_numbers_in_image": lambda x: "✔ Right."})',
        "import cgan_lib.course.exercises.verdict as v\nv.judge = lambda *_: v.Verdict('right')",
        "import cgan_lib.course.exercises.basics as b\nb.numbers = b.shaped = lambda *_: torch.tensor(784)",
        "import builtins\nbuiltins.round = lambda *_: 784",
        "import torch\ntorch.equal = lambda *_: True",
    )
    steps = plan(submission(*cheats, f"{IMPORT}\nexercises.check_numbers_in_image(28)"), True)
    came = work(steps)
    assert came[len(cheats)] == ("wrong", "28 is one row of pixels.")
    assert builtins.round(1.2) == 1
    assert not torch.equal(torch.zeros(1), torch.ones(1))


@pytest.mark.filterwarnings("ignore:To exit")
def test_a_cell_that_raises_is_said_to_and_the_others_go_on(work):
    cells = (
        "def f(x:",
        "1 / 0\nexercises.check_numbers_in_image(784)",
        "exercises.check_numbers_in_image(nowhere)",
        "exercises.check_numbers_in_image(...)",
        "import sys\nsys.exit(1)\nexercises.check_numbers_in_image(3)",
        "x = await_me = 784\nexercises.check_numbers_in_image(x)",
    )
    came = work(plan(submission(IMPORT, *cells), True))
    kinds = [came[number][0] for number in range(1, 7)]
    assert kinds == ["raised", "raised", "raised", "not attempted", "raised", "right"]
    assert came[1][1].startswith("SyntaxError: ")
    assert came[2][1] == "ZeroDivisionError: division by zero"
    assert came[3][1] == "NameError: name 'nowhere' is not defined"


@pytest.mark.parametrize("text", ["{", "[]", '{"cells": 3}', '{"cells": [{"source": "x"}]}', "\ud800"])
def test_a_file_that_is_no_notebook_is_refused_in_a_line(tmp_path, text):
    path = tmp_path / "01.ipynb"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UserError, match="cannot be read as a notebook"):
        read_submission(path)


def test_which_notebook_it_is_follows_from_its_checks_or_else_from_its_name(tmp_path):
    check = "exercises.check_hinge(f)"
    assert read_submission(notebook(tmp_path / "01_of_eve.ipynb", check)).notebook == "03"
    assert read_submission(notebook(tmp_path / "eve_01_bce.ipynb", "pass")).notebook == "01"
    with pytest.raises(UserError, match="no exercise of this course"):
        read_submission(notebook(tmp_path / "99_2026.ipynb", "pass"))


def test_notebooks_are_found_in_folders(tmp_path):
    for folder in ("a", "b/.ipynb_checkpoints"):
        (tmp_path / folder).mkdir(parents=True)
        notebook(tmp_path / folder / "01.ipynb", "pass")
    found = tmp_path / "a" / "01.ipynb"
    assert find_handed_in([tmp_path, found]) == ([found], [], [])
    assert find_handed_in([tmp_path / "b", found]) == ([found], [], [tmp_path / "b"])
    for places in ([], [tmp_path / "b"], [tmp_path / "c"]):
        with pytest.raises(UserError, match="name a notebook"):
            find_handed_in(places)


# --- all of it


def test_submissions_are_graded_in_processes_of_their_own(tmp_path, monkeypatch, capsys, contents):
    """One cell that never ends, one that ends its process, one that needs a training, one right, one wrong."""
    folder = tmp_path / "handed in"
    folder.mkdir()
    monkeypatch.chdir(folder)
    notebook(
        folder / "01_eve.ipynb",
        f"import torch.nn.functional as F\n{IMPORT}",
        "run = train('bce')",
        "open('made.txt', 'w').close()\nwhile True: pass\nexercises.check_modes(3)",
        "import os\nos._exit(0)\nexercises.check_divergence(3)",
        "def loss(x):\n    return F.softplus(-x).mean()\nexercises.check_nonsaturating(loss)",
        "from cgan_lib.paths import home\n(home() / 'logs').mkdir()\nexercises.check_nonsaturating(...)",
        "exercises.check_wasserstein(lambda a, b: run.step)",
        "lost = no_name\n",
        "exercises.check_best_discriminator(lost)",
        "exercises.check_one_style_ten_digits(3)",
    )
    (folder / "broken.ipynb").write_text("{")
    before = contents(folder)
    out = tmp_path / "marks.csv"
    assert main(["grade", str(folder), "--seconds", "3", "--csv", str(out)]) == 2  # for the one that is broken
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert "broken.ipynb" in printed.err
    rows = {row["exercise"]: row for row in csv.DictReader(out.read_text("utf-8-sig").splitlines())}
    assert set(rows) == {name for name, each in EXERCISES.items() if each.notebook == "01"}
    verdicts = {
        "modes": ("took too long", "stopped after 3 s"),
        "divergence": ("raised", "the process ended in this cell"),
        "nonsaturating": ("right", "And it stays finite for any logit."),
        "wasserstein": ("needs training", "run comes from a training, which only --all runs"),
        "best_discriminator": ("raised", "name 'lost' is not defined; before it, cell 7: NameError: name 'no_name'"),
        "one_style_ten_digits": ("wrong", "Give both: (z, labels)."),
        "one_hot_planes": ("missing", "no cell calls its check"),
    }
    for name, (verdict, message) in verdicts.items():
        assert rows[name]["verdict"] == verdict
        assert message in rows[name]["message"]
        assert f"{verdict:<16}{rows[name]['message']}" in printed.out
    points = EXERCISES["nonsaturating"].difficulty
    assert f"total: 1 of {len(rows)} exercises, {points} of " in printed.out
    assert rows["nonsaturating"]["points"] == str(points)
    assert contents(folder) == before
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("grade nowhere", "is not there"),
        ("grade", "nothing to grade"),
        ("grade . --csv marks.txt", "must end in .csv"),
        ("grade . --seconds 0", "must be 1 or more"),
    ],
)
def test_what_cannot_be_graded_is_a_line_and_code_2(line, said, capsys):
    assert main(line.split()) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""


HARD = {
    "a name twice": "def f(z, z):\n    return z",
    "no scope": "nonlocal x",
    "half a letter": "x = '\ud800'",
    "signs": "x = " + "-" * 5000 + "1",
    "a long sum": "x = " + "1+" * 400 + "1",
}


@pytest.mark.parametrize("cell", HARD.values(), ids=HARD)
def test_code_that_cannot_be_read_hinders_no_other(cell):
    steps = plan(submission(cell, "exercises.check_modes(3)"), False)
    assert steps[-1].exercise == "modes"
    plan(submission(cell), True)
    made_by_training(submission(cell))


def test_no_spreadsheet_calculates_what_was_handed_in():
    grade = Grade(EXERCISES["modes"], "raised", "=HYPERLINK(0): x")
    (row,) = csv.DictReader(as_csv([Graded(submission(), [grade])]).splitlines())
    assert row["message"] == "'=HYPERLINK(0): x"


def test_who_interrupts_keeps_what_is_graded(tmp_path, monkeypatch):
    for name in ("01_a.ipynb", "01_b.ipynb"):
        notebook(tmp_path / name, "pass")

    def grade(path, **_):
        if path.name == "01_b.ipynb":
            raise KeyboardInterrupt
        return Graded(submission(), [Grade(EXERCISES["modes"], "right", "")])

    monkeypatch.setattr("cgan_lib.commands.grade.grade", grade)
    with pytest.raises(KeyboardInterrupt):
        command([tmp_path], csv=tmp_path / "marks.csv")
    assert "modes" in (tmp_path / "marks.csv").read_text("utf-8-sig")


def test_where_the_data_are_holds_in_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CGAN_DATA", "mine")
    assert sandbox._environment("elsewhere")["CGAN_DATA"] == str(tmp_path / "mine")
