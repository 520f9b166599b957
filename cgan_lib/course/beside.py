"""Programs that run beside a notebook and end with it: none is left when its kernel is killed, no stop button hits one.

Run as a file, this is what stands between the two: it needs nothing but Python, so that it starts at once.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any


class Beside(subprocess.Popen):
    """A command that ends when this process does, however that comes about; `options` are those of `Popen`."""

    def __init__(self, command: Sequence[str], **options: Any):
        watched = [sys.executable, "-I", "-S", __file__, *command]
        super().__init__(watched, stdin=subprocess.PIPE, start_new_session=True, **options)

    def terminate(self) -> None:
        """Ask it to end, as a signal SIGTERM does; `wait` returns its exit code."""
        if self.stdin:
            self.stdin.close()


def main(command: Sequence[str]) -> int:
    """Run a command until it ends by itself, or whoever holds the other end of our stdin closes it, or dies."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    threading.Thread(target=_end_at_end_of_input, args=(process,), daemon=True).start()
    code = process.wait()
    return code if code >= 0 else 128 - code


def _end_at_end_of_input(process: subprocess.Popen) -> None:
    while os.read(0, 1024):  # not by sys.stdin, whose lock would still be held when Python ends
        pass
    process.terminate()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
