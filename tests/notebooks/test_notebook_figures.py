"""Figures of the notebooks: axes named in the source, pictures that no page has to shrink, a style that holds."""

import ast
import base64
import io
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PLOTS = {"plot", "scatter", "hist", "bar", "semilogx", "semilogy", "loglog"}
NAMED = {"x": {"xlabel", "set_xlabel"}, "y": {"ylabel", "set_ylabel"}}
WIDEST, SMALLEST = 9.5, 11  # inches of a figure, points of its text
SET_UP = "from cgan_lib.course.environment import set_up\nset_up()"
DRAW = "import matplotlib.pyplot as plt\nplt.figure(figsize=(3, 2))\nplt.plot([1, 2])\nplt.show()"

each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def complaints(source: str) -> list[str]:
    """What is wrong with the figures that a cell makes, as far as its source tells."""
    if "plt." not in source:
        return []
    nodes = list(ast.walk(ast.parse(source)))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    names = {call.func.attr for call in calls if isinstance(call.func, ast.Attribute)}
    options = {option.arg: option.value for call in calls for option in call.keywords}
    found = []
    if names & PLOTS:
        found += [f"no {axis} label" for axis, ways in NAMED.items() if not ways & (names | set(options))]
    sizes = [value for name, value in options.items() if name in ("fontsize", "size")]
    found += ["small text" for size in sizes if isinstance(size, ast.Constant) and size.value < SMALLEST]
    if isinstance(size := options.get("figsize"), ast.Tuple) and ast.literal_eval(size.elts[0]) > WIDEST:
        found.append("too wide")
    if re.search(r"""["']#[0-9a-fA-F]{6}["']""", source):
        found.append("a colour of its own: COLOURS, LINES and the cycle are told apart in grey too")
    return found


@each_notebook
def test_cells_that_plot_name_their_axes_and_keep_to_the_style(path):
    wrong = {cell.source: complaints(cell.source) for cell in code_cells(path)}
    assert {source: found for source, found in wrong.items() if found} == {}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plt.plot(x)\nplt.xlabel('step')\nplt.ylabel('loss')", []),
        ("axes.plot(x)\naxes.set(xlabel='step')\nplt.show()", ["no y label"]),
        ("axes.bar(x, y)\nplt.show()", ["no x label", "no y label"]),
        ("plt.subplots(figsize=(12, 3))", ["too wide"]),
        ("axes.set_title('x', fontsize=8)\nplt.show()", ["small text"]),
        ("plt.show(color='#8a8a8a')", ["a colour of its own: COLOURS, LINES and the cycle are told apart in grey too"]),
    ],
)
def test_the_check_of_sources_tells_good_from_bad(source, expected):
    assert complaints(source) == expected


@each_notebook
def test_no_stored_picture_is_wider_than_a_page(path):
    outputs = [output for cell in code_cells(path) for output in cell.outputs]
    pictures = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    widths = [Image.open(io.BytesIO(base64.b64decode(picture))).width for picture in pictures]
    assert max(widths) <= 1000


def test_figures_appear_and_are_in_our_style_whatever_backend_and_style_the_user_has_set(tmp_path, monkeypatch):
    (tmp_path / "matplotlibrc").write_text("figure.facecolor: black\naxes.facecolor: black\nlines.color: white\n")
    monkeypatch.setenv("MATPLOTLIBRC", str(tmp_path))
    monkeypatch.setenv("MPLBACKEND", "agg")  # which draws figures and shows none
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in (SET_UP, DRAW)])
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    (png,) = [output.data["image/png"] for output in notebook.cells[1].outputs if "image/png" in output.get("data", {})]
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        assert picture.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
