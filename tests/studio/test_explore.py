"""The studio without a browser: every control is moved from Python, as the widgets of a page would."""

import io
import json
import statistics
import time
from importlib import import_module
from pathlib import Path

import ipywidgets as widgets
import pytest
import torch
from PIL import Image, ImageChops, ImageStat
from torch import nn

from cgan_lib import UserError, generate, load_generator, pretrained, train
from cgan_lib.models import MODELS
from cgan_lib.paths import short
from cgan_lib.sampling import latents
from cgan_lib.studio.latent import Found, View, find_latent
from cgan_lib.studio.views import draw, enlarged, like_mnist
from cgan_lib.studio.widgets import (
    ANY_DIGIT,
    NO_TRUNCATION,
    NOTHING,
    SIDE,
    DigitPad,
    Finder,
    Studio,
    draw_and_find,
    explore,
)
from cgan_lib.weights import save_generator

module = import_module("cgan_lib.studio.widgets")
WIDGET = "application/vnd.jupyter.widget-view+json"


def small(seed=0, **changes) -> nn.Module:
    """A small untrained generator with plenty of contrast."""
    torch.manual_seed(seed)
    network = MODELS["bce"].generator(**dict(latent_dim=6, num_classes=10, base_channels=8) | changes)
    with torch.no_grad():
        network.conv_blocks[4].weight.mul_(6)
    return network.eval()


@pytest.fixture
def shelf(home) -> list[str]:
    """Weight files in the home: two that go together, and others that cannot be beside these, each in its way."""
    kinds = dict(one={}, two=dict(seed=1), long=dict(latent_dim=9), few=dict(num_classes=4), short=dict(latent_dim=3))
    for name, changes in kinds.items():
        save_generator(small(**changes), home / f"{name}.safetensors")
    (home / "damaged.safetensors").write_bytes(b"no weights")
    return [f"{name}.safetensors" for name in (*kinds, "damaged")]


@pytest.fixture
def studio(shelf) -> Studio:
    return Studio(load_generator(shelf[0]), shelf[0], shelf, 3, None)


@pytest.fixture
def draws(monkeypatch) -> list[tuple]:
    """The arguments of every call that draws a picture, from now on."""
    calls = []

    def recorded(*arguments):
        calls.append(arguments)
        return draw(*arguments)

    monkeypatch.setattr(module, "draw", recorded)
    return calls


def expected_picture(studio: Studio, name: str | None = None) -> bytes:
    return enlarged(draw(load_generator(name or studio.model.value), studio.view, studio.ways), SIDE)


def difference(png: bytes, image: torch.Tensor) -> float:
    """How far the pixels of a picture are from those of an image uint8 (1, H, W) shown in its place, of 255."""
    with Image.open(io.BytesIO(png)) as shown:
        wanted = Image.open(io.BytesIO(enlarged(image.expand(3, -1, -1), shown.width)))
        return ImageStat.Stat(ImageChops.difference(shown, wanted)).mean[0]


CONTROLS = {
    "digit": 8,
    "toward": 2,
    "share": 0.7,
    "truncation": 0.4,
    "rows": 3,
    "seed": 5,
}


# --- sliders and buttons


def test_a_studio_starts_in_the_middle_with_a_picture(studio):
    view = studio.view
    assert view == View(digit=3, toward=8, share=0, moves=(0, 0, 0, 0), seed=0, truncation=None, count=1)
    assert studio.picture.value == expected_picture(studio)
    with Image.open(io.BytesIO(studio.picture.value)) as picture:
        assert picture.size == (SIDE, SIDE)
    assert studio.message.value == ""
    assert len(studio.pictures.children) == 1
    assert "one" in studio.caption.value


@pytest.mark.parametrize("control", [*CONTROLS, "moves0", "moves1", "moves2", "moves3"])
def test_every_control_changes_the_picture_and_draws_it_once(studio, draws, control):
    studio.share.value = 0.5  # so that the other class counts
    widget, value = (
        (studio.moves[int(control[-1])], -3.0)
        if control.startswith("moves")
        else (getattr(studio, control), CONTROLS[control])
    )
    before, view = studio.picture.value, studio.view
    draws.clear()
    widget.value = value
    assert len(draws) == 1
    assert studio.picture.value != before
    assert studio.picture.value == expected_picture(studio)
    assert studio.view != view
    draws.clear()
    widget.value = value  # once more
    assert draws == []


def test_what_the_controls_say_is_the_view(studio):
    for control, value in CONTROLS.items():
        getattr(studio, control).value = value
    for number, move in enumerate(studio.moves):
        move.value = number - 1.5
    moves = (-1.5, -0.5, 0.5, 1.5)
    expected = View(digit=8, toward=2, share=0.7, moves=moves, seed=5, truncation=0.4, count=9, start=None)
    assert studio.view == expected
    studio.truncation.value = NO_TRUNCATION
    assert studio.view.truncation is None


def test_sliders_are_named_after_the_directions_in_their_order(studio):
    names = [move.description for move in studio.moves]
    assert names == [way.label(number) for number, way in enumerate(studio.ways, start=1)]
    assert [name[0] for name in names] == list("1234")
    ways = studio.ways
    studio.model.value = studio.model.options[1]
    assert [move.description for move in studio.moves] == [way.label(n) for n, way in enumerate(studio.ways, start=1)]
    assert not any(torch.equal(way.vector, before.vector) for way, before in zip(studio.ways, ways, strict=True))


def test_another_takes_the_next_seed(studio, draws):
    before = studio.picture.value
    studio.another.click()
    assert studio.seed.value == 1
    assert len(draws) == 1
    assert studio.picture.value != before
    studio.another.click()
    assert studio.view.seed == 2


def test_reset_goes_back_to_the_middle_and_draws_once(studio, draws):
    start = studio.picture.value
    for move in studio.moves:
        move.value = 2
    studio.share.value, studio.truncation.value, studio.rows.value = 1, 0.5, 4
    draws.clear()
    studio.reset.click()
    assert len(draws) == 1
    assert studio.picture.value == start
    assert studio.view == View(digit=3, toward=8, moves=(0, 0, 0, 0))


def test_reset_keeps_digit_seed_and_start(shelf):
    z = latents(1, 6, seed=9)[0]
    studio = Studio(load_generator(shelf[0]), shelf[0], shelf, 3, z)
    studio.digit.value, studio.moves[0].value = 5, 2.0
    studio.reset.click()
    assert torch.equal(studio.view.start, z)
    studio.seed.value = 7
    studio.reset.click()
    assert (studio.view.digit, studio.view.seed) == (5, 7)


def test_a_studio_goes_to_what_was_found_and_draws_once(studio, draws):
    z = latents(1, 6, seed=30)[0]
    studio.moves[1].value, studio.rows.value = 3.0, 2
    draws.clear()
    (image,) = generate(load_generator("one.safetensors"), [6], z=z[None])
    studio.go_to(Found(z, 6, image, 0.0))
    assert len(draws) == 1
    assert studio.view.digit == 6
    assert torch.equal(studio.view.start, z)
    assert studio.view.moves == (0, 0, 0, 0)
    assert studio.view.count == 1
    assert difference(studio.picture.value, image) < 1


def test_a_start_is_used_until_the_seed_changes(shelf):
    z = latents(1, 6, seed=9)[0]
    studio = Studio(load_generator(shelf[0]), shelf[0], shelf, 3, z)
    first = studio.picture.value
    assert first == enlarged(draw(small(), View(3, moves=(0,) * 4, start=z), studio.ways), SIDE)
    studio.digit.value = 4
    studio.digit.value = 3
    assert studio.picture.value == first
    studio.another.click()
    assert studio.view.start is None
    studio.seed.value = 0
    assert studio.view.start is None
    assert studio.picture.value == enlarged(draw(small(), View(3), []), SIDE)


# --- models


def test_another_model_draws_the_same_view(studio, draws):
    studio.moves[0].value = 1.0
    before = studio.picture.value
    draws.clear()
    studio.model.value = "two.safetensors"
    assert len(draws) == 1
    assert studio.picture.value != before
    assert studio.picture.value == expected_picture(studio, "two.safetensors")
    assert "two" in studio.caption.value
    studio.model.value = "one.safetensors"
    assert studio.picture.value == before


def test_models_are_read_and_their_directions_found_once(studio, monkeypatch):
    calls = []
    for name in ("open_source", "slider_directions"):
        original = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *a, original=original, name=name: (calls.append(name), original(*a))[1]
        )
    for name in ("two", "one", "two", "one"):
        studio.model.value = f"{name}.safetensors"
    assert sorted(calls) == ["open_source", "slider_directions"]


def test_a_second_model_stands_beside_the_first_and_follows_too(studio, draws):
    assert studio.beside.value == NOTHING
    width = studio.picture.layout.width
    studio.beside.value = "two.safetensors"
    assert len(draws) == 2
    assert len(studio.pictures.children) == 2
    assert "two" in studio.other_caption.value
    assert studio.picture.layout.width == studio.other.layout.width != width
    for name, picture in (("one", studio.picture), ("two", studio.other)):
        assert picture.value == expected_picture(studio, f"{name}.safetensors")
    before = studio.picture.value, studio.other.value
    studio.moves[2].value = 4.0
    assert studio.picture.value != before[0]
    assert studio.other.value != before[1]
    assert studio.other.value == expected_picture(studio, "two.safetensors")  # in the directions of the model
    studio.beside.value = NOTHING
    draws.clear()
    studio.digit.value = 0
    assert len(draws) == 1
    assert len(studio.pictures.children) == 1
    assert studio.picture.layout.width == width


def test_a_second_model_with_other_latents_gets_a_message_and_the_first_goes_on(studio):
    studio.beside.value = "long.safetensors"
    assert "long.safetensors has latents of another length" in studio.message.value
    before = studio.picture.value
    studio.digit.value = 9
    assert studio.picture.value != before
    assert "another length" in studio.message.value
    studio.beside.value = NOTHING
    assert studio.message.value == ""


def test_a_model_offers_its_own_classes(studio):
    studio.digit.value = 9
    studio.model.value = "few.safetensors"
    assert studio.message.value == ""
    assert [label for _, label in studio.digit.options] == [label for _, label in studio.toward.options] == [0, 1, 2, 3]
    assert studio.digit.value == 3  # the nearest to what was chosen
    assert studio.picture.value == expected_picture(studio, "few.safetensors")
    studio.model.value = "one.safetensors"
    assert len(studio.digit.options) == 10
    assert studio.digit.value == 3


def test_the_classes_of_a_run_have_their_names(home, tiny):
    run = train("bce", profile="ci", steps=1, **tiny)
    data = json.loads((run.folder / "recipe.json").read_text()) | {"dataset": "fashion_mnist"}
    (run.folder / "recipe.json").write_text(json.dumps(data))
    studio = explore(run.folder)
    assert studio.digit.options[9] == studio.toward.options[9] == ("boot", 9)
    assert studio.digit.value == 3


def test_a_second_model_with_fewer_classes_gets_a_message_until_the_digit_is_one_of_them(studio):
    studio.beside.value = "few.safetensors"
    assert "label 8 is no class: use 0 to 3" in studio.message.value
    studio.toward.value = 1
    assert studio.message.value == ""
    studio.digit.value = 7
    assert "label 7 is no class" in studio.message.value


def test_a_model_with_longer_latents_is_a_model_like_any_other(studio):
    studio.model.value = "long.safetensors"
    assert studio.message.value == ""
    assert studio.picture.value == expected_picture(studio, "long.safetensors")


def test_a_start_of_another_length_does_not_break_the_choice_of_a_model(shelf):
    studio = Studio(load_generator(shelf[0]), shelf[0], shelf, 3, latents(1, 6)[0])
    studio.model.value = "long.safetensors"
    studio.moves[0].value = 1.0
    assert studio.message.value == ""
    assert studio.picture.value == expected_picture(studio)
    studio.model.value = "one.safetensors"
    assert studio.message.value == ""


def test_a_model_that_cannot_be_read_gets_a_message_and_the_old_picture_stays(studio):
    before = studio.picture.value
    studio.model.value = "damaged.safetensors"
    assert "damaged.safetensors" in studio.message.value
    assert studio.picture.value == before
    studio.model.value = "one.safetensors"
    assert studio.message.value == ""


@pytest.mark.parametrize("chooser", ["model", "beside"])
def test_controls_of_a_model_that_cannot_be_read_raise_nothing(studio, chooser):
    getattr(studio, chooser).value = "damaged.safetensors"
    studio.digit.value = 7
    studio.moves[0].value = 1.0
    assert "damaged.safetensors" in studio.message.value
    assert studio._repr_mimebundle_()["image/png"].startswith(b"\x89PNG")


def test_a_model_with_fewer_latents_than_there_are_sliders_raises_nothing(studio):
    studio.model.value = "short.safetensors"
    studio.digit.value = 7
    studio.model.value = "one.safetensors"
    assert studio.message.value == ""
    assert studio.picture.value == expected_picture(studio)


# --- explore


def test_the_default_is_the_best_shipped_generator_and_then_the_newest_run(finished):
    studio = explore()
    assert studio.model.value == short(finished.folder)
    assert studio.model.options == (short(finished.folder), *pretrained())
    assert studio.beside.options == (NOTHING, *studio.model.options)
    assert torch.equal(
        studio.generators[studio.model.value](latents(1, 100), torch.tensor([3])),
        finished.generator(latents(1, 100), torch.tensor([3])),
    )


def test_without_a_run_the_default_is_shipped():
    studio = explore()
    assert studio.model.value == "relativistic"
    assert studio.digit.value == 3
    assert sorted(studio.model.options) == pretrained()


def test_a_network_a_file_or_a_name_can_be_explored(home, shelf):
    network = small().train()
    studio = explore(network, digit=1)
    assert studio.model.value == "this BCEGenerator"
    assert studio.model.options == ("this BCEGenerator", *pretrained())
    assert studio.view.digit == 1
    assert network.training
    for source in (shelf[0], home / shelf[0]):
        assert explore(source, digit=1).picture.value == studio.picture.value


def test_digits_of_few_classes_are_the_buttons():
    studio = explore(small(num_classes=4), digit=2)
    assert studio.digit.options == studio.toward.options == tuple((str(n), n) for n in range(4))
    assert studio.toward.value == 3
    assert studio.message.value == ""


@pytest.mark.parametrize("digit", [-1, 4])
def test_a_digit_that_is_no_class_is_an_error(digit):
    with pytest.raises(UserError, match=f"label {digit} is no class: use 0 to 3"):
        explore(small(num_classes=4), digit=digit)


@pytest.mark.parametrize("shape", [(5,), (1, 6), ()], ids=str)
def test_a_start_of_another_shape_is_an_error(shape):
    with pytest.raises(UserError, match=r"z must be \(6,\), got"):
        explore(small(), z=torch.zeros(shape))


def test_a_start_is_where_exploring_begins():
    z = latents(1, 6, seed=12)[0]
    studio = explore(small(), z=z)
    assert torch.equal(studio.view.start, z)
    assert studio.picture.value != explore(small()).picture.value


def test_what_is_no_generator_is_an_error():
    with pytest.raises(UserError, match="there is no weight file"):
        explore("logs/mnist/bce/never")


def test_a_notebook_keeps_a_picture_beside_the_widget(studio):
    bundle = studio._repr_mimebundle_()
    assert bundle[WIDGET]["model_id"] == studio.model_id
    assert bundle["text/plain"] == "Studio(one.safetensors)"
    with Image.open(io.BytesIO(bundle["image/png"])) as picture:
        assert picture.format == "PNG"
        assert picture.width > 400


def test_the_picture_for_a_notebook_shows_the_view(studio, monkeypatch):
    calls = []
    monkeypatch.setattr(module.views, "strip", lambda *arguments: calls.append(arguments) or b"")
    studio.digit.value, studio.model.value = 5, "two.safetensors"
    assert studio.strip() == b""
    ((generator, view, ways, name),) = calls
    assert torch.equal(generate(generator, [1]), generate(load_generator("two.safetensors"), [1]))
    assert (view.digit, name) == (5, "two.safetensors")
    assert ways is studio.ways


def test_a_picture_follows_a_slider_without_a_wait():
    """CPU time, on one thread: what else this machine does must not count."""
    studio = explore("relativistic")
    times = []
    for number in range(20):
        started = time.process_time()
        studio.moves[0].value = -4 + 0.25 * number
        times.append(time.process_time() - started)
    assert statistics.median(times) < 0.05


# --- draw a digit and find it


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


def test_a_drawing_is_found_and_the_studio_starts_there():
    (image,) = generate(load_generator("relativistic"), [7], seed=3)
    finder = draw_and_find("relativistic")
    studio = finder.studio
    studio.moves[0].value = 2.0
    finder.pad.pixels = image.flatten().tolist()
    finder.find.click()
    framed = like_mnist(image[0])
    (shown,) = generate(load_generator("relativistic"), [7], z=studio.view.start[None])
    assert (studio.view.digit, studio.view.moves) == (7, (0, 0, 0, 0))
    error = (shown.float() - framed.float()).abs().mean().item()
    assert error < 8
    assert "Drawn as a 7" in finder.message.value
    assert f"{error:.1f} of 255" in finder.message.value
    assert finder.drawn.value == enlarged(framed.expand(3, -1, -1), 140)
    assert difference(finder.nearest.value, shown) < 1
    assert difference(studio.picture.value, shown) < 1


def test_a_drawing_is_read_as_what_it_is_said_to_be(finder, seven):
    finder.pad.pixels = seven.flatten().tolist()
    assert finder.label.options[0] == (ANY_DIGIT, ANY_DIGIT)
    finder.label.value = 2
    finder.find.click()
    assert "Drawn as a 2" in finder.message.value
    assert finder.studio.view.digit == 2
    assert finder.searches[0][2] == 2
    finder.label.value = ANY_DIGIT
    finder.find.click()
    assert "Drawn as a 7" in finder.message.value
    assert torch.equal(finder.searches[1][1], like_mnist(seven))


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


def test_a_digit_that_the_model_does_not_have_gets_a_message(finder, seven):
    finder.studio.toward.value = 0
    finder.studio.model.value = "few.safetensors"
    finder.pad.pixels = seven.flatten().tolist()
    finder.find.click()
    assert "label 7 is no class" in finder.message.value
    assert finder.studio.view.start is None


def test_a_model_in_colour_gets_a_message(home, seven):
    finder = Finder(explore(small(channels=3)))
    finder.pad.pixels = seven.flatten().tolist()
    finder.find.click()
    assert "the image must be uint8 (3, H, W)" in finder.message.value


def test_clear_empties_the_pad(finder, seven):
    finder.pad.pixels = seven.flatten().tolist()
    finder.clear.click()
    assert finder.pad.pixels == []
    finder.find.click()
    assert "nothing is drawn yet" in finder.message.value


def test_a_finder_leaves_a_picture_too(finder):
    bundle = finder._repr_mimebundle_()
    assert bundle[WIDGET]["model_id"] == finder.model_id
    assert bundle["text/plain"] == "Finder(one.safetensors)"
    assert bundle["image/png"].startswith(b"\x89PNG")


def test_the_pad_knows_its_script_and_speaks_of_the_same_pixels():
    script = Path(module.__file__).parent / "pad.js"
    pad = DigitPad()
    assert str(pad._esm) == script.read_text()
    assert 'model.set("pixels"' in script.read_text()
    assert pad.traits()["pixels"].metadata["sync"]
    assert isinstance(pad, widgets.DOMWidget)
