"""How fast the picture follows a slider of the studio: in the kernel, and in a real browser through Voila.

    python benchmarks/studio.py [--moves 40]

In the kernel: from the new value of a slider to the new PNG. In the browser: from the key to the new picture, by
headless Chromium ($CHROMIUM, or the one on the PATH; left out where there is none). Prints a Markdown table of medians
and the slowest of twenty, and writes benchmarks/results/studio.json. Nothing else should be running.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from compare import RESULTS, ROOT, machine

from cgan_lib.files import write_atomically
from cgan_lib.paths import make_folder
from cgan_lib.studio.view import REACH
from cgan_lib.studio.widgets import MAX_ROWS, explore

KERNEL = [("relativistic", 1), ("relativistic", MAX_ROWS), ("dcgan64", 1)]  # generator, rows
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PAUSES = {"a key now and then": 0.3, "keys as fast as pictures come": 0.0}  # seconds between picture and key
PICTURE = "document.querySelector('img.cgan-picture').src"


def in_kernel(source: str, rows: int, moves: int) -> dict:
    """Milliseconds for a move of the first slider, with a grid of so many rows."""
    studio = explore(source)
    studio.rows.value = rows
    times = []
    for number in range(moves):
        started = time.perf_counter()
        studio.moves[0].value = REACH * (2 * number / moves - 1)
        times.append(1000 * (time.perf_counter() - started))
    size = studio.generator.config["image_size"]
    what = f"{rows}×{rows} images" if rows > 1 else "one image"
    return {"where": "kernel", "what": f"{what} of {size}×{size}, `{source}`"} | _summary(times)


def in_browser(chromium: str, moves: int) -> list[dict]:
    """Milliseconds from an arrow key on a slider to another picture in the browser: with pauses, and in a row."""
    from playwright.sync_api import sync_playwright

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "CGAN_HOME": home}
        app = [str(ROOT / "cgan_lib" / "studio" / "app" / "studio.ipynb"), "--no-browser", f"--port={port}"]
        voila = subprocess.Popen(
            [sys.executable, "-m", "voila", *app], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _wait_for(port)
            page = playwright.chromium.launch(executable_path=chromium, args=FLAGS).new_page()
            page.goto(f"http://127.0.0.1:{port}", timeout=120_000)
            page.wait_for_selector("img.cgan-picture", timeout=60_000)
            page.locator(".noUi-handle").nth(1).focus()
            rows = []
            for what, pause in PAUSES.items():
                times = []
                for number in range(moves):
                    time.sleep(pause)
                    times.append(_press(page, "ArrowUp" if number % 20 < 10 else "ArrowDown"))
                rows.append({"where": "Chromium, Voila", "what": f"one image of 28×28, {what}"} | _summary(times))
        finally:
            voila.terminate()
            voila.wait(timeout=20)
    return rows


def _wait_for(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("Voila does not start")


def _press(page, key: str) -> float:
    """Measured in the page itself, from the key to the first frame with another picture."""
    page.evaluate(
        f"""() => {{
            const before = {PICTURE};
            window.changed = new Promise(resolve => addEventListener("keydown", () => {{
                const started = performance.now();
                const look = () =>
                    {PICTURE} === before ? requestAnimationFrame(look) : resolve(performance.now() - started);
                requestAnimationFrame(look);
            }}, {{ once: true, capture: true }}));
        }}"""
    )
    page.keyboard.press(key)
    return page.evaluate("() => window.changed")


def _summary(times: list[float]) -> dict[str, float]:
    return {"median_ms": statistics.median(times), "p95_ms": sorted(times)[int(0.95 * (len(times) - 1))]}


def table(rows: list[dict]) -> str:
    """The rows in Markdown, as docs/measurements.md quotes them."""
    lines = ["| where | picture | median (ms) | 19 of 20 within (ms) |", "|---|---|---:|---:|"]
    lines += [f"| {row['where']} | {row['what']} | {row['median_ms']:.0f} | {row['p95_ms']:.0f} |" for row in rows]
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moves", type=int, default=40)
    moves = parser.parse_args().moves
    rows = [in_kernel(source, count, moves) for source, count in KERNEL]
    if chromium := os.environ.get("CHROMIUM") or shutil.which("chromium"):
        rows += in_browser(chromium, moves)
    print(f"{machine()}, torch {torch.__version__}\n\n{table(rows)}")
    content = json.dumps({"machine": machine(), "torch": torch.__version__, "moves": moves, "rows": rows}, indent=1)
    write_atomically(make_folder(RESULTS) / "studio.json", f"{content}\n".encode())


if __name__ == "__main__":
    main()
