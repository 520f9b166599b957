"""The cases of notebook 08: each is a run with one of the faults, and nothing here says in clear which one it is."""

import hashlib
import inspect
import textwrap
from functools import lru_cache

from cgan_lib.course.lab.faults import FAULTS, Fault
from cgan_lib.course.lab.training import LabRun, lab_steps, train_lab
from cgan_lib.errors import unknown

LETTERS = tuple("ABCDEFGHIJKLMNOP")
CANDIDATES = tuple(sorted(FAULTS))
_ORDER = dict(zip(LETTERS, sorted(FAULTS, key=lambda name: hashlib.sha256(name.encode()).hexdigest()), strict=True))


def name_of(case: str) -> str:
    """The name in `FAULTS` of the fault of a case; `UserError` for a letter that is none."""
    if case not in _ORDER:
        raise unknown("case", case, LETTERS)
    return _ORDER[case]


def fault_of(case: str) -> Fault:
    """The fault of a case."""
    return FAULTS[name_of(case)]


def case_run(case: str) -> LabRun:
    """The run of a case in the profile in force; trained once."""
    return _trained(name_of(case), lab_steps())


def healthy_run() -> LabRun:
    """A run without a fault, of the same seed and length; trained once."""
    return _trained("", lab_steps())


@lru_cache(maxsize=len(LETTERS) + 1)
def _trained(name: str, steps: int) -> LabRun:
    return train_lab(FAULTS[name].parts() if name else None, steps=steps)


def show_part(case: str) -> None:
    """Render the part of a case that is to be mended, as the person wrote it who asks for help."""
    from IPython.display import Markdown, display

    display(Markdown(f"`{fault_of(case).part}` in case {case}\n```python\n{part_source(case)}```"))


def part_source(case: str) -> str:
    """The code of that part, under the name of the part."""
    fault = fault_of(case)
    if not callable(fault.wrong):
        return f"rates = {fault.wrong}  # of G, of D\n"
    source = textwrap.dedent(inspect.getsource(fault.wrong))
    name = fault.part.title() if inspect.isclass(fault.wrong) else fault.part
    return source.replace(f" {fault.wrong.__name__}(", f" {name}(", 1)
