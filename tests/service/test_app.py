"""The HTTP interface: what it draws, what it refuses, and what it says of itself."""

import asyncio
import base64
import io
import json
import re

import numpy as np
import pytest
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pictures import draw, pixels, post, same
from PIL import Image
from torch import nn

from cgan_lib import generate, get_recipe, load_generator
from cgan_lib.evaluation import load_classifier
from cgan_lib.evaluation.classifier import read
from cgan_lib.sampling import blend, latents, tile
from cgan_lib.service import create_app
from cgan_lib.service.request import MAX_BODY
from cgan_lib.service.static import page_files
from cgan_lib.studio.latent import directions
from cgan_lib.studio.naming import REACH
from cgan_lib.weights.foreign import ForeignGenerator

JSON = {"Content-Type": "application/json"}


# What is drawn


def test_one_digit_is_a_grey_png_with_a_seed_that_draws_it_again(client):
    first, second = (client.post("/gen_images", json={"value": 9}) for _ in range(2))
    assert first.headers["content-type"] == "image/png"
    image = Image.open(io.BytesIO(first.content))
    assert (image.format, image.mode, image.size) == ("PNG", "L", (4 * 28, 4 * 28))
    assert 0 <= int(first.headers["x-seed"]) < 2**31
    assert first.headers["x-seed"] != second.headers["x-seed"]
    assert first.content != second.content
    again = client.post("/gen_images", json={"value": 9, "seed": int(first.headers["x-seed"])})
    assert (again.headers["x-seed"], again.content) == (first.headers["x-seed"], first.content)


def test_the_digit_is_the_one_asked_for():
    labels = [value for value in range(10) for _ in range(3)]
    with TestClient(create_app(load_generator("relativistic"))) as client:
        images = torch.stack([draw(client, value=value) for value in labels]).to(torch.uint8)
    _, logits = read(load_classifier("mnist"), images[:, None])
    assert (logits.argmax(1) == torch.tensor(labels)).sum() >= 28  # of 30; the generator is read right 99% of the time


def test_whole_numbers_may_be_written_as_json_schema_allows(client):
    assert torch.equal(draw(client, value=4.0, seed=5.0), draw(client, value=4, seed=5))


def test_scale_repeats_each_pixel(client):
    small, large = (draw(client, value=4, seed=5, scale=scale) for scale in (1, 3))
    assert torch.equal(large, small.repeat_interleave(3, 0).repeat_interleave(3, 1))


@pytest.mark.parametrize(("asked", "columns"), [({}, 5), *(({"grid_size": n}, n or 5) for n in (0, 3, 1, 10))])
def test_a_grid_is_different_images_of_the_class(client, generator, asked, columns):
    images = generate(generator, [6] * columns**2, z=latents(columns**2, 100, seed=8))
    assert same(draw(client, value=6, seed=8, grid=True, **asked), tile(images, columns)[0])
    assert len(images.unique(dim=0)) == columns**2


def test_from_each_image_of_a_grid_one_can_go_on_by_its_index(client, generator):
    tiles = generate(generator, [6] * 9, z=latents(9, 100, seed=8))
    for index in (0, 5, 8):
        assert same(draw(client, value=6, seed=8, index=index), tiles[index, 0])
    assert same(draw(client, value=6, seed=8, index=5, grid=True, grid_size=2), tile(tiles[5:], 2)[0])


def test_what_the_reference_says_of_a_seed_is_what_is_drawn(client, generator):
    about = client.get("/openapi.json").json()["info"]["description"]
    (numbers,) = re.findall(r"`(numpy\.random\..*?)`", about)
    for seed, index in ((0, 0), (7, 5), (2**31 - 1, 99)):
        row = eval(numbers, {"numpy": np, "seed": seed, "index": index})[index]
        picture = generate(generator, [1], z=torch.from_numpy(row).float()[None])[0, 0]
        assert same(draw(client, value=1, seed=seed, index=index), picture)


def test_a_generator_of_colours_answers_in_colour():
    coloured = get_recipe("dcgan64", base_channels=8).build(channels=3)[0]
    with TestClient(create_app(coloured)) as client:
        image = draw(client, value=2, seed=1)
        assert same(image.permute(2, 0, 1), generate(coloured, [2], z=latents(1, coloured.config["latent_dim"], 1))[0])
        assert draw(client, value=2, grid=True, grid_size=2).shape == (2 * 66 + 2, 2 * 66 + 2, 3)
        assert client.get("/studio.json").json()["models"][0]["channels"] == 3


def test_json_holds_the_same_picture(client):
    wanted = {"value": 8, "seed": 3, "index": 2, "grid": True, "grid_size": 2}
    answer = client.post("/gen_images", json=wanted | {"format": "json"})
    assert answer.headers["content-type"] == "application/json"
    assert (answer.headers["x-seed"], answer.headers["x-index"]) == ("3", "2")
    drawn = answer.json()
    content = base64.b64decode(drawn.pop("png"))
    assert drawn == {"value": 8, "name": "8", "seed": 3, "index": 2, "width": 4 * 62, "height": 4 * 62}
    assert content == client.post("/gen_images", json=wanted).content
    assert pixels(content).shape == (4 * 62, 4 * 62)


def test_seed_truncation_blends_and_moves_are_those_of_the_library(client, generator):
    vectors = torch.stack([direction.vector for direction in directions(generator, 4)])
    z = latents(1, 100, seed=2)
    near = latents(1, 100, seed=2, truncation=0.4)
    halfway = blend(1, 7, torch.tensor([0.5]))
    moved = z + torch.tensor([REACH / 2, 0, -REACH]) @ vectors[:3]
    cases = [
        ({}, [1], z),
        ({"seed": 2**31 - 1}, [1], latents(1, 100, seed=2**31 - 1)),
        ({"truncation": 0.4}, [1], near),
        ({"truncation": 1}, [1], latents(1, 100, seed=2, truncation=1.0)),
        ({"toward": 7, "share": 0.5}, halfway, z),
        ({"toward": 7, "share": 1}, [7], z),
        ({"moves": [REACH / 2, 0, -REACH]}, [1], moved),
        ({"moves": [REACH / 2, 0, -REACH], "truncation": 0.4, "toward": 7, "share": 0.5}, halfway, near + (moved - z)),
        # What is ignored
        *((asked, [1], z) for asked in ({"toward": 7}, {"share": 0.5}, {"moves": []}, {"grid_size": 7})),
    ]
    drawn = [draw(client, **{"value": 1, "seed": 2} | asked) for asked, _, _ in cases]
    for picture, (asked, labels, z) in zip(drawn, cases, strict=True):
        assert same(picture, generate(generator, labels, z=z)[0, 0]), asked
    assert len({tuple(picture.flatten().tolist()) for picture in drawn}) == 8


# What is refused


WRONG = {
    "value": ('"x"', '"*"', "[9]", "{}", '{"digit": 9}', "true", "9.5", "null", "-1", "10", "NaN", f"1{1000 * '0'}"),
    "grid": ("1", '"true"', "null"),
    "grid_size": ("-1", "11", "3.5", '"3"', "null"),
    "seed": ("-1", "2147483648", "1.5", "true"),
    "index": ("-1", "100", "1.5", "true", "null"),
    "format": ('"gif"', "null", "1"),
    "truncation": ("0", "-1", "5.1", "NaN", "Infinity", "-Infinity", "true", '"1"'),
    "scale": ("0", "9", "2.5", "true"),
    "toward": ("-1", "10", "true", '"x"', "[]"),
    "share": ("-0.1", "1.1", "NaN", "null"),
    "moves": (f"[{REACH + 0.1}]", f"[0, {-REACH - 0.1}]", "[NaN]", "[true]", "[0,0,0,0,0]", "1"),
    "path": ('"/etc/passwd"',),
    "é\\u0000": ("1",),
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values])
def test_each_wrong_field_is_named_with_a_reason(client, field, value):
    right = "" if field == "value" else '"value": 9, '
    answer = client.post("/gen_images", content=f'{{{right}"{field}": {value}}}'.encode(), headers=JSON)
    assert answer.status_code == 422
    (reason,) = answer.json()["detail"]
    assert reason["loc"][0] == json.loads(f'"{field}"')
    assert len(reason["msg"]) > 10


def test_all_wrong_fields_are_named_at_once(client):
    answer = client.post("/gen_images", json={"toward": 77, "scale": 0, "colour": "red"})
    assert {reason["loc"][0]: reason["msg"] for reason in answer.json()["detail"]} == {
        "value": "Field required",
        "toward": "label 77 is no class: use 0 to 9, or a name.",
        "scale": "Input should be greater than or equal to 1",
        "colour": "Extra inputs are not permitted",
    }


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"null", b"[9]", b'{"value": 9', b'{"value": 9}}', b"\xff", b'{"value": "\xff"}', b"{'value': 9}"),
        *(b'{"value": 9, "\\ud800": 1}', b'{"value": "\\ud800"}', b'{"value": ' + 5000 * b"9" + b"}"),
        *(8000 * b"[", 1800 * b'{"value":'),
    ],
)
def test_what_is_no_object_of_json_is_refused_with_a_reason(client, content):
    answer = client.post("/gen_images", content=content, headers=JSON)
    assert answer.status_code == 422
    assert all(len(reason["msg"]) > 10 for reason in answer.json()["detail"])


@pytest.mark.parametrize("declared", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
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
    assert 400 <= start["status"] < 500  # nobody is there to read it
    assert not caplog.records


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        *(("GET", "/gen_images", 405), ("PUT", "/gen_images", 405), ("POST", "/healthz", 405)),
        *(("GET", path, 404) for path in ("/nothing", "/page/../app.py", "/page/%2e%2e/app.py")),
    ],
)
def test_other_methods_and_paths_get_the_usual_answers(client, method, path, status):
    answer = client.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()) == {"detail"}


def test_an_error_of_the_service_says_nothing_about_itself(client, monkeypatch):
    monkeypatch.setattr("secrets.randbelow", lambda _: 1 / 0)
    answer = client.post("/gen_images", json={"value": 1})
    assert answer.status_code == 500
    assert answer.json() == {"detail": "internal error: the log of the service says more"}


# What it says of itself


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


PATHS = ["/", "/docs", "/docs/swagger-ui.css", "/engine.js", "/healthz", "/openapi.json", "/studio.json"]


@pytest.mark.parametrize("path", PATHS)
def test_head_is_answered_as_get_is_without_a_body(client, path):
    get, head = client.get(path), client.request("HEAD", path, content=b"something")
    assert get.status_code == head.status_code == 200
    assert head.headers == get.headers
    assert int(head.headers["content-length"]) == len(get.content) > 0 == len(head.content)


def test_methods_that_are_not_there_are_refused_with_those_that_are(client):
    for method, path, allowed in [("POST", "/", "GET, HEAD"), ("HEAD", "/gen_images", "POST")]:
        answer = client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_an_unchanged_file_is_not_sent_again(client):
    first = client.get("/engine.js")
    assert first.headers["cache-control"] == "no-cache"
    tag = first.headers["etag"]
    for known, status in [(tag, 304), (f'"x", W/{tag}', 304), ('"x"', 200), ("", 200)]:
        answer = client.get("/engine.js", headers={"If-None-Match": known})
        assert (answer.status_code, answer.headers["etag"]) == (status, tag)
        assert answer.content == (first.content if status == 200 else b"")
    assert client.get("/studio.css").headers["etag"] != tag


def test_every_file_of_the_page_is_sent_as_what_it_is(client):
    for name, asset in page_files().items():
        answer = client.get(f"/{name}")
        assert answer.content == asset.content
        assert answer.headers["content-type"].startswith(asset.media_type)


def test_only_files_of_the_page_are_sent(tmp_path, monkeypatch):
    (tmp_path / "page").mkdir()
    for name in ("index.html", "a.js", "a.js~", ".a.js.swp", "a.py", "README"):
        (tmp_path / "page" / name).write_text(name)
    monkeypatch.setattr("cgan_lib.service.static.files", lambda _: tmp_path)
    assert {name: asset.media_type for name, asset in page_files().items()} == {
        "index.html": "text/html",
        "a.js": "text/javascript",
    }


def test_the_page_is_told_about_the_generator(client, generator):
    said = client.get("/studio.json").json()
    assert said["docs"] == "docs"
    assert said["models"] == [
        {
            "name": "tiny",
            "class_names": list("0123456789"),
            "image_size": 28,
            "channels": 1,
            "latent_dim": 100,
            "directions": [{"name": d.name, "share": d.share} for d in directions(generator, 4)],
            "reach": REACH,
            "max_grid": 10,
            "mixes": True,
            "attributes": [],
        }
    ]


def test_the_classes_are_those_of_the_generator():
    few = get_recipe("bce", base_channels=8).build(num_classes=4)[0]
    few.class_names = ("coat", "bag", "boot", "shirt")
    with TestClient(create_app(few)) as client:
        assert client.get("/studio.json").json()["models"][0]["class_names"] == ["coat", "bag", "boot", "shirt"]
        assert draw(client, value=3, toward=0, share=0.5).shape == (28, 28)
        for asked in ({"value": 4}, {"value": 0, "toward": 4}):
            assert client.post("/gen_images", json=asked).status_code == 422
        reference = client.get("/openapi.json").json()
    content = reference["paths"]["/gen_images"]["post"]["requestBody"]["content"]["application/json"]
    fields = reference["components"]["schemas"][content["schema"]["$ref"].split("/")[-1]]["properties"]
    numbers, names = fields["value"]["anyOf"]
    assert numbers == {"type": "integer", "minimum": 0, "maximum": 3}
    assert names["enum"] == ["coat", "bag", "boot", "shirt"]
    assert fields["toward"]["anyOf"] == [numbers, names, {"type": "null"}]


def test_classes_are_asked_for_by_name_number_or_attributes(coloured):
    with TestClient(create_app(coloured)) as client:
        (model,) = client.get("/studio.json").json()["models"]
        assert [one["name"] for one in model["attributes"]] == ["digit", "colour"]
        assert model["attributes"][1]["values"] == ["red", "green", "blue"]
        expected = draw(client, value=21, seed=1)
        for value in ("7,RED", ["7", "red"], [7, 0], {"digit": "7", "colour": "red"}, {"colour": 0, "DIGIT": 7}):
            assert torch.equal(draw(client, value=value, seed=1), expected)
        mixed = draw(client, value=9, toward=21, share=0.5, seed=1)
        assert torch.equal(draw(client, value="3 red", toward=["7", "red"], share=0.5, seed=1), mixed)
        answer = client.post("/gen_images", json={"value": "3,blue", "format": "json"}).json()
        assert (answer["value"], answer["name"]) == (11, "3 blue")
        for value, reason in (("7", "is a digit alone"), ("*,red", "10 classes: name one"), (["7", "rad"], "'red'")):
            answer = client.post("/gen_images", json={"value": value})
            assert answer.status_code == 422
            assert reason in answer.json()["detail"][0]["msg"]
        reference = client.get("/openapi.json").json()
        operation = reference["paths"]["/gen_images"]["post"]["requestBody"]["content"]["application/json"]
        assert operation["examples"]["by its attributes"]["value"]["value"] == {"digit": "3", "colour": "red"}
        for example in operation["examples"].values():
            assert client.post("/gen_images", json=example["value"]).status_code == 200


class OneAtATime(nn.Module):
    """A network that takes labels alone, not class weights."""

    latent_dim, num_classes = 6, 3

    def forward(self, z, labels):
        images = z.repeat(1, 24).view(-1, 1, 12, 12) + labels[:, None, None, None]
        return torch.tanh(images) if not labels.is_floating_point() else None


def test_a_generator_that_cannot_mix_classes_is_not_asked_to():
    foreign = ForeignGenerator(OneAtATime(), 6, 3)
    with TestClient(create_app(foreign)) as client:
        assert client.get("/studio.json").json()["models"][0]["mixes"] is False
        answer = client.post("/gen_images", json={"value": 1, "toward": 2, "share": 0.5})
        assert answer.status_code == 422
        (reason,) = answer.json()["detail"]
        assert reason["loc"] == ["toward"]
        assert "cannot mix classes" in reason["msg"]
        operation = client.get("/openapi.json").json()["paths"]["/gen_images"]["post"]
        for example in operation["requestBody"]["content"]["application/json"]["examples"].values():
            assert client.post("/gen_images", json=example["value"] | {"value": 2}).status_code == 200


def test_without_its_lifespan_it_says_so(generator):
    app = create_app(generator)
    outside = FastAPI()
    outside.mount("/images", app)
    for client, below in ((TestClient(app), ""), (TestClient(outside), "/images")):
        answers = [client.get(f"{below}/healthz"), client.post(f"{below}/gen_images", json={"value": 1})]
        assert [answer.status_code for answer in answers] == [503, 503]
        assert "lifespan" in answers[1].json()["detail"]
    with TestClient(app) as client:
        draw(client, value=1)
    assert TestClient(app).get("/healthz").status_code == 503  # it has stopped


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
    assert set(operation["responses"]) == {"200", "413", "415", "422", "500", "503"}
    answers = operation["responses"]["200"]["content"]
    assert answers["image/png"]["schema"]["format"] == "binary"
    assert answers["application/json"]["schema"]["$ref"].endswith("/ImageAnswer")
    examples = operation["requestBody"]["content"]["application/json"]["examples"]
    assert {"an image", "a grid of the class of a number", "between two classes"} < set(examples)
    for example in examples.values():
        assert client.post("/gen_images", json=example["value"]).status_code == 200


@pytest.mark.parametrize("kind", ["coloured", "generator"])
def test_the_service_keeps_to_its_reference(request, kind):
    import schemathesis
    from schemathesis.config import SchemathesisConfig
    from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished

    options = {"generation": {"max-examples": 60, "database": "none"}, "phases": {"stateful": {"enabled": False}}}
    config = SchemathesisConfig.from_dict({"seed": 1} | options)
    app = create_app(request.getfixturevalue(kind), "tiny")
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=config)
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
