"""Plain functions behind the studio: which generators there are, pictures of a view, a drawing framed as a digit."""

import io
import os
import shutil
from dataclasses import replace

import pytest
import torch
from PIL import Image, ImageDraw
from torch import nn

from cgan_lib import UserError, generate, load, load_generator, open_run, pretrained
from cgan_lib.models import MODELS
from cgan_lib.paths import short
from cgan_lib.runs.source import open_source
from cgan_lib.sampling import blend, latents, tile
from cgan_lib.studio.latent import Direction, View
from cgan_lib.studio.views import REACH, draw, enlarged, like_mnist, read_digit, sources, strip, walks
from cgan_lib.weights import save_generator

WAYS = [Direction(torch.eye(6)[0], 0.5, "wider"), Direction(-torch.eye(6)[4], 0.25, "")]
VIEW = View(digit=1, toward=3, share=0.3, moves=(1.0, -2.0), seed=4, truncation=0.8)


@pytest.fixture(params=[1, 3])
def generator(request) -> nn.Module:
    torch.manual_seed(0)
    network = MODELS["bce"].generator(latent_dim=6, num_classes=4, channels=request.param, base_channels=8)
    with torch.no_grad():
        network.conv_blocks[4].weight.mul_(6)  # more contrast
    return network


# --- where generators come from


def test_sources_are_the_runs_newest_first_and_then_what_is_shipped(home):
    ages = {"logs/mnist/bce/demo": 3, "logs/digits/bce/demo": 1, "logs/mnist/dropout/full": 2}
    for run in ages:
        (home / run / "checkpoints").mkdir(parents=True)
        for step in (10, 20):  # one run all the same
            (home / run / "checkpoints" / f"step_{step:08d}.pt").touch()
    for run, age in ages.items():
        os.utime(home / run, (1e9 - age, 1e9 - age))
    (home / "logs/mnist/empty/demo/checkpoints").mkdir(parents=True)  # it has not saved anything yet
    assert sources() == ["logs/digits/bce/demo", "logs/mnist/dropout/full", "logs/mnist/bce/demo", *pretrained()]


def test_without_runs_sources_are_what_is_shipped():
    assert sources() == pretrained()
    assert {"bce", "dcgan64", "projection", "relativistic"} <= set(sources())


def test_a_run_is_opened_by_its_name_and_by_its_path(finished):
    (name, *_) = sources()
    assert name == short(finished.folder)
    expected = open_run(finished.folder).generator.state_dict()
    for source in (name, finished.folder, str(finished.folder)):
        state = open_source(source).generator.state_dict()
        assert all(torch.equal(state[key], value) for key, value in expected.items())


def test_weight_files_and_shipped_generators_are_opened_too(home, generator):
    path = save_generator(generator, home / "weights" / "mine.safetensors")
    for source in (path, str(path), "weights/mine.safetensors"):
        assert torch.equal(generate(open_source(source).generator, [1, 2]), generate(generator, [1, 2]))
    assert torch.equal(generate(open_source("bce").generator, [3]), generate(load_generator("bce"), [3]))


def test_what_is_no_generator_is_an_error(home, finished):
    with pytest.raises(UserError, match="there is no weight file"):
        open_source("logs/mnist/bce/never")
    shutil.rmtree(finished.folder / "checkpoints")
    with pytest.raises(UserError):
        open_source(finished.folder)


# --- pictures of a view


def test_a_view_of_one_image_is_that_image_in_colour(generator):
    z, weights = VIEW.inputs(generator.config, WAYS)
    assert torch.allclose(z[0], latents(1, 6, 4, 0.8)[0] + torch.tensor([1.0, 0, 0, 0, 2.0, 0]))
    picture = draw(generator, VIEW, WAYS)
    assert picture.shape == (3, 28, 28)
    assert picture.dtype == torch.uint8
    assert torch.equal(picture, generate(generator, weights, z=z)[0].expand(3, -1, -1))


@pytest.mark.parametrize(("count", "columns"), [(4, 2), (9, 3), (36, 6), (6, 2)])
def test_a_view_of_several_images_is_a_square_of_them(generator, count, columns):
    view = View(digit=2, seed=3, count=count)
    picture = draw(generator, view, WAYS)
    assert picture.shape == (3, 30 * (count // columns) + 2, 30 * columns + 2)
    assert torch.equal(picture, tile(generate(generator, [2] * count, z=latents(count, 6, seed=3)), columns))


def test_walks_have_a_row_for_each_direction_and_one_from_class_to_class(generator):
    images, names = walks(generator, VIEW, WAYS, columns=5)
    assert names == ["1 · wider · 50.0%", "2 · 25.0%", "1 becomes 3"]
    assert images.shape[0] == 15
    for row in range(2):
        for image, place in zip(images[5 * row :], (-REACH, -REACH / 2, 0, REACH / 2, REACH), strict=False):
            moves = (place, -2.0) if row == 0 else (1.0, place)
            slid = draw(generator, replace(VIEW, moves=moves), WAYS)  # the other slider is where it is
            assert (slid.int() - image.int()).abs().max() <= 1
    z = VIEW.inputs(generator.config, WAYS)[0]
    between = generate(generator, blend(1, 3, torch.linspace(0, 1, 5), 4), z=z.expand(5, -1))
    assert torch.equal(images[10:], between)
    ends = generate(generator, [1, 3], z=z.expand(2, -1)).int()
    assert (images[[10, 14]].int() - ends).abs().max() <= 1


def test_walks_without_another_class_follow_the_directions_alone(generator):
    images, names = walks(generator, View(digit=0, count=4), WAYS)
    assert names == ["1 · wider · 50.0%", "2 · 25.0%"]
    assert len(images) == 18


@pytest.mark.parametrize(
    ("shape", "side", "size"),
    [
        ((28, 28), 280, (280, 280)),
        ((64, 64), 140, (140, 140)),
        ((32, 62), 280, (280, 145)),  # the longer side counts
        ((302, 302), 280, (302, 302)),  # nothing is made smaller
    ],
)
def test_a_picture_becomes_a_png_of_that_size(shape, side, size):
    picture = torch.full((3, *shape), 40, dtype=torch.uint8)
    picture[0] = 200
    with Image.open(io.BytesIO(enlarged(picture, side))) as image:
        assert image.format == "PNG"
        assert image.size == size
        assert image.mode == "RGB"
        assert image.getpixel((5, 5)) == (200, 40, 40)


def test_a_strip_is_a_png_with_the_rows_of_the_walks(generator):
    sizes = []
    for view in (View(digit=0), VIEW):
        with Image.open(io.BytesIO(strip(generator, view, WAYS, "mine"))) as image:
            assert image.format == "PNG"
            image.load()
            sizes.append(image.size)
    assert sizes[0][0] == sizes[1][0] == 850
    assert sizes[1][1] > sizes[0][1] + 50  # one row more


def test_a_strip_shows_what_the_sliders_do(generator, monkeypatch):
    from cgan_lib.course import show

    calls = []
    monkeypatch.setattr(show, "draw_grid", lambda axes, *arguments: calls.append(arguments))
    strip(generator, VIEW, WAYS, "mine")
    ((images, names, title, columns),) = calls
    expected_images, expected_names = walks(generator, VIEW, WAYS, columns)
    assert torch.equal(images, expected_images)
    assert names == expected_names
    assert "mine" in title


# --- drawings


def moments(framed):
    """Centre of mass (down, right), and the sides of the box around everything drawn."""
    ink = framed[0].float()
    places = torch.arange(28.0)
    centre = (ink.sum(1) @ places / ink.sum(), ink.sum(0) @ places / ink.sum())
    rows, columns = ink.sum(1).nonzero().flatten(), ink.sum(0).nonzero().flatten()
    return centre, (int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1)


def random_drawing(seed, canvas):
    """A few strokes of a round pen, as the pad makes them: uint8 (canvas, canvas)."""
    random = torch.Generator().manual_seed(seed)
    image = Image.new("L", (canvas, canvas))
    pen = ImageDraw.Draw(image)
    for _ in range(1 + seed % 3):
        points = torch.randint(canvas // 10, canvas - canvas // 10, (4, 2), generator=random).tolist()
        pen.line([tuple(point) for point in points], fill=255, width=max(canvas // 11, 1), joint="curve")
    return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(canvas, canvas)


@pytest.mark.parametrize("canvas", [28, 224])
def test_a_drawing_is_framed_as_the_digits_of_mnist_are(canvas):
    in_the_middle = 0
    for seed in range(150):
        drawing = random_drawing(seed, canvas)
        framed = like_mnist(drawing)
        assert framed.shape == (1, 28, 28)
        assert framed.dtype == torch.uint8
        centre, sides = moments(framed)
        assert max(sides) == 20
        assert all(abs(place - 13.5) < 2.5 for place in centre)
        in_the_middle += all(abs(place - 13.5) <= 0.51 for place in centre)
    assert in_the_middle >= 140  # the others would stick out of the image


def test_it_does_not_matter_where_and_how_large_a_digit_is_drawn():
    digit = torch.zeros(28, 28, dtype=torch.uint8)
    digit[3:13, 2:5] = 255
    digit[10:13, 2:9] = 255  # an L
    framed = like_mnist(digit)
    assert torch.equal(like_mnist(digit.roll((14, 17), (0, 1))), framed)
    larger = torch.zeros(60, 60, dtype=torch.uint8)
    larger[:20, :14] = digit[3:13, 2:9].repeat_interleave(2, 0).repeat_interleave(2, 1)
    assert (like_mnist(larger).int() - framed.int()).abs().float().mean() < 6
    _, sides = moments(framed)
    assert sides == (20, 14)  # as tall as can be, and not stretched


@pytest.mark.parametrize("place", [(0, 0), (27, 27), (13, 5), (27, 0)], ids=str)
def test_a_single_pixel_is_a_drawing_too(place):
    drawing = torch.zeros(28, 28, dtype=torch.uint8)
    drawing[place] = 255
    centre, sides = moments(like_mnist(drawing))
    assert sides == (20, 20)
    assert centre == (pytest.approx(13.5), pytest.approx(13.5))


def test_drawings_of_any_proportion_and_brightness_are_framed():
    thin = torch.zeros(28, 28, dtype=torch.uint8)
    thin[:, 27] = 255
    assert moments(like_mnist(thin))[1] == (20, 1)
    assert moments(like_mnist(thin.T))[1] == (1, 20)
    full = like_mnist(torch.full((28, 28), 255, dtype=torch.uint8))
    assert full[0, 4:24, 4:24].eq(255).all()
    assert full.float().sum() == 400 * 255
    assert like_mnist(thin // 255).max() == 1  # the faintest there is
    corners = torch.zeros(28, 28, dtype=torch.uint8)
    corners[0, 0] = corners[27, 27] = corners[27, 26] = 255  # its mass lies at the edge
    assert max(moments(like_mnist(corners))[1]) <= 20


@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (224, 224)], ids=str)
def test_nothing_drawn_is_an_error(shape):
    with pytest.raises(UserError, match="nothing is drawn yet"):
        like_mnist(torch.zeros(shape, dtype=torch.uint8))


def test_real_digits_are_still_read_right_after_framing():
    data = load("digits", train=False)
    right = [
        read_digit(like_mnist(image[0])) == label for image, label in zip(data.images[:60], data.labels, strict=False)
    ]
    assert sum(right) >= 54


def test_framing_helps_a_digit_that_is_small_and_in_a_corner():
    images = generate(load_generator("relativistic"), list(range(10)), seed=2)
    framed = 0
    for digit, image in enumerate(images):
        canvas = torch.zeros(90, 90, dtype=torch.uint8)
        canvas[60:88, 2:30] = image[0] * (image[0] > 30)
        framed += read_digit(like_mnist(canvas)) == digit
    assert framed >= 9


def test_the_digits_of_a_shipped_generator_are_read_as_what_was_asked_for():
    labels = list(range(10)) * 3
    images = generate(load_generator("relativistic"), labels, seed=1)
    read = [read_digit(image) for image in images]
    assert all(type(digit) is int for digit in read)
    assert sum(digit == label for digit, label in zip(read, labels, strict=True)) >= 29
