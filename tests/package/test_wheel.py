"""The wheel, away from the checkout: in an empty folder, in one that is read-only, and without its extras."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
TINY = "--dataset digits --steps 2 --batch-size 8 --base-channels 8 --base-channels-d 8"
# Root may write into a read-only folder, but for this
AS_ANYBODY = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]


def test_the_wheel_holds_every_file_of_the_library(wheel):
    library = ROOT / "cgan_lib"
    tracked = {f"cgan_lib/{path.relative_to(library).as_posix()}" for path in library.rglob("*") if path.is_file()}
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in tracked if "__pycache__" not in name and "checkpoints" not in name} - packed == set()


def test_the_library_needs_no_more_than_twenty_packages_and_nothing_of_jupyter_or_of_the_tests(requirements):
    names = {each.name for each in requirements()}
    assert len(names) <= 20
    others = {
        each.name for each in requirements("notebooks", "onnx", "tune", "postgres", "service", "lab", "test")
    } - names
    assert {
        "jupyterlab",
        "voila",
        "ruff",
        "schemathesis",
        "playwright",
        "fastapi",
        "onnx",
        "optuna",
        "psycopg",
        "anywidget",
    } <= others


def test_the_wheel_says_what_it_is(wheel, site):
    (info,) = site.glob("*.dist-info")
    about = (info / "METADATA").read_text()
    assert "\nLicense-Expression: MIT\n" in about
    assert "\nClassifier: Typing :: Typed\n" in about
    assert (info / "licenses" / "LICENSE").is_file()
    assert (site / "bin" / "cgan").is_file() or (site / "Scripts" / "cgan.exe").is_file()


SCRIPT = """
import json, sys
from cgan_lib.cli import main
sys.exit(max(main(line.split()) for line in json.loads(sys.argv[1])))
"""


@pytest.fixture
def empty(tmp_path):
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def test_in_an_empty_folder_the_library_trains_draws_measures_and_hands_on(run, empty):
    lines = [
        f"train bce {TINY}",
        "generate logs/digits/bce/ci --labels 7 3 --out new/digits.png",
        "evaluate relativistic --dataset digits --count 100 --out scores.json",
        "export relativistic published",
    ]
    done = run(["-c", SCRIPT, json.dumps(lines)], empty)
    assert done.returncode == 0, done.stderr
    made = {path.relative_to(empty).as_posix() for path in empty.rglob("*") if path.is_file()}
    assert {"new/digits.png", "scores.json", "published/model.safetensors", "published/README.md"} < made
    assert {"logs/digits/bce/ci/run.json", "output_images/digits/bce/ci/curves.png"} < made


def test_in_an_empty_folder_the_service_draws(run, empty):
    served = run(["serve", "bce", "--port", "0"], empty, extras=["service"], starter=subprocess.Popen)
    try:
        said = served.stdout.readline() or served.stderr.read()
        assert said.startswith("bce at http://"), said
        address = said.split()[2]
        with httpx.Client(base_url=address, trust_env=False) as client:
            assert "<html" in client.get("/").text
            scripts = [path.name for path in (ROOT / "cgan_lib/service/page").glob("*.js")]
            assert {client.get(f"/{name}").status_code for name in scripts} == {200}
            drawn = client.post("/gen_images", json={"value": 7, "grid": False, "grid_size": 0})
        assert drawn.content.startswith(b"\x89PNG")
    finally:
        served.send_signal(signal.SIGTERM)
        served.communicate(timeout=60)
    assert list(empty.iterdir()) == []


WITHOUT = """
from cgan_lib.cli import main
print(main(["serve", "bce", "--port", "0"]), main(["export", "bce", "new.onnx"]), main(["tune", "bce"]))
import cgan_lib.studio.widgets
"""


def test_what_an_extra_brings_is_asked_for_by_its_name(run, empty):
    done = run(["-c", WITHOUT], empty)
    assert done.stdout == "2 2 2\n"
    asked = [re.search(r'(\w+) is missing: pip install "(.*)"\.$', line) for line in done.stderr.splitlines()]
    extras = [found[2] for found in asked if found]
    assert extras == ["cgan_lib[service]", "cgan_lib[onnx]", "cgan_lib[tune]", "cgan_lib[notebooks]"]
    assert list(empty.iterdir()) == []


@pytest.fixture
def read_only(empty):
    """A folder in which nothing can be written, and what to start a process under so that this holds for root too."""
    under = []
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root writes everywhere, and there is no setpriv")
        under = AS_ANYBODY
    empty.chmod(0o555)
    yield empty, under
    empty.chmod(0o755)


@pytest.mark.skipif(sys.platform == "win32", reason="a folder that is read-only can be written to")
def test_in_a_folder_that_is_read_only_one_line_names_the_way_out(run, read_only, tmp_path):
    folder, under = read_only
    refused = run(f"train bce {TINY}".split(), folder, under=under)
    assert refused.returncode == 2
    assert re.fullmatch(r"(.*\n)?error: cannot write to .* set CGAN_HOME to a folder you own\.\n", refused.stderr)
    assert list(folder.iterdir()) == []
    home = tmp_path / "mine"
    trained = run(f"train bce {TINY}".split(), folder, under=under, CGAN_HOME=str(home))
    assert trained.returncode == 0, trained.stderr
    assert (home / "logs/digits/bce/ci/run.json").is_file()
    assert list(folder.iterdir()) == []
