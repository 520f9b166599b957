"""Draw a digit and find it: the widgets without a browser, and a drawing framed as MNIST's digits are."""

import io

import pytest
import torch
from networks import small
from PIL import Image, ImageChops, ImageDraw, ImageStat

from cgan_lib import UserError, generate, load_data, load_generator
from cgan_lib.studio import finder as module
from cgan_lib.studio.finder import ANY_DIGIT, SMALL_SIDE, Finder, draw_and_find, like_mnist, read_digit
from cgan_lib.studio.latent import find_latent
from cgan_lib.studio.view import enlarged
from cgan_lib.studio.widgets import explore


@pytest.fixture
def finder(studio, monkeypatch) -> Finder:
    """One that searches for a moment only."""
    searches = []

    def quick(generator, image, label):
        searches.append((generator, image, label))
        return find_latent(generator, image, label, steps=3, starts=2)

    monkeypatch.setattr(module, "find_latent", quick)
    finder = Finder(studio)
    finder.searches = searches
    return finder


@pytest.fixture(scope="module")
def seven() -> torch.Tensor:
    """A seven uint8 (28, 28) that a shipped generator drew."""
    return generate(load_generator("relativistic"), [7], seed=3)[0, 0]


def difference(png: bytes, image: torch.Tensor) -> float:
    """How far the pixels of a picture are from those of an image uint8 (1, H, W) shown in its place, of 255."""
    with Image.open(io.BytesIO(png)) as shown:
        expected = Image.open(io.BytesIO(enlarged(image.expand(3, -1, -1), shown.width)))
        return ImageStat.Stat(ImageChops.difference(shown, expected)).mean[0]


# --- the widgets


def test_a_drawing_is_found_and_the_studio_starts_there(seven):
    finder = draw_and_find("relativistic")
    studio = finder.studio
    studio.moves[0].value = 2.0
    finder.pad.pixels = seven.flatten().tolist()
    finder.find.click()
    framed = like_mnist(seven)
    (shown,) = generate(load_generator("relativistic"), [7], z=studio.view.start[None])
    assert (studio.view.label, studio.view.moves) == (7, (0, 0, 0, 0))
    error = (shown.float() - framed.float()).abs().mean().item()
    assert error < 8
    assert "Drawn as a 7" in finder.message.value
    assert f"{error:.1f} of 255" in finder.message.value
    assert finder.drawn.value == enlarged(framed.expand(3, -1, -1), SMALL_SIDE)
    assert difference(finder.nearest.value, shown) < 1
    assert difference(studio.picture.value, shown) < 1


def test_a_drawing_is_read_as_what_it_is_said_to_be(finder, seven):
    finder.pad.pixels = seven.flatten().tolist()
    assert finder.label.options[0] == (ANY_DIGIT, ANY_DIGIT)
    for said, label in ((2, 2), (ANY_DIGIT, 7)):
        finder.label.value = said
        finder.find.click()
        assert f"Drawn as a {label}" in finder.message.value
        assert finder.studio.view.label == label
        _, image, looked_for = finder.searches.pop()
        assert looked_for == label
        assert torch.equal(image, like_mnist(seven))


def test_the_search_is_in_the_model_chosen_now(finder, seven):
    finder.studio.model.value = "two.safetensors"
    finder.pad.pixels = seven.flatten().tolist()
    finder.find.click()
    assert torch.equal(generate(finder.searches[0][0], [1]), generate(load_generator("two.safetensors"), [1]))


@pytest.mark.parametrize("pixels", [[], [0] * 784])
def test_where_nothing_is_drawn_a_message_says_so_and_nothing_moves(finder, pixels):
    finder.pad.pixels = pixels
    before = finder.studio.view
    finder.find.click()
    assert "nothing is drawn yet" in finder.message.value
    assert finder.studio.view == before
    assert finder.searches == []
    assert not finder.find.disabled


@pytest.mark.parametrize("kind", [{"channels": 3}, {"image_size": 64}, {"num_classes": 2}])
def test_models_of_every_kind_are_searched_and_leave_a_picture(finder, seven, kind):
    finder = Finder(explore(small(**kind)), seven)
    assert finder.drawn.value.startswith(b"\x89PNG")
    assert finder.found.image.shape[-1] == kind.get("image_size", 28)
    assert finder.strip() != finder.studio.strip()


def test_an_empty_pad_takes_away_what_was_found(finder, seven):
    finder.pad.pixels = seven.flatten().tolist()
    finder.find.click()
    assert finder.drawn.value.startswith(b"\x89PNG")
    assert finder.nearest.alt == "7: nearest it can draw"
    finder.pad.pixels = []  # what *clear* does, in the browser
    assert (finder.drawn.value, finder.nearest.value, finder.found) == (b"", b"", None)
    assert "Draw a digit" in finder.message.value
    assert {caption.value for caption in finder.captions} == {""}


def test_another_model_takes_away_what_was_found_too(finder, seven):
    finder.pad.pixels = seven.flatten().tolist()
    finder.find.click()
    finder.studio.model.value = "two.safetensors"
    assert (finder.nearest.value, finder.found) == (b"", None)


def test_a_finder_leaves_a_picture_too(finder, seven):
    bundle = finder._repr_mimebundle_()
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == finder.model_id
    assert bundle["text/plain"] == "Finder(one.safetensors)"
    assert bundle["image/png"] == finder.studio.strip()
    finder.pad.pixels = seven.flatten().tolist()
    finder.find.click()
    assert finder.strip() != finder.studio.strip()


def test_a_drawing_that_is_given_is_looked_for_and_the_picture_shows_it_beside_what_was_found(seven, monkeypatch):
    grids = []
    monkeypatch.setattr(module, "draw_grid", lambda axes, images, *rest, **options: grids.append(images))
    finder = draw_and_find("relativistic", drawing=seven[None])
    assert torch.tensor(finder.pad.pixels).view(28, 28).equal(seven.int())
    finder.strip()
    assert torch.equal(grids[0], torch.stack([like_mnist(seven), finder.found.image]))
    assert finder.found.label == 7
    assert finder.found.error < 8


@pytest.mark.parametrize("drawing", [torch.zeros(28, 28), torch.zeros(3, 28, 28, dtype=torch.uint8)])
def test_a_drawing_of_another_kind_is_an_error(drawing):
    with pytest.raises(UserError, match=r"a drawing must be uint8 \(28, 28\), got"):
        draw_and_find(small(), drawing=drawing)


@pytest.mark.parametrize("dataset", ["fashion", ""])
def test_what_draws_other_things_than_a_classifier_reads_is_never_read_as_a_digit(seven, dataset):
    generator = small()
    generator.dataset = dataset
    finder = Finder(explore(generator))
    assert ANY_DIGIT not in dict(finder.label.options)
    assert finder.label.value == 0
    with pytest.raises(UserError, match="say which class the drawing is"):
        read_digit(like_mnist(seven), dataset)


def test_any_is_offered_as_long_as_the_model_draws_what_can_be_read(finder):
    finder.label.value = 4
    finder.studio.model.value = "few.safetensors"  # of no data set that is known
    assert [name for name, _ in finder.label.options] == list("0123")
    assert finder.label.value == 0
    finder.studio.model.value = "one.safetensors"
    assert [name for name, _ in finder.label.options] == [ANY_DIGIT, *"0123456789"]


def test_each_data_set_is_read_by_its_own_classifier(monkeypatch, seven):
    asked = []
    original = module.load_classifier
    monkeypatch.setattr(module, "load_classifier", lambda name, size: (asked.append(name), original(name, size))[1])
    for dataset in ("digits", "mnist"):
        read_digit(like_mnist(seven), dataset)
    assert asked == ["digits", "mnist"]


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
        framed = like_mnist(random_drawing(seed, canvas))
        assert (framed.shape, framed.dtype) == ((1, 28, 28), torch.uint8)
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
    assert moments(framed)[1] == (20, 14)  # as tall as can be, and not stretched


@pytest.mark.parametrize("place", [(0, 0), (27, 27), (13, 5)], ids=str)
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


@pytest.mark.parametrize("shape", [(28, 28), (1, 1)], ids=str)
def test_nothing_drawn_is_an_error(shape):
    with pytest.raises(UserError, match="nothing is drawn yet"):
        like_mnist(torch.zeros(shape, dtype=torch.uint8))


def test_real_digits_are_still_read_right_after_framing():
    data = load_data("digits", train=False)
    read = [read_digit(like_mnist(image[0])) for image in data.images[:60]]
    assert sum(digit == label for digit, label in zip(read, data.labels[:60], strict=True)) >= 54


def test_framing_helps_a_digit_that_is_small_and_in_a_corner():
    images = generate(load_generator("relativistic"), list(range(10)), seed=2)
    read = []
    for image in images:
        canvas = torch.zeros(90, 90, dtype=torch.uint8)
        canvas[60:88, 2:30] = image[0] * (image[0] > 30)
        read.append(read_digit(like_mnist(canvas)))
    assert sum(digit == label for label, digit in enumerate(read)) >= 9
