"""Real host processes on small apps. Nothing here stands in for a part of the host."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

PROJECT = Path(__file__).resolve().parents[2]
WEBHOOK = "/runtime/webhooks/durabletask/"
T = TypeVar("T")
FINISHED = {"Completed", "Failed", "Terminated"}

PRELUDE = """\
import asyncio, json, logging, os, sys, time
from datetime import timedelta
from pathlib import Path
import azure.functions as func
import azure.durable_functions as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
MARKS = Path(os.environ["MARKS"])

def mark(name):
    fd = os.open(MARKS / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.write(fd, b"x")
    os.close(fd)
"""


@dataclass(frozen=True)
class Answer:
    """What a request got."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def send(url: str, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
    """Send one request and return the answer, whatever its status."""
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with _OPENER.open(request, timeout=60) as response:
            return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())


def until(question: Callable[[], T], seconds: float = 60.0) -> T:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds} s"
        time.sleep(0.02)


@dataclass
class RunningHost:
    """A host process, and requests to it."""

    app_dir: Path
    data_dir: Path
    marks: Path
    log_path: Path
    env: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    process: subprocess.Popen[str] | None = None
    url: str = ""
    summary: str = ""

    def start(self) -> RunningHost:
        """Start the process in a group of its own and wait for the ready line."""
        self.process = self.spawn()
        lines = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith("Host ready on "):
                self.url = line.split()[-1]
                break
        else:
            status = self.process.wait()
            self.process.stdout.close()
            raise AssertionError(f"host ended with {status}: {self.log()}")
        self.summary = "".join(lines)
        return self

    def spawn(self) -> subprocess.Popen[str]:
        """Start the process without waiting for it."""
        env = {
            **os.environ,
            "FUNCTIONS_WORKER_PROCESS_COUNT": "2",
            "MARKS": str(self.marks),
            **self.env,
        }
        command = [sys.executable, "-m", "local_host", "start", "--app", str(self.app_dir)]
        command += ["--data", str(self.data_dir), "--port", "0", *self.arguments]
        with self.log_path.open("a") as log:
            return subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=env, cwd=PROJECT, start_new_session=True
            )

    def log(self) -> str:
        return self.log_path.read_text()

    def kill(self) -> None:
        """kill -9 of the whole process group, workers too."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def stop(self) -> int:
        """SIGTERM, as a service manager does; return the exit status."""
        assert self.process is not None
        self.process.terminate()
        status = self.process.wait(60)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status

    def get(self, path: str, **headers: str) -> Answer:
        return send(self.url + path, headers=headers)

    def post(self, path: str, body: bytes | str = b"", **headers: str) -> Answer:
        return send(self.url + path, "POST", body.encode() if isinstance(body, str) else body, headers)

    @property
    def system_key(self) -> str:
        return json.loads((self.data_dir / "host-keys.json").read_text())["system"]

    def manage(self, method: str, path: str, body: Any = None, **query: str) -> Answer:
        """A management request with the system key; a body is sent as JSON."""
        query["code"] = self.system_key
        data = None if body is None else json.dumps(body).encode()
        url = f"{self.url}{WEBHOOK}{path}?{'&'.join(f'{k}={v}' for k, v in query.items())}"
        return send(url, method, data, {"content-type": "application/json"})

    def begin(self, name: str, value: Any = None, instance_id: str = "") -> str:
        """Start an orchestration with an input encoded as the SDK's client does; return its id."""
        path = f"orchestrators/{name}" + (f"/{instance_id}" if instance_id else "")
        answer = self.manage("POST", path, json.dumps(value))
        assert answer.status == 202, answer
        return answer.json()["id"]

    def status(self, instance_id: str, **query: str) -> dict[str, Any]:
        answer = self.manage("GET", f"instances/{instance_id}", **query)
        assert answer.status in (200, 202), answer
        return answer.json()

    def finish(self, instance_id: str, seconds: float = 60.0) -> dict[str, Any]:
        """Wait until the instance has finished and return its status."""

        def finished() -> dict[str, Any] | None:
            status = self.status(instance_id)
            return status if status["runtimeStatus"] in FINISHED else None

        return until(finished, seconds)

    def run(self, name: str, value: Any = None) -> Any:
        """Run an orchestration to its end and return the output; it must complete."""
        status = self.finish(self.begin(name, value))
        assert status["runtimeStatus"] == "Completed", status
        return status["output"]

    def fail(self, name: str, value: Any = None) -> str:
        """Run an orchestration that fails and return the reason."""
        status = self.finish(self.begin(name, value))
        assert status["runtimeStatus"] == "Failed", status
        return status["output"]

    def raise_event(self, instance_id: str, name: str, value: Any = None) -> None:
        answer = self.manage("POST", f"instances/{instance_id}/raiseEvent/{name}", value)
        assert answer.status == 202, answer

    def marked(self, name: str) -> int:
        """How often functions of the app called ``mark(name)``."""
        path = self.marks / name
        return path.stat().st_size if path.exists() else 0

    def replay(self) -> subprocess.CompletedProcess[str]:
        """Run the replay command on the host's task hub."""
        command = [sys.executable, "-m", "local_host", "replay", "--app", str(self.app_dir)]
        command += ["--data", str(self.data_dir)]
        env = {**os.environ, "MARKS": str(self.marks), **self.env}
        return subprocess.run(command, capture_output=True, text=True, env=env, cwd=PROJECT, timeout=60, check=False)

    def workers(self) -> list[int]:
        return self.get("/admin/host/status").json()["workers"]


def assert_replays(host: RunningHost) -> None:
    """Every recorded history of the host replays to the decisions that were recorded."""
    done = host.replay()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(" 0 differ\n")


class HostFactory:
    """Makes hosts and ends what is left of them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._hosts: list[RunningHost] = []

    def make(
        self,
        source: str,
        *,
        files: dict[str, str] | None = None,
        env: dict[str, str] | None = None,
        arguments: tuple[str, ...] = (),
        prelude: bool = True,
    ) -> RunningHost:
        """Write an app and return its host, not started."""
        folder = self._root / f"host{len(self._hosts)}"
        app_dir, marks = folder / "app", folder / "marks"
        app_dir.mkdir(parents=True)
        marks.mkdir()
        text = (PRELUDE if prelude else "") + textwrap.dedent(source)
        (app_dir / "function_app.py").write_text(text)
        for name, content in (files or {}).items():
            path = app_dir / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        host = RunningHost(app_dir, folder / "data", marks, folder / "log", env or {}, arguments)
        self._hosts.append(host)
        return host

    def __call__(self, source: str, **options: Any) -> RunningHost:
        """Write an app, start its host and return it."""
        return self.make(source, **options).start()

    def close(self) -> None:
        for host in self._hosts:
            if host.process is not None:
                host.kill()


@pytest.fixture
def new_host(tmp_path: Path) -> Iterator[HostFactory]:
    """Hosts of one test."""
    factory = HostFactory(tmp_path)
    yield factory
    factory.close()


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """The host of a test module, on the app in the module's ``APP``; ``FILES``, ``ENV`` and ``ARGUMENTS`` add to it."""
    module = request.module
    factory = HostFactory(tmp_path_factory.mktemp("host"))
    yield factory(
        module.APP,
        files=getattr(module, "FILES", None),
        env=getattr(module, "ENV", None),
        arguments=getattr(module, "ARGUMENTS", ()),
    )
    factory.close()
