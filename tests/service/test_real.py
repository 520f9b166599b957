"""The sheet of real images for the quiz on the page."""

import io

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image
from test_data import write_files

from cgan_lib import get_recipe
from cgan_lib.data import DATASETS, is_local
from cgan_lib.service.app import create_app
from cgan_lib.service.real import real_sheet


@pytest.fixture
def generator():
    """One whose data set a test may change."""
    return get_recipe("bce", base_channels=8).build()[0]


@pytest.fixture
def draws(monkeypatch):
    """A function: a generator that has learned from a data set of colours, whose test images are given."""

    def made(images, labels):
        monkeypatch.setitem(DATASETS, "colours", (lambda train: (images, labels), ("red", "green")))
        generator = get_recipe("bce", base_channels=8).build(num_classes=2, channels=3)[0]
        generator.draws("colours", ("red", "green"))
        return generator

    return made


def middles(sheet: tuple[str, bytes]) -> list[list[list[int]]]:
    """The colour in the middle of each image of a sheet."""
    return np.asarray(Image.open(io.BytesIO(sheet[1])))[14::28, 14::28].tolist()


def test_a_sheet_has_a_row_of_ten_for_each_class(draws):
    labels = torch.tensor([1, 0] * 10)
    images = torch.zeros(20, 3, 28, 28, dtype=torch.uint8)
    images[range(20), labels] = torch.arange(100, 120, dtype=torch.uint8)[:, None, None]
    sheet = real_sheet(draws(images, labels))
    assert sheet[0] == "real-colours-28.png"
    red, green = (sorted(row) for row in middles(sheet))
    assert red == [[number, 0, 0] for number in range(101, 121, 2)]
    assert green == [[0, number, 0] for number in range(100, 120, 2)]


def test_a_class_with_fewer_shows_them_again_and_one_with_none_makes_no_sheet(draws):
    images = torch.tensor([50, 100, 200], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 3, 28, 28)
    first, second = middles(real_sheet(draws(images, torch.tensor([0, 1, 1]))))
    assert first == [[50] * 3] * 10
    assert sorted(second) == [[100] * 3] * 5 + [[200] * 3] * 5
    assert real_sheet(draws(images, torch.tensor([1, 1, 1]))) is None


def test_nothing_is_downloaded_for_it(monkeypatch, generator, home):
    monkeypatch.setattr("cgan_lib.idx._download", lambda *_: pytest.fail("a download"))
    generator.draws("mnist", tuple("0123456789"))
    assert not is_local("mnist")
    assert real_sheet(generator) is None
    raw = write_files(home / "data")
    assert is_local("mnist")
    assert real_sheet(generator)[0] == "real-mnist-28.png"
    (raw / "t10k-labels-idx1-ubyte").write_bytes(b"damaged")
    assert real_sheet(generator) is None


def test_images_of_another_kind_are_none(generator, draws):
    images = torch.zeros(2, 3, 28, 28, dtype=torch.uint8)
    draws(images, torch.tensor([0, 1]))
    for name in ("colours", "unknown", ""):  # other classes and channels, no data set, none said
        generator.draws(name, tuple("0123456789"))
        assert real_sheet(generator) is None


def test_the_service_says_where_it_lies_and_sends_it(generator):
    with TestClient(create_app(generator, "tiny", real=("real-mnist-28.png", b"a sheet"))) as client:
        assert client.get("/studio.json").json()["models"][0]["real"] == "real-mnist-28.png"
        answer = client.get("/real-mnist-28.png")
        assert (answer.content, answer.headers["Content-Type"]) == (b"a sheet", "image/png")
    with TestClient(create_app(generator, "tiny")) as client:
        assert "real" not in client.get("/studio.json").json()["models"][0]
