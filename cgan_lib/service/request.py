"""What can be asked for, what is answered, and what is refused before it is looked at."""

import re
from typing import Annotated, Any, Literal

from fastapi import HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cgan_lib.studio.latent import SLIDERS
from cgan_lib.studio.naming import REACH
from cgan_lib.studio.view import View

MAX_GRID, DEFAULT_GRID = 10, 5  # images along each side
MAX_BODY = 16 * 1024  # bytes
MAX_SEED = 2**31 - 1
EXAMPLES: dict[str, dict[str, Any]] = {
    "a digit": {"value": 9},
    "the same again": {"value": 9, "seed": 7},
    "a grid": {"value": 3, "grid": True, "grid_size": 4, "seed": 7},
    "the sixth of that grid": {"value": 3, "seed": 7, "index": 5},
    "between two classes": {"value": 4, "toward": 9, "share": 0.5, "seed": 7, "format": "json"},
}


class ImageRequest(BaseModel):
    """One picture: an image of a class, or a grid of different ones."""

    model_config = ConfigDict(strict=True, extra="forbid")  # true is not 1, "9" is not 9

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

    @field_validator("value", "grid_size", "seed", "index", "scale", "toward", mode="before")
    @classmethod
    def _whole(cls, number: Any) -> Any:
        """9.0 is 9, as in JSON Schema."""
        return int(number) if isinstance(number, float) and number.is_integer() else number

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


class ImageAnswer(BaseModel):
    """The answer to `"format": "json"`."""

    value: int
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
