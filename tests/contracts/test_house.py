"""The plan of the library: imports run downwards, files stay short, nothing is imported in hiding, types hold."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "cgan_lib"
# From the ground up: a module imports from those before it, or from its own room. A new one takes its place here.
ORDER = (
    *(
        "version",
        "errors",
        "paths",
        "files",
        "parallel",
        "attributes",
        "classes",
        "idx",
        "data",
        "augment",
        "losses",
        "models",
        "recipe",
        "recipes",
    ),
    *("sampling", "weights", "devices", "schedules", "finite", "capture", "training"),
    *("figures", "evaluation", "runs", "tuning"),
    *("studio", "publish", "service", "course"),
    *("console", "commands", "cli", "__main__"),
)
FILES = sorted(path for path in LIBRARY.rglob("*.py") if path != LIBRARY / "__init__.py")
MOST_LINES = 300

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(LIBRARY).as_posix())


def room(module: str) -> str:
    """The first name below cgan_lib: `cgan_lib.runs.train` → `runs`."""
    return module.split(".")[1]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path) for path in FILES} | {"cgan_lib"}


def imports(tree: ast.AST) -> list[str]:
    """The modules of the library that a piece of code imports, as full names."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] == "cgan_lib"]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "the library imports by full names"
            if node.module.split(".")[0] == "cgan_lib":
                full = [f"{node.module}.{alias.name}" for alias in node.names]
                found += [name if name in MODULES else node.module for name in full]
    return found


def test_every_room_has_its_place():
    assert {room(module_of(path)) for path in FILES} == set(ORDER)


@each_file
def test_imports_run_downwards(path):
    here = room(module_of(path))
    for module in imports(ast.parse(path.read_text())):
        assert module != "cgan_lib", f"{path.name} imports from the front door: name the module"
        assert room(module) == here or ORDER.index(room(module)) < ORDER.index(here), f"{path.name} imports {module}"


def test_no_circle_inside_a_room():
    graph = {module_of(path): set(imports(ast.parse(path.read_text()))) - {module_of(path)} for path in FILES}
    done: set[str] = set()
    while ready := {module for module, needs in graph.items() if needs - {"cgan_lib"} <= done} - done:
        done |= ready
    assert set(graph) - done == set()


@each_file
def test_nothing_of_ours_is_imported_inside_a_function(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            assert not imports(node), f"{path.name}:{node.lineno}"


@each_file
def test_no_file_is_long(path):
    assert len(path.read_text().splitlines()) <= MOST_LINES


def test_no_script_of_a_page_is_long_or_wide():
    for path in sorted(LIBRARY.rglob("*.js")):
        lines = path.read_text("utf-8").splitlines()
        assert len(lines) <= MOST_LINES, path.name
        assert max(map(len, lines)) <= 120, path.name


def local_text(tree: ast.AST) -> list[int]:
    """Lines of calls that read or write text in whatever encoding the system has."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    texts = [call for call in calls if call.func.attr in ("read_text", "write_text")]
    return [call.lineno for call in texts if "'utf-8'" not in ast.dump(call)]


def test_text_is_utf_8_whatever_the_system_writes():
    for path in [*FILES, *(ROOT / "tools").glob("*.py"), *(ROOT / "benchmarks").glob("*.py")]:
        assert local_text(ast.parse(path.read_text("utf-8"))) == [], path.name


def test_the_checks_see_what_they_forbid():
    tree = ast.parse(
        "import cgan_lib.cli\nfrom cgan_lib import runs, generate\ndef f():\n    from cgan_lib.runs.run import Run"
    )
    assert imports(tree) == ["cgan_lib.cli", "cgan_lib.runs", "cgan_lib", "cgan_lib.runs.run"]
    assert local_text(ast.parse("a.read_text()\nb.write_text(c, 'utf-8')\nd.write_text(e)")) == [1, 3]


def test_types_are_right():
    checked = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
