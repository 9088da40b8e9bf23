"""Child processes that never outlive their parent."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import requests

_PR_SET_PDEATHSIG = 1
_TERMINATE_SECONDS = 10.0


class StartFailed(Exception):
    """A child process ended, or said nothing, before it was ready; the message is for a person."""


def start(
    command: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a child in a process group of its own, its output appended to ``log``.

    Ctrl-C in the terminal reaches only us, so that we end the children in our order. On Linux the kernel ends the child
    when we are killed without a chance to do so.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if environment is None else dict(environment),
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_die_with_parent(death_signal) if sys.platform == "linux" else None,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a child and whatever it started: politely at first."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_TERMINATE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for_port(process: subprocess.Popen[bytes], port: int, name: str, log: Path, seconds: float) -> None:
    """Return when somebody listens on the port. Raises ``StartFailed`` when the process ends first, or does not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise StartFailed(f"{name} ended with status {process.returncode}; its last words:\n{tail(log)}")
        if is_listening(port):
            return
        threading.Event().wait(0.02)
    raise StartFailed(f"{name} did not listen on port {port} within {seconds:.0f} s; its log is {log}")


def wait_for_answer(process: subprocess.Popen[bytes], url: str, name: str, log: Path, seconds: float) -> None:
    """Return when the URL answers 200. Raises ``StartFailed`` as ``wait_for_port`` does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise StartFailed(f"{name} ended with status {process.returncode}; its last words:\n{tail(log)}")
        with suppress(requests.RequestException):
            if requests.get(url, timeout=5).ok:
                return
        threading.Event().wait(0.05)
    raise StartFailed(f"{name} did not answer at {url} within {seconds:.0f} s; its log is {log}")


def is_listening(port: int) -> bool:
    """Whether somebody accepts connections on this port of the loopback address."""
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port that nobody uses at the moment."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def require_free(port: int, variable: str) -> None:
    """Raise ``StartFailed`` when the port is taken, naming the variable that changes it."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("127.0.0.1", port))
        except OSError:
            raise StartFailed(f"port {port} is in use; choose another one with {variable}=...") from None


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""


def _die_with_parent(death_signal: signal.Signals) -> Callable[[], None]:
    libc = ctypes.CDLL(None)

    def set_death_signal() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))

    return set_death_signal
