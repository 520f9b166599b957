"""The studio in a real browser: through Voila as an app, and in JupyterLab after Run All."""

import io
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from PIL import Image
from test_accessibility import RULES

from cgan_lib.evaluation.classifier import load_classifier, read

ROOT = Path(__file__).resolve().parents[2]
PICTURE = "img.cgan-picture:not([hidden])"
STUDIO = ".cgan-studio"  # what is ours of the page: what lies around it is Voila's
DATA = {name: os.environ[name] for name in ("CGAN_DATA",) if name in os.environ}  # before a test hides it
NOTEBOOK = "06_latent_studio.ipynb"
CODE_CELLS = "window.jupyterapp.shell.currentWidget.content.widgets.filter(cell => cell.model.type === 'code')"
OUTPUTS = f"{CODE_CELLS}.flatMap(cell => cell.model.outputs.toJSON())"
ERRORS = f"() => {OUTPUTS}.filter(output => output.output_type === 'error').map(output => output.evalue)"
IDLE = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'"
ALL_RUN = f"{CODE_CELLS}.every(cell => cell.model.executionCount !== null)"
FINISHED = f"() => ({ERRORS})().length > 0 || ({ALL_RUN} && {IDLE})"


@pytest.fixture
def page(browser):
    """A page that may log what it likes: JupyterLab and Voila look for things in the internet and do without."""
    context = browser.new_context(viewport={"width": 1300, "height": 950}, has_touch=True)
    yield context.new_page()
    context.close()


@pytest.fixture
def server(home):
    """A function: start a Jupyter application as a process of its own, and return its address."""
    processes = []

    def start(module: str, *arguments: str) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = os.environ | DATA | {"PYTHONPATH": str(ROOT), "JUPYTER_CONFIG_DIR": str(home / "jupyter")}
        with (home / f"{module}.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, f"--port={port}", *arguments], stdout=log, stderr=log, env=environment
            )
        processes.append(process)
        while True:  # by TCP: Voila runs the whole notebook at every visit
            assert process.poll() is None, (home / f"{module}.log").read_text()
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return f"http://127.0.0.1:{port}"
            except OSError:
                time.sleep(0.2)

    yield start
    for process in processes:
        process.terminate()
        process.wait(timeout=20)


def picture(page, which: int = 0) -> Image.Image:
    """The picture beside the sliders, or another one, as the browser has it."""
    numbers = (
        page.locator(PICTURE)
        .nth(which)
        .evaluate(
            """async picture => {
            const blob = await (await fetch(picture.src)).blob();
            return Array.from(new Uint8Array(await blob.arrayBuffer()));
        }"""
        )
    )
    return Image.open(io.BytesIO(bytes(numbers))).convert("L")


def digit_in(image: Image.Image) -> int:
    """What the evaluation classifier reads in a picture of one digit."""
    pixels = torch.from_numpy(np.array(image.resize((28, 28), Image.BOX)))
    return int(read(load_classifier("mnist"), pixels[None, None])[1].argmax(1))


def act_and_wait(page, action) -> None:
    """Do something that changes the picture, and wait until the browser shows another one."""
    before = page.locator(PICTURE).first.get_attribute("src")
    action()
    page.wait_for_function(
        "([selector, before]) => document.querySelector(selector).src != before", arg=[PICTURE, before], timeout=20_000
    )


def press(page, slider: str, key: str) -> None:
    """Focus the slider whose name contains `slider`, and press a key."""
    page.get_by_role("slider", name=slider).first.focus()
    act_and_wait(page, lambda: page.keyboard.press(key))


def assert_everyone_can_use_it(page) -> None:
    """Axe finds nothing in what is ours, no picture is broken, and no button too narrow for its text."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is missing: pip install axe-playwright-python"
    )
    result = axe.Axe().run(page, context=STUDIO, options=RULES).response
    assert [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in result["violations"]] == []
    assert result["passes"], "axe has looked at nothing"
    assert page.evaluate("() => [...document.images].filter(one => one.checkVisibility() && !one.naturalWidth)") == []
    narrow = "[...document.querySelectorAll('button')].filter(one => one.scrollWidth > one.clientWidth + 1)"
    assert page.evaluate(f"() => {narrow}.map(one => one.textContent)") == []


def play_with_the_studio(page) -> None:
    """What a visitor does, by keyboard for the most part, and what must come of it."""
    page.locator(PICTURE).first.wait_for(timeout=90_000)
    assert digit_in(picture(page)) == 3

    before = np.asarray(picture(page), dtype=int)
    press(page, "leaning right", "End")
    moved = np.asarray(picture(page), dtype=int)
    assert np.abs(moved - before).mean() > 2, "the picture hardly changed"
    press(page, "leaning right", "PageDown")

    classes = page.get_by_role("group", name="class").first
    for wanted in (7, 0):
        button = classes.get_by_role("button", name=str(wanted), exact=True)
        button.focus()
        act_and_wait(page, lambda: page.keyboard.press("Enter"))
        assert digit_in(picture(page)) == wanted
        assert [one.inner_text() for one in classes.get_by_role("button", pressed=True).all()] == [str(wanted)]
        assert page.get_by_role("img", name=f"image of {wanted}, drawn by relativistic").is_visible()

    page.get_by_role("group", name="becomes").first.get_by_role("button", name="8").click()
    press(page, "how far", "End")  # all the way
    assert digit_in(picture(page)) == 8

    act_and_wait(page, page.get_by_role("button", name="another").first.click)
    press(page, "rows", "ArrowUp")
    grid = picture(page)
    assert 80 < grid.getpixel((grid.width // 2, grid.height // 2)) < 110, "no grey gap in the middle of 2 × 2 images"
    act_and_wait(page, page.get_by_role("button", name="reset").first.click)
    assert digit_in(picture(page)) == 0


@pytest.mark.timeout(180)
def test_the_studio_as_an_app(page, home, server):
    """`make studio`: Voila."""
    app = ROOT / "cgan_lib" / "studio" / "app" / "studio.ipynb"
    address = server("voila", str(app), "--no-browser", "--Voila.ip=127.0.0.1")
    page.goto(address, timeout=120_000)
    play_with_the_studio(page)
    page.get_by_label("beside").select_option("bce")
    page.get_by_role("slider", name="2 · wider | bolder").wait_for(timeout=20_000)
    for width in (1300, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert_everyone_can_use_it(page)
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), "it is wider than the page"
    assert not page.get_by_text("explore()").count(), "an app shows no code"


@pytest.mark.timeout(300)
def test_the_notebook_in_jupyterlab(page, home, server):
    """Open notebook 06 up to its studio, Run All, and play; what it goes on to draw and to print is nbval's to run."""
    course = home / "course"
    (course / "notebooks").mkdir(parents=True)
    (course / "cgan_lib").symlink_to(ROOT / "cgan_lib")
    (course / "output_images").symlink_to(ROOT / "output_images")
    notebook = nbformat.read(ROOT / "notebooks" / NOTEBOOK, as_version=4)
    studio = next(number for number, cell in enumerate(notebook.cells) if "\nexplore(" in f"\n{cell.source}")
    del notebook.cells[studio + 1 :]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None  # so that what is there afterwards is new
    nbformat.write(notebook, course / "notebooks" / NOTEBOOK)
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False})
    )
    address = server(
        *("jupyterlab", "--no-browser", "--ip=127.0.0.1", "--allow-root", "--expose-app-in-browser"),
        *("--IdentityProvider.token=", f"--ServerApp.root_dir={course}"),
        *(f"--LabApp.user_settings_dir={home / 'settings'}", f"--LabApp.workspaces_dir={home / 'workspaces'}"),
    )
    page.goto(f"{address}/lab/tree/notebooks/{NOTEBOOK}?reset", timeout=120_000)
    page.wait_for_function(
        "() => window.jupyterapp && window.jupyterapp.shell.currentWidget?.sessionContext", timeout=60_000
    )
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.ready")
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    page.wait_for_function(FINISHED, timeout=240_000)
    assert page.evaluate(ERRORS) == []
    assert "image/png" in json.dumps(page.evaluate(f"() => {OUTPUTS}"))
    page.evaluate("() => document.querySelector('.jp-WindowedPanel-outer').scrollTo(0, 0)")
    play_with_the_studio(page)


@pytest.mark.timeout(180)
def test_a_digit_drawn_is_found(page, home, server):
    """`draw_and_find` through Voila, dark: draw a 1 with the mouse, take back what a finger adds, find it, clear."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_code_cell("from cgan_lib.studio.finder import draw_and_find\n\ndraw_and_find('relativistic')")
    ]
    nbformat.write(notebook, home / "pad.ipynb")
    address = server("voila", str(home / "pad.ipynb"), "--no-browser", "--Voila.ip=127.0.0.1", "--theme=dark")
    page.goto(address, timeout=120_000)
    pad = page.locator("canvas.digit-pad")
    pad.wait_for(timeout=90_000)
    page.locator(PICTURE).wait_for()
    assert_everyone_can_use_it(page)  # also before anything is drawn
    undo, clear, find = (page.get_by_role("button", name=name) for name in ("undo", "clear", "find me"))
    assert undo.is_disabled()
    assert clear.is_disabled()

    box = pad.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"]
    page.mouse.move(x + 8, y + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(x - 8, y + 0.8 * box["height"], steps=12)
    page.mouse.up()
    drawn = ink(pad)
    touch(page, [(x - 60, y + 60), (x - 60, y + 120), (x + 60, y + 120)])
    assert ink(pad) > 1.5 * drawn
    undo.click()
    assert ink(pad) == drawn
    find.click()
    page.get_by_text("Drawn as a 1").wait_for(timeout=60_000)
    assert digit_in(picture(page, -1)) == 1
    assert page.locator(PICTURE).count() == 3
    assert_everyone_can_use_it(page)

    clear.click()
    page.get_by_text("Draw a digit, then press").wait_for(timeout=20_000)
    assert ink(pad) == 0
    assert page.locator(PICTURE).count() == 1
    assert undo.is_disabled()
    find.click()
    page.get_by_text("nothing is drawn yet").wait_for(timeout=20_000)


OLD_SLIDER = """<div class="cgan-studio"><div id="names"></div><div class="widget-slider">
    <div class="widget-label">wider</div>
    <div class="ui-slider"><span class="ui-slider-handle" tabindex="0"></span></div>
    <div class="widget-readout" contenteditable="true">0.5</div></div></div>"""


def test_sliders_of_ipywidgets_7_get_names_and_values_too(page):
    """Its markup alone, for no server here shows it: Colab does."""
    page.set_content(OLD_SLIDER)
    page.evaluate(
        """async source => {
            const { default: widget } = await import(`data:text/javascript,${encodeURIComponent(source)}`);
            widget.render({ el: document.querySelector("#names") });
        }""",
        (ROOT / "cgan_lib" / "studio" / "names.js").read_text(),
    )
    slider = page.get_by_role("slider", name="wider")
    slider.wait_for(state="attached")
    assert slider.get_attribute("aria-valuenow") == "0.5"
    page.locator(".widget-readout").evaluate("one => { one.textContent = '0.6'; }")
    page.wait_for_function("() => document.querySelector('.ui-slider-handle').ariaValueNow === '0.6'")
    assert page.get_by_role("textbox", name="wider, as a number").is_visible()


def ink(pad) -> int:
    """How much white is on the pad."""
    return pad.evaluate(
        """pad => pad.getContext("2d").getImageData(0, 0, pad.width, pad.height).data
            .reduce((sum, value, i) => sum + (i % 4 ? 0 : value), 0)"""
    )


def touch(page, places: list[tuple[float, float]]) -> None:
    """A finger goes from place to place."""
    finger = page.context.new_cdp_session(page)
    for number, (x, y) in enumerate(places):
        kind = "touchMove" if number else "touchStart"
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
