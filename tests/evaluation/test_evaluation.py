"""Scores tell right from wrong and many from few: seen on generators whose faults are known."""

import copy
import json
from dataclasses import fields, replace
from importlib import import_module
from itertools import cycle
from statistics import fmean, stdev
from urllib.error import URLError

import pytest
import torch
from test_data import idx, write_files
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance

import cgan_lib.evaluation.nearest as nearest
import cgan_lib.evaluation.scores as scoring
from cgan_lib import UserError, evaluate, generate, load
from cgan_lib.data import ImageData, to_unit
from cgan_lib.evaluation import (
    Classifier,
    Scores,
    evaluate_images,
    has_classifier,
    in_proportion,
    inception_fid,
    load_classifier,
    nearest_real,
    quick_scores,
    real_scores,
)
from cgan_lib.evaluation.classifier import fingerprint, read, save_classifier, share_right, train_classifier
from cgan_lib.evaluation.metrics import fid, neighbourhoods
from cgan_lib.evaluation.scores import ROWS, draw, learned_from, spread_labels
from cgan_lib.models import MODELS
from cgan_lib.recipes import SAMPLES, SEEDS

MODULE = import_module("cgan_lib.evaluation.classifier")
COUNT = 250


class Drawn(nn.Module):
    """Stands where a generator would: `draw(labels)` gives its images, uint8 (N,1,H,W)."""

    def __init__(self, draw, **config):
        super().__init__()
        self.draw, self.config = draw, dict(num_classes=10, latent_dim=1) | config
        self.anchor = nn.Parameter(torch.zeros(()))

    def forward(self, z, labels):
        return to_unit(self.draw(labels))


def real_images(data, labels):
    """For each label a real image of it, the next one whenever it is asked for again."""
    turns = [(labels[:n] == label).sum() for n, label in enumerate(labels)]
    members = [data.images[data.labels == label] for label in range(10)]
    return torch.stack([members[label][turn % len(members[label])] for label, turn in zip(labels, turns, strict=True)])


def in_turn(data):
    """All images of `data`, one after the other in the order of their classes, whatever is asked for."""
    images = cycle(data.images[data.labels.sort(stable=True).indices])
    return lambda labels: torch.stack([next(images) for _ in labels])


def noise(labels):
    random = torch.Generator().manual_seed(0)
    return torch.randn(len(labels), 1, 28, 28, generator=random).mul(20).add(128).clamp(0, 255).byte()


@pytest.fixture(scope="module")
def test_data():
    return load("digits", train=False)


@pytest.fixture(scope="module")
def measured(tmp_path_factory, digits):
    """The scores of generators with one fault each: name → Scores."""
    one_each = torch.stack([digits.images[digits.labels == label][0] for label in range(10)])

    def in_class_3(change):
        def images(labels):
            images = real_images(digits, labels)
            images[labels == 3] = change(images[labels == 3])
            return images

        return images

    faults = {
        "none": lambda labels: real_images(digits, labels),
        "collapse": lambda labels: one_each[labels],
        "swap": lambda labels: real_images(digits, (labels + 1) % 10),
        "noise": noise,
        "noise in 3": in_class_3(noise),
        "collapse in 3": in_class_3(lambda images: images[:1]),
        "7 for 3": lambda labels: real_images(digits, labels.where(labels != 3, 7)),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CGAN_HOME", str(tmp_path_factory.mktemp("measured")))
        return {name: evaluate(Drawn(images), "digits", count=COUNT) for name, images in faults.items()}


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return MODELS["bce"].generator(base_channels=8).eval()


@pytest.fixture
def few_digits(monkeypatch, digits):
    """All training images that there are in this test: 300."""
    few = replace(digits, images=digits.images[:300], labels=digits.labels[:300])
    monkeypatch.setattr(scoring, "load", lambda name, train: few if train else load(name, train=False))
    return few


def about(value, *, within):
    return pytest.approx(value, abs=within)


def looks_real(scores):
    """Every score that does not ask for the class is near that of other real images."""
    real = scores.real
    assert scores.fid == pytest.approx(real.fid, rel=0.2)
    assert scores.kid == about(real.kid, within=60)
    assert scores.inception_score == about(real.inception_score, within=0.1)
    assert scores.precision == about(real.precision, within=0.05)
    assert scores.recall == about(real.recall, within=0.05)
    assert scores.density == about(real.density, within=0.2)
    assert scores.coverage == about(real.coverage, within=0.04)
    assert scores.diversity == about(real.diversity, within=0.1)
    return True


# --- each score sees its fault


def test_real_images_score_what_real_images_are_worth(measured):
    scores = measured["none"]
    assert looks_real(scores)
    assert scores.as_requested == about(scores.real.as_requested, within=1)
    assert scores.worst_class > 95
    assert scores.diversity == about(1, within=0.1)
    assert scores.least_diverse > 0.8
    assert scores.inception_score > 9.8
    assert scores.density == about(1, within=0.15)
    assert min(scores.precision, scores.recall, scores.coverage) > 0.93


def test_one_image_a_class_over_and_over_is_precise_and_as_requested_but_not_diverse(measured):
    scores = measured["collapse"]
    assert (scores.as_requested, scores.worst_class, scores.precision) == (100, 100, 1)
    assert scores.inception_score == about(scores.real.inception_score, within=0.1)  # blind to it
    assert scores.diversity == about(0, within=1e-3)
    assert scores.least_diverse == about(0, within=1e-3)
    assert scores.recall < 0.02
    assert scores.coverage < 0.4
    assert scores.fid > 5 * scores.real.fid
    assert scores.kid > scores.real.kid + 300
    assert all(mine > 2 * real for mine, real in zip(scores.fid_by_class, scores.real.fid_by_class, strict=True))


def test_another_class_than_the_one_asked_for_is_not_as_requested_and_otherwise_real(measured):
    scores = measured["swap"]
    assert looks_real(scores)
    assert (scores.as_requested, scores.worst_class) == (0, 0)
    assert all(row[(asked + 1) % 10] == sum(row) for asked, row in enumerate(scores.confusion))
    assert min(scores.fid_by_class) > 10 * max(scores.real.fid_by_class)


def test_noise_is_as_requested_by_chance_and_nothing_else(measured):
    scores = measured["noise"]
    assert scores.as_requested == about(10, within=3)
    assert scores.worst_class == 0
    assert scores.inception_score == about(1, within=0.05)
    assert (scores.precision, scores.recall, scores.density, scores.coverage) == (0, 0, 0, 0)
    assert scores.fid > 50 * scores.real.fid
    assert scores.kid > 1000
    assert scores.diversity < 0.5


@pytest.mark.parametrize(
    ("fault", "as_requested", "least", "most"),
    [("noise in 3", 0, 0, 0.5), ("collapse in 3", 100, 0, 1e-3), ("7 for 3", 0, 0.7, 1.3)],
)
def test_one_bad_class_is_blamed_alone(measured, fault, as_requested, least, most):
    scores, faultless = measured[fault], measured["none"]

    def others(values):
        return [value for label, value in enumerate(values) if label != 3]

    assert scores.as_requested_by_class[3] == as_requested
    assert others(scores.as_requested_by_class) == others(faultless.as_requested_by_class)
    assert others(scores.confusion) == others(faultless.confusion)
    assert scores.fid_by_class[3] > 5 * faultless.fid_by_class[3]
    assert others(scores.fid_by_class) == pytest.approx(others(faultless.fid_by_class), rel=0.3)
    assert least <= scores.diversity_by_class[3] <= most
    assert others(scores.diversity_by_class) == about(others(faultless.diversity_by_class), within=0.1)
    assert scores.fid > 1.5 * faultless.fid
    assert scores.kid > faultless.kid + 50
    assert scores.recall == about(faultless.recall - 0.1, within=0.05)
    assert scores.coverage == about(faultless.coverage - 0.1, within=0.05)


def test_one_bad_class_is_seen_in_the_worst_and_not_hidden_by_the_mean(measured):
    for fault in ("noise in 3", "7 for 3"):
        assert measured[fault].worst_class == 0
        assert measured[fault].as_requested == about(90, within=1)
    assert measured["collapse in 3"].as_requested == measured["none"].as_requested
    assert measured["collapse in 3"].least_diverse == about(0, within=1e-3)
    assert measured["collapse in 3"].diversity == about(0.9 * measured["none"].diversity, within=0.02)


def test_the_scores_of_each_class_are_those_of_the_summary(measured):
    for scores in (*measured.values(), measured["none"].real):
        asked = [sum(row) for row in scores.confusion]
        right = [row[label] for label, row in enumerate(scores.confusion)]
        assert sum(asked) == scores.count == COUNT
        shares = [100 * mine / all_ for mine, all_ in zip(right, asked, strict=True)]
        assert scores.as_requested_by_class == pytest.approx(shares)
        assert scores.as_requested == pytest.approx(100 * sum(right) / COUNT)
        assert scores.worst_class == min(scores.as_requested_by_class)
        assert scores.diversity == pytest.approx(fmean(scores.diversity_by_class))
        assert scores.least_diverse == min(scores.diversity_by_class)
        assert len(scores.fid_by_class) == len(scores.confusion) == len(scores.confusion[0]) == 10


def test_the_test_images_themselves_are_perfect(test_data):
    scores = evaluate(Drawn(in_turn(test_data)), "digits", count=297)
    assert scores.fid == about(0, within=1e-4)
    assert scores.fid_by_class == about((0,) * 10, within=1e-4)
    assert (scores.precision, scores.recall, scores.coverage) == (1, 1, 1)
    assert scores.diversity_by_class == pytest.approx((1,) * 10)
    assert scores.kid < scores.real.kid


# --- the protocol


def test_the_real_row_is_the_measurement_of_real_training_images(measured):
    real = measured["none"].real
    assert all(scores.real == real for scores in measured.values())
    assert real == real_scores("digits", COUNT)
    assert real.real is None
    assert (real.count, real.real_count, real.seeds, real.deviation, real.gan_train) == (COUNT, COUNT, 1, {}, None)
    assert real.fid > 30  # test images would be at 0


def test_the_real_row_is_what_all_training_images_score_when_there_are_no_more(few_digits):
    scores, expected = real_scores("digits", 300), evaluate_images(few_digits.images, few_digits.labels, "digits")
    assert scores.confusion == expected.confusion
    assert scores.count == expected.count == 300
    assert scores.fid == pytest.approx(expected.fid)
    assert scores.fid_by_class == pytest.approx(expected.fid_by_class)


def test_real_scores_take_the_count_of_the_profile():
    assert real_scores("digits").count == SAMPLES["ci"] == 200


def test_more_fakes_than_test_images_are_compared_with_all_of_these(generator):
    scores = evaluate(generator, "digits", count=400)
    assert (scores.count, scores.real_count, scores.real.count, scores.real.real_count) == (400, 297, 400, 297)
    assert real_scores("digits", 5000).count == 1500


@pytest.mark.parametrize("count", [1, 7, 10, 33, 297, 1000])
def test_labels_have_the_proportions_of_the_real_ones_at_any_count(count):
    shares = torch.tensor([0.5, 0.3, 0.15, 0.05])
    real = torch.arange(4).repeat_interleave((400 * shares).round().long())[torch.randperm(400)]
    labels = spread_labels(real, count)
    assert labels.shape == (count,)
    assert labels.tolist() == sorted(labels.tolist())
    assert (labels.bincount(minlength=4) - count * shares).abs().max() <= 1


@pytest.mark.parametrize("count", [20, 100, 1500, 5000])
def test_images_in_proportion_are_different_ones_with_their_labels_and_the_same_each_time(digits, count):
    some, again = in_proportion(digits, count), in_proportion(digits, count)
    assert len(some) == min(count, 1500)
    assert torch.equal(some.images, again.images)
    assert some.labels.tolist() == sorted(some.labels.tolist())
    shares = digits.labels.bincount() / 1500
    assert (some.labels.bincount(minlength=10) - len(some) * shares).abs().max() <= 1

    def pairs(data):
        return set(zip(map(bytes, data.images.numpy()), data.labels.tolist(), strict=True))

    assert pairs(some) <= pairs(digits)
    assert len(pairs(some)) == len(some)


def test_the_labels_asked_for_are_distributed_as_those_of_the_test_images(test_data, generator):
    asked = []

    def remember(labels):
        asked.append(labels)
        return real_images(test_data, labels)

    scores = evaluate(Drawn(remember), "digits", count=297)
    assert torch.equal(torch.cat(asked), test_data.labels.sort().values)
    assert [sum(row) for row in scores.confusion] == test_data.labels.bincount().tolist()
    fakes = draw(generator, test_data, 120, seed=3)
    assert torch.equal(fakes.labels, spread_labels(test_data.labels, 120))
    assert torch.equal(fakes.images, generate(generator, fakes.labels, seed=3))


def test_the_classifier_is_named_by_its_weights(measured):
    judge = load_classifier("digits")
    name = fingerprint(judge)
    assert len(name) == 12
    assert int(name, 16)
    assert {scores.classifier for scores in measured.values()} == {name}
    assert fingerprint(load_classifier("digits").train()) == name
    assert fingerprint(load_classifier("mnist")) != name
    with torch.no_grad():
        judge.logits.bias[0] += 1e-4
    changed = fingerprint(judge)
    judge.backbone[1].running_mean[0] += 1e-4
    assert len({name, changed, fingerprint(judge)}) == 3


@pytest.mark.parametrize("size", [16, 64])
def test_images_of_another_size_are_measured_as_if_they_were_28_pixels_wide(size):
    data = load("digits", image_size=size)
    scores = evaluate(Drawn(lambda labels: real_images(data, labels)), "digits", count=COUNT)
    assert looks_real(scores)
    assert scores.as_requested > 98


def test_large_images_are_made_smaller_without_aliasing():
    stripes = torch.zeros(1, 1, 112, 112)
    stripes[..., ::2] = 2
    judge = load_classifier("digits")
    with torch.inference_mode():
        torch.testing.assert_close(judge(stripes - 1), judge(torch.zeros(1, 1, 28, 28)), atol=0.2, rtol=0.02)


def test_scores_are_the_same_each_time_and_the_generator_and_random_state_are_left_as_they_were(generator):
    generator = copy.deepcopy(generator).train()
    before, state = copy.deepcopy(generator.state_dict()), torch.random.get_rng_state()
    scores = evaluate(generator, "digits", count=100)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert evaluate(generator, "digits", count=100) == scores
    assert evaluate(generator, "digits", count=100, seed=1) == scores
    assert evaluate(generator, "digits", count=100, seed=2).fid != scores.fid
    assert generator.training
    assert all(torch.equal(before[name], value) for name, value in generator.state_dict().items())
    assert evaluate(generator.eval(), "digits", count=100) == scores


def test_several_seeds_are_averaged_and_say_how_far_apart_they_are(generator):
    scores = evaluate(generator, "digits", count=100, seeds=3, seed=5)
    several = [evaluate(generator, "digits", count=100, seed=seed) for seed in (5, 6, 7)]
    assert (scores.count, scores.seeds, scores.real_count) == (100, 3, 100)
    assert len({one.fid for one in several}) == 3
    numbers = [field.name for field in fields(Scores) if field.type is float]
    assert len(numbers) == 11
    assert set(scores.deviation) == set(numbers)
    for name in numbers:
        of_each = [getattr(one, name) for one in several]
        assert getattr(scores, name) == pytest.approx(fmean(of_each))
        assert scores.deviation[name] == pytest.approx(stdev(of_each))
    for name in ("as_requested_by_class", "fid_by_class", "diversity_by_class"):
        of_each = zip(*(getattr(one, name) for one in several), strict=True)
        assert getattr(scores, name) == pytest.approx([fmean(of_class) for of_class in of_each])
    for asked, row in enumerate(scores.confusion):
        assert list(row) == [sum(one.confusion[asked][found] for one in several) for found in range(10)]
    assert all(one.deviation == {} and one.seeds == 1 and one.real == scores.real for one in several)


def test_the_profile_says_how_many_images_and_seeds(generator, monkeypatch):
    assert SEEDS == {"ci": 1, "demo": 1, "full": 3}
    for profile, count in (("demo", 110), ("full", 100)):
        monkeypatch.setitem(SAMPLES, profile, count)
        monkeypatch.setenv("CGAN_PROFILE", profile)
        scores = evaluate(generator, "digits")
        assert (scores.count, scores.seeds) == (count, SEEDS[profile])
    assert evaluate(generator, "digits", seeds=1) == evaluate(generator, "digits", count=100, seeds=1)


def test_another_home_has_its_own_data_and_its_own_classifier(home, generator, monkeypatch):
    measured = {}
    for name, seed, count in (("here", 1, 120), ("there", 2, 150)):
        torch.manual_seed(seed)
        save_classifier(Classifier(), home / name / "data" / "classifiers" / "fashion_mnist.safetensors")
        write_digits_as_fashion(home / name, count)
    for name in ("here", "there", "here"):
        monkeypatch.setenv("CGAN_HOME", str(home / name))
        quick = quick_scores(generator, "fashion_mnist", 200)
        scores = evaluate(generator, "fashion_mnist", count=200)
        assert scores.classifier == fingerprint(load_classifier("fashion_mnist"))
        assert measured.setdefault(name, (scores, quick)) == (scores, quick)
    (here, quick_here), (there, quick_there) = measured["here"], measured["there"]
    assert (here.real_count, there.real_count) == (120, 150)
    assert here.fid != there.fid
    assert here.real.fid != there.real.fid
    assert quick_here["fid"] != quick_there["fid"]


def test_the_digits_that_stand_in_for_mnist_are_read_by_their_own_classifier(generator, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", [])
    with pytest.warns(UserWarning, match="Using the embedded"):
        scores = evaluate(generator, "mnist", count=100)
    assert scores == evaluate(generator, "digits", count=100)
    assert quick_scores(generator, "mnist", 100) == quick_scores(generator, "digits", 100)


# --- images from elsewhere


def test_images_from_elsewhere_score_what_they_score_when_a_generator_draws_them(generator, test_data):
    fakes = draw(generator, test_data, 150, seed=4)
    assert evaluate_images(fakes.images, fakes.labels, "digits") == evaluate(generator, "digits", count=150, seed=4)
    assert evaluate_images(fakes.images, fakes.labels.tolist(), "digits").count == 150


def test_images_from_elsewhere_may_be_in_any_order(digits):
    labels = spread_labels(digits.labels, COUNT)
    images, shuffle = real_images(digits, labels), torch.randperm(COUNT)
    sorted_, mixed = (evaluate_images(images[rows], labels[rows], "digits") for rows in (torch.arange(COUNT), shuffle))
    assert sorted_.confusion == mixed.confusion
    for name in ("fid", "recall", "density", "diversity", "inception_score"):
        assert getattr(mixed, name) == pytest.approx(getattr(sorted_, name), rel=1e-4)
    assert mixed.fid_by_class == pytest.approx(sorted_.fid_by_class, rel=1e-4)


def test_a_few_images_from_elsewhere_are_compared_with_a_hundred(digits):
    labels = torch.arange(20) % 10
    scores = evaluate_images(real_images(digits, labels), labels, "digits")
    assert (scores.count, scores.real_count, scores.real.count) == (20, 100, 100)
    assert scores.as_requested == 100


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (torch.zeros(100, 1, 28, 28), torch.arange(100) % 10, "images must be uint8 of shape .100, 1, height, width"),
        (torch.zeros(100, 28, 28).byte(), torch.arange(100) % 10, "got torch.uint8 of shape .100, 28, 28"),
        (torch.zeros(100, 3, 28, 28).byte(), torch.arange(100) % 10, "got torch.uint8 of shape .100, 3, 28, 28"),
        (torch.zeros(99, 1, 28, 28).byte(), torch.arange(100) % 10, "for 100 labels, got .* .99, 1, 28, 28"),
        (torch.zeros(100, 1, 28, 28).byte(), torch.arange(100) % 9, "class 9 has 0 images: give 2 or more of each"),
        (torch.zeros(19, 1, 28, 28).byte(), torch.arange(19) % 10, "class 9 has 1 images: give 2 or more of each"),
        (torch.zeros(110, 1, 28, 28).byte(), torch.arange(110) % 11, "label 10 is no class: use 0 to 9"),
    ],
)
def test_images_from_elsewhere_that_cannot_be_measured_are_refused(images, labels, message):
    with pytest.raises(UserError, match=message):
        evaluate_images(images, labels, "digits")


# --- scores to follow a training with


def test_quick_scores_compare_with_training_images(few_digits):
    scores = quick_scores(Drawn(in_turn(few_digits)), "digits", 300)
    assert scores["fid"] == about(0, within=1e-4)
    assert (scores["precision"], scores["recall"], scores["coverage"]) == (1, 1, 1)
    assert scores["as_requested"] == pytest.approx(share_right(load_classifier("digits"), few_digits))


def test_quick_scores_are_those_that_the_protocol_would_find_among_training_images(generator, few_digits):
    scores = quick_scores(generator, "digits", 300, seed=3)
    fakes, judge = draw(generator, few_digits, 300, seed=3), load_classifier("digits")
    (real, _), (fake, _) = (read(judge, data.images) for data in (few_digits, fakes))
    near = neighbourhoods(real, fake)
    assert scores == pytest.approx(
        {
            "fid": fid(real, fake),
            "precision": near.precision,
            "recall": near.recall,
            "coverage": near.coverage,
            "as_requested": share_right(judge, fakes),
        }
    )


def test_quick_scores_are_the_same_each_time_and_see_faults(generator, digits, measured):
    state = torch.random.get_rng_state()
    scores = quick_scores(generator, "digits", 100)
    assert quick_scores(generator, "digits", 100, seed=1) == scores
    assert quick_scores(generator, "digits", 100, seed=2) != scores
    assert torch.equal(torch.random.get_rng_state(), state)
    for name, images in (("none", lambda labels: real_images(digits, labels)), ("noise", noise)):
        quick = quick_scores(Drawn(images), "digits", COUNT)
        assert quick["fid"] == pytest.approx(measured[name].fid, rel=0.2)
        for score in ("precision", "recall", "coverage"):
            assert quick[score] == about(getattr(measured[name], score), within=0.05)
        assert quick["as_requested"] == about(measured[name].as_requested, within=3)


# --- GAN-train


@pytest.fixture
def hasty(monkeypatch):
    """Classifiers are trained in a second or two, and not well."""
    monkeypatch.setattr(MODULE, "EPOCHS", 3)
    monkeypatch.setattr(MODULE, "LEAST_STEPS", 130)


def test_a_classifier_learns_from_real_images_and_not_from_wrong_labels(hasty, digits):
    good = evaluate(Drawn(lambda labels: real_images(digits, labels)), "digits", count=COUNT, gan_train=True)
    assert good.gan_train > 80
    assert good.real.gan_train > 80
    assert good.real == real_scores("digits", COUNT, gan_train=True)
    swapped = Drawn(lambda labels: real_images(digits, (labels + 1) % 10))
    assert evaluate(swapped, "digits", count=COUNT, gan_train=True).gan_train < 5


@pytest.fixture
def trainings(monkeypatch):
    """What classifiers would be trained on: (images, seed, held-out images), while none is."""
    asked = []

    def remember(data, seed=1, held_out=None):
        asked.append((data, seed, held_out))
        torch.manual_seed(seed)
        return Classifier(data.num_classes, data.channels).eval()

    monkeypatch.setattr(scoring, "train_classifier", remember)
    return asked


def test_gan_train_holds_out_every_sixth_image_and_tests_on_other_ones(trainings, digits, test_data):
    some = replace(digits, images=digits.images[:100], labels=digits.labels[:100])
    learned = learned_from(some, test_data, seed=7)
    ((train, seed, held_out),) = trainings
    torch.manual_seed(7)
    assert learned == share_right(Classifier().eval(), test_data)
    assert seed == 7
    assert torch.equal(held_out.images, some.images[::6])
    assert torch.equal(held_out.labels, some.labels[::6])
    kept = [row for row in range(100) if row % 6]
    assert torch.equal(train.images, some.images[kept])
    assert torch.equal(train.labels, some.labels[kept])


def test_gan_train_learns_from_the_fakes_of_each_seed(trainings, generator, test_data):
    scores = evaluate(generator, "digits", count=100, seeds=2, seed=3, gan_train=True)
    (first, three, _), (second, four, _), (real, _, _) = trainings
    assert (three, four) == (3, 4)
    assert len(first) == len(second) == len(real) == 83
    fakes = draw(generator, test_data, 100, seed=3)
    assert all(torch.equal(image, fakes.images[row]) for image, row in zip(first.images[:5], range(1, 6), strict=True))
    assert not torch.equal(first.images, second.images)
    assert scores.deviation["gan_train"] >= 0
    assert 0 <= scores.real.gan_train <= 100


def test_no_classifier_is_trained_without_asking(trainings, generator):
    scores = evaluate(generator, "digits", count=100)
    assert scores.gan_train is None
    assert scores.real.gan_train is None
    assert "gan_train" not in scores.deviation
    assert "GAN-train" not in scores.table()
    assert trainings == []


@pytest.mark.parametrize(("shares", "best"), [([20, 60, 40], 1), ([20, 60, 60], 2), ([70, 60, 40], 0)])
def test_the_epoch_that_reads_most_held_out_images_right_is_kept(monkeypatch, digits, test_data, shares, best):
    monkeypatch.setattr(MODULE, "EPOCHS", 3)
    monkeypatch.setattr(MODULE, "LEAST_STEPS", 60)
    states = []

    def examine(network, data):
        assert data is test_data
        assert not network.training
        states.append(copy.deepcopy(network.state_dict()))
        return shares[len(states) - 1]

    monkeypatch.setattr(MODULE, "share_right", examine)
    few = replace(digits, images=digits.images[:40], labels=digits.labels[:40])
    network = train_classifier(few, held_out=test_data)
    steps = [int(state["backbone.1.num_batches_tracked"]) for state in states]
    assert steps == [40, 80, 120]  # it went on training after each examination
    assert not network.training
    assert all(torch.equal(value, states[best][name]) for name, value in network.state_dict().items())
    assert not torch.equal(states[0]["logits.weight"], states[1]["logits.weight"])


# --- how scores are written


WRITTEN = Scores(
    count=2000,
    real_count=1500,
    seeds=2,
    classifier="0123456789ab",
    fid=12.346,
    kid=0.6789,
    inception_score=9.5,
    precision=0.91,
    recall=0.8,
    density=1.05,
    coverage=0.93,
    as_requested=91.26,
    worst_class=82.3,
    diversity=0.734,
    least_diverse=0.6,
    as_requested_by_class=(100.0, 82.52),
    fid_by_class=(20.0, 30.0),
    diversity_by_class=(0.868, 0.6),
    confusion=((2000, 0), (350, 1650)),
    gan_train=90.0,
    deviation={"fid": 0.5, "kid": 0.01, "gan_train": 1.25},
)
REAL = replace(WRITTEN, fid=2.0, as_requested=99.17, recall=1.0, gan_train=None, deviation={}, seeds=1)


def test_scores_print_as_a_sentence():
    assert str(replace(WRITTEN, real=REAL)) == (
        "91.3% as requested (worst class 82.3%, real 99.2%), diversity 0.73 of real (least 0.60), 2,000 images"
    )
    assert str(WRITTEN) == ("91.3% as requested (worst class 82.3%), diversity 0.73 of real (least 0.60), 2,000 images")


def test_the_table_has_every_score_beside_the_real_one_and_the_deviation_over_seeds():
    assert replace(WRITTEN, real=REAL).table().split("\n") == [
        "                           fakes    real  ± seeds",
        "FID ↓                      12.35    2.00     0.50",
        "KID ↓                      0.679   0.679    0.010",
        "IS ↑                        9.50    9.50",
        "precision ↑                0.910   0.910",
        "recall ↑                   0.800   1.000",
        "density ↑                  1.050   1.050",
        "coverage ↑                 0.930   0.930",
        "GAN-test, as requested ↑  91.26%  99.17%",
        "  worst class             82.30%  82.30%",
        "GAN-train ↑               90.00%       –    1.25%",
        "diversity in a class       0.734   0.734",
        "  least diverse class      0.600   0.600",
        "2,000 images × 2 seeds beside 1,500 test images; classifier 0123456789ab",
    ]


def test_the_table_of_one_seed_has_no_deviation_and_that_of_real_images_no_real_ones(measured):
    header, *rows, last = measured["none"].table().split("\n")
    assert header.split() == ["fakes", "real"]
    assert [row[: len("GAN-test, as requested ↑")].rstrip() for row in rows] == [
        title for name, (title, _) in ROWS.items() if name != "gan_train"
    ]
    assert len({len(line) for line in (header, *rows)}) == 1
    assert last == f"250 images beside 250 test images; classifier {measured['none'].classifier}"
    assert all(row.endswith(" –") for row in measured["none"].real.table().split("\n")[1:-1])


def test_every_number_of_the_summary_is_a_row_of_the_table():
    assert set(ROWS) == {field.name for field in fields(Scores) if field.type in (float, float | None)}


def test_scores_survive_json(measured, generator):
    several = evaluate(generator, "digits", count=100, seeds=2)
    for scores in (measured["none"], measured["noise"], several, replace(WRITTEN, real=REAL)):
        read_back = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
        assert read_back["fid"] == scores.fid
        assert read_back["confusion"] == [list(row) for row in scores.confusion]
        assert read_back["real"]["kid"] == scores.real.kid
        assert read_back["real"]["real"] is None
        assert read_back["deviation"] == scores.deviation
        assert set(read_back) == {field.name for field in fields(Scores)}

        def tuples(value):
            return tuple(map(tuples, value)) if isinstance(value, list) else value

        plain = {name: tuples(value) for name, value in read_back.items()}
        real = {name: tuples(value) for name, value in read_back["real"].items()}
        assert Scores(**plain | {"real": Scores(**real)}) == scores


# --- what is refused


@pytest.mark.parametrize("measure", [evaluate, quick_scores, inception_fid])
def test_what_cannot_be_measured_is_refused_with_the_way_out(generator, measure):
    assert evaluate(generator, "digits", count=100).count == 100
    with pytest.raises(UserError, match="count 99 is too few to measure 10 classes: use 100 or more"):
        measure(generator, "digits", count=99)
    with pytest.raises(UserError, match="has 4 classes, but digits has 10: name the data set that it was trained on"):
        measure(MODELS["bce"].generator(num_classes=4, base_channels=8), "digits", count=100)
    with pytest.raises(UserError, match="draws 3 channels, but digits has 1: name the data set that it was trained on"):
        measure(MODELS["bce"].generator(channels=3, base_channels=8), "digits", count=100)


def test_a_generator_that_does_not_say_its_channels_draws_one(monkeypatch, digits):
    colour = replace(digits, images=digits.images.expand(-1, 3, -1, -1))
    monkeypatch.setattr(scoring, "load", lambda *_, **__: colour)
    with pytest.raises(UserError, match="the generator draws 1 channels, but digits has 3"):
        evaluate(Drawn(noise), "digits", count=100)


@pytest.mark.parametrize("seeds", [0, -1])
def test_no_seeds_are_refused(generator, seeds):
    with pytest.raises(UserError, match=f"seeds {seeds} must be at least 1"):
        evaluate(generator, "digits", count=100, seeds=seeds)


def test_an_unknown_data_set_is_refused(generator):
    for measure in (evaluate, real_scores):
        with pytest.raises(UserError, match="did you mean 'digits'"):
            measure(*[generator] * (measure is evaluate), "digit")


# --- does it copy?


def test_copies_are_found_at_no_distance(digits, monkeypatch):
    wanted = torch.randperm(len(digits), generator=torch.Generator().manual_seed(0))[:40]
    for chunk in (500, 40, 7):
        monkeypatch.setattr(nearest, "CHUNK", chunk)
        positions, distances = nearest_real(digits.images[wanted], digits)
        assert torch.equal(positions, wanted)
        assert distances.tolist() == [0] * 40


def test_the_nearest_image_is_the_one_with_the_least_euclidean_distance(digits, test_data):
    positions, distances = nearest_real(test_data.images[:12], digits)
    assert positions.shape == distances.shape == (12,)
    assert positions.dtype == torch.int64
    everything = digits.images.double() / 255
    for image, position, distance in zip(test_data.images, positions, distances, strict=False):
        each = (everything - image.double() / 255).square().sum(dim=(1, 2, 3)).sqrt()
        assert position == each.argmin()
        assert distance.item() == pytest.approx(each.min().item(), rel=1e-5)
    assert distances.min() > 0.5


@pytest.mark.parametrize(("size", "size_of_real"), [(64, 28), (16, 28), (28, 64)])
def test_copies_are_found_at_another_size(digits, size, size_of_real):
    images, real = (load("digits", image_size=some) for some in (size, size_of_real))
    positions, distances = nearest_real(images.images[:30], real)
    assert positions.tolist() == list(range(30))
    others = replace(real, images=real.images[30:], labels=real.labels[30:])
    assert (distances < 0.6 * nearest_real(images.images[:30], others)[1]).all()


def test_a_colour_image_is_not_compared_with_itself_in_grey():
    red = torch.zeros(1, 3, 28, 28, dtype=torch.uint8)
    red[:, 0] = 255
    data = ImageData("colours", torch.cat([255 - red, red]), torch.tensor([0, 1]), ("cyan", "red"))
    assert [some.item() for some in nearest_real(red, data)] == [1, 0]
    assert nearest_real(255 - red, replace(data, images=data.images[1:]))[1].item() == pytest.approx(3**0.5 * 28)


# --- Inception-FID


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (ModuleNotFoundError("no torch_fidelity"), "pip install torch-fidelity"),
        (URLError("no route to host"), r"could not be fetched \(<urlopen error no route to host>\): go online once"),
        (OSError(28, "No space left on device"), "could not be fetched .*No space left .*Every other score works off"),
    ],
)
def test_without_the_inception_network_it_is_said_what_to_do(generator, monkeypatch, problem, message):
    def refuse(feature):
        raise problem

    monkeypatch.setattr("torchmetrics.image.fid.FrechetInceptionDistance", refuse)
    with pytest.raises(UserError, match=message):
        inception_fid(generator, "digits", count=100)


def test_a_layer_that_the_inception_network_does_not_have_is_refused(generator):
    with pytest.raises(UserError, match=r"must be one of \(64, 192, 768, 2048\), but got 100"):
        inception_fid(generator, "digits", count=100, feature=100)


class Brightness(nn.Module):
    """Stands where the Inception network would: sees eight bright or dark places in an image."""

    num_features = 8

    def forward(self, images):
        return images[:, :, 5:25:5, 10:20:5].double().mean(1).flatten(1)


def test_all_test_images_and_as_many_fakes_as_asked_for_go_through_the_inception_network(
    generator, test_data, monkeypatch
):
    given = {True: [], False: []}

    class Watched(FrechetInceptionDistance):
        def __init__(self, feature):
            super().__init__(Brightness() if feature == 64 else feature)

        def update(self, imgs, real):
            given[real].append(imgs)
            super().update(imgs, real)

    with monkeypatch.context() as patch:
        patch.setattr("torchmetrics.image.fid.FrechetInceptionDistance", Watched)
        found = inception_fid(generator, "digits", count=120, seed=5, feature=64)
    assert max(map(len, given[True] + given[False])) <= 50
    real, fake = (torch.cat(given[part]).cpu() for part in (True, False))
    assert (real.dtype, *real.shape) == (torch.uint8, 297, 3, 28, 28)
    assert torch.equal(real, test_data.images.expand(-1, 3, -1, -1))
    assert torch.equal(fake, draw(generator, test_data, 120, seed=5).images.expand(-1, 3, -1, -1))
    assert found == pytest.approx(fid(Brightness()(real), Brightness()(fake)))


# --- the classifier


@pytest.mark.parametrize(("dataset", "least"), [("digits", 99), ("mnist", 60)])  # the digits are not those of MNIST
def test_a_shipped_classifier_is_there_at_once_and_reads(home, dataset, least, test_data, capsys):
    network = load_classifier(dataset)
    assert not network.training
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert share_right(network, test_data) >= least
    assert has_classifier(dataset)
    assert capsys.readouterr().out == ""
    assert list(home.iterdir()) == []


def test_an_image_is_right_when_its_label_has_the_highest_logit():
    judge = Classifier().eval()
    images = torch.randint(256, (700, 1, 28, 28), dtype=torch.uint8)  # more than are read at once
    labels = torch.arange(700) % 10
    features, logits = read(judge, images)
    with torch.no_grad():
        expected = judge(images.float() / 127.5 - 1)
        torch.testing.assert_close(logits, judge.logits(expected), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(features, expected, atol=1e-4, rtol=1e-4)
    right = sum(int(row.argmax()) == label for row, label in zip(logits, labels.tolist(), strict=True))
    assert share_right(judge, ImageData("some", images, labels, tuple("0123456789"))) == pytest.approx(right / 7)


def write_digits_as_fashion(folder, count=297):
    """The embedded digits in the files of Fashion-MNIST: 1,500 images to train on and `count` to test with."""
    for part, data in (("train", load("digits")), ("t10k", load("digits", train=False))):
        rows = slice(count if part == "t10k" else None)
        files = {
            f"{part}-images-idx3-ubyte": idx(data.images[rows, 0].numpy()),
            f"{part}-labels-idx1-ubyte": idx(data.labels[rows].numpy()),
        }
        write_files(folder / "data", "FashionMNIST", files)


def test_a_classifier_is_trained_once_and_kept(home, monkeypatch, capsys, test_data):
    monkeypatch.setattr(MODULE, "EPOCHS", 0)
    monkeypatch.setattr(MODULE, "LEAST_STEPS", 60)
    write_digits_as_fashion(home)
    assert not has_classifier("fashion_mnist")
    network = load_classifier("fashion_mnist")
    assert "Training a classifier of fashion_mnist, once" in capsys.readouterr().out
    assert share_right(network, test_data) > 85
    assert (home / "data" / "classifiers" / "fashion_mnist.safetensors").is_file()
    assert has_classifier("fashion_mnist")

    def train_again(*_):
        raise AssertionError("it was trained before")

    monkeypatch.setattr(MODULE, "train_classifier", train_again)
    again = load_classifier("fashion_mnist")
    assert capsys.readouterr().out == ""
    assert not again.training
    x = to_unit(test_data.images[:10])
    assert torch.equal(again(x), network(x))


def test_half_precision_reads_the_same(home, test_data):
    full, half = (home / "data" / "classifiers" / f"{name}.safetensors" for name in ("fashion_mnist", "kmnist"))
    torch.manual_seed(0)
    network = Classifier().eval()
    save_classifier(network, full)
    save_classifier(network, half, half=True)
    assert half.stat().st_size == pytest.approx(full.stat().st_size / 2, rel=0.05)
    halved = load_classifier("kmnist")
    assert {parameter.dtype for parameter in halved.parameters()} == {torch.float32}
    x = to_unit(test_data.images[:20])
    assert torch.equal(load_classifier("fashion_mnist")(x), network(x))
    torch.testing.assert_close(halved(x), network(x), atol=5e-3, rtol=1e-2)


@pytest.mark.parametrize(("classes", "channels"), [(4, 3), (10, 1)])
def test_a_kept_classifier_has_the_classes_and_channels_that_it_was_trained_with(home, classes, channels):
    network = Classifier(classes, channels).eval()
    save_classifier(network, home / "data" / "classifiers" / "kmnist.safetensors")
    x = torch.rand(2, channels, 40, 40) * 2 - 1
    loaded = load_classifier("kmnist")
    assert torch.equal(loaded.logits(loaded(x)), network.logits(network(x)))
    assert loaded.logits(loaded(x)).shape == (2, classes)


def test_a_shipped_classifier_goes_before_one_that_was_kept(home):
    save_classifier(Classifier().eval(), home / "data" / "classifiers" / "digits.safetensors")
    assert fingerprint(load_classifier("digits")) == fingerprint(load_shipped("digits"))


def load_shipped(dataset):
    from safetensors.torch import load_file

    network = Classifier()
    network.load_state_dict(load_file(MODULE.SHIPPED / f"{dataset}.safetensors"))
    return network


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


def test_a_classifier_is_trained_on_images_moved_by_up_to_two_pixels(monkeypatch):
    monkeypatch.setattr(MODULE, "EPOCHS", 0)
    monkeypatch.setattr(MODULE, "LEAST_STEPS", 100)
    places = set()

    class Watched(Classifier):
        def forward(self, x):
            places.update(map(tuple, (x[:, 0] > 0).nonzero()[:, 1:].tolist()))
            return super().forward(x)

    monkeypatch.setattr(MODULE, "Classifier", Watched)
    dot = torch.zeros(40, 1, 28, 28, dtype=torch.uint8)
    dot[:, :, 10, 20] = 255
    train_classifier(ImageData("dot", dot, torch.arange(40) % 10, tuple("0123456789")))
    rows, columns = (set(some) for some in zip(*places, strict=True))
    assert (rows, columns) == ({8, 9, 10, 11, 12}, {18, 19, 20, 21, 22})


def test_a_classifier_of_the_stand_in_digits_is_not_kept_as_that_of_mnist(one_step, home, monkeypatch):
    monkeypatch.setattr(MODULE, "SHIPPED", home / "nowhere")
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", [])
    with pytest.warns(UserWarning, match="Using the embedded"):
        load_classifier("mnist")
    assert [path.name for path in (home / "data" / "classifiers").iterdir()] == ["digits.safetensors"]
    assert not has_classifier("mnist")


@pytest.mark.parametrize("held_out", [False, True])
def test_colour_and_four_classes_train_too(one_step, monkeypatch, held_out):
    monkeypatch.setattr(MODULE, "EPOCHS", int(held_out))
    images = torch.randint(256, (90, 3, 28, 28), dtype=torch.uint8)
    data = ImageData("four", images, torch.arange(90) % 4, tuple("abcd"))
    network = train_classifier(data, held_out=data if held_out else None)
    assert network.logits(network(to_unit(images[:2]))).shape == (2, 4)
