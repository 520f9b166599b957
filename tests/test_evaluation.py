"""Scores tell right from wrong and many from few: seen on generators whose faults are known."""

from importlib import import_module

import pytest
import torch
from torch import nn

from cgan_lib import UserError, evaluate, load
from cgan_lib.data import ImageData, to_unit
from cgan_lib.evaluation import Classifier, Scores, classifier
from cgan_lib.evaluation.classifier import save_classifier, train_classifier
from cgan_lib.evaluation.scores import _reference, read, spread
from cgan_lib.models import MODELS
from cgan_lib.recipes import SAMPLES

MODULE = import_module("cgan_lib.evaluation.classifier")  # the package gives this name to the function


@pytest.fixture(scope="session")
def kept(tmp_path_factory):
    """The folder where a classifier of the digits was kept when it was first asked for, and that classifier."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CGAN_HOME", str(tmp_path_factory.mktemp("classifier")))
        for name, value in dict(BATCH=32, EPOCHS=0, LEAST_STEPS=120).items():  # right on 99%, in a few seconds
            patch.setattr(MODULE, name, value)
        return MODULE.home() / "data" / "classifiers", classifier("digits")


@pytest.fixture
def judge(kept, home):
    """The classifier of the digits, kept in this test's home."""
    folder, network = kept
    (home / "data").mkdir()
    (home / "data" / "classifiers").symlink_to(folder)
    _reference.cache_clear()
    yield network
    _reference.cache_clear()


@pytest.fixture(scope="module")
def test_data():
    return load("digits", train=False)


class Drawn(nn.Module):
    """Stands where a generator would: `draw(labels)` gives its images, uint8 (N,1,H,W)."""

    def __init__(self, draw, num_classes=10):
        super().__init__()
        self.draw, self.config = draw, dict(num_classes=num_classes, latent_dim=1)
        self.anchor = nn.Parameter(torch.zeros(()))

    def forward(self, z, labels):
        return to_unit(self.draw(labels))


def real_images(data, labels):
    """For each label a real image of it, the next one whenever it is asked for again."""
    turns = [(labels[:n] == label).sum() for n, label in enumerate(labels)]
    members = [data.images[data.labels == label] for label in range(10)]
    return torch.stack([members[label][turn % len(members[label])] for label, turn in zip(labels, turns, strict=True)])


# --- scores


def test_real_images_score_what_real_images_are_worth(judge, test_data):
    scores = evaluate(Drawn(lambda labels: real_images(test_data, labels)), "digits")
    assert scores.count == SAMPLES["ci"] == 200
    _, right = read(judge, test_data.images, test_data.labels)
    assert scores.real == pytest.approx(100 * right.mean().item())
    assert scores.real > 95
    assert scores.as_requested == pytest.approx(scores.real, abs=2)
    assert scores.worst_class > 85
    assert scores.diversity == pytest.approx(1, abs=0.05)
    assert scores.least_diverse == pytest.approx(1, abs=0.2)
    assert scores.least_diverse <= scores.diversity


def test_one_image_a_class_over_and_over_is_as_requested_and_not_diverse(judge, test_data):
    _, right = read(judge, test_data.images, test_data.labels)
    chosen = torch.stack([test_data.images[(test_data.labels == k) & (right == 1)][0] for k in range(10)])
    scores = evaluate(Drawn(lambda labels: chosen[labels]), "digits")
    assert (scores.as_requested, scores.worst_class) == (100, 100)
    assert scores.diversity == pytest.approx(0, abs=1e-4)


def test_another_class_than_the_one_asked_for_is_diverse_and_not_as_requested(judge, test_data):
    scores = evaluate(Drawn(lambda labels: real_images(test_data, (labels + 1) % 10)), "digits")
    assert scores.as_requested < 3
    assert scores.diversity == pytest.approx(1, abs=0.1)


def test_noise_is_as_requested_by_chance(judge):
    def noise(labels):
        return torch.randint(256, (len(labels), 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()

    scores = evaluate(Drawn(noise), "digits")
    assert scores.as_requested == pytest.approx(10, abs=6)
    assert scores.worst_class < 10


def test_one_bad_class_is_seen_in_the_worst_and_not_hidden_by_the_mean(judge, test_data):
    wrong = evaluate(Drawn(lambda labels: real_images(test_data, labels.where(labels != 3, 7))), "digits")
    assert wrong.worst_class < 10
    assert wrong.as_requested == pytest.approx(90, abs=3)

    def collapsed(labels):
        images = real_images(test_data, labels)
        images[labels == 3] = images[labels == 3][:1]
        return images

    scores = evaluate(Drawn(collapsed), "digits")
    assert scores.least_diverse == pytest.approx(0, abs=1e-4)
    assert scores.diversity == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize("size", [16, 64])
def test_images_of_another_size_are_read_too(judge, size):
    data = load("digits", train=False, image_size=size)
    scores = evaluate(Drawn(lambda labels: real_images(data, labels)), "digits")
    assert scores.as_requested > 93
    assert scores.diversity == pytest.approx(1, abs=0.1)


def test_scores_are_the_same_each_time_and_the_generator_is_left_as_it_was(judge):
    generator = MODELS["bce"].generator(base_channels=8).train()
    scores = evaluate(generator, "digits", count=100)
    assert evaluate(generator, "digits", count=100) == scores
    assert scores.count == 100
    assert evaluate(generator, "digits", count=100, seed=2) != scores
    assert generator.training


def test_too_few_images_are_refused(judge):
    generator = MODELS["bce"].generator(base_channels=8)
    assert evaluate(generator, "digits", count=20).count == 20
    with pytest.raises(UserError, match="count 19 is too few to see the diversity of 10 classes: draw more"):
        evaluate(generator, "digits", count=19)


def test_a_generator_of_other_classes_is_refused(judge):
    with pytest.raises(UserError, match="the generator has 4 classes, but digits has 10"):
        evaluate(MODELS["bce"].generator(num_classes=4, base_channels=8), "digits")


def test_scores_print_as_a_sentence():
    scores = Scores(count=2000, as_requested=91.26, worst_class=82.3, diversity=0.734, least_diverse=0.6, real=99.17)
    assert str(scores) == (
        "91.3% as requested (worst class 82.3%, real 99.2%), diversity 0.73 of real (least 0.60), 2,000 images"
    )


def test_spread_is_the_mean_distance_between_two_of_a_class():
    features = torch.tensor([[0.0, 0.0], [9.0, 9.0], [3.0, 4.0], [9.0, 9.0], [9.0, 11.0]])
    assert spread(features, torch.tensor([0, 1, 0, 1, 1])).tolist() == pytest.approx([5, (0 + 2 + 2) / 3])


def test_an_image_is_right_when_its_label_has_the_highest_logit():
    judge = Classifier().eval()
    images = torch.randint(256, (700, 1, 28, 28), dtype=torch.uint8)  # more than are read at once
    labels = torch.arange(700) % 10
    features, right = read(judge, images, labels)
    with torch.inference_mode():
        expected = judge(images.float() / 127.5 - 1)
        predicted = judge.logits(features).argmax(1)
    torch.testing.assert_close(features, expected, atol=1e-4, rtol=1e-4)
    assert right.tolist() == (predicted == labels).float().tolist()


# --- the classifier


def test_a_classifier_is_trained_once_and_kept(judge, monkeypatch, capsys, test_data):
    def train_again(*_):
        raise AssertionError("it was trained before")

    monkeypatch.setattr(MODULE, "train_classifier", train_again)
    again = classifier("digits")
    assert capsys.readouterr().out == ""
    assert not again.training
    x = to_unit(test_data.images[:10])
    assert torch.equal(again(x), judge(x))


def test_half_precision_reads_the_same(judge, home, test_data):
    kept = home / "data" / "classifiers" / "digits.safetensors"
    half = home / "data" / "classifiers" / "kmnist.safetensors"
    save_classifier(judge, half, half=True)
    assert half.stat().st_size == pytest.approx(kept.stat().st_size / 2, rel=0.05)
    network = classifier("kmnist")
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    predicted = [read(some, test_data.images, test_data.labels)[1] for some in (judge, network)]
    assert (predicted[0] == predicted[1]).float().mean() > 0.99


@pytest.mark.parametrize(("classes", "channels"), [(4, 3), (10, 1)])
def test_a_kept_classifier_has_the_classes_and_channels_that_it_was_trained_with(home, classes, channels):
    network = Classifier(classes, channels).eval()
    save_classifier(network, home / "data" / "classifiers" / "digits.safetensors")
    x = torch.rand(2, channels, 40, 40) * 2 - 1
    loaded = classifier("digits")
    assert torch.equal(loaded.logits(loaded(x)), network.logits(network(x)))
    assert loaded.logits(loaded(x)).shape == (2, classes)


@pytest.fixture
def one_step(monkeypatch):
    monkeypatch.setattr(MODULE, "EPOCHS", 0)
    monkeypatch.setattr(MODULE, "LEAST_STEPS", 1)


def test_training_a_classifier_is_a_function_of_the_seed_and_moves_no_random_state(one_step, digits):
    state = torch.random.get_rng_state()
    one, same, other = (train_classifier(digits, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_classifier_of_the_stand_in_digits_is_not_kept_as_that_of_mnist(one_step, home, monkeypatch):
    monkeypatch.setattr(MODULE, "SHIPPED", home / "nowhere")
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", [])
    with pytest.warns(UserWarning, match="Using the embedded"):
        classifier("mnist")
    assert not (home / "data" / "classifiers" / "mnist.safetensors").exists()


def test_colour_and_four_classes_train_too(one_step):
    images = torch.randint(256, (200, 3, 28, 28), dtype=torch.uint8)
    network = train_classifier(ImageData("four", images, torch.arange(200) % 4, tuple("abcd")))
    assert network.logits(network(to_unit(images[:2]))).shape == (2, 4)
