"""The whole service on this machine: database, Azurite, and the app on the embedded host."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo import azurite_server, databases, processes
from local_host.keys import load_keys
from shared.settings.development_key import data_folder, development_key
from shared.settings.environment import DEVELOPMENT, STAGE, without_platform

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Stack:
    """A running service. ``host`` is the embedded host's process; its children are in its process group."""

    base_url: str
    home: Path
    source_url: str
    storage: str
    azurite_pid: int
    host: "subprocess.Popen[bytes]"

    @property
    def api(self) -> str:
        return f"{self.base_url}/api"


def home_from(environment: Mapping[str, str]) -> Path:
    """Where state lives: ``SLUICE_HOME``, or ``.sluice`` in the project."""
    return data_folder(environment)


WORKER_MEMORY = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "67108864",
}
"""How a worker keeps memory: one heap for Arrow and all threads, with blocks used again, not given back.

Fresh memory has to be cleared by the system, page by page: that is a tenth of the time of an encoding.
"""


def port_from(environment: Mapping[str, str], variable: str, default: int | None) -> int | None:
    """A port from the environment. Raises ``StartFailed`` for what is none."""
    text = environment.get(variable, "")
    if not text:
        return default
    if not text.isdecimal() or not 1 <= int(text) <= 65_533:
        raise processes.StartFailed(f"{variable}={text} is not a port; give a number from 1 to 65533")
    return int(text)


def app_settings(home: Path, port: int, storage: str, source_url: str) -> dict[str, str]:
    """The app's settings for a local run; variables that are set already win."""
    settings = {
        "AzureWebJobsStorage": storage,
        "SOURCE_URL": source_url,
        "AUTH_MODE": "dev",
        "LINK_SIGNING_KEY": development_key(home),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "MAIL_TRANSPORT": "outbox",
        "MAIL_OUTBOX_DIR": str(home / "outbox"),
        "RETENTION_SCHEDULE": "0 */10 * * * *",
        "WATCHDOG_SCHEDULE": "0 * * * * *",
        "SCHEDULER_SCHEDULE": "0 * * * * *",
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "PYTHON_THREADPOOL_THREAD_COUNT": "2",
        **WORKER_MEMORY,
    }
    return settings | {name: os.environ[name] for name in settings if os.environ.get(name)}


def bare_settings(storage: str) -> dict[str, str]:
    """Settings of the app for programs that work on its storage, and call nothing else."""
    return {
        STAGE: DEVELOPMENT,
        "AzureWebJobsStorage": storage,
        "SOURCE_URL": "sqlite:///none",
        "LINK_SIGNING_KEY": secrets.token_urlsafe(32),
    }


@contextmanager
def source(home: Path, kind: str) -> Iterator[str]:
    """The demo database, made unless it is there; a PostgreSQL server runs meanwhile. Gives its URL."""
    if kind == "sqlite":
        yield databases.ensure_sqlite(home)
        return
    if kind != "postgresql":
        raise processes.StartFailed(f"SOURCE={kind} is not known; known: sqlite, postgresql")
    with databases.start_postgresql(home) as server:
        yield server.url


@contextmanager
def host(
    home: Path,
    port: int,
    settings: Mapping[str, str],
    *,
    data: Path | None = None,
    auth: bool = False,
    python: str = sys.executable,
    app: Path = ROOT,
) -> Iterator["subprocess.Popen[bytes]"]:
    """The app on the embedded host, ready to answer. With ``auth`` it asks for function keys, as the platform does."""
    log = home / "logs" / "host.log"
    data = data or home / "host"
    command = [
        python,
        "-m",
        "local_host",
        "start",
        "--app",
        str(app),
        "--port",
        str(port),
        "--data",
        str(data),
        *(["--auth"] if auth else []),
    ]
    key = load_keys(data / "host-keys.json").master
    inherited = without_platform(os.environ)  # whoever starts this says that it is local, wherever the machine stands
    environment = {**inherited, **settings, "PYTHONUNBUFFERED": "1"}
    process = processes.start(command, log, environment=environment, cwd=app, death_signal=signal.SIGKILL)
    try:
        processes.wait_for_answer(process, f"http://127.0.0.1:{port}/admin/host/status?code={key}", "The host", log, 60)
        yield process
    finally:
        processes.stop(process)


@contextmanager
def running(
    home: Path, port: int, kind: str, extra: Mapping[str, str] | None = None, *, python: str = sys.executable
) -> Iterator[Stack]:
    """Start everything, in order, and end it in the opposite order."""
    processes.require_free(port, "PORT")
    home.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        source_url = stack.enter_context(source(home, kind))
        azurite = stack.enter_context(azurite_server.running(home, port_from(os.environ, "AZURITE_PORT", None)))
        settings = {**app_settings(home, port, azurite.connection_string, source_url), **(extra or {})}
        process = stack.enter_context(host(home, port, settings, python=python))
        yield Stack(
            f"http://127.0.0.1:{port}", home, source_url, azurite.connection_string, azurite.process.pid, process
        )


def exit_on_signals() -> None:
    """Let SIGTERM end the program as Ctrl-C does: by an exception, so that every ``with`` is left."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
