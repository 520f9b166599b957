"""Notebooks that learners hand in: which exercises are in them, and what of each must run before its check."""

import ast
import json
import re
import symtable
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cgan_lib.course.exercises.verdict import EXERCISES, Exercise
from cgan_lib.errors import UserError, needs

CHECK = re.compile(r"\bcheck_(\w+)\(\s*(?:[\"'](\w+)[\"'])?")  # a case comes first, where there is one
TRAINS = re.compile(r"(re)?train(_\w+)?|\w+_train|Trainer|fit|backward")  # names of what takes minutes when called
MAGICS = ("run_line_magic", "run_cell_magic")  # what IPython makes of % and %%
WRAPPERS = ("time", "capture", "prun")  # they run Python as if they were not there; %%timeit does not: it keeps nothing
UNPARSED = (SyntaxError, ValueError, RecursionError, MemoryError)  # no code, half a letter, nested too deeply


@dataclass(frozen=True)
class Step:
    """Lines of a cell that run together; with an `exercise`, what is given to its check afterwards."""

    cell: int
    """counted from 0, text included"""
    source: str
    exercise: str = ""
    arguments: str = ""
    """as they stand between the brackets of the check"""


@dataclass(frozen=True)
class Statement:
    """One statement at the top level of a code cell, with the names it binds or changes, and those it reads."""

    cell: int
    source: str
    node: ast.stmt
    binds: frozenset[str]
    reads: frozenset[str]


@dataclass(frozen=True)
class Submission:
    """A notebook as it was handed in."""

    path: Path
    notebook: str
    """the one of the course that it is: 01"""
    cells: dict[int, str]
    """the code of each code cell, in plain Python"""

    @property
    def exercises(self) -> list[Exercise]:
        """Those that it should hold."""
        return [exercise for exercise in EXERCISES.values() if exercise.notebook == self.notebook]


def read_submission(path: Path) -> Submission:
    """A notebook file; `UserError` when it cannot be read, or is none of this course."""
    try:
        cells = json.loads(path.read_text("utf-8"))["cells"]
        texts = {n: "".join(cell["source"]) for n, cell in enumerate(cells) if cell["cell_type"] == "code"}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path} cannot be read as a notebook: save it in Jupyter again.") from error
    code = {n: _in_python(text) for n, text in texts.items()}
    return Submission(path, _notebook(path, code), code)


def _in_python(text: str) -> str:
    """A cell without what only Jupyter understands: `%magic` and `!command` as calls, what is timed as it is."""
    with needs("notebooks"):
        from IPython.core.inputtransformer2 import TransformerManager
    try:
        return _without_wrappers(TransformerManager().transform_cell(text))
    except (SyntaxError, RecursionError):  # is reported when it runs
        return text


def _without_wrappers(code: str) -> str:
    """The same code, with the Python inside of `%time` and its like in place of their calls."""
    try:
        statements = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Expr)]
    except UNPARSED:
        return code
    lines = code.split("\n")  # as Python counts them
    for node in sorted(statements, key=lambda node: -node.lineno):  # each is a line, from the last on
        if (inner := _wrapped(node.value)) is not None:
            lines[node.lineno - 1] = textwrap.indent(inner.rstrip("\n"), " " * node.col_offset)
    return "\n".join(lines)


def _wrapped(node: ast.expr) -> str | None:
    """The code that a magic runs as if it were not there; None for any other expression."""
    if not isinstance(node, ast.Call) or _called(node) not in MAGICS:
        return None
    given = [each.value for each in node.args if isinstance(each, ast.Constant)]
    if len(given) < 2 or given[0] not in WRAPPERS:
        return None
    code = _in_python(str(given[-1]))
    return code if _parses(code) else None  # with options of the magic in front it is no code


def _parses(code: str) -> bool:
    try:
        ast.parse(code)
        return True
    except UNPARSED:
        return False


def _notebook(path: Path, code: dict[int, str]) -> str:
    """The number of the notebook whose checks are called most often; without any, what the file name begins with."""
    called = [EXERCISES[name].notebook for text in code.values() for name in exercises_in(text)]
    if called:
        return Counter(called).most_common(1)[0][0]
    numbers = re.findall(r"(?<!\d)\d\d(?!\d)", path.stem)
    known = {exercise.notebook for exercise in EXERCISES.values()}
    if not (fitting := [number for number in numbers if number in known]):
        raise UserError(f"{path} holds no exercise of this course: is it the right file?")
    return fitting[0]


def exercises_in(text: str) -> list[str]:
    """The names of the exercises whose checks a text calls, in order."""
    return [name for check, case in CHECK.findall(text) if (name := exercise_name(check, case))]


def exercise_name(check: str, case: str) -> str:
    """The exercise of `check_…(case)`; "" when there is none."""
    return next((name for name in (check, f"{check} {case}") if name in EXERCISES), "")


def plan(submission: Submission, everything: bool) -> list[Step]:
    """What is to run, in order: every cell, or those with exercises and what these need, trainings left out."""
    if everything:
        return [step for cell, text in submission.cells.items() for step in _steps(cell, text)]
    statements = [each for cell, text in submission.cells.items() for each in _statements(cell, text)]
    with_checks = [cell for cell, text in submission.cells.items() if exercises_in(text)]
    kept = {each for cell in with_checks for each in _needed(cell, submission.cells[cell], statements)}
    steps = [Step(each.cell, each.source) for each in statements if each in kept and each.cell not in with_checks]
    steps += [step for cell in with_checks for step in _steps(cell, submission.cells[cell])]
    return sorted(steps, key=lambda step: step.cell)


def made_by_training(submission: Submission) -> set[str]:
    """Names that only cells with a training in them give a value."""
    statements = [each for cell, text in submission.cells.items() for each in _statements(cell, text)]
    slow = _training_functions(statements)
    trained = [each for each in statements if _trains(each.node, slow)]
    return {name for each in trained for name in each.binds}


def _steps(cell: int, text: str) -> Iterator[Step]:
    """A cell, in parts that end where a check is called."""
    try:
        parts = [(node, ast.unparse(node)) for node in ast.parse(text).body]
    except UNPARSED:
        yield from (Step(cell, text, name) for name in exercises_in(text) or [""])
        return
    lines: list[str] = []
    for node, source in parts:
        calls = [(name, call) for call in _calls(node) if (name := _checked(call))]
        for name, call in calls:
            yield Step(cell, "\n".join(lines), name, _arguments(call))
            lines = []
        if not calls:
            lines.append(source)
    if lines:
        yield Step(cell, "\n".join(lines))


def _calls(node: ast.AST) -> list[ast.Call]:
    return [each for each in ast.walk(node) if isinstance(each, ast.Call)]


def _called(call: ast.Call) -> str:
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def _checked(call: ast.Call) -> str:
    """The exercise that a call checks, whatever the object it is called on; "" for any other call."""
    if not _called(call).startswith("check_"):
        return ""
    case = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else ""
    return exercise_name(_called(call).removeprefix("check_"), str(case))


def _arguments(call: ast.Call) -> str:
    return ", ".join(ast.unparse(each) for each in (*call.args, *call.keywords))


def _statements(cell: int, text: str) -> Iterator[Statement]:
    try:
        nodes = ast.parse(text).body
        sources = [ast.unparse(node) for node in nodes]
        tables = [symtable.symtable(source, "cell", "exec") for source in sources]
    except UNPARSED:  # nothing of such a cell can run
        return
    for node, source, table in zip(nodes, sources, tables, strict=True):
        bound = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
        yield Statement(cell, source, node, frozenset(bound | _changed(node)), frozenset(_read(table)))


def _read(table: symtable.SymbolTable) -> Iterator[str]:
    """Names of the notebook that a piece of code reads, inside of functions too; not the local ones of these."""
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (table.get_type() == "module" or symbol.is_global()):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _read(inner)


def _changed(node: ast.stmt) -> set[str]:
    """Names whose values a statement changes: x in `x[0] = 1`, `x.y = 1` and `x.append(1)`."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        targets: list[ast.expr] = [node.value.func]
    else:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", ast.Constant(0))]
    return {
        root for target in targets if isinstance(target, (ast.Attribute, ast.Subscript)) and (root := _root(target))
    }


def _root(node: ast.expr) -> str:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _needed(cell: int, text: str, statements: list[Statement]) -> set[Statement]:
    """The statements before an exercise whose names it reads, those that these need, and so on; none that trains."""
    slow = _training_functions(statements)
    open_to_use = [each for each in statements if each.cell < cell and not _trains(each.node, slow)]
    wanted = {name for each in _statements(cell, text) for name in each.reads}
    kept: set[Statement] = set()
    while more := {each for each in open_to_use if each.binds & wanted} - kept:
        kept |= more
        wanted |= {name for each in more for name in each.reads}
    return kept


def _training_functions(statements: list[Statement]) -> set[str]:
    """The functions of a notebook in which something is trained, or that call one of these."""
    functions = [each.node for each in statements if isinstance(each.node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    slow: set[str] = set()
    while more := {each.name for each in functions if any(_takes_minutes(c, slow) for c in _calls(each))} - slow:
        slow |= more
    return slow


def _trains(node: ast.stmt, slow: set[str]) -> bool:
    """Whether running a statement trains something; defining a function that does is quick."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return False
    return any(_takes_minutes(call, slow) for call in _calls(node))


def _takes_minutes(call: ast.Call, slow: set[str]) -> bool:
    name = _called(call)
    mode = isinstance(call.func, ast.Attribute) and name == "train"  # network.train(): a mode, not a training
    return name in slow or (TRAINS.fullmatch(name) is not None and not mode)
