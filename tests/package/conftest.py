"""The wheel, built and installed as pip does it, with no more around it than its own requirements."""

import os
import shutil
import subprocess
import sys
from functools import cache
from importlib.metadata import PathDistribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("cgan_lib", "pyproject.toml", "README.md", "LICENSE")


def pip(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The wheel of a copy of the sources: a build leaves folders behind."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(folder))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def site(wheel, tmp_path_factory) -> Path:
    """The folder into which the wheel was installed."""
    folder = tmp_path_factory.mktemp("site")
    pip("install", "--quiet", "--no-deps", "--target", str(folder), str(wheel))
    return folder


@pytest.fixture(scope="session")
def requirements(site):
    """A function: the requirements that the wheel declares, those of some extras among them."""
    (info,) = site.glob("*.dist-info")

    def declared(*extras: str) -> list[Requirement]:
        lines = map(Requirement, PathDistribution(info).requires)
        wanted = [{"extra": extra} for extra in ("", *extras)]
        return [each for each in lines if not each.marker or any(map(each.marker.evaluate, wanted))]

    return declared


def canonical(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def with_theirs(requirements: list[Requirement], found: set[str] | None = None) -> set[str]:
    """The names of the distributions that some requirements bring, with all that these require in turn."""
    found = set() if found is None else found
    for each in requirements:
        if canonical(each.name) in found:
            continue
        extras = [{"extra": extra} for extra in ("", *each.extras)]
        found.add(canonical(each.name))
        theirs = map(Requirement, distribution(each.name).requires or [])
        with_theirs([r for r in theirs if not r.marker or any(map(r.marker.evaluate, extras))], found)
    return found


@pytest.fixture(scope="session")
def beside(requirements, tmp_path_factory):
    """A function: a folder with what the wheel requires, some extras included, and nothing else."""

    @cache
    def linked(*extras: str) -> Path:
        folder = tmp_path_factory.mktemp("beside")
        for name in with_theirs(requirements(*extras)):
            found = distribution(name)
            tops = {Path(file).parts[0] for file in found.files} - {"..", "__pycache__", "bin"}
            for top in tops:
                link = folder / top  # several distributions share a folder such as nvidia/
                link.exists() or link.symlink_to(Path(found.locate_file(top)).resolve())
        return folder

    return linked


@pytest.fixture(scope="session")
def run(site, beside):
    """A function: run a command of the wheel, or `-c` with code, beside nothing but what it requires."""

    def start(line: list[str], folder: Path, *, extras=(), under=(), starter=subprocess.run, **more):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CGAN_")}
        environment |= {"PYTHONPATH": os.pathsep.join(map(str, (site, beside(*extras)))), "CGAN_PROFILE": "ci", **more}
        program = ["-m", "cgan_lib", *line] if line[0] != "-c" else line
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return starter([*under, sys.executable, "-S", *program], cwd=folder, env=environment, **pipes)

    return start
