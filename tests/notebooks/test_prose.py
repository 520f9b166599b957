"""What notebooks say in words is what their stored outputs show."""

import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
NOT_PROSE = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\]\([^)]*\)|<code>.*?</code>|\[[^]]*arXiv[^]]*\]", re.DOTALL
)
MEASURED = re.compile(r"(?<![\w.,/–-])\d[\d,]*(?:\.\d+%?|%)(?![\w/])")  # 0.36, 1,386.5 or 98.6%


def shown(notebook: nbformat.NotebookNode) -> str:
    """All that the code cells of a notebook hold and print."""
    texts = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            texts += [cell.source, *(str(output.get("text", "")) for output in cell.outputs)]
            texts += [
                str(text) for output in cell.outputs for kind, text in output.get("data", {}).items() if "text" in kind
            ]
    return "\n".join(texts)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_measured_number_in_prose_stands_in_an_output(path):
    notebook = nbformat.read(path, as_version=4)
    there = set(re.findall(r"\d[\d,]*(?:\.\d+)?%?", shown(notebook)))
    prose = [NOT_PROSE.sub(" ", cell.source) for cell in notebook.cells if cell.cell_type == "markdown"]
    said = {number for text in prose for number in MEASURED.findall(text)}
    assert sorted(said - there) == []
