"""Runs: training one, opening one, and what it leaves on disk."""

from cgan_lib.runs.run import Run, open_run
from cgan_lib.runs.source import Opened, open_source
from cgan_lib.runs.stop import Stopped
from cgan_lib.runs.train import train

__all__ = ["Opened", "Run", "Stopped", "open_run", "open_source", "train"]
