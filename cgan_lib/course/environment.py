"""Is everything here that the course needs? And on Colab: install what is missing."""

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from cgan_lib.data import load_data
from cgan_lib.errors import UserError
from cgan_lib.paths import home, make_folder
from cgan_lib.recipes import current_profile
from cgan_lib.training import pick_device, pick_precision

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements.txt"
LOCAL_ONLY = "# not needed on Colab"  # requirements after this line are for JupyterLab and the tests
KEEP_AS_THEY_ARE = ("torch", "torchvision", "numpy")  # Colab's own builds fit its GPUs


def missing(requirements: str) -> list[str]:
    """The lines of a requirements file that this Python has not got, without torch and numpy."""
    from packaging.requirements import Requirement

    lacking = []
    for line in requirements.split(LOCAL_ONLY)[0].splitlines():
        if not (line := line.split("#")[0].strip()):
            continue
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
    if not (lacking := missing(REQUIREMENTS.read_text())):
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
    lacking = missing(REQUIREMENTS.read_text()) if REQUIREMENTS.is_file() else []
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
