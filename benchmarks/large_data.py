"""60,000 colour pictures of 64×64: how long until they train, and how much memory that takes.

    python benchmarks/large_data.py [npy npz folder] [--count 60000] [--size 64]

Pictures are made in a temporary folder, as one array, as an archive or as files; fresh processes then measure
- preparing: the first `load_data`, which writes the file that later ones map into memory,
- loading: `load_data` after that, the fingerprint by which a run knows its data, and the first batch,
- training: `train` up to the end of its first step, with the files of the run.

Memory is the highest resident size, less what the imports take; pages of mapped files count. Prints a Markdown table
and, for all three kinds in full, keeps the numbers in benchmarks/results/.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).resolve().parent / "results" / "large_data.json"
COUNT, SIZE, CLASSES, BATCH = 60_000, 64, 10, 64
CHUNK = 2000  # pictures that are made at a time
KINDS = ("npy", "npz", "folder")
STAGES = ("prepare", "load", "train")


def pictures(start: int, size: int) -> np.ndarray:
    """Pictures uint8 (CHUNK, size, size, 3), smooth as photographs are: 8×8 random colours made large, with noise."""
    rng = np.random.default_rng(start)
    coarse = rng.integers(0, 224, (CHUNK, 8, 8, 3), np.uint8)
    large = coarse.repeat(-(-size // 8), 1).repeat(-(-size // 8), 2)[:, :size, :size]
    return large + rng.integers(0, 32, large.shape, np.uint8)


def make(kind: str, root: Path, count: int, size: int) -> Path:
    """Write `count` pictures below `root`; returns the path to load them by."""
    root.mkdir()
    labels = np.arange(count) % CLASSES
    if kind == "folder":
        return make_folder(root, labels, size)
    path, shape = root / "images.npy", (count, size, size, 3)
    array = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    for start in range(0, count, CHUNK):
        array[start : start + CHUNK] = pictures(start, size)[: count - start]
    array.flush()
    if kind == "npz":
        path = root / "pictures.npz"
        np.savez(path, images=array, labels=labels)
    else:
        np.save(root / "labels.npy", labels)
    return path


def make_folder(root: Path, labels: np.ndarray, size: int) -> Path:
    """JPEG files, a folder for each class."""
    from PIL import Image

    for name in range(CLASSES):
        (root / str(name)).mkdir()
    for start in range(0, len(labels), CHUNK):
        for row, pixels in enumerate(pictures(start, size)[: len(labels) - start], start):
            Image.fromarray(pixels).save(root / str(labels[row]) / f"{row}.jpg", quality=90)
    return root


def highest_bytes() -> int:
    """The highest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def stages(path: str, size: int) -> dict[str, Callable[[], object]]:
    """What is measured, each in a process of its own."""
    from cgan_lib.data import batches, load_data
    from cgan_lib.runs import train

    def load() -> None:
        data = load_data(path, image_size=size)
        assert data.fingerprint
        next(batches(data, BATCH, seed=0))

    return {
        "prepare": lambda: load_data(path, image_size=size),
        "load": load,
        "train": lambda: train("relativistic", dataset=path, image_size=size, steps=1, score="losses", device="cpu"),
    }


def measure_here(stage: str, path: str, size: int) -> dict[str, float]:
    """Seconds and bytes of one stage, in this process."""
    run, before = stages(path, size)[stage], highest_bytes()
    started = time.perf_counter()
    run()
    return {"seconds": time.perf_counter() - started, "bytes": highest_bytes() - before}


def measure(kind: str, root: Path, count: int, size: int) -> dict:
    """Every stage on pictures of one kind."""
    path = make(kind, root / kind, count, size)
    environment = os.environ | {"CGAN_HOME": str(root / f"{kind}_home")}
    row: dict = {"kind": kind}
    for stage in STAGES:
        command = [sys.executable, __file__, "--stage", stage, str(path), "--size", str(size)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        row[stage] = json.loads(done.stdout.splitlines()[-1])
    return row


def table(rows: list[dict], data_bytes: int) -> str:
    """The measurements as a Markdown table; memory in multiples of the data."""
    lines = [
        f"| kind | {' | '.join(f'{stage} (s) | memory' for stage in STAGES)} |",
        f"|---|{'---:|' * 2 * len(STAGES)}",
    ]
    for row in rows:
        cells = [f"{row[stage]['seconds']:.1f} | {row[stage]['bytes'] / data_bytes:.2f}×" for stage in STAGES]
        lines.append(f"| {row['kind']} | {' | '.join(cells)} |")
    return "".join(f"{line}\n" for line in lines)


def main() -> None:
    """Measure the kinds asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--size", type=int, default=SIZE)
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)  # in a process of its own
    options = parser.parse_args()
    if options.stage:
        print(json.dumps(measure_here(options.stage, options.kinds[0], options.size)))
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(kind, Path(folder), options.count, options.size) for kind in options.kinds]
    data_bytes = options.count * 3 * options.size**2
    machine = f"{os.cpu_count()}-core CPU"
    print(
        f"{options.count:,} pictures of {options.size}×{options.size} in colour, {data_bytes / 1e6:.0f} MB, {machine}\n"
    )
    print(table(rows, data_bytes), end="")
    if (options.kinds, options.count, options.size) == (list(KINDS), COUNT, SIZE):
        facts = {"machine": machine, "python": platform.python_version(), "count": COUNT, "size": SIZE}
        RESULTS.write_text(json.dumps({**facts, "data_bytes": data_bytes, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
