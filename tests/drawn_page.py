"""What a visitor does on the page of the service or of the demo site, and what is then seen."""

import base64
import io

import numpy as np
import torch
from PIL import Image

from cgan_lib.evaluation.classifier import load_classifier, read


def settled(page):
    """Wait until the picture is that of the newest state."""
    page.wait_for_selector("main[data-state=ready]")


def opened(page, address, pixels=True):
    page.goto(address)
    settled(page)
    if pixels:
        page.click("#pixels")
    return page


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)
    settled(page)


def slide(page, slider, key, times=1):
    page.locator(f"#{slider}").focus()
    press(page, *[key] * times)


def sown(page, seed):
    page.fill("#seed", str(seed))
    page.locator("#seed").blur()
    settled(page)


def canvas(page) -> np.ndarray:
    """What is seen in the picture, grey: (height, width)."""
    address = page.evaluate("document.getElementById('picture').toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))).convert("L"))


def pixels(page, size=1) -> list[torch.Tensor]:
    """The images as drawn by the generator, from a picture that shows pixels: each uint8 (1, 28, 28)."""
    times = 1120 // (28 * size)
    step = 28 * times + 3
    expected = 28 * times * size + 3 * (size - 1)
    red = page.evaluate(
        """([times, size, step]) => {
        const picture = document.getElementById("picture"), { width, height } = picture, middle = times >> 1;
        const { data } = picture.getContext("2d").getImageData(0, 0, width, height);
        const red = [width, height];
        for (let tile = 0; tile < size * size; tile++) {
            const left = step * (tile % size), top = step * Math.floor(tile / size);
            for (let y = 0; y < 28; y++) for (let x = 0; x < 28; x++)
                red.push(data[4 * ((top + y * times + middle) * width + left + x * times + middle)]);
        }
        return red;
    }""",
        [times, size, step],
    )
    assert red[:2] == [expected, expected]
    return list(torch.tensor(red[2:], dtype=torch.uint8).view(-1, 1, 28, 28))


def share_read(images, labels) -> float:
    _, logits = read(load_classifier("mnist"), torch.stack(images))
    return (logits.argmax(1) == torch.tensor(labels)).float().mean().item()
