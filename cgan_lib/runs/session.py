"""A run in training: what it is, and how it gets to the disk and back."""

import json
import warnings
from pathlib import Path
from typing import Any

import torch

from cgan_lib import parallel
from cgan_lib.errors import UserError
from cgan_lib.files import first_line
from cgan_lib.paths import short
from cgan_lib.recipes import Recipe
from cgan_lib.runs.checkpoint import load_newest, save_checkpoint
from cgan_lib.runs.clock import Clock
from cgan_lib.runs.run import BEST, Run, fitting
from cgan_lib.runs.scorer import Scorer
from cgan_lib.training import Trainer
from cgan_lib.weights import facts, load_generator, save_generator


class Session:
    """The folder of a run and all that its next step depends on, as the newest checkpoint has it, if there is one."""

    def __init__(self, trainer: Trainer, folder: Path, pictures: Path, scorer: Scorer):
        self.trainer, self.folder, self.pictures, self.scorer = trainer, folder, pictures, scorer
        self.clock = Clock()
        self.saved_at: int | None = None
        """step of the newest checkpoint; None before the first"""
        self.unmeasured = False
        """that checkpoint is due to be measured, and was not yet"""
        if state := parallel.from_first(lambda: load_newest(self.checkpoints, set_damaged_aside=True)):
            self._load(state)

    @property
    def recipe(self) -> Recipe:
        return self.trainer.recipe

    @property
    def step(self) -> int:
        return self.trainer.step

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def save(self, *, unmeasured: bool) -> None:
        """Write a checkpoint: the first process does, of several that are all at the same step."""
        if parallel.is_first():
            save_checkpoint(self.checkpoints, self._state(unmeasured), self.step)
        self.saved_at, self.unmeasured = self.step, unmeasured

    def say(self, what: str) -> None:
        """Tell something of this run, once."""
        if parallel.is_first():
            print(f"{short(self.folder)} {what}")

    def _state(self, unmeasured: bool) -> dict[str, Any]:
        state = self.trainer.state_dict() | self.scorer.state_dict()
        state |= {"seconds": self.clock.seconds, "config": self.trainer.generator.config, "unmeasured": unmeasured}
        state |= {"threads": torch.get_num_threads(), "processes": parallel.size()}
        state["about"] = json.dumps({"model": self.recipe.model, **self.trainer.generator.describe()})  # to load it
        return state

    def _load(self, state: dict[str, Any]) -> None:
        with fitting(self.folder, self.recipe):
            self.trainer.load_state_dict(state)
            self.scorer.load_state_dict(state)
            self.clock = Clock(state["seconds"])
        self.saved_at, self.unmeasured = self.step, state.get("unmeasured", False)
        self._warn_of_rounding("threads", state.get("threads"), torch.get_num_threads())
        self._warn_of_rounding("processes", state.get("processes", 1), parallel.size())

    def _warn_of_rounding(self, what: str, then: int | None, now: int) -> None:
        if self.trainer.device.type == "cpu" and then not in (None, now):
            keeps = f" OMP_NUM_THREADS={then} would keep them." if what == "threads" else ""
            warnings.warn(
                f"{short(self.folder)} was trained with {then} {what} and goes on with {now}: sums are rounded in "
                f"another order, so it will not end with the very same bits.{keeps}",
                stacklevel=3,
            )

    def write_generator(self, name: str = "generator.safetensors", **more: Any) -> None:
        """Write the generator that draws the samples as a weight file of the run."""
        facts: dict[str, Any] = {"recipe": self.recipe.name, "steps": self.step, "seconds": round(self.clock.seconds)}
        save_generator(self.trainer.sampler, self.folder / name, **facts, **more)

    def write_best(self) -> None:
        """Write it as the best one so far."""
        best = self.scorer.best
        self.write_generator(
            BEST, chosen_by=self.scorer.chosen_by, value=best.value, protocol=json.dumps(best.protocol)
        )

    def measure_best_again(self) -> None:
        """Measure the best generator so far as the next ones will be; forget it, with a note, where it cannot be."""
        path, scorer = self.folder / BEST, self.scorer
        before = scorer.best.value
        scorer.forget_best()
        try:
            said, generator = parallel.from_first(lambda: (facts(path), load_generator(path)))
            generator.to(self.trainer.device)
            if said.get("chosen_by") != scorer.chosen_by:
                raise UserError("it was chosen in another way")
            step = int(said["steps"])
            value = scorer.measure(generator, step)[scorer.chosen_by]
        except (UserError, LookupError, ValueError) as error:
            warnings.warn(
                f"the best generator so far was measured in another way, and cannot be measured again "
                f"({first_line(error)}): the next one that is measured counts as the best.",
                stacklevel=2,
            )
            return
        scorer.best.offer(value, scorer.protocol)
        kept: dict[str, Any] = {name: text for name, text in said.items() if name not in ("model", "config")}
        with parallel.together():
            if parallel.is_first():
                save_generator(generator, path, **kept | {"value": value, "protocol": json.dumps(scorer.protocol)})
                print(
                    f"The best generator so far, of step {step}, is measured anew: {before:.1f} then, {value:.1f} now."
                )

    def result(self) -> Run:
        """The run as it stands."""
        generator = self.trainer.sampler.eval()
        return Run(self.folder, self.recipe, generator, self.step, self.clock.seconds)
