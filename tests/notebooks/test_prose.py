"""What notebooks say in words is what their stored outputs show."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
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


def test_links_into_the_glossary_lead_to_an_entry():
    glossary = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    entries = [line for line in glossary.splitlines() if line.startswith("- ")]
    assert [line for line in entries if not line.startswith('- <a id="')] == []
    anchors = set(re.findall(r'<a id="([^"]+)">', glossary))
    pages = [*NOTEBOOKS, *(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    links = {
        (path.name, link) for path in pages for link in re.findall(r"glossary\.md#([\w-]+)", path.read_text("utf-8"))
    }
    assert sorted(link for link in links if link[1] not in anchors) == []
