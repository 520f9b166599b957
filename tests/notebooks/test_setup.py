"""The set-up cell: it finds the course from wherever a notebook is run, and says what to do where there is none."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "00_start_here.ipynb"


@pytest.fixture
def set_up(monkeypatch):
    """A function: run the set-up cell, stamped with a repository or with none, and return its names."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    (cell,) = [cell.source for cell in cells if cell.source.startswith("# Set-up")]
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr("cgan_lib.course.environment.set_up", lambda: None)

    def run(repository: str = "") -> dict:
        names: dict = {}
        exec(re.sub(r'^REPO = ".*?"', f'REPO = "{repository}"', cell, flags=re.MULTILINE), names)
        return names

    return run


@pytest.mark.parametrize(
    ("course", "here"),
    [
        ("course", "course/notebooks"),
        ("course", "course"),  # papermill notebooks/00_start_here.ipynb out.ipynb
        ("course", "."),  # papermill course/notebooks/00_start_here.ipynb out.ipynb
        ("course-main", "."),  # the zip from GitHub, unpacked in Colab's /content
        ("drive/MyDrive/course", "."),
        ("course", "course/notebooks/of mine/below"),
    ],
)
def test_the_course_is_found(set_up, monkeypatch, tmp_path, course, here):
    (tmp_path / course).mkdir(parents=True)
    (tmp_path / course / "cgan_lib").symlink_to(ROOT / "cgan_lib")
    (tmp_path / here).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path / here)
    assert set_up()["root"] == tmp_path / course
    assert sys.path[0] == str(tmp_path / course)


def test_where_the_library_is_installed_a_notebook_may_lie_anywhere(set_up, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    before = [*sys.path]
    set_up()
    assert sys.path == before


def test_where_there_is_neither_it_says_what_to_do(set_up, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"folder of the course[\s\S]*make colab REPO=owner/name[\s\S]*Google Drive"):
        set_up()


# --- on Colab: a module that is called so, an empty working folder, and a repository that git can fetch


def git(*arguments: str, cwd: Path) -> None:
    settings = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *settings, *arguments], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def colab(monkeypatch, tmp_path) -> Path:
    """The working folder; `https://github.com/` leads to a folder where `someone/course` has a branch `main`."""
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    repository = tmp_path / "github" / "someone" / "course"
    (repository / "cgan_lib" / "course").mkdir(parents=True)
    (repository / "cgan_lib" / "course" / "file").touch()
    for command in (["init"], ["add", "."], ["commit", "-m", "all"]):
        git(*command, cwd=repository)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{tmp_path / 'github'}/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.com/")
    (tmp_path / "content").mkdir()
    monkeypatch.chdir(tmp_path / "content")
    return tmp_path / "content"


def test_on_colab_the_course_is_fetched_once(set_up, colab):
    assert set_up("someone/course@main")["root"] == colab / "course"
    (colab / "course" / "mine").touch()
    assert set_up("someone/course@main")["root"] == colab / "course"
    assert (colab / "course" / "mine").exists()


@pytest.mark.parametrize(
    ("repository", "said"),
    [
        ("someone/other@main", "not appear to be a git repository"),
        ("someone/course@old", "Remote branch old not found"),
    ],
)
def test_a_clone_that_fails_says_so_and_leaves_nothing_behind(set_up, colab, repository, said):
    with pytest.raises(SystemExit, match=rf"^Cannot fetch {repository}: [\s\S]*{said}"):
        set_up(repository)
    assert not list(colab.iterdir())
    assert set_up("someone/course@main")["root"] == colab / "course"


def test_without_git_it_says_so(set_up, colab, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match=r"^Cannot fetch someone/course@main: [\s\S]*git: .*not found"):
        set_up("someone/course@main")
