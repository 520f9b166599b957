"""The HTTP service: what it draws, what it refuses, requests beside each other, and the real thing under load."""

import asyncio
import base64
import io
import json
import re
import signal
import socket
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
import service
import torch
from fastapi.testclient import TestClient
from PIL import Image
from torch import nn

from cgan_lib import generate, get_recipe, load_generator
from cgan_lib.cli import main
from cgan_lib.evaluation import load_classifier
from cgan_lib.evaluation.classifier import read
from cgan_lib.sampling import blend, latents, tile
from cgan_lib.service.serve import EXAMPLES, MAX_BODY, MAX_PASS, create_app
from cgan_lib.studio.latent import directions

pytestmark = pytest.mark.timeout(60)  # what hangs here would hang for its clients too
JSON = {"Content-Type": "application/json"}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def generator() -> nn.Module:
    return get_recipe("bce", base_channels=8).build()[0]


@pytest.fixture(scope="module")
def client(generator):
    with TestClient(create_app(generator, "tiny"), raise_server_exceptions=False) as client:
        yield client


def pixels(content: bytes) -> torch.Tensor:
    """A PNG as int (H,W) or (H,W,3)."""
    return torch.from_numpy(np.array(Image.open(io.BytesIO(content)))).int()


def draw(client, **wanted) -> torch.Tensor:
    answer = client.post("/gen_images", json={"scale": 1} | wanted)
    assert answer.status_code == 200, answer.text
    return pixels(answer.content)


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Up to the rounding of floats, which another batch may turn the other way."""
    return one.shape == other.shape and (one.int() - other.int()).abs().max() <= 1


# What is drawn


def test_one_digit_is_a_grey_png_with_its_seed(client):
    answer = client.post("/gen_images", json={"value": 9})
    assert answer.headers["content-type"] == "image/png"
    assert 0 <= int(answer.headers["x-seed"]) < 2**31
    image = Image.open(io.BytesIO(answer.content))
    assert (image.format, image.mode, image.size) == ("PNG", "L", (4 * 28, 4 * 28))


def test_the_digit_is_the_one_asked_for():
    labels = [value for value in range(10) for _ in range(3)]
    with TestClient(create_app(load_generator("relativistic"))) as client:
        images = torch.stack([draw(client, value=value) for value in labels]).to(torch.uint8)
    _, logits = read(load_classifier("mnist"), images[:, None])
    assert (logits.argmax(1) == torch.tensor(labels)).sum() >= 28  # of 30; the generator is read right 99% of the time


def test_a_picture_can_be_had_again_by_its_seed(client):
    first, second = (client.post("/gen_images", json={"value": 3}) for _ in range(2))
    assert first.headers["x-seed"] != second.headers["x-seed"]
    assert first.content != second.content
    again = client.post("/gen_images", json={"value": 3, "seed": int(first.headers["x-seed"])})
    assert again.headers["x-seed"] == first.headers["x-seed"]
    assert again.content == first.content


def test_the_picture_is_what_the_library_draws(client, generator):
    for seed in (0, 2**31 - 1):
        assert same(draw(client, value=4, seed=seed), generate(generator, [4], z=latents(1, 100, seed))[0, 0])


def test_whole_numbers_may_be_written_as_json_schema_allows(client):
    assert torch.equal(draw(client, value=4.0, seed=5.0), draw(client, value=4, seed=5))


def test_scale_repeats_each_pixel(client):
    small, large = (draw(client, value=4, seed=5, scale=scale) for scale in (1, 3))
    assert torch.equal(large, small.repeat_interleave(3, 0).repeat_interleave(3, 1))


@pytest.mark.parametrize(
    ("asked", "columns"),
    [
        ({"grid": True}, 5),
        ({"grid": True, "grid_size": 0}, 5),
        ({"grid": True, "grid_size": 3}, 3),
        ({"grid": True, "grid_size": 1}, 1),
        ({"grid": True, "grid_size": 10}, 10),
    ],
)
def test_a_grid_is_different_images_of_the_class(client, generator, asked, columns):
    images = generate(generator, [6] * columns**2, z=latents(columns**2, 100, seed=8))
    assert same(draw(client, value=6, seed=8, **asked), tile(images, columns)[0])
    assert len(images.unique(dim=0)) == columns**2


@pytest.mark.parametrize("asked", [{"grid": False, "grid_size": 7}, {"grid_size": 7}])
def test_without_grid_its_size_is_ignored(client, asked):
    assert torch.equal(draw(client, value=2, seed=1, **asked), draw(client, value=2, seed=1))


def test_a_generator_of_colours_answers_in_colour():
    coloured = get_recipe("dcgan64", base_channels=8).build(channels=3)[0]
    with TestClient(create_app(coloured)) as client:
        image = draw(client, value=2, seed=1)
        assert same(image.permute(2, 0, 1), generate(coloured, [2], z=latents(1, coloured.config["latent_dim"], 1))[0])
        assert draw(client, value=2, grid=True, grid_size=2).shape == (2 * 66 + 2, 2 * 66 + 2, 3)
        assert client.get("/studio.json").json()["channels"] == 3


def test_json_holds_the_same_picture(client):
    wanted = {"value": 8, "seed": 3, "grid": True, "grid_size": 2}
    answer = client.post("/gen_images", json=wanted | {"format": "json"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-seed"] == "3"
    drawn = answer.json()
    content = base64.b64decode(drawn.pop("png"))
    assert drawn == {"value": 8, "seed": 3, "width": 4 * 62, "height": 4 * 62}
    assert content == client.post("/gen_images", json=wanted).content


def test_truncation_blends_and_moves_are_those_of_the_library(client, generator):
    vectors = torch.stack([way.vector for way in directions(generator, 4)])
    z = latents(1, 100, seed=2)
    near = latents(1, 100, seed=2, truncation=0.4)
    halfway = blend(1, 7, torch.tensor([0.5]))
    moved = z + torch.tensor([3.0, 0, -6]) @ vectors[:3]
    cases = [
        ({"truncation": 0.4}, [1], near),
        ({"truncation": 1}, [1], latents(1, 100, seed=2, truncation=1.0)),
        ({"toward": 7, "share": 0.5}, halfway, z),
        ({"toward": 7, "share": 1}, [7], z),
        ({"toward": 7}, [1], z),
        ({"share": 0.5}, [1], z),
        ({"moves": [3, 0.0, -6]}, [1], moved),
        ({"moves": []}, [1], z),
        ({"moves": [3, 0.0, -6], "truncation": 0.4, "toward": 7, "share": 0.5}, halfway, near + (moved - z)),
    ]
    drawn = [draw(client, value=1, seed=2, **asked) for asked, _, _ in cases]
    for picture, (asked, labels, z) in zip(drawn, cases, strict=True):
        assert same(picture, generate(generator, labels, z=z)[0, 0]), asked
    assert len({tuple(picture.flatten().tolist()) for picture in drawn}) == 7  # three of them change nothing


# What is refused


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("{}", "value"),
        *((f'{{"value": {value}}}', "value") for value in ('"9"', "true", "9.5", "null", "-1", "10", "NaN", "1e999")),
        (f'{{"value": 1{1000 * "0"}}}', "value"),
        *((f'{{"value": 9, "grid": {value}}}', "grid") for value in ("1", '"true"', "null")),
        *((f'{{"value": 9, "grid_size": {value}}}', "grid_size") for value in ("-1", "11", "3.5", '"3"', "null")),
        *((f'{{"value": 9, "seed": {value}}}', "seed") for value in ("-1", "2147483648", "1.5", "true")),
        *((f'{{"value": 9, "format": {value}}}', "format") for value in ('"gif"', "null", "1")),
        *((f'{{"value": 9, "truncation": {value}}}', "truncation") for value in ("0", "-1", "5.1", "NaN", "Infinity")),
        *((f'{{"value": 9, "truncation": {value}}}', "truncation") for value in ("true", '"1"', "-Infinity")),
        *((f'{{"value": 9, "scale": {value}}}', "scale") for value in ("0", "9", "2.5", "true")),
        *((f'{{"value": 9, "toward": {value}}}', "toward") for value in ("-1", "10", "true", '"1"')),
        *((f'{{"value": 9, "share": {value}}}', "share") for value in ("-0.1", "1.1", "NaN", "null")),
        *((f'{{"value": 9, "moves": {value}}}', "moves") for value in ("[6.1]", "[NaN]", "[true]", "[0,0,0,0,0]", "1")),
        ('{"value": 9, "path": "/etc/passwd"}', "path"),
        ('{"value": 9, "é\\u0000": 1}', "é\x00"),
    ],
)
def test_each_wrong_field_is_named_with_a_reason(client, body, field):
    answer = client.post("/gen_images", content=body.encode(), headers=JSON)
    assert answer.status_code == 422
    (reason,) = answer.json()["detail"]
    assert reason["loc"][0] == field
    assert len(reason["msg"]) > 10


def test_all_wrong_fields_are_named_at_once(client):
    answer = client.post("/gen_images", json={"value": 77, "scale": 0, "colour": "red"})
    assert {reason["loc"][0]: reason["msg"] for reason in answer.json()["detail"]} == {
        "value": "Input should be less than or equal to 9",
        "scale": "Input should be greater than or equal to 1",
        "colour": "Extra inputs are not permitted",
    }


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"null", b"[9]", b'{"value": 9', b'{"value": 9}}', b"\xff", b'{"value": "\xff"}', b"{'value': 9}"),
        b'{"value": 9, "\\ud800": 1}',
        b'{"value": "\\ud800"}',
        b'{"value": ' + 5000 * b"9" + b"}",
        8000 * b"[",
        1800 * b'{"value":',
    ],
)
def test_what_is_no_object_of_json_is_refused_with_a_reason(client, content):
    answer = client.post("/gen_images", content=content, headers=JSON)
    assert answer.status_code == 422
    assert all(len(reason["msg"]) > 10 for reason in answer.json()["detail"])


@pytest.mark.parametrize(
    "declared", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application/octet-stream", ""]
)
def test_only_what_is_declared_as_json_is_read(client, declared):
    headers = {"Content-Type": declared} if declared else {}
    answer = client.post("/gen_images", content=b'{"value": 9}', headers=headers)
    assert answer.status_code == 415
    assert "Content-Type: application/json" in answer.json()["detail"]


def test_parameters_of_the_content_type_do_no_harm(client):
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert client.post("/gen_images", content=b'{"value": 9}', headers=headers).status_code == 200


@pytest.mark.parametrize(("size", "status"), [(MAX_BODY, 200), (MAX_BODY + 1, 413)])
def test_a_body_may_be_so_large_and_no_larger(client, size, status):
    answer = client.post("/gen_images", content=b'{"value": 9}'.ljust(size), headers=JSON)
    assert answer.status_code == status
    if status == 413:
        assert "16384 bytes" in answer.json()["detail"]
        assert answer.headers["connection"] == "close"


async def post(app, receive) -> list[dict]:
    """What the app sends for a POST whose body comes from `receive`."""
    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/gen_images", "query_string": b"", "headers": headers}
    await app(scope, receive, send)
    return sent


def test_a_body_without_end_is_not_read_to_its_end(generator):
    parts = []

    async def receive():
        parts.append(1000 * b" ")
        assert len(parts) < 100
        return {"type": "http.request", "body": parts[-1], "more_body": True}

    start, body = asyncio.run(post(create_app(generator), receive))
    assert start["status"] == 413
    assert "16384 bytes" in json.loads(body["body"])["detail"]
    assert len(parts) == 17


def test_a_client_that_goes_in_the_middle_of_its_body_is_no_error(generator, caplog):
    parts = [{"type": "http.disconnect"}, {"type": "http.request", "body": b"{", "more_body": True}]

    async def receive():
        return parts.pop()

    start, _ = asyncio.run(post(create_app(generator), receive))
    assert start["status"] == 499
    assert not caplog.records


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/gen_images", 405),
        ("PUT", "/gen_images", 405),
        ("POST", "/healthz", 405),
        ("GET", "/nothing", 404),
        ("GET", "/page/../serve.py", 404),
        ("GET", "/page/%2e%2e/serve.py", 404),
    ],
)
def test_other_methods_and_paths_get_the_usual_answers(client, method, path, status):
    answer = client.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()) == {"detail"}


# Beside it


def test_the_page_and_what_it_loads(client):
    answer = client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert re.search(r"<h1\b", answer.text)
    loaded = re.findall(r'(?:src|href)="([^":#]+)"', answer.text)
    assert {"studio.js", "studio.css"} <= set(loaded)
    for name in loaded:
        file = client.get(f"/{name}")
        assert file.status_code == 200
        assert file.headers["content-type"].split(";")[0] in ("text/css", "text/javascript")


def test_the_page_is_told_about_the_generator(client, generator):
    settings = client.get("/studio.json").json()
    ways = [{"label": way.label(i)} for i, way in enumerate(directions(generator, 4), start=1)]
    assert settings == {
        "engine": "server",
        "name": "tiny",
        "class_names": list("0123456789"),
        "image_size": 28,
        "channels": 1,
        "latent_dim": 100,
        "directions": ways,
        "max_grid": 10,
    }
    named = TestClient(create_app(generator, class_names=("T-shirt", *"123456789")))
    assert named.get("/studio.json").json()["class_names"][:2] == ["T-shirt", "1"]


def test_the_range_of_classes_is_that_of_the_generator():
    few = get_recipe("bce", base_channels=8).build(num_classes=4)[0]
    with TestClient(create_app(few)) as client:
        assert client.get("/studio.json").json()["class_names"] == list("0123")
        assert draw(client, value=3, toward=0, share=0.5).shape == (28, 28)
        for asked in ({"value": 4}, {"value": 0, "toward": 4}):
            assert client.post("/gen_images", json=asked).status_code == 422
        schema = client.get("/openapi.json").text
    assert '"maximum":3' in schema


def test_health_counts_passes_and_images(generator):
    with TestClient(create_app(generator, "tiny")) as client:
        idle = {"status": "ok", "generator": "tiny", "waiting": 0, "passes": 0, "images": 0}
        assert client.get("/healthz").json() == idle
        draw(client, value=1)
        draw(client, value=1, grid=True, grid_size=3)
        assert client.get("/healthz").json() == idle | {"passes": 2, "images": 10}


def test_the_reference_shows_examples_that_work(client):
    assert client.get("/docs").status_code == 200
    operation = client.get("/openapi.json").json()["paths"]["/gen_images"]["post"]
    assert {"200", "413", "415", "422", "500", "503"} <= set(operation["responses"])
    examples = operation["requestBody"]["content"]["application/json"]["examples"]
    assert [example["value"] for example in examples.values()] == list(EXAMPLES.values())
    for example in examples.values():
        assert client.post("/gen_images", json=example["value"]).status_code == 200


def test_the_service_keeps_to_its_reference(generator):
    import schemathesis
    from schemathesis.config import SchemathesisConfig
    from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished

    options = {"generation": {"max-examples": 60, "database": "none"}, "phases": {"stateful": {"enabled": False}}}
    config = SchemathesisConfig.from_dict({"seed": 1} | options)
    schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(generator, "tiny"), config=config)
    tried, failures = 0, []
    for event in schemathesis.engine.from_schema(schema).execute():
        assert not isinstance(event, (FatalError, NonFatalError)), event
        if isinstance(event, ScenarioFinished):
            tried += len(event.recorder.interactions)
            for case, checks in event.recorder.checks.items():
                body = event.recorder.cases[case].value.body
                failures += [(str(check.failure_info.failure), body) for check in checks if check.failure_info]
    assert not failures
    assert tried > 200  # examples, values at the limits and beyond, methods that are not there, random ones


# Requests beside each other


class Gated(nn.Module):
    """A generator whose passes wait at a gate, and raise the next of `errors`; `sizes` are those of its passes."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner, self.config = inner, inner.config
        self.sizes: list[int] = []
        self.errors: list[Exception | None] = []
        self.gate = threading.Event()
        self.gate.set()

    def forward(self, z, labels):
        self.sizes.append(len(z))
        assert self.gate.wait(20)
        if self.errors and (error := self.errors.pop(0)):
            raise error
        return self.inner(z, labels)


def together(app, scenario):
    """What `scenario(client)` returns, a coroutine that can ask for several things at once."""

    async def run():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as c:
            return await scenario(c)

    return asyncio.run(run())


async def until_waiting(client, count: int) -> None:
    """Until so many images have been asked for and not been drawn."""
    while (await client.get("/healthz")).json()["waiting"] != count:
        await asyncio.sleep(0.001)


@pytest.fixture
def gated(generator):
    """A gated generator, and its app; the gate is shut."""
    gated = Gated(generator)
    app = create_app(gated, max_waiting=600)
    gated.sizes.clear()  # those of its directions
    gated.gate.clear()
    yield gated, app
    gated.gate.set()


def ask(client, value: int = 1, **wanted) -> asyncio.Task:
    return asyncio.ensure_future(client.post("/gen_images", json={"value": value, "scale": 1} | wanted))


def test_those_who_come_during_a_pass_are_drawn_in_the_next_one(gated):
    generator, app = gated

    async def scenario(client):
        tasks = [ask(client, 0, seed=0)]
        await until_waiting(client, 1)
        tasks += [ask(client, value=i % 10, seed=i) for i in range(1, 40)]
        await until_waiting(client, 40)
        generator.gate.set()
        answers = await asyncio.gather(*tasks)
        return [pixels(answer.content) for answer in answers], (await client.get("/healthz")).json()

    pictures, health = together(app, scenario)
    assert generator.sizes == [1, 39]
    assert (health["passes"], health["images"], health["waiting"]) == (2, 40, 0)
    for i, picture in enumerate(pictures):  # each got its own
        assert same(picture, generate(generator.inner, [i % 10], z=latents(1, 100, i))[0, 0])


def test_a_pass_has_a_largest_size_and_nobody_is_passed_over(gated):
    generator, app = gated

    async def scenario(client):
        tasks = [ask(client)]
        await until_waiting(client, 1)
        finished = []
        for number, columns in enumerate((10, 10, 10, 7, 1)):
            tasks.append(ask(client, grid=True, grid_size=columns))
            tasks[-1].add_done_callback(lambda _, number=number: finished.append(number))
            await until_waiting(client, 1 + (100, 200, 300, 349, 350)[number])
        generator.gate.set()
        assert all(answer.status_code == 200 for answer in await asyncio.gather(*tasks))
        return finished

    assert sorted(together(app, scenario)[:2]) == [0, 1]
    assert generator.sizes == [1, 200, 150]
    assert max(generator.sizes) <= MAX_PASS


def test_pictures_do_not_depend_on_what_else_is_drawn():
    generator = Gated(load_generator("relativistic"))
    app = create_app(generator)
    wanted = [dict(value=3, seed=5), dict(value=9, seed=6, toward=4, share=0.3, truncation=0.7, moves=[1, -1])]

    async def scenario(client):
        alone = [await ask(client, **some) for some in wanted]
        generator.gate.clear()
        tasks = [ask(client)]
        await until_waiting(client, 1)
        tasks += [ask(client, value=i % 10) for i in range(30)] + [ask(client, **some) for some in wanted]
        tasks += [ask(client, value=4, grid=True)]
        await until_waiting(client, 58)
        generator.gate.set()
        return alone, (await asyncio.gather(*tasks))[31:33]

    alone, among = together(app, scenario)
    assert generator.sizes[-1] == 57
    for one, other in zip(alone, among, strict=True):
        assert same(pixels(one.content), pixels(other.content))


def test_too_many_are_turned_away_and_it_recovers(gated):
    generator, app = gated

    async def scenario(client):
        tasks = [ask(client, grid=True, grid_size=10) for _ in range(6)]
        await until_waiting(client, 600)
        refused = await ask(client)
        generator.gate.set()
        answers = await asyncio.gather(*tasks)
        return refused, [*answers, await ask(client)], (await client.get("/healthz")).json()

    refused, answers, health = together(app, scenario)
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.json() == {"detail": "600 images are waiting: try again in 1 s"}
    assert [answer.status_code for answer in answers] == 7 * [200]
    assert (health["waiting"], health["images"]) == (0, 601)


def test_a_failure_is_that_of_its_pass_alone(gated, caplog):
    generator, app = gated
    generator.errors = [None, RuntimeError("secret of /home/someone"), None]

    async def scenario(client):
        tasks = [ask(client)]
        await until_waiting(client, 1)
        tasks += [ask(client, grid=True, grid_size=10) for _ in range(3)]  # two of them fit into a pass
        await until_waiting(client, 301)
        generator.gate.set()
        return await asyncio.gather(*tasks, ask(client)), (await client.get("/healthz")).json()

    answers, health = together(app, scenario)
    assert generator.sizes == [1, 200, 101]
    assert [answer.status_code for answer in answers] == [200, 500, 500, 200, 200]
    assert answers[1].json() == {"detail": "internal error: the log of the service says more"}
    assert (health["waiting"], health["passes"], health["images"]) == (0, 2, 102)
    assert [record.getMessage() for record in caplog.records] == ["a pass of 2 requests failed"]
    assert "secret of /home/someone" in caplog.text


def test_an_error_of_the_service_says_nothing_about_itself(client, monkeypatch):
    monkeypatch.setattr("secrets.randbelow", lambda _: 1 / 0)
    answer = client.post("/gen_images", json={"value": 1})
    assert answer.status_code == 500
    assert answer.json() == {"detail": "internal error: the log of the service says more"}


def test_who_has_gone_is_not_drawn(gated):
    generator, app = gated
    messages = [{"type": "http.request", "body": b'{"value": 1}', "more_body": False}]

    async def receive():
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def scenario(client):
        tasks = [ask(client)]
        await until_waiting(client, 1)
        leaving = asyncio.ensure_future(post(app, receive))
        await until_waiting(client, 2)
        tasks.append(ask(client))
        await until_waiting(client, 3)
        generator.gate.set()
        answers = await asyncio.gather(*tasks)
        return [answer.status_code for answer in answers], await leaving, (await client.get("/healthz")).json()

    statuses, (start, _), health = together(app, scenario)
    assert statuses == [200, 200]
    assert start["status"] == 499
    assert generator.sizes == [1, 1]
    assert (health["images"], health["waiting"]) == (2, 0)


# The real thing: a second process, started by the command line


@pytest.fixture(scope="module")
def port():
    with service.service("relativistic") as (_, port):
        yield port


def health_of(port: int) -> dict:
    return httpx.get(f"http://127.0.0.1:{port}/healthz").json()


def test_64_clients_at_once_each_get_their_own_picture(port):
    generator = load_generator("relativistic")
    before = health_of(port)
    pictures: list[tuple[int, bytes]] = []
    end = time.monotonic() + 3

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = service.request_of({"value": number % 10, "seed": number, "scale": 1})
        while time.monotonic() < end:
            status, content = await service.ask(reader, writer, request)
            assert status == 200, content
            pictures.append((number, content))
        writer.close()

    async def clients() -> None:
        await asyncio.gather(*map(client, range(64)))

    asyncio.run(clients())
    expected = [generate(generator, [number % 10], z=latents(1, 100, number))[0, 0] for number in range(64)]
    assert len(pictures) >= 3 * 64
    assert all(same(pixels(content), expected[number]) for number, content in pictures)
    after = health_of(port)
    assert after["images"] - before["images"] == len(pictures)
    assert after["passes"] - before["passes"] < len(pictures) / 4
    assert after["waiting"] == 0


def test_the_benchmark_measures_the_service(port, monkeypatch):
    monkeypatch.setattr(service, "WARM_UP", 0.1)
    before = health_of(port)["images"]
    rows = service.measure(port, seconds=0.5, rounds=1)
    assert [(row["what"], row["clients"]) for row in rows] == [("one digit", 1), ("one digit", 64), ("5×5 grid", 8)]
    for row in rows:
        assert 0 < row["p50_ms"] <= row["p99_ms"] < 5000
        assert row["requests"] >= row["requests_per_second"] * 0.5
    asked = [row["requests"] for row in rows]
    assert health_of(port)["images"] - before >= asked[0] + asked[1] + 25 * asked[2]


def test_the_benchmark_takes_no_refusal_for_a_picture(port):
    with pytest.raises(RuntimeError, match="answer 422"):
        service.load(port, {"value": 10}, clients=1, seconds=0.1)


def test_a_body_without_end_is_refused_and_the_connection_closed(port):
    chunk = b"1000\r\n" + 4096 * b" " + b"\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        head = "POST /gen_images HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(5):
            connection.sendall(chunk)
        answer = connection.recv(1000)
        with pytest.raises(OSError, match=r"Connection reset|Broken pipe"):
            connection.sendall(1000 * chunk)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_clients_that_went_away_cost_nothing(port):
    before = health_of(port)["images"]
    request = service.request_of({"value": 1, "grid": True, "grid_size": 10})
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for connection in connections:
        connection.sendall(request)
        connection.close()
    while (health := health_of(port))["waiting"]:
        time.sleep(0.01)
    assert health["images"] - before <= 1000  # of 2000; those of the first passes are drawn before it is known


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_it_finish_what_is_under_way(number, capfd):
    request = service.request_of({"value": 1, "grid": True, "grid_size": 10, "scale": 1})
    with service.service("bce") as (process, port):

        async def clients() -> list[tuple[int, bytes]]:
            connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
            tasks = [asyncio.ensure_future(service.ask(*connection, request)) for connection in connections]
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
                while (health := (await client.get("/healthz")).json())["waiting"] + health["images"] < 2000:
                    await asyncio.sleep(0.001)
            assert health["waiting"] > 500  # they really are under way
            process.send_signal(number)
            return await asyncio.gather(*tasks)

        answers = asyncio.run(clients())
        assert process.wait(timeout=20) == 0
    assert [status for status, _ in answers] == 20 * [200]
    assert all(pixels(content).shape == (302, 302) for _, content in answers)
    assert capfd.readouterr().err == ""


@pytest.fixture
def served(monkeypatch):
    """What the command would have served, in place of doing so."""
    calls = []
    monkeypatch.setattr("cgan_lib.service.serve.serve", lambda *arguments: calls.append(arguments))
    return calls


def test_the_command_serves_a_run_under_the_name_of_its_recipe(finished, served):
    assert main(["serve", str(finished.folder), "--host", "0.0.0.0", "--port", "123"]) == 0
    ((generator, *rest),) = served
    assert rest == ["bce", "0.0.0.0", 123, list("0123456789")]
    assert torch.equal(generate(generator, [1]), generate(finished.generator, [1]))


def test_the_command_tells_nobody_where_a_file_lies(finished, served):
    (file,) = finished.folder.glob("best_generator.safetensors")
    assert main(["serve", str(file)]) == 0
    assert served[0][1:] == ("best_generator", "127.0.0.1", 8000, list("0123456789"))


@pytest.mark.timeout(30)
def test_where_it_cannot_listen_it_says_so_in_a_line(capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        cases = [
            (["--port", str(taken)], f"127.0.0.1:{taken} \\(Address already in use\\)"),
            (["--host", "198.51.100.7", "--port", "0"], r"198.51.100.7:0 \(Cannot assign requested address\)"),
            (["--host", "no.such.host.invalid", "--port", "0"], r"no.such.host.invalid:0 \(.+\)"),
            (["--port", "70000"], r"127.0.0.1:70000 \(.+\)"),
            (["--port", "-1"], r"127.0.0.1:-1 \(.+\)"),
        ]
        for options, reason in cases:
            assert main(["serve", "bce", *options]) == 2
            printed = capsys.readouterr()
            assert printed.out == ""
            assert re.fullmatch(f"error: cannot listen on {reason}: choose .*--port.\n", printed.err)


def test_nothing_to_serve_is_a_line_too(capsys):
    assert main(["serve", "relativistik"]) == 2
    assert re.fullmatch(r"error: there is no weight file .*\n", capsys.readouterr().err)
