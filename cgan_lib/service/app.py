"""A generator behind HTTP: `POST /gen_images`, and a page to play with it."""

import base64
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Annotated, Any

from fastapi import Body, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError
from starlette.requests import ClientDisconnect

from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.service.batching import FAILED, MAX_WAITING, Batcher, batching
from cgan_lib.service.request import (
    EXAMPLES,
    MAX_BODY,
    MAX_GRID,
    MAX_SEED,
    BodyLimit,
    ImageAnswer,
    ImageRequest,
    Refusal,
    says_json,
)
from cgan_lib.studio.latent import Direction, slider_directions

PAGE = {  # path → file in the package, media type
    "/": ("index.html", "text/html"),
    "/studio.css": ("studio.css", "text/css"),
    "/studio.js": ("studio.js", "text/javascript"),
    "/engine.js": ("engine.js", "text/javascript"),
    "/latents.js": ("latents.js", "text/javascript"),
}
REFUSALS = {
    413: f"the body has more than {MAX_BODY} bytes",
    415: "the body is not declared as JSON",
    422: "a reason for each field that is wrong",
    500: "the picture could not be made",
    503: "too many images are waiting, Retry-After says for how many seconds; or the service has not started",
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the picture; asked for with the seed that X-Seed says, it is the same again",
        "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
    },
    **{status: {"model": Refusal, "description": reason} for status, reason in REFUSALS.items()},
}


def create_app(
    generator: ConditionalGenerator,
    name: str = "generator",
    max_waiting: int = MAX_WAITING,
) -> FastAPI:
    """The service of a generator, for any ASGI server.

    What draws starts with the app's lifespan events: a server, or an app that this one is mounted in, has to send them;
    until then the answer is 503. Which hosts may be asked for is for the server to know, as `serve` does.
    The interactive reference at /docs loads its scripts from a CDN, so it needs a connection; /openapi.json does not.
    """
    directions = slider_directions(generator)
    settings = {"engine": "server", "models": [page_settings(generator, name, directions)]}
    last = generator.config["num_classes"] - 1

    class BoundedRequest(ImageRequest):
        """One picture: an image of a class, or a grid of different ones."""

        value: int = Field(ge=0, le=last, description="the class")
        toward: int | None = Field(None, ge=0, le=last, description="another class")

        @field_validator("toward")
        @classmethod
        def _mixable(cls, toward: int | None) -> int | None:
            if toward is not None and not generator.mixes:
                raise PydanticCustomError("mixture", "this generator cannot mix classes: ask for one, without `toward`")
            return toward

    @asynccontextmanager
    async def working(app: FastAPI) -> AsyncIterator[None]:
        async with batching(generator, directions, max_waiting) as app.state.batcher:
            yield
        app.state.batcher = None

    app = FastAPI(
        title=f"Images of {name}",
        lifespan=working,
        exception_handlers=HANDLERS,
        redirect_slashes=False,  # it redirects to whatever host was asked for
    )
    app.state.batcher = None
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY)
    examples = {title: {"value": body} for title, body in EXAMPLES.items() if generator.mixes or "toward" not in body}

    @app.post("/gen_images", response_model=ImageAnswer, responses=ANSWERS)
    async def gen_images(
        wanted: Annotated[BoundedRequest, Body(openapi_examples=examples)], request: Request
    ) -> Response:
        """Draw one image of a class, or a grid of them, as PNG."""
        seed = secrets.randbelow(MAX_SEED + 1) if wanted.seed is None else wanted.seed
        picture = await _batcher(request).generate(wanted, seed, request)
        headers = {"X-Seed": str(seed)}
        if wanted.format == "png":
            return Response(picture.content, headers=headers, media_type="image/png")
        png = base64.b64encode(picture.content).decode()
        answer = ImageAnswer(value=wanted.value, seed=seed, width=picture.width, height=picture.height, png=png)
        return JSONResponse(answer.model_dump(), headers=headers)

    @app.get("/healthz")
    async def healthz(request: Request) -> dict[str, str | int]:
        """Whether the service lives, and what it has done: images that wait, passes over them, images drawn."""
        batcher = _batcher(request)
        counts = {key: getattr(batcher, key) for key in ("waiting", "passes", "images")}
        return {"status": "ok", "generator": name, **counts}

    @app.get("/studio.json")
    async def studio() -> dict[str, Any]:
        """What the page needs to know about the generator."""
        return settings

    for path, (file, media_type) in PAGE.items():  # from the package alone: no request names a path
        content = (files("cgan_lib.service") / "page" / file).read_bytes()
        app.get(path, include_in_schema=False)(_static(content, media_type))
    return app


def page_settings(generator: ConditionalGenerator, name: str, directions: Sequence[Direction]) -> dict[str, Any]:
    """What the page needs to know about a generator, whoever draws for it."""
    config = generator.config
    return {
        "name": name,
        "class_names": list(generator.class_names),
        **{key: config[key] for key in ("image_size", "channels", "latent_dim")},
        "directions": [{"label": direction.label(number)} for number, direction in enumerate(directions, start=1)],
        "max_grid": MAX_GRID,
        "mixes": generator.mixes,
    }


def _batcher(request: Request) -> Batcher:
    """`HTTPException` 503 before the service has started and after it has stopped."""
    if request.app.state.batcher is None:
        raise HTTPException(503, "the service has not started: its server must send the app its lifespan events")
    return request.app.state.batcher


def _static(content: bytes, media_type: str) -> Callable[[], Coroutine[Any, Any, Response]]:
    async def answer() -> Response:
        return Response(content, media_type=media_type)

    return answer


async def _invalid(request: Request, error: Any) -> Response:
    """Without the input, which may be what JSON cannot hold, such as NaN, and without "body" before each field."""
    if not says_json(request):  # FastAPI has not read it; a dependency that looks first would cost 4% of all requests
        return JSONResponse({"detail": "send JSON, with the header Content-Type: application/json"}, 415)
    reasons = [{"loc": reason["loc"][1:], "msg": reason["msg"], "type": reason["type"]} for reason in error.errors()]
    return JSONResponse({"detail": reasons}, 422)


async def _undecodable(_: Request, error: Any) -> Response:
    """What FastAPI answers to a body that is no text, or that no parser can hold; to clients it is wrong JSON too."""
    return JSONResponse({"detail": [{"loc": [], "msg": error.detail, "type": "json_invalid"}]}, 422)


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=499)  # is not sent: nobody is there


async def _failed(_: Request, __: Exception) -> Response:
    return JSONResponse({"detail": FAILED}, 500)


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    RequestValidationError: _invalid,
    400: _undecodable,
    ClientDisconnect: _gone,
    Exception: _failed,
}
