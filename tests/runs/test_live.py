"""What is seen while a run trains: a panel in the notebook, a picture in the terminal."""

import re
import sys

import pytest
import torch

from cgan_lib import generate, open_run, train
from cgan_lib.runs.live import text_picture


def test_live_training_redraws_one_panel_in_the_notebook(notebook, tiny):
    shown = notebook(train, "bce", live=True, steps=4, grid_every=2, log_every=1, **tiny)
    figures = [bundle for bundle in shown if "image/png" in bundle]
    assert len(figures) == 3  # after steps 0, 2 and 4


def test_live_training_outside_a_notebook_trains_all_the_same(tiny):
    assert train("bce", live=True, steps=2, **tiny).step == 2


@pytest.mark.parametrize(("terminal", "pictures"), [(True, [1, 2, 4, 5]), (False, [])])
def test_a_terminal_gets_pictures_ever_more_seldom_and_of_the_last_step_and_a_log_file_none(
    terminal, pictures, tiny, monkeypatch, capsys
):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    train("bce", steps=5, grid_every=1, **tiny)
    printed = capsys.readouterr().out
    assert [int(step) for step in re.findall(r"▀.*\nstep (\d): output_images/digits/bce/ci/fake", printed)] == pictures


@pytest.mark.parametrize("terminal", [True, False])
def test_a_run_of_no_steps_is_a_grid_of_untrained_samples_and_a_checkpoint(tiny, monkeypatch, terminal):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    run = train("bce", steps=0, **tiny)
    assert (run.step, len(run.grids)) == (0, 1)
    assert open_run(run.folder).step == 0


def test_text_picture_is_two_rows_of_five_digits_in_true_colour(finished):
    z, labels = finished.fixed_inputs()
    fake = generate(finished.generator, labels, z=z)
    lines = text_picture(fake).splitlines()
    assert len(lines) == 2 * 7  # a character is two pixels high: 14 pixels a digit
    assert {line.count("▀") for line in lines} == {5 * 15}
    colours = [int(value) for value in re.findall(r"38;2;(\d+)", lines[0])]
    first_row = torch.nn.functional.interpolate(fake[::10].float(), (14, 14), mode="area").round().int()[:5, 0, 0]
    assert colours == [grey for digit in first_row.tolist() for grey in (*digit, 0)]


def test_text_picture_of_four_classes_in_colour_is_one_row():
    lines = text_picture(torch.zeros(40, 3, 28, 28, dtype=torch.uint8)).splitlines()
    assert len(lines) == 7
    assert {line.count("▀") for line in lines} == {4 * 15}
