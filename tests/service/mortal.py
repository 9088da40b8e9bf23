"""A host that can be killed like a power cut, and started again on what it left behind."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from demo import stack
from tests.service import leaks


@dataclass
class Mortal:
    """A host that can be killed and started again on the same data folder and port."""

    home: Path
    port: int
    settings: dict[str, str]
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._host = stack.host(self.home, self.port, self.settings)
        self._process = self._host.__enter__()

    def kill(self) -> None:
        """SIGKILL for the whole process group, which is the host's own."""
        self.shoot()
        self.bury()

    def shoot(self) -> None:
        """SIGKILL, and nothing else: for a thread that must not wait."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)

    def bury(self) -> None:
        """Wait for the end of one that was shot."""
        assert self._process is not None
        self._process.wait()
        self._host.__exit__(None, None, None)

    @contextmanager
    def running(self) -> Iterator["Mortal"]:
        """Started, and ended afterwards; then nothing that is secret may be in its log."""
        self.start()
        try:
            yield self
        finally:
            self.stop()
        leaks.check(self.home, self.settings["AzureWebJobsStorage"])

    def stop(self) -> None:
        """End it, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._host.__exit__(None, None, None)
