"""What is sent as it lies in a package: the files of the page, and the reference at /docs with the scripts it needs."""

import hashlib
from collections.abc import Callable, Coroutine
from html import escape
from importlib.resources import files
from typing import Any, NamedTuple

from fastapi import Request
from fastapi.responses import Response

MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
}
SWAGGER_UI = "swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"  # of the package fastapi_offline
DOCS = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: interface</title>
<link rel="icon" href="docs/favicon.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<main id="reference"></main>
<script src="docs/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({{ url: "openapi.json", dom_id: "#reference", deepLinking: true, validatorUrl: null }});
</script>
</body>
</html>
"""


class Asset(NamedTuple):
    """A file as it is sent."""

    content: bytes
    media_type: str


def page_files() -> dict[str, Asset]:
    """The files of the page by their names, such as "index.html"; what else lies there, such as a backup, is none."""
    folder = files("cgan_lib.service") / "page"
    return {file.name: _asset(file) for file in folder.iterdir() if _suffix(file.name) in MEDIA_TYPES}


def docs_files(title: str) -> dict[str, Asset]:
    """The interactive reference of /openapi.json by its paths: Swagger UI, from a package, so that it works offline."""
    package = files("fastapi_offline") / "static"
    html = DOCS.format(title=escape(title)).encode()
    return {"docs": Asset(html, "text/html")} | {f"docs/{name}": _asset(package / name) for name in SWAGGER_UI}


def answer_with(asset: Asset) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """An endpoint that sends a file, or 304 to who has it already.

    Browsers have to ask each time: with a page kept from yesterday and a script of today, neither would work.
    """
    tag = f'"{hashlib.sha256(asset.content).hexdigest()[:16]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}

    async def answer(request: Request) -> Response:
        if tag in request.headers.get("If-None-Match", ""):  # a list, or weakened by a proxy
            return Response(status_code=304, headers=headers)
        return Response(asset.content, headers=headers, media_type=asset.media_type)

    return answer


def _asset(file: Any) -> Asset:
    return Asset(file.read_bytes(), MEDIA_TYPES[_suffix(file.name)])


def _suffix(name: str) -> str:
    return name[name.rfind(".") :]
