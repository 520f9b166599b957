"""`train`: one call that trains, records and resumes; `open_run`: what a run folder holds."""

import json
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from cgan_lib.data import check_batch_size, load_data
from cgan_lib.errors import UserError, unknown
from cgan_lib.evaluation import has_classifier, quick_scores
from cgan_lib.files import write_atomically
from cgan_lib.paths import make_folder, short
from cgan_lib.recipes import QUICK_SAMPLES, Recipe, check_profile, current_profile, get_recipe
from cgan_lib.runs.checkpoint import load_newest, save_checkpoint
from cgan_lib.runs.live import LivePanel, text_picture
from cgan_lib.runs.logbook import Logbook, read_scalars
from cgan_lib.runs.run import BEST, Run, pictures_folder, read_recipe, run_folder
from cgan_lib.runs.selection import Best
from cgan_lib.training import Trainer
from cgan_lib.weights import save_generator

CHOOSERS = ("fid", "losses")
Score = Literal["fid", "losses"] | Callable[[nn.Module], float]


def train(
    recipe: str | Recipe = "bce",
    *,
    run: str | None = None,
    profile: str | None = None,
    device: str = "auto",
    live: bool = False,
    score: Score | None = None,
    **changes,
) -> Run:
    """Train a recipe, or go on with it: the same call again resumes where the run stands (on one CPU: bit for bit).

    `run` names the run folder (default: the profile); `profile` is ci, demo or full (default: `$CGAN_PROFILE` or
    demo); `changes` are fields of the recipe, such as `lr=1e-3` or `steps=500`; `live` draws curves and samples
    into the notebook while it trains.

    At every checkpoint and at the end a few images are measured (curves `score/…`), where a classifier of the data
    set is at hand. `score` says which generator is kept as the best one: the one of lowest `fid`, by the rule for
    `losses` in `cgan_lib.runs.selection`, or of the lowest `score(generator)`, then a curve too. Default: `fid`, and
    `losses` where there is no classifier yet. Raises `UserError` for bad input, before anything is written, and
    `Diverged` when a loss is no longer finite.
    """
    recipe = recipe.replace(**changes) if isinstance(recipe, Recipe) else get_recipe(recipe, **changes)
    profile = current_profile() if profile is None else check_profile(profile)
    data = load_data(recipe.dataset, image_size=recipe.image_size)
    check_batch_size(data, recipe.batch_size)
    recipe = recipe.replace(dataset=data.name)  # the embedded digits, when MNIST cannot be reached
    steps = recipe.length(profile, len(data))
    if not callable(score) and score not in (None, *CHOOSERS):
        raise unknown("score", str(score), CHOOSERS)
    folder = run_folder(data.name, recipe.name, run or profile)
    trainer = Trainer(recipe, data, device)
    _refuse_other_recipe(folder, recipe)
    make_folder(folder)
    with _locked(folder):
        write_atomically(folder / "recipe.json", json.dumps(asdict(recipe), indent=2).encode())
        return _Session(trainer, folder, steps, live, score, QUICK_SAMPLES[profile]).run()


class _Session:
    """One call of `train`: the trainer, the run folder, and what happens after each step."""

    def __init__(self, trainer: Trainer, folder: Path, steps: int, live: bool, score: Score | None, samples: int):
        self.trainer, self.folder, self.steps, self.live, self.samples = trainer, folder, steps, live, samples
        self.recipe = trainer.recipe
        self.measured = score == "fid" or has_classifier(self.recipe.dataset)
        self.score = score or ("fid" if self.measured else "losses")
        self.seconds = 0.0
        self.best = Best()
        if state := load_newest(folder / "checkpoints", set_damaged_aside=True):
            self.seconds = state.pop("seconds")
            chosen_by, best = state.pop("chosen_by", None), state.pop("best", {})
            if chosen_by == self._chooser:  # a score and a loss do not compare
                self.best.load_state_dict(best)
            trainer.load_state_dict(state)

    @property
    def _chooser(self) -> str:
        return self.score if isinstance(self.score, str) else "score"

    def run(self) -> Run:
        from tqdm.auto import tqdm

        trainer, start = self.trainer, self.trainer.step
        if start and start >= self.steps:
            print(f"{short(self.folder)} has its {start} steps already. To train anew, give the run another name.")
            self._write_generator()  # it may have been killed between its last checkpoint and this
            return self._result(interrupted=False)
        if start:
            print(f"{short(self.folder)} goes on from step {start}.")
        self.logbook = Logbook(self.folder, pictures_folder(self.folder), self.recipe, trainer.data, start)
        self.panel = LivePanel(trainer.data.class_names) if self.live else None
        try:
            if start == 0:
                self.logbook.graph(trainer.generator, trainer.discriminator)
                self._draw_grids()
            bar = tqdm(total=self.steps, initial=start, unit="step", desc=self.recipe.name, mininterval=0.5)
            with bar as self.bar, stop_requests() as self.stop:
                self.clock = time.perf_counter()
                self.recorded_step, self.recorded_seconds = start, self.seconds
                trainer.fit(self.steps, self._after_step)
            if trainer.step % self.recipe.save_every or start == self.steps:
                self._read_clock()
                self._save()
            self._write_generator()
        finally:
            self.logbook.close()
        interrupted = trainer.step < self.steps
        if interrupted:
            print(f"Stopped at step {trainer.step} of {self.steps}; the same call goes on from there.")
        return self._result(interrupted)

    def _after_step(self, metrics: dict[str, Tensor] | None) -> bool:
        step, recipe = self.trainer.step, self.recipe
        self.bar.update()
        if metrics:
            self._record(metrics)
        if step % recipe.grid_every == 0 or step == self.steps:
            self._outside_the_clock(self._draw_grids)
        if step % recipe.save_every == 0:
            self._outside_the_clock(self._save)
        return not self.stop.is_set()

    def _record(self, metrics: dict[str, Tensor]) -> None:
        trainer = self.trainer
        values = dict(zip(metrics, torch.stack(list(metrics.values())).tolist(), strict=True))  # one wait for all
        self._read_clock()
        images = (trainer.step - self.recorded_step) * self.recipe.batch_size
        elapsed = self.seconds - self.recorded_seconds
        self.recorded_step, self.recorded_seconds = trainer.step, self.seconds
        for name, value in values.items():
            # a scaled fp16 gradient may overflow: the scaler skips that step and lowers its scale
            if not math.isfinite(value) and not (trainer.precision == "fp16" and name.startswith("gradient_norm")):
                raise trainer.diverged(name)
        if (
            self.score == "losses" and trainer.step % self.recipe.log_every == 0
        ):  # the last step may not be one of these
            self.best.record(values)
        self.logbook.scalars(
            trainer.step, values | trainer.learning_rates() | {"images_per_second": images / max(elapsed, 1e-9)}
        )
        losses = {name: f"{values[f'loss/{name}']:.2f}" for name in "GD" if f"loss/{name}" in values}
        self.bar.set_postfix(losses, refresh=False)

    def _draw_grids(self) -> None:
        path, fake = self.logbook.grids(self.trainer.step, self.trainer.sampler)
        if self.panel:
            self.logbook.flush()
            self.panel.update(read_scalars(self.folder), fake, self.trainer.step)
        elif sys.stdout.isatty() and self._worth_a_look():
            self.bar.write(f"{text_picture(fake)}\nstep {self.trainer.step}: {short(path)}")

    def _worth_a_look(self) -> bool:
        """In a terminal: grid 1, 2, 4, 8, … and the last, so that the digits can be seen emerging."""
        number = self.trainer.step // self.recipe.grid_every
        return 0 < self.trainer.step == self.steps or (number > 0 and number & (number - 1) == 0)

    def _save(self) -> None:
        self.trainer.check_finite()
        in_turn, last = self.trainer.step % self.recipe.save_every == 0, self.trainer.step == self.steps
        if (in_turn or last) and self._is_best(self._measure(), in_turn):
            self._write_generator(BEST, chosen_by=self._chooser, value=self.best.value)
        self.logbook.flush()  # first: no curve may end before its checkpoint
        state = self.trainer.state_dict()
        state |= {"seconds": self.seconds, "config": self.trainer.generator.config}
        state |= {"best": self.best.state_dict(), "chosen_by": self._chooser}
        save_checkpoint(self.folder / "checkpoints", state, self.trainer.step)

    def _measure(self) -> dict[str, float]:
        """The scores of the generator that draws the samples, also as points of the curves `score/…`."""
        if self.trainer.step == 0:
            return {}
        sampler = self.trainer.sampler
        training, scores = sampler.training, {}
        with torch.random.fork_rng(devices=[]):
            if self.measured:
                scores = quick_scores(sampler, self.recipe.dataset, self.samples)
            if callable(self.score):
                scores["score"] = float(self.score(sampler.eval()))
        sampler.train(training)
        for name, value in scores.items():
            if not math.isfinite(value):
                raise UserError(f"the {name} at step {self.trainer.step} is {value}: it must be a finite number.")
        self.logbook.scalars(self.trainer.step, {f"score/{name}": value for name, value in scores.items()})
        return scores

    def _is_best(self, scores: dict[str, float], in_turn: bool) -> bool:
        """Whether the generator is the best so far; windows of losses end at the checkpoints in turn alone."""
        if self.score == "losses":
            return in_turn and self.best.close_window(eligible=self.trainer.grown)
        return self.trainer.grown and self._chooser in scores and self.best.offer(scores[self._chooser])

    def _write_generator(self, name: str = "generator.safetensors", **facts: str | float) -> None:
        facts |= {"recipe": self.recipe.name, "steps": self.trainer.step, "seconds": round(self.seconds)}
        save_generator(self.trainer.sampler, self.folder / name, self.recipe.model, **facts)

    def _read_clock(self) -> None:
        now = time.perf_counter()
        self.seconds += now - self.clock
        self.clock = now

    def _outside_the_clock(self, work) -> None:
        self._read_clock()
        work()
        self.clock = time.perf_counter()

    def _result(self, interrupted: bool) -> Run:
        generator = self.trainer.sampler.eval()
        return Run(self.folder, self.recipe, generator, self.trainer.step, self.seconds, interrupted)


def _refuse_other_recipe(folder: Path, recipe: Recipe) -> None:
    there = read_recipe(folder)
    if there and (differing := there.differences(recipe)):
        changes = ", ".join(f"{name} is {old!r} there, not {new!r}" for name, (old, new) in differing.items())
        raise UserError(f"{short(folder)} is a run of another recipe ({changes}): give this run another name.")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(f"another process is training {short(folder)}: wait for it, or use another name.") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """Ctrl-C (or a notebook's stop button) sets the event instead of breaking a step in two; a second one breaks."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.getsignal(signal.SIGINT)

    def request(signum, frame):
        stop.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, request)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
