"""What can be asked for, what is answered, and what is refused before it is looked at."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import HTTPException, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cgan_lib.classes import Classes
from cgan_lib.errors import UserError
from cgan_lib.studio.latent import SLIDERS
from cgan_lib.studio.naming import REACH
from cgan_lib.studio.view import View

MAX_GRID, DEFAULT_GRID = 10, 5  # images along each side
MAX_BODY = 16 * 1024  # bytes
MAX_SEED = 2**31 - 1


def _whole(said: Any) -> Any:
    """9.0 is 9, as in JSON Schema; so it is in a list or an object."""
    if isinstance(said, list):
        return [_whole(value) for value in said]
    if isinstance(said, dict):
        return {name: _whole(value) for name, value in said.items()}
    return int(said) if isinstance(said, float) and said.is_integer() else said


class ImageRequest(BaseModel):
    """One picture: an image of a class, or a grid of different ones."""

    model_config = ConfigDict(strict=True, extra="forbid")  # true is not 1; "9" is a name, if of a class

    value: int = Field(description="the class")
    grid: bool = Field(False, description="draw grid_size × grid_size images in place of one")
    grid_size: int = Field(0, ge=0, le=MAX_GRID, description=f"0 means {DEFAULT_GRID}; without `grid`, ignored")
    seed: int | None = Field(None, ge=0, le=MAX_SEED, description="the same seed draws the same; null: a new one")
    index: int = Field(
        0,
        ge=0,
        le=MAX_GRID**2 - 1,
        description="which latent of the seed, from 0; with `grid`, that of its first image",
    )
    format: Literal["png", "json"] = Field("png", description="an image, or JSON that holds it as base64")
    truncation: float | None = Field(None, gt=0, le=5, description="0.5 draws typical images, 3 nearly all kinds")
    scale: int = Field(4, ge=1, le=8, description="each pixel is drawn so many times as large")
    toward: int | None = Field(None, description="another class")
    share: float = Field(0, ge=0, le=1, description="of the class `toward` in the blend; without it, ignored")
    moves: list[Annotated[float, Field(ge=-REACH, le=REACH)]] = Field(
        [], max_length=SLIDERS, description="how far z is moved along each of the principal directions"
    )

    @field_validator("grid_size", "seed", "index", "scale", mode="before")
    @classmethod
    def _whole(cls, number: Any) -> Any:
        return _whole(number)

    @property
    def columns(self) -> int:
        """Images along each side; 1 without a grid."""
        return (self.grid_size or DEFAULT_GRID) if self.grid else 1

    def view(self, seed: int) -> View:
        """The same in the words of the studio; `seed` stands in where none was asked for."""
        return View(
            label=self.value,
            toward=self.toward,
            t=self.share,
            moves=tuple(self.moves),
            seed=seed,
            truncation=self.truncation,
            count=self.columns**2,
            index=self.index,
        )


def class_of(classes: Classes) -> tuple[BeforeValidator, WithJsonSchema]:
    """For `Annotated[int, …]`: a field that takes one of these classes, by name, number or attributes."""

    def find(said: Any) -> int:
        try:
            return classes.label(_whole(said))
        except UserError as error:
            raise PydanticCustomError("class", "{reason}", {"reason": str(error)}) from error

    return BeforeValidator(find), WithJsonSchema(_schema(classes))


def _schema(classes: Classes) -> dict[str, Any]:
    labels = range(len(classes.names))
    texts = list(dict.fromkeys([*classes.names, *map(classes.say, labels)]))
    ways = _one_of(len(labels), texts)
    if classes.attributes:
        values = {name: {"anyOf": _one_of(len(values), values)} for name, values in classes.attributes.items()}
        ways.append({"type": "object", "properties": values, "required": [*values], "additionalProperties": False})
        ways.append({"type": "array", "prefixItems": [*values.values()], "minItems": len(values), "items": False})
    return {"anyOf": ways}


def _one_of(count: int, names: Sequence[str]) -> list[dict[str, Any]]:
    return [{"type": "integer", "minimum": 0, "maximum": count - 1}, {"type": "string", "enum": list(names)}]


def examples(classes: Classes, mixes: bool) -> dict[str, dict[str, Any]]:
    """Requests to try, by what they ask for."""
    one, other = (min(label, len(classes.names) - 1) for label in (4, 9))
    values = dict(zip(classes.attributes, classes.values(other), strict=True)) if classes.attributes else None
    return {
        "an image": {"value": classes.names[other]},
        "the same again": {"value": classes.names[other], "seed": 7},
        **({"by its attributes": {"value": values, "seed": 7}} if values else {}),
        "a grid of the class of a number": {"value": one, "grid": True, "grid_size": 4, "seed": 7},
        "the sixth of that grid": {"value": one, "seed": 7, "index": 5},
        **({"between two classes": {"value": one, "toward": other, "share": 0.5, "seed": 7}} if mixes else {}),
        "as JSON": {"value": one, "seed": 7, "format": "json"},
    }


class ImageAnswer(BaseModel):
    """The answer to `"format": "json"`."""

    value: int
    name: str = Field(description="of the class")
    seed: int
    index: int
    width: int
    height: int
    png: str = Field(description="the file, as base64")


class Refusal(BaseModel):
    """Every other answer."""

    detail: str | list[dict[str, Any]]


def says_json(request: Request) -> bool:
    """Whether the body is declared as JSON, of which FastAPI reads application/json and application/…+json."""
    declared = request.headers.get("content-type", "").split(";")[0].strip().lower()
    return re.fullmatch(r"application/(.+\+)?json", declared) is not None


class BodyLimit:
    """ASGI middleware: `HTTPException` 413 as soon as a body has more than so many bytes."""

    def __init__(self, app: ASGIApp, max_bytes: int):
        self.app, self.max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what is received."""
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_bytes:  # the connection is closed, for else the rest of the body would be read
                raise HTTPException(413, f"the body has more than {self.max_bytes} bytes", {"Connection": "close"})
            return message

        await self.app(scope, counted, send)


class HeadAsGet:
    """ASGI middleware: HEAD is answered as GET is, by the same head, with nothing after it."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, a HEAD as a GET."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self.app({**scope, "method": "GET"}, receive, without_body)
