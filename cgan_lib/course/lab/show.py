"""What notebook 08 shows of a run of the lab."""

from collections.abc import Mapping

from cgan_lib.course.lab.cases import case_run, healthy_run
from cgan_lib.course.lab.training import LabRun
from cgan_lib.course.show import show_grids, show_history
from cgan_lib.runs.rules import Log
from cgan_lib.sampling import real_grid

WIDTH = 24  # of the column of names
GRIDS = 6.5  # inches for two grids: near to the pixels that a digit has, and half as many bytes as over the full width


def show_run(run: LabRun, title: str) -> None:
    """Draw the curves and the sample grid of a run, and print its scores."""
    show_history(run.history(), title)
    show_grids({title: run.grid(), "real": real_grid(run.data)}, run.data.class_names)
    print(f"{title:<10}{run.scores}")


def show_case(case: str) -> None:
    """Draw the curves of a case, and its sample grid beside that of a healthy run; print both scores."""
    run, healthy = case_run(case), healthy_run()
    show_history(run.history(), f"case {case}")
    show_grids({f"case {case}": run.grid(), "healthy": healthy.grid()}, run.data.class_names, width=GRIDS)
    print(f"{f'case {case}':<10}{run.scores}")
    print(f"{'healthy':<10}{healthy.scores}")


def show_signs(runs: Mapping[str, LabRun]) -> None:
    """Print the vital signs of runs side by side: before training → the median of the second half."""
    logs = {title: Log(run.history()) for title, run in runs.items()}
    names = [name.removeprefix("vitals/") for run in runs.values() for name in run.history() if "vitals/" in name]
    print(f"{'vitals/':<{WIDTH}}" + "".join(f"{title:>20}" for title in logs))
    for name in dict.fromkeys(names):
        print(f"{name:<{WIDTH}}" + "".join(f"{_course(log, name):>20}" for log in logs.values()))


def show_case_signs(case: str) -> None:
    """Print the vital signs of a case beside those of a healthy run."""
    show_signs({f"case {case}": case_run(case), "healthy": healthy_run()})


def _course(log: Log, name: str) -> str:
    """From where to where a sign went; what the optimisers do is not known before they have moved."""
    if name not in log:
        return "–"
    from_the_start = len(log.all(name)) == len(log.all("separated"))
    return f"{f'{log.first(name):.3g}' if from_the_start else '–'} → {log.late(name):.3g}"
