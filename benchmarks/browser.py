"""What the demo site costs a visitor: bytes, seconds to the first picture on a slow connection, and ms a picture.

    python benchmarks/browser.py [--sources relativistic bce dcgan64 projection] [--rounds 3]

Chromium opens the site of each generator with an empty cache at 1.6 Mbit/s and 150 ms (Lighthouse's slow 4G); then,
without that limit, it draws a digit and a grid of 5×5 again and again. Prints a Markdown table, medians over the
rounds, and writes benchmarks/results/browser.json. Nothing else should be running.
"""

import argparse
import gzip
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from compare import RESULTS, ROOT, machine

from cgan_lib.files import write_atomically
from cgan_lib.paths import make_folder

SLOW = {"offline": False, "latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 0.75e6 / 8}
DRAWS, GRIDS = 30, 5  # of a round, after as many for warming up
DRAW = """
async ([times, grid]) => {
  const { openEngine } = await import("./engine.js");
  const { models } = await (await fetch("studio.json")).json();
  window.engine ??= await openEngine(models[0]);
  const taken = [];
  for (let seed = 0; seed < 2 * times; seed++) {
    const start = performance.now();
    const view = { value: seed % 10, toward: 0, share: 0, moves: [], index: 0, truncation: null, gridSize: 5 };
    await engine.draw({ ...view, seed, grid });
    taken.push(performance.now() - start);
  }
  return taken.slice(times);
}
"""


class Quiet(SimpleHTTPRequestHandler):
    """Python's own web server, without a line for each request."""

    protocol_version = "HTTP/1.1"  # connections are kept, as by every other server

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Address of a folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def loaded(browser: Any, address: str) -> tuple[float, list[str]]:
    """Seconds from the address to the first picture on a slow connection, and what was asked for meanwhile."""
    context = browser.new_context(service_workers="block")
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    session.send("Network.emulateNetworkConditions", SLOW)
    files: list[str] = []
    page.on("requestfinished", lambda request: files.append(request.url.split("?")[0].removeprefix(address)))
    started = time.perf_counter()
    page.goto(address)
    page.wait_for_selector("main[data-state=ready]", timeout=180_000)
    seconds = time.perf_counter() - started
    context.close()
    return seconds, files


def drawn(browser: Any, address: str) -> tuple[float, float]:
    """Milliseconds for one digit, and for a grid of 25: medians of a round."""
    page = browser.new_page(service_workers="block")
    page.goto(address)
    page.wait_for_selector("main[data-state=ready]")
    digit, grid = (
        statistics.median(page.evaluate(DRAW, [times, several])) for times, several in ((DRAWS, False), (GRIDS, True))
    )
    page.close()
    return digit, grid


def measure(browser: Any, source: str, rounds: int) -> dict[str, Any]:
    """The row of one generator."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "site"
        command = [sys.executable, ROOT / "tools" / "demo_site.py", "--source", source, "--out", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": str(ROOT)})
        with served(folder) as address:
            loads = [loaded(browser, address) for _ in range(rounds)]
            draws = [drawn(browser, address) for _ in range(rounds)]
        contents = [(folder / (file or "index.html")).read_bytes() for file in sorted(set(loads[0][1]))]
    digit, grid = (statistics.median(times) for times in zip(*draws, strict=True))
    return {
        "source": source,
        "bytes": sum(map(len, contents)),
        "gzip_bytes": sum(len(gzip.compress(content, 6)) for content in contents),
        "first_picture_s": statistics.median(seconds for seconds, _ in loads),
        "digit_ms": digit,
        "grid_ms": grid,
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows in Markdown, as the documentation quotes them."""
    lines = [
        "| generator | transfer (MB) | gzip (MB) | first picture at 1.6 Mbit/s (s) | one digit (ms) | 5×5 grid (ms) |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        sizes = f"{row['bytes'] / 1e6:.2f} | {row['gzip_bytes'] / 1e6:.2f}"
        times = f"{row['first_picture_s']:.1f} | {row['digit_ms']:.0f} | {row['grid_ms']:.0f}"
        lines.append(f"| `{row['source']}` | {sizes} | {times} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, and write it down."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", nargs="+", default=["relativistic", "bce", "dcgan64", "projection"])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with sync_playwright() as playwright:
        arguments = ["--headless", "--no-sandbox", "--disable-gpu"]
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        rows = [measure(browser, source, options.rounds) for source in options.sources]
        version = browser.version
        browser.close()
    print(f"Chromium {version} on a {machine()}\n")
    print(table(rows))
    about = {"rounds": options.rounds, "machine": machine(), "chromium": version, "python": platform.python_version()}
    content = (json.dumps(about | {"rows": rows}, indent=1) + "\n").encode()
    write_atomically(make_folder(RESULTS) / "browser.json", content)


if __name__ == "__main__":
    main()
