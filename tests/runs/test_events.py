"""Event files: in order whatever the clock says, and a full disk is told in one line and loses nothing."""

import errno
import os
import resource
import time
from types import SimpleNamespace

import pytest
from alike import assert_identical, newest_state
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cgan_lib import UserError, open_run, train
from cgan_lib.runs.events import EventFile

HOUR = 3600


@pytest.fixture
def clock(monkeypatch):
    """A function: let the clock of event files show so many seconds more than it does."""

    def shift(seconds):
        fake = SimpleNamespace(time=lambda: time.time() + seconds)
        monkeypatch.setattr("cgan_lib.runs.events.time", fake)

    return shift


def test_files_follow_each_other_whatever_the_clock_and_foreign_files_say(tmp_path, clock):
    (tmp_path / "events.out.tfevents.profile.json").touch()
    written = []
    for seconds in (0, -HOUR, HOUR, -HOUR, 0, 0):
        clock(seconds)
        file = EventFile(tmp_path, step=0)
        file.close()
        written.append(file.path.name)
    assert sorted(written) == written
    assert len(set(written)) == 6


def test_curves_and_grids_of_a_run_are_whole_when_the_clock_steps_back_and_forth(tiny, clock):
    rhythm = dict(log_every=1, grid_every=2, save_every=2, **tiny)
    for steps, seconds in ((3, 0), (6, -HOUR), (9, HOUR), (12, -24 * HOUR)):
        clock(seconds)
        run = train("bce", steps=steps, **rhythm)
    assert run.history()["loss/D"][0].tolist() == list(range(1, 13))
    for kind in ("fake", "real"):
        events = EventAccumulator(str(run.folder), size_guidance={"images": 0})
        events.Reload()
        assert [image.step for image in events.Images(f"samples/{kind}")] == [0, 2, 3, 4, 6, 8, 9, 10, 12]


@pytest.fixture
def limit():
    """A function: no file may become larger than so many bytes, as on a full disk; without an argument, any may."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def largest(size=before[0]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    yield largest
    largest()


RHYTHM = dict(steps=12, log_every=1, grid_every=4, save_every=4)


@pytest.fixture(scope="module")
def straight(tmp_path_factory, tiny):
    """A run on a disk that has room, and its curves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CGAN_HOME", str(tmp_path_factory.mktemp("straight")))
        run = train("bce", profile="ci", **RHYTHM, **tiny)
        return run, run.history()


@pytest.mark.parametrize("step", [0, 1, 4, 6, 11])
def test_a_full_disk_is_one_line_and_afterwards_the_same_call_ends_as_if_nothing_had_been(
    tiny, straight, at_step, limit, step
):
    expected, curves = straight
    if step:
        at_step(step, lambda: limit(20_000))
    else:
        limit(20_000)
    with pytest.raises(UserError, match=r"cannot write .* \(File too large\): free space there, or set CGAN_HOME"):
        train("bce", **RHYTHM, **tiny)
    limit()
    run = train("bce", **RHYTHM, **tiny)
    assert_identical(newest_state(run.folder), newest_state(expected.folder))
    assert [path.name for path in run.grids] == [path.name for path in expected.grids]
    for name, (steps, _) in run.history().items():
        assert steps.tolist() == curves[name][0].tolist(), name
    assert open_run(run.folder).step == 12


@pytest.mark.parametrize("name", ["fake_images_steps_000004.png", "step_00000004.pt", "recipe.json", "z_eval.npy"])
def test_whatever_file_does_not_fit_the_message_is_the_same(tiny, monkeypatch, name):
    replace = os.replace

    def full(source, target):
        if str(target).endswith(name):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(UserError, match=rf"cannot write .*{name} \(No space left on device\): free space there"):
            train("bce", **RHYTHM, **tiny)
    assert train("bce", **RHYTHM, **tiny).step == 12
