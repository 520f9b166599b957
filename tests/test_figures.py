"""What is drawn into axes: grids with their names, and the curves of a run."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from cgan_lib.figures import COLOURS, draw_grid, draw_history, smooth
from cgan_lib.sampling import tile


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


def test_draw_history_shows_logits_where_the_loss_has_no_probabilities():
    points = (np.arange(10), np.linspace(0, 1, 10))
    figure, panels = plt.subplots(1, 3)
    draw_history(panels, dict.fromkeys(("loss/D", "logit/real", "logit/fake", "probability/D(x)"), points))
    lines = {line.get_label(): line.get_color() for line in panels[1].lines if not line.get_label().startswith("_")}
    assert lines == {"real": COLOURS["D"], "fake": COLOURS["G"]}
    assert [panel.get_ylabel() for panel in panels] == ["loss", "mean\nlogit", "gradient\nnorm"]
    plt.close(figure)


def test_smoothing_keeps_constants_and_length_and_averages_noise():
    assert smooth(np.full(50, 3.0)) == pytest.approx(np.full(50, 3.0))
    assert smooth(np.array([7.0])).tolist() == [7.0]
    noise = np.random.default_rng(0).normal(size=300)
    assert len(smooth(noise)) == 300
    assert smooth(noise).std() < noise.std() / 2
    assert smooth(np.arange(60.0))[30] == pytest.approx(30)
