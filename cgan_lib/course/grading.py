"""How far learners have come, by the checks of the library: `grade`, and its results as a table and as CSV."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cgan_lib.course.exercises.verdict import EXERCISES, Exercise
from cgan_lib.course.sandbox import Outcome, run_apart
from cgan_lib.course.spreadsheet import as_csv_text
from cgan_lib.course.submissions import Submission, made_by_training, plan, read_submission
from cgan_lib.errors import printable

BEST_FIRST = ("right", "wrong", "took too long", "raised", "needs training", "not attempted", "missing")
NOT_DEFINED = re.compile(r"name '(\w+)' is not defined")
COLUMNS = ("submission", "notebook", "exercise", "kind", "difficulty", "verdict", "points", "message")


@dataclass(frozen=True)
class Grade:
    """What came of one exercise."""

    exercise: Exercise
    verdict: str
    """one of BEST_FIRST"""
    message: str

    @property
    def points(self) -> int:
        """The difficulty of an exercise, when it is right."""
        return self.exercise.difficulty if self.verdict == "right" else 0


@dataclass(frozen=True)
class Graded:
    """A submission, and what came of each exercise that it should hold."""

    submission: Submission
    grades: list[Grade]

    def total(self) -> str:
        """`4 of 8 exercises, 7 of 12 points`"""
        solved = sum(grade.verdict == "right" for grade in self.grades)
        points = sum(grade.points for grade in self.grades)
        most = sum(grade.exercise.difficulty for grade in self.grades)
        return f"{solved} of {len(self.grades)} exercises, {points} of {most} points"

    @property
    def name(self) -> str:
        return printable(str(self.submission.path))

    def title(self) -> str:
        """The file, and which notebook of the course it is."""
        return f"{self.name} (notebook {self.submission.notebook})"

    def rows(self) -> Iterator[tuple[str | int, ...]]:
        """For each exercise what COLUMNS name."""
        where = (self.name, self.submission.notebook)
        for each in self.grades:
            exercise = (each.exercise.name, each.exercise.kind, each.exercise.difficulty)
            yield (*where, *exercise, each.verdict, each.points, each.message)

    def table(self) -> str:
        """A line for each exercise, and the total."""
        lines = [f"{'exercise':<26}{'kind':<9}{'level':<7}{'verdict':<16}message"]
        for grade in self.grades:
            about = f"{grade.exercise.name:<26}{grade.exercise.kind:<9}{grade.exercise.difficulty:<7}"
            lines.append(f"{about}{grade.verdict:<16}{grade.message}".rstrip())
        return "\n".join([*lines, f"total: {self.total()}"])


def grade(path: Path, everything: bool, seconds: int) -> Graded:
    """Run the checks of a notebook on what it holds, each cell with a limit of so many `seconds`.

    Of the other cells only imports, definitions and assignments that an exercise needs are run, and nothing that
    trains; with `everything` all of them. `UserError` when the file cannot be read or is none of this course.
    """
    submission = read_submission(path)
    steps = plan(submission, everything)
    came = run_apart(steps, seconds)
    failed = [f"cell {steps[n].cell}: {said}" for n, (_, said) in sorted(came.items()) if not steps[n].exercise]
    trained = set() if everything else made_by_training(submission)
    found: dict[str, list[Outcome]] = {}  # in the order of the notebook
    for number, step in enumerate(steps):
        if step.exercise:
            outcome = came.get(number, ("raised", "its process could not be started"))
            found.setdefault(step.exercise, []).append(_explained(outcome, trained, failed))
    for each in submission.exercises:
        found.setdefault(each.name, [("missing", "no cell calls its check")])
    grades = [Grade(EXERCISES[name], *_best(outcomes)) for name, outcomes in found.items()]
    return Graded(submission, [each for each in grades if each.exercise in submission.exercises])


def _best(outcomes: list[Outcome]) -> Outcome:
    """An exercise that is checked several times counts as often as once."""
    return min(outcomes, key=lambda outcome: BEST_FIRST.index(outcome[0]))


def _explained(outcome: Outcome, trained: set[str], failed: list[str]) -> Outcome:
    """The outcome, with what stands behind a name that is not there."""
    verdict, message = outcome
    if verdict == "right" or not (lost := NOT_DEFINED.search(message)):
        return outcome
    if lost[1] in trained:
        return "needs training", f"{lost[1]} comes from a training, which only --all runs"
    return verdict, "; before it, ".join([message, *failed[:1]])


def as_csv(all_graded: Iterable[Graded]) -> str:
    """A line for each submission and exercise."""
    return as_csv_text(COLUMNS, (row for graded in all_graded for row in graded.rows()))
