"""The command line: each of `COMMANDS` is a module in `commands`."""

import io
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from difflib import get_close_matches
from functools import partial, wraps
from importlib import import_module
from itertools import dropwhile, takewhile
from operator import not_
from typing import Any

from cgan_lib.console import exit_code, program, with_plain_letters
from cgan_lib.errors import UserError, printable, unknown
from cgan_lib.version import __version__

COMMANDS = {
    "data": "Give a folder of pictures a name, and say what is in it.",
    "train": "Train a recipe, or go on with its run.",
    "tune": "Search for settings of a recipe, in many short trials.",
    "recipes": "The recipes, as a table.",
    "info": "Both networks of a recipe; what a generator draws, by name.",
    "generate": "Make one image for each label asked for.",
    "evaluate": "Measure a generator against the real test images.",
    "diagnose": "What is wrong with a run, told from its log.",
    "export": "Write a folder to publish, or one ONNX file.",
    "serve": "A page, and an HTTP service, that make images.",
    "grade": "Grade what was handed in: notebooks, or published folders.",
}
HELP = """\
usage: {program} [-h] [--version] COMMAND ...

Train conditional GANs, measure them, and make the images asked for.

commands:
{commands}

`{program} COMMAND --help` explains what a command takes.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code, which `console` explains."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    warnings.showwarning = lambda message, *_: print(f"note: {printable(str(message))}", file=sys.stderr)
    with_plain_letters()
    code = exit_code(lambda: _run(*arguments))
    return code if arguments else 2  # help was shown, but nothing was asked for


def _run(name: str = "--help", *arguments: str) -> int:
    if name in ("-h", "--help"):
        print(HELP.format(program=program(), commands="\n".join(f"  {n:<10}{does}" for n, does in COMMANDS.items())))
    elif name == "--version":
        print(f"cgan_lib {__version__}")
    elif name not in COMMANDS:
        raise unknown("command", name, COMMANDS)
    else:
        module = import_module(f"cgan_lib.commands.{name}")  # with all that it needs, and nothing that only others do
        if name in ("train", "tune"):
            module.check_recipe(*arguments[:1])
        return _parsed(f"{program()} {name}", module.command, arguments)() or 0
    return 0


def _parsed(called: str, command: Callable[..., int | None], arguments: Sequence[str]) -> Callable[[], int | None]:
    """The command with its arguments; `UserError` when they are wrong, in one line where tyro frames several."""
    import tyro
    from tyro.conf import CascadeSubcommandArgs, FlagCreatePairsOff

    @wraps(command)
    def later(*values: Any, **options: Any) -> Callable[[], int | None]:
        return partial(command, *values, **options)

    said = io.StringIO()
    try:
        with redirect_stderr(said):
            return tyro.cli(later, prog=called, args=arguments, config=(CascadeSubcommandArgs, FlagCreatePairsOff))
    except SystemExit as stop:
        if not stop.code:  # after --help
            raise
        raise UserError(f"{unframed(said.getvalue())}: see `{called} --help`.") from stop


def unframed(said: str) -> str:
    """The first sentence in a frame of tyro, drawn in Unicode or in ASCII, and the nearest option that it knows."""
    lines = [line.strip("│╭╮╰╯─ ") for line in re.sub(r"\x1b\[[\d;]*m", "", said).splitlines()]
    _, *lines = ["" if line.strip("-") == "" else line for line in lines]  # without the title; empty: a rule
    sentence = " ".join(takewhile(bool, dropwhile(not_, lines))).rstrip(".")[:300]
    asked, *others = re.findall(r"--[\w-]+", " ".join(lines)) or [""]
    near = get_close_matches(asked, others, n=1) if "Perhaps you meant:" in lines else []
    return f"{sentence} (did you mean {near[0]}?)" if near else sentence
