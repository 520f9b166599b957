"""The real thing: a second process, started by the command line, asked over loopback."""

import asyncio
import re
import signal
import socket
import time

import httpx
import pytest
import service
import torch
from pictures import pixels, same

from cgan_lib import generate, load_generator
from cgan_lib.cli import main
from cgan_lib.sampling import latents

GRID = {"value": 1, "grid": True, "grid_size": 10, "scale": 1}


@pytest.fixture(scope="module")
def port():
    with service.service("relativistic") as (_, port):
        yield port


def health_of(port: int) -> dict:
    return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=60).json()


def test_64_clients_at_once_each_get_their_own_picture(port):
    generator = load_generator("relativistic")
    before = health_of(port)
    pictures: list[tuple[int, bytes]] = []

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = service.request_of({"value": number % 10, "seed": number, "scale": 1})
        for _ in range(20):
            status, content = await service.ask(reader, writer, request)
            assert status == 200, content
            pictures.append((number, content))
        writer.close()

    async def clients() -> None:
        await asyncio.gather(*map(client, range(64)))

    asyncio.run(clients())
    expected = [generate(generator, [number % 10], z=latents(1, 100, number))[0, 0] for number in range(64)]
    assert all(same(pixels(content), expected[number]) for number, content in pictures)
    after = health_of(port)
    assert after["images"] - before["images"] == len(pictures) == 20 * 64
    assert after["passes"] - before["passes"] < len(pictures) / 4
    assert after["waiting"] == 0


def test_the_benchmark_measures_the_service(port, monkeypatch):
    monkeypatch.setattr(service, "WARM_UP", 0.1)
    before = health_of(port)["images"]
    rows = service.measure(port, seconds=0.5, rounds=1)
    assert [(row["what"], row["clients"]) for row in rows] == [("one digit", 1), ("one digit", 64), ("5×5 grid", 8)]
    for row in rows:
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert row["requests"] >= row["requests_per_second"] * 0.5
    asked = [row["requests"] for row in rows]
    assert health_of(port)["images"] - before >= asked[0] + asked[1] + 25 * asked[2]


def test_the_benchmark_takes_no_refusal_for_a_picture(port):
    with pytest.raises(RuntimeError, match="answer 422"):
        service.load(port, {"value": 10}, clients=1, seconds=0.1)


def send_for_ten_seconds(connection, chunk):
    for _ in range(200):
        connection.sendall(chunk)
        time.sleep(0.05)


def test_a_body_without_end_is_refused_and_the_connection_closed(port):
    chunk = b"1000\r\n" + 4096 * b" " + b"\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        head = "POST /gen_images HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(5):
            connection.sendall(chunk)
        answer = connection.recv(1000)
        with pytest.raises(OSError, match=r"Connection reset|Broken pipe"):
            send_for_ten_seconds(connection, 100 * chunk)  # buffers on the way take some without a word
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_clients_that_went_away_cost_nothing(port):
    before = health_of(port)["images"]
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for connection in connections:
        connection.sendall(service.request_of(GRID))
        connection.close()
    while (health := health_of(port))["waiting"]:
        time.sleep(0.01)
    assert health["images"] - before < 2000  # those of the first passes are drawn before it is known


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_it_finish_what_is_under_way(number, capfd):
    with service.service("bce") as (process, port):

        async def clients() -> list[tuple[int, bytes]]:
            connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
            tasks = [
                asyncio.ensure_future(service.ask(*connection, service.request_of(GRID))) for connection in connections
            ]
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                while (health := (await client.get("/healthz")).json())["waiting"] + health["images"] < 2000:
                    await asyncio.sleep(0.001)
            assert health["waiting"] > 0  # they really are under way
            process.send_signal(number)
            return await asyncio.gather(*tasks)

        answers = asyncio.run(clients())
        assert process.wait(timeout=60) == 0
    assert [status for status, _ in answers] == 20 * [200]
    assert all(pixels(content).shape == (302, 302) for _, content in answers)
    assert capfd.readouterr().err == ""


# The command


@pytest.fixture
def served(monkeypatch):
    """What the command would have served, in place of doing so."""
    calls = []
    monkeypatch.setattr("cgan_lib.commands.serve.serve", lambda *arguments: calls.append(arguments))
    return calls


def test_the_command_serves_a_run_under_the_name_of_its_recipe(finished, served):
    more = ["--allow-host", "a.org", "b.org", "--allow-host", "c.org", "--allow-origin", "*", "--root-path", "/digits"]
    assert main(["serve", str(finished.folder), "--host", "0.0.0.0", *more]) == 0
    ((generator, *rest),) = served
    assert rest == ["bce", "0.0.0.0", 8000, ("a.org", "b.org", "c.org"), ("*",), "/digits"]
    assert torch.equal(generate(generator, [1]), generate(finished.generator, [1]))


def test_the_command_tells_nobody_where_a_file_lies(finished, served):
    (file,) = finished.folder.glob("best_generator.safetensors")
    assert main(["serve", str(file)]) == 0
    assert served[0][1:] == ("best_generator", "127.0.0.1", 8000, (), (), "")


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


@pytest.mark.parametrize("wrong", ["--allow-host http://a.org", "--allow-origin a.org", "--root-path digits"])
def test_a_wrong_option_is_named_in_a_line(wrong, capsys):
    assert main(["serve", "bce", "--port", "0", *wrong.split()]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(f"error: {wrong.split()[0]} '.*' must be .*\n", printed.err)


@pytest.mark.parametrize("host", ["", "0", "0x0", "0.0"])
def test_it_listens_on_every_address_only_when_that_is_said(host, capsys):
    assert main(["serve", "bce", "--host", host, "--port", "0"]) == 2
    error = f"error: --host '{host}' would listen on every address: 127.0.0.1 is for this machine alone, 0.0.0.0 for "
    assert capsys.readouterr().err == f"{error}the whole network.\n"


def test_nothing_to_serve_is_a_line_too(capsys):
    assert main(["serve", "relativistik"]) == 2
    assert re.fullmatch(r"error: there is no weight file .*\n", capsys.readouterr().err)
