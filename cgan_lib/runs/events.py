"""One TensorBoard event file: what a process writes of a run, in order, and complaining at once where it cannot."""

import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from cgan_lib.files import unwritable
from cgan_lib.paths import make_folder

PREFIX = "events.out.tfevents."
_NUMBER = count()  # of the files of this process


class EventFile:
    """A new event file, which TensorBoard reads after all others of its folder.

    `step` is where the run stands: points that an interrupted process wrote after it are dropped by TensorBoard, so
    that a curve has neither doubled nor missing steps. `UserError` when the disk takes no more.
    """

    def __init__(self, folder: Path, step: int):
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        make_folder(folder)
        self.path = folder / _next_name(folder)
        with self._complaining():
            self._file = open(self.path, "xb")  # noqa: SIM115 - closed by `close`
        self._records = RecordWriter(self._file)
        self.add(0, file_version="brain.Event:2")
        self.add(step + 1 if step else 0, session_log=SessionLog(status=SessionLog.START))

    def add(self, step: int, **content: Any) -> None:
        """Write one event; `content` is a field of TensorBoard's `Event`, such as `summary`."""
        from tensorboard.compat.proto.event_pb2 import Event

        event = Event(wall_time=time.time(), step=step, **content)
        with self._complaining():
            self._records.write(event.SerializeToString())
            self._file.flush()  # at once: whoever watches sees it, and nobody else's thread stumbles over a full disk

    def close(self) -> None:
        """Close the file."""
        with self._complaining():
            self._file.close()

    @contextmanager
    def _complaining(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise unwritable(self.path, error) from error


def _next_name(folder: Path) -> str:
    """A name after all those in the folder: TensorBoard reads files in the order of their names.

    They begin with the second when they were opened. Clocks step back, and two processes may share a second; then it is
    the second after the latest one.
    """
    names = (re.match(rf"{re.escape(PREFIX)}(\d+)\.", path.name) for path in folder.glob(f"{PREFIX}*"))
    latest = max((int(name[1]) for name in names if name), default=0)
    second = max(int(time.time()), latest + 1)
    return f"{PREFIX}{second:010d}.{socket.gethostname()}.{os.getpid()}.{next(_NUMBER)}"
