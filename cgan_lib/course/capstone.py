"""A published folder that was handed in: measured by the protocol of `evaluate`, and a certificate of it."""

import secrets
import textwrap
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isnan
from numbers import Integral
from pathlib import Path
from typing import Any

from cgan_lib.course.copying import Copied, copied
from cgan_lib.course.spreadsheet import as_csv_text
from cgan_lib.data import DATASETS, ImageData, is_known, is_local, load_data
from cgan_lib.errors import UserError, printable, shown
from cgan_lib.evaluation import Scores, evaluate, in_proportion
from cgan_lib.evaluation.samples import dataset_of, enough, generate_like
from cgan_lib.evaluation.scores import ROWS
from cgan_lib.models.layers import LONGEST_NAME, ConditionalGenerator
from cgan_lib.recipes import SAMPLES, current_profile
from cgan_lib.weights import CONFIG_FILES, PREFERRED, facts, load_generator

WEIGHTS, CONFIG, CARD = PREFERRED[0], CONFIG_FILES[0], "README.md"
MOST_SEED = 2**31
MOST_FID = 10.0  # times that of real pictures; a healthy training of minutes stays below, a collapse is far above
LEAST = {"coverage": 0.5, "as_requested": 0.9, "worst_class": 0.5, "gan_train": 0.8, "least_diverse": 0.5}  # of real's
MOST_COPIES = 25.0  # percent: five times as many as among new pictures
WIDTH = 80
UNITS = {"recipe": "", "steps": " steps", "seconds": " s"}
NEVER_SAID = (
    "Whether test pictures were trained with, too: the fingerprint is what the folder says, and no proof.",
    "Whether pictures are copies that were moved, mirrored or made noisy: look at samples.png.",
)
COLUMNS = ("folder", "data", "seed", "criterion", "score", "real", "bound", "verdict", "overall")


@dataclass(frozen=True)
class Criterion:
    """One line of a certificate, as text."""

    name: str
    score: str
    real: str
    """what real training pictures score by the same measurement"""
    bound: str
    verdict: str
    """passes, fails or undecided"""


@dataclass(frozen=True)
class Certificate:
    """What was measured of a published folder, and what it is worth."""

    folder: Path
    data: str
    """the name of the data set"""
    seed: int
    about: tuple[tuple[str, str], ...]
    """what is known of the generator: name → value"""
    criteria: tuple[Criterion, ...]
    """the first: whether the pictures are those that it learned from"""
    notes: tuple[str, ...]
    """what the scores cannot say"""

    @property
    def name(self) -> str:
        return printable(str(self.folder))

    def title(self) -> str:
        """Head of the certificate."""
        return f"Certificate of {self.name}"

    def total(self) -> str:
        """All of it in one line: passed, not passed, or not decided, and what stands against it."""
        if self.criteria[0].verdict == "fails":
            return "none: these are not the pictures that it learned from"
        for verdict, overall in (("fails", "not passed"), ("undecided", "not decided")):
            if names := [each.name.strip(" ↑↓") for each in self.criteria if each.verdict == verdict]:
                return f"{overall}: {'; '.join(names)}"
        return "passed"

    def rows(self) -> Iterator[tuple[str | int, ...]]:
        """For each criterion what COLUMNS name."""
        for each in self.criteria:
            measured = (each.name.strip(), each.score, each.real, each.bound, each.verdict)
            yield (self.name, self.data, self.seed, *measured, self.total())

    def table(self) -> str:
        """The certificate as plain text, no wider than 80 columns."""
        known = [_wrapped(f"{name:<11}{value}", 11) for name, value in self.about]
        rows = [("criterion", "score", "real", "passes at", "verdict")]
        rows += [(each.name, each.score, each.real, each.bound, each.verdict) for each in self.criteria]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        notes = [_wrapped(f"- {note}", 2) for note in self.notes]
        head = ["", "What these scores cannot say:"] if notes else []
        return "\n".join([*known, "", *lines, "", _wrapped(f"verdict: {self.total()}", 9), *head, *notes])


def certify(folder: str | Path, dataset: str | None = None, seed: int | None = None) -> Certificate:
    """Measure the generator of a published folder, on latents of a `seed` that nobody could prepare for.

    `dataset` (default: what the folder says that it learned from) is a name or a path; without a `seed` one is drawn.
    Nothing is written into the folder, and no code of it is run. `UserError` for a folder that is not whole, for data
    that are not here, and for a generator that does not fit them.
    """
    folder, seed = _whole(Path(folder)), check_seed(fresh_seed() if seed is None else seed)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", UserWarning)
        generator, said = load_generator(folder), facts(folder / WEIGHTS)
        name = _learned_from(generator) if dataset is None else dataset
        training = load_data(name, image_size=generator.config["image_size"])
        test = load_data(training.name, train=False, image_size=training.image_size)
        scores, copies = measure(generator, training, test, seed)
    same, reason = same_pictures(generator, said.get("fingerprint", ""), training)
    lines = (same, *criteria(scores, copies))
    notes = [reason, *(str(each.message) for each in warned), *scores.doubts(), copies.unknown, *NEVER_SAID]
    about = tuple(_about(folder, generator, training, test, said, scores, seed))
    return Certificate(folder, training.name, seed, about, lines, tuple(dict.fromkeys(filter(None, notes))))


def _learned_from(generator: ConditionalGenerator) -> str:
    """The data set that a stranger's folder names; `UserError` unless it is here, or a small one of the course.

    Of tens of gigabytes, nobody has them fetched by a name in a file.
    """
    name = generator.dataset
    if not name:
        raise UserError("the folder does not say what it learned from: name the data, --dataset NAME or PATH.")
    if is_known(name) and name not in DATASETS and not is_local(name):
        raise UserError(f"the folder says that it learned from {name}, which may be large: agree, --dataset {name}.")
    return dataset_of(generator, None)


def fresh_seed() -> int:
    """A seed that nobody knew before, short enough to be typed."""
    return secrets.randbelow(1_000_000)


def check_seed(seed: Any) -> int:
    """`seed` itself; `UserError` unless it is a whole number that every generator of random numbers takes."""
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= int(seed) < MOST_SEED:
        raise UserError(f"seed {shown(seed, 30)} must be a whole number from 0 to {MOST_SEED - 1:,}.")
    return int(seed)


def measure(generator: ConditionalGenerator, training: ImageData, test: ImageData, seed: int) -> tuple[Scores, Copied]:
    """Its scores, with GAN-train, and how much it copies, from the same fakes.

    There are as many as the profile says, but no more than training pictures, which are measured in their place: FID
    compares at equal counts only.
    """
    count = enough(min(SAMPLES[current_profile()], len(training)), test.num_classes)
    scores = evaluate(generator, training.name, count=count, seeds=1, seed=seed, gan_train=True)
    fakes = generate_like(generator, test, count, seed)
    return scores, copied(fakes, training, in_proportion(test, count))


def criteria(scores: Scores, copies: Copied) -> Iterator[Criterion]:
    """Each score that counts, beside that of real pictures and the least, or most, that passes."""
    assert scores.real
    yield _criterion("fid", scores.fid, scores.real.fid, MOST_FID, at_most=True)
    for name, part in LEAST.items():
        yield _criterion(name, getattr(scores, name), getattr(scores.real, name), part)
        if name == "as_requested":
            for attribute, right in scores.as_requested_by_attribute.items():
                real = scores.real.as_requested_by_attribute[attribute]
                yield _criterion(name, right, real, part, title=f"  {attribute[:20]}")
    verdict = "undecided" if copies.unknown else "fails" if copies.percent > MOST_COPIES else "passes"
    percents = ("–", "–") if copies.unknown else (f"{copies.percent:.1f}%", f"{copies.real:.1f}%")
    yield Criterion("copies ↓", *percents, f"at most {MOST_COPIES:.1f}%", verdict)


def _criterion(
    field: str, score: float, real: float, part: float, *, at_most: bool = False, title: str = ""
) -> Criterion:
    form = ROWS[field][1]
    bound, limit = part * real, "at most" if at_most else "at least"
    passes = score <= bound if at_most else score >= bound
    verdict = "undecided" if isnan(score) or isnan(real) else "passes" if passes else "fails"
    texts = ["–" if isnan(value) else form.format(value) for value in (score, real, bound)]
    return Criterion(title or ROWS[field][0].strip(), texts[0], texts[1], f"{limit} {texts[2]}", verdict)


def same_pictures(generator: ConditionalGenerator, fingerprint: str, training: ImageData) -> tuple[Criterion, str]:
    """Whether the training pictures are those that the generator learned from, and why not, or why nobody knows."""
    names, here = generator.class_names, tuple(name[:LONGEST_NAME] for name in training.class_names)
    unnamed = tuple(map(str, range(len(names))))
    answer, verdict, reason = "yes", "passes", ""
    if names not in (here, unnamed):
        answer, verdict = "no", "fails"
        reason = f"Its classes are {_listed(names)}; those of {training.name} are {_listed(here)}."
    elif not fingerprint:
        answer, verdict = "not stated", "undecided"
        reason = "Which pictures it learned from, the folder does not say: publish(run, folder) writes it."
    elif fingerprint != training.fingerprint:
        answer, verdict = "no", "fails"
        reason = (
            f"It learned from pictures with the fingerprint {shown(fingerprint, 20)}; those of {training.name} have "
            f"{training.fingerprint}. Name the right ones with --dataset. (Another version of Pillow may read JPEGs a "
            "little differently: then measure where it was trained.)"
        )
    return Criterion("same pictures", answer, "–", "yes", verdict), reason


def _about(
    folder: Path,
    generator: ConditionalGenerator,
    training: ImageData,
    test: ImageData,
    said: dict[str, str],
    scores: Scores,
    seed: int,
) -> Iterator[tuple[str, str]]:
    size = generator.config["image_size"]
    yield "folder", printable(folder.resolve().name)
    yield "data", f"{training.name}: {len(training):,} pictures to learn from, {len(test):,} to test with"
    yield "classes", f"{len(generator.class_names)}: {_listed(generator.class_names)}"
    yield "draws", f"{size}×{size} {'in colour' if training.channels == 3 else 'grey'}"
    if trained := [f"{printable(said[name])[:30]}{unit}" for name, unit in UNITS.items() if name in said]:
        yield "trained", f"{', '.join(trained)} (as the folder says)"
    yield "seed", f"{seed} (again: --seed {seed})"
    yield "measured", f"{scores.count:,} drawn pictures, beside {scores.real_count:,} test pictures"


def _listed(names: Iterable[str]) -> str:
    return textwrap.shorten(", ".join(names), 120, placeholder=" …")


def _wrapped(text: str, indent: int) -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False)


def _whole(folder: Path) -> Path:
    missing = [name for name in (WEIGHTS, CONFIG, CARD) if not (folder / name).is_file()]
    if missing:
        raise UserError(f"{folder} is no whole published folder (missing: {', '.join(missing)}): publish it anew.")
    return folder


def certificates_as_csv(certificates: Iterable[Certificate]) -> str:
    """A line for each folder and criterion."""
    return as_csv_text(COLUMNS, (row for certificate in certificates for row in certificate.rows()))
