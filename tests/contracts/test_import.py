"""Importing the library stays light: what only a figure, a widget or a download needs comes when it is needed."""

import json
import os
import subprocess
import sys

HEAVY = {"torchvision", "matplotlib", "tensorboard", "sklearn", "tyro", "IPython", "torchinfo"}
NOT_ON_COLAB = {
    "anywidget",
    "torchmetrics",
    "onnx",
    "onnxruntime",
    "optuna",
}  # the set-up cell imports us to install these


def test_importing_the_library_loads_nothing_heavy_beside_pytorch_and_nothing_that_colab_has_not_got():
    code = "import cgan_lib, json, sys; print(json.dumps(sorted(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment).stdout
    assert (HEAVY | NOT_ON_COLAB) & set(json.loads(loaded)) == set()
