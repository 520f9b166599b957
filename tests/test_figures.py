"""What is drawn into axes, and how it looks: the same whatever the user's settings are, and to be read by everybody."""

import io
import json
from itertools import combinations, pairwise
from types import SimpleNamespace

import compare
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogFormatter, ScalarFormatter

from cgan_lib import load_generator
from cgan_lib.commands.train import _save_curves
from cgan_lib.course.diagrams import draw_conditioning, draw_game
from cgan_lib.course.show import show_grid, show_grids, show_history, show_stages
from cgan_lib.figures import (
    COLOURS,
    INK,
    LINES,
    MARKERS,
    PAPER,
    as_png,
    contrast,
    draw_confusion,
    draw_grid,
    draw_history,
    draw_map,
    house_style,
    ink_on,
    label_ends,
    luminance,
    smooth,
    usual_range,
)
from cgan_lib.runs.live import LivePanel
from cgan_lib.sampling import tile
from cgan_lib.studio.latent import directions
from cgan_lib.studio.view import View, strip

NAMES = [str(digit) for digit in range(10)]
STRANGE_NAMES = ["$\\frac$", "$5 or $6", "<b>&amp;", "_", *"abcdef"]  # as a formula, the first is wrong
IMAGES = torch.arange(100, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 28, 28).contiguous()
ODD_SETTINGS = {
    **{"font.size": 5, "font.family": "serif", "font.sans-serif": ["DejaVu Serif"], "axes.labelsize": 4},
    **{"savefig.facecolor": "black", "savefig.dpi": 50, "figure.dpi": 60, "figure.figsize": (2, 2)},
    **{"axes.grid": True, "lines.linewidth": 7, "image.cmap": "jet", "legend.fontsize": 3, "xtick.bottom": False},
}


def peaky(start: float, count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """A curve between −1 and 1 after a high start, with one deep and one high spike later on."""
    values = np.sin(np.arange(count))
    values[:3], values[150], values[120] = start, -start, start
    return np.arange(count) * 10, values


@house_style()
def on_axes(draw, *arguments, **options) -> None:
    figure, axes = plt.subplots(figsize=(5, 4.6))
    draw(axes, *arguments, **options)
    plt.show()


def ten_lines(axes) -> None:
    for digit in range(10):
        axes.plot([0, 1, 2], [0, 1, 2 + digit / 100], label=digit)
    axes.set(xlabel="along", ylabel="slant")
    label_ends(axes)


def live(run, data) -> None:
    panel = LivePanel(NAMES)
    panel.handle = SimpleNamespace(update=lambda image: None)
    panel.update({"loss/G": peaky(80), "loss/D": peaky(9), **run.history()}, IMAGES, 3200)


def sliders(run, data) -> None:
    generator = load_generator("relativistic")
    strip(generator, View(3, toward=8), directions(generator)[:4], "relativistic")


@house_style()
def comparison(draw, *arguments) -> None:
    draw(json.loads((compare.RESULTS / "compare.json").read_text()), *arguments)
    plt.show()


FIGURES = {
    "grid": lambda run, data: show_grid(IMAGES, NAMES, "title", across="wider", down="bolder"),
    "grids": lambda run, data: show_grids(dict.fromkeys(("bce: 3,200 steps, 169 s", "b", "c"), IMAGES), NAMES),
    "stages": lambda run, data: show_stages(run.grids, {0: "about 0.5 epochs", 20: "more", 40: "clean"}, NAMES),
    "history": lambda run, data: show_history(run.history(), "bce, 40 steps"),
    "game": lambda run, data: draw_game(data.images[:3], IMAGES[:3], [0, 1, 2]),
    "conditioning": lambda run, data: draw_conditioning(),
    "confusion": lambda run, data: on_axes(draw_confusion, 99 * np.eye(10) + np.tri(10), NAMES, "read (%)"),
    "map": lambda run, data: on_axes(draw_map, torch.arange(200.0).view(100, 2), torch.arange(100) // 10, NAMES),
    "ends": lambda run, data: on_axes(ten_lines),
    "live": live,
    "sliders": sliders,
    "curves": lambda run, data: _save_curves(run),
    "compared digits": lambda run, data: comparison(compare.draw_digits, 5),
    "compared scores": lambda run, data: comparison(compare.draw_scores),
}
each_figure = pytest.mark.parametrize("name", sorted(FIGURES))


@pytest.fixture
def draw(monkeypatch, finished, digits):
    """A function: the name of a figure → (the figure, its PNG), taken where the library shows or saves it."""
    kept = []
    really_save = Figure.savefig

    def save(figure, target, **options) -> None:
        really_save(figure, buffer := io.BytesIO(), **{**options, "format": "png"})
        kept.append((figure, buffer.getvalue()))

    def draw(name: str) -> tuple[Figure, bytes]:
        kept.clear()
        FIGURES[name](finished, digits)
        (one,) = kept
        plt.close("all")
        return one

    monkeypatch.setattr(Figure, "savefig", save)
    monkeypatch.setattr(plt, "show", lambda: plt.gcf().savefig(io.BytesIO()))
    return draw


@pytest.fixture(scope="module")
def cache():
    return {}


@pytest.fixture
def drawn(draw, cache):
    """The same, each drawn only once."""
    return lambda name: cache.get(name) or cache.setdefault(name, draw(name))


@each_figure
def test_a_figure_is_the_same_whatever_the_users_settings_are(draw, drawn, name):
    _, expected = drawn(name)
    with plt.style.context("dark_background"), mpl.rc_context(ODD_SETTINGS):
        before = dict(mpl.rcParams)
        _, png = draw(name)
        assert dict(mpl.rcParams) == before  # nor does it change them
    assert png == expected


def unseen(axes) -> set[Text]:
    """The labels of ticks beyond the ends of an axis, or of an axis that is switched off."""
    labels = set()
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        ticks = axis.get_major_ticks()
        labels |= {tick.label1 for tick in ticks if not (axes.axison and low <= tick.get_loc() <= high)}
    return labels


def texts(figure: Figure) -> list[Text]:
    absent = set().union(*map(unseen, figure.axes))
    seen = (text for text in figure.findobj(Text) if text not in absent and text.get_visible())
    return [text for text in seen if text.get_text().strip()]


@each_figure
def test_text_is_11_points_or_more_in_a_picture_that_no_page_has_to_shrink(drawn, name):
    figure, _ = drawn(name)
    assert {text.get_text(): text.get_fontsize() for text in texts(figure) if text.get_fontsize() < 11} == {}
    assert figure.dpi >= 96  # points of a browser
    assert figure.get_figwidth() * figure.dpi <= 960


@each_figure
def test_no_text_is_cut_off_by_the_rim(drawn, name):
    figure, _ = drawn(name)
    width, height = figure.bbox.size
    for text in texts(figure):
        box = text.get_window_extent()
        assert -1 <= box.x0 <= box.x1 <= width + 1, text
        assert -1 <= box.y0 <= box.y1 <= height + 1, text


@each_figure
def test_every_axis_with_numbers_says_of_what(drawn, name):
    figure, _ = drawn(name)
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
            numbers = [tick for tick in axis.get_major_ticks() if tick.label1.get_visible() and tick.label1.get_text()]
            if numbers and isinstance(axis.get_major_formatter(), ScalarFormatter | LogFormatter):
                assert axis.get_label_text(), f"the axis {[tick.label1.get_text() for tick in numbers]}"


def pixels(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[::-1, :, :3] / 255  # (height, width, 3), the lowest row first


@each_figure
def test_text_stands_out_from_what_is_below_it(drawn, name):
    figure, _ = drawn(name)
    with house_style():
        figure.draw_without_rendering()
        places = [(text, text.get_window_extent()) for text in texts(figure)]
        figure.set_layout_engine("none")  # or things would move while the text is away
        for text, _ in places:
            text.set_visible(False)
        below = pixels(figure)
    for text, box in places:
        x, y = (slice(max(0, int(low)), int(high) + 1) for low, high in ((box.x0, box.x1), (box.y0, box.y1)))
        if below[y, x].size:
            paper = np.median(below[y, x].reshape(-1, 3), 0)
            assert contrast(text.get_color(), paper) >= 4.5, (text, paper)


def test_contrast_of_known_colours():
    assert contrast("white", "black") == pytest.approx(21)
    assert contrast("#777777", "white") == pytest.approx(4.48, abs=0.01)
    assert [ink_on(colour) for colour in (PAPER, INK, COLOURS["G"], COLOURS["D"])] == [INK, PAPER, INK, PAPER]


def test_lines_stand_out_from_paper_and_from_each_other_in_grey_and_to_the_colour_blind():
    with house_style():
        cycle = list(mpl.rcParams["axes.prop_cycle"])
    assert len(cycle) == len(MARKERS) == len(set(MARKERS)) == 10  # a class each
    assert all(contrast(line["color"], PAPER) >= 3 for line in cycle)
    for one, other in [*combinations(cycle, 2), LINES.values()]:
        lightness = [116 * luminance(line["color"]) ** (1 / 3) - 16 for line in (one, other)]
        assert one["linestyle"] != other["linestyle"] or abs(lightness[0] - lightness[1]) > 9
    assert contrast(*COLOURS.values()) > 2.5  # bars and clouds have no dashes


def test_draw_grid_shows_the_tiles_and_names_the_rows():
    images = IMAGES[:20, :, :4, :4]
    figure, axes = plt.subplots()
    draw_grid(axes, images, ["first", "second"], "title", across="wider", down="bolder")
    figure.canvas.draw()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"]
    assert np.array_equal(axes.images[0].get_array(), tile(images).permute(1, 2, 0))
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("title", "wider →", "← bolder")
    plt.close(figure)


def test_draw_confusion_writes_percent_of_the_row_wherever_there_are_any():
    figure, axes = plt.subplots()
    draw_confusion(axes, [[3, 1], [0, 0]], ["a", "b"])
    assert [(text.get_text(), text.get_position()) for text in axes.texts] == [("75", (0, 0)), ("25.0", (1, 0))]
    plt.close(figure)


def test_draw_map_names_each_class_that_has_points_once_and_gives_it_a_marker():
    figure, axes = plt.subplots()
    draw_map(axes, torch.tensor([[0.0, 0.0], [0.0, 2.0], [5.0, 1.0]]), torch.tensor([0, 0, 2]), ["a", "b", "c"])
    assert {text.get_text(): text.xy[0] for text in axes.texts} == {"a": 0, "c": 5}
    shapes = [cloud.get_paths()[0].vertices.tolist() for cloud in axes.collections]
    assert shapes[0] != shapes[1]
    plt.close(figure)


def test_label_ends_writes_every_name_in_the_order_of_the_ends_and_none_over_another():
    figure, axes = plt.subplots()
    ten_lines(axes)
    figure.canvas.draw()
    boxes = [Text.get_window_extent(text) for text in sorted(axes.texts, key=lambda text: int(text.get_text()))]
    assert len(boxes) == 10
    assert all(above.y0 >= below.y1 - 1 for below, above in pairwise(boxes))
    plt.close(figure)


def strange_lines(axes) -> None:
    for name in ("", *STRANGE_NAMES):
        axes.plot([0, 1], [0, 1], label=name)
    label_ends(axes)


@pytest.mark.parametrize(
    "draw",
    [
        lambda axes: draw_grid(axes, IMAGES, STRANGE_NAMES, STRANGE_NAMES[0]),
        lambda axes: draw_confusion(axes, np.eye(10), STRANGE_NAMES),
        lambda axes: draw_map(axes, torch.rand(10, 2), torch.arange(10), STRANGE_NAMES),
        strange_lines,
    ],
)
def test_names_of_classes_are_drawn_as_they_are_and_not_as_formulas(draw):
    figure = Figure()
    draw(figure.subplots())
    assert as_png(figure)
    named = [text for text in figure.findobj(Text) if "$" in text.get_text()]
    assert {text.get_text() for text in named} >= set(STRANGE_NAMES[:2])
    assert not any(text.get_parse_math() for text in named)


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
    named = [line for line in panels[1].lines if not line.get_label().startswith("_")]
    styles = {line.get_label(): {"color": line.get_color(), "linestyle": line.get_linestyle()} for line in named}
    assert styles == {"real": LINES["D"], "fake": LINES["G"]}
    assert [panel.get_ylabel() for panel in panels] == ["loss", "mean\nlogit", "gradient\nnorm"]
    plt.close(figure)


def test_a_start_and_spikes_do_not_flatten_a_curve_and_it_says_where_it_is_cut():
    figure, panels = plt.subplots(1, 3)
    draw_history(panels, {"loss/D": peaky(80), "loss/G": peaky(0.5)})
    low, high = panels[0].get_ylim()
    assert -1.5 < low < -0.99
    assert 0.99 < high < 1.5
    assert {text.get_text(): text.get_position()[0] for text in panels[0].texts} == {"↑ 80": 0, "↓ -80": 1500}
    plt.close(figure)


def test_what_fits_is_not_cut_and_not_noted():
    figure, panels = plt.subplots(1, 3)
    draw_history(panels, {"loss/D": (np.arange(300), np.linspace(2, 3, 300))})
    low, high = panels[0].get_ylim()
    assert low < 2 < 3 < high
    assert not panels[0].texts
    plt.close(figure)


@pytest.mark.parametrize("values", [[1.0, 2.0, np.nan, np.inf], [np.nan] * 4, [5.0]])
def test_curves_of_a_run_that_diverged_or_has_just_begun_are_drawn(values):
    figure, panels = plt.subplots(1, 3)
    draw_history(panels, {"loss/D": (np.arange(len(values)), np.array(values))})
    figure.canvas.draw()
    assert np.isfinite(panels[0].get_ylim()).all()
    plt.close(figure)


def test_the_usual_range_is_that_of_all_curves_after_the_start():
    steps = np.arange(101)
    high, low = (np.where(steps < 2, 1000.0, value) for value in (7.0, -3.0))
    assert usual_range([(steps, high), (steps, low)]) == (-3, 7)


def test_smoothing_keeps_constants_and_length_and_averages_noise():
    assert smooth(np.full(50, 3.0)) == pytest.approx(np.full(50, 3.0))
    assert smooth(np.array([7.0])).tolist() == [7.0]
    noise = np.random.default_rng(0).normal(size=300)
    assert len(smooth(noise)) == 300
    assert smooth(noise).std() < noise.std() / 2
    assert smooth(np.arange(60.0))[30] == pytest.approx(30)
