"""Who may ask, and where: hosts, origins, and the path of a proxy."""

import re
import socket

import httpx
import pytest
import service
from fastapi.testclient import TestClient
from nginx import nginx
from pictures import draw

from cgan_lib.errors import UserError
from cgan_lib.service import create_app
from cgan_lib.service.address import BelowPath, KnownHosts, check_hosts, shared_with

WAIT = 60  # seconds, on a machine that does other things too


@pytest.fixture(scope="module")
def app(generator):
    return create_app(generator)


@pytest.fixture(scope="module")
def port():
    """Of a service that is to be had below a path."""
    with service.service("bce", "--root-path", "/digits/") as (_, port):
        yield port


# Hosts


@pytest.mark.parametrize(
    ("host", "others", "known", "unknown"),
    [
        (
            "127.0.0.1",
            (),
            ["localhost", "LOCALHOST:80", "localhost.", "127.0.0.1:8000", "[::1]:8000", "[0:0:0:0:0:0:0:1]"],
            ["evil.example", "localhost.evil.example", "evil.example:8000", "10.0.0.1", "", "localhost@evil.example"],
        ),
        ("studio.lan", (), ["studio.lan:80", "localhost"], ["evil.example", "studio.lan.evil.example"]),
        ("0.0.0.0", (), ["10.0.0.1:8000", "[fe80::1]", "localhost", socket.gethostname()], ["evil.example"]),
        ("127.0.0.1", ("Digits.example.org",), ["digits.example.org"], ["evil.example"]),
        ("127.0.0.1", ("*",), ["evil.example"], []),
    ],
)
def test_only_hosts_that_are_known_are_answered(app, host, others, known, unknown):
    with TestClient(KnownHosts(app, host, others)) as client:
        for name in known:
            assert client.get("/healthz", headers={"Host": name}).status_code == 200, name
        for name in unknown:
            answer = client.get("/healthz", headers={"Host": name})
            assert answer.status_code == 421, name
            assert "--allow-host" in answer.json()["detail"]


def test_the_process_knows_its_hosts_and_redirects_to_none(port):
    for path, host, status in [("/healthz", "evil.example", 421), ("/healthz", "localhost", 200), ("/docs/", "", 404)]:
        headers = {"Host": host} if host else {}
        answer = httpx.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=WAIT)
        assert answer.status_code == status
        assert "location" not in answer.headers


@pytest.mark.parametrize(("version", "status"), [("1.0", 200), ("1.1", 421)])
def test_who_names_no_host_is_answered_where_none_was_asked_for(port, version, status):
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT) as connection:
        connection.sendall(f"GET /healthz HTTP/{version}\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize("name", ["http://a.org", "a.org:80", "", "*.a.org"])
def test_a_name_that_cannot_be_one_is_refused(name):
    with pytest.raises(UserError, match="must be a name alone"):
        check_hosts([name])


# Origins

PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
HERE = {"Origin": "https://digits.example.org"}


def allowed(answer) -> str | None:
    return answer.headers.get("access-control-allow-origin")


def test_without_the_option_no_other_origin_is_told_anything(app):
    with TestClient(shared_with(app, ())) as client:
        assert client.options("/gen_images", headers=HERE | PREFLIGHT).status_code == 405
        answer = client.post("/gen_images", json={"value": 1}, headers=HERE)
    assert answer.status_code == 200
    assert not any(name.startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize("origin", ["https://digits.example.org", "HTTPS://Digits.Example.org:443", "*"])
def test_pages_of_an_origin_that_is_allowed_may_ask(app, origin):
    with TestClient(shared_with(app, ["http://localhost:3000", origin])) as client:
        answer = client.options("/gen_images", headers=HERE | PREFLIGHT)
        assert answer.status_code == 200
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert "content-type" in answer.headers["access-control-allow-headers"].lower()
        for body, status in [({"value": 1}, 200), ({"value": 77}, 422)]:
            answer = client.post("/gen_images", json=body, headers=HERE)
            assert (answer.status_code, allowed(answer)) == (status, "*" if origin == "*" else HERE["Origin"])
            assert {"X-Seed", "X-Index"} <= set(answer.headers["access-control-expose-headers"].split(", "))


def test_pages_of_other_origins_may_not(app):
    with TestClient(shared_with(app, ["https://digits.example.org", "http://localhost:3000"])) as client:
        for origin in ("https://evil.example", "http://digits.example.org", "https://digits.example.org.evil", "null"):
            answers = [client.options("/gen_images", headers={"Origin": origin} | PREFLIGHT)]
            answers.append(client.post("/gen_images", json={"value": 1}, headers={"Origin": origin}))
            assert [allowed(answer) for answer in answers] == [None, None]
            assert answers[0].status_code == 400


def test_an_error_of_the_service_can_be_read_too(app, monkeypatch):
    monkeypatch.setattr("secrets.randbelow", lambda _: 1 / 0)
    with TestClient(shared_with(app, ["*"]), raise_server_exceptions=False) as client:
        answer = client.post("/gen_images", json={"value": 1}, headers=HERE)
    assert (answer.status_code, allowed(answer)) == (500, "*")


NO_ORIGINS = [
    "digits.example.org",
    "https://a.org/",
    "https://a.org/x",
    "//a.org",
    "https://",
    "null",
    "",
    "ftp://a.org",
]


@pytest.mark.parametrize(
    "origin", [*NO_ORIGINS, "https://*.a.org", "https://a.org:x", "https://me@a.org", "https://a b"]
)
def test_what_is_no_origin_is_refused(app, origin):
    with pytest.raises(UserError, match=r"--allow-origin .* such as https://digits\.example\.org"):
        shared_with(app, [origin])


# The path of a proxy


@pytest.mark.parametrize("path", ["/digits", "/~me/v1.0/"])
def test_it_lies_below_a_path_that_is_left_or_taken_off(generator, path):
    root = path.rstrip("/")
    with TestClient(BelowPath(create_app(generator), path), follow_redirects=False) as client:
        for below in (root, ""):
            assert client.get(f"{below}/").text.startswith("<!doctype html>")
            assert client.get(f"{below}/openapi.json").json()["servers"] == [{"url": root}]
            assert client.head(f"{below}/docs").status_code == 200
            assert client.post(f"{below}/gen_images", json={"value": 1}).status_code == 200
            assert client.get(f"{below}/nothing").status_code == 404
        answer = client.get(root, headers={"Host": "evil.example"})
        assert (answer.status_code, answer.headers["location"]) == (307, f"{root}/")
        assert client.get(f"{root}x/").status_code == 404


@pytest.mark.parametrize("path", ["", "/"])
def test_the_root_is_no_path(generator, path):
    with TestClient(BelowPath(create_app(generator), path)) as client:
        assert "servers" not in client.get("/openapi.json").json()
        draw(client, value=1)


@pytest.mark.parametrize(
    "path", ["digits", "//evil.example", "/a//b", "/../x", "/a/.", "https://a.org/x", "/a b", "/é", "/a?b"]
)
def test_what_is_no_path_is_refused(app, path):
    with pytest.raises(UserError, match=r"--root-path .* such as /digits"):
        BelowPath(app, path)


@pytest.mark.parametrize("passed_on", ["/digits/", "/"])
def test_behind_nginx_it_lies_below_a_path(port, passed_on):
    location = f"location /digits/ {{ proxy_pass http://127.0.0.1:{port}{passed_on}; }}"
    with nginx(location) as front, httpx.Client(base_url=f"http://127.0.0.1:{front}", timeout=WAIT) as client:
        page = client.get("/digits", follow_redirects=True)
        assert page.url.path == "/digits/"
        links = re.findall(r'(?:href|src)="([^":#]+)"', page.text + client.get("/digits/docs").text)
        assert {"studio.css", "docs/swagger-ui.css"} <= set(links)
        for link in links:
            assert client.get(f"/digits/{link}").status_code == 200, link
        (server,) = client.get("/digits/openapi.json").json()["servers"]
        answer = client.post(f"{server['url']}/gen_images", json={"value": 1, "seed": 7})
        assert (answer.headers["content-type"], answer.headers["x-seed"]) == ("image/png", "7")
