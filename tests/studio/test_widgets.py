"""The studio without a browser: every control is moved from Python, as the widgets of a page would."""

import io
import os
import statistics
import time
from dataclasses import replace

import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from networks import small
from PIL import Image
from torch import nn

from cgan_lib import UserError, generate, get_recipe, load_generator, pretrained
from cgan_lib.attributes import joint_names
from cgan_lib.classes import Classes
from cgan_lib.data import DIGITS
from cgan_lib.paths import short
from cgan_lib.sampling import latents
from cgan_lib.studio import controls
from cgan_lib.studio import widgets as module
from cgan_lib.studio.latent import Found, slider_directions
from cgan_lib.studio.view import View, combinations, enlarged, picture, walks
from cgan_lib.studio.widgets import FIRST_SEED, NO_TRUNCATION, NOTHING, SIDE, Model, Studio, explore, sources
from cgan_lib.weights import save_generator
from cgan_lib.weights.foreign import ForeignGenerator

CONTROLS = {"label": 8, "toward": 2, "t": 0.7, "truncation": 0.4, "rows": 3, "seed": 5}


@pytest.fixture
def pictures(monkeypatch) -> list[View]:
    """The view of every picture that is made, from now on."""
    views = []

    def recorded(generator, view, directions):
        views.append(view)
        return picture(generator, view, directions)

    monkeypatch.setattr(module, "picture", recorded)
    return views


def expected_picture(studio: Studio, name: str | None = None) -> bytes:
    generator = load_generator(name or studio.model.value)
    return enlarged(picture(generator, studio.view, slider_directions(generator)), SIDE)


# --- sliders and buttons


def test_a_studio_starts_in_the_middle_with_a_picture(studio):
    assert studio.view == View(label=3, toward=8, t=0, moves=(0, 0, 0, 0), seed=FIRST_SEED, truncation=None, count=1)
    assert studio.picture.value == expected_picture(studio)
    with Image.open(io.BytesIO(studio.picture.value)) as shown:
        assert shown.size == (SIDE, SIDE)
    assert studio.message.value == ""
    assert len(studio.pictures.children) == 1
    assert "one" in studio.caption.value


@pytest.mark.parametrize("control", [*CONTROLS, 0, 1, 2, 3])
def test_every_control_changes_the_picture_and_draws_it_once(studio, pictures, control):
    studio.t.value = 0.5  # so that the other class counts
    widget = getattr(studio, control) if control in CONTROLS else studio.moves[control]
    before, view = studio.picture.value, studio.view
    pictures.clear()
    widget.value = CONTROLS.get(control, -1.5)
    assert len(pictures) == 1
    assert studio.picture.value == expected_picture(studio) != before
    assert studio.view != view
    widget.value = CONTROLS.get(control, -1.5)  # once more
    assert len(pictures) == 1


def test_what_the_controls_say_is_the_view(studio):
    for control, value in CONTROLS.items():
        getattr(studio, control).value = value
    for number, move in enumerate(studio.moves):
        move.value = number - 1.5
    moves = (-1.5, -0.5, 0.5, 1.5)
    assert studio.view == View(label=8, toward=2, t=0.7, moves=moves, seed=5, truncation=0.4, count=9, start=None)
    studio.truncation.value = NO_TRUNCATION
    assert studio.view.truncation is None


def test_sliders_are_named_after_the_directions_in_their_order(studio):
    def expected():
        return [direction.label(number) for number, direction in enumerate(studio.directions, start=1)]

    names = [move.description for move in studio.moves]
    assert names == expected()
    assert [name[0] for name in names] == list("1234")
    studio.model.value = "two.safetensors"
    assert [move.description for move in studio.moves] == expected() != names


def test_another_takes_the_next_seed(studio, pictures):
    before = studio.picture.value
    studio.another.click()
    assert (studio.view.seed, len(pictures)) == (FIRST_SEED + 1, 1)
    assert studio.picture.value != before
    studio.another.click()
    assert studio.view.seed == FIRST_SEED + 2


def test_reset_goes_back_to_the_middle_and_draws_once_but_keeps_class_and_seed(studio, pictures):
    start = studio.picture.value
    for move in studio.moves:
        move.value = 2
    studio.t.value, studio.truncation.value, studio.rows.value = 1, 0.5, 4
    pictures.clear()
    studio.reset.click()
    assert len(pictures) == 1
    assert studio.picture.value == start
    assert studio.view == View(label=3, toward=8, moves=(0, 0, 0, 0), seed=FIRST_SEED)
    studio.label.value, studio.seed.value = 5, 7
    studio.reset.click()
    assert (studio.view.label, studio.view.seed) == (5, 7)


def test_a_studio_goes_to_what_was_found_and_draws_once(studio, pictures):
    z = latents(1, 6, seed=30)[0]
    studio.moves[1].value, studio.rows.value = 1.5, 2
    pictures.clear()
    (image,) = generate(studio.generator, [6], z=z[None])
    studio.go_to(Found(z, 6, image, 0.0))
    assert len(pictures) == 1
    assert torch.equal(studio.view.start, z)
    assert (studio.view.label, studio.view.moves, studio.view.count) == (6, (0, 0, 0, 0), 1)
    assert studio.picture.value == expected_picture(studio)


def test_a_start_is_used_until_the_seed_changes():
    z = latents(1, 6, seed=12)[0]
    studio = explore(small(), z=z)
    first = studio.picture.value
    assert torch.equal(studio.view.start, z)
    assert first == enlarged(picture(small(), View(3, start=z), []), SIDE)
    studio.label.value = 4
    studio.reset.click()
    studio.label.value = 3
    assert studio.picture.value == first
    studio.another.click()
    studio.seed.value = 0
    assert studio.view.start is None
    assert studio.picture.value == enlarged(picture(small(), View(3), []), SIDE)


def test_a_picture_follows_a_slider_without_a_wait():
    """CPU time, on one thread: what else this machine does must not count."""
    studio = explore("relativistic")
    times = []
    for number in range(20):
        started = time.process_time()
        studio.moves[0].value = -2 + 0.2 * number
        times.append(time.process_time() - started)
    assert statistics.median(times) < 0.2  # twenty times what it takes


# --- models


def test_another_model_draws_the_same_view(studio, pictures):
    studio.moves[0].value = 1.0
    before, view = studio.picture.value, studio.view
    pictures.clear()
    studio.model.value = "two.safetensors"
    assert pictures == [view]
    assert studio.picture.value == expected_picture(studio, "two.safetensors") != before
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


def test_a_second_model_stands_beside_the_first_and_follows_too(studio, pictures):
    width = studio.picture.side
    studio.beside.value = "two.safetensors"
    assert len(pictures) == 2
    assert len(studio.pictures.children) == 2
    assert "two" in studio.other_caption.value
    assert studio.picture.side == studio.other.side < width
    before = studio.picture.value, studio.other.value
    studio.moves[2].value = 2.0
    for name, shown, old in zip(("one", "two"), (studio.picture, studio.other), before, strict=True):
        assert shown.value == expected_picture(studio, f"{name}.safetensors") != old  # each along its own directions
    studio.beside.value = NOTHING
    pictures.clear()
    studio.label.value = 0
    assert len(pictures) == len(studio.pictures.children) == 1
    assert studio.picture.side == width


def test_with_a_second_model_a_slider_says_what_it_does_to_the_one_and_to_the_other():
    studio = explore("relativistic")
    studio.beside.value = "bce"
    names = zip(*([direction.name for direction in model.directions] for model, _ in studio.shown), strict=True)
    for number, (move, (one, other)) in enumerate(zip(studio.moves, names, strict=True), start=1):
        assert move.description == (f"{number} · {one}" if one == other else f"{number} · {one} | {other}")
    assert studio.moves[0].description == "1 · leaning right"
    studio.beside.value = NOTHING
    assert studio.moves[1].description == studio.directions[1].label(2)


def test_a_second_model_may_have_latents_of_another_length(studio):
    studio.start = latents(1, 6, seed=30)[0]
    studio.beside.value = "long.safetensors"
    assert studio.message.value == ""
    assert torch.equal(studio.view.start, studio.start)
    long = load_generator("long.safetensors")
    beginning = replace(studio.view, start=None)  # one of its own length
    assert studio.other.value == enlarged(picture(long, beginning, slider_directions(long)), SIDE)


def test_a_second_model_with_fewer_classes_gets_a_message_until_the_class_is_one_of_them(studio):
    studio.beside.value = "few.safetensors"
    assert "label 8 is no class: use 0 to 3" in studio.message.value
    studio.toward.value = 1
    assert studio.message.value == ""
    studio.label.value = 7
    assert "label 7 is no class" in studio.message.value


def test_a_model_offers_its_own_classes(studio):
    studio.label.value = 9
    studio.model.value = "few.safetensors"
    assert studio.message.value == ""
    assert [label for _, label in studio.label.options] == [label for _, label in studio.toward.options] == [0, 1, 2, 3]
    assert studio.label.value == 3  # the nearest to what was chosen
    assert studio.picture.value == expected_picture(studio)
    studio.model.value = "one.safetensors"
    assert len(studio.label.options) == 10
    assert studio.label.value == 3


def test_buttons_are_as_wide_as_the_longest_name_but_not_wider_than_a_page():
    named = [[("a", 0), ("w" * letters, 1)] for letters in (1, 10, 100)]
    buttons = [controls.Choice("class", options).children[0] for options in named]
    widths = [float(one.style.button_width.removesuffix("em")) for one in buttons]
    assert 2 < widths[0] < 8 <= widths[1] < widths[2] < 20


def test_classes_have_their_names(home):
    generator = small(num_classes=4)
    generator.class_names = ("coat", "bag", "shirt", "boot")
    for source in (generator, save_generator(generator, home / "clothes.safetensors")):
        studio = explore(source, label=2)
        assert studio.label.options[3] == studio.toward.options[3] == ("boot", 3)
        assert (studio.label.value, studio.toward.value) == (2, 3)


@pytest.mark.parametrize("other", ["long", "short"])
def test_latents_of_another_length_do_not_break_the_choice_of_a_model(shelf, other):
    studio = Studio(Model(shelf[0], load_generator(shelf[0])), shelf, z=latents(1, 6)[0])
    for name in (f"{other}.safetensors", "one.safetensors"):
        studio.model.value = name
        studio.label.value, studio.moves[0].value = 7, 1.0
        assert studio.message.value == ""
        assert studio.picture.value == expected_picture(studio)
        hidden = [move.layout.display == "none" for move in studio.moves]
        assert hidden == [False, False, False, name == "short.safetensors"]  # three numbers, three directions


@pytest.mark.parametrize("chooser", ["model", "beside"])
def test_a_model_that_cannot_be_read_gets_a_message_and_the_last_one_goes_on(studio, chooser):
    before = studio.picture.value
    getattr(studio, chooser).value = "damaged.safetensors"
    assert "damaged.safetensors" in studio.message.value
    assert studio.picture.value == before
    studio.label.value = 7
    assert "damaged.safetensors" in studio.message.value
    assert studio.picture.value == expected_picture(studio, "one.safetensors")
    assert studio._repr_mimebundle_()["image/png"].startswith(b"\x89PNG")
    getattr(studio, chooser).value = "one.safetensors"
    assert studio.message.value == ""


# --- explore


def test_sources_are_the_runs_newest_first_and_then_what_is_shipped(home):
    assert sources() == pretrained()
    ages = {"logs/mnist/bce/demo": 3, "logs/digits/bce/demo": 1, "logs/mnist/dropout/full": 2}
    for run in ages:
        (home / run / "checkpoints").mkdir(parents=True)
        for step in (10, 20):  # one run all the same
            (home / run / "checkpoints" / f"step_{step:08d}.pt").touch()
    for run, age in ages.items():
        os.utime(home / run, (1e9 - age, 1e9 - age))
    (home / "logs/mnist/empty/demo/checkpoints").mkdir(parents=True)  # it has not saved anything yet
    assert sources() == ["logs/digits/bce/demo", "logs/mnist/dropout/full", "logs/mnist/bce/demo", *pretrained()]
    assert explore().model.value == "relativistic"  # none of them can be read


def test_the_best_that_is_shipped_is_shown_first_and_your_runs_are_offered_beside_it(finished):
    studio = explore()
    assert studio.model.value == "relativistic"
    others = [name for name in pretrained() if name != "relativistic"]
    assert studio.model.options == ("relativistic", short(finished.folder), *others)
    assert studio.beside.options == (NOTHING, *studio.model.options)
    studio.model.value = short(finished.folder)
    assert torch.equal(generate(studio.generator, [3]), generate(finished.generator, [3]))


def test_a_network_a_file_or_a_name_can_be_explored(home, shelf):
    network = small().train()
    studio = explore(network, label=1)
    assert studio.model.value == "this BCEGenerator"
    assert studio.model.options == ("this BCEGenerator", *pretrained())
    assert studio.view.label == 1
    assert network.training
    for source in (shelf[0], home / shelf[0]):
        assert explore(source, label=1).picture.value == studio.picture.value


@pytest.mark.parametrize("label", [-1, 4])
def test_a_label_that_is_no_class_is_an_error(label):
    with pytest.raises(UserError, match=f"label {label} is no class: use 0 to 3"):
        explore(small(num_classes=4), label=label)


@pytest.mark.parametrize("shape", [(5,), (1, 6), ()], ids=str)
def test_a_start_of_another_shape_is_an_error(shape):
    with pytest.raises(UserError, match=r"z must be \(6,\), got"):
        explore(small(), z=torch.zeros(shape))


def test_what_is_no_generator_is_an_error():
    with pytest.raises(UserError, match="there is no weight file"):
        explore("logs/mnist/bce/never")


@pytest.mark.parametrize("version", [7, 8])
def test_a_notebook_keeps_a_picture_of_the_view_beside_the_widget(studio, monkeypatch, version):
    """ipywidgets 8 is shown by a bundle, 7 (on Colab) shows itself: both ways lead to the same bundle."""
    calls, shown = [], []
    original = module.strip
    monkeypatch.setattr(module, "strip", lambda *arguments: (calls.append(arguments), original(*arguments))[1])
    monkeypatch.setattr(controls, "display", lambda bundle, raw: shown.append(bundle))
    if version == 7:
        monkeypatch.delattr(controls.widgets.Widget, "_repr_mimebundle_")
    studio.label.value, studio.model.value = 5, "two.safetensors"
    nothing, _ = DisplayFormatter().format(studio)  # as a notebook asks for it
    bundle = shown[0] if version == 7 else nothing
    assert bool(shown) == (nothing == {}) == (version == 7)
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == studio.model_id
    assert bundle["text/plain"] == "Studio(two.safetensors)"
    with Image.open(io.BytesIO(bundle["image/png"])) as picture:
        assert picture.width > 400
    ((generator, view, directions, name),) = calls
    assert torch.equal(generate(generator, [1]), generate(load_generator("two.safetensors"), [1]))
    assert (view, directions, name) == (studio.view, studio.directions, "two.safetensors")


def test_a_picture_is_described_by_what_the_controls_say(studio):
    assert studio.picture.alt == "image of 3, drawn by one.safetensors"
    studio.t.value, studio.rows.value = 0.4, 3
    assert studio.picture.alt == "9 images of 3 on its way to 8, 40%, drawn by one.safetensors"


# --- attributes, and many classes


@pytest.fixture
def coloured():
    """A generator of ten digits in three colours."""
    names = {"digit": DIGITS, "colour": ("red", "green", "blue")}
    torch.manual_seed(0)
    generator = get_recipe("bce", image_size=16, base_channels=8).build(30, 3, (10, 3))[0].eval()
    generator.draws("coloured_digits", joint_names(names), names)
    return generator


def test_each_attribute_has_a_control_of_its_own(coloured, pictures):
    studio = explore(coloured, label="7,red")
    digit, colour = studio.label.choices
    assert [choice.children[0].description for choice in studio.label.choices] == ["class digit", "class colour"]
    assert dict(colour.options) == {"red": 0, "green": 1, "blue": 2}
    assert (studio.view.label, digit.value, colour.value) == (21, 7, 0)
    pictures.clear()
    colour.children[0].value = 2  # as a click does
    digit.children[0].value = 4
    assert [view.label for view in pictures] == [23, 14]
    studio.label.value = 3
    assert (digit.value, colour.value) == (1, 0)
    assert len(pictures) == 3
    studio.toward.choices[0].value, studio.t.value = 9, 0.5
    assert studio.view.toward == 27 + studio.toward.value % 3
    assert studio.picture.alt.startswith(
        f"image of 1 red on its way to {coloured.class_names[studio.view.toward]}, 50%"
    )


def test_every_combination_is_a_table_of_one_latent(coloured, pictures):
    studio = explore(coloured, label=21)
    studio.every.value = True
    view = pictures[-1]
    assert view.table == tuple(tuple(3 * digit + colour for digit in range(10)) for colour in range(3))
    z, weights = view.inputs(coloured.config)
    assert len(z.unique(dim=0)) == 1
    assert weights.argmax(1).tolist() == [label for row in view.table for label in row]
    assert "3 × 10 classes, from 0 red to 9 blue" in studio.picture.alt
    assert studio.every.description == "every combination (across: digit, down: colour)"
    assert studio.picture.side > SIDE
    studio.reset.click()
    assert studio.view.table == ()
    assert studio.picture.side == SIDE
    assert explore(small()).every.layout.display == "none"


def test_a_table_of_many_values_shows_ten_around_the_chosen_one():
    classes = Classes([*map(str, range(480))], {"a": [*map(str, range(40))], "b": "xyzw", "c": "uvw"})
    table, said = combinations(38 * 12 + 5, classes)  # 38, y, w
    assert said == "across: a, down: b"
    assert [len(row) for row in table] == [10] * 4
    assert {classes.values(label)[2] for row in table for label in row} == {"w"}
    assert [classes.values(label)[0] for label in table[0]] == [*map(str, range(30, 40))]
    assert [classes.values(row[0])[1] for row in table] == [*"xyzw"]


def test_many_classes_or_long_names_are_a_list_to_choose_from():
    kinds = {count: small(num_classes=count) for count in (2, 12, 47, 1000)}
    shown = {count: type(explore(one).label.choices[0].children[0]).__name__ for count, one in kinds.items()}
    assert shown == {2: "ToggleButtons", 12: "ToggleButtons", 47: "Dropdown", 1000: "Dropdown"}
    kinds[2].class_names = ("x" * 100, "y" * 100)
    assert isinstance(explore(kinds[2]).label.choices[0].children[0], controls.widgets.Dropdown)


def test_a_model_beside_another_draws_the_class_of_the_same_name(home, pictures):
    few, all_digits = small(num_classes=3), small()
    few.class_names = ("3", "7", "9")
    save_generator(all_digits, home / "digits.safetensors")
    studio = Studio(Model("few", few), ["digits.safetensors"], label=1)
    studio.beside.value = "digits.safetensors"
    assert [view.label for view in pictures[-2:]] == [1, 7]
    assert "image of 7," in studio.picture.alt
    assert "image of 7," in studio.other.alt
    studio.model.value = "digits.safetensors"
    assert studio.label.value == 7


def test_the_picture_that_stands_in_names_classes_and_shows_each_attribute(coloured):
    view = View(21, toward=11)
    images, names = walks(coloured, view, [])
    assert names == ["7 red becomes 3 blue", "digit: 0 … 9", "colour: red … blue"]
    rows = images.unflatten(0, (3, -1))
    z, _ = view.inputs(coloured.config)
    assert torch.equal(rows[2, [0, 4, 8]], generate(coloured, [21, 22, 23], z=z.expand(3, -1)))
    assert torch.equal(rows[1, [0, 8]], generate(coloured, [0, 27], z=z.expand(2, -1)))
    with Image.open(io.BytesIO(explore(coloured).strip())) as picture:
        assert picture.width > 400


class OneAtATime(nn.Module):
    """A network that takes labels alone, not class weights, and has no layer whose directions could be found."""

    def forward(self, z, labels):
        images = z.repeat(1, 24).view(-1, 1, 12, 12) + labels[:, None, None, None]
        return torch.tanh(images) if not labels.is_floating_point() else None


def test_what_cannot_mix_classes_has_no_slider_for_it_and_still_a_strip():
    studio = explore(ForeignGenerator(OneAtATime(), 6, 3), label=1)
    assert {control.layout.display for control in (studio.toward, studio.t, *studio.moves)} == {"none"}
    studio.t.value = 0.5
    assert studio.message.value == ""
    assert Image.open(io.BytesIO(studio.strip())).size[0] > 100
