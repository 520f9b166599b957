"""What is seen while a run trains: a panel in the notebook, a picture in the terminal."""

import re

import torch

from cgan_lib import generate
from cgan_lib.runs.live import LivePanel, text_picture


def test_live_panel_redraws_one_display(notebook, finished):
    z, labels = finished.fixed_inputs()
    fake = generate(finished.generator, labels, z=z)

    def cell():
        panel = LivePanel([str(label) for label in range(10)])
        panel.update(finished.history(), fake, 20)
        panel.update(finished.history(), fake, 40)

    shown = notebook(cell)
    assert len(shown) == 3  # the empty display, and two updates of it
    assert "image/png" in shown[-1] or "Figure" in shown[-1]["text/plain"]


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
