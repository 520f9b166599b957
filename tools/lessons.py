"""Lesson plans, minute by minute, built on the exercises of the notebooks; docs/teaching.md quotes them."""

from dataclasses import dataclass

from cgan_lib.course.exercises import EXERCISES


@dataclass(frozen=True)
class Part:
    """A part of a lesson: so many minutes besides those of its exercises."""

    minutes: int
    what: str
    exercises: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """In minutes."""
        return self.minutes + sum(EXERCISES[name].minutes for name in self.exercises)


@dataclass(frozen=True)
class Plan:
    """The parts of a lesson, in order, and what learners do by themselves afterwards."""

    parts: tuple[Part, ...]
    homework: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """In minutes, without homework."""
        return sum(part.length for part in self.parts)

    def table(self) -> str:
        """A line for each part, with the time since the beginning."""
        lines = ["| from | minutes | what | exercises (minutes) |", "|---:|---:|---|---|"]
        at = 0
        for part in self.parts:
            lines.append(f"| {_clock(at)} | {part.length} | {part.what} | {_named(part.exercises)} |")
            at += part.length
        lines.append(f"| {_clock(at)} | | **end** | |")
        if self.homework:
            minutes = sum(EXERCISES[name].minutes for name in self.homework)
            lines.append(f"| | {minutes} | at home | {_named(self.homework)} |")
        return "\n".join(lines)


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02d}"


def _named(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}` ({EXERCISES[name].minutes})" for name in names)


GAME = Part(10, "The game without a computer: one draws digits, one who knows real ones judges; change roles")
START = Part(8, "00: set-up, the data as tensors, a first run, TensorBoard", ("numbers_in_image", "scaled_pixels"))
LOSS = Part(10, "01, part 1: one objective, two losses; predict the gradient where D is sure", ("nonsaturating",))
BEST = Part(5, "01, part 2: what the best D would say", ("best_discriminator",))
MODES = Part(7, "01: a ring of eight Gaussians; watch modes get lost, and count them", ("modes",))
D_STEP = Part(5, "01: a step of D on paper first: what moves, what must not", ("discriminator_step",))
G_STEP = Part(3, "01: a step of G", ("generator_step",))
TRAIN = Part(10, "Train with your own steps, TensorBoard beside it; while it runs: where will it fail first?")
STYLE = Part(3, "01: digits on request", ("one_style_ten_digits",))
CLOSE = Part(7, "`course_status()`; each pair says one thing that surprised it; three questions of the quiz")
BREAK = Part(15, "Break")
LAB = ("diagnosis A", "diagnosis B", "diagnosis C", "mended A")

PLANS = {
    "lab": Plan((GAME, START, LOSS, BEST, D_STEP, G_STEP, TRAIN, STYLE, CLOSE), ("modes", "mended_step")),
    "day": Plan(
        (
            *(GAME, START, LOSS, BEST, MODES, BREAK, D_STEP, G_STEP),
            Part(3, "01: the same, broken; find out why", ("mended_step",)),
            *(TRAIN, STYLE),
            Part(60, "Lunch"),
            Part(10, "02: what changes at 64×64; read four pairs of curves", ("curve_reading",)),
            Part(5, "02: one block of the generator", ("up_block",)),
            Part(10, "04: from crowds to one number", ("frechet",)),
            Part(5, "04: what a score does not see", ("precision", "swapped_labels")),
            BREAK,
            Part(5, "04: pairs compete: fool the scores", ("cheat",)),
            Part(30, "08: faults hidden in runs; pairs name three of them and mend one", LAB),
            Part(15, "06: play with the sliders; show the strangest digit"),
            CLOSE,
        ),
    ),
    "lesson-1": Plan(
        (GAME, START, LOSS, BEST, Part(5, "01: the value of the game is a divergence", ("divergence",)), MODES),
        ("wasserstein", "ring_setting"),
    ),
    "lesson-2": Plan(
        (
            *(Part(5, "Questions from home"), D_STEP, G_STEP),
            Part(3, "01: the same, broken; find out why", ("mended_step",)),
            Part(3, "01: where the label gets in", ("label_planes",)),
            *(TRAIN, STYLE, CLOSE),
        ),
        ("training_loop", "generator_forward", "mended_batches", "mended_loss", "mended_samples", "own_generator"),
    ),
    "lesson-3": Plan(
        (
            Part(10, "The generators from home, side by side: GAN-test, size, and how each was found"),
            Part(5, "02: why the first weights matter", ("dcgan_init",)),
            Part(5, "02: one block of the generator", ("up_block",)),
            Part(5, "02: norms, and what they take away", ("instance_norm", "deaf_to_z")),
            Part(10, "02: read the curves", ("curve_reading",)),
            CLOSE,
        ),
        ("weight_counts", "fade_in", "share_of_z", "doubling", "erased_label", "batch_norm", "start_scale"),
    ),
    "lesson-4": Plan(
        (
            Part(5, "Questions from home"),
            Part(10, "03: a score from log p(y given x)", ("projection_head",)),
            Part(5, "03: what hinge wants of a logit", ("hinge", "hinge_optimum")),
            Part(5, "03: how steep may D be?", ("power_iteration",)),
            CLOSE,
        ),
        ("pair_loss", "stretch", "spectral_layer", "relativistic", "r1", "r2", "lazy", "average", "rates", "damping"),
    ),
    "lesson-5": Plan(
        (
            Part(5, "Questions from home"),
            Part(10, "04: from crowds to one number", ("frechet",)),
            Part(5, "04: balls round real images", ("precision", "coverage")),
            Part(5, "04: what a score does not see", ("swapped_labels",)),
            Part(5, "04: pairs compete: fool the scores", ("cheat",)),
            CLOSE,
        ),
        ("fid", "gan_test", "confusion", "interval", "copied", "two_sets", "fair_ranking", "held_out", "own_metric"),
    ),
    "lesson-6": Plan(
        (
            Part(25, "08: faults hidden in runs; pairs name three of them and mend one", LAB),
            Part(30, "The open tasks of the last weeks, five minutes each: idea, score, what went wrong"),
            Part(15, "The quiz, alone and on paper; then its key, together"),
        ),
        ("slerp", "mean_difference", "finder", "bolder", "passes", "client", "next_pass"),
    ),
}
