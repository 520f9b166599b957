"""A view as inputs of a generator, as a picture, and as the rows of a strip."""

import io
from dataclasses import replace

import pytest
import torch
from networks import small
from PIL import Image
from torch import nn

from cgan_lib import UserError, generate
from cgan_lib.sampling import blend, latents, tile
from cgan_lib.studio import view as module
from cgan_lib.studio.latent import Direction
from cgan_lib.studio.view import REACH, View, enlarged, picture, strip, walks

CONFIG = dict(latent_dim=6, num_classes=4)
DIRECTIONS = [Direction(torch.eye(6)[0], 0.5, "wider"), Direction(-torch.eye(6)[4], 0.25, "taller")]
VIEW = View(label=1, toward=3, t=0.3, moves=(1.0, -2.0), seed=4, truncation=0.8)
MOVED = torch.tensor([1.0, 0, 0, 0, 2.0, 0])


@pytest.fixture(params=[1, 3])
def generator(request) -> nn.Module:
    return small(num_classes=4, channels=request.param)


# --- inputs


def test_a_view_means_the_latents_of_its_seed_and_its_class():
    z, weights = View(label=1, seed=7, count=4).inputs(CONFIG)
    assert torch.equal(z, latents(4, 6, seed=7))
    assert weights.tolist() == [[0, 1, 0, 0]] * 4


def test_a_view_can_begin_at_a_later_latent_of_its_seed():
    z, _ = View(label=1, seed=7, index=5, count=4).inputs(CONFIG)
    assert torch.equal(z, latents(9, 6, seed=7)[5:])


def test_a_view_is_truncated_moved_and_mixed():
    z, weights = replace(VIEW, count=9).inputs(CONFIG, DIRECTIONS)
    assert torch.allclose(z, latents(9, 6, seed=4, truncation=0.8) + MOVED)
    assert torch.allclose(weights, torch.tensor([0, 0.7, 0, 0.3]).expand(9, 4))


def test_the_start_of_a_view_stands_in_for_the_first_latent_alone_and_is_moved_too():
    start = torch.arange(6.0)
    z, _ = replace(VIEW, truncation=None, count=3, start=start).inputs(CONFIG, DIRECTIONS)
    assert torch.equal(z[0], torch.arange(6.0) + MOVED)
    assert torch.allclose(z[1:], latents(3, 6, seed=4)[1:] + MOVED)
    assert start.tolist() == [0, 1, 2, 3, 4, 5]


def test_the_way_to_no_other_class_changes_nothing_and_a_wrong_class_is_an_error():
    assert View(label=2, t=0.7).inputs(CONFIG)[1].tolist() == [[0, 0, 1, 0]]
    with pytest.raises(UserError, match="label 4 is no class"):
        View(label=4).inputs(CONFIG)


# --- pictures


def test_a_view_of_one_image_is_that_image_in_colour(generator):
    z, weights = VIEW.inputs(generator.config, DIRECTIONS)
    shown = picture(generator, VIEW, DIRECTIONS)
    assert shown.shape == (3, 28, 28)
    assert torch.equal(shown, generate(generator, weights, z=z)[0].expand(3, -1, -1))


@pytest.mark.parametrize(("count", "columns"), [(4, 2), (36, 6), (6, 2)])
def test_a_view_of_several_images_is_a_square_of_them(generator, count, columns):
    shown = picture(generator, View(label=2, seed=3, count=count), DIRECTIONS)
    assert shown.shape == (3, 30 * (count // columns) + 2, 30 * columns + 2)
    assert torch.equal(shown, tile(generate(generator, [2] * count, z=latents(count, 6, seed=3)), columns))


@pytest.mark.parametrize(
    ("shape", "side", "size"),
    [
        ((28, 28), 280, (280, 280)),
        ((32, 62), 280, (280, 145)),  # the longer side counts
        ((302, 302), 280, (302, 302)),  # nothing is made smaller
    ],
)
def test_a_picture_becomes_a_png_of_that_size(shape, side, size):
    flat = torch.tensor([200, 40, 40], dtype=torch.uint8)[:, None, None].expand(3, *shape)
    with Image.open(io.BytesIO(enlarged(flat, side))) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", size)
        assert image.getpixel((5, 5)) == (200, 40, 40)


def test_a_picture_is_smoothed_where_it_is_enlarged():
    edge = torch.zeros(3, 4, 4, dtype=torch.uint8)
    edge[:, :, 2:] = 255
    with Image.open(io.BytesIO(enlarged(edge, 40))) as image:
        greys = [image.getpixel((x, 20))[0] for x in range(40)]
    assert (greys[0], greys[-1]) == (0, 255)
    assert any(80 < grey < 180 for grey in greys)
    assert greys[12:28] == sorted(greys[12:28])


# --- rows


def test_walks_have_a_row_for_each_direction_and_one_from_class_to_class(generator):
    images, names = walks(generator, VIEW, DIRECTIONS, columns=5)
    assert names == ["1 · wider · 50.0%", "2 · taller · 25.0%", "1 becomes 3"]
    assert images.shape[0] == 15
    for row in range(2):
        for image, place in zip(images[5 * row :], (-REACH, -REACH / 2, 0, REACH / 2, REACH), strict=False):
            moves = (place, -2.0) if row == 0 else (1.0, place)
            slid = picture(generator, replace(VIEW, moves=moves), DIRECTIONS)  # the other slider is where it is
            assert (slid.int() - image.int()).abs().max() <= 1
    z = VIEW.inputs(generator.config, DIRECTIONS)[0]
    between = generate(generator, blend(1, 3, torch.linspace(0, 1, 5), 4), z=z.expand(5, -1))
    assert torch.equal(images[10:], between)


def test_walks_without_another_class_follow_the_directions_alone(generator):
    images, names = walks(generator, View(label=0, count=4), DIRECTIONS)
    assert names == ["1 · wider · 50.0%", "2 · taller · 25.0%"]
    assert len(images) == 18


def test_a_strip_is_a_png_that_shows_what_the_sliders_do(generator, monkeypatch):
    calls = []
    original = module.draw_grid
    monkeypatch.setattr(module, "draw_grid", lambda *arguments: (calls.append(arguments), original(*arguments)))
    sizes = []
    for view in (View(label=0), VIEW):
        with Image.open(io.BytesIO(strip(generator, view, DIRECTIONS, "mine"))) as image:
            assert image.format == "PNG"
            sizes.append(image.size)
    assert sizes[0][0] == sizes[1][0] == 950
    assert sizes[1][1] > sizes[0][1] + 50  # one row more
    _, images, names, title, columns = calls[1]
    expected_images, expected_names = walks(generator, VIEW, DIRECTIONS, columns)
    assert torch.equal(images, expected_images)
    assert names == expected_names
    assert "mine" in title
