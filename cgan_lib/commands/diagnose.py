"""`cgan diagnose`"""

from typing import Annotated

import tyro
from tyro.conf import Positional

from cgan_lib.runs import open_run
from cgan_lib.runs.diagnose import diagnose


def command(run: Annotated[Positional[str], tyro.conf.arg(metavar="RUN")]) -> None:
    """What is wrong with a run, told from its log, with reasons.

    It is healthy where no rule finds a fault. Young runs cannot be told.

    Args:
        run: a run folder, such as logs/mnist/bce/demo
    """
    print(diagnose(open_run(run)))
