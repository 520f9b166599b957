"""Install the course into the environment of the Python that runs this, with the PyTorch that fits the machine.

The package index has, for Linux, only builds of PyTorch with CUDA: gigabytes, also where there is no GPU. PyTorch's own
index has all of them, and uv knows where, and which fits. Where it cannot be reached, pip takes what it finds.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
AT_ONCE = {"UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "10"}  # for the question whether the index is there


def main() -> int:
    if sys.platform == "linux" and not find_spec("torch") and not fitting_torch():
        print("PyTorch's own index cannot be reached: taking the package index's build, with CUDA (a few gigabytes).")
    return subprocess.run([*PIP, "install", "--requirement", "requirements.txt"], cwd=ROOT).returncode


def fitting_torch() -> bool:
    """Install PyTorch for the GPU of this machine, or for its CPU alone; False when that cannot be had."""
    with TemporaryDirectory() as folder:
        if subprocess.run([*PIP, "install", "--target", folder, "uv"], stderr=subprocess.DEVNULL).returncode:
            return False
        uv = [f"{folder}/bin/uv", "pip", "install", "--quiet", "--python", sys.executable, "--torch-backend=auto"]
        wanted = ["torch", "torchvision"]
        asked = subprocess.run([*uv, "--dry-run", *wanted], env=os.environ | AT_ONCE, stderr=subprocess.DEVNULL)
        return asked.returncode == 0 and subprocess.run([*uv, *wanted]).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
