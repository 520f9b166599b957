"""What is held off before the app sees it: heads without end, clients that are slow, hosts that are not ours."""

import asyncio
import json
import re
import socket
from collections.abc import Sequence
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from cgan_lib.errors import UserError, shown

MAX_HEAD = 64 * 1024  # bytes of a request that are not its body: head, what frames the chunks, trailers
SLICE = 16 * 1024  # bytes that are parsed before they are counted
READ_SECONDS = 10.0  # from the first byte of a request, or from the connection, to the end of its body
WRITE_SECONDS = 60.0  # in which a client has to take what was sent
HOST = re.compile(r"(?:\[([\da-fA-F:.]+)\]|([\w.-]+))(?::\d+)?")  # of an address with or without a port

REASONS = {
    408: f"the request was not there after {READ_SECONDS:.0f} s",
    431: f"the head of the request has more than {MAX_HEAD} bytes",
}


class Connection(HttpToolsProtocol):
    """uvicorn's connection, in which heads have an end, and requests and answers a time in which they have to pass.

    uvicorn has such a limit for heads with h11 alone, which answers a fifth fewer requests a second, and no time limit.
    """

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.beside_body = 0  # bytes
        self.reading: asyncio.TimerHandle | None = None
        self.writing: asyncio.TimerHandle | None = None
        self.current: RequestResponseCycle | None = None  # that is answered, while `cycle` is the last that has come

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it
        """A client that says nothing has to go too."""
        super().connection_made(transport)
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop_reading_clock()
        self.resume_writing()
        self._forget_current()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, slice by slice, until there is too much of a head."""
        if self.reading is None and not self._answering():  # line ends between requests begin none, but stop the clock
            self._expect_request()
        for start in range(0, len(data), SLICE):
            part = data[start : start + SLICE]
            self.beside_body += len(part)
            super().data_received(part)
            if self.transport.is_closing():
                return
            if self.beside_body > MAX_HEAD:
                self._refuse(431)
                return

    def on_message_begin(self) -> None:
        """The clock of a request starts."""
        super().on_message_begin()
        self.beside_body = 0
        self._expect_request()

    def on_body(self, body: bytes) -> None:
        """Of the body, the app knows how much is too much."""
        self.beside_body -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is there."""
        self._stop_reading_clock()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The next request has not had its time if it was waiting for this answer."""
        super().on_response_complete()
        if self.reading:
            self._expect_request()

    def pause_writing(self) -> None:
        """So much was sent and not taken that nothing more is sent."""
        super().pause_writing()
        self.writing = self.loop.call_later(WRITE_SECONDS, self._abort)

    def resume_writing(self) -> None:
        """It was taken."""
        super().resume_writing()
        if self.writing:
            self.writing.cancel()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.current = cycle
        super()._start_asgi_task(cycle, app)

    def _answering(self) -> bool:
        """Whether a request that has come whole is being answered."""
        return self.current is not None and not self.current.more_body and not self.current.response_complete

    def _forget_current(self) -> None:
        """Its answer is not sent: to write to what is closed would be an error."""
        if self.current is not None and not self.current.response_complete:
            self.current.disconnected = True
            self.current.message_event.set()

    def _expect_request(self) -> None:
        self._stop_reading_clock()
        self.reading = self.loop.call_later(READ_SECONDS, self._late)

    def _stop_reading_clock(self) -> None:
        if self.reading:
            self.reading.cancel()
            self.reading = None

    def _late(self) -> None:
        if self._answering() or self.flow.read_paused:  # it was us who were slow, with the request before this one
            self._expect_request()
        else:
            self._refuse(408)

    def _refuse(self, status: int) -> None:
        """Close the connection, with an answer unless there is no request or another answer has begun."""
        begun = self.current is not None and self.current.response_started and not self.current.response_complete
        if self.scope is not None and not begun and not self._answering():
            content = json.dumps({"detail": REASONS[status]})
            head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            self.transport.write(f"{head}content-length: {len(content)}\r\nconnection: close\r\n\r\n{content}".encode())
        self._forget_current()
        self.transport.close()

    def _abort(self) -> None:
        self._forget_current()
        self.transport.abort()


class KnownHosts:
    """ASGI middleware: 421 for requests to a host that is not this one, such as a page's name that now leads here.

    Known are localhost, the `host` that is listened on and the `others`; when that is the whole network, this machine's
    name and any address too, since only names can be led elsewhere. "*" among the others: every host.
    """

    def __init__(self, app: ASGIApp, host: str, others: Sequence[str] = ()):
        self.app, self.every = app, "*" in others
        self.addresses = is_everywhere(host)
        machine = socket.gethostname()
        own = (machine, f"{machine}.local") if self.addresses else ()
        self.names = {_plain(name) for name in ("localhost", "127.0.0.1", "::1", host, *own, *others)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what asks for a known host."""
        if scope["type"] == "http" and not self._knows(scope):
            message = "this service is not known by that name: whoever starts it can add it, --allow-host NAME"
            await JSONResponse({"detail": message}, 421, {"Connection": "close"})(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _knows(self, scope: Scope) -> bool:
        if self.every:
            return True
        asked = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        found = [match[1] or match[2] for host in asked if (match := HOST.fullmatch(host))]
        return len(asked) == len(found) == 1 and (
            (name := _plain(found[0])) in self.names or (self.addresses and _is_address(name))
        )


def check_hosts(names: Sequence[str]) -> None:
    """`UserError` for what cannot be the name of a host."""
    for name in names:
        if name != "*" and not _is_address(name) and not re.fullmatch(r"[\w.-]+", name):
            raise UserError(
                f"--allow-host {shown(name)} must be a name alone, such as digits.example.org, or '*' for every name."
            )


def is_everywhere(host: str) -> bool:
    """Whether listening there is listening on every address, as written: 0.0.0.0 or ::."""
    return _is_address(host) and ip_address(host).is_unspecified


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _plain(name: str) -> str:
    """One spelling of a name or an address."""
    return str(ip_address(name)) if _is_address(name) else name.lower().removesuffix(".")
