"""Files that nobody honest writes: each is one line, none runs code, and none takes more than it is long."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cgan_lib

HARMLESS = ("config ", "metadata ", "mutated ", "more numbers ")  # what their tensors say may still be whole
REASONS = {
    "repeated.pth": "declare",
    "repeated within all limits.pth": "its tensors declare .* bytes, more than the file has",
    "repeated classes.pth": "num_classes 1000000000000 must be a whole number from 1 to 10,000",
    "no numbers.pth": "num_classes 1000000000000 must be",
    "no latents.pth": "latent_dim -2 must be",
    "nan.pth": "'label_embedding.weight' holds numbers that are NaN or infinite",
    "infinite.pth": "holds numbers that are NaN or infinite",
    "integers.pth": "is torch.int64 in place of torch.float32",
    "compressed zeros.pth": "is compressed",
    "a byte array.pth": "it names '__builtin__ bytearray'",
    "a command.pth": "could run code",
    "old a byte array.pt": "it names '__builtin__ bytearray'",
    "pointer.safetensors": r"is a Git LFS pointer.*git lfs pull",
    "page.pth": "is a web page",
    "header of gigabytes.safetensors": "a header of 3,000,000,000 bytes",
    "pipe.pth": "is no file but a folder, a pipe or a device",
    "device.safetensors": "is no file but",
    "folder.pth": "found: none",
    "escapes.pth": r"\\x1b\[31mred\\x07label_embedding",
}


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """What came of each file in a process of its own, and how much memory that took."""
    place = tmp_path_factory.mktemp("hostile")
    root = str(Path(cgan_lib.__file__).parents[1])
    command = [sys.executable, str(Path(__file__).with_name("hostile.py")), str(place)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ | {"PYTHONPATH": root})
    assert done.returncode == 0, done.stderr
    assert not (place / "executed").exists()
    return json.loads(done.stdout)


def test_every_file_ends_in_one_printable_line(opened):
    outcomes = opened["outcomes"]
    assert len(outcomes) > 150
    raw = {name: said for name, said in outcomes.items() if "Traceback" in said or not said.isprintable()}
    assert raw == {}
    assert {name for name, said in outcomes.items() if said == "loaded" and not name.startswith(HARMLESS)} == set()
    assert max(map(len, outcomes.values())) < 1_000


def test_none_takes_the_memory_that_it_asks_for(opened):
    assert opened["megabytes"] < 500


@pytest.mark.parametrize("name", REASONS)
def test_the_line_says_what_is_wrong(opened, name):
    assert re.search(REASONS[name], opened["outcomes"][name])
