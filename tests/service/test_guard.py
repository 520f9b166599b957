"""Attacks on the connection: heads without end, clients that are slow, clients without number."""

import contextlib
import re
import socket
import threading
import time

import httpx
import pytest
import service
import uvicorn
from starlette.responses import PlainTextResponse

from cgan_lib import generate
from cgan_lib.service import create_app, guard
from cgan_lib.service.guard import MAX_HEAD, Connection

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /gen_images HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
WAIT = 60  # seconds, on a machine that does other things too


def answer_of(connection: socket.socket) -> bytes:
    """All that comes until the connection is closed, which it has to be."""
    content = b""
    connection.settimeout(WAIT)
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            content += part
    return content


def status_of_next(connection: socket.socket) -> int:
    """The status of one answer, which is read to its end."""
    file = connection.makefile("rb", buffering=0)
    status = int(file.readline().split()[1])
    head = b"".join(iter(file.readline, b"\r\n"))
    (length,) = re.findall(rb"(?i)content-length: (\d+)", head)
    left = int(length)
    while left:  # the file keeps nothing back, so that it reads as much as has come
        part = file.read(left)
        assert part
        left -= len(part)
    return status


# Heads without end


@pytest.fixture(scope="module")
def port():
    with service.service("bce") as (_, port):
        yield port


ENDLESS = {
    "a value": (GET + b"X: ", b"x" * 4096),
    "a name": (GET, b"x" * 4096),
    "lines": (GET, b"x: 1\r\n" * 700),
    "a path": (b"GET /", b"x" * 4096),
    "trailers": (CHUNKED + b"0\r\nX: ", b"x" * 4096),
    "frames of chunks": (CHUNKED, b"1;" + b"x" * 4096 + b"\r\n \r\n"),
    "empty lines": (b"", b"\r\n" * 2048),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_a_head_without_end_is_cut_off_and_others_are_answered(port, what):
    start, more = ENDLESS[what]
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(start)
            for _ in range(15_000):  # 60 MB, were they taken
                connection.sendall(more)
            pytest.fail("all was taken")
        answer = answer_of(connection)
    assert answer.split(b" ")[1] in (b"431", b"400") if answer else True  # a reset may overtake it
    assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=WAIT).status_code == 200


@pytest.mark.parametrize(("size", "status"), [(MAX_HEAD // 2, 200), (2 * MAX_HEAD, 431)])
def test_a_head_may_be_so_large_and_no_larger(port, size, status):
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT) as connection:
        connection.sendall(GET + b"Connection: close\r\nX: " + size * b"x" + b"\r\n\r\n")
        answer = answer_of(connection)
    assert answer.startswith(b"HTTP/1.1 %d " % status) or (status == 431 and not answer)


# Clients that are slow


@pytest.fixture
def quick(generator, monkeypatch):
    """The port of a server that waits a second, or half a one for the answer to be taken; /much answers with 50 MB."""
    monkeypatch.setattr(guard, "READ_SECONDS", 1.0)
    monkeypatch.setattr(guard, "WRITE_SECONDS", 0.5)
    monkeypatch.setattr(guard, "IDLE_SECONDS", WAIT)
    app = create_app(generator)
    app.get("/much")(lambda: PlainTextResponse(50_000_000 * b"x"))
    with listening(app) as (_, port):
        yield port


@contextlib.contextmanager
def listening(app):
    """A server of an app in a thread, and its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # what is not taken stays with us
    server = uvicorn.Server(uvicorn.Config(app, http=Connection, log_level="error"))
    thread = threading.Thread(target=server.run, args=[[listener]])
    thread.start()
    yield server, listener.getsockname()[1]
    server.should_exit = True
    thread.join()


SLOW = {  # what is sent at first, and then again and again
    "nothing": (b"", b""),
    "empty lines": (b"", b"\r\n"),
    "a head": (GET, b""),
    "a byte of the head": (GET, b"x"),
    "a body": (POST + b"Content-Length: 10\r\n\r\n{", b""),
    "a byte of the body": (POST + b"Content-Length: 10000\r\n\r\n{", b" "),
    "a chunk": (CHUNKED, b"1\r\n \r\n"),
    "a byte of the second head": (GET + b"\r\n" + GET, b"x"),
    "empty lines after an answer": (GET + b"\r\n", b"\r\n"),
}


@pytest.mark.parametrize("what", SLOW)
def test_a_request_has_a_time_in_which_it_must_be_there(quick, what):
    start, more = SLOW[what]
    ended = threading.Event()
    with socket.create_connection(("127.0.0.1", quick)) as connection:

        def drip():
            with contextlib.suppress(OSError):
                connection.sendall(start)
                while not ended.wait(0.05):
                    connection.sendall(more)

        thread = threading.Thread(target=drip)
        thread.start()
        answer = answer_of(connection)
        ended.set()
        thread.join()
    statuses = re.findall(rb"HTTP/1.1 (\d+)", answer)
    first = [b"200"] if start.startswith(GET + b"\r\n") else []
    assert statuses == first + ([b"408"] if start else [])  # who says nothing is told nothing


def test_who_does_not_take_the_answer_is_cut_off(quick):
    with socket.create_connection(("127.0.0.1", quick)) as connection:
        connection.sendall(b"GET /much HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(2)
        assert len(answer_of(connection)) < 50_000_000


def slowly(*arguments, **options):
    time.sleep(2.5)
    return generate(*arguments, **options)


def test_a_slow_service_cuts_nobody_off(quick, monkeypatch):
    """The next request of a client waits, half sent, while the one before is answered."""
    monkeypatch.setattr("cgan_lib.service.batching.generate", slowly)
    monkeypatch.setattr(guard, "READ_SECONDS", 2.0)
    with socket.create_connection(("127.0.0.1", quick)) as connection:
        request = service.request_of({"value": 1})
        connection.sendall(request + request[:-5])
        assert status_of_next(connection) == 200
        connection.sendall(request[-5:])
        assert status_of_next(connection) == 200


def test_who_asks_twice_and_goes_is_no_error(quick, monkeypatch, caplog):
    monkeypatch.setattr("cgan_lib.service.batching.generate", slowly)
    with socket.create_connection(("127.0.0.1", quick)) as connection:
        connection.sendall(2 * service.request_of({"value": 1}))
        time.sleep(0.2)
    while httpx.get(f"http://127.0.0.1:{quick}/healthz", timeout=WAIT).json()["waiting"]:
        time.sleep(0.01)
    assert not caplog.records


async def pages(scope, receive, send):
    """An ASGI app that answers with 60 kB, less than any server keeps of its own accord."""
    if scope["type"] == "http":
        await PlainTextResponse(60_000 * b"x")(scope, receive, send)


@pytest.mark.parametrize("connection", [b"", b"Connection: close\r\n"])
def test_who_takes_a_byte_now_and_then_holds_no_connection(monkeypatch, connection):
    """Closing alone does not end it: what is not sent yet would be kept."""
    monkeypatch.setattr(guard, "WRITE_SECONDS", 1.0)
    monkeypatch.setattr(guard, "IDLE_SECONDS", 0.2)
    with listening(pages) as (server, port), socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect(("127.0.0.1", port))
        client.sendall(GET + connection + b"\r\n")
        assert client.recv(1)
        assert server.server_state.connections
        while server.server_state.connections:  # for ever, if nothing ended it: the test has its limit
            assert client.recv(1)
            time.sleep(0.02)


@pytest.mark.parametrize("body", [b"", b"hello"])
def test_an_idle_connection_ends(monkeypatch, body):
    """Also one whose request was answered before all of it had come."""
    monkeypatch.setattr(guard, "IDLE_SECONDS", 0.2)
    with listening(pages) as (_, port), socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(GET + b"Content-Length: %d\r\n\r\n" % len(body))
        assert status_of_next(client) == 200
        client.sendall(body)
        assert answer_of(client) == b""


# Clients without number, or without sense


@pytest.mark.parametrize(("count", "answered"), [(3, 3), (600, 0)])
def test_some_requests_may_be_sent_before_their_answers(quick, count, answered):
    with socket.create_connection(("127.0.0.1", quick)) as connection:
        connection.sendall((count - 1) * (GET + b"\r\n") + GET + b"Connection: close\r\n\r\n")
        assert answer_of(connection).count(b"HTTP/1.1 200 OK") == answered


def test_any_number_of_requests_may_come_after_each_other(quick):
    """Each with the beginning of the next one."""
    with socket.create_connection(("127.0.0.1", quick)) as connection:
        connection.sendall(GET)
        for _ in range(guard.MAX_PIPELINED + 20):
            connection.sendall(b"\r\n" + GET)
            assert status_of_next(connection) == 200


@pytest.mark.parametrize("before", [b"", GET + b"\r\n"])
def test_what_is_no_request_is_told_so(quick, before):
    with socket.create_connection(("127.0.0.1", quick)) as connection:
        if before:
            connection.sendall(before)
            assert status_of_next(connection) == 200
        connection.sendall(b"\x16\x03\x01\x02\x00\r\n\r\n")
        answer = answer_of(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b'{"detail": "that is no HTTP request"}')


def test_what_is_no_request_takes_no_answer_from_the_one_before_it(quick, monkeypatch):
    monkeypatch.setattr("cgan_lib.service.batching.generate", slowly)
    with socket.create_connection(("127.0.0.1", quick)) as connection:
        connection.sendall(service.request_of({"value": 1}) + b"\x16\x03\r\n\r\n")
        assert answer_of(connection) == b""


def test_so_many_connections_are_answered_some_are_refused_and_the_rest_closed(quick, monkeypatch):
    monkeypatch.setattr(guard, "READ_SECONDS", float(WAIT))
    monkeypatch.setattr(guard, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(guard, "MAX_REFUSED", 2)
    with contextlib.ExitStack() as opened:
        answered, refused, closed = (
            [opened.enter_context(socket.create_connection(("127.0.0.1", quick))) for _ in range(count)]
            for count in (3, 2, 2)
        )
        assert [answer_of(connection) for connection in closed] == [b"", b""]
        for connection in refused:
            connection.sendall(GET + b"\r\n")
            answer = answer_of(connection)  # to its end: it is closed
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after: " in answer
            assert b"connections are open" in answer
        for connection in answered + answered:
            connection.sendall(GET + b"\r\n")
            assert status_of_next(connection) == 200
    until = time.monotonic() + WAIT
    while (status := httpx.get(f"http://127.0.0.1:{quick}/healthz").status_code) != 200 and time.monotonic() < until:
        time.sleep(0.01)
    assert status == 200  # when they have gone
