"""A study in a database: a real PostgreSQL server, which the tests start in a temporary folder."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from glob import glob
from pathlib import Path

import pytest

from cgan_lib import UserError
from cgan_lib.tuning import tune
from cgan_lib.tuning.storage import open_storage

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
WHERE = os.pathsep.join([os.environ.get("PATH", ""), *sorted(glob("/usr/lib/postgresql/*/bin"), reverse=True)])
SERVER_USER = "nobody" if hasattr(os, "geteuid") and os.geteuid() == 0 else None  # PostgreSQL refuses to run as root


@pytest.fixture(scope="module")
def database():
    """The address of an empty database on a server of its own, at a free port of this machine."""
    initdb, postgres = shutil.which("initdb", path=WHERE), shutil.which("postgres", path=WHERE)
    if not (initdb and postgres):
        pytest.skip("there is no PostgreSQL server here")
    with tempfile.TemporaryDirectory(prefix="cgan-postgres-") as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        data = Path(folder) / "data"
        data.mkdir()
        if SERVER_USER:
            for place in (Path(folder), data):
                shutil.chown(place, SERVER_USER)
        common = dict(user=SERVER_USER, cwd=folder, env={"PATH": WHERE, "LC_ALL": "C"}, stdout=subprocess.DEVNULL)
        made = [initdb, "-D", str(data), "--auth=trust", "--username=cgan", "--no-sync", "--encoding=UTF8"]
        subprocess.run(made, check=True, **common)
        serve = [postgres, "-D", str(data), "-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1"]
        with subprocess.Popen([*serve, "-c", "fsync=off"], stderr=subprocess.DEVNULL, **common) as server:
            try:
                wait = [shutil.which("pg_isready", path=WHERE), "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
                while subprocess.run(wait, stdout=subprocess.DEVNULL).returncode:
                    assert server.poll() is None, "the server ended"
                yield f"postgresql://cgan@127.0.0.1:{port}/postgres"
            finally:
                server.send_signal(signal.SIGINT)  # "fast": SIGTERM would wait until every client has gone


def test_processes_share_a_study_in_a_new_database_and_a_killed_one_is_taken_over(database, searchers, small, home):
    ways = dict(home=str(home), trials=3, storage=database, **small)
    assert searchers.search(moment="step:1:3", **ways) == [-9]
    assert searchers.search(at_once=2, **ways) == [0, 0]
    study = tune(trials=3, storage=database, **small)
    states = [trial.state.name for trial in study.trials]
    assert sorted(states) == ["COMPLETE"] * 3 + ["FAIL"]
    assert sorted(trial.user_attrs["run"] for trial in study.trials if trial.value) == [
        f"search-{number:03d}" for number in range(3)
    ]
    assert not list((home / "logs" / "studies").rglob("journal.log"))


def test_an_address_that_cannot_be_used_is_one_line_without_its_password(tmp_path):
    for url, said in {
        "postgresql://cgan:secret@127.0.0.1:1/postgres": "refused",
        "sqlite:///a.db": "leave storage out",
        "nowhere": "is no address",
        "oracle://cgan:secret@127.0.0.1/x": "no driver of oracle",
    }.items():
        with pytest.raises(UserError, match=said) as error:
            open_storage(tmp_path, url)
        assert "secret" not in str(error.value)
