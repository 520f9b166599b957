"""Options of the service in a real Chromium: its reference below a path, pages of other origins.

`page` allows no request that leaves this machine.
"""

from collections.abc import Iterator

import pytest
import service
from nginx import nginx


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with service.service("bce", "--root-path", "/digits", "--allow-origin", "*") as (_, port):
        yield port


@pytest.fixture(params=["directly", "below a path"])
def address(port, request) -> Iterator[str]:
    if request.param == "directly":
        yield f"http://127.0.0.1:{port}"
        return
    with nginx(f"location /digits/ {{ proxy_pass http://127.0.0.1:{port}/; }}") as front:
        yield f"http://127.0.0.1:{front}/digits"


def test_it_describes_the_interface_and_tries_it(page, address):
    page.goto(f"{address}/docs")
    page.get_by_text("Images of bce").first.wait_for()
    assert page.locator(".opblock").count() == 3
    page.locator(".opblock", has_text="/gen_images").locator(".opblock-summary").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    picture = page.locator(".response img")
    picture.wait_for()
    assert picture.evaluate("async (image) => { await image.decode(); return image.naturalWidth }") == 4 * 28


ASK = """
async (address) => {
  const options = { method: "POST", headers: { "Content-Type": "application/json" } };
  const answer = await fetch(address, { ...options, body: JSON.stringify({ value: 3, seed: 7, index: 5 }) });
  const { width } = await createImageBitmap(await answer.blob());
  return [width, answer.headers.get("X-Seed"), answer.headers.get("X-Index")];
}
"""


def test_a_page_of_another_origin_may_ask(page, port):
    with nginx('location / { default_type text/html; return 200 "<title>Elsewhere</title>"; }') as elsewhere:
        page.goto(f"http://127.0.0.1:{elsewhere}")
        assert page.evaluate(ASK, f"http://127.0.0.1:{port}/gen_images") == [4 * 28, "7", "5"]
