"""Searching for settings: a study of many short trainings, each an ordinary run. Optuna does the searching."""

from cgan_lib.errors import needs

with needs("tune"):
    from cgan_lib.tuning.confirm import Confirmation, confirm, separated
    from cgan_lib.tuning.plots import draw_curves, draw_importances, draw_parallel
    from cgan_lib.tuning.space import PUBLISHED
    from cgan_lib.tuning.study import ranking, run_of, tune

__all__ = [
    "PUBLISHED",
    "Confirmation",
    "confirm",
    "draw_curves",
    "draw_importances",
    "draw_parallel",
    "ranking",
    "run_of",
    "separated",
    "tune",
]
