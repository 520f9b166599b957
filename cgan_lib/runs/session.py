"""A run in training: what it is, and how it gets to the disk and back."""

from pathlib import Path
from typing import Any

from cgan_lib.recipes import Recipe
from cgan_lib.runs.checkpoint import load_newest, save_checkpoint
from cgan_lib.runs.clock import Clock
from cgan_lib.runs.run import BEST, Run, pictures_folder
from cgan_lib.runs.scorer import Scorer
from cgan_lib.training import Trainer
from cgan_lib.weights import save_generator


class Session:
    """The folder of a run and all that its next step depends on, as the newest checkpoint has it, if there is one."""

    def __init__(self, trainer: Trainer, folder: Path, scorer: Scorer):
        self.trainer, self.folder, self.scorer = trainer, folder, scorer
        self.clock = Clock()
        self.saved_at: int | None = None
        """step of the newest checkpoint; None before the first"""
        self.unmeasured = False
        """that checkpoint is due to be measured, and was not yet"""
        if state := load_newest(self.checkpoints, set_damaged_aside=True):
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

    @property
    def pictures(self) -> Path:
        return pictures_folder(self.folder)

    def save(self, *, unmeasured: bool) -> None:
        """Write a checkpoint."""
        state = self.trainer.state_dict() | self.scorer.state_dict()
        state |= {"seconds": self.clock.seconds, "config": self.trainer.generator.config, "unmeasured": unmeasured}
        save_checkpoint(self.checkpoints, state, self.step)
        self.saved_at, self.unmeasured = self.step, unmeasured

    def _load(self, state: dict[str, Any]) -> None:
        self.trainer.load_state_dict(state)
        self.scorer.load_state_dict(state)
        self.clock = Clock(state["seconds"])
        self.saved_at, self.unmeasured = self.step, state.get("unmeasured", False)

    def write_generator(self, name: str = "generator.safetensors", **more: Any) -> None:
        """Write the generator that draws the samples as a weight file of the run."""
        facts: dict[str, Any] = {"recipe": self.recipe.name, "steps": self.step, "seconds": round(self.clock.seconds)}
        save_generator(self.trainer.sampler, self.folder / name, **facts, **more)

    def write_best(self) -> None:
        """Write it as the best one so far."""
        self.write_generator(BEST, chosen_by=self.scorer.chosen_by, value=self.scorer.best.value)

    def result(self, *, interrupted: bool) -> Run:
        """The run as it stands."""
        generator = self.trainer.sampler.eval()
        return Run(self.folder, self.recipe, generator, self.step, self.clock.seconds, interrupted)
