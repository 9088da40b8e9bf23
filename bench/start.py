"""A start: what importing the app costs beside an app without functions, and when the host answers for the first time.

Rounds alternate, so that a change of the machine's speed meets all. START_BESIDE=/path/to/a/checkout measures another
version of the app in the same run.
"""

import os
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from bench import measure
from demo import azurite_server, databases, stack
from demo.client import Client

ROUNDS = 7
HOST_ROUNDS = 5
PORT = 7189
PYTHON = str(stack.ROOT / ".venv" / "bin" / "python")

BARE = "import azure.durable_functions as df; app = df.DFApp()"
OURS = "import function_app"
USED = """
import pathlib, time
status = pathlib.Path("/proc/self/status").read_text()
print(time.process_time(), int(status.partition("VmHWM:")[2].split()[0]) / 1024)
"""
"""What the process has used (Linux). The peak that ``getrusage`` tells would be the parent's, where that is larger."""


def main() -> None:
    """Print both tables."""
    apps = {"ours": stack.ROOT}
    if beside := os.environ.get("START_BESIDE"):
        apps[beside] = Path(beside)
    _import(apps)
    _first_answers(apps)


def _import(apps: Mapping[str, Path]) -> None:
    scripts = {"an app without functions": (stack.ROOT, BARE), **{name: (path, OURS) for name, path in apps.items()}}
    seconds: dict[str, list[float]] = {name: [] for name in scripts}
    peaks: dict[str, list[float]] = {name: [] for name in scripts}
    for number in range(ROUNDS + 1):
        for name, (folder, script) in scripts.items():
            command = [PYTHON, "-c", f"{script}\n{USED}"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
            cpu, peak = map(float, done.stdout.split())
            if number:  # the first round compiles what is not compiled yet
                seconds[name].append(cpu)
                peaks[name].append(peak)
    rows = [[name, f"{measure.median(seconds[name]):.2f}", f"{measure.median(peaks[name]):.0f}"] for name in scripts]
    print(measure.table(["import of", "CPU, s", "memory, MiB"], rows), flush=True)


def _first_answers(apps: Mapping[str, Path]) -> None:
    live: dict[str, list[float]] = {name: [] for name in apps}
    posted: dict[str, list[float]] = {name: [] for name in apps}
    used: dict[str, list[float]] = {name: [] for name in apps}
    source = databases.ensure_sqlite(stack.home_from({}))
    for _ in range(HOST_ROUNDS):
        for name, app in apps.items():
            with (
                tempfile.TemporaryDirectory(prefix="start-") as folder,
                azurite_server.running(Path(folder)) as azurite,
            ):
                home = Path(folder)
                settings = stack.app_settings(home, PORT, azurite.connection_string, source)
                started = time.perf_counter()
                with stack.host(home, PORT, settings, python=PYTHON, app=app) as host:
                    api = f"http://127.0.0.1:{PORT}/api"
                    urllib.request.urlopen(f"{api}/health/live").close()
                    live[name].append(time.perf_counter() - started)
                    Client(api, "ada").start(exportType="sessions")
                    posted[name].append(time.perf_counter() - started)
                    pids = [host.pid, *measure.children(host.pid)]
                    used[name].append(sum(measure.cpu_seconds(pid) for pid in pids))
    rows = [[name, *(f"{measure.median(values[name]):.2f}" for values in (live, posted, used))] for name in apps]
    header = ["s after the start of the host", "GET /health/live", "POST /exports", "of it CPU of host and workers"]
    print("\n" + measure.table(header, rows))
