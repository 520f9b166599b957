"""The classifier: shipped or trained once, which one belongs to which data, and what it does to images."""

import copy
from importlib import import_module

import pytest
import torch
from test_data import idx, write_files
from torch import nn

from cgan_lib import evaluate, load_data
from cgan_lib.data import ImageData
from cgan_lib.evaluation import Classifier, has_classifier, load_classifier, quick_scores
from cgan_lib.evaluation.classifier import (
    accuracy,
    classifier_file,
    fingerprint,
    open_classifier,
    read,
    save_classifier,
    train_classifier,
)

MODULE = import_module("cgan_lib.evaluation.classifier")
DIGITS = tuple("0123456789")


@pytest.mark.parametrize(("dataset", "least"), [("digits", 99), ("mnist", 60)])  # the digits are not those of MNIST
def test_a_shipped_classifier_is_there_at_once_and_reads(home, dataset, least, unseen, capsys):
    network = load_classifier(dataset)
    assert not network.training
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert accuracy(network, unseen) >= least
    assert capsys.readouterr().out == ""
    assert list(home.iterdir()) == []


def test_an_image_is_right_when_its_label_has_the_highest_logit():
    network = Classifier().eval()
    images = torch.randint(256, (700, 1, 28, 28), dtype=torch.uint8)  # more than are read at once
    labels = torch.arange(700) % 10
    features, logits = read(network, images)
    with torch.no_grad():
        expected = network(images.float() / 127.5 - 1)
        torch.testing.assert_close(logits, network.logits(expected), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(features, expected, atol=1e-4, rtol=1e-4)
    right = sum(int(row.argmax()) == label for row, label in zip(logits, labels.tolist(), strict=True))
    assert accuracy(network, ImageData("random", images, labels, DIGITS)) == pytest.approx(right / 7)


def test_three_features_of_ten_are_dropped_in_training_and_none_in_evaluation():
    network, x = Classifier(), torch.rand(64, 1, 28, 28) * 2 - 1
    zeros = []
    (last,) = (layer for layer in network.backbone if isinstance(layer, nn.Linear))
    last.register_forward_pre_hook(lambda _, args: zeros.append((args[0] == 0).float().mean().item()))
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.constant_(layer.bias, 10.0)  # hardly a feature is 0 by itself
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))
    assert zeros[:2] == pytest.approx([0.3, 0.3], abs=0.01)
    assert max(zeros[2:]) < 0.1


def test_large_images_are_made_smaller_without_aliasing():
    stripes = torch.full((1, 1, 84, 84), -1.0)
    stripes[..., 1::3] = 1  # a third of the columns, and just those that would be met at every third place
    grey, network = torch.full((1, 1, 28, 28), -1 / 3), load_classifier("digits")
    with torch.inference_mode():
        torch.testing.assert_close(network(stripes), network(grey), atol=0.2, rtol=0.02)


def test_a_classifier_is_named_by_its_weights():
    network = load_classifier("digits")
    name = fingerprint(network)
    assert len(name) == 12
    assert int(name, 16)
    assert fingerprint(load_classifier("digits").train()) == name
    assert fingerprint(load_classifier("mnist")) != name
    with torch.no_grad():
        network.logits.bias[0] += 1e-4
    changed = fingerprint(network)
    network.backbone[1].running_mean[0] += 1e-4
    assert len({name, changed, fingerprint(network)}) == 3


# --- which one belongs to which data


def write_digits_as_fashion(folder, train=1500, test=297, change=lambda labels: labels):
    """The embedded digits in the files of Fashion-MNIST."""
    for part, count in (("train", train), ("t10k", test)):
        data = load_data("digits", train=part == "train")
        files = {
            f"{part}-images-idx3-ubyte": idx(data.images[:count, 0].numpy()),
            f"{part}-labels-idx1-ubyte": idx(change(data.labels[:count]).numpy()),
        }
        write_files(folder / "data", "FashionMNIST", files)


def test_a_classifier_is_trained_once_and_kept(home, train_for, monkeypatch, capsys, unseen):
    train_for(0, 60)
    write_digits_as_fashion(home)
    assert not has_classifier("fashion_mnist")
    network = load_classifier("fashion_mnist")
    assert "Training a classifier of fashion_mnist, once" in capsys.readouterr().out
    assert accuracy(network, unseen) > 85
    name = f"fashion_mnist-{load_data('fashion_mnist').fingerprint}.safetensors"
    assert [path.name for path in (home / "data" / "classifiers").iterdir()] == [name]
    assert has_classifier("fashion_mnist")
    again = load_classifier("fashion_mnist")
    assert capsys.readouterr().out == ""
    assert not again.training
    assert fingerprint(again) == fingerprint(network)


def test_when_the_data_change_so_does_everything_that_was_derived_from_them(home, train_for, generator, capsys):
    train_for(0, 2)

    def measure():
        return evaluate(generator, "fashion_mnist", count=200), quick_scores(generator, "fashion_mnist", 200)

    write_digits_as_fashion(home, test=150)
    before, quick_before = measure()
    write_digits_as_fashion(home, train=1499, test=120, change=lambda labels: (labels + 1) % 10)
    after, quick_after = measure()
    assert (before.real_count, after.real_count) == (150, 120)
    assert before.classifier != after.classifier
    assert before.fid != after.fid
    assert before.real.fid != after.real.fid
    assert quick_before["fid"] != quick_after["fid"]
    assert capsys.readouterr().out.count("Training a classifier") == 2
    write_digits_as_fashion(home, test=150)
    assert measure() == (before, quick_before)
    assert capsys.readouterr().out == ""


def test_the_shipped_classifier_serves_images_of_its_name_that_it_can_read(home, train_for, digits):
    train_for(0, 2)
    shipped = classifier_file(digits)
    assert shipped == MODULE.SHIPPED / "digits.safetensors"
    fewer = digits.take(slice(100))
    assert classifier_file(fewer) == shipped
    others = ImageData("digits", 255 - fewer.images.flip(2), fewer.labels, DIGITS)
    more_classes = ImageData("digits", fewer.images, fewer.labels, (*DIGITS, "none"))
    in_colour = ImageData("digits", fewer.images.expand(-1, 3, -1, -1), fewer.labels, DIGITS)
    for data in (others, more_classes, in_colour):
        assert classifier_file(data).parent == home / "data" / "classifiers"
    network = open_classifier(classifier_file(more_classes))
    assert network.logits.out_features == 11


def test_a_classifier_of_the_stand_in_digits_is_not_kept_as_that_of_mnist(home, train_for, monkeypatch):
    train_for(0, 1)
    monkeypatch.setattr(MODULE, "SHIPPED", home / "nowhere")
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", [])
    with pytest.warns(UserWarning, match="Using the embedded"):
        load_classifier("mnist")
    assert [path.name.split("-")[0] for path in (home / "data" / "classifiers").iterdir()] == ["digits"]


# --- files and training


@pytest.mark.parametrize(("classes", "channels"), [(4, 3), (10, 1)])
def test_a_kept_classifier_is_the_same_and_half_precision_reads_nearly_so(tmp_path, classes, channels):
    full, half = tmp_path / "full.safetensors", tmp_path / "half.safetensors"
    network = Classifier(classes, channels).eval()
    save_classifier(network, full)
    save_classifier(network, half, half=True)
    assert half.stat().st_size == pytest.approx(full.stat().st_size / 2, rel=0.05)
    same, halved = open_classifier(full), open_classifier(half)
    assert {parameter.dtype for parameter in halved.parameters()} == {torch.float32}
    x = torch.rand(2, channels, 40, 40) * 2 - 1
    assert torch.equal(same.logits(same(x)), network.logits(network(x)))
    torch.testing.assert_close(halved(x), network(x), atol=5e-3, rtol=1e-2)


def test_training_a_classifier_is_a_function_of_the_seed_and_moves_no_random_state(train_for, digits):
    train_for(0, 1)
    state = torch.random.get_rng_state()
    one, same, other = (fingerprint(train_classifier(digits, seed)) for seed in (1, 1, 2))
    assert one == same != other
    load_classifier("digits")
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_classifier_is_trained_on_images_moved_by_up_to_two_pixels(train_for, monkeypatch):
    train_for(0, 100)
    places = set()

    class Watched(Classifier):
        def forward(self, x):
            places.update(map(tuple, (x[:, 0] > 0).nonzero()[:, 1:].tolist()))
            return super().forward(x)

    monkeypatch.setattr(MODULE, "Classifier", Watched)
    dot = torch.zeros(40, 1, 28, 28, dtype=torch.uint8)
    dot[:, :, 10, 20] = 255
    train_classifier(ImageData("dot", dot, torch.arange(40) % 10, DIGITS))
    rows, columns = (set(places_on_axis) for places_on_axis in zip(*places, strict=True))
    assert (rows, columns) == ({8, 9, 10, 11, 12}, {18, 19, 20, 21, 22})


@pytest.mark.parametrize(("percents", "best"), [([20, 60, 40], 1), ([20, 60, 60], 2), ([70, 60, 40], 0)])
def test_the_epoch_that_reads_most_held_out_images_right_is_kept(
    train_for, monkeypatch, digits, unseen, percents, best
):
    train_for(3, 60)
    states = []

    def examine(network, data):
        assert data is unseen
        assert not network.training
        states.append(copy.deepcopy(network.state_dict()))
        return percents[len(states) - 1]

    monkeypatch.setattr(MODULE, "accuracy", examine)
    network = train_classifier(digits.take(slice(40)), held_out=unseen)
    steps = [int(state["backbone.1.num_batches_tracked"]) for state in states]
    assert steps == [40, 80, 120]  # it went on training after each examination
    assert not network.training
    assert all(torch.equal(value, states[best][name]) for name, value in network.state_dict().items())
    assert not torch.equal(states[0]["logits.weight"], states[1]["logits.weight"])
