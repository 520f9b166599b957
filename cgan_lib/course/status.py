"""How far a learner has come: `course_status()`."""

from collections.abc import Iterable
from pathlib import Path

from cgan_lib.course import progress
from cgan_lib.course.exercises.verdict import EXERCISES, Exercise
from cgan_lib.course.submissions import exercises_in, read_submission
from cgan_lib.errors import unknown

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"  # an installed copy has none


def course_status(notebook: str | None = None) -> None:
    """Print what is solved, of all notebooks or, exercise by exercise, of one: "01". `UserError` when it has none."""
    done = progress.read()
    if notebook is None:
        _print_notebooks(done["exercises"])
        _print_predictions(done["predictions"].values())
    else:
        number = _numbers(_of(notebook)[0].notebook)
        for exercise in sorted(_of(notebook), key=lambda each: number.get(each.name, 0)):
            _print_exercise(number.get(exercise.name), exercise, done["exercises"].get(exercise.name, {}))


def reset_course_status(notebook: str | None = None) -> None:
    """Forget what was solved: everything, predictions included, or only the exercises of one notebook."""
    progress.forget(None if notebook is None else {exercise.name for exercise in _of(notebook)})
    print("Forgotten:", f"the exercises of notebook {notebook}." if notebook else "all exercises and predictions.")


def _of(notebook: str) -> list[Exercise]:
    """The exercises of a notebook, which may be named by its number or its file."""
    found = [exercise for exercise in EXERCISES.values() if exercise.notebook == str(notebook)[:2]]
    if not found:
        raise unknown("notebook", str(notebook), sorted({exercise.notebook for exercise in EXERCISES.values()}))
    return found


def _numbers(notebook: str) -> dict[str, int]:
    """The number that each exercise has in its notebook, where the notebooks are at hand."""
    texts = [text for path in NOTEBOOKS.glob(f"{notebook}_*.ipynb") for text in read_submission(path).cells.values()]
    return {name: number for number, name in enumerate((name for text in texts for name in exercises_in(text)), 1)}


def _print_notebooks(done: dict[str, dict]) -> None:
    print(f"{'notebook':<10}{'solved':<12}{'minutes to go':<16}last solved")
    for notebook in sorted({exercise.notebook for exercise in EXERCISES.values()}):
        exercises = _of(notebook)
        solved = {each.name: at for each in exercises if (at := done.get(each.name, {}).get("solved"))}
        to_go = sum(exercise.minutes for exercise in exercises if exercise.name not in solved)
        last = max(solved.values(), default="–").replace("T", " ")
        print(f"{notebook:<10}{f'{len(solved)} of {len(exercises)}':<12}{to_go:<16}{last}")


def _print_predictions(made: Iterable[dict]) -> None:
    known = [entry for entry in made if "outcome" in entry]
    if known:
        right = sum(entry["choice"] == entry["outcome"] for entry in known)
        print(f"Predictions: {right} of {len(known)} came true.")


def _print_exercise(number: int | None, exercise: Exercise, entry: dict) -> None:
    tries = f"{entry['attempts']} attempt{'s' * (entry['attempts'] > 1)}" if entry else ""
    state = f"{'✔' if entry['solved'] else '✘'} {tries}" if entry else "○"
    about = f"{exercise.kind:<8}{'●' * exercise.difficulty:<5}{exercise.minutes:>3} min"
    print(f"{number or '':>2}  {exercise.name:<26}{about}   {state}")
