"""`make colab`: which repository the badges and the set-up cells point at."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A copy of what is stamped, pointing nowhere yet."""
    for folder in ("notebooks", "tools"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    for name in ("pyproject.toml", "README.md", "Makefile"):
        shutil.copy(ROOT / name, tmp_path)
    stamp(tmp_path, "none")
    return tmp_path


def stamp(course: Path, *repository: str) -> subprocess.CompletedProcess:
    """By a Python that has nothing installed."""
    command = [sys.executable, "-I", "-S", "tools/colab.py", *repository]
    return subprocess.run(command, cwd=course, capture_output=True, text=True)


def files(course: Path) -> dict[str, str]:
    paths = [course / "pyproject.toml", course / "README.md", *sorted((course / "notebooks").glob("*.ipynb"))]
    return {path.name: path.read_text("utf-8") for path in paths}


def sources(text: str) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(text)["cells"]]


@pytest.mark.parametrize(
    ("asked", "name", "branch"),
    [
        ("someone/course", "someone/course", "main"),
        ("someone/a.b_c.git", "someone/a.b_c", "main"),
        ("someone/course@feature/x", "someone/course", "feature/x"),
        ("https://github.com/someone/course", "someone/course", "main"),
        ("https://github.com/someone/course.git/", "someone/course", "main"),
        ("https://github.com/someone/course/tree/v1.0", "someone/course", "v1.0"),
        ("git@github.com:someone/course.git@old", "someone/course", "old"),
    ],
)
def test_every_way_to_name_a_repository_is_stamped_once_everywhere(course, asked, name, branch):
    assert stamp(course, asked).returncode == 0
    pyproject, readme, *notebooks = files(course).items()
    assert pyproject[1].count(f'repository = "{name}"') == 1
    assert readme[1].count(f"github/{name}/blob/{branch}/notebooks/00_start_here.ipynb)") == 1
    assert readme[1].count(f"](https://github.com/{name}/actions/workflows/ci.yml/badge.svg?branch={branch})]") == 1
    for notebook, text in notebooks:
        cells = sources(text)
        assert f"colab.research.google.com/github/{name}/blob/{branch}/notebooks/{notebook})" in cells[0]
        assert sum(f'REPO = "{name}@{branch}"' in cell for cell in cells) == 1


def test_stamping_again_replaces_and_none_restores_every_byte(course):
    before = files(course)
    for repository in ("someone/course", "other/fork@old"):
        stamp(course, repository)
    stamped = files(course)
    assert all("other/fork" in text and "someone/course" not in text for text in stamped.values())
    stamp(course, "none")
    assert files(course) == before


@pytest.mark.parametrize(
    "asked",
    ["not a repository", "someone", "https://gitlab.com/a/b", "https://github.com/a/b/c", 'a/b"; import os #', "a/b@"],
)
def test_what_is_no_repository_on_github_is_refused_and_nothing_changes(course, asked):
    before = files(course)
    result = stamp(course, asked)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {asked!r} is no repository on GitHub: make colab REPO=owner/name")
    assert files(course) == before


@pytest.mark.parametrize(("options", "code"), [([], 2), (["REPO=someone/course"], 0)])
def test_make_colab_asks_for_the_repository_and_installs_nothing(course, options, code):
    command = ["make", "colab", f"PYTHON={sys.executable}", *options]
    result = subprocess.run(command, cwd=course, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert (result.returncode, (course / ".venv").exists()) == (code, False)
    assert code == 0 or "Which repository? make colab REPO=owner/name" in result.stderr
