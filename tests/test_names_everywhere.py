"""From a folder of pictures to a published generator, with real parts: the classes keep their names at every place."""

import html
import json

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image

from cgan_lib import generate, load_generator, open_run
from cgan_lib.cli import main
from cgan_lib.data import load_data
from cgan_lib.service import create_app
from cgan_lib.service.real import real_sheet
from cgan_lib.studio.widgets import explore

AWKWARD = ["'ripe' & red, 100%", "תפוח ירוק", "🍎 #1"]  # as folders may be called on every system
SMALL = ["--base-channels", "16", "--base-channels-d", "16", "--batch-size", "8", "--steps", "4", "--precision", "fp32"]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder of three classes: 16 pictures each, of different sizes, a colour for each class."""
    monkeypatch.setenv("CGAN_HOME", str(tmp_path / "home"))
    draws = np.random.default_rng(0)
    for number, name in enumerate(AWKWARD):
        folder = tmp_path / "my fruit" / name
        folder.mkdir(parents=True)
        for picture in range(16):
            pixels = draws.integers(0, 90, (60 + picture, 80, 3), dtype=np.uint8)
            pixels[..., number] += 160
            Image.fromarray(pixels).save(folder / f"{picture}.png")
    return tmp_path / "my fruit"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """What reads the pictures learns for a moment only."""
    monkeypatch.setattr("cgan_lib.evaluation.classifier.LEAST_STEPS", 20)
    monkeypatch.setattr("cgan_lib.evaluation.classifier.EPOCHS", 1)


def drawn(arguments, tmp_path):
    assert main([*arguments, "--out", str(tmp_path / "a.npz"), "--force"]) == 0
    with np.load(tmp_path / "a.npz") as file:
        return file["labels"].tolist(), torch.from_numpy(file["images"])


def test_a_folder_keeps_its_names_from_training_to_publishing(photos, tmp_path, capsys):
    names = load_data(str(photos), image_size=64).class_names
    assert sorted(names) == sorted(AWKWARD)
    assert main(["train", "relativistic", "--dataset", str(photos), "--image-size", "64", *SMALL]) == 0
    folder = tmp_path / "home/logs/my_fruit/relativistic/ci"
    run = open_run(folder)
    assert run.generator.class_names == names
    assert main(["evaluate", str(folder), "--count", "48"]) == main(["info", str(folder)]) == 0
    said = capsys.readouterr().out
    assert all(said.count(name) >= 2 for name in names[1:])  # how to make images, and what it draws

    labels, images = drawn(["generate", str(folder), "--labels", names[2], names[0].upper()], tmp_path)
    assert labels == [2, 0]
    assert torch.equal(images, generate(run.generator, [names[2], names[0]]))

    studio = explore(folder, label=names[1])
    assert [name for name, _ in studio.label.choices[0].options] == list(names)
    assert names[1] in studio.picture.alt
    assert studio.strip()[:4] == b"\x89PNG"

    sheet = real_sheet(run.generator)
    with TestClient(create_app(run.generator, "fruit", real=sheet)) as client:
        assert client.get("/studio.json").json()["models"][0]["class_names"] == list(names)
        answer = client.post("/gen_images", json={"value": names[1], "format": "json"}).json()
        assert (answer["value"], answer["name"], answer["width"]) == (1, names[1], 4 * 64)
        assert client.get(f"/{sheet[0]}").content == sheet[1]

    published = tmp_path / "published"
    assert main(["export", str(folder), str(published)]) == 0
    assert json.loads((published / "config.json").read_text("utf-8"))["class_names"] == list(names)
    card = html.unescape((published / "README.md").read_text("utf-8"))
    assert all(name in card for name in names)
    assert str(tmp_path) not in card
    loaded = load_generator(published)
    assert (loaded.class_names, loaded.dataset) == (names, "my_fruit")
    assert torch.equal(generate(loaded, [names[2], names[0]]), images)


def test_attributes_keep_their_names_from_training_to_publishing(tmp_path, home, capsys):
    assert main(["train", "bce", "--dataset", "coloured_digits", "--image-size", "16", *SMALL]) == 0
    folder = home / "logs/coloured_digits/bce/ci"
    assert "--labels 0,red " in capsys.readouterr().out
    labels, images = drawn(["generate", str(folder), "--labels", "7,red", "*,blue"], tmp_path)
    assert labels == [21, *range(2, 30, 3)]
    assert [choice.description for choice in explore(folder).label.choices] == ["class digit", "class colour"]
    published = tmp_path / "published"
    assert main(["export", str(folder), str(published)]) == 0
    assert "| colour | 0 red, 1 green, 2 blue |" in (published / "README.md").read_text("utf-8")
    loaded = load_generator(published)
    assert torch.equal(generate(loaded, [["7", "red"], {"colour": "blue", "digit": 0}]), images[:2])
    with TestClient(create_app(loaded)) as client:
        answer = client.post("/gen_images", json={"value": {"digit": 7, "colour": "red"}, "format": "json"}).json()
        assert (answer["value"], answer["name"]) == (21, "7 red")
