"""What is measured at a checkpoint, and whether the generator is the best of its run so far."""

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Literal

import torch

from cgan_lib import parallel
from cgan_lib.errors import UserError, unknown
from cgan_lib.evaluation import has_classifier, quick_scores
from cgan_lib.evaluation.classifier import classifier_file, fingerprint, load_for_reading, open_classifier
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.runs.selection import Best

CHOOSERS = ("fid", "losses")
Score = Literal["fid", "losses"] | Callable[[ConditionalGenerator], float]


class Scorer:
    """Measures generators of one run; the best is the one of the lowest score, or by the rule for losses."""

    def __init__(self, score: Score | None, dataset: str, samples: int, image_size: int):
        if not callable(score) and score not in (None, *CHOOSERS):
            raise unknown("score", str(score), CHOOSERS)
        self.dataset, self.samples, self.image_size = dataset, samples, image_size
        self.classified = score == "fid" or parallel.from_first(lambda: has_classifier(dataset, image_size))
        self.own = score if callable(score) else None
        self.chosen_by = "score" if self.own else str(score or ("fid" if self.classified else "losses"))
        self.best = Best()

    def prepare(self) -> None:
        """Of several processes, have one of each machine train the classifier where there is none yet."""
        if self.classified and parallel.size() > 1:
            parallel.in_turn(lambda: classifier_file(load_for_reading(self.dataset, self.image_size)))

    def record(self, values: Mapping[str, float]) -> None:
        """Add a point of the curves to the window, when losses choose."""
        if self.chosen_by == "losses":
            self.best.record(values)

    def measure(self, generator: ConditionalGenerator, step: int) -> dict[str, float]:
        """Its scores after `step`: the classifier's, if there is one, and one's own; `UserError` unless finite."""
        scores: dict[str, float] = {}
        with torch.random.fork_rng(devices=[]):
            if self.classified:
                with parallel.dividing():
                    scores = quick_scores(generator, self.dataset, self.samples)
            if own := self.own:
                scores["score"] = parallel.from_first(lambda: float(own(generator.eval())))
        for name, value in scores.items():
            if not math.isfinite(value):
                raise UserError(f"the {name} at step {step} is {value}: it must be a finite number.")
        return scores

    def is_best(self, scores: Mapping[str, float], *, in_turn: bool, eligible: bool) -> bool:
        """Whether what was just measured is the best so far; windows of losses end at checkpoints in turn alone."""
        if self.chosen_by == "losses":
            return in_turn and self.best.close_window(eligible)
        return eligible and self.best.offer(scores[self.chosen_by], self.protocol)

    @cached_property
    def protocol(self) -> dict[str, Any]:
        """What two values of the score that chooses must share to be compared; nothing for a score of one's own."""
        if self.chosen_by != "fid":
            return {}
        real = load_for_reading(self.dataset, self.image_size)
        classifier = fingerprint(open_classifier(classifier_file(real)))
        return {"images": self.samples, "seed": 1, "classifier": classifier, "data": real.fingerprint}

    @property
    def outdated(self) -> bool:
        """Whether the best value was measured in another way than the next will be."""
        return self.best.value < math.inf and self.best.protocol != self.protocol

    def forget_best(self) -> None:
        """Begin anew: whatever is measured next is the best."""
        self.best = Best()

    def state_dict(self) -> dict[str, Any]:
        """What the next choice depends on."""
        return {"best": self.best.state_dict(), "chosen_by": self.chosen_by}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict()`, unless another chose there: a score and a loss do not compare."""
        if state.get("chosen_by") == self.chosen_by:
            self.best.load_state_dict(state["best"])
