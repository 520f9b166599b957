"""`tune`: a study of trials, each an ordinary run with settings of its own, that can be killed and shared.

What makes trials comparable: all see equally many training images, start from the same seed, and are measured alike at
the same fractions of their length. The value of a trial is that of the best generator which its run kept, lower is
better: FID of a few images beside training images, or by the rule for losses in `cgan_lib.runs.selection`.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from time import sleep
from typing import Any, Literal

import optuna
from filelock import FileLock
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from cgan_lib.data import check_batch_size, load_data
from cgan_lib.errors import UserError, shown, unknown
from cgan_lib.paths import check_name, home
from cgan_lib.recipes import LENGTH_FIELDS, Recipe, check_profile, current_profile, get_recipe
from cgan_lib.runs import Run, open_run, train
from cgan_lib.runs.run import run_folder
from cgan_lib.training import Diverged, pick_device
from cgan_lib.tuning.pruning import MEASURED, STARTUP, Pruner, make_pruner
from cgan_lib.tuning.space import PUBLISHED, Space, holds, in_words, read_space, suggest
from cgan_lib.tuning.storage import check_address, open_storage
from cgan_lib.tuning.workers import again, at_work, finished, quietly, running, take_over
from cgan_lib.weights import facts

Objective = Literal["fid", "losses"]
OBJECTIVES = {"fid": "FID", "losses": "loss of G"}
MOST_TRIALS = 10_000
POLL = 1.0  # seconds between two looks at whether the others are done


def tune(
    recipe: str | Recipe = "bce",
    *,
    trials: int,
    space: Mapping[str, Any] | None = None,
    objective: Objective = "fid",
    pruner: Pruner = "median",
    study: str = "search",
    storage: str | None = None,
    profile: str | None = None,
    device: str = "auto",
    **changes: Any,
) -> optuna.Study:
    """Search for settings of a recipe until a study has so many finished trials; the same call goes on with it.

    `space` says which fields are tried (default: `PUBLISHED`; form: `read_space`); `changes` hold for all trials, and
    the length of a run is that of a trial. `objective` is minimised: `fid`, or the published rule for `losses`.
    `pruner` (`median`, `hyperband`, `none`, a `Rule` of one's own, one of Optuna) ends hopeless trials at one of
    `MEASURED` measurements; they count as finished. The first trial has the recipe's own settings.

    Any number of processes may call this at once. A trial whose process was killed is continued by the next one. The
    study lies in `logs/studies/`, or in the database at `storage`, such as `postgresql://user@host/database`; its
    runs in `logs/` of the machine that trained them, as `<study>-000`, `<study>-001`, …

    Raises `UserError` for bad input before any trial.
    """
    if not isinstance(trials, int) or not 1 <= trials <= MOST_TRIALS:
        raise UserError(f"trials {shown(trials)} must be a whole number from 1 to {MOST_TRIALS:,}.")
    made = make_pruner(pruner)
    if storage is not None:
        check_address(storage)
    task = _task(recipe, space, objective, study, profile, device, changes)
    with quietly():
        search = _Search(task, _open(task, storage, made), alone=storage is None)
        with at_work(task.folder / "workers") as worker:
            search.run(trials, worker)
        return search.study


def ranking(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that were not given up, the best first; equal ones in their order."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted(complete, key=lambda trial: (trial.value, trial.number))


def run_of(study: optuna.Study, trial: FrozenTrial) -> Run:
    """The run of a trial, of those on this machine."""
    task = study.user_attrs["task"]
    return open_run(run_folder(task["dataset"], task["name"], trial.user_attrs["run"]))


def settings_in_words(settings: Mapping[str, Any]) -> str:
    """Settings as a line: lr=0.00112, beta1=0.5."""
    return ", ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in settings.items()
    )


@dataclass(frozen=True)
class _Task:
    """What all trials of a study have in common."""

    recipe: Recipe
    profile: str
    images: int
    """that a trial trains with"""
    space: Space
    objective: Objective
    study: str
    device: str

    @property
    def folder(self) -> Path:
        return home() / "logs" / "studies" / self.recipe.dataset / self.recipe.name / self.study

    def described(self) -> dict[str, Any]:
        """What must stay as it is while a study goes on, as plain values."""
        kept = {name: value for name, value in asdict(self.recipe).items() if name not in LENGTH_FIELDS}
        space = {name: in_words(each) for name, each in self.space.items()}
        return {**kept, "images in a trial": self.images, "space": space, "objective": self.objective}


def of_length(recipe: Recipe, images: int) -> Recipe:
    """The recipe with as many steps as it takes for so many images, in `MEASURED` equal parts, each measured."""
    part = max(1, round(images / recipe.batch_size / MEASURED))
    rhythm = dict(save_every=part, grid_every=MEASURED * part, log_every=min(recipe.log_every, math.ceil(part / 4)))
    return recipe.replace(steps=MEASURED * part, **rhythm)


def images_of(recipe: Recipe, profile: str) -> tuple[Recipe, int]:
    """The recipe with the data that are here, and how many images a run of it trains with."""
    data = load_data(recipe.dataset, image_size=recipe.image_size)
    check_batch_size(data, recipe.batch_size)
    return recipe.replace(dataset=data.name), recipe.length(profile, len(data)) * recipe.batch_size


def _task(
    recipe: str | Recipe,
    space: Mapping[str, Any] | None,
    objective: Objective,
    study: str,
    profile: str | None,
    device: str,
    changes: dict[str, Any],
) -> _Task:
    if objective not in OBJECTIVES:
        raise unknown("objective", str(objective), OBJECTIVES)
    check_name("study", study)
    pick_device(device)
    recipe = recipe.replace(**changes) if isinstance(recipe, Recipe) else get_recipe(recipe, **changes)
    searched = read_space(PUBLISHED if space is None else space, recipe)
    profile = current_profile() if profile is None else check_profile(profile)
    recipe, images = images_of(recipe, profile)
    if not images:
        raise UserError("a trial of 0 steps shows nothing: give steps=500, say.")
    return _Task(recipe, profile, images, searched, objective, study, device)


def _open(task: _Task, storage: str | None, pruner: optuna.pruners.BasePruner) -> optuna.Study:
    """The study, new or as it stands; `UserError` when it has begun with another task."""
    study = optuna.create_study(
        storage=open_storage(task.folder, storage),
        study_name=f"{task.recipe.dataset}/{task.recipe.name}/{task.study}",
        pruner=pruner,
        load_if_exists=True,
    )
    here = task.described()
    if not (there := study.user_attrs.get("task")):
        study.set_user_attr("task", here)
        return study
    if differing := [name for name in here if there.get(name) != here[name]]:
        (name, *_) = differing
        raise UserError(
            f"the study {task.study} has begun with another {name} ({shown(there.get(name))}, not "
            f"{shown(here[name])}): give this one another name."
        )
    return study


class _Search:
    """The loop of one process over the trials of a study."""

    def __init__(self, task: _Task, study: optuna.Study, alone: bool):
        self.task, self.study, self.alone = task, study, alone
        self.gate = FileLock(task.folder / "next.lock")
        """held from the decision that a trial is wanted until it is known whose it is"""

    def run(self, trials: int, worker: str) -> None:
        """Train trials until so many are finished, here or elsewhere."""
        told = False
        while finished(self.study) < trials:
            with self.gate:
                take_over(self.study, self.task.folder / "workers", alone=self.alone)
                if finished(self.study) + running(self.study) < trials:
                    self._one_more(worker)
                    self._say(trials)
                    continue
            if not told:
                print(f"Other processes are at the last {running(self.study)} of {trials} trials: waiting.", flush=True)
                told = True
            sleep(POLL)  # should they be killed, these trials are taken over

    def _one_more(self, worker: str) -> None:
        if not self.study.get_trials(deepcopy=False):
            own = {name: getattr(self.task.recipe, name) for name, each in self.task.space.items()}
            if all(holds(each, own[name]) for name, each in self.task.space.items()):
                self.study.enqueue_trial(own)
        self.number = -1

        def objective(trial: Trial) -> float:
            self.number = trial.number
            place = self._claim(trial, worker)
            self.gate.release()
            return self._train(trial, place)

        try:
            self.study.optimize(objective, n_trials=1)
        except KeyboardInterrupt:  # `Stopped` among them
            if self.number >= 0:
                again(self.study, self.study.get_trials(deepcopy=False)[self.number])
            raise

    def _claim(self, trial: Trial, worker: str) -> int:
        """Note whose the trial is, and its run; gives its place among the runs, which one that goes on has already."""
        prefix = f"{self.task.study}-"
        earlier = self.study.get_trials(deepcopy=False)[: trial.number]
        runs = {each.user_attrs["run"] for each in earlier if "run" in each.user_attrs}
        name = trial.user_attrs.get("run", f"{prefix}{len(runs):03d}")
        trial.set_user_attr("run", name)
        trial.set_user_attr("worker", worker)
        return int(name.removeprefix(prefix))

    def _train(self, trial: Trial, place: int) -> float:
        """The value of a trial; `TrialPruned` when it was hopeless, or came to nothing."""
        task, name = self.task, trial.user_attrs["run"]
        # Drawn from its place alone: whoever trains it, and after however many stops
        seed = (task.recipe.seed * 1_000_003 + place) % 2**32
        self.study.sampler = TPESampler(seed=seed, n_startup_trials=STARTUP, constant_liar=True)
        recipe = of_length(task.recipe.replace(**suggest(trial, task.space)), task.images)
        length = recipe.steps or 0

        def watch(step: int, best: float) -> bool:
            if math.isfinite(best):
                trial.report(best, 100 * step // length)
            return step >= length or not trial.should_prune()

        try:
            run = train(recipe, run=name, profile=task.profile, device=task.device, score=task.objective, watch=watch)
        except Diverged as error:
            trial.set_user_attr("why", "diverged")
            raise optuna.TrialPruned from error
        trial.set_user_attr("seconds", round(run.seconds, 1))
        if run.step < length:
            raise optuna.TrialPruned
        if (value := _kept(run)) is None:
            trial.set_user_attr("why", "D was never stable")
            raise optuna.TrialPruned
        return value

    def _say(self, trials: int) -> None:
        """What came of the trial that was just trained here."""
        trial = self.study.get_trials(deepcopy=False)[self.number]
        what = settings_in_words(trial.params)
        if trial.state == TrialState.PRUNED:
            came = trial.user_attrs.get("why") or f"given up at {trial.last_step}%"
        else:
            came = f"{OBJECTIVES[self.task.objective]} {trial.value:.4g}"
        best = ranking(self.study)[:1]
        first = f"; best so far: {best[0].user_attrs['run']}" if best else ""
        print(f"{trial.user_attrs['run']} ({finished(self.study)} of {trials}): {what}: {came}{first}", flush=True)


def _kept(run: Run) -> float | None:
    """The value of the best generator of a run, which is in its weight file; None when there is none."""
    return float(facts(run.best)["value"]) if run.best else None
