"""What a run remembers: its pictures, its data and their classes, wherever it lies and whatever became of the data."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from alike import same_weights

from cgan_lib import UserError, load_generator, open_run, train
from cgan_lib.data import DATASETS, ImageData
from cgan_lib.models import MODELS
from cgan_lib.runs.about import FILE
from cgan_lib.runs.checkpoint import save_checkpoint
from cgan_lib.weights import facts

GRIDS = [f"fake_images_steps_0000{step}.png" for step in ("00", "20", "40")]


def names(run):
    assert all(path.is_file() for path in run.grids)
    return [path.name for path in run.grids]


@pytest.fixture(params=["as it is named", "where it is", "from its folder"])
def linked(request, finished, home, tmp_path_factory, monkeypatch):
    """A run whose `logs` is a link to another disk, opened in several ways."""
    disk = tmp_path_factory.mktemp("disk") / "big" / "logs"
    shutil.move(home / "logs", disk)
    (home / "logs").symlink_to(disk, target_is_directory=True)
    there = disk / finished.folder.relative_to(home / "logs")
    if request.param == "from its folder":
        monkeypatch.chdir(there)
        return open_run(Path("."))
    return open_run(finished.folder if request.param == "as it is named" else there)


def test_the_pictures_of_a_run_behind_a_link_are_in_the_course(linked, home):
    assert names(linked) == GRIDS
    assert linked.pictures == home / "output_images" / "digits" / "bce" / "ci"


def test_training_behind_a_link_writes_into_the_course_alone(linked, home, tiny):
    run = train("bce", steps=41, log_every=5, grid_every=20, save_every=20, **tiny)
    assert names(run) == [*GRIDS, "fake_images_steps_000041.png"]
    assert not (linked.folder.resolve().parents[3] / "output_images").exists()


def test_the_pictures_of_a_run_that_is_trained_by_a_link_beside_it_stay_together(finished, tiny):
    (finished.folder.parent / "linked").symlink_to(finished.folder, target_is_directory=True)
    run = train("bce", run="linked", steps=41, log_every=5, grid_every=20, save_every=20, **tiny)
    for folder in (run.folder, finished.folder):
        assert names(open_run(folder)) == [*GRIDS, "fake_images_steps_000041.png"]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("recipe.json", "[" * 100_000, "cannot be read as a recipe"),
        ("z_eval.npy", "x", r"cannot be read .*grid_inputs\(.* makes the same"),
        ("labels_eval.npy", None, "cannot be read"),
    ],
)
def test_a_damaged_file_of_a_run_is_one_line(finished, file, content, message):
    path = finished.folder / file
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(UserError, match=message):
        open_run(finished.folder).fixed_inputs()


@pytest.mark.parametrize("place", ["logs/digits/bce/copy", "keep", "a/b/c/d/e"])
def test_a_copied_run_has_the_grids_of_the_original(finished, home, tmp_path_factory, place):
    for course in (home, tmp_path_factory.mktemp("elsewhere")):
        shutil.copytree(finished.folder, course / place)
        assert names(open_run(course / place)) == GRIDS
        assert names(replace(finished, folder=course / place)) == GRIDS


def test_a_run_right_below_the_root_of_a_disk_has_no_more_folders_above_it(finished):
    assert replace(finished, folder=Path("/run")).pictures == finished.pictures.with_name("run")


def test_a_copy_that_goes_on_takes_the_grids_along_and_leaves_the_original_as_it_is(finished, home, tiny, contents):
    shutil.copytree(finished.folder, finished.folder.with_name("copy"))
    before = contents(finished.pictures), contents(finished.folder)
    copy = train("bce", run="copy", steps=42, **tiny)
    assert names(copy) == [*GRIDS, "fake_images_steps_000042.png"]
    assert copy.pictures == home / "output_images" / "digits" / "bce" / "copy"
    assert (contents(finished.pictures), contents(finished.folder)) == before


def test_a_course_that_was_moved_has_its_pictures_where_it_is_now(finished, home, tmp_path_factory):
    moved = tmp_path_factory.mktemp("new") / "course"
    shutil.copytree(home, moved)
    run = open_run(moved / finished.folder.relative_to(home))
    assert run.pictures == moved / "output_images" / "digits" / "bce" / "ci"
    assert names(run) == GRIDS


def test_pictures_that_lie_under_capitals_as_they_once_did_are_found_and_taken_along(finished, home, tiny):
    shutil.move(finished.pictures, home / "aside")
    shutil.move(home / "aside", home / "output_images" / "DIGITS" / "bce" / "ci")
    assert names(open_run(finished.folder)) == GRIDS
    run = train("bce", steps=42, **tiny)
    assert names(run) == [*GRIDS, "fake_images_steps_000042.png"]
    assert run.pictures == home / "output_images" / "digits" / "bce" / "ci"


def test_a_run_from_before_it_remembered_has_its_pictures_and_goes_on(finished, tiny):
    (finished.folder / FILE).unlink()
    run = open_run(finished.folder)
    assert names(run) == GRIDS
    assert (run.generator.dataset, run.generator.class_names) == ("digits", tuple("0123456789"))
    train("bce", **tiny)
    assert json.loads((finished.folder / FILE).read_text())["images"] == 1500


def three_shapes(per_class=(40, 40, 40), classes=("ring", "bar", "dot"), channels=1, shift=0):
    labels = torch.arange(len(classes)).repeat_interleave(torch.tensor(per_class))
    images = (torch.arange(len(labels) * channels * 784) * 31 % 251).to(torch.uint8).view(-1, channels, 28, 28)
    return ImageData("shapes", images + shift, labels, classes)


@pytest.fixture
def shapes(tiny, monkeypatch):
    """A function: train on these data, which are called `shapes`."""
    settings = tiny | dict(dataset="shapes", score="losses")

    def on(data, **changes):
        monkeypatch.setitem(DATASETS, data.name, (lambda train: (data.images, data.labels), data.class_names))
        return train("bce", **settings | changes)

    return on


def test_the_names_of_the_classes_are_those_of_the_data_that_were_learned_from(shapes):
    run = shapes(three_shapes(), steps=2)
    for generator in (
        run.generator,
        open_run(run.folder).generator,
        run.last_generator(),
        load_generator(run.folder / "generator.safetensors"),
    ):
        assert (generator.dataset, generator.class_names) == ("shapes", ("ring", "bar", "dot"))


def test_many_classes_are_measured_on_as_many_images_as_that_takes(shapes, monkeypatch):
    monkeypatch.setattr("cgan_lib.evaluation.classifier.EPOCHS", 0)
    monkeypatch.setattr("cgan_lib.evaluation.classifier.LEAST_STEPS", 3)
    data = three_shapes(per_class=(20,) * 26, classes=tuple("abcdefghijklmnopqrstuvwxyz"))
    run = shapes(data, steps=2, score="fid")  # 100 images, in this profile, for fewer classes
    assert json.loads(facts(run.best)["protocol"])["images"] == 260


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (
            dict(per_class=(30,) * 4, classes=tuple("abcd")),
            "is a run of 3 classes, the data have 4: give this run another name",
        ),
        (dict(per_class=(50,) * 3), "is a run of 120 images, the data have 150"),
        (dict(channels=3), "is a run of 1 channels, the data have 3"),
        (dict(shift=1), "has learned from other images or labels than those that shapes has now"),
        (dict(per_class=(41, 39, 40)), "has learned from other images or labels"),
    ],
)
def test_a_run_whose_data_changed_is_not_gone_on_with(shapes, contents, home, now, message):
    run = shapes(three_shapes(), steps=2)
    before = contents(home)
    with pytest.raises(UserError, match=message):
        shapes(three_shapes(**now), steps=4)
    assert contents(home) == before
    assert shapes(three_shapes(**now), steps=4, run="other").step == 4
    assert shapes(three_shapes(classes=tuple("abc")), steps=4).generator.class_names == tuple("abc")  # only renamed
    assert run.folder.is_dir()


@pytest.mark.parametrize("text", ["{", "[]", "{}", "\0", "[" * 100_000, '{"run": "../../.."}'])
def test_what_is_remembered_is_read_with_care(finished, tiny, contents, home, text):
    known = json.loads((finished.folder / FILE).read_text())
    whole = text.startswith('{"')
    (finished.folder / FILE).write_text(json.dumps(known | json.loads(text)) if whole else text)
    before = contents(home)
    for attempt in (lambda: train("bce", **tiny), lambda: open_run(finished.folder), lambda: finished.grids):
        with pytest.raises(UserError, match=r"run\.json cannot be read"):
            attempt()
    assert contents(home) == before


def test_opening_a_run_leaves_the_random_state_as_it_was(finished):
    before = torch.get_rng_state()
    run = open_run(finished.folder)
    run.last_generator()
    run.discriminator()
    assert torch.equal(torch.get_rng_state(), before)
    assert same_weights(run.generator, finished.generator)


@pytest.mark.parametrize("what", ["other networks", "another content"])
def test_a_checkpoint_that_does_not_fit_the_networks_is_one_line(finished, tiny, monkeypatch, what):
    if what == "other networks":
        monkeypatch.setitem(MODELS, "bce", MODELS["dropout"])
    else:
        save_checkpoint(finished.folder / "checkpoints", {"step": 41, "config": {"sides": 3}}, 41)
    for attempt in (lambda: train("bce", steps=42, **tiny), lambda: open_run(finished.folder), finished.discriminator):
        with pytest.raises(UserError, match=r"the checkpoint in .* does not fit the networks of bce \("):
            attempt()
