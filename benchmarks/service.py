"""How many pictures the HTTP service hands out: `python -m cgan_lib serve relativistic`, asked over loopback.

    python benchmarks/service.py [--source relativistic] [--seconds 5] [--rounds 3]

The service is a second process, the clients share this one and the same machine: each keeps one connection and asks
again as soon as it is answered. Prints a Markdown table, medians over the rounds, and writes
benchmarks/results/service.json. Nothing else should be running.
"""

import argparse
import asyncio
import gc
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from compare import RESULTS, ROOT, machine

from cgan_lib.files import write_atomically
from cgan_lib.paths import make_folder

DIGIT, GRID = {"value": 7}, {"value": 7, "grid": True, "grid_size": 5}
LOADS = [("one digit", DIGIT, 1), ("one digit", DIGIT, 64), ("5×5 grid", GRID, 8)]  # what, request, clients
PNG = b"\x89PNG\r\n\x1a\n"
WARM_UP = 3.0  # seconds


@contextmanager
def service(source: str, *options: str) -> Iterator[tuple[subprocess.Popen, int]]:
    """The service as a second process, on a port that is free: its process and port, once it listens."""
    command = [sys.executable, "-m", "cgan_lib", "serve", source, "--port", "0", *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            line = process.stdout.readline()
            if not (found := re.search(r"http://127\.0\.0\.1:(\d+) ", line)):
                raise RuntimeError(f"the service does not start: {line!r}, exit code {process.wait()}")
            yield process, int(found[1])
        finally:
            process.terminate()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> tuple[int, bytes]:
    """One request on an open connection: status and body of the answer."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head)[1])
    return int(head.split(b" ", 2)[1]), await reader.readexactly(length)


def request_of(body: dict) -> bytes:
    """`POST /gen_images` as it goes over the wire."""
    content = json.dumps(body).encode()
    head = "POST /gen_images HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


async def _load(port: int, body: dict, clients: int, seconds: float) -> list[float]:
    request = request_of(body)
    times = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (started := time.perf_counter()) < end:
            status, content = await ask(reader, writer, request)
            if status != 200 or not content.startswith(PNG):
                raise RuntimeError(f"answer {status}: {content[:200]!r}")
            times.append(time.perf_counter() - started)
        writer.close()

    end = time.perf_counter() + seconds
    await asyncio.gather(*(client() for _ in range(clients)))
    return times


def load(port: int, body: dict, clients: int, seconds: float) -> dict[str, float]:
    """Ask for `seconds` with so many clients: requests, requests a second, and the percentiles 50 and 99 in ms.

    `RuntimeError` for any answer but a PNG.
    """
    started = time.perf_counter()
    times = sorted(asyncio.run(_load(port, body, clients, seconds)))
    rate = len(times) / (time.perf_counter() - started)
    p50, p99 = (1000 * times[int(share * (len(times) - 1))] for share in (0.5, 0.99))
    return {"requests": len(times), "requests_per_second": rate, "p50_ms": p50, "p99_ms": p99}


def measure(port: int, seconds: float, rounds: int) -> list[dict]:
    """A row for each of `LOADS`: medians over the rounds, which take turns."""
    load(port, DIGIT, 64, WARM_UP)
    results = [[load(port, body, clients, seconds) for _, body, clients in LOADS] for _ in range(rounds)]
    return [
        {"what": what, "clients": clients} | {key: statistics.median(result[key] for result in own) for key in own[0]}
        for (what, _, clients), own in zip(LOADS, zip(*results, strict=True), strict=True)
    ]


def table(rows: list[dict]) -> str:
    """The rows in Markdown, as docs/measurements.md quotes them."""
    lines = ["| picture | clients | requests/s | p50 (ms) | p99 (ms) |", "|---|---:|---:|---:|---:|"]
    for row in rows:
        numbers = f"{row['requests_per_second']:,.0f} | {row['p50_ms']:.1f} | {row['p99_ms']:.1f}"
        lines.append(f"| {row['what']} | {row['clients']} | {numbers} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="relativistic")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    gc.freeze()  # the pauses of this process, which has loaded torch too, are not those of the service
    with service(options.source) as (_, port):
        rows = measure(port, options.seconds, options.rounds)
    gc.unfreeze()
    print(f"`{options.source}` on a {machine()}, torch {torch.__version__}, Python {platform.python_version()}\n")
    print(table(rows))
    about = {"source": options.source, "seconds": options.seconds, "rounds": options.rounds, "machine": machine()}
    about |= {"torch": torch.__version__, "python": platform.python_version()}
    content = (json.dumps(about | {"rows": rows}, indent=1) + "\n").encode()
    write_atomically(make_folder(RESULTS) / "service.json", content)


if __name__ == "__main__":
    main()
