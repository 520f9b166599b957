"""Classes of several attributes: digit and colour, each learned for itself; a combination nobody saw is drawn."""

import json

import pytest
import torch
import torch.nn.functional as F

from cgan_lib import RECIPES, UserError, generate, get_recipe, load_data, load_generator
from cgan_lib.attributes import join_labels, joint_names, split_labels
from cgan_lib.data import ImageData, batches, check_classes
from cgan_lib.data.made import COLOURS, HELD_OUT
from cgan_lib.evaluation.classifier import (
    Classifier,
    accuracy,
    load_for_reading,
    open_classifier,
    save_classifier,
    train_classifier,
)
from cgan_lib.evaluation.samples import generate_like
from cgan_lib.models import MODELS
from cgan_lib.models.limits import check_attributes
from cgan_lib.sampling import check_labels, real_grid
from cgan_lib.training import Trainer
from cgan_lib.weights import save_generator

SIZES = (10, 3)
RED_7 = 21
EACH = sorted(MODELS)


def build(model, size=16):
    recipe = next(recipe for recipe in RECIPES.values() if recipe.model == model)
    recipe = recipe.replace(image_size=size, latent_dim=100, base_channels=16, base_channels_d=8)
    return recipe.build(30, 3, SIZES)


@pytest.fixture(scope="module")
def coloured():
    """Coloured digits, made of the embedded ones."""
    from cgan_lib.data.made import coloured_digits

    return coloured_digits(lambda train: load_data("digits", train=train, image_size=16), True)


# --- numbers


def test_classes_and_attributes_are_two_ways_to_say_the_same():
    labels = torch.arange(30)
    parts = split_labels(labels, SIZES)
    assert parts[RED_7].tolist() == [7, 0]
    assert parts[:4].tolist() == [[0, 0], [0, 1], [0, 2], [1, 0]]
    assert torch.equal(join_labels(parts, SIZES), labels)
    three = torch.arange(24)
    assert torch.equal(join_labels(split_labels(three, (2, 3, 4)), (2, 3, 4)), three)


def test_names_are_in_the_order_of_the_classes():
    assert joint_names({"digit": ("0", "1"), "colour": ("red", "green")}) == ("0 red", "0 green", "1 red", "1 green")


def test_labels_may_be_rows_of_attributes():
    assert check_labels([[7, 0], [3, 2]], 30, SIZES).tolist() == [RED_7, 11]
    with pytest.raises(UserError, match="label 3 is no class: use 0 to 2"):
        check_labels([[7, 3]], 30, SIZES)
    with pytest.raises(UserError, match="labels"):
        check_labels([[7, 0, 0]], 30, SIZES)
    with pytest.raises(UserError, match="labels"):
        check_labels([[7, 0]], 30)  # a generator of plain classes


# --- networks


@pytest.mark.parametrize("model", EACH)
def test_a_class_may_be_asked_for_in_three_ways(model):
    generator, discriminator = (network.eval() for network in build(model))
    z, rows, labels = torch.randn(2, 100), torch.tensor([[7, 0], [3, 2]]), torch.tensor([RED_7, 11])
    with torch.no_grad():
        expected = generator(z, labels)
        assert torch.equal(generator(z, rows), expected)
        assert torch.allclose(generator(z, F.one_hot(labels, 30).float()), expected, atol=1e-5)
        assert torch.equal(discriminator(expected, rows), discriminator(expected, labels))
    assert torch.equal(generate(generator, rows, z=z), generate(generator, labels, z=z))


@pytest.mark.parametrize("model", EACH)
def test_the_vectors_of_the_attributes_are_added(model):
    generator, _ = build(model)
    (embedding,) = [layer for layer in generator.modules() if getattr(layer, "compositional", False)]
    vectors = embedding(torch.arange(30)).view(10, 3, -1)  # (digit, colour, embed_dim)
    assert len(embedding.weight) == 13
    from_another = vectors[7, 1] + vectors[2, 0] - vectors[2, 1]  # a green 7, and what makes a 2 red instead of green
    assert torch.allclose(vectors[7, 0], from_another, atol=1e-5)


@pytest.mark.parametrize("model", EACH)
def test_attributes_are_read_off_a_file_of_weights(model, tmp_path):
    generator, _ = build(model)
    assert type(generator).infer_config(generator.state_dict()) == generator.config
    assert generator.config["attributes"] == [10, 3]
    generator.draws("coloured_digits", joint_names({"d": "0123456789", "c": "rgb"}), {"d": "0123456789", "c": "rgb"})
    save_generator(generator, tmp_path / "g.safetensors")
    loaded = load_generator(tmp_path / "g.safetensors")
    assert loaded.attribute_names == {"d": list("0123456789"), "c": ["r", "g", "b"]}
    assert loaded.class_names[RED_7] == "7 r"
    z = torch.randn(2, 100)
    assert torch.equal(generate(loaded, [[7, 0], [0, 1]], z=z), generate(generator, [[7, 0], [0, 1]], z=z))


@pytest.mark.parametrize("attributes", [(10, 4), (30,), (30, 1), (2.0, 15), ("a", "b")])
def test_attributes_must_make_the_classes(attributes):
    with pytest.raises((UserError, TypeError), match=r"attributes|int"):
        get_recipe("bce").build(30, 1, attributes)


@pytest.mark.parametrize("said", [None, 3, {"d": "0123456789"}, {"d": [1], "c": [2]}, ["d"]])
def test_what_a_file_says_wrongly_of_attributes_is_not_taken_over(said):
    generator, _ = build("bce")
    generator.draws("x", None, said)
    assert generator.attribute_names == {}
    json.dumps(generator.describe())


# --- data


def test_coloured_digits_have_the_colour_that_they_say(coloured):
    assert coloured.class_names[RED_7] == "7 red"
    assert list(coloured.attributes) == ["digit", "colour"]
    colours = split_labels(coloured.labels, SIZES)[:, 1]
    for number in range(len(COLOURS)):
        brightest = coloured.images[colours == number].float().amax((2, 3)).mean(0)  # (3,)
        assert brightest.argmax() == number


def test_no_red_7_is_trained_with_and_the_test_images_have_some():
    digit, colour = HELD_OUT
    held_out = 3 * digit + list(COLOURS).index(colour)
    train, test = (load_data("coloured_digits", train=train, image_size=8) for train in (True, False))
    assert held_out == RED_7
    assert not (train.labels == held_out).any()
    assert (test.labels == held_out).any()
    assert (train.labels.bincount(minlength=30) > 0).sum() == 29


def test_every_value_must_be_there_but_not_every_combination(coloured):
    check_classes(coloured)
    without = coloured.take(torch.where(split_labels(coloured.labels, SIZES)[:, 0] != 4)[0])
    with pytest.raises(UserError, match=r"class 4 \(4\) of coloured_digits has 0 images"):
        check_classes(without)


def test_the_row_of_a_combination_without_images_stays_black(coloured):
    grid = real_grid(coloured).view(30, 10, 3, 16, 16)
    assert not grid[RED_7].any()
    assert all(grid[label].any() for label in range(30) if label != RED_7)


def test_names_must_be_those_of_the_attributes(coloured):
    with pytest.raises(UserError, match="joint_names"):
        ImageData("x", coloured.images, coloured.labels, tuple(map(str, range(30))), coloured.attributes)


# --- training and measuring


def test_fakes_are_asked_for_in_combinations_that_there_are(coloured, monkeypatch):
    recipe = get_recipe("bce", image_size=16, base_channels=8, base_channels_d=8, batch_size=64)
    trainer = Trainer(recipe, coloured, "cpu")
    asked = []
    forward = trainer.generator.forward
    monkeypatch.setattr(trainer.generator, "forward", lambda z, labels: (asked.append(labels), forward(z, labels))[1])
    trainer.fit(20)
    seen = torch.cat(asked).unique()
    assert RED_7 not in seen
    assert len(seen) == 29


def test_what_measures_has_seen_what_was_kept_back(monkeypatch):
    monkeypatch.setattr("cgan_lib.evaluation.classifier.LEAST_STEPS", 300)
    complete, without = load_for_reading("coloured_digits", 16), load_data("coloured_digits", image_size=16)
    assert len(complete) - len(without) == (complete.labels == RED_7).sum() > 0
    network = train_classifier(complete)
    test = load_data("coloured_digits", train=False, image_size=16)
    red_7s = test.take(test.labels == RED_7)
    assert accuracy(network, red_7s) > 80


def test_gan_train_learns_attributes_from_fakes_as_from_reals(coloured):
    generator = build("bce")[0]
    fakes = generate_like(generator, coloured, 60)
    assert fakes.attributes == coloured.attributes


def test_the_classifier_of_attributes_survives_its_file(tmp_path):
    network = Classifier(30, 3, 32, SIZES).eval()
    save_classifier(network, tmp_path / "c.safetensors")
    images = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(
            *(each.logits(each(images)) for each in (network, open_classifier(tmp_path / "c.safetensors")))
        )


def test_the_scores_of_classes_add_up_those_of_attributes():
    network = Classifier(30, 3, attributes=SIZES)
    scores = network.logits(torch.randn(5, 128)).view(5, 10, 3)
    assert torch.allclose(scores[:, 7, 0] - scores[:, 7, 1], scores[:, 2, 0] - scores[:, 2, 1], atol=1e-5)


def test_balanced_batches_of_combinations_show_no_image_for_one_that_has_none(coloured):
    held_out = next(label for label in range(coloured.num_classes) if not (coloured.labels == label).any())
    drawn = [labels for (_, labels), _ in zip(batches(coloured, 30, 0, balanced=True), range(200), strict=False)]
    counts = torch.cat(drawn).bincount(minlength=coloured.num_classes)
    assert counts[held_out] == 0
    assert counts[held_out + 1] < 1.4 * counts.float().mean()  # it does not stand in for the one before it


@pytest.mark.parametrize("attributes", [5, "ab", {"digit": 10}])
def test_attributes_that_are_no_list_are_a_line(attributes):
    with pytest.raises(UserError, match="attributes"):
        check_attributes(attributes, 30)
