"""`make colab` stamps a repository into a copy of the course; the set-up cell does the right thing everywhere."""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for folder in ("notebooks", "tools"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def stamp(course: Path, repository: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "tools/notebooks.py", "colab", repository]
    return subprocess.run(command, cwd=course, capture_output=True, text=True)


def sources(course: Path) -> dict[str, list[str]]:
    paths = sorted((course / "notebooks").glob("*.ipynb"))
    return {path.name: [cell.source for cell in nbformat.read(path, as_version=4).cells] for path in paths}


def setup_cell() -> str:
    first = next(iter(sources(ROOT).values()))
    return next(source for source in first if source.startswith("# Set-up"))


def test_stamping_writes_the_repository_once_in_pyproject_and_in_every_notebook(copy):
    assert stamp(copy, "someone/course").returncode == 0
    assert (copy / "pyproject.toml").read_text().count('repository = "someone/course"') == 1
    for name, cells in sources(copy).items():
        assert f"colab.research.google.com/github/someone/course/blob/main/notebooks/{name}" in cells[0]
        assert sum('REPO = "someone/course"' in cell for cell in cells) == 1


def test_stamping_again_replaces_and_an_empty_name_restores_the_original(copy):
    before = sources(copy)
    stamp(copy, "someone/course")
    stamp(copy, "other/fork")
    assert all("other/fork" in cells[0] and "someone" not in "".join(cells) for cells in sources(copy).values())
    stamp(copy, "")
    assert sources(copy) == before
    assert (copy / "pyproject.toml").read_text() == (ROOT / "pyproject.toml").read_text()


def test_a_name_that_is_no_repository_is_refused_and_nothing_changes(copy):
    before = sources(copy)
    result = stamp(copy, "not a repository")
    assert result.returncode != 0
    assert "REPO=owner/name" in result.stderr
    assert sources(copy) == before


def without_magics(cell: str) -> str:
    return "\n".join("    pass" if line.lstrip().startswith("!") else line for line in cell.splitlines())


def test_the_set_up_cell_finds_the_course_from_any_folder_inside_it(monkeypatch):
    for folder in (ROOT, ROOT / "notebooks", ROOT / "cgan_lib" / "models"):
        monkeypatch.chdir(folder)
        names: dict = {}
        exec(without_magics(setup_cell()), names)
        assert names["root"] == ROOT


def test_the_set_up_cell_says_what_to_do_where_there_is_no_course(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"make colab REPO=owner/name[\s\S]*Google Drive"):
        exec(without_magics(setup_cell()), {})
