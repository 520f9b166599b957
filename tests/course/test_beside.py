"""A program beside a notebook: how it ends, and what is left of it."""

import subprocess
import sys

import pytest

from cgan_lib import UserError
from cgan_lib.course import board
from cgan_lib.course.beside import Beside

POLITE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("ready", flush=True)
time.sleep(600)
"""


def start(program: str) -> Beside:
    return Beside([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def test_it_ends_by_itself_with_its_own_code_and_what_it_says_can_be_read():
    with start("import sys; print('said'); sys.exit(3)") as process:
        assert process.stdout.read() == "said\n"
    assert process.wait() == 3


def test_it_is_asked_to_end_by_a_signal_that_it_can_answer():
    with start(POLITE) as process:
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.wait(timeout=60) == 7
        process.terminate()  # as a cell that is run twice does


def test_it_ends_when_what_stands_between_is_ended():
    with start(POLITE) as process:
        process.stdout.readline()
        process.send_signal(15)
        assert process.wait(timeout=60) == 7


def test_one_that_a_signal_ends_has_the_code_of_a_shell():
    with start(POLITE.replace("lambda *_: sys.exit(7)", "signal.SIG_DFL")) as process:
        process.stdout.readline()
        process.terminate()
        assert process.wait(timeout=60) == 128 + 15


def test_a_tensorboard_that_does_not_start_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr(board, "OPTIONS", ("--no_such_option",))
    with pytest.raises(UserError, match=r"did not start: .*no_such_option"):
        board.show_tensorboard(tmp_path)
