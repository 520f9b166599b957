"""Importing the library stays light: what only a figure, a table or a download needs comes when it is needed."""

import json
import os
import subprocess
import sys

HEAVY = {"torchvision", "matplotlib", "tensorboard", "sklearn", "tyro", "IPython", "torchinfo", "onnx", "optuna"}


def test_importing_the_library_loads_nothing_heavy_beside_pytorch():
    code = "import cgan_lib, json, sys; print(json.dumps(sorted(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment).stdout
    assert HEAVY & set(json.loads(loaded)) == set()
