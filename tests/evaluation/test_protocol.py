"""Scores tell right from wrong and many from few: seen on generators whose faults are known."""

import copy
import math
from statistics import fmean

import pytest
import torch
from stand_ins import Given, in_turn, noise, real_images

import cgan_lib.evaluation.protocol as protocol
from cgan_lib import UserError, evaluate, generate, load_data
from cgan_lib.data import DATASETS
from cgan_lib.evaluation import (
    Classifier,
    evaluate_images,
    in_proportion,
    inception_fid,
    load_classifier,
    quick_scores,
    real_scores,
)
from cgan_lib.evaluation.classifier import accuracy, fingerprint, read
from cgan_lib.evaluation.metrics import fid, neighbourhoods
from cgan_lib.evaluation.protocol import learned_from
from cgan_lib.evaluation.samples import generate_like, spread_labels
from cgan_lib.evaluation.scores import ROWS, mean_over_seeds
from cgan_lib.models import MODELS
from cgan_lib.recipes import SAMPLES, SEEDS

COUNT = 250

pytestmark = pytest.mark.filterwarnings("ignore:FID of .* images is a rough number")


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
        return {name: evaluate(Given(images), "digits", count=COUNT) for name, images in faults.items()}


@pytest.fixture
def few_digits(monkeypatch, digits):
    """All training images that there are in this test: 300."""
    few = digits.take(slice(300))
    monkeypatch.setattr(
        protocol, "load_for_reading", lambda name, size, train=True: few if train else load_data(name, train=False)
    )
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
    assert (scores.diversity, scores.least_diverse) == about((0, 0), within=1e-3)
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
def test_one_bad_class_is_blamed_alone_and_not_hidden_by_the_mean(measured, fault, as_requested, least, most):
    scores, faultless = measured[fault], measured["none"]

    def others(values):
        return [value for label, value in enumerate(values) if label != 3]

    assert scores.as_requested_by_class[3] == as_requested
    assert scores.as_requested == about(faultless.as_requested - (100 - as_requested) / 10, within=1)
    assert scores.worst_class == min(as_requested, faultless.worst_class)
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


def test_the_scores_of_each_class_are_those_of_the_summary(measured):
    for scores in (*measured.values(), measured["none"].real):
        asked = [sum(row) for row in scores.confusion]
        right = [row[label] for label, row in enumerate(scores.confusion)]
        assert sum(asked) == scores.count == COUNT
        assert scores.as_requested_by_class == pytest.approx(
            [100 * mine / all_ for mine, all_ in zip(right, asked, strict=True)]
        )
        assert scores.as_requested == pytest.approx(100 * sum(right) / COUNT)
        assert scores.worst_class == min(scores.as_requested_by_class)
        assert scores.diversity == pytest.approx(fmean(scores.diversity_by_class))
        assert scores.least_diverse == min(scores.diversity_by_class)
        assert len(scores.fid_by_class) == len(scores.confusion) == len(scores.confusion[0]) == 10
        assert scores.classifier == fingerprint(load_classifier("digits"))


# --- the protocol


def test_the_real_row_is_the_measurement_of_real_training_images(measured):
    real = measured["none"].real
    assert all(scores.real == real for scores in measured.values())
    assert real == real_scores("digits", COUNT)
    assert (real.count, real.real_count, real.seeds, real.deviation, real.gan_train) == (COUNT, COUNT, 1, {}, None)
    assert real.real is None
    assert real.fid > 30  # test images would be at 0


@pytest.mark.parametrize("size", [28, 64, 16])
def test_real_images_take_the_way_of_the_fakes(digits, unseen, size):
    """At any size, training images as fakes score the floor, and the test images themselves are perfect."""
    training, tested = (in_proportion(data, COUNT).resized(size) for data in (digits, unseen))
    floor = evaluate_images(training.images, training.labels, "digits")
    assert floor.fid == pytest.approx(floor.real.fid)
    assert floor.confusion == floor.real.confusion
    assert floor.real == real_scores("digits", COUNT, image_size=size)
    perfect = evaluate(Given(in_turn(tested)), "digits", count=COUNT)
    assert (perfect.fid, *perfect.fid_by_class) == about((0,) * 11, within=1e-4)
    assert (perfect.precision, perfect.recall, perfect.coverage) == (1, 1, 1)
    assert perfect.diversity_by_class == pytest.approx((1,) * 10)
    assert perfect.kid < perfect.real.kid
    assert perfect.real == floor.real
    quick = quick_scores(Given(in_turn(training)), "digits", COUNT)  # compares with training images
    assert quick["fid"] == about(0, within=1e-4)


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
    chosen = in_proportion(digits, count)
    assert chosen == in_proportion(digits, count)
    assert len(chosen) == min(count, 1500)
    assert torch.equal(chosen.labels, spread_labels(digits.labels, len(chosen)))

    def pairs(data):
        return set(zip(map(bytes, data.images.numpy()), data.labels.tolist(), strict=True))

    assert pairs(chosen) <= pairs(digits)
    assert len(pairs(chosen)) == len(chosen)


def test_the_labels_asked_for_are_distributed_as_those_of_the_test_images(unseen, generator):
    asked = []

    def remember(labels):
        asked.append(labels)
        return real_images(unseen, labels)

    scores = evaluate(Given(remember), "digits", count=297)
    assert torch.equal(torch.cat(asked), unseen.labels.sort().values)
    assert [sum(row) for row in scores.confusion] == unseen.labels.bincount().tolist()
    fakes = generate_like(generator, unseen, 120, seed=3)
    assert torch.equal(fakes.labels, spread_labels(unseen.labels, 120))
    assert torch.equal(fakes.images, generate(generator, fakes.labels, seed=3))


@pytest.mark.parametrize("measure", [evaluate, quick_scores])
def test_scores_are_the_same_each_time_and_the_generator_and_random_state_are_left_as_they_were(generator, measure):
    generator = copy.deepcopy(generator).train()
    before, state = copy.deepcopy(generator.state_dict()), torch.random.get_rng_state()
    scores = measure(generator, "digits", count=110)  # a count that no other test has asked for: nothing is remembered
    assert torch.equal(torch.random.get_rng_state(), state)
    assert measure(generator, "digits", count=110, seed=1) == scores
    assert measure(generator, "digits", count=110, seed=2) != scores
    assert generator.training
    assert all(torch.equal(before[name], value) for name, value in generator.state_dict().items())
    assert measure(generator.eval(), "digits", count=110) == scores


def test_several_seeds_are_averaged(generator):
    scores = evaluate(generator, "digits", count=100, seeds=3, seed=5)
    of_each = [evaluate(generator, "digits", count=100, seed=seed) for seed in (5, 6, 7)]
    assert len({one.fid for one in of_each}) == 3
    assert all(one.deviation == {} and one.seeds == 1 for one in of_each)
    assert scores == mean_over_seeds(of_each, of_each[0].real)


def test_the_profile_says_how_many_images_and_seeds(generator, monkeypatch):
    assert SEEDS == {"ci": 1, "demo": 1, "full": 3}
    assert real_scores("digits").count == SAMPLES["ci"] == 200
    for profile, count in (("demo", 110), ("full", 100)):
        monkeypatch.setitem(SAMPLES, profile, count)
        monkeypatch.setenv("CGAN_PROFILE", profile)
        scores = evaluate(generator, "digits")
        assert (scores.count, scores.seeds) == (count, SEEDS[profile])


def test_the_digits_that_stand_in_for_mnist_are_read_by_their_own_classifier(generator, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", [])
    with pytest.warns(UserWarning, match="Using the embedded"):
        scores = evaluate(generator, "mnist", count=100)
    assert scores == evaluate(generator, "digits", count=100)


# --- images from elsewhere


def test_images_from_elsewhere_score_what_they_score_when_a_generator_makes_them(generator, unseen):
    fakes = generate_like(generator, unseen, 150, seed=4)
    scores = evaluate(generator, "digits", count=150, seed=4)
    assert evaluate_images(fakes.images, fakes.labels, "digits") == scores
    assert evaluate_images(fakes.images.numpy(), fakes.labels.tolist(), "digits") == scores


def test_images_from_elsewhere_may_be_in_any_order(digits):
    labels = spread_labels(digits.labels, COUNT)
    images, shuffle = real_images(digits, labels), torch.randperm(COUNT)
    in_order, mixed = (evaluate_images(images[rows], labels[rows], "digits") for rows in (slice(None), shuffle))
    assert in_order.confusion == mixed.confusion
    for name in ("fid", "recall", "density", "diversity", "inception_score", "fid_by_class"):
        assert getattr(mixed, name) == pytest.approx(getattr(in_order, name), rel=1e-4)


def test_a_few_images_from_elsewhere_are_compared_with_a_hundred(digits):
    labels = torch.arange(20) % 10
    scores = evaluate_images(real_images(digits, labels), labels, "digits")
    assert (scores.count, scores.real_count, scores.real.count) == (20, 100, 100)
    assert scores.as_requested == 100


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (torch.zeros(100, 1, 28, 28), torch.arange(100) % 10, "images must be uint8 of shape .100, 1, side, side"),
        (torch.zeros(100, 28, 28).byte(), torch.arange(100) % 10, "got torch.uint8 of shape .100, 28, 28"),
        (torch.zeros(100, 3, 28, 28).byte(), torch.arange(100) % 10, "got torch.uint8 of shape .100, 3, 28, 28"),
        (torch.zeros(100, 1, 32, 28).byte(), torch.arange(100) % 10, "got torch.uint8 of shape .100, 1, 32, 28"),
        (torch.zeros(100, 1, 0, 0).byte(), torch.arange(100) % 10, "got torch.uint8 of shape .100, 1, 0, 0"),
        ([["a"]], torch.arange(100) % 10, "images must be a tensor uint8"),
        (torch.zeros(100, 1, 28, 28).byte(), torch.eye(10).repeat(10, 1), "labels must be a list of classes"),
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


def test_quick_scores_are_those_that_the_protocol_would_find_among_training_images(generator, few_digits):
    scores = quick_scores(generator, "digits", 300, seed=3)
    fakes, classifier = generate_like(generator, few_digits, 300, seed=3), load_classifier("digits")
    (real, _), (fake, _) = (read(classifier, data.images) for data in (few_digits, fakes))
    near = neighbourhoods(real, fake)
    assert scores == pytest.approx(
        {
            "fid": fid(real, fake),
            "precision": near.precision,
            "recall": near.recall,
            "coverage": near.coverage,
            "as_requested": accuracy(classifier, fakes),
        }
    )


# --- GAN-train


def test_a_classifier_learns_from_real_images_and_not_from_wrong_labels(train_for, digits):
    train_for(3, 130)
    good = evaluate(Given(lambda labels: real_images(digits, labels)), "digits", count=COUNT, gan_train=True)
    assert good.gan_train > 80
    assert good.real.gan_train > 80
    assert good.real == real_scores("digits", COUNT, gan_train=True)
    swapped = Given(lambda labels: real_images(digits, (labels + 1) % 10))
    assert evaluate(swapped, "digits", count=COUNT, gan_train=True).gan_train < 5


@pytest.fixture
def trainings(monkeypatch):
    """What classifiers would be trained on: (images, seed, held-out images), while none is."""
    asked = []

    def remember(data, seed=1, held_out=None, size=28):
        asked.append((data, seed, held_out))
        torch.manual_seed(seed)
        return Classifier(data.num_classes, data.channels).eval()

    monkeypatch.setattr(protocol, "train_classifier", remember)
    return asked


def test_gan_train_holds_out_every_sixth_image_and_tests_on_other_ones(trainings, digits, unseen):
    few = digits.take(slice(100))
    learned = learned_from(few, unseen, seed=7)
    ((train, seed, held_out),) = trainings
    torch.manual_seed(7)
    assert learned == accuracy(Classifier().eval(), unseen)
    assert seed == 7
    assert held_out == few.take(slice(None, None, 6))
    assert train == few.take(torch.tensor([row for row in range(100) if row % 6]))


def test_gan_train_learns_from_the_fakes_of_each_seed(trainings, generator, unseen):
    scores = evaluate(generator, "digits", count=100, seeds=2, seed=3, gan_train=True)
    (first, three, _), (second, four, _), (real, _, _) = trainings
    assert (three, four) == (3, 4)
    assert len(first) == len(second) == len(real) == 83
    assert torch.equal(first.images[:5], generate_like(generator, unseen, 100, seed=3).images[1:6])
    assert not torch.equal(first.images, second.images)
    assert scores.deviation["gan_train"] >= 0
    trainings.clear()
    assert evaluate(generator, "digits", count=100).gan_train is None
    assert trainings == []  # none without asking
    assert 0 <= scores.real.gan_train <= 100


def test_the_profiles_count_is_raised_where_classes_are_many(monkeypatch):
    labels = torch.arange(120) % 24
    images = torch.randint(0, 256, (120, 1, 28, 28), dtype=torch.uint8)
    monkeypatch.setitem(DATASETS, "letters", (lambda train: (images, labels), tuple("abcdefghijklmnopqrstuvwx")))
    generator = MODELS["bce"].generator(num_classes=24, base_channels=8)
    monkeypatch.setattr(protocol, "generate_like", lambda _, data, count, seed: pytest.fail(f"{count} images"))
    with pytest.raises(pytest.fail.Exception, match="240 images"):  # it has got as far as that
        evaluate(generator, "letters")


# --- what is refused


@pytest.mark.parametrize("measure", [evaluate, quick_scores, inception_fid])
def test_what_cannot_be_measured_is_refused_with_the_way_out(generator, measure):
    with pytest.raises(UserError, match="count 99 is too few to measure 10 classes: use 100 or more"):
        measure(generator, "digits", count=99)
    with pytest.raises(UserError, match="count '100' must be a whole number"):
        measure(generator, "digits", count="100")
    with pytest.raises(UserError, match="has 4 classes, but digits has 10: name the data set that it was trained on"):
        measure(MODELS["bce"].generator(num_classes=4, base_channels=8), "digits", count=100)
    with pytest.raises(UserError, match="draws 3 channels, but digits has 1: name the data set that it was trained on"):
        measure(MODELS["bce"].generator(channels=3, base_channels=8), "digits", count=100)
    with pytest.raises(UserError, match="Linear has no `config`"):
        measure(torch.nn.Linear(1, 1), "digits", count=100)
    if measure is evaluate:
        for seeds in (0, 10**9, 1.5):
            with pytest.raises(UserError, match=f"seeds {seeds} must be at least 1 and at most 100"):
                measure(generator, "digits", count=100, seeds=seeds)


@pytest.mark.parametrize("count", [0, 99, 10**9])
def test_the_real_row_has_bounds_too(count):
    with pytest.raises(UserError, match=f"count {count} is too (few|many)"):
        real_scores("digits", count)


def test_a_generator_that_has_diverged_is_not_scored(generator):
    with pytest.raises(UserError, match="gives numbers that are NaN or infinite, not images"):
        evaluate(Diverging(generator), "digits", count=100)


class Diverging(torch.nn.Module):
    """A generator with one pixel that is no number."""

    def __init__(self, generator):
        super().__init__()
        self.generator, self.config = generator, generator.config

    def forward(self, z, labels):
        images = self.generator(z, labels).clone()
        images[-1, 0, 14, 14] = torch.nan
        return images


# --- what it is measured against


def test_a_generator_is_measured_against_what_it_was_trained_on(generator):
    trained = copy.deepcopy(generator)
    trained.dataset = "digits"
    scores = evaluate(trained, count=100)
    assert scores == evaluate(generator, "digits", count=100)
    assert (scores.dataset, scores.real.dataset) == ("digits", "digits")
    assert "test images of digits" in scores.table()
    trained.dataset = "pets"
    with pytest.raises(UserError, match=r"trained on 'pets', which is none of the data sets here: .*\(mnist, "):
        evaluate(trained, count=100)


# --- few and rare images


@pytest.fixture
def data(monkeypatch, digits, unseen):
    """A function: from now on, these are the training and test images."""

    def set_data(training=digits, test=unseen):
        monkeypatch.setattr(protocol, "load_for_reading", lambda name, size, train=True: training if train else test)

    return set_data


def rows(labels, *, counts):
    """Positions with so many images of each class in `counts`, and all of the others."""
    kept = [(labels == label).nonzero().flatten()[: counts.get(label)] for label in range(10)]
    return torch.cat(kept)


def test_fewer_images_than_features_are_said_to_make_fid_rough(generator, recwarn):
    evaluate(generator, "digits", count=128)
    (warning,) = recwarn.list
    assert str(warning.message).startswith("FID of 128 images is a rough number, and too high: their 128 features")
    assert warning.filename == __file__
    recwarn.clear()
    evaluate(generator, "digits", count=129)
    assert not recwarn.list


def test_fewer_real_images_than_asked_for_are_said(generator, data, digits):
    with pytest.warns(UserWarning, match="digits has only 297 test images for the 300 measured") as warned:
        evaluate(generator, "digits", count=300)
    assert not any("real row" in str(each.message) for each in warned)
    data(training=digits.take(slice(150)))
    with pytest.warns(UserWarning, match="only 297 test and 150 training images for the 300 .*FID of the real row"):
        scores = evaluate(generator, "digits", count=300)
    assert (scores.count, scores.real.count) == (300, 150)


@pytest.mark.parametrize("there", [0, 1])
def test_a_class_that_is_rare_in_the_test_images_is_named_and_left_out(generator, data, unseen, there):
    data(test=unseen.take(rows(unseen.labels, counts={7: there})))
    with pytest.warns(
        UserWarning, match=rf"need two images of it, and leave out class 7 \(7: {there} real, {there} meas"
    ):
        scores = evaluate(generator, "digits", count=len(unseen.take(rows(unseen.labels, counts={7: there}))))
    assert math.isnan(scores.fid_by_class[7])
    assert math.isnan(scores.diversity_by_class[7])
    others = [value for label, value in enumerate(scores.diversity_by_class) if label != 7]
    assert (scores.diversity, scores.least_diverse) == pytest.approx((fmean(others), min(others)))
    assert all(math.isfinite(getattr(scores, name)) for name in ROWS if name != "gan_train")
    assert sum(scores.confusion[7]) == there


def test_five_real_images_are_too_few_to_measure_with(generator, data, digits, unseen):
    for few in (dict(test=unseen.take(slice(5))), dict(training=digits.take(slice(5)))):
        data(**few)
        with pytest.raises(UserError, match=r"digits has 5 (test|training) images: 6 are the least to measure with"):
            evaluate(generator, "digits", count=100)
    data(test=unseen.take(slice(6)))
    with pytest.warns(UserWarning, match="leave out class"):
        assert math.isfinite(evaluate(generator, "digits", count=100).fid)
