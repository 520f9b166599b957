"""What a notebook needs before it begins; is everything here? And on Colab: install what is missing."""

import importlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distributions, requires, version
from pathlib import Path

import torch

from cgan_lib.course import progress
from cgan_lib.data import load_data
from cgan_lib.errors import UserError
from cgan_lib.figures import use_house_style
from cgan_lib.paths import home, make_folder
from cgan_lib.recipes import current_profile
from cgan_lib.training import pick_device, pick_precision

COURSE = Path(__file__).resolve().parents[2]
PYPROJECT = COURSE / "pyproject.toml"
EXTRAS = ("notebooks", "onnx", "tune", "service")  # of the package, that the cells of the notebooks need
KEEP_AS_THEY_ARE = ("torch", "torchvision", "numpy")  # Colab's own builds fit its GPUs


def set_up() -> None:
    """What every notebook begins with.

    On Colab, install what is missing. Figures appear below their cells, in our look. What is solved is kept. Programs
    that the notebook starts find the library where it did.
    """
    if "google.colab" in sys.modules:
        install_missing()
    use_house_style()
    progress.keep()
    others = [
        folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder not in ("", str(COURSE))
    ]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(COURSE), *others])


def requirements() -> list[str]:
    """What the library and the notebooks need, as pip reads it: of the checkout, or of the installed package."""
    from packaging.requirements import Requirement

    if sys.version_info >= (3, 11) and PYPROJECT.is_file():
        import tomllib

        project = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
        return sum((project["optional-dependencies"][extra] for extra in EXTRAS), project["dependencies"])
    try:
        declared = [Requirement(line) for line in requires("cgan_lib") or []]
    except PackageNotFoundError as error:
        raise UserError("the folder of the course is incomplete: clone it anew, or install it.") from error
    extras = [{"extra": extra} for extra in ("", *EXTRAS)]
    needed = [each for each in declared if not each.marker or any(map(each.marker.evaluate, extras))]
    return [str(each).split(";")[0] for each in needed]


def missing(lines: Iterable[str]) -> list[str]:
    """Those of some requirements that this Python has not got, without torch and numpy."""
    from packaging.requirements import Requirement

    lacking = []
    for line in lines:
        requirement = Requirement(line)
        if requirement.name in KEEP_AS_THEY_ARE:
            continue
        try:
            if requirement.specifier.contains(version(requirement.name), prereleases=True):
                continue
        except PackageNotFoundError:
            pass
        lacking.append(line)
    return lacking


def install_missing() -> None:
    """Install what the notebooks need and Colab has not got; whatever else is there stays at the version it has."""
    if not (lacking := missing(requirements())):
        return
    print("Installing", ", ".join(lacking), "…")
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "held_versions.txt"
        constraints.write_text("\n".join(held(lacking)), "utf-8")
        command = [sys.executable, "-m", "pip", "install", "--quiet", *lacking, "--constraint", str(constraints)]
        pip = subprocess.run(command, capture_output=True, text=True)
    if pip.returncode:
        raise UserError(f"pip could not install {', '.join(lacking)}: {pip.stderr.strip()}")
    importlib.invalidate_caches()


def held(lacking: Iterable[str]) -> list[str]:
    """Constraints for pip that hold every package that is here, but those that lack something, at its version."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    here: dict[str, str] = {}
    for found in distributions():
        here.setdefault(canonicalize_name(found.metadata["Name"] or ""), found.version)  # the first is the one in use
    free = {"", *(canonicalize_name(Requirement(line).name) for line in lacking)}
    return [f"{name}=={number}" for name, number in sorted(here.items()) if name not in free]


def check_environment() -> bool:
    """Print a line OK or FAIL for each thing the course needs, with the fix; True when all are OK."""
    everything = True
    for good, what in _checks():
        print("OK  " if good else "FAIL", what)
        everything &= good
    return everything


def _checks() -> Iterator[tuple[bool, str]]:
    yield sys.version_info >= (3, 10), f"Python {sys.version.split()[0]} (3.10 or newer)"
    yield tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 6), f"torch {torch.__version__} (2.6 or newer)"
    try:
        import torchvision

        torchvision.ops.nms  # noqa: B018 - fails when torchvision was built for another torch
        yield True, f"torchvision {torchvision.__version__}, built for this torch"
    except (ImportError, RuntimeError) as error:
        yield False, f"torchvision does not fit this torch ({error}): pip install --upgrade torch torchvision"
    lacking = missing(requirements())
    yield not lacking, f"other packages: {'pip install ' + ' '.join(lacking) if lacking else 'all there'}"
    device = pick_device()
    yield True, f"device {device}, precision {pick_precision('auto', device)}, profile {current_profile()}"
    try:
        real = load_data("mnist", train=False).name == "mnist"
        yield True, "data: real MNIST" if real else "data: offline, smaller digits stand in for MNIST"
    except UserError as error:
        yield False, str(error)
    try:
        for name in ("logs", "output_images"):
            make_folder(home() / name)
        yield True, "the folders logs/ and output_images/ can be written"
    except UserError as error:
        yield False, str(error)
