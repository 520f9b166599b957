"""The exercises of the course, as docs/teaching.md and README.md quote them, and the time that a learner needs.

python tools/exercises.py             print the table
python tools/exercises.py --write     write table, hints, lesson plans and totals between their markers in the docs
python tools/exercises.py --stamp     write the learner's time into the first cell of every notebook
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import hints
import lessons
import nbformat

from cgan_lib.course.exercises import EXERCISES, Exercise
from cgan_lib.course.submissions import exercises_in
from notebooks import NOTEBOOKS, ROOT

ANSWERS = ROOT / "tests" / "course" / "answers"
TEACHING, README = ROOT / "docs" / "teaching.md", ROOT / "README.md"
UNSEEN = re.compile(r"<details>.*?</details>|```.*?```|<!--.*?-->|\]\([^)]*\)", re.DOTALL)  # while a page is read
YOUR_TIME = re.compile(r"\*\*Your\s+time:\*\*[^.]*\.")
MACHINE_TIME = re.compile(r"\*\*Time:\*\*[^.]*\.")
WORDS_PER_MINUTE = 120  # of a technical text in a second language


# --- the table


def numbers() -> dict[str, int]:
    """The number of each exercise in its notebook, by name."""
    found: dict[str, int] = {}
    for path in NOTEBOOKS:
        code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        names = [name for source in code for name in exercises_in(source)]
        found |= {name: number for number, name in enumerate(names, 1)}
    return found


def in_order() -> list[Exercise]:
    """All exercises as a learner meets them."""
    place = numbers()
    return sorted(EXERCISES.values(), key=lambda each: (each.notebook, place.get(each.name, len(place))))


def wrong_answers() -> Counter[str]:
    """How many wrong answers each check is tried with in the tests, all of which it must refuse."""
    sys.path.insert(0, str(ANSWERS.parent))
    modules = [import_module(f"answers.{found.name}") for found in iter_modules([str(ANSWERS)])]
    return Counter(hints.check_of(row[0]) for module in modules for row in getattr(module, "WRONG", ()))


def table() -> str:
    """A line for each check, with the exercises that it serves."""
    place, refused = numbers(), wrong_answers()
    lines = ["| notebook | exercise | kind | level | minutes | wrong answers caught |", "|---|---|---|---|---:|---:|"]
    by_check: dict[str, list[Exercise]] = {}  # a check that serves several stands where the first of them does
    for each in in_order():
        by_check.setdefault(hints.check_of(each.name), []).append(each)
    for check, (first, *others) in by_check.items():
        times = f"{len(others) + 1} × " if others else ""
        about = f"{first.kind} | {'●' * first.difficulty} | {times}{first.minutes} | {refused[check]}"
        lines.append(f"| {first.notebook} | {place.get(first.name, '–')} · `{check}` | {about} |")
    return "\n".join(lines)


def totals() -> str:
    """How many there are of each kind."""
    count = Counter(each.kind for each in EXERCISES.values())
    kinds = ", ".join(f"{count[kind]} {kind}" for kind in ("build", "debug", "answer", "design"))
    tried = f"{sum(wrong_answers().values()):,} wrong answers are tried in tests, all caught."
    return f"**{len(EXERCISES)} exercises check themselves**: {kinds}. {tried}"


# --- the learner's time


def your_minutes(path: Path) -> float:
    """What a learner needs for a notebook: reading, a minute for each cell of code, and the exercises."""
    cells = nbformat.read(path, as_version=4).cells
    words = sum(len(UNSEEN.sub(" ", cell.source).split()) for cell in cells if cell.cell_type == "markdown")
    code = sum(cell.cell_type == "code" for cell in cells)
    tasks = sum(each.minutes for each in EXERCISES.values() if each.notebook == path.stem[:2])
    return words / WORDS_PER_MINUTE + code + tasks


def in_hours(minutes: float) -> str:
    """In half hours: `half an hour`, `1½ hours`."""
    whole, half = divmod(max(1, round(minutes / 30)), 2)
    if not whole:
        return "half an hour"
    return f"{whole}{'½' if half else ''} hour{'s' if whole + half > 1 else ''}"


def your_time(path: Path) -> str:
    """The sentence in the first cell."""
    return f"**Your time:** about {in_hours(your_minutes(path))} with all exercises."


def stamp(path: Path) -> None:
    """Write that sentence into the first cell, behind the time of the machine where it is not there yet."""
    notebook = nbformat.read(path, as_version=4)
    first = notebook.cells[0]
    if YOUR_TIME.search(first.source):
        first.source = YOUR_TIME.sub(your_time(path), first.source)
    else:
        first.source = MACHINE_TIME.sub(lambda found: f"{found[0]} {your_time(path)}", first.source)
    nbformat.write(notebook, path)


# --- the docs


def parts() -> dict[tuple[Path, str], str]:
    """What stands between the markers of a name in a file."""
    plans = {(TEACHING, name): plan.table() for name, plan in lessons.PLANS.items()}
    found = plans | {
        (TEACHING, "exercises"): f"{totals()}\n\n{table()}",
        (TEACHING, "hints"): hints.folded(in_order()),
        (README, "exercises"): totals(),
    }
    return {place: f"\n{text}\n" for place, text in found.items()}  # or Markdown takes no table for one


def between(name: str) -> re.Pattern:
    """What stands between the markers of a name."""
    return re.compile(rf"(?<=<!-- {name}:begin -->\n).*?(?=\n<!-- {name}:end -->)", re.DOTALL)


def write() -> None:
    """Put all parts into their files."""
    for (path, name), text in parts().items():
        page = path.read_text("utf-8")
        path.write_text(between(name).sub(lambda _, text=text: text, page), "utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--stamp", action="store_true")
    asked = parser.parse_args(arguments)
    if asked.write:
        write()
    if asked.stamp:
        for path in NOTEBOOKS:
            stamp(path)
    print(f"{table()}\n\n{totals()}")


if __name__ == "__main__":
    main()
