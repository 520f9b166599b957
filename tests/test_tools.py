"""Tools: what a notebook keeps of its outputs, and what the library ships is made as it says."""

import base64
import io
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import nbformat
import pytest
import ship
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image
from publish.test_folder import SCORES
from safetensors.torch import load_file
from torchvision import datasets

import notebooks
from cgan_lib import UserError, generate, load, load_generator, pretrained, train
from cgan_lib.evaluation import load_classifier
from cgan_lib.evaluation.classifier import accuracy
from cgan_lib.weights import facts

ROOT = Path(__file__).resolve().parents[1]


# --- what a notebook keeps of its outputs


WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def png() -> str:
    """A grey picture in base64, larger than need be."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, "PNG", compress_level=0)
    return base64.b64encode(buffer.getvalue()).decode()


def shown(**data) -> nbformat.NotebookNode:
    names = dict(png="image/png", html="text/html", text="text/plain", widget=WIDGET)
    return new_output("display_data", {names[name]: value for name, value in data.items()})


def pixels(png: str) -> bytes:
    return Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB").tobytes()


def test_a_widget_with_a_picture_beside_it_leaves_the_picture(png):
    widget = shown(widget={"model_id": "1"}, png=png, text="Studio(bce)")
    assert not notebooks.is_fleeting(widget)
    notebook = new_notebook(cells=[new_code_cell("explore()", outputs=[widget])])
    notebooks.clean(notebook)
    (output,) = notebook.cells[0].outputs
    assert set(output.data) == {"image/png", "text/plain"}
    assert output.data["text/plain"] == "Studio(bce)"
    assert len(output.data["image/png"]) < len(png)
    assert pixels(output.data["image/png"]) == pixels(png)


@pytest.mark.parametrize(
    ("output", "fleeting"),
    [
        (shown(widget={"model_id": "1"}, text="a progress bar"), True),
        (shown(html="<iframe id='tensorboard-frame-1'></iframe>"), True),
        (new_output("stream", name="stderr", text="a warning"), True),
        (new_output("stream", name="stdout", text="a line"), False),
        (shown(html="<b>a table</b>", text="a table"), False),
        (shown(text="a value"), False),
        (new_output("execute_result", {"text/plain": "a value"}), False),
        (new_output("error", ename="ValueError", evalue="wrong"), False),
    ],
    ids=lambda value: str(dict(value).get("data", value)) if isinstance(value, dict) else str(value),
)
def test_what_is_fleeting_is_taken_out_and_all_else_stays(output, fleeting, png):
    assert notebooks.is_fleeting(output) is fleeting
    picture = shown(png=png)
    notebook = new_notebook(cells=[new_markdown_cell("text"), new_code_cell("1", outputs=[output, picture])])
    notebook.metadata["widgets"] = {"state": {}}
    notebooks.clean(notebook)
    text, code = notebook.cells
    assert text.source == "text"
    assert code.source == "1"
    assert code.outputs == [*([] if fleeting else [output]), picture]
    assert "widgets" not in notebook.metadata
    assert notebook.metadata.kernelspec.name == "python3"
    nbformat.validate(notebook)


# --- what the library ships


@pytest.mark.parametrize(("seconds", "words"), [(4, "10 s"), (61, "70 s"), (91, "2 min"), (121, "3 min")])
def test_how_long_a_notebook_takes_is_said_where_a_reader_looks(tmp_path, seconds, words):
    first, own, readme = tmp_path / "00_start.ipynb", tmp_path / "01_own.ipynb", tmp_path / "README.md"
    row = "| [**{}**]({}) | what | about 6 min |"
    for path in (first, own):
        rows = "\n".join(row.format(name, f"{name}.ipynb") for name in ("00_start", "01_own"))
        cell = nbformat.v4.new_markdown_cell(f"**Needs:** 00. **Time:** about 6 min on\na 2-core CPU.\n\n{rows}")
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    readme.write_text(row.format("01", "notebooks/01_own.ipynb") + "\n")
    notebooks.stamp(own, notebooks.in_words(seconds), [first, readme])
    assert f"**Time:** {words} on\na 2-core CPU." in nbformat.read(own, as_version=4).cells[0].source
    shown = nbformat.read(first, as_version=4).cells[0].source
    assert "**Time:** about 6 min" in shown
    assert shown.splitlines()[-2:] == [
        row.format("00_start", "00_start.ipynb"),
        f"| [**01_own**](01_own.ipynb) | what | {words} |",
    ]
    assert readme.read_text() == f"| [**01**](notebooks/01_own.ipynb) | what | {words} |\n"


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Where `ship` puts what it makes: every folder of the course that it knows is replaced, whatever its name."""
    (tmp_path / "shelf").mkdir()
    ours = [name for name, value in vars(ship).items() if isinstance(value, Path) and value.is_relative_to(ROOT)]
    assert {"PRETRAINED", "SHIPPED", "GALLERY"} <= set(ours)
    for name in ours:
        monkeypatch.setattr(ship, name, tmp_path / "shelf")
    return tmp_path / "shelf"


def test_a_generator_is_trained_for_the_time_given_and_shipped_in_half_precision(shelf, monkeypatch, capsys, tiny):
    def train_fast(recipe, run, steps):
        """A hundred times fewer steps; each of those asked for took 10 ms, whatever this machine is."""
        trained.append(replace(train(recipe, run=run, steps=steps // 100, **tiny), step=steps, seconds=steps / 100))
        return trained[-1]

    trained = []
    monkeypatch.setattr(ship, "train", train_fast)
    monkeypatch.setattr(ship, "evaluate", lambda generator: SCORES)
    ship.ship_generator("bce", seconds=11)
    steps = [run.step for run in trained]
    assert steps == sorted(steps)
    assert 0.97 * 11 <= trained[-1].seconds <= 11  # never more than was asked for, and within 3% of it
    path = shelf / "bce.safetensors"
    said = facts(path)
    assert (said["model"], said["steps"], said["seconds"]) == ("bce", str(steps[-1]), "11")
    assert {tensor.dtype for tensor in load_file(path).values() if tensor.is_floating_point()} == {torch.float16}
    images = [generate(network, list(range(10))).int() for network in (load_generator(path), trained[-1].generator)]
    assert (images[0] - images[1]).abs().max() <= 2
    with Image.open(shelf / "bce.png") as picture:
        assert picture.size == (2 * (10 * 30 + 2), 2 * (10 * 30 + 2))
    assert f"bce: {steps[-1]:,} steps in 11 s, {SCORES}" in capsys.readouterr().out
    assert not trained[-1].folder.exists()  # nothing else is left


@pytest.fixture
def _hasty(shelf, monkeypatch):
    """Classifiers that learn for two steps and are read where they are shipped."""
    module = import_module("cgan_lib.evaluation.classifier")
    for name, value in dict(EPOCHS=0, LEAST_STEPS=2, SHIPPED=shelf).items():
        monkeypatch.setattr(module, name, value)


@pytest.mark.usefixtures("_hasty")
def test_classifiers_are_shipped_in_half_precision_with_their_share_of_right_answers(shelf, capsys):
    ship.ship_classifiers(["digits"])
    assert [path.name for path in shelf.iterdir()] == ["digits.safetensors"]
    state = load_file(shelf / "digits.safetensors")
    assert {tensor.dtype for tensor in state.values() if tensor.is_floating_point()} == {torch.float16}
    right = accuracy(load_classifier("digits"), load("digits", train=False))  # the one on the shelf
    assert capsys.readouterr().out == f"classifier of digits: {right:.2f}% of the real test images\n"
    assert right < 90  # it is not the one that the library ships


@pytest.mark.usefixtures("_hasty")
def test_no_classifier_is_shipped_under_the_name_of_a_data_set_that_is_not_at_hand(shelf, monkeypatch):
    monkeypatch.setattr(datasets.MNIST, "mirrors", [])
    with pytest.warns(UserWarning, match="embedded 8×8 digits"), pytest.raises(UserError, match="mnist is not at hand"):
        ship.ship_classifiers(["mnist"])
    assert list(shelf.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("classifiers", [("classifiers", ["mnist", "digits", "coloured_digits"])]),
        ("classifiers kmnist", [("classifiers", ["kmnist"])]),
        ("generators bce dropout --seconds 7", [("bce", 7.0), ("dropout", 7.0)]),
        ("generators", [(name, 240.0) for name in pretrained()]),
    ],
)
def test_what_is_shipped_is_what_the_command_names_or_all_that_is_shipped_now(line, expected, monkeypatch):
    done = []
    monkeypatch.setattr(sys, "argv", ["ship.py", *line.split()])
    monkeypatch.setattr(ship, "ship_classifiers", lambda names: done.append(("classifiers", names)))
    monkeypatch.setattr(ship, "ship_generator", lambda name, seconds: done.append((name, seconds)))
    ship.main()
    assert sorted(done) == sorted(expected)
