"""A generator behind HTTP: `POST /gen_images`, and a page to play with it."""

import base64
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Body, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError
from starlette.requests import ClientDisconnect

from cgan_lib.classes import Classes
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.sampling import grid_classes
from cgan_lib.service.batching import FAILED, MAX_WAITING, Batcher, batching
from cgan_lib.service.request import (
    MAX_BODY,
    MAX_GRID,
    MAX_SEED,
    BodyLimit,
    HeadAsGet,
    ImageAnswer,
    ImageRequest,
    Refusal,
    class_of,
    examples,
    says_json,
)
from cgan_lib.service.static import Asset, answer_with, docs_files, page_files
from cgan_lib.studio.latent import Direction, slider_directions
from cgan_lib.studio.naming import REACH

ABOUT = """**What a seed means.** Latent number `index` of a `seed` is row `index` of
`numpy.random.RandomState([seed, 0]).standard_normal((index + 1, {latent_dim}))`, rounded to float32: NumPy's frozen
stream, which is the Mersenne Twister (MT19937), seeded by an array of two 32-bit words, two outputs of which make a
uniform number of 53 bits, and Marsaglia's polar method, which makes normal numbers of these. The page and
`cgan_lib.sampling.latents` draw the same."""
REFUSALS = {
    413: f"the body has more than {MAX_BODY} bytes",
    415: "the body is not declared as JSON",
    422: "a reason for each field that is wrong",
    500: "the picture could not be made",
    503: "too many images are waiting, Retry-After says for how many seconds; or the service has not started",
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the picture; asked for with the seed and the index of these headers, it is the same again",
        "headers": {name: {"schema": {"type": "integer"}} for name in ("X-Seed", "X-Index")},
        "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
    },
    **{status: {"model": Refusal, "description": reason} for status, reason in REFUSALS.items()},
}


def create_app(
    generator: ConditionalGenerator,
    name: str = "generator",
    max_waiting: int = MAX_WAITING,
    real: tuple[str, bytes] | None = None,
) -> FastAPI:
    """The service of a generator, for any ASGI server.

    What draws starts with the app's lifespan events: a server, or an app that this one is mounted in, has to send them;
    until then the answer is 503. Which hosts and origins may ask, and below which path, is for the server to know, as
    `serve` does. `real` is what `real_sheet` gives, for the quiz on the page.
    """
    directions = slider_directions(generator)
    sheet = {real[0]: Asset(real[1], "image/png")} if real else {}
    model = page_settings(generator, name, directions, real[0] if real else "")
    settings = {"docs": "docs", "models": [model]}
    classes = Classes.of(generator)
    found, schema = class_of(classes)

    class BoundedRequest(ImageRequest):
        """One picture: an image of a class, or a grid of different ones."""

        value: Annotated[int, found, schema] = Field(description="the class: its name, number or attributes")
        toward: Annotated[int, found, schema] | None = Field(None, description="another class")

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

    title = f"Images of {name}"
    app = FastAPI(
        title=title,
        description=ABOUT.format(latent_dim=generator.config["latent_dim"]),
        lifespan=working,
        exception_handlers=HANDLERS,
        redirect_slashes=False,  # it redirects to whatever host was asked for
        docs_url=None,  # FastAPI's own pages load their scripts from elsewhere
        redoc_url=None,
    )
    app.state.batcher = None
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY)
    app.add_middleware(HeadAsGet)
    tried = {title: {"value": body} for title, body in examples(classes, generator.mixes).items()}

    @app.post("/gen_images", response_model=ImageAnswer, responses=ANSWERS)
    async def gen_images(wanted: Annotated[BoundedRequest, Body(openapi_examples=tried)], request: Request) -> Response:
        """Draw one image of a class, or a grid of them, as PNG."""
        seed = secrets.randbelow(MAX_SEED + 1) if wanted.seed is None else wanted.seed
        picture = await _batcher(request).generate(wanted, seed, request)
        headers = {"X-Seed": str(seed), "X-Index": str(wanted.index)}
        if wanted.format == "png":
            return Response(picture.content, headers=headers, media_type="image/png")
        png = base64.b64encode(picture.content).decode()
        about = {"value": wanted.value, "seed": seed, "index": wanted.index}
        sizes = {"width": picture.width, "height": picture.height}
        answer = ImageAnswer(name=classes.names[wanted.value], png=png, **about, **sizes)
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

    pages = page_files()
    assets = {"": pages["index.html"]} | pages | docs_files(title) | sheet
    for path, asset in assets.items():  # no request names a path
        app.get(f"/{path}", include_in_schema=False)(answer_with(asset))
    return app


def page_settings(
    generator: ConditionalGenerator, name: str, directions: Sequence[Direction], real: str = ""
) -> dict[str, Any]:
    """What the page needs to know about a generator, whoever draws for it; `real`: where a sheet of real images is."""
    config, classes = generator.config, Classes.of(generator)
    return {
        "name": name,
        "class_names": list(classes.names),
        "attributes": [{"name": name, "values": list(values)} for name, values in classes.attributes.items()],
        **{key: config[key] for key in ("image_size", "channels", "latent_dim")},
        "directions": [{"name": direction.name, "share": direction.share} for direction in directions],
        "reach": REACH,
        "max_grid": MAX_GRID,
        "mixes": generator.mixes,
        **({"real": real, "real_classes": grid_classes(config["num_classes"])} if real else {}),
    }


def _batcher(request: Request) -> Batcher:
    """`HTTPException` 503 before the service has started and after it has stopped."""
    if request.app.state.batcher is None:
        raise HTTPException(503, "the service has not started: its server must send the app its lifespan events")
    return request.app.state.batcher


async def _invalid(request: Request, error: Any) -> Response:
    """Without the input, which may be what JSON cannot hold, such as NaN, and without "body" before each field."""
    if not says_json(request):  # FastAPI has not read it; a dependency that looks first would cost 4% of all requests
        return JSONResponse({"detail": "send JSON, with the header Content-Type: application/json"}, 415)
    reasons = [{"loc": reason["loc"][1:], "msg": reason["msg"], "type": reason["type"]} for reason in error.errors()]
    return JSONResponse({"detail": reasons}, 422)


async def _undecodable(_: Request, error: Any) -> Response:
    """What FastAPI answers to a body that is no text, or that no parser can hold; to clients it is wrong JSON too."""
    return JSONResponse({"detail": [{"loc": [], "msg": error.detail, "type": "json_invalid"}]}, 422)


async def _other_method(_: Request, error: Any) -> Response:
    """With all the methods that there are: `HeadAsGet` adds one to those that FastAPI knows of."""
    allowed = error.headers["Allow"]
    return JSONResponse({"detail": error.detail}, 405, {"Allow": f"{allowed}, HEAD" if allowed == "GET" else allowed})


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=499)  # is not sent: nobody is there


async def _failed(_: Request, __: Exception) -> Response:
    return JSONResponse({"detail": FAILED}, 500)


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    RequestValidationError: _invalid,
    400: _undecodable,
    405: _other_method,
    ClientDisconnect: _gone,
    Exception: _failed,
}
