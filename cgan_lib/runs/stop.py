"""Asking a training to stop: Ctrl-C, or whoever ends processes."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cgan_lib.runs.run import Run

# Ctrl-C and a notebook's stop button; `kill`, container and batch systems; a terminal that is closed (not on Windows)
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopped(KeyboardInterrupt):
    """A training ended because it was asked to, after the step at hand was saved.

    A `KeyboardInterrupt`, so that what comes after it, in a script or a notebook, is not run as if all were well.
    """

    def __init__(self, message: str, run: Run, signal: int):
        super().__init__(message)
        self.run, self.signal = run, signal

    def _render_traceback_(self) -> list[str]:  # what a notebook shows
        return [f"KeyboardInterrupt: {self}"]


class StopRequest:
    """Whether a training is to end after its current step."""

    signal = 0
    """which signal asked for it; 0: none has"""


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """A signal that asks to stop is noted, so that no step is broken in two; a second one of its kind breaks.

    One that is ignored stays so: `nohup` keeps a training alive when the terminal is closed.
    """
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():  # gets no signals
        yield stop
        return
    before = {number: handler for number in SIGNALS if _heeded(number, handler := signal.getsignal(number))}

    def request(number, frame):
        stop.signal = number
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, request)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _heeded(number: int, handler: object) -> bool:
    # shells have their background jobs ignore Ctrl-C, though whoever sends it to a training means it
    return handler is not None and (number == signal.SIGINT or handler is not signal.SIG_IGN)
