"""Figures and source listings of the notebooks."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import cgan_lib.losses
from cgan_lib import UserError, generate
from cgan_lib.course.diagrams import draw_conditioning, draw_game
from cgan_lib.course.show import print_shapes, show_grid, show_grids, show_history, show_source, show_stages
from cgan_lib.models import MODELS
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
    z, labels = torch.randn(3, generator.config["latent_dim"]), torch.tensor([1, 2, 3])
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


def test_print_shapes_of_a_single_layer(capsys):
    print_shapes(nn.Linear(8, 5), torch.zeros(7, 8))
    assert capsys.readouterr().out.split(maxsplit=1) == ["Linear", "(7, 5)\n"]


def test_stages_without_grids_are_an_error():
    with pytest.raises(UserError, match="no grids to show"):
        show_stages([], {0: "noise"})


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


def test_every_figure_is_displayed_once(notebook, finished, digits):
    images = generate(finished.generator, list(range(10)))
    assert len(notebook(show_grid, images, ["digits"], "title")) == 1
    assert len(notebook(show_grids, {"one": images, "two": images}, ["digits"])) == 1
    assert len(notebook(show_history, finished.history(), "title")) == 1
    assert len(notebook(show_stages, finished.grids, {0: "noise", 40: "digits"})) == 1
    assert len(notebook(draw_game, digits.images[:3], images[:3], [0, 1, 2])) == 1
    assert len(notebook(draw_conditioning)) == 1


def test_show_grids_draws_each_grid_below_its_title(monkeypatch):
    titles = {}
    monkeypatch.setattr(
        plt, "show", lambda: titles.update({axes.get_title(): axes.images[0].get_array() for axes in plt.gcf().axes})
    )
    dark, light = torch.zeros(3, 1, 4, 4, dtype=torch.uint8), torch.full((2, 1, 4, 4), 200, dtype=torch.uint8)
    show_grids({"dark": dark, "light": light}, columns=2)
    plt.close("all")
    assert {title: (picture.shape[0], picture.max()) for title, picture in titles.items()} == {
        "dark": (tile(dark, 2).shape[1], tile(dark, 2).max()),
        "light": (tile(light, 2).shape[1], 200),
    }


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
        f"{title}\nstep {step}" for title, step in zip(titles.values(), drawn, strict=True)
    ]
    for (picture, _, _), step in zip(panels, drawn, strict=True):
        with Image.open(finished.pictures / f"fake_images_steps_{step:06d}.png") as expected:
            scale = 255 if picture.dtype == np.float32 else 1  # matplotlib takes both
            assert np.allclose(picture * scale, np.asarray(expected))


def test_show_stages_names_the_rows_and_groups_the_digits_of_large_steps(monkeypatch, finished):
    path = finished.grids[0].with_name("fake_images_steps_012000.png")
    finished.grids[0].rename(path)
    ((_, title, names),) = stages(monkeypatch, [path], {12345: "clean"}, list("0123456789"))
    assert title == "clean\nstep 12,000"
    assert names == list("0123456789")
