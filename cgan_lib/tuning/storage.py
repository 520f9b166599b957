"""Where a study is kept: in a journal file for the processes of one machine, in a database for several machines."""

import time
from pathlib import Path
from typing import Any, cast

import sqlalchemy
from filelock import FileLock
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalFileBackend

from cgan_lib.errors import UserError, shown
from cgan_lib.files import first_line
from cgan_lib.paths import make_folder, short

BEAT, PATIENCE = 30, 120  # seconds: how often a machine says that it lives, and how long it is believed
TRIES = 5  # of two processes that lay out a new database at once, one fails and has to look again


def open_storage(folder: Path, url: str | None) -> BaseStorage:
    """The journal in `folder`, or the database at `url`; `UserError` where it cannot be read."""
    return _journal(folder / "journal.log") if url is None else _database(url)


def _journal(path: Path) -> JournalStorage:
    make_folder(path.parent)
    lock = FileLock(f"{path}.lock")  # the system lets go of it when its process is killed
    with lock:
        _cut_torn_line(path)
    try:
        return JournalStorage(JournalFileBackend(str(path), cast(Any, lock)))
    except (ValueError, KeyError, AssertionError) as error:
        raise UserError(f"{short(path)} cannot be read ({first_line(error)}): name another study.") from error


def _cut_torn_line(path: Path) -> None:
    """Drop a last line that a full disk, or the end of a process, broke off: what is appended would be lost with it."""
    content = path.read_bytes() if path.exists() else b""
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with open(path, "r+b") as file:
            file.truncate(whole)


def _database(url: str) -> RDBStorage:
    address = check_address(url)
    for more in range(TRIES - 1, -1, -1):
        try:
            return RDBStorage(
                address.render_as_string(hide_password=False),
                heartbeat_interval=BEAT,
                grace_period=PATIENCE,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(inherit_intermediate_values=True),
            )
        except ImportError as error:
            extra = "postgres" if address.get_backend_name() == "postgresql" else "tune"
            raise UserError(
                f'no driver of {address.drivername} is here: pip install "cgan_lib[{extra}]", or one that fits.'
            ) from error
        except (sqlalchemy.exc.SQLAlchemyError, StorageInternalError) as error:
            if not more or isinstance(error, sqlalchemy.exc.OperationalError):
                reason = first_line(getattr(error, "orig", None) or error)
                raise UserError(f"the study cannot be kept in {address!r} ({reason}): check the address.") from error
            time.sleep(0.2 * (TRIES - more))
    raise AssertionError("unreachable")


def check_address(url: str) -> sqlalchemy.URL:
    """`url` with a driver of ours; its `repr` hides the password. `UserError` for what is no address, and SQLite."""
    try:
        address = sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        raise UserError(
            f"storage {shown(url)} is no address of a database: write postgresql://user@host/database."
        ) from error
    if address.get_backend_name() == "sqlite":
        raise UserError("SQLite fails when two processes begin at once: leave storage out, for a journal file.")
    return address.set(drivername="postgresql+psycopg") if address.drivername == "postgresql" else address
