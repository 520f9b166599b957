"""Notebook 07: a client, tried against a small server that runs in a thread meanwhile."""

import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from unittest.mock import patch

import torch

from cgan_lib.course.exercises.verdict import Raised, Wrong, check, run

LATER = {"Retry-After": "1"}  # which counts with a 503 alone
DIRECT = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}  # a proxy elsewhere cannot reach this computer
MOST = 8  # requests to one server; after these it hangs up
Fetch = Callable[[str, int, int, Callable[[float], Any]], bytes]


class Reply(NamedTuple):
    """What the server answers."""

    status: int
    content: bytes
    headers: dict[str, str]


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_POST(self) -> None:
        """Keep what was asked, and give the next of the answers; the last one again and again."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.path, self.headers.get("Content-Type", ""), body))
        if len(self.server.asked) > MOST:
            self.close_connection = True
            return
        reply = self.server.replies[min(len(self.server.asked), len(self.server.replies)) - 1]
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(reply.content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.content)

    def do_GET(self) -> None:
        """Refused, as the service does."""
        self.server.asked.append(("GET", "", b""))
        self.send_error(405)

    def log_message(self, *_: Any) -> None:
        """Nothing is printed into the notebook."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, replies: Sequence[Reply]):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies, self.asked = replies, list[tuple[str, str, bytes]]()


@contextmanager
def _serving(*replies: Reply) -> Iterator[_Server]:
    """A server on a free port of this computer that gives these answers, one after the other."""
    with _Server(replies) as server, patch.dict(os.environ, DIRECT):
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def _picture() -> Reply:
    noise = bytes(torch.randint(256, (40,)).tolist())
    return Reply(200, b"\x89PNG\r\n\x1a\n" + noise, {"Content-Type": "image/png", "X-Seed": "1"})


def _busy(seconds: int) -> Reply:
    return Reply(503, b'{"detail":"2048 images are waiting"}', {"Retry-After": str(seconds)})


def _refusal(field: str) -> Reply:
    detail = [{"type": "less_than_equal", "loc": [field], "msg": "Input should be less than or equal to 9"}]
    return Reply(422, json.dumps({"detail": detail}).encode(), {"Content-Type": "application/json", **LATER})


@check("07", "build", difficulty=3, minutes=20, seconds=20)
def check_client(answer: Fetch) -> str:
    """A function `(address, value, seed, wait)` that asks a service for one digit, and gets along with its moods."""
    for value, seed in ((9, 7), (0, 123)):
        _check_pictures(answer, value, seed)
    _check_busy(answer)
    for field in ("value", "seed"):
        _check_refusal(answer, field)
    for status in (500, 404):
        _check_failure(answer, status)
    return "It waits when it is told to, says what was wrong, and never takes an error for a picture."


def _check_pictures(answer: Fetch, value: int, seed: int) -> None:
    picture, waited = _picture(), list[float]()
    with _serving(picture) as server:
        found = run(answer, _address(server), value, seed, waited.append)
        _check_asked(server, value, seed)
    if not isinstance(found, (bytes, bytearray)):
        raise Wrong(f"Return the content of the answer, bytes; this is {type(found).__name__}.")
    if found != picture.content:
        raise Wrong("What came back is not the picture that the server sent: return the content as it is.")
    if len(server.asked) > 1 or waited:
        raise Wrong("The picture came at once: there is nothing to wait for, and nothing to ask again.")


def _address(server: _Server) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def _check_asked(server: _Server, value: int, seed: int) -> None:
    """`Wrong` unless every request so far was the right one."""
    if not server.asked:
        raise Wrong('No request has come: send a POST to address + "/gen_images".')
    for path, kind, body in server.asked:
        if path == "GET":
            raise Wrong("That is a GET request; the service wants POST.")
        if path != "/gen_images":
            raise Wrong(f"The request went to {path}; pictures are at /gen_images.")
        try:
            fields = json.loads(body)
        except ValueError as error:
            raise Wrong("The body of the request is no JSON: httpx.post(…, json={…}) sends it as JSON.") from error
        if "json" not in kind.lower():
            raise Wrong("The request does not declare its body as JSON: httpx.post(…, json={…}) does.")
        _check_fields(fields, value, seed)


def _check_fields(fields: Any, value: int, seed: int) -> None:
    wanted = {"value": value, "seed": seed}
    strict = isinstance(fields, dict) and all(type(fields.get(name)) is int for name in wanted)
    if not strict or {name: fields[name] for name in wanted} != wanted:
        raise Wrong(f"The fields should be {json.dumps(wanted)}; sent was {json.dumps(fields)}.")
    if strange := sorted(name for name in set(fields) - set(wanted) if fields[name]):  # "grid": false is the default
        raise Wrong(f"Nobody asked for {', '.join(strange)}: send value and seed.")


def _check_busy(answer: Fetch) -> None:
    """Twice 503, with a time to wait, then the picture."""
    for seconds in ((2, 1), (1, 1, 7, 1, 2, 1)):
        picture, waited = _picture(), list[float]()
        with _serving(*map(_busy, seconds), picture) as server:
            try:
                found = run(answer, _address(server), 4, 11, waited.append)
            except Raised as error:
                raise Wrong(f"After a 503, wait as long as it says, then ask again. {error}") from error
            _check_asked(server, 4, 11)
        if len(server.asked) > len(seconds) + 1 or found != picture.content:
            raise Wrong(
                f"The server said {len(seconds)} times 503, then sent a picture: that is what should come back."
            )
        if any(isinstance(wait, str) for wait in waited):
            raise Wrong("Give wait a number of seconds; a header is text: int(…).")
        if [*map(float, waited)] != [*seconds]:
            raise Wrong(f"Retry-After said {list(seconds)} s, but wait was called with {waited}.")


def _check_refusal(answer: Fetch, field: str) -> None:
    other = {"value": "seed", "seed": "value"}[field]
    with _serving(_refusal(field)) as server:
        error = _error(answer, server, "422")
    if len(server.asked) > 1:
        raise Wrong(f"After a 422 the client asked {len(server.asked)} times: the same request is refused for ever.")
    if not isinstance(error, ValueError) or field not in str(error) or other in str(error):
        raise Wrong(
            f"A 422 about {field} raised {type(error).__name__}: {error}. Raise a ValueError that names that field, "
            'which is in answer.json()["detail"][0]["loc"].'
        )


def _check_failure(answer: Fetch, status: int) -> None:
    with _serving(Reply(status, b'{"detail":"internal error"}', LATER)) as server:
        _error(answer, server, str(status))
    if len(server.asked) > 1:
        raise Wrong(f"After a {status} the client asked {len(server.asked)} times: only a 503 asks it to come back.")


def _error(answer: Fetch, server: _Server, status: str) -> BaseException:
    """What the client raises; `Wrong` when it takes the answer for a picture, or waits."""
    waited: list[float] = []
    try:
        run(answer, _address(server), 4, 11, waited.append)
    except Raised as raised:
        if waited:
            raise Wrong(f"After a {status} there is nothing to wait for.") from raised
        return raised.__cause__ or raised
    except Wrong:
        pass
    raise Wrong(f"The server answered {status}, which is no picture: raise an error.")
