"""Is everything here that the course needs? And on Colab: install what is missing."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import torch

from cgan_lib.data import load_data
from cgan_lib.errors import UserError
from cgan_lib.paths import home, make_folder
from cgan_lib.recipes import current_profile
from cgan_lib.training import pick_device, pick_precision

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
EXTRAS = ("notebooks", "onnx", "service")  # of the package, that the cells of the notebooks need
KEEP_AS_THEY_ARE = ("torch", "torchvision", "numpy")  # Colab's own builds fit its GPUs


def requirements() -> list[str]:
    """What the library and the notebooks need, as pip reads it: of the checkout, or of the installed package."""
    from packaging.requirements import Requirement

    if sys.version_info >= (3, 11) and PYPROJECT.is_file():
        import tomllib

        project = tomllib.loads(PYPROJECT.read_text())["project"]
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
    """Install what the notebooks need and Colab has not got; torch, torchvision and numpy stay as they are."""
    if not (lacking := missing(requirements())):
        return
    print("Installing", ", ".join(lacking), "…")
    held = "\n".join(f"{name}=={version(name)}" for name in KEEP_AS_THEY_ARE)
    constraints = home() / "logs" / "held_versions.txt"
    make_folder(constraints.parent)
    constraints.write_text(held)
    command = [sys.executable, "-m", "pip", "install", "--quiet", *lacking, "--constraint", str(constraints)]
    if subprocess.run(command).returncode:
        raise UserError(f"pip could not install {', '.join(lacking)}: see its message above.")


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
