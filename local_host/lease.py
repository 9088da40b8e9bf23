"""Which host a task hub belongs to, so that two never write to it.

The file of the hub holds one row: the epoch (how many hosts have had the hub), its owner, and a heartbeat. Every
transaction looks first whether the epoch is still the host's own: a host that was stopped, and continued after another
had taken the hub over, can write nothing more.

A host that has ended is known by its lock on one byte of the lock file, the byte of its epoch: the operating system
drops it with the process. One that lives but is silent for ``LEASE_SECONDS`` loses the hub to the next that asks. No
clocks are compared, the one that asks listens for the heartbeat itself.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from pathlib import Path
from typing import IO

from local_host import logs
from local_host.errors import TaskHubInUseError, TaskHubLostError

LEASE_SECONDS = 6.0
RENEW_SECONDS = 1.5

_LISTEN_SECONDS = 0.1
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS lease (one INTEGER PRIMARY KEY CHECK (one = 1), "
    "epoch INTEGER NOT NULL, owner TEXT NOT NULL, heartbeat INTEGER NOT NULL)"
)


class Lease:
    """A claim to a task hub. It ends with the process, with ``release``, or when another host takes the hub over."""

    def __init__(self, path: Path, epoch: int, file: IO[bytes]) -> None:
        self._path = path
        self._epoch = epoch
        self._file = file

    def check(self, db: sqlite3.Connection) -> None:
        """Raise TaskHubLostError when another host has the hub; asked within a transaction, the answer holds for it."""
        epoch, owner = db.execute("SELECT epoch, owner FROM lease").fetchone()
        if epoch != self._epoch:
            raise TaskHubLostError(str(self._path), owner)

    def renew(self, db: sqlite3.Connection) -> None:
        """Give a sign of life, within a transaction."""
        db.execute("UPDATE lease SET heartbeat=heartbeat+1")

    def release(self) -> None:
        """Let the next host have the hub at once."""
        self._file.close()


async def claim(path: Path) -> Lease:
    """Take the task hub of that file, from a host that has ended or is silent. Raises TaskHubInUseError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.with_suffix(".lock").open("a+b")
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        return Lease(path, await _claim(path, db, file), file)
    except BaseException as error:
        file.close()
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            raise TaskHubInUseError(str(path), "a process that is writing to it") from error
        raise
    finally:
        db.close()


async def _claim(path: Path, db: sqlite3.Connection, file: IO[bytes]) -> int:
    db.execute(_SCHEMA)
    db.execute("INSERT OR IGNORE INTO lease VALUES (1, 0, 'nobody', 0)")
    epoch, owner, heartbeat = _row(db)
    if not _lock(file, epoch):
        logs.event("hub.held", hub=str(path), owner=owner)
        await _listen(path, db, epoch, heartbeat)
    db.execute("BEGIN IMMEDIATE")
    if _row(db) != (epoch, owner, heartbeat) or not _lock(file, epoch + 1):
        db.execute("ROLLBACK")
        raise TaskHubInUseError(str(path), _row(db)[1])
    db.execute("UPDATE lease SET epoch=?, owner=?", (epoch + 1, f"process {os.getpid()}"))
    db.execute("COMMIT")
    return epoch + 1


async def _listen(path: Path, db: sqlite3.Connection, epoch: int, heartbeat: int) -> None:
    """Return when the owner has been silent for a lease's time. Raises TaskHubInUseError when it is not."""
    for _ in range(round(LEASE_SECONDS / _LISTEN_SECONDS)):
        await asyncio.sleep(_LISTEN_SECONDS)
        epoch_now, owner, heartbeat_now = _row(db)
        if (epoch_now, heartbeat_now) != (epoch, heartbeat):
            raise TaskHubInUseError(str(path), owner)


def _row(db: sqlite3.Connection) -> tuple[int, str, int]:
    row: tuple[int, str, int] = db.execute("SELECT epoch, owner, heartbeat FROM lease").fetchone()
    return row


def _lock(file: IO[bytes], epoch: int) -> bool:
    """Lock the epoch's byte until the file is closed; tell whether nobody else has it."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, epoch)
    except OSError:
        return False
    return True
