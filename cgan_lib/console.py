"""What a command line owes its user: an exit code, one line for what went wrong, and letters that can be shown."""

import codecs
import io
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from cgan_lib.errors import UserError, printable
from cgan_lib.files import first_line
from cgan_lib.training import Diverged

NO_MEMORY = "there is not enough memory: take fewer or smaller images, smaller batches or narrower networks."
PLAIN = str.maketrans("↓↑×–±…→", "v^x-~.>")


def exit_code(command: Callable[[], int]) -> int:
    """That of `command`: 0, 2 for a mistake in the input, 3 diverged, 128 + n stopped by signal n (Ctrl-C: 130).

    Errors are one line.
    """
    try:
        return command()
    except SystemExit as stop:  # from tyro: 0 after --help, 2 for a wrong option
        return int(stop.code or 0)
    except (UserError, Diverged) as error:
        return _failed(str(error), 3 if isinstance(error, Diverged) else 2)
    except BrokenPipeError:  # `recipes | head`: who reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nor can it take what is still to be flushed
        return 0
    except OSError as error:  # a disk that is full, a file that may not be read
        return _failed(f"{error.strerror or first_line(error)} ({error.filename or 'no file is named'}).", 2)
    except (MemoryError, torch.cuda.OutOfMemoryError):
        return _failed(NO_MEMORY, 2)
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):  # how PyTorch says it of the main memory
            raise
        return _failed(NO_MEMORY, 2)
    except KeyboardInterrupt:  # before the first step, or asked for twice
        print("Stopped.", file=sys.stderr)
        return 130


def _failed(message: str, code: int) -> int:
    print(f"error: {printable(message)}", file=sys.stderr)
    return code


def leave_closed_terminal() -> None:
    """Print nowhere from now on, if the terminal was closed: what is still to be done must not fail for that."""
    for stream in (sys.stdout, sys.stderr):
        try:
            print(file=stream, flush=True)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def with_plain_letters() -> None:
    """From now on, what the console cannot show, such as ↓ on an old one of Windows, is printed as ASCII."""
    codecs.register_error("cgan_plain", _plain)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="cgan_plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end].translate(PLAIN)
    return letters.encode("ascii", "backslashreplace").decode(), error.end


def quoted(path: str) -> str:
    """A path as one argument of a command line, as the shell of this system wants it."""
    if os.name != "nt":
        return shlex.quote(path)
    return f'"{path}"' if set(path) & set(" '$&;()`%^") else path  # the rest is in no name on Windows


def from_here(path: Path) -> str:
    """A path as other programs understand it: they know the working folder alone."""
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else str(path)


def program() -> str:
    """What was typed to get here, `cgan` or `python -m cgan_lib`, so that advice can be typed too."""
    called = Path(sys.argv[0])
    return _typed(called) if called.stem == "cgan" else f"{_typed(Path(sys.executable))} -m cgan_lib"


def neighbour(name: str) -> str:
    """A command that was installed beside this Python, as it can be typed."""
    beside = Path(sys.executable).parent
    return _typed(Path(shutil.which(name, path=str(beside)) or name))


def _typed(command: Path) -> str:
    """The name of a command that the shell finds, else its path: an environment need not be activated."""
    found = shutil.which(command.stem)
    there = found is not None and os.path.normcase(os.path.abspath(found)) == os.path.normcase(command.absolute())
    return command.stem if there or not command.is_file() else quoted(from_here(command.absolute()))
