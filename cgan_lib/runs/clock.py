"""The clock of a run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Counts the seconds spent in training steps, not those for grids, checkpoints and scores."""

    def __init__(self, seconds: float = 0.0):
        self._counted = seconds
        self._since: float | None = None  # when it was started; None while it stands

    @property
    def seconds(self) -> float:
        """Counted so far, in this and all earlier processes of the run."""
        return self._counted + (0.0 if self._since is None else time.perf_counter() - self._since)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the time spent inside, up to its last pause: there is one after each step."""
        self._since = time.perf_counter()
        try:
            yield
        finally:
            self._since = None  # what followed the last step was none: checkpoint and result show the same time

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out the time spent inside, within `running`."""
        self._counted, self._since = self.seconds, None
        try:
            yield
        finally:
            self._since = time.perf_counter()
