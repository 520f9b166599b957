"""The table of exercises, the hints, the lesson plans and the learner's time: the docs say what the code says."""

import re
from collections import Counter

import exercises as tool
import hints
import lessons
import nbformat
import pytest

from cgan_lib.course.exercises import EXERCISES
from notebooks import NOTEBOOKS

KINDS = Counter(each.kind for each in EXERCISES.values())


def test_the_docs_are_what_the_script_writes():
    """After a change to exercises, hints or plans: python tools/exercises.py --write"""
    parts = tool.parts()
    written = {(path, name): tool.between(name).findall(path.read_text("utf-8")) for path, name in parts}
    assert [place for place, text in parts.items() if written[place] != [text]] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_first_cell_says_how_long_a_learner_needs(path):
    """After a change to a notebook: python tools/exercises.py --stamp"""
    first = nbformat.read(path, as_version=4).cells[0].source
    assert tool.YOUR_TIME.findall(first) == [tool.your_time(path)]


def test_there_are_as_many_exercises_of_each_kind_as_the_course_promises():
    assert len(EXERCISES) >= 45
    assert KINDS["build"] >= 12
    assert KINDS["debug"] >= 12
    assert KINDS["design"] >= 6


def test_every_exercise_is_in_the_table_with_the_wrong_answers_that_the_tests_try():
    rows = [row.strip("| ").split(" | ") for row in tool.table().splitlines()[2:]]
    assert {row[1].split("`")[1] for row in rows} == {hints.check_of(name) for name in EXERCISES}
    assert len(rows) == len({row[1] for row in rows})
    assert min(int(row[-1]) for row in rows) >= 8
    places = [(row[0], int(row[1].split()[0])) for row in rows]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(3, "half an hour"), (44, "half an hour"), (46, "1 hour"), (80, "1½ hours"), (121, "2 hours")],
)
def test_hours_are_said_in_halves(minutes, words):
    assert tool.in_hours(minutes) == words


def test_the_time_of_a_learner_is_written_behind_that_of_the_machine_or_over_the_old_one(tmp_path):
    path = tmp_path / "99_none.ipynb"
    hidden = "<details><summary>Hint</summary>" + "word " * 9999 + "</details>"
    new = nbformat.v4
    text = new.new_markdown_cell("**Time:** 20 s on a\n2-core CPU, to the last cell.\n\nMore." + hidden)
    for count, hours in ((70, "1 hour"), (140, "2½ hours")):
        nbformat.write(new.new_notebook(cells=[text, *(new.new_code_cell("1") for _ in range(count))]), path)
        tool.stamp(path)
        text = nbformat.read(path, as_version=4).cells[0]
        begin = f"**Time:** 20 s on a\n2-core CPU, to the last cell. **Your time:** about {hours} with all exercises."
        assert text.source == f"{begin}\n\nMore.{hidden}"
    assert 140 < tool.your_minutes(path) < 141


def test_hints_are_sentences_that_the_checks_say_and_no_praise():
    said = hints.of_check("nonsaturating")
    assert "The sign: the generator minimises −log D(G(z))." in said
    assert any(text.startswith("Finite at a logit of −50") and "softplus(−x) equals" in text for text in said)
    assert not any("And it stays finite" in text or "from logits (N,)" in text for text in said)
    assert "There is a coordinate of …; none may be beyond …. Redraw until none is." in hints.of_check("truncated")
    for name in sorted({hints.check_of(name) for name in EXERCISES}):
        assert hints.of_check(name), name


def test_a_lesson_plan_adds_up_the_minutes_of_its_exercises():
    parts = (lessons.Part(5, "Begin"), lessons.Part(3, "Loss", ("nonsaturating",)), lessons.Part(60, "End"))
    minutes, at_home = EXERCISES["nonsaturating"].minutes, EXERCISES["modes"].minutes
    assert lessons.Plan(parts, ("modes",)).table().splitlines()[2:] == [
        "| 0:00 | 5 | Begin |  |",
        f"| 0:05 | {3 + minutes} | Loss | `nonsaturating` ({minutes}) |",
        f"| 0:{8 + minutes:02d} | 60 | End |  |",
        f"| 1:{8 + minutes:02d} | | **end** | |",
        f"| | {at_home} | at home | `modes` ({at_home}) |",
    ]


@pytest.mark.parametrize("name", sorted(lessons.PLANS))
def test_a_plan_is_as_long_as_it_says_and_no_exercise_comes_twice(name):
    least, most = {"lab": (105, 120), "day": (360, 420)}.get(name, (75, 90))
    plan = lessons.PLANS[name]
    assert least <= plan.length <= most
    named = [*plan.homework, *(exercise for part in plan.parts for exercise in part.exercises)]
    assert len(named) == len(set(named))


def test_the_rubric_asks_about_every_open_task():
    text = tool.TEACHING.read_text("utf-8")
    asked = re.findall(r"^\| `(\w+)` \| [^|]*\? ", text, re.MULTILINE)
    assert sorted(asked) == sorted(name for name, each in EXERCISES.items() if each.kind == "design")


def test_every_question_of_the_quiz_has_an_answer():
    quiz, key = tool.TEACHING.read_text("utf-8").split("## Quiz")[1].split("## ")[0].split("<summary>Key</summary>")
    numbers = [re.findall(r"^(\d+)\. ", part, re.MULTILINE) for part in (quiz, key)]
    assert numbers[0] == numbers[1] == [str(number) for number in range(1, len(numbers[0]) + 1)]
    assert len(numbers[0]) >= 20
