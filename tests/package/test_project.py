"""What lies around the library: its papers agree with each other, and the set-up takes the PyTorch that fits."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import install
import pytest
import yaml

from cgan_lib import __version__

ROOT = Path(__file__).resolve().parents[2]


def test_the_papers_name_one_version_and_one_license():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == __version__
    assert citation["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License\n")
    assert re.search(rf"^## {re.escape(__version__)} – \d{{4}}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_the_workflow_tries_the_oldest_python_that_is_allowed():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    oldest = re.search(r'requires-python = ">=(.*)"', (ROOT / "pyproject.toml").read_text())[1]
    assert oldest in jobs["test"]["strategy"]["matrix"]["python"]
    assert oldest in [step.get("with", {}).get("python-version") for step in jobs["oldest"]["steps"]]


def test_hooks_and_containers_call_what_is_there():
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    files = re.findall(r"\S+/\S+\.py", " ".join(hook["entry"] for hook in repo["hooks"]))
    assert files
    files += re.findall(r"\S+/\S+\.py", (ROOT / ".binder" / "postBuild").read_text())
    assert [file for file in files if not (ROOT / file).is_file()] == []
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert container["postCreateCommand"].endswith("make setup")


def test_files_that_are_to_begin_early_are_there(pytestconfig):
    conftest = pytestconfig.pluginmanager.get_plugin(str(ROOT / "conftest.py"))
    assert [name for name in conftest.DEAREST if not (ROOT / name).is_file()] == []


UV = "uv pip install"
HERE = "pip install --requirement requirements.txt"


@pytest.mark.parametrize(
    ("here", "failing", "commands"),
    [
        ("torch", "", [HERE]),
        ("", "", ["pip install --target uv", f"{UV} --dry-run", UV, HERE]),
        ("", "--dry-run", ["pip install --target uv", f"{UV} --dry-run", HERE]),
        ("", "--target", ["pip install --target uv", HERE]),
        ("", "", None),
    ],
    ids=["PyTorch is here", "PyTorch's index answers", "it does not", "there is no uv", "not Linux"],
)
def test_set_up_asks_for_the_pytorch_that_fits_and_else_leaves_it_to_pip(here, failing, commands, monkeypatch):
    asked = []

    def run(line, **_):
        words = [Path(word).name for word in line if word not in ("-m", "--quiet", "--disable-pip-version-check")]
        keep = [w for w in words if w in {"pip", "install", "uv", *HERE.split(), "--target", "--dry-run"}]
        asked.append(" ".join(keep))
        return SimpleNamespace(returncode=1 if failing and failing in line else 0)

    monkeypatch.setattr(install.subprocess, "run", run)
    monkeypatch.setattr(install, "find_spec", lambda name: here or None)
    monkeypatch.setattr(install.sys, "platform", "linux" if commands else "darwin")
    assert install.main() == 0
    assert asked == (commands or [HERE])
