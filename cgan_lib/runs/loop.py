"""What happens at a step of a run: it is recorded, shown, saved and measured."""

from collections.abc import Callable
from contextlib import ExitStack, suppress

import torch
from torch import Tensor

from cgan_lib import parallel
from cgan_lib.runs.recorder import Recorder, recording
from cgan_lib.runs.run import Run
from cgan_lib.runs.session import Session
from cgan_lib.runs.stop import Stopped, StopRequest, stop_requests
from cgan_lib.sampling import NotFinite
from cgan_lib.training import Diverged

Watch = Callable[[int, float], bool]
"""from the step of a measurement and the best value so far: whether to go on"""


def go_on(session: Session, until: int, live: bool, watch: Watch | None = None) -> Run:
    """Bring a run from where it stands to step `until`, or until `watch` ends it; `Stopped` when asked to stop."""
    start = session.step
    finished = 0 < start >= until
    if finished:
        session.say(f"has its {start} steps already. To train anew, give the run another name.")
    elif start:
        session.say(f"goes on from step {start}.")
    stopped_by = _train(session, until, live, watch) if session.unmeasured or not finished else 0
    with parallel.together():
        if parallel.is_first():  # also when finished: it may have been killed between its last checkpoint and this
            session.write_generator()
    if stopped_by:
        raise Stopped(_say_where(session.step, until), session.result(), stopped_by)
    return session.result()


def _say_where(step: int, until: int) -> str:
    where = f"at step {step} of {until}" if step < until else f"after all {until} steps"
    with suppress(OSError):  # of a terminal that was closed
        if parallel.is_first():
            print(f"Stopped {where}; the same call goes on from there.", flush=True)
    return f"stopped {where}"


def _train(session: Session, until: int, live: bool, watch: Watch | None) -> int:
    """Train; returns the signal that stopped it, or 0."""
    with ExitStack() as stack:
        with parallel.together():
            recorder = stack.enter_context(recording(session, until, live))
        stop = stack.enter_context(stop_requests())
        try:
            Loop(session, until, recorder, stop, watch).run()
        except (Diverged, NotFinite) as error:
            diverged = error if isinstance(error, Diverged) else session.trainer.diverged("an image of the generator")
            kept = (
                "" if session.saved_at is None else f" The last good checkpoint, of step {session.saved_at}, is kept."
            )
            raise Diverged(f"{diverged}{kept}") from error
        return parallel.agreed(stop.signal)


class Loop:
    """One session from step to step: records, saves and measures.

    Of several processes, the first has the recorder, writes, and asks `watch`. The others are told what went wrong
    there, and help to measure.
    """

    def __init__(
        self,
        session: Session,
        until: int,
        recorder: Recorder | None,
        stop: StopRequest,
        watch: Watch | None = None,
    ):
        self.session, self.until, self.recorder, self.stop = session, until, recorder, stop
        self.watch, self.worth_it = watch, True
        self.recipe, self.trainer = session.recipe, session.trainer

    def run(self) -> None:
        """All steps, and what belongs before the first and after the last."""
        session = self.session
        if parallel.from_first(lambda: session.scorer.outdated):
            session.measure_best_again()
        if session.unmeasured:
            self.measure(again=True)
        with parallel.together():
            if self.recorder and session.step == 0:
                self.recorder.begin()
        with session.clock.running():
            self.trainer.fit(self.until, self.after_step)
        if session.saved_at != session.step:
            self.save()
        with parallel.together():
            if self.recorder and session.step >= self.until:
                self.recorder.finish()

    def after_step(self, metrics: dict[str, Tensor] | None) -> bool:
        """What a step is followed by; False ends the training."""
        if self.recorder:
            self.recorder.advance()
        if metrics:
            self.record(metrics)
        step = self.session.step
        with self.session.clock.paused():
            if step % self.recipe.grid_every == 0 or step == self.until:
                self.show()
            if self._in_turn:
                self.save()
        if self.recorder:
            self.recorder.look_ahead()
        self.stop.signal = parallel.agreed(self.stop.signal)
        return self.worth_it and not self.stop.signal

    def record(self, metrics: dict[str, Tensor]) -> None:
        """Add a point to each curve."""
        values = dict(zip(metrics, torch.stack(list(metrics.values())).tolist(), strict=True))  # one wait for all
        self.trainer.check_metrics(values)
        if self.session.step % self.recipe.log_every == 0:  # the last step may not be one of these
            self.session.scorer.record(values)
        with parallel.together():
            if self.recorder:
                self.recorder.point(values)

    def show(self) -> None:
        """Write the sample grids and the vital signs, and show the fakes."""
        with parallel.together():
            if self.recorder:
                self.recorder.show()

    def save(self) -> None:
        """Write a checkpoint, and only then measure it: what goes wrong in a score must not cost the steps before."""
        with parallel.together():
            self.trainer.check_finite()
            step = self.session.step
            due = step > 0 and (self._in_turn or step == self.until)
            self.session.save(unmeasured=due)
        if due:
            self.measure()

    def measure(self, *, again: bool = False) -> None:
        """Measure the newest checkpoint, keep its generator if it is the best, and write down that this was done.

        `again`: it may be that this was done before, and only the writing down is missing.
        """
        session, scorer = self.session, self.session.scorer
        scores = scorer.measure(self.trainer.sampler, session.step)
        with parallel.together():
            if self.recorder:
                self.recorder.scores(scores, again=again)
                if scorer.is_best(scores, in_turn=self._in_turn, eligible=self.trainer.grown):
                    session.write_best()
            session.save(unmeasured=False)
        if watch := self.watch:
            self.worth_it = parallel.from_first(lambda: watch(session.step, scorer.best.value))

    @property
    def _in_turn(self) -> bool:
        return self.session.step % self.recipe.save_every == 0
