"""What the tests of searches share: a search that takes a second, and processes that search."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def small(tiny):
    """A search whose trials take a fraction of a second: five measurements, two steps apart."""
    return dict(recipe="bce", steps=10, profile="ci", **tiny)


class Searchers:
    """Processes that search; see at_once.py."""

    def __init__(self):
        program = [sys.executable, str(Path(__file__).with_name("at_once.py"))]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "CGAN_PROFILE": "ci"}
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process = subprocess.Popen(program, env=environment, text=True, bufsize=1, **pipes)

    def ask(self, **job) -> int:
        self.process.stdin.write(json.dumps(job) + "\n")
        return int(self.process.stdout.readline())

    def search(self, *, moment: str = "never", at_once: int = 1, **arguments) -> list[int]:
        """Search in so many processes at once until all have ended; their exit codes."""
        processes = [self.ask(moment=moment, **arguments) for _ in range(at_once)]
        return [self.ask(wait=process) for process in processes]


@pytest.fixture(scope="session")
def searchers():
    searchers = Searchers()
    yield searchers
    searchers.process.stdin.close()
    searchers.process.wait()
