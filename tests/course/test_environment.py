"""The environment check, and what a Colab would be asked to install."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from cgan_lib import UserError
from cgan_lib.course import environment
from cgan_lib.course.environment import check_environment, install_missing, missing, requirements


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


def test_install_holds_torch_and_numpy_at_the_versions_that_are_there(monkeypatch, tmp_path):
    calls = []

    class Done:
        returncode = 0

    monkeypatch.setattr(environment, "missing", lambda text: ["no-such-package"])
    monkeypatch.setattr(environment.subprocess, "run", lambda command: calls.append(command) or Done())
    monkeypatch.setenv("CGAN_HOME", str(tmp_path))
    install_missing()
    (command,) = calls
    assert "no-such-package" in command
    held = Path(command[command.index("--constraint") + 1]).read_text()
    assert {line.split("==")[0] for line in held.splitlines()} == {"torch", "torchvision", "numpy"}


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
