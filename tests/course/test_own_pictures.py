"""What notebook 09 stands on: its photographs, trainings of so many seconds, and networks with a learner's parts."""

import numpy as np
import pytest
import torch
from answers.attributes import ByHand, OneHot, TwoHead, TwoTables
from PIL import Image, ImageOps

from cgan_lib import evaluate, generate, load_data
from cgan_lib.course.own_pictures import ORIENTATION, photo_folder, with_parts
from cgan_lib.course.timed import train_for
from cgan_lib.data import made
from cgan_lib.models import MODELS
from cgan_lib.recipes import get_recipe

TINY = dict(image_size=16, batch_size=8, base_channels=8, base_channels_d=4, feature_dim=8, embed_dim=6, latent_dim=5)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CGAN_HOME", str(tmp_path))
    monkeypatch.setenv("CGAN_PROFILE", "ci")
    return tmp_path


def test_photographs_are_of_three_classes_and_kinds_of_files_and_the_same_each_time(home):
    folder = photo_folder(home / "photos", of_each=10)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert {path.suffix for path in files} == {".jpg", ".png", ".webp"}
    assert [len(list(each.iterdir())) for each in sorted(folder.iterdir())] == [10, 10, 10]
    there = [path.read_bytes() for path in files]
    again = photo_folder(home / "again", of_each=10)
    assert [path.read_bytes() for path in sorted(path for path in again.rglob("*") if path.is_file())] == there


def test_photographs_that_lie_on_their_sides_say_so_and_are_loaded_upright(home):
    folder = photo_folder(home / "photos", of_each=10)
    with Image.open(folder / "dahlia" / "dahlia 9.jpg") as lying:
        assert lying.getexif()[ORIENTATION] == 6
        upright = np.asarray(ImageOps.exif_transpose(lying).resize((16, 16)), dtype=int)
        on_its_side = np.asarray(lying.resize((16, 16)), dtype=int)
    loaded = [load_data(str(folder), train=train, image_size=16) for train in (True, False)]
    images = torch.cat([data.images[data.labels == data.class_names.index("dahlia")] for data in loaded])
    pixels = images.permute(0, 2, 3, 1).int().numpy()  # (10, 16, 16, 3)
    nearest = [np.abs(pixels - picture).mean((1, 2, 3)).min() for picture in (upright, on_its_side)]
    assert nearest[0] < 8 < nearest[1]


@pytest.mark.parametrize("table", [TwoTables, ByHand, OneHot])
def test_parts_of_a_learner_are_trained_in_place_of_those_of_the_library(home, monkeypatch, table):
    made_of: dict[str, list] = {"table": [], "head": []}

    def noted(name, part):
        def make(*sizes):
            made_of[name].append(part(*sizes))
            return made_of[name][-1]

        return make

    table_for = (lambda d, c, dim: ByHand(dim=dim, num_colours=c, num_digits=d)) if table is ByHand else table
    monkeypatch.setattr("cgan_lib.course.own_pictures.MODELS", models := dict(MODELS))
    name = with_parts(noted("table", table_for), noted("head", TwoHead))
    monkeypatch.setitem(MODELS, name, models[name])
    data = made("coloured_digits", image_size=16).take(slice(0, 400))
    generator = train_for(get_recipe("relativistic", **TINY).replace(model=name), data, 5).generator
    for part in (made_of["table"][-1], made_of["head"][-1]):
        learned = [each for each in part.parameters() if each.numel() > 1]  # a bias cancels in a relativistic loss
        assert all(each.grad is not None and each.grad.any() for each in learned)
    assert all(0 < parameter.std() < 1 for parameter in generator.label_embedding.parameters())
    red_7 = 7 * 3
    assert generate(generator, [red_7, 0], seed=0).shape == (2, 3, 16, 16)
    assert set(evaluate(generator, "coloured_digits", count=300).as_requested_by_attribute) == {"digit", "colour"}
