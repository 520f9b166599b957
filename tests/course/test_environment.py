"""The environment check, and what a Colab would be asked to install."""

import json
import os
import re
import subprocess
import sys
import venv
from importlib.metadata import PackageNotFoundError, distributions
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cgan_lib import UserError
from cgan_lib.course import environment
from cgan_lib.course.environment import check_environment, held, install_missing, missing, requirements, set_up

COLAB = Path(__file__).with_name("colab.txt")


def test_nothing_is_missing_where_requirements_are_installed():
    assert missing(requirements()) == []


def test_missing_names_what_is_absent_or_too_old_but_never_torch_or_numpy():
    wanted = ["torch>=99", "numpy>=99", "torchvision>=99", "no-such-package>=1", "matplotlib>=99", "tqdm"]
    assert missing(wanted) == ["no-such-package>=1", "matplotlib>=99"]


@pytest.mark.parametrize("pyproject", ["the checkout's", "none"])
def test_what_colab_does_not_need_is_not_asked_for(monkeypatch, pyproject, tmp_path):
    if pyproject == "none":  # an installed copy knows from its metadata
        monkeypatch.setattr(environment, "PYPROJECT", tmp_path / "pyproject.toml")
    names = {re.match(r"[\w-]+", line)[0] for line in requirements()}
    assert {"torch", "tensorboard", "anywidget", "fastapi", "onnx"} < names
    assert not {"jupyterlab", "voila", "pytest", "playwright"} & names


@pytest.fixture
def packages() -> dict[str, str]:
    """The packages of a Colab, name → version."""
    return dict(line.split("==") for line in COLAB.read_text().splitlines() if "==" in line)


def pretend(packages: dict[str, str], folder: Path) -> None:
    """Have pip and importlib find these packages in a folder."""
    for name, number in packages.items():
        place = folder / f"{name.replace('-', '_')}-{number}.dist-info"
        place.mkdir()
        (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")


@pytest.fixture
def colab(monkeypatch, tmp_path, packages) -> dict[str, str]:
    """The packages of a Colab, name → version, in place of those that are here."""
    pretend(packages, tmp_path)
    found = {canonicalize_name(one.metadata["Name"]): one for one in distributions(path=[str(tmp_path)])}

    def version(name):
        if (name := canonicalize_name(name)) not in found:
            raise PackageNotFoundError(name)
        return found[name].version

    monkeypatch.setattr(environment, "version", version)
    monkeypatch.setattr(environment, "distributions", found.values)
    return packages


def test_on_colab_nothing_that_is_there_is_asked_for_anew(colab):
    lacking = {canonicalize_name(Requirement(line).name) for line in missing(requirements())}
    assert {"tyro", "torchmetrics", "onnx"} < lacking
    assert not lacking & set(colab)


def test_on_colab_pip_finds_a_set_that_moves_nothing(colab, tmp_path):
    """The real pip, and the registry as it is today, in an environment that claims to be a Colab."""
    place = tmp_path / "colab"
    venv.create(place, with_pip=False)
    (folder,) = place.rglob("site-packages")
    pretend(colab, folder)
    lacking, constraints, report = missing(requirements()), tmp_path / "held.txt", tmp_path / "report.json"
    constraints.write_text("\n".join(held(lacking)))
    pip = [sys.executable, "-m", "pip", "--python", str(place), "--retries", "0", "--quiet", "install", "--dry-run"]
    done = subprocess.run(
        [*pip, "--report", str(report), *lacking, "--constraint", str(constraints)], capture_output=True, text=True
    )
    if "from versions: none" in done.stderr:
        pytest.skip("no package registry can be reached")
    assert done.returncode == 0, done.stderr
    installed = {canonicalize_name(one["metadata"]["name"]) for one in json.loads(report.read_text())["install"]}
    assert {"tyro", "torchmetrics", "onnx"} < installed
    assert not installed & set(colab)


def test_what_is_there_is_held_at_its_version_while_the_rest_is_installed(monkeypatch, colab):
    calls = []

    def pip(command, **_):
        calls.append(command)
        calls.append(Path(command[command.index("--constraint") + 1]).read_text().splitlines())
        return SimpleNamespace(returncode=1, stderr="no network")

    monkeypatch.setattr(environment.subprocess, "run", pip)
    with pytest.raises(UserError, match=r"could not install tyro.*: no network"):
        install_missing()
    command, constraints = calls
    assert any(word.startswith("tyro>=") for word in command)
    assert constraints == [f"{name}=={number}" for name, number in sorted(colab.items())]
    assert {"tensorboard==2.20.0", "protobuf==5.29.6", "torch==2.11.0+cpu"} < set(constraints)


def test_a_package_that_is_too_old_is_not_held(colab):
    assert "tensorboard==2.20.0" not in held(["tensorboard>=99"])


def test_programs_that_a_notebook_starts_find_the_library(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "use_house_style", lambda: None)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["elsewhere", str(environment.COURSE)]))
    for _ in range(2):
        set_up()
    assert os.environ["PYTHONPATH"] == os.pathsep.join([str(environment.COURSE), "elsewhere"])


@pytest.mark.parametrize(("name", "said"), [("mnist", "real MNIST"), ("digits", "smaller digits stand in for MNIST")])
def test_check_environment_prints_ok_lines_here(capsys, monkeypatch, name, said):
    monkeypatch.setattr(environment, "load_data", lambda *_, **__: SimpleNamespace(name=name))
    assert check_environment()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 6
    assert all(line.startswith("OK  ") for line in lines)
    assert any(said in line for line in lines)


def test_check_environment_says_fail_with_the_fix(capsys, monkeypatch, tmp_path):
    def damaged(*_, **__):
        raise UserError("the files are damaged: delete them.")

    (tmp_path / "file").touch()
    monkeypatch.setenv("CGAN_HOME", str(tmp_path / "file" / "below"))
    monkeypatch.setattr(environment, "load_data", damaged)
    monkeypatch.setattr(environment, "missing", lambda text: ["no-such-package>=1"])
    assert not check_environment()
    failures = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL ")]
    fixes = ("pip install no-such-package>=1", "are damaged: delete them", "cannot write")
    assert all(fix in failure for fix, failure in zip(fixes, failures, strict=True))
