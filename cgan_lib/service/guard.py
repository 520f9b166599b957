"""What is held off before the app sees it: heads without end, clients that are slow, connections without number."""

import asyncio
import json
from collections import deque
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD = 64 * 1024  # bytes of a request that are not its body: head, what frames the chunks, trailers
SLICE = 16 * 1024  # bytes that are parsed before they are counted
READ_SECONDS = 10.0  # from the first byte of a request, or from the connection, to the end of its body
WRITE_SECONDS = 60.0  # in which a client has to take what was sent
MAX_PIPELINED = 100  # requests of a connection that wait for the answers before theirs
IDLE_SECONDS = 5  # after an answer, until the next request begins
MAX_CONNECTIONS = 400  # open at once and answered; a process may often open no more than 1,024 files
MAX_REFUSED = 200  # open beside them, which are answered 503; those beyond are closed at once

REASONS = {
    400: "that is no HTTP request",
    408: f"the request was not there after {READ_SECONDS:.0f} s",
    431: f"the head of the request has more than {MAX_HEAD} bytes",
    503: f"{MAX_CONNECTIONS} connections are open: try again in {IDLE_SECONDS} s",
}


class Connection(HttpToolsProtocol):
    """uvicorn's connection, in which heads have an end, and requests and answers a time in which they have to pass.

    uvicorn has such a limit for heads with h11 alone, which answers a fifth fewer requests a second, and no time limit.
    Its limit of connections (`limit_concurrency`) refuses those that are open already, too, and keeps any number of
    those that say nothing.
    """

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.timeout_keep_alive = IDLE_SECONDS
        self.beside_body = 0  # bytes
        self.reading: asyncio.TimerHandle | None = None
        self.writing: asyncio.TimerHandle | None = None
        self.unanswered: deque[RequestResponseCycle] = deque()  # in the order of their coming

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it
        """A client that says nothing has to go too, and one that takes nothing, however little waits for it."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # `pause_writing` as soon as anything waits, `resume_writing` at nothing
        if len(self.connections) > MAX_CONNECTIONS:
            self.app = _too_many
        if len(self.connections) > MAX_CONNECTIONS + MAX_REFUSED:
            transport.abort()
        else:
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
            if self.beside_body > MAX_HEAD or len(self.unanswered) > MAX_PIPELINED:
                self._refuse(431)
                return

    def on_message_begin(self) -> None:
        """The clock of a request starts."""
        super().on_message_begin()
        self._unset_keepalive_if_required()
        self.beside_body = 0
        self._expect_request()

    def on_headers_complete(self) -> None:
        """It will be answered."""
        super().on_headers_complete()
        self.unanswered.append(self.cycle)

    def on_body(self, body: bytes) -> None:
        """Of the body, the app knows how much is too much."""
        self.beside_body -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is there; if its answer was sooner, the connection is idle from now on, which uvicorn forgets."""
        self._stop_reading_clock()
        super().on_message_complete()
        if self.cycle.response_complete:
            self.timeout_keep_alive_task = self.loop.call_later(IDLE_SECONDS, self.timeout_keep_alive_handler)

    def on_response_complete(self) -> None:
        """The next request has not had its time if it was waiting for this answer."""
        self.unanswered.popleft()
        super().on_response_complete()
        if self.reading:
            self._expect_request()

    def send_400_response(self, msg: str) -> None:
        """In the words of the other refusals, and not in place of an answer that is under way."""
        self._refuse(400)

    def pause_writing(self) -> None:
        """Not all that was sent was taken, and nothing more is sent until it is."""
        super().pause_writing()
        self.writing = self.loop.call_later(WRITE_SECONDS, self._abort)

    def resume_writing(self) -> None:
        """It was taken."""
        super().resume_writing()
        if self.writing:
            self.writing.cancel()

    @property
    def current(self) -> RequestResponseCycle | None:
        """The request that is answered now, while `cycle` is the last that has come."""
        return self.unanswered[0] if self.unanswered else None

    def _answering(self) -> bool:
        """Whether a request that has come whole is being answered."""
        return self.current is not None and not self.current.more_body

    def _forget_current(self) -> None:
        """Its answer is not sent: to write to what is closed would be an error."""
        if self.current is not None:
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
        begun = self.current is not None and self.current.response_started
        asked = self.scope is not None or status == 400
        if asked and not begun and not self._answering():
            content = json.dumps({"detail": REASONS[status]})
            head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            self.transport.write(f"{head}content-length: {len(content)}\r\nconnection: close\r\n\r\n{content}".encode())
        self._forget_current()
        self.transport.close()

    def _abort(self) -> None:
        self._forget_current()
        self.transport.abort()


async def _too_many(*connection: Any) -> None:
    """The ASGI app of those who are one too many."""
    headers = {"Retry-After": str(IDLE_SECONDS), "Connection": "close"}
    await JSONResponse({"detail": REASONS[503]}, 503, headers)(*connection)
