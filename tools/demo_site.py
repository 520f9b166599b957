"""A folder that any web server can show: the page, a generator as ONNX, and what runs it in the visitor's browser.

    python tools/demo_site.py [--source relativistic] [--out site]
    python -m http.server --directory site

What runs it is onnxruntime-web, fetched by npm. SOURCE: a run folder, a weight file, a published folder,
hf://owner/name, or the name of a shipped generator. A site made before is replaced, nothing else is.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cgan_lib import UserError
from cgan_lib.files import first_line, staged_folder
from cgan_lib.publish.onnx import export_onnx
from cgan_lib.runs.source import open_source
from cgan_lib.service.app import page_settings
from cgan_lib.service.static import page_files
from cgan_lib.studio.latent import slider_directions

PACKAGE = "onnxruntime-web@1.30.0"  # exactly, for another one may name its files otherwise
# The smallest pair that runs every model: WebAssembly only, without the parts for graphics cards
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
NPM_LIMIT = 180  # seconds
MADE_BY = "tools/demo_site.py"


def make_site(source: str, out: Path) -> Path:
    """Write the site of a generator into the folder `out`, whole or not at all; a site made before is replaced.

    `UserError` when `out` holds something else, npm is missing or cannot fetch, or the generator cannot be exported.
    """
    if out.exists() and not _replaceable(out):
        raise UserError(f"{out} holds something that is no site made by this tool: name another folder with --out.")
    with staged_folder(out) as partial:
        generator, name, _ = open_source(source)
        directions = slider_directions(generator)
        export_onnx(generator, partial / "generator.onnx", name=name, directions=directions)
        for file, asset in page_files().items():
            (partial / file).write_bytes(asset.content)
        settings = {"model": "generator.onnx", "runtime": RUNTIME[0]}
        settings |= page_settings(generator, name, directions)
        for described, direction in zip(settings["directions"], directions, strict=True):
            described["vector"] = direction.vector.tolist()
        site = {"engine": "browser", "made_by": MADE_BY, "models": [settings]}
        (partial / "studio.json").write_text(json.dumps(site))
        _fetch_runtime(partial)
    return out


def _replaceable(out: Path) -> bool:
    """Whether a folder is empty, or a site that was made here."""
    if not out.is_dir():
        return False
    try:
        return not any(out.iterdir()) or json.loads((out / "studio.json").read_text())["made_by"] == MADE_BY
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _fetch_runtime(folder: Path) -> None:
    """Put the files of onnxruntime-web into a folder."""
    npm = shutil.which("npm")
    if npm is None:
        raise UserError("npm is missing, which fetches onnxruntime-web: install Node.js (apt-get install npm).")
    with tempfile.TemporaryDirectory() as temporary:
        command = [npm, "pack", PACKAGE, "--loglevel=error", "--pack-destination", temporary]
        try:
            done = subprocess.run(command, cwd=temporary, capture_output=True, text=True, timeout=NPM_LIMIT)
        except subprocess.TimeoutExpired as error:
            raise UserError(f"npm did not fetch {PACKAGE} in {NPM_LIMIT} s: check the connection.") from error
        packages = list(Path(temporary).glob("*.tgz"))
        if done.returncode or len(packages) != 1:
            said = done.stderr.strip() or f"exit code {done.returncode}"
            raise UserError(f"npm cannot fetch {PACKAGE} ({first_line(Exception(said))}): check the connection.")
        with tarfile.open(packages[0]) as package:
            for name in RUNTIME:
                try:
                    content = package.extractfile(f"package/dist/{name}")
                except KeyError as error:
                    raise UserError(
                        f"{packages[0].name} holds no {name}: pin an older version in {MADE_BY}."
                    ) from error
                (folder / name).write_bytes(content.read())


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the site that the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="relativistic")
    parser.add_argument("--out", type=Path, default=Path("site"))
    options = parser.parse_args(arguments)
    try:
        folder = make_site(options.source, options.out)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    print(f"{folder}: {size:.1f} MB. To see it: python -m http.server --directory {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
