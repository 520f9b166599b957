"""A generator behind HTTP: `POST /gen_images`, a page to play with it, and one forward pass for many requests.

Requests that arrive while the generator is busy wait, and are drawn together when it is free: the event loop listens,
one thread draws and encodes.
"""

import asyncio
import base64
import gc
import io
import logging
import os
import secrets
import signal
import socket
from collections import deque
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, Any, Literal

import torch
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, field_validator
from starlette.requests import ClientDisconnect
from torch import Tensor, nn

from cgan_lib.errors import UserError
from cgan_lib.sampling import generate, tile
from cgan_lib.studio.latent import SLIDERS, Direction, View, slider_directions

MAX_GRID, DEFAULT_GRID = 10, 5  # images along each side
MAX_PASS = 256  # images of one forward pass
MAX_WAITING = 2048  # images asked for and not drawn yet; while there are so many, requests are turned away
MAX_BODY = 16 * 1024  # bytes
RETRY_AFTER = 1  # seconds
GRACE = 10  # seconds that requests under way have left when the service is stopped
MAX_SEED = 2**31 - 1
FAILED = "internal error: the log of the service says more"
PAGE = {  # path → file in the package, media type
    "/": ("index.html", "text/html"),
    "/studio.css": ("studio.css", "text/css"),
    "/studio.js": ("studio.js", "text/javascript"),
}


class Wanted(BaseModel):
    """One picture: a digit, or a grid of different ones of the same class."""

    model_config = ConfigDict(strict=True, extra="forbid")  # true is not 1, "9" is not 9

    value: int
    grid: bool = Field(False, description="draw grid_size × grid_size images in place of one")
    grid_size: int = Field(0, ge=0, le=MAX_GRID, description=f"0 means {DEFAULT_GRID}; without `grid`, ignored")
    seed: int | None = Field(None, ge=0, le=MAX_SEED, description="the same seed draws the same; null: a new one")
    format: Literal["png", "json"] = Field("png", description="an image, or JSON that holds it as base64")
    truncation: float | None = Field(None, gt=0, le=5, description="0.5 draws typical images, 3 nearly all kinds")
    scale: int = Field(4, ge=1, le=8, description="each pixel is drawn so many times as large")
    toward: int | None = None
    share: float = Field(0, ge=0, le=1, description="of the class `toward` in the blend; without it, ignored")
    moves: list[Annotated[float, Field(ge=-6, le=6)]] = Field(
        [], max_length=SLIDERS, description="how far z is moved along each of the principal directions"
    )

    @field_validator("value", "grid_size", "seed", "scale", "toward", mode="before")
    @classmethod
    def _whole(cls, number: Any) -> Any:
        """9.0 is 9, as in JSON Schema."""
        return int(number) if isinstance(number, float) and number.is_integer() else number

    @property
    def columns(self) -> int:
        """Images along each side; 1 without a grid."""
        return (self.grid_size or DEFAULT_GRID) if self.grid else 1


class Drawn(BaseModel):
    """The answer to `"format": "json"`."""

    value: int
    seed: int
    width: int
    height: int
    png: str = Field(description="the file, as base64")


class Refusal(BaseModel):
    """Every other answer."""

    detail: str | list[dict[str, Any]]


@dataclass
class _Job:
    wanted: Wanted
    seed: int
    request: Request
    done: asyncio.Future

    @property
    def count(self) -> int:
        return self.wanted.columns**2

    @property
    def view(self) -> View:
        wanted = self.wanted
        return View(
            digit=wanted.value,
            toward=wanted.toward,
            share=wanted.share,
            moves=tuple(wanted.moves),
            seed=self.seed,
            truncation=wanted.truncation,
            count=self.count,
        )


class Batcher:
    """Draws what was asked for meanwhile in one forward pass, in a thread of its own."""

    def __init__(self, generator: nn.Module, ways: Sequence[Direction], max_waiting: int = MAX_WAITING):
        self.generator, self.ways, self.max_waiting = generator, ways, max_waiting
        self.jobs: deque[_Job] = deque()
        self.some: asyncio.Event  # whether there are any
        self.waiting = self.passes = self.images = 0

    async def draw(self, wanted: Wanted, seed: int, request: Request) -> tuple[bytes, int, int]:
        """PNG, width, height; `HTTPException` 503 when too many wait, 500 when the pass failed; `ClientDisconnect`."""
        if self.waiting >= self.max_waiting:
            message = f"{self.waiting} images are waiting: try again in {RETRY_AFTER} s"
            raise HTTPException(503, message, {"Retry-After": str(RETRY_AFTER)})
        job = _Job(wanted, seed, request, asyncio.get_running_loop().create_future())
        self.waiting += job.count
        self.jobs.append(job)
        self.some.set()
        try:
            return await job.done
        finally:
            self.waiting -= job.count

    async def run(self) -> None:
        """Draw until cancelled; a pass that fails fails only those who were in it."""
        loop = asyncio.get_running_loop()
        self.some = asyncio.Event()  # of this loop
        threads = torch.get_num_threads()  # a new thread would begin with all cores
        with ThreadPoolExecutor(1, "generator", torch.set_num_threads, (threads,)) as thread:
            while True:
                await self.some.wait()
                jobs = [job for job in self._next() if not await self._dropped(job)]
                if not jobs:
                    continue
                try:
                    pictures = await loop.run_in_executor(thread, self._pass, jobs)
                except Exception:
                    logging.getLogger("uvicorn.error").exception("a pass of %d requests failed", len(jobs))
                    pictures = [HTTPException(500, FAILED) for _ in jobs]
                else:
                    self.passes += 1
                    self.images += sum(job.count for job in jobs)
                for job, picture in zip(jobs, pictures, strict=True):
                    _answer(job, picture)

    def _next(self) -> list[_Job]:
        """Those who came first, as many as fit into a pass."""
        jobs, count = [], 0
        while self.jobs and count + self.jobs[0].count <= MAX_PASS:
            jobs.append(self.jobs.popleft())
            count += jobs[-1].count
        if not self.jobs:
            self.some.clear()
        return jobs

    async def _dropped(self, job: _Job) -> bool:
        if not job.done.done() and await job.request.is_disconnected():
            _answer(job, ClientDisconnect())
        return job.done.done()

    def _pass(self, jobs: list[_Job]) -> list[tuple[bytes, int, int]]:
        inputs = [job.view.inputs(self.generator.config, self.ways) for job in jobs]
        z, weights = (torch.cat(parts) for parts in zip(*inputs, strict=True))
        images = generate(self.generator, weights, z=z, batch_size=MAX_PASS)
        parts = images.split([job.count for job in jobs])
        return [_encode(some, job.wanted) for some, job in zip(parts, jobs, strict=True)]


def _answer(job: _Job, picture: tuple[bytes, int, int] | Exception) -> None:
    if job.done.done():  # its request was cancelled
        return
    if isinstance(picture, Exception):
        job.done.set_exception(picture)
    else:
        job.done.set_result(picture)


def _encode(images: Tensor, wanted: Wanted) -> tuple[bytes, int, int]:
    """Images uint8 (N,C,H,W) → PNG, width, height; grey when C is 1."""
    from PIL import Image

    picture = tile(images, wanted.columns)[: images.shape[1]] if wanted.grid else images[0]  # a tiled grey is RGB
    pixels = picture.permute(1, 2, 0).numpy()  # (height, width, C)
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    image = image.resize((wanted.scale * image.width, wanted.scale * image.height), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)  # half the time of the default, and a sixth more bytes
    return buffer.getvalue(), image.width, image.height


async def _read(request: Request, model: type[Wanted]) -> Wanted:
    """What a request asks for; `HTTPException` 413, 415 or 422 says why it cannot be had."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send JSON, with the header Content-Type: application/json")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:  # the connection is closed, for else the rest of the body would be read
            raise HTTPException(413, f"the body has more than {MAX_BODY} bytes", {"Connection": "close"})
    try:
        return model.model_validate_json(body)
    except ValidationError as error:  # the input itself is left out: it may be what JSON cannot hold, such as NaN
        reasons = error.errors(include_url=False, include_context=False, include_input=False)
        raise HTTPException(422, reasons) from error


def _header(description: str) -> dict:
    return {"description": description, "schema": {"type": "integer"}, "required": True}


ANSWERS = {
    200: {
        "description": "the picture",
        "content": {
            "image/png": {"schema": {"type": "string", "format": "binary"}},
            "application/json": {"schema": Drawn.model_json_schema()},
        },
        "headers": {"X-Seed": _header("asked for with this seed, the picture is the same again")},
    },
    413: {"model": Refusal, "description": f"the body has more than {MAX_BODY} bytes"},
    415: {"model": Refusal, "description": "the body is not declared as JSON"},
    422: {"model": Refusal, "description": "a reason for each field that is wrong"},
    500: {"model": Refusal, "description": "the picture could not be drawn"},
    503: {
        "model": Refusal,
        "description": "too many images are waiting",
        "headers": {"Retry-After": _header("seconds")},
    },
}
EXAMPLES = {
    "a digit": {"value": 9},
    "the same again": {"value": 9, "seed": 7},
    "a grid": {"value": 3, "grid": True, "grid_size": 4},
    "between two classes": {"value": 4, "toward": 9, "share": 0.5, "seed": 7, "format": "json"},
}


def page_settings(
    generator: nn.Module, name: str, class_names: Sequence[str] | None, ways: Sequence[Direction]
) -> dict[str, Any]:
    """What the page needs to know about a generator, whoever draws for it."""
    config = generator.config
    return {
        "name": name,
        "class_names": list(class_names or map(str, range(config["num_classes"]))),
        **{key: config[key] for key in ("image_size", "channels", "latent_dim")},
        "directions": [{"label": way.label(number)} for number, way in enumerate(ways, start=1)],
        "max_grid": MAX_GRID,
    }


def create_app(
    generator: nn.Module,
    name: str = "generator",
    class_names: Sequence[str] | None = None,
    max_waiting: int = MAX_WAITING,
) -> FastAPI:
    """The service of a generator, for any ASGI server; `class_names` (default: the numbers) are for the page.

    What draws starts with the app's lifespan events: a server, or an app that this one is mounted in, has to send them.
    The interactive reference at /docs loads its scripts from a CDN, so it needs a connection; /openapi.json does not.
    """
    ways = slider_directions(generator)
    batcher = Batcher(generator, ways, max_waiting)
    label = Annotated[int, Field(ge=0, le=generator.config["num_classes"] - 1)]
    model = create_model("Wanted", __base__=Wanted, value=(label, ...), toward=(label | None, None))
    settings = {"engine": "server"} | page_settings(generator, name, class_names, ways)

    @asynccontextmanager
    async def working(_: FastAPI) -> AsyncIterator[None]:
        worker = asyncio.create_task(batcher.run())
        yield
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker

    app = FastAPI(title=f"Images of {name}", lifespan=working)
    examples = {what: {"value": body} for what, body in EXAMPLES.items()}
    content = {"application/json": {"schema": model.model_json_schema(), "examples": examples}}
    body = {"requestBody": {"required": True, "content": content}}

    @app.post("/gen_images", response_class=Response, responses=ANSWERS, openapi_extra=body)
    async def gen_images(request: Request) -> Response:
        """Draw one image of a class, or a grid of them, as PNG."""
        wanted = await _read(request, model)
        seed = secrets.randbelow(MAX_SEED + 1) if wanted.seed is None else wanted.seed
        content, width, height = await batcher.draw(wanted, seed, request)
        headers = {"X-Seed": str(seed)}
        if wanted.format == "png":
            return Response(content, headers=headers, media_type="image/png")
        png = base64.b64encode(content).decode()
        drawn = Drawn(value=wanted.value, seed=seed, width=width, height=height, png=png)
        return JSONResponse(drawn.model_dump(), headers=headers)

    @app.get("/healthz")
    async def healthz() -> dict[str, str | int]:
        """Whether the service lives, and what it has done: images that wait, forward passes, images drawn."""
        counts = {key: getattr(batcher, key) for key in ("waiting", "passes", "images")}
        return {"status": "ok", "generator": name, **counts}

    @app.get("/studio.json")
    async def studio() -> dict:
        """What the page needs to know about the generator."""
        return settings

    for path, (file, media_type) in PAGE.items():  # from the package alone: no request names a path
        app.get(path, include_in_schema=False)(
            _static((files("cgan_lib.service") / "page" / file).read_bytes(), media_type)
        )

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=499)  # is not sent: nobody is there

    @app.exception_handler(Exception)
    async def failed(_: Request, __: Exception) -> JSONResponse:
        return JSONResponse({"detail": FAILED}, 500)

    return app


def _static(content: bytes, media_type: str):
    async def answer() -> Response:
        return Response(content, media_type=media_type)

    return answer


def serve(
    generator: nn.Module,
    name: str,
    host: str = "127.0.0.1",
    port: int = 8000,
    class_names: Sequence[str] | None = None,
) -> None:
    """Serve a generator until Ctrl-C or SIGTERM, then finish what is under way; `port` 0 takes one that is free.

    Prints one line with the address. Belongs into the main thread of a process of its own: sets how many threads torch
    uses. `UserError` when it cannot listen there.
    """
    listener = _listen(host, port)
    torch.set_num_threads(max((os.cpu_count() or 1) - 1, 1))  # the event loop needs a core too
    app = create_app(generator, name, class_names)
    options = dict(log_level="warning", access_log=False, server_header=False, ws="none")
    server = uvicorn.Server(uvicorn.Config(app, timeout_graceful_shutdown=GRACE, **options))
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises them again at its end: not to die of them then
        signal.signal(number, server.handle_exit)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listener.getsockname()[1]}"
    print(f"{name} at {address} (the page) and {address}/docs (the interface); Ctrl-C stops it", flush=True)
    gc.freeze()  # looking again and again through all that torch has loaded stops everything for 0.1 s
    server.run(sockets=[listener])
    gc.unfreeze()  # else extensions of torch complain at the exit


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).split(" (while ")[0]
        raise UserError(f"cannot listen on {host}:{port} ({reason}): choose another --host or --port.") from error
