"""A folder that any web server can show: the page, and generators that the visitor's browser runs by itself.

    python tools/demo_site.py [--source relativistic bce …] [--out site] [--url https://name/path]
    python -m http.server 8001 --directory site

SOURCE: a run folder, a weight file, a published folder, hf://owner/name, or the name of a shipped generator. Among
several the visitor chooses; each is loaded when it is first chosen. A site made before is replaced, nothing else is.
"""

import argparse
import hashlib
import json
import re
import sys
import tempfile
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
import torch.nn.functional as F

from cgan_lib import UserError, generate
from cgan_lib.console import quoted
from cgan_lib.errors import shown
from cgan_lib.files import png, staged_folder
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.publish.compact import compact
from cgan_lib.publish.onnx import export_onnx
from cgan_lib.runs.source import open_source
from cgan_lib.sampling import latents
from cgan_lib.service.app import page_settings
from cgan_lib.service.real import real_sheet
from cgan_lib.service.static import page_files
from cgan_lib.studio.latent import slider_directions

MADE_BY = "tools/demo_site.py"
PREVIEW = "preview.png"
PREVIEW_SIZE = 1200, 630  # what the networks that show it ask for
COLUMNS, ROWS, CELL = 10, 5, 108  # of the preview; pixels
DESCRIPTION = (
    "Images that nobody ever made, drawn in your browser by a conditional GAN: choose a class, mix two, change them."
)


def make_site(sources: Sequence[str], out: Path, url: str | None = None) -> Path:
    """Write the site of one generator or several into the folder `out`, whole or not at all.

    A site made before is replaced. `url` is where the site will lie: without it, only those show its preview beside a
    link that understand relative addresses. `UserError` when `out` holds something else, two generators have one name,
    one cannot be exported or needs an operator that network.js lacks, or `url` is no address.
    """
    if out.exists() and not _replaceable(out):
        raise UserError(f"{out} holds something that is no site made by this tool: name another folder with --out.")
    base = _base(url)
    with staged_folder(out) as partial:
        opened = [open_source(source) for source in sources]
        _check_names([name for _, name, _ in opened])
        models = [_add_model(partial, generator, name) for generator, name, _ in opened]
        (partial / PREVIEW).write_bytes(_preview(opened[0].generator))
        settings = {"made_by": MADE_BY, "models": models}
        (partial / "studio.json").write_text(json.dumps(settings, ensure_ascii=False), "utf-8")
        _add_page(partial, models, base)
    return out


def _replaceable(out: Path) -> bool:
    """Whether a folder is empty, or a site that was made here."""
    if not out.is_dir():
        return False
    try:
        return not any(out.iterdir()) or json.loads((out / "studio.json").read_text("utf-8"))["made_by"] == MADE_BY
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _base(url: str | None) -> str:
    """An address that ends in a slash, or nothing."""
    if url is None:
        return ""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise UserError(f"--url {shown(url)} must be where the site will lie, such as https://name.example/digits/.")
    return url.removesuffix("index.html").rstrip("/") + "/"


def _check_names(names: Sequence[str]) -> None:
    double = {name for name in names if names.count(name) > 1}
    if double:
        raise UserError(f"two generators are named {shown(min(double))}: leave one out, or rename its file.")


def _add_model(folder: Path, generator: ConditionalGenerator, name: str) -> dict[str, Any]:
    """Write the weights of a generator, and real images if they are at hand: what the page needs to know about it."""
    directions = slider_directions(generator)
    with tempfile.TemporaryDirectory() as temporary:
        small = compact(export_onnx(generator, Path(temporary) / "generator.onnx", name=name))
    content = small.content()
    file = f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-') or 'generator'}-{_digest([content])}.bin"
    (folder / file).write_bytes(content)
    sheet = real_sheet(generator)
    settings = page_settings(generator, name, directions, sheet[0] if sheet else "")
    settings["network"] = small.description()
    settings["weights"] = {"file": file, "length": len(content)}
    for described, direction in zip(settings["directions"], directions, strict=True):
        described["vector"] = direction.vector.tolist()
    if sheet:
        (folder / sheet[0]).write_bytes(sheet[1])
    return settings


def _digest(contents: Iterable[bytes]) -> str:
    """A name for contents, which no others have."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:12]


def _preview(generator: ConditionalGenerator) -> bytes:
    """The picture beside links to the page: images of the classes in turn, as PNG."""
    labels = [column % generator.config["num_classes"] for _ in range(ROWS) for column in range(COLUMNS)]
    z = latents(len(labels), generator.config["latent_dim"], truncation=1.0)  # typical ones
    images = generate(generator, labels, z=z)  # (50, C, H, W)
    large = F.interpolate(images.float(), size=(CELL, CELL), mode="bicubic").round().clamp(0, 255).byte()
    width, height = PREVIEW_SIZE
    across, down = (width - COLUMNS * CELL) // (COLUMNS + 1), (height - ROWS * CELL) // (ROWS + 1)  # between two
    picture = torch.full((images.shape[1], height, width), 17, dtype=torch.uint8)
    for number, image in enumerate(large):
        x = across + (across + CELL) * (number % COLUMNS)
        y = down + (down + CELL) * (number // COLUMNS)
        picture[:, y : y + CELL, x : x + CELL] = image
    return png(picture, scale=1)


def _add_page(folder: Path, models: Sequence[dict[str, Any]], base: str) -> None:
    """Write the files of the page; its head and its service worker are told about the site."""
    page = {name: file.content for name, file in page_files().items()}
    page["index.html"] = _with_head(page["index.html"].decode(), models, base).encode()
    weights = [model["weights"]["file"] for model in models]
    others = {path.name: path.read_bytes() for path in folder.iterdir()}
    sheets = {model["real"] for model in models if "real" in model}
    shell = sorted({"./", "studio.json", *page, *sheets} - {"sw.js"})
    version = _digest(content for _, content in sorted((others | page).items()))
    site = json.dumps({"version": version, "shell": shell, "weights": weights})
    page["sw.js"] = f"const SITE = {site};\n".encode() + page["sw.js"]
    for name, content in page.items():
        (folder / name).write_bytes(content)


def _with_head(page: str, models: Sequence[dict[str, Any]], base: str) -> str:
    """The page with what is read by who shows links to it (ogp.me), and what it imports, to be loaded at once."""
    digits = all(len(name) == 1 for name in models[0]["class_names"])
    properties = {
        "og:type": "website",
        "og:title": "Draw a digit" if digits else "Draw a picture",
        "og:description": DESCRIPTION,
        "og:image": base + PREVIEW,
        "og:image:width": PREVIEW_SIZE[0],
        "og:image:height": PREVIEW_SIZE[1],
        "og:image:alt": f"Images drawn by the generator {models[0]['name']}",
        "twitter:card": "summary_large_image",
    } | ({"og:url": base} if base else {})
    tags = [f'<meta property="{key}" content="{escape(str(value))}">' for key, value in properties.items()]
    tags += [f'<link rel="modulepreload" href="{name}">' for name in _imports("studio.js")]
    return page.replace("</head>", "\n".join([*tags, "</head>"]), 1)


def _imports(start: str) -> list[str]:
    """What a module of the page imports when it starts, and what these import."""
    sources = {name: file.content.decode() for name, file in page_files().items() if name.endswith(".js")}
    found, left = [], [start]
    while left:
        name = left.pop()
        new = set(re.findall(r'^(?:import|export)[^;]*?from "\./([\w.-]+)";', sources[name], re.MULTILINE))
        left += sorted(new - {start, *found})
        found += sorted(new - {start, *found})
    return sorted(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the site that the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", nargs="+", default=["relativistic"])
    parser.add_argument("--out", type=Path, default=Path("site"))
    parser.add_argument("--url", help="where the site will lie, for the preview beside links to it")
    options = parser.parse_args(arguments)
    try:
        folder = make_site(options.source, options.out, options.url)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    print(f"{folder}: {size:.1f} MB. To see it: python -m http.server 8001 --directory {quoted(str(folder))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
