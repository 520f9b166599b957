"""What happens at a step of a run: it is recorded, shown, saved and measured."""

from collections.abc import Callable, Collection
from contextlib import closing, suppress

import torch
from torch import Tensor

from cgan_lib.paths import short
from cgan_lib.runs.live import Display
from cgan_lib.runs.logbook import Logbook, read_scalars
from cgan_lib.runs.run import Run
from cgan_lib.runs.session import Session
from cgan_lib.runs.stop import Stopped, StopRequest, stop_requests
from cgan_lib.runs.vitals import Game, Vitals
from cgan_lib.sampling import NotFinite
from cgan_lib.training import Diverged

Watch = Callable[[int, float], bool]
"""from the step of a measurement and the best value so far: whether to go on"""


def go_on(session: Session, until: int, live: bool, watch: Watch | None = None) -> Run:
    """Bring a run from where it stands to step `until`, or until `watch` ends it; `Stopped` when asked to stop."""
    start = session.step
    finished = 0 < start >= until
    if finished:
        print(f"{short(session.folder)} has its {start} steps already. To train anew, give the run another name.")
    elif start:
        print(f"{short(session.folder)} goes on from step {start}.")
    stopped_by = _train(session, until, live, watch) if session.unmeasured or not finished else 0
    session.write_generator()  # also when finished: it may have been killed between its last checkpoint and this
    if stopped_by:
        raise Stopped(_say_where(session.step, until), session.result(), stopped_by)
    return session.result()


def _say_where(step: int, until: int) -> str:
    where = f"at step {step} of {until}" if step < until else f"after all {until} steps"
    with suppress(OSError):  # of a terminal that was closed
        print(f"Stopped {where}; the same call goes on from there.", flush=True)
    return f"stopped {where}"


def _train(session: Session, until: int, live: bool, watch: Watch | None) -> int:
    """Train; returns the signal that stopped it, or 0."""
    data = session.trainer.data
    with (
        closing(Logbook(session.folder, session.pictures, session.recipe, data, session.step)) as logbook,
        closing(Display(session.recipe, session.step, until, data.class_names if live else None)) as display,
        stop_requests() as stop,
    ):
        try:
            Loop(session, until, logbook, display, stop, watch).run()
        except (Diverged, NotFinite) as error:
            diverged = error if isinstance(error, Diverged) else session.trainer.diverged("an image of the generator")
            kept = (
                "" if session.saved_at is None else f" The last good checkpoint, of step {session.saved_at}, is kept."
            )
            raise Diverged(f"{diverged}{kept}") from error
        return stop.signal


class Loop:
    """One session from step to step: records to the logbook, shows in the display, saves and measures."""

    def __init__(
        self,
        session: Session,
        until: int,
        logbook: Logbook,
        display: Display,
        stop: StopRequest,
        watch: Watch | None = None,
    ):
        self.session, self.until, self.logbook, self.display, self.stop = session, until, logbook, display, stop
        self.watch, self.worth_it = watch, True
        self.recipe, self.trainer = session.recipe, session.trainer
        self.last_point = (session.step, session.clock.seconds)
        trainer = self.trainer
        game = Game(
            trainer.generator, trainer.discriminator, trainer.averaged, trainer.optimizer_g, trainer.optimizer_d
        )
        self.vitals = Vitals(game, trainer.data, self.recipe.batch_size)
        self._look_ahead()

    def run(self) -> None:
        """All steps, and what belongs before the first and after the last."""
        session, trainer = self.session, self.trainer
        if session.scorer.outdated:
            session.measure_best_again()
        if session.unmeasured:
            self.measure(known=self._measured_before())
        if session.step == 0:
            self.logbook.graph(trainer.generator, trainer.discriminator)
            self.show()
        with session.clock.running():
            trainer.fit(self.until, self.after_step)
        if session.saved_at != session.step:
            self.save()
        if session.step >= self.until:
            self.logbook.finished(session.step)

    def after_step(self, metrics: dict[str, Tensor] | None) -> bool:
        """What a step is followed by; False ends the training."""
        self.display.advance()
        if metrics:
            self.record(metrics)
        step = self.session.step
        with self.session.clock.paused():
            if step % self.recipe.grid_every == 0 or step == self.until:
                self.show()
            if self._in_turn:
                self.save()
        self._look_ahead()
        return self.worth_it and not self.stop.signal

    def record(self, metrics: dict[str, Tensor]) -> None:
        """Add a point to each curve."""
        values = dict(zip(metrics, torch.stack(list(metrics.values())).tolist(), strict=True))  # one wait for all
        self.trainer.check_metrics(values)
        step = self.session.step
        if step % self.recipe.log_every == 0:  # the last step may not be one of these
            self.session.scorer.record(values)
        speed = {"images_per_second": self._images_per_second()}
        self.logbook.scalars(step, values | self.trainer.learning_rates() | speed)
        self.display.losses({name: values[f"loss/{name}"] for name in "GD" if f"loss/{name}" in values})

    def show(self) -> None:
        """Write the sample grids and the vital signs, and show the fakes."""
        path, fake = self.logbook.grids(self.session.step, self.trainer.sampler)
        self.logbook.scalars(self.session.step, self.vitals.measure())
        if self.display.wants(self.session.step):
            self.display.show(self.session.folder, fake, path, self.session.step)

    def save(self) -> None:
        """Write a checkpoint, and only then measure it: what goes wrong in a score must not cost the steps before."""
        self.trainer.check_finite()
        step = self.session.step
        due = step > 0 and (self._in_turn or step == self.until)
        self.session.save(unmeasured=due)
        if due:
            self.measure()

    def measure(self, known: Collection[str] = ()) -> None:
        """Measure the newest checkpoint, keep its generator if it is the best, and write down that this was done.

        `known` are curves that have a point at this step already.
        """
        session, trainer = self.session, self.trainer
        scores = session.scorer.measure(trainer.sampler, session.step)
        points = {f"score/{name}": value for name, value in scores.items()}
        self.logbook.scalars(session.step, {name: value for name, value in points.items() if name not in known})
        if session.scorer.is_best(scores, in_turn=self._in_turn, eligible=trainer.grown):
            session.write_best()
        session.save(unmeasured=False)
        if self.watch:
            self.worth_it = self.watch(session.step, session.scorer.best.value)

    def _look_ahead(self) -> None:
        """Have the optimisers watched in the last two steps of each network before vital signs are taken."""
        step = self.session.step
        left = min(self.recipe.grid_every - step % self.recipe.grid_every, self.until - step)
        self.vitals.watch.on = 0 < left <= 2 * self.recipe.n_dis

    def _measured_before(self) -> set[str]:
        """Curves with a point at this step: a process may have ended just before it wrote that it had measured."""
        return {name for name, (steps, _) in read_scalars(self.session.folder).items() if self.session.step in steps}

    @property
    def _in_turn(self) -> bool:
        return self.session.step % self.recipe.save_every == 0

    def _images_per_second(self) -> float:
        """Since the point before."""
        (step, seconds), self.last_point = self.last_point, (self.session.step, self.session.clock.seconds)
        images = (self.last_point[0] - step) * self.recipe.batch_size
        return images / max(self.last_point[1] - seconds, 1e-9)
