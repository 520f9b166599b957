"""What the tests of the service share: asking for a picture, and comparing two."""

import io

import numpy as np
import torch
from PIL import Image


def pixels(content: bytes) -> torch.Tensor:
    """A PNG as int (H,W) or (H,W,3)."""
    return torch.from_numpy(np.array(Image.open(io.BytesIO(content)))).int()


def draw(client, **wanted) -> torch.Tensor:
    """The pixels of what is answered, each as large as it is."""
    answer = client.post("/gen_images", json={"scale": 1} | wanted)
    assert answer.status_code == 200, answer.text
    return pixels(answer.content)


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Up to the rounding of floats, which another batch may turn the other way."""
    return one.shape == other.shape and (one.int() - other.int()).abs().max() <= 1


async def post(app, receive) -> list[dict]:
    """What the app sends for a POST whose body comes from `receive`."""
    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/gen_images", "query_string": b"", "headers": headers}
    await app(scope, receive, send)
    return sent
