"""One recipe on every kind of data at hand, after the same seconds of training: what it has learned.

    python benchmarks/own_data.py [SET …] [--seconds 120] [--count 10000]      nothing else may run meanwhile

Sets: those of MNIST and its like, the embedded digits, coloured digits (also by attribute, and the combination that
was never trained with), EMNIST's 47 letters and digits, CIFAR-10, and a folder of 3 × 120 photographs, which is made
here: crops of the pictures that scikit-learn and matplotlib bring along, in the formats, shapes and modes that people
have. (Crops overlap, so that its test pictures are no strangers.) A set that would have to be downloaded has a row that
says so.

Loading and measuring do not count. Every score stands beside that of real training images, and beside how many test
images the classifier reads right that it rests on. Prints a Markdown table; each row goes to benchmarks/results/ as
soon as it is there, in place of the row that it had.
"""

import argparse
import json
import os
import platform
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
import sklearn.datasets
import torch
from PIL import Image

from cgan_lib.data import ImageData, is_local, load_data
from cgan_lib.evaluation import Scores, evaluate, load_classifier
from cgan_lib.evaluation.classifier import read
from cgan_lib.evaluation.samples import enough
from cgan_lib.files import write_atomically
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.recipes import get_recipe
from cgan_lib.sampling import generate
from cgan_lib.training import Trainer

RESULTS = Path(__file__).resolve().parent / "results" / "own_data.json"
RECIPE = "relativistic"
PHOTOS = "photos"
SETS = {  # name: image_size
    "mnist": 28,
    "fashion_mnist": 28,
    "digits": 28,
    "coloured_digits": 28,
    "emnist/balanced": 28,
    "cifar10": 32,
    PHOTOS: 64,
}
HELD_OUT = "7 red"
DRAWN = 500  # of the combination that is held out
A_CLASS = 120
SUFFIXES = ("jpg", "png", "webp", "bmp", "gif", "tiff")
ROTATED, ORIENTATION = 6, 0x0112  # what a camera says that was held upright


def photographs() -> dict[str, Image.Image]:
    """A large picture for each class."""
    flower, temple = map(Image.fromarray, map(sklearn.datasets.load_sample_image, ("flower.jpg", "china.jpg")))
    with Image.open(Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")) as portrait:
        return {"a flower": flower, "a temple": temple, "a portrait": portrait.convert("RGB")}


def make_photos(root: Path) -> Path:
    """A folder of crops, a folder for each class: of several formats, shapes and modes, some turned by their EXIF."""
    rng = np.random.default_rng(0)
    for name, whole in photographs().items():
        (root / name).mkdir(parents=True)
        for number in range(A_CLASS):
            size = rng.integers(150, 280, 2)
            left, top = rng.integers(0, np.array(whole.size) - size)
            crop = whole.crop((left, top, left + size[0], top + size[1]))
            save(crop, root / name / f"{number}.{SUFFIXES[number % len(SUFFIXES)]}", turned=number % 12 == 0)
    return root


def save(picture: Image.Image, path: Path, turned: bool) -> None:
    """A picture as a file; `turned`: lying on its side, with the EXIF entry that says so (JPEG)."""
    exif = Image.Exif()
    if turned:
        picture, exif[ORIENTATION] = picture.transpose(Image.Transpose.ROTATE_90), ROTATED
    picture.save(path, exif=exif)


@contextmanager
def at_hand(name: str) -> Iterator[str | None]:
    """What `load_data` knows a set by; None when it would have to be downloaded."""
    if name != PHOTOS:
        yield name if is_local(name) else None
        return
    before = os.environ.get("CGAN_HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CGAN_HOME"] = folder  # so that no list of yours knows these pictures
        try:
            yield str(make_photos(Path(folder) / PHOTOS))
        finally:
            os.environ.pop("CGAN_HOME") if before is None else os.environ.update(CGAN_HOME=before)


def train(data: ImageData, size: int, seconds: float) -> tuple[Trainer, float]:
    """Train for so long: the trainer, and the seconds that it took."""
    trainer = Trainer(get_recipe(RECIPE, dataset=data.name, image_size=size), data)
    started = time.perf_counter()
    trainer.fit(10**9, lambda _: time.perf_counter() - started < seconds)
    return trainer, time.perf_counter() - started


def scored(scores: Scores) -> dict:
    """What a row has of scores."""
    names = ("as_requested", "worst_class", "coverage", "fid", "kid", "diversity", "as_requested_by_attribute")
    return {name: scores.to_dict()[name] for name in names}


def held_out(generator: ConditionalGenerator, data: ImageData) -> dict:
    """Percent of the combination that no training image shows read as it: as a whole, and in each attribute."""
    label = data.class_names.index(HELD_OUT)
    images = generate(generator, [label] * DRAWN, seed=1)
    predicted = read(load_classifier(data.name), images)[1].argmax(1).tolist()
    wanted, found = HELD_OUT.split(), [data.class_names[each].split() for each in predicted]
    right = {
        attribute: 100 * sum(each[place] == wanted[place] for each in found) / DRAWN
        for place, attribute in enumerate(data.attributes)
    }
    return {"name": HELD_OUT, "as_requested": 100 * predicted.count(label) / DRAWN, "by_attribute": right}


def measure(name: str, size: int, seconds: float, count: int) -> dict:
    """The row of one set."""
    with at_hand(name) as dataset:
        if dataset is None:
            return {"dataset": name, "at_hand": False}
        data = load_data(dataset, image_size=size)
        trainer, spent = train(data, size, seconds)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            scores = evaluate(trainer.sampler, dataset, count=enough(min(count, len(data)), data.num_classes))
        return {
            **dict(dataset=name, at_hand=True, classes=data.num_classes, channels=data.channels, image_size=size),
            **dict(images=len(data), seconds=round(spent, 1), steps=trainer.step, load=round(os.getloadavg()[0], 1)),
            **dict(count=scores.count, test_images=scores.real_count, classifier_accuracy=scores.classifier_accuracy),
            "fakes": scored(scores),
            "real": scored(scores.real),
            "held_out": held_out(trainer.sampler, data) if HELD_OUT in data.class_names else None,
            "warnings": [str(each.message) for each in said if each.category is UserWarning],
        }


def table(rows: list[dict]) -> str:
    """The rows as a Markdown table, real images in brackets; below it what attributes say."""
    head = ("data", "classes", "to train with", "steps", "classifier (%)", "as requested (%)", "coverage", "FID")
    nothing = f" | not at hand |{' |' * (len(head) - 2)}"
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
    lines += [line(row) if row["at_hand"] else f"| {row['dataset']}{nothing}" for row in rows]
    notes = [note for row in rows if row["at_hand"] for note in notes_of(row)]
    return "".join(f"{each}\n" for each in [*lines, "", *notes])


def line(row: dict) -> str:
    """One set as a line of the table."""
    pairs = [("as_requested", "{:.1f}"), ("coverage", "{:.2f}"), ("fid", "{:.1f}")]
    cells = [f"{form.format(row['fakes'][key])} ({form.format(row['real'][key])})" for key, form in pairs]
    what = f"{row['dataset']}, {row['image_size']}×{row['image_size']}{', colour' * (row['channels'] == 3)}"
    numbers = f"{row['classes']} | {row['images']:,} | {row['steps']:,} | {row['classifier_accuracy']:.1f}"
    return f"| {what} | {numbers} | {' | '.join(cells)} |"


def notes_of(row: dict) -> list[str]:
    """What is to be said of the attributes of a set."""
    real = row["real"]["as_requested_by_attribute"]
    notes = [
        f"{row['dataset']}: {name} as requested {value:.1f}% (real {real[name]:.1f}%)"
        for name, value in row["fakes"]["as_requested_by_attribute"].items()
    ]
    if held := row["held_out"]:
        each = ", ".join(f"{name} {value:.1f}%" for name, value in held["by_attribute"].items())
        notes.append(f"{row['dataset']}: {held['name']}, never seen: as requested {held['as_requested']:.1f}% ({each})")
    return notes


def keep(row: dict, facts: dict) -> None:
    """Put a row into the file of results, in place of the one of its set."""
    there = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {"rows": []}
    rows = {each["dataset"]: each for each in there["rows"]} | {row["dataset"]: row | facts}
    ordered = [rows[name] for name in SETS if name in rows]
    write_atomically(RESULTS, (json.dumps({"recipe": RECIPE, "rows": ordered}, indent=1) + "\n").encode())


def main() -> None:
    """Measure the sets asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=list(SETS), metavar="SET")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--count", type=int, default=10_000)
    options = parser.parse_args()
    machine = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()}-core CPU"
    facts = {"machine": machine, "torch": torch.__version__, "python": platform.python_version()}
    rows = []
    for name in options.sets:
        rows.append(measure(name, SETS[name], options.seconds, options.count))
        keep(rows[-1], facts if rows[-1]["at_hand"] else {})
    print(f"{RECIPE}, {options.seconds:g} s of training for each set, on a {machine}; real images in brackets\n")
    print(table(rows), end="")


if __name__ == "__main__":
    main()
