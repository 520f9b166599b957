"""Figures, listings and pictures for notebooks and the terminal; and what importing the library costs."""

import json
import os
import re
import statistics
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import cgan_lib.losses
from cgan_lib import generate
from cgan_lib.course.show import print_shapes, show_grid, show_history, show_source, show_stages
from cgan_lib.figures import draw_grid, draw_history, smooth
from cgan_lib.models import MODELS
from cgan_lib.runs.live import LivePanel, text_picture
from cgan_lib.sampling import tile


@pytest.fixture(autouse=True)
def _no_figure_is_left_open():
    plt.close("all")
    yield
    left = plt.get_fignums()
    plt.close("all")
    assert left == []


@pytest.mark.parametrize("model", MODELS)
def test_print_shapes_prints_one_line_for_each_leaf_with_the_shape_that_leaves_it(model, capsys):
    generator = MODELS[model].generator(base_channels=8).eval()
    z, labels = torch.randn(3, 100), torch.tensor([1, 2, 3])
    output = print_shapes(generator, z, labels)
    lines = capsys.readouterr().out.splitlines()
    leaves = [
        (name, layer)
        for name, layer in generator.named_modules()
        if not list(layer.children()) and not name.startswith("early_to_image")  # at full size these have no work
    ]
    assert len(lines) == len(leaves)
    assert {tuple(line.split()[:2]) for line in lines} == {(name, type(layer).__name__) for name, layer in leaves}
    size = generator.config["image_size"]
    assert lines[-1].endswith(f"(3, 1, {size}, {size})")
    assert len({line.index("(") for line in lines}) == 1  # one column, however long a name is
    assert torch.equal(output, generator(z, labels))
    assert capsys.readouterr().out == ""  # its hooks are gone


def test_print_shapes_of_a_known_stack(capsys):
    print_shapes(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 5)), torch.zeros(7, 1, 4, 4))
    lines = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert lines == [["0", "Conv2d", "(7, 2, 2, 2)"], ["1", "Flatten", "(7, 8)"], ["2", "Linear", "(7, 5)"]]


def test_print_shapes_takes_its_hooks_away_after_an_error(capsys):
    layer = nn.Sequential(nn.Linear(2, 3))
    with pytest.raises(RuntimeError):
        print_shapes(layer, torch.zeros(1, 5))
    layer(torch.zeros(1, 2))
    assert capsys.readouterr().out == ""


def test_show_source_shows_the_source_as_it_stands(notebook):
    shown = notebook(show_source, cgan_lib.losses.bce_g, MODELS["bce"].generator.forward)
    texts = [bundle["text/markdown"] if "text/markdown" in bundle else bundle["text/plain"] for bundle in shown]
    assert len(texts) == 2
    assert "`cgan_lib/losses.py`" in texts[0]
    assert "def bce_g(fake: Tensor) -> Tensor:" in texts[0]
    assert "return F.softplus(-fake).mean()" in texts[0]
    assert "`cgan_lib/models/concat.py`" in texts[1]
    assert "```python\ndef forward(self" in texts[1]  # a method is shown without the indent of its class


def test_show_grid_and_show_history_display_one_figure_each(notebook, finished):
    images = generate(finished.generator, list(range(10)))
    assert len(notebook(show_grid, images, ["digits"], "title")) == 1
    assert len(notebook(show_history, finished.history(), "title")) == 1


def stages(monkeypatch, grids, titles, *arguments):
    """The panels of the figure that `show_stages` displays: (picture, title, names beside its rows)."""
    drawn = []
    monkeypatch.setattr(plt, "show", lambda: drawn.append(plt.gcf()))
    show_stages(grids, titles, *arguments)
    (figure,) = drawn
    figure.canvas.draw()
    panels = [
        (axes.images[0].get_array(), axes.get_title(), [label.get_text() for label in axes.get_yticklabels()])
        for axes in figure.axes
    ]
    plt.close(figure)
    return panels


def test_show_stages_draws_the_grids_nearest_to_the_steps_asked_for(monkeypatch, finished):
    titles = {0: "noise", 28: "structure", 33: "digits", 10**6: "the end"}
    panels = stages(monkeypatch, finished.grids, titles)
    drawn = [0, 20, 40, 40]  # of 0, 20 and 40
    assert [title for _, title, _ in panels] == [
        f"{title} (step {step})" for title, step in zip(titles.values(), drawn, strict=True)
    ]
    for (picture, _, _), step in zip(panels, drawn, strict=True):
        with Image.open(finished.pictures / f"fake_images_steps_{step:06d}.png") as expected:
            scale = 255 if picture.dtype == np.float32 else 1  # matplotlib takes both
            assert np.allclose(picture * scale, np.asarray(expected))


def test_show_stages_names_the_rows_and_groups_the_digits_of_large_steps(monkeypatch, finished):
    path = finished.grids[0].with_name("fake_images_steps_012000.png")
    finished.grids[0].rename(path)
    ((_, title, names),) = stages(monkeypatch, [path], {12345: "clean"}, list("0123456789"))
    assert title == "clean (step 12,000)"
    assert names == list("0123456789")


def test_show_stages_displays_one_figure(notebook, finished):
    assert len(notebook(show_stages, finished.grids, {0: "noise", 40: "digits"})) == 1


def test_draw_grid_shows_the_tiles_and_names_the_rows():
    images = torch.arange(20, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous()
    figure, axes = plt.subplots()
    draw_grid(axes, images, ["first", "second"], "title")
    figure.canvas.draw()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"]
    assert np.array_equal(axes.images[0].get_array(), tile(images).permute(1, 2, 0))
    assert axes.get_title() == "title"
    plt.close(figure)


def test_draw_history_draws_each_curve_of_a_real_run_with_its_points(finished):
    curves = finished.history()
    figure, panels = plt.subplots(1, 3)
    draw_history(panels, curves)
    figure.canvas.draw()
    legends = [{text.get_text() for text in panel.get_legend().get_texts()} for panel in panels]
    assert legends == [{"G", "D"}, {"D(x)", "D(G(z))"}, {"G", "D"}]
    measured = [line.get_ydata() for line in panels[0].lines]
    assert any(np.array_equal(values, curves["loss/D"][1]) for values in measured)
    plt.close(figure)


def test_smoothing_keeps_constants_and_length_and_averages_noise():
    assert smooth(np.full(50, 3.0)) == pytest.approx(np.full(50, 3.0))
    assert smooth(np.array([7.0])).tolist() == [7.0]
    noise = np.random.default_rng(0).normal(size=300)
    assert len(smooth(noise)) == 300
    assert smooth(noise).std() < noise.std() / 2
    assert smooth(np.arange(60.0))[30] == pytest.approx(30)


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


# --- import


def test_importing_the_library_costs_half_a_second_at_most_and_nothing_heavy():
    """Beyond PyTorch. Processor time, because the wall clock measures what else the machine does."""
    code = """
import json, sys, time
import torch
start = time.process_time()
import cgan_lib
print(json.dumps([time.process_time() - start, sorted(sys.modules)]))
"""
    path = os.pathsep.join(sys.path)
    seconds = []
    for _ in range(3):
        output = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, env=os.environ | {"PYTHONPATH": path}
        ).stdout
        taken, modules = json.loads(output)
        seconds.append(taken)
        heavy = {"torchvision", "matplotlib", "tensorboard", "sklearn", "tyro", "IPython", "torchinfo"}
        assert heavy.isdisjoint(modules)
    assert statistics.median(seconds) < 0.5
