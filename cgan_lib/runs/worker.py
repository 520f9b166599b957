"""One of the processes that `launch` starts: `python -m cgan_lib.runs.worker JOB`."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from cgan_lib import parallel
from cgan_lib.errors import UserError
from cgan_lib.recipes import Recipe
from cgan_lib.runs.launch import ENDED, FAILED, STOPPED
from cgan_lib.runs.stop import Stopped
from cgan_lib.runs.train import train
from cgan_lib.training import Diverged


def work(job: dict[str, Any]) -> int:
    """Train, and note in the folder `job["notes"]` what came of it; an exit code."""
    notes = Path(job.pop("notes"))
    try:
        run = train(Recipe(**job.pop("recipe")), **job)
    except (UserError, Diverged) as error:
        _note(notes / FAILED.format(os.environ["RANK"]), kind=type(error).__name__, message=str(error))
        return 1
    except Stopped as stop:
        if parallel.is_first():
            _note(notes / STOPPED, folder=str(stop.run.folder), message=str(stop), signal=stop.signal)
        return 0
    if parallel.is_first():
        _note(notes / ENDED, folder=str(run.folder))
    return 0


def _note(path: Path, **facts: Any) -> None:
    path.write_text(json.dumps(facts), "utf-8")


if __name__ == "__main__":
    sys.exit(work(json.loads(sys.argv[1])))
