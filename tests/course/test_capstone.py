"""`cgan grade` of a published folder: each fault fails its own line, and what cannot be said is said to be so."""

import copy
import csv
import json
import shutil
import warnings
from dataclasses import replace
from math import nan
from pathlib import Path

import pytest
import torch
from evaluation.stand_ins import Given, in_turn, noise, real_images
from weights.hostile import CONFIGS

from cgan_lib import UserError, load_data
from cgan_lib.cli import main
from cgan_lib.course import capstone
from cgan_lib.course.capstone import Certificate, Criterion, certificates_as_csv, certify, criteria, measure
from cgan_lib.course.copying import LEAST_TESTED, Copied, copied
from cgan_lib.data import ImageData
from cgan_lib.evaluation import Scores, classifier
from cgan_lib.evaluation.scores import ROWS
from cgan_lib.files import png
from cgan_lib.models import MODELS
from cgan_lib.publish import publish

ALL = [
    "FID ↓",
    "coverage ↑",
    "GAN-test, as requested ↑",
    "worst class",
    "GAN-train ↑",
    "least diverse class",
    "copies ↓",
]
NONE = Copied(0.0, 5.0)
SCORES = Scores(
    dataset="digits",
    **dict(count=200, real_count=200, seeds=1, classifier="0123456789ab", classifier_accuracy=99.0),
    **dict(fid=20, kid=0, inception_score=9, precision=0.8, recall=0.8, density=0.8, coverage=0.8),
    **dict(as_requested=96.0, worst_class=90.0, diversity=1, least_diverse=0.8, gan_train=90.0),
    **dict(as_requested_by_class=(), fid_by_class=(), diversity_by_class=(), confusion=()),
)
SCORES = replace(SCORES, real=SCORES)


def failing(lines) -> list[str]:
    return [line.name for line in lines if line.verdict == "fails"]


@pytest.fixture(scope="module")
def unseen():
    return load_data("digits", train=False)


@pytest.fixture(scope="module")
def measured(digits, unseen):
    """A function: the failing lines of what draws these images, beside the 8×8 digits; classifiers learn little."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("CGAN_PROFILE", "ci")
        patch.setattr(classifier, "EPOCHS", 1)
        patch.setattr(classifier, "LEAST_STEPS", 80)
        yield lambda images: failing(criteria(*measure(Given(images), digits, unseen, 3)))


# --- each fault


def test_new_real_pictures_pass(measured, unseen):
    assert measured(lambda labels: real_images(unseen, labels)) == []


def test_copies_of_training_pictures_fail_for_this_alone(measured, digits):
    assert measured(lambda labels: real_images(digits, labels)) == ["copies ↓"]


def test_who_ignores_labels_fails_for_this(measured, unseen):
    draw = in_turn(unseen)
    assert measured(draw) == ["GAN-test, as requested ↑", "worst class", "GAN-train ↑"]


def test_who_ignores_z_fails_for_this(measured, unseen):
    first = torch.stack([unseen.images[unseen.labels == label][0] for label in range(10)])
    failed = measured(lambda labels: first[labels])
    assert {"FID ↓", "coverage ↑", "least diverse class"} <= set(failed)
    assert not {"GAN-test, as requested ↑", "copies ↓"} & set(failed)


def test_noise_fails_for_nearly_everything(measured):
    assert {"FID ↓", "coverage ↑", "GAN-test, as requested ↑", "GAN-train ↑"} <= set(measured(noise))


@pytest.mark.parametrize(
    ("field", "bound", "past", "name"),
    [
        ("fid", 200.0, 0.1, ALL[0]),
        ("coverage", 0.4, -0.001, ALL[1]),
        ("as_requested", 0.9 * 96, -0.01, ALL[2]),
        ("worst_class", 45.0, -0.01, ALL[3]),
        ("gan_train", 72.0, -0.01, ALL[4]),
        ("least_diverse", 0.4, -0.001, ALL[5]),
    ],
)
def test_a_score_passes_at_its_bound_and_fails_past_it(field, bound, past, name):
    assert [line.name for line in criteria(SCORES, NONE)] == ALL
    assert failing(criteria(replace(SCORES, **{field: bound}), NONE)) == []
    assert failing(criteria(replace(SCORES, **{field: bound + past}), NONE)) == [name]
    (line,) = [each for each in criteria(replace(SCORES, **{field: nan}), NONE) if each.name == name]
    assert (line.score, line.verdict) == ("–", "undecided")


def test_each_attribute_has_a_line():
    real = replace(SCORES, as_requested_by_attribute={"digit": 90.0, "colour": 100.0})
    lines = [*criteria(replace(real, real=real, as_requested_by_attribute={"digit": 82.0, "colour": 89.0}), NONE)]
    assert [(line.name, line.verdict) for line in lines[3:5]] == [("  digit", "passes"), ("  colour", "fails")]


# --- copies


def crowd(count: int, seed: int) -> ImageData:
    pixels = torch.randint(256, (count, 1, 8, 8), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    return ImageData("crowd", pixels, torch.arange(count) % 2, ("a", "b"))


@pytest.mark.parametrize("at_once", [7, 1000])
def test_the_share_of_copies_is_found(monkeypatch, at_once):
    monkeypatch.setattr("cgan_lib.course.copying.AT_ONCE", at_once)
    training, test, fakes = crowd(50, 0), crowd(40, 1), crowd(60, 2)
    assert copied(fakes, training, test).percent < 25
    mixed = ImageData("mixed", torch.cat([fakes.images[:30], training.images[-30:]]), fakes.labels, ("a", "b"))
    found = copied(mixed, training, test)
    assert 50 <= found.percent < 70
    assert found.real == 5.0


def test_where_copies_cannot_be_told_none_is_claimed():
    few = copied(crowd(60, 0), crowd(50, 0), crowd(19, 1))
    assert "19 test pictures are too few" in few.unknown
    shared = torch.cat([crowd(50, 0).images[:10], crowd(20, 1).images])
    both = copied(crowd(60, 0), crowd(50, 0), ImageData("shared", shared, torch.arange(30) % 2, ("a", "b")))
    assert "training pictures, too" in both.unknown
    for unknown in (few, both):
        assert [*criteria(SCORES, unknown)][-1].verdict == "undecided"


# --- the whole of it


@pytest.fixture
def generator(finished):
    """Its generator, to be changed."""
    return copy.deepcopy(finished.generator)


@pytest.fixture
def folder(finished, tmp_path):
    return publish(finished, tmp_path / "handed in" / "eve", scores=SCORES)


@pytest.fixture
def quick(monkeypatch):
    """Everything but the measuring."""
    monkeypatch.setattr(capstone, "measure", lambda *_: (SCORES, NONE))


def test_a_folder_gets_a_certificate_and_nothing_is_written_into_it(folder, quick, contents, capsys, tmp_path):
    before = contents(folder)
    out = tmp_path / "marks.csv"
    assert main(["grade", str(folder.parent), "--seed", "12", "--csv", str(out)]) == 0
    assert contents(folder) == before
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert max(map(len, lines[1:])) <= 80
    for said in (
        "data       digits: 1,500 pictures to learn from, 297 to test with",
        "classes    10: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
        "draws      28×28 grey",
        "seed       12 (again: --seed 12)",
        "verdict: passed",
    ):
        assert said in lines
    assert "trained    bce, 40 steps" in printed
    rows = {row["criterion"]: row for row in csv.DictReader(out.read_text("utf-8-sig").splitlines())}
    assert [*rows] == ["same pictures", *ALL]
    assert rows["FID ↓"] | {"folder": ""} == dict(
        **dict(folder="", data="digits", seed="12", criterion="FID ↓", score="20.00", real="20.00"),
        **dict(bound="at most 200.00", verdict="passes", overall="passed"),
    )


def test_every_certificate_of_a_command_has_the_same_fresh_seed(folder, quick, monkeypatch, capsys):
    shutil.copytree(folder, folder.with_name("ann"))
    seeds = iter((77, 78))
    monkeypatch.setattr("cgan_lib.commands.grade.fresh_seed", lambda: next(seeds))
    assert main(["grade", str(folder.parent)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("--seed 77") == 2
    assert printed.splitlines()[-2].startswith(str(folder.with_name("ann")))
    assert capstone.fresh_seed() < 10**6
    assert len({capstone.fresh_seed() for _ in range(9)}) > 1


@pytest.mark.filterwarnings("ignore")
def test_the_same_seed_measures_the_same(folder, monkeypatch):
    monkeypatch.setattr(classifier, "EPOCHS", 1)
    monkeypatch.setattr(classifier, "LEAST_STEPS", 20)
    one, again, other = (certify(folder, seed=seed) for seed in (4, 4, 5))  # real pictures are measured once
    assert one == again
    assert one.criteria != other.criteria
    assert one.total().startswith("not passed")  # after forty steps
    assert one.criteria[0].verdict == "passes"
    assert any(note.startswith("digits has only") or "fingerprint" in note for note in one.notes)


def test_other_pictures_than_it_learned_from_are_worth_no_verdict(folder, quick, tmp_path):
    some = load_data("digits")
    for label in range(10):
        place = tmp_path / "pictures" / str(label)
        place.mkdir(parents=True)
        for n, picture in enumerate(some.images[some.labels == label][:3]):
            (place / f"{n}.png").write_bytes(png(picture))
    found = certify(folder, str(tmp_path / "pictures"))
    assert found.data == "pictures"
    assert found.criteria[0] == Criterion("same pictures", "no", "–", "yes", "fails")
    assert found.total() == "none: these are not the pictures that it learned from"
    assert found.notes[0].startswith("It learned from pictures with the fingerprint")


def test_other_pictures_to_test_with_are_the_same_to_learn_from(tmp_path):
    images, fingerprints = load_data("digits").images, set()
    for times in range(2):
        for n, part in enumerate(("train/a", "train/b", "test/a", "test/b")):
            (tmp_path / f"{times}" / "her" / part).mkdir(parents=True)
            new = times if "test" in part else 0
            (tmp_path / f"{times}" / "her" / part / "1.png").write_bytes(png(images[n + 4 * new]))
        fingerprints.add(load_data(str(tmp_path / f"{times}" / "her"), image_size=16).fingerprint)
    assert len(fingerprints) == 1


def test_a_folder_that_does_not_say_which_pictures_is_not_decided(finished, quick, tmp_path):
    found = certify(publish(finished.generator, tmp_path / "out"))
    assert found.total() == "not decided: same pictures"
    assert found.criteria[0].score == "not stated"
    assert "publish(run, folder) writes it" in found.notes[0]


def test_classes_in_another_order_are_other_pictures(generator, quick, tmp_path):
    generator.class_names = tuple("1023456789")
    found = certify(publish(generator, tmp_path / "out"))
    assert found.criteria[0].verdict == "fails"
    assert found.notes[0].startswith("Its classes are 1, 0, 2")


def test_data_that_a_stranger_names_are_not_fetched(generator, tmp_path):
    for name, said in (
        ("sun397", "which may be large"),
        ("", "does not say"),
        ("my dog", "none of the data sets here"),
    ):
        generator.dataset = name
        place = publish(generator, tmp_path / f"of {name}")
        with pytest.raises(UserError, match=said):
            certify(place)


@pytest.mark.parametrize("missing", ["README.md", "config.json"])
def test_a_folder_that_is_not_whole_hinders_no_other(folder, quick, missing, capsys):
    half = folder.with_name("half")
    shutil.copytree(folder, half)
    (half / missing).unlink()
    assert main(["grade", str(folder.parent)]) == 2
    printed = capsys.readouterr()
    assert printed.out.startswith(f"Certificate of {folder}")
    *_, last = printed.err.splitlines()
    assert last == f"error: {half} is no whole published folder (missing: {missing}): publish it anew."


@pytest.mark.parametrize("name", CONFIGS)
def test_a_hostile_configuration_changes_no_certificate(folder, quick, name):
    whole = certify(folder, seed=1)
    (folder / "config.json").write_bytes(CONFIGS[name])
    found = certify(folder, seed=1)
    assert found.criteria == whole.criteria
    assert all(line.isprintable() for line in found.table().splitlines())
    (folder / "model.safetensors").write_bytes(b"{" * 50)
    with pytest.raises(UserError, match="damaged or no weight file"):
        certify(folder)


def test_what_a_stranger_writes_into_the_weight_file_is_shown_and_not_obeyed(folder, quick):
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    with safe_open(path, "pt") as file:
        said = file.metadata()
    lies = {"steps": "\x1b[31m9" * 99, "fingerprint": "\x1b]0;a\x07", "seconds": "NaN"}
    save_file(load_file(path), path, said | lies)
    found = certify(folder)
    assert found.criteria[0].verdict == "fails"
    assert all(line.isprintable() for line in found.table().splitlines())
    assert max(map(len, found.table().splitlines())) <= 80


def test_no_spreadsheet_calculates_a_folder():
    line = Criterion("copies ↓", "–", "–", "at most 25.0%", "undecided")
    text = certificates_as_csv([Certificate(Path("=1+1"), "digits", 1, (), (line,), ())])
    assert text.splitlines()[1].startswith("'=1+1,digits,1,copies ↓,–")


def test_the_rules_for_teachers_are_those_of_the_library():
    rules = (Path(__file__).parents[2] / "docs" / "teaching.md").read_text("utf-8")
    assert f"| FID ↓ | at most {capstone.MOST_FID:g} times that of real ones |" in rules
    for field, part in capstone.LEAST.items():
        assert f"| {ROWS[field][0].strip()} | at least {part:g} of what real ones score |" in rules
    assert f"| copies ↓ | at most {capstone.MOST_COPIES:g}% |" in rules
    assert f"fewer than {LEAST_TESTED} test pictures" in rules


# --- what is what


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("grade {eve} --all", "--all does nothing for published folders"),
        ("grade {eve} --seconds 3", "--seconds does nothing for published folders"),
        ("grade {eve} --seed -1", "must be a whole number from 0"),
        ("grade {eve} --dataset nowhere", "unknown data set 'nowhere'"),
        ("grade {notebook} --seed 3", "--seed does nothing for notebooks"),
        ("grade {notebook} {eve}", "graded apart"),
        ("grade {both}", "graded apart"),
        ("grade {eve}/model.safetensors", "is a weight file: name the published folder"),
        ("grade {empty}", "nothing to grade lies in"),
        ("grade {run}", "is a run: make a folder of it (cgan export"),
    ],
)
def test_what_is_neither_or_both_is_a_line(folder, finished, tmp_path, quick, capsys, monkeypatch, line, said):
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "both", "01"):
        (tmp_path / name).mkdir()
    for place in ("both", "01"):
        (tmp_path / place / "01.ipynb").write_text(json.dumps({"cells": []}))
    shutil.copytree(folder, tmp_path / "both" / "eve")
    places = dict(eve="eve", notebook="01", both="both", empty="empty", run=finished.folder)
    shutil.move(folder, tmp_path / "eve")
    assert main(line.format(**places).split()) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.err.count("error: ") == 1
    assert printed.out == ""


def test_an_empty_place_hinders_no_other(folder, quick, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["grade", str(tmp_path / "empty"), str(folder), str(folder)]) == 2
    printed = capsys.readouterr()
    assert "nothing to grade lies in" in printed.err
    assert printed.out.count("Certificate of") == 1  # named twice


def test_a_generator_of_other_classes_is_refused(tmp_path, home):
    small = MODELS["bce"].generator(latent_dim=6, num_classes=4, base_channels=8).eval()
    small.dataset = "digits"
    with pytest.raises(UserError, match="4 classes, but digits has 10"):
        certify(publish(small, tmp_path / "small"))
