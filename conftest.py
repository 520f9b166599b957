"""Every test, notebooks included, runs in the `ci` profile and leaves the course's own folders alone."""

import os
import signal
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent
# Whole files go to the processes of `--numprocesses` in this order: the dearest first, lest one idle at the end
DEAREST = (
    "tests/test_docs.py",
    "tests/runs/test_resume.py",
    "notebooks/04_measuring_gans.ipynb",
    "tests/runs/test_best.py",
    "tests/browser/test_studio.py",
    "notebooks/02_dcgan64_instancenorm.ipynb",
    "notebooks/03_projection_hinge.ipynb",
    "notebooks/01_bce_cgan.ipynb",
    "notebooks/08_break_it_lab.ipynb",
    "notebooks/06_latent_studio.ipynb",
    "notebooks/07_serving_and_sharing.ipynb",
    "tests/package/test_wheel.py",
    "tests/tuning/test_study.py",
    "notebooks/05_tuning_with_optuna.ipynb",
    "tests/test_cli.py",
    "tests/browser/test_parts.py",
    "tests/browser/test_page.py",
    "tests/browser/test_jupyterlab.py",
    "tests/browser/test_accessibility.py",
    "tests/service/test_server.py",
    "tests/browser/test_site.py",
    "tests/runs/test_train.py",
    "tests/notebooks/test_kernel.py",
    "tests/test_training.py",
    "tests/weights/test_weights.py",
    "tests/contracts/test_registries.py",
)
_home = tempfile.TemporaryDirectory(prefix="cgan-tests-")

if "PYTEST_XDIST_WORKER" in os.environ:  # side by side, each must keep to a core of its own
    os.environ["OMP_NUM_THREADS"] = "1"
os.environ["CGAN_PROFILE"] = "ci"
os.environ["CGAN_HOME"] = _home.name
for name in ("NO_PROXY", "no_proxy"):  # what the tests start here is not asked for through a proxy
    os.environ[name] = "127.0.0.1,localhost," + os.environ.get(name, "")
for name in ("MAKEFLAGS", "MAKELEVEL"):  # a `make` that a test starts is not a part of the one that started the tests
    os.environ.pop(name, None)
for name, usual in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    # a job in the background ignores the first, one under nohup the second, and so would all that the tests start
    if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is signal.SIG_IGN:
        signal.signal(getattr(signal, name), usual)
if "CGAN_DATA" not in os.environ:  # MNIST that is here already need not be fetched
    for folder in (ROOT / "data", ROOT.parent / "shared" / "datasets"):
        if (folder / "MNIST").is_dir():
            os.environ["CGAN_DATA"] = str(folder)
            break


def pytest_collection_modifyitems(items):
    order = {name: number for number, name in enumerate(DEAREST)}
    items.sort(key=lambda item: order.get(item.nodeid.split("::")[0], len(order)))
