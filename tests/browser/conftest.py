"""A real Chromium. What a page logs as an error, and every request that leaves this machine, fails the test."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
HARD_LIMIT = 150  # seconds of one test: page.evaluate knows no timeout of its own
LOCAL = {"127.0.0.1", "localhost", "", None}  # "": data: and blob:


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.name == "browser" and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(HARD_LIMIT))


# Of a module, not of the session: while Playwright runs, nothing else in this thread can run an event loop
@pytest.fixture(scope="module")
def browser() -> Iterator:
    """Chromium: $CHROMIUM, or the one that Debian installs; without one, the test is skipped."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is missing: pip install playwright")
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not path or not os.path.exists(path):
        pytest.skip("Chromium is missing: apt-get install chromium, or set CHROMIUM to the path of one")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def service():
    """Address of the real service, in a process of its own."""
    command = [sys.executable, "-m", "cgan_lib", "serve", "relativistic", "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        first = process.stdout.readline()
        address = re.search(r"http://[\w.:]+", first)
        assert address, f"the service said {first!r}"
        yield address.group() + "/"
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture
def problems() -> list[str]:
    """What went wrong in the page so far; a test that provokes something on purpose empties it."""
    return []


@pytest.fixture
def open_page(browser, problems) -> Iterator:
    """A function: a new page with the given options of a browser context (viewport, color_scheme …)."""
    contexts = []

    def new(**options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: _check(request.url, problems))
        return page

    yield new
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def page(open_page):
    """A page of 1280 × 860 pixels."""
    return open_page(viewport={"width": 1280, "height": 860})


def _check(url: str, problems: list[str]) -> None:
    if urlsplit(url).hostname not in LOCAL:
        problems.append(f"a request left this machine: {url}")
