"""What a run writes and shows at a step: points of its curves, grids, vital signs."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

from cgan_lib import parallel
from cgan_lib.runs.live import Display
from cgan_lib.runs.logbook import Logbook, read_scalars
from cgan_lib.runs.session import Session
from cgan_lib.runs.vitals import Game, Vitals


@contextmanager
def recording(session: Session, until: int, live: bool) -> Iterator["Recorder | None"]:
    """The recorder of a run up to step `until`; None in all processes of a training but the first, which records."""
    if not parallel.is_first():
        yield None
        return
    data = session.trainer.data
    with (
        closing(Logbook(session.folder, session.pictures, session.recipe, data, session.step)) as logbook,
        closing(Display(session.recipe, session.step, until, data.class_names if live else None)) as display,
    ):
        yield Recorder(session, until, logbook, display)


class Recorder:
    """Records one session to the logbook and shows it in the display."""

    def __init__(self, session: Session, until: int, logbook: Logbook, display: Display):
        self.session, self.until, self.logbook, self.display = session, until, logbook, display
        self.recipe, self.trainer = session.recipe, session.trainer
        self.last_point = (session.step, session.clock.seconds)
        trainer = self.trainer
        game = Game(
            trainer.generator, trainer.discriminator, trainer.averaged, trainer.optimizer_g, trainer.optimizer_d
        )
        self.vitals = Vitals(game, trainer.data, self.recipe.batch_size // parallel.size())
        self.look_ahead()

    def begin(self) -> None:
        """What a run shows before its first step."""
        self.logbook.graph(self.trainer.generator, self.trainer.discriminator)
        self.show()

    def advance(self) -> None:
        """Show that a step is done."""
        self.display.advance()

    def point(self, values: dict[str, float]) -> None:
        """Add a point to each curve."""
        speed = {"images_per_second": self._images_per_second()}
        self.logbook.scalars(self.session.step, values | self.trainer.learning_rates() | speed)
        self.display.losses({name: values[f"loss/{name}"] for name in "GD" if f"loss/{name}" in values})

    def show(self) -> None:
        """Write the sample grids and the vital signs, and show the fakes."""
        path, fake = self.logbook.grids(self.session.step, self.trainer.sampler)
        self.logbook.scalars(self.session.step, self.vitals.measure())
        if self.display.wants(self.session.step):
            self.display.show(self.session.folder, fake, path, self.session.step)

    def scores(self, scores: Mapping[str, float], *, again: bool) -> None:
        """Add scores to their curves; `again`: those that have no point at this step yet.

        A process may have ended just before it wrote that it had measured.
        """
        points = {f"score/{name}": value for name, value in scores.items()}
        known = self._measured_before() if again else ()
        self.logbook.scalars(self.session.step, {name: value for name, value in points.items() if name not in known})

    def look_ahead(self) -> None:
        """Have the optimisers watched in the last two steps of each network before vital signs are taken."""
        step = self.session.step
        left = min(self.recipe.grid_every - step % self.recipe.grid_every, self.until - step)
        self.vitals.watch.on = self.trainer.watched = 0 < left <= 2 * self.recipe.n_dis

    def finish(self) -> None:
        """Note that the run has come to its end."""
        self.logbook.finished(self.session.step)

    def _measured_before(self) -> set[str]:
        curves = read_scalars(self.session.folder)
        return {name for name, (steps, _) in curves.items() if self.session.step in steps}

    def _images_per_second(self) -> float:
        """Since the point before."""
        (step, seconds), self.last_point = self.last_point, (self.session.step, self.session.clock.seconds)
        images = (self.last_point[0] - step) * self.recipe.batch_size
        return images / max(self.last_point[1] - seconds, 1e-9)
