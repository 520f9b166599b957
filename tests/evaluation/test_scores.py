"""How scores are written: as a sentence, as a table, as JSON; and their mean over seeds."""

import json
import math
from dataclasses import fields, replace

import pytest

from cgan_lib.evaluation.scores import ROWS, Scores, mean_over_seeds

SCORES = Scores(
    dataset="digits",
    count=2000,
    real_count=1500,
    seeds=2,
    classifier="0123456789ab",
    classifier_accuracy=99.25,
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
REAL = replace(SCORES, fid=2.0, as_requested=99.17, recall=1.0, gan_train=None, deviation={}, seeds=1)
BESIDE_REAL = replace(SCORES, real=REAL)


def test_scores_print_as_a_sentence():
    assert str(BESIDE_REAL) == (
        "91.3% as requested (worst class 82.3%, real 99.2%), diversity 0.73 of real (least 0.60), 2,000 images"
    )
    assert str(SCORES) == "91.3% as requested (worst class 82.3%), diversity 0.73 of real (least 0.60), 2,000 images"


def test_the_table_has_every_score_beside_the_real_one_and_the_deviation_over_seeds():
    assert BESIDE_REAL.table().split("\n") == [
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
        "2,000 images × 2 seeds beside 1,500 test images of digits; classifier 0123456789ab reads 99.2% of those right",
    ]
    numbers = {field.name for field in fields(Scores) if field.type in (float, float | None)}
    assert set(ROWS) == numbers - {"classifier_accuracy"}  # which the last line says


def test_what_rests_on_a_classifier_that_often_errs_is_doubted():
    assert replace(SCORES, classifier_accuracy=89.9).table().split("\n")[-1].startswith("Below 90% GAN-test says")


@pytest.mark.parametrize(
    ("accuracy", "count", "points"), [(100, 36, "±7"), (50, 36, "±16"), (95, 60, "±7"), (100, 60, ""), (99, 297, "")]
)
def test_what_few_test_images_say_of_the_classifier_is_doubted(accuracy, count, points):
    scores = replace(SCORES, classifier_accuracy=accuracy, real_count=count)
    few = [doubt for doubt in scores.doubts() if "points only" in doubt]
    assert len(few) == bool(points)
    assert all(f"From {count} test images that share is known to {points} points only" in doubt for doubt in few)
    assert scores.to_dict()["doubts"] == scores.doubts()
    assert scores.table().endswith("\n".join(scores.doubts()))


def test_classes_of_which_nothing_is_said_are_counted():
    unknown = replace(SCORES, fid_by_class=(20.0, math.nan))
    (doubt,) = unknown.doubts()
    assert doubt.startswith("1 of 2 classes had not two images on either side")


def test_a_distance_below_0_is_doubted_where_the_table_shows_it():
    assert replace(SCORES, kid=-0.0004).doubts() == []
    (doubt,) = replace(SCORES, kid=-0.0006).doubts()
    assert doubt.startswith("KID is below 0")


def test_the_table_of_one_seed_has_no_deviation_and_that_of_real_images_no_real_ones():
    header, *rows, last = REAL.table().split("\n")
    assert header.split() == ["fakes", "real"]
    assert all(row.endswith(" –") for row in rows)
    assert not any(row.startswith("GAN-train") for row in rows)  # it was not asked for
    assert last == "2,000 images beside 1,500 test images of digits; classifier 0123456789ab reads 99.2% of those right"


def test_the_table_says_when_there_were_fewer_real_images_than_fakes():
    last = replace(BESIDE_REAL, real=replace(REAL, count=1500)).table().split("\n")[-1]
    assert last.startswith("2,000 images × 2 seeds (real: 1,500 training images) beside 1,500 test images of digits;")


def test_what_is_not_known_is_null_in_json():
    unknown = replace(SCORES, fid_by_class=(20.0, math.nan))
    assert json.loads(json.dumps(unknown.to_dict(), allow_nan=False))["fid_by_class"] == [20, None]


def test_scores_survive_json():
    def tuples(value):
        return tuple(map(tuples, value)) if isinstance(value, list) else value

    read_back = json.loads(json.dumps(BESIDE_REAL.to_dict(), allow_nan=False))
    assert read_back.pop("doubts") == read_back["real"].pop("doubts", []) == []
    scores, real = ({name: tuples(value) for name, value in each.items()} for each in (read_back, read_back["real"]))
    assert Scores(**scores | {"real": Scores(**real)}) == BESIDE_REAL


def test_the_mean_over_seeds_says_how_far_apart_they_are_and_adds_the_confusions():
    one = replace(SCORES, seeds=1, deviation={})
    other = replace(one, fid=14.346, gan_train=94.0, fid_by_class=(40.0, 10.0), confusion=((0, 2000), (0, 2000)))
    both = mean_over_seeds([one, other], REAL)
    assert (both.seeds, both.count, both.real) == (2, 2000, REAL)
    assert (both.fid, both.gan_train, *both.fid_by_class) == pytest.approx((13.346, 92.0, 30.0, 20.0))
    assert both.confusion == ((2000, 2000), (350, 3650))
    assert (both.deviation["fid"], both.deviation["gan_train"], both.deviation["kid"]) == pytest.approx(
        (2**0.5, 8**0.5, 0)
    )
    assert set(both.deviation) == set(ROWS)
    assert mean_over_seeds([one], REAL) == replace(one, real=REAL)
