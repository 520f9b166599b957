"""Run the notebooks in the demo profile, from a clean home, and store what they show and how long they took.

python tools/notebooks.py [NAME …]      all of them, or those whose file name holds one of the names

The time goes into the first cell of the notebook, the map in the first notebook and the table in README: let nothing
else run meanwhile.
"""

import base64
import io
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import nbformat
import numpy as np
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
# What `make studio` shows: run like a notebook, but no part of the course
APP = ROOT / "cgan_lib" / "studio" / "app" / "studio.ipynb"
WIDGET = "application/vnd.jupyter.widget-view+json"
TIME = re.compile(r"(\*\*Time:\*\* )[^.]*?(\s+on\s+a\s+2-core CPU)")
VISIBLE = 16  # of 255: how far a colour may be off before anybody sees it


def execute(names: list[str]) -> None:
    """Run notebooks top to bottom in one fresh home, so that no earlier run is resumed; store their outputs.

    The app comes first: it opens the newest run, and is to show what is there without any.
    """
    chosen = [path for path in [APP, *NOTEBOOKS] if not names or any(name in path.name for name in names)]
    if not chosen:
        sys.exit(f"error: no notebook is called {', '.join(names)}.")
    with tempfile.TemporaryDirectory(prefix="cgan-notebooks-") as home:
        os.environ["CGAN_HOME"] = home
        os.environ.setdefault("CGAN_DATA", str(ROOT / "data"))
        os.environ.setdefault("CGAN_PROFILE", "demo")
        for path in chosen:
            started = time.perf_counter()
            notebook = nbformat.read(path, as_version=4)
            client = NotebookClient(
                notebook,
                timeout=3600,
                kernel_name="python3",
                record_timing=False,
                store_widget_state=False,
                resources={"metadata": {"path": str(path.parent)}},
            )
            client.execute()
            clean(notebook)
            nbformat.write(notebook, path)
            seconds = time.perf_counter() - started
            if path != APP:
                stamp(path, in_words(seconds), [NOTEBOOKS[0], ROOT / "README.md"])
            print(f"{path.name}: {seconds:.0f} s")


def in_words(seconds: float) -> str:
    """How long a notebook takes, as a reader wants to know it."""
    return f"{10 * -(-seconds // 10):.0f} s" if seconds <= 90 else f"{-(-seconds // 60):.0f} min"


def stamp(path: Path, words: str, tables: Sequence[Path]) -> None:
    """Say in the first cell of a notebook, and in the last column of its row in each table, how long it takes."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = TIME.sub(rf"\g<1>{words}\g<2>", notebook.cells[0].source)
    nbformat.write(notebook, path)
    row = re.compile(rf"^(\|[^|]*\([\w/]*{path.name}\).*\| )[^|]+( \|)$", re.MULTILINE)
    for table in tables:
        if table.suffix == ".md":
            table.write_text(row.sub(rf"\g<1>{words}\g<2>", table.read_text("utf-8")), "utf-8")
            continue
        notebook = nbformat.read(table, as_version=4)
        for cell in notebook.cells:
            cell.source = row.sub(rf"\g<1>{words}\g<2>", cell.source)
        nbformat.write(notebook, table)


def clean(notebook: nbformat.NotebookNode) -> None:
    """Take out what differs from run to run or machine to machine and that no reader needs."""
    notebook.metadata = {  # what Jupyter itself would write: so it has nothing to change when it opens the file
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": notebook.metadata.get("language_info", {"name": "python"}),
    }
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.outputs = [output for output in cell.outputs if not is_fleeting(output)]
        for output in cell.outputs:
            output.get("data", {}).pop(WIDGET, None)  # its state is gone: show what stands for it
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = smaller(output.data["image/png"])


def smaller(png: str) -> str:
    """The same picture (base64) with a palette, half the size, where 256 colours do: grey digits and a few lines."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    reduced = picture.quantize(256, dither=Image.Dither.NONE)
    error = np.abs(np.asarray(picture, dtype=int) - np.asarray(reduced.convert("RGB"))).max(axis=2)
    if (error > VISIBLE).mean() > 0.001:  # a colour map, say
        return png
    buffer = io.BytesIO()
    reduced.save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def is_fleeting(output: nbformat.NotebookNode) -> bool:
    """Notes on stderr, progress bars and other widgets without a stand-in, the frame of a TensorBoard that is gone."""
    data = output.get("data", {})
    return (
        output.get("name") == "stderr"
        or (WIDGET in data and not {"image/png", "text/html"} & set(data))
        or "tensorboard-frame" in data.get("text/html", "")
    )


if __name__ == "__main__":
    execute(sys.argv[1:])
