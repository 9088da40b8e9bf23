"""The embedded host: activities a second, latency, what it costs while idle, and what a larger workflow costs.

Everything is durable on disk here. Beside it: the durabletask SDK's in-memory backend, which keeps nothing, and Celery
as it runs on a machine without servers, on a fifth of the fan-out.
"""

import json
import os
import statistics
import subprocess
import tempfile
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import measure
from bench.peers import celery_tasks, in_memory
from local_host.keys import load_keys

ROOT = Path(__file__).resolve().parent.parent
FAN_OUT = 1000
SEQUENCE = 100
ROUNDS = 3
LATENCIES = 100
IDLE_SECONDS = 15
SIZES = (100, 500, 1000, 5000)
GROUPS = (100, 200)

APP = """
    import azure.functions as func
    import azure.durable_functions as df

    app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

    @app.activity_trigger("value")
    def noop(value):
        return value

    @app.orchestration_trigger("context")
    def fan_out(context):
        results = yield context.task_all([context.call_activity("noop", n) for n in range(context.get_input())])
        return len(results)

    @app.orchestration_trigger("context")
    def sequence(context):
        for n in range(context.get_input()):
            yield context.call_activity("noop", n)
        return context.get_input()

    @app.orchestration_trigger("context")
    def in_groups(context):
        count, size = context.get_input()
        groups = [min(size, count - first) for first in range(0, count, size)]
        done = yield context.task_all([context.call_sub_orchestrator("fan_out", n) for n in groups])
        return sum(done)
"""


class Host:
    """A host with two workers on the app above."""

    def __init__(self, process: "subprocess.Popen[str]", url: str, key: str) -> None:
        self.pids = [process.pid, *measure.children(process.pid)]
        self._url = url
        self._key = key

    def run(self, name: str, value: object) -> None:
        """Run an orchestrator to its end; the answer comes when it has ended."""
        query = f"timeout=300&pollingInterval=1&code={self._key}"
        url = f"{self._url}/runtime/webhooks/durabletask/orchestrators/{name}?{query}"
        body = json.dumps(json.dumps(value)).encode()
        request = urllib.request.Request(url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            output = json.loads(answer.read())
        expected = value[0] if isinstance(value, list) else value
        if output != expected:
            raise SystemExit(f"{name} of {value} gave {output}")

    def cpu(self) -> float:
        """Seconds that host and workers have computed."""
        return sum(measure.cpu_seconds(pid) for pid in self.pids)


@contextmanager
def serving() -> Iterator[Host]:
    """A host that is ready, both workers too."""
    python = str(ROOT / ".venv" / "bin" / "python")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "function_app.py").write_text(textwrap.dedent(APP))
        (folder / "host.json").write_text('{"version": "2.0", "logging": {"logLevel": {"default": "Error"}}}')
        key = load_keys(folder / "data" / "host-keys.json").system
        command = [python, "-m", "local_host", "start", "--app", scratch, "--data", str(folder / "data"), "--port", "0"]
        environment = {**os.environ, "FUNCTIONS_WORKER_PROCESS_COUNT": "2", "MALLOC_ARENA_MAX": "1"}
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, cwd=ROOT
        )
        try:
            assert process.stdout is not None
            url = next(line.split()[-1] for line in process.stdout if line.startswith("Host ready on "))
            while len(_workers(url)) < 2:
                time.sleep(0.1)
            yield Host(process, url, key)
        finally:
            process.terminate()
            process.wait()


def main() -> None:
    """Print all tables."""
    with serving() as host:
        _idle(host)
        _speed(host)
        _growth(host)


def _workers(url: str) -> list[int]:
    with urllib.request.urlopen(f"{url}/admin/host/status") as answer:
        workers: list[int] = json.loads(answer.read())["workers"]
    return workers


def _idle(host: Host) -> None:
    before, began = host.cpu(), time.perf_counter()
    time.sleep(IDLE_SECONDS)
    share = (host.cpu() - before) / (time.perf_counter() - began)
    sizes = [measure.resident_mib(pid) for pid in host.pids]
    shared = [measure.proportional_mib(pid) for pid in host.pids]
    print(
        f"Idle, host and two workers: {share:.2%} of a core; {sum(shared):.0f} MiB "
        f"({sum(sizes):.0f} MiB with shared pages counted in each of the three)\n"
    )


def _speed(host: Host) -> None:
    rows: list[list[object]] = []
    with in_memory.running() as memory, celery_tasks.running() as celery:
        runs: dict[str, Callable[[str, int], None]] = {"ours": host.run, "in memory": memory, "Celery": celery}
        for run in runs.values():
            run("fan_out", 50)
            run("sequence", 5)
        for name, count in (("fan_out", FAN_OUT), ("sequence", SEQUENCE)):
            counts = dict.fromkeys(runs, count) | ({"Celery": count // 5} if name == "fan_out" else {})
            cases = {
                who: lambda run=run, name=name, number=counts[who]: measure.seconds(lambda: run(name, number))
                for who, run in runs.items()
            }
            times = measure.interleaved(cases, ROUNDS)
            rates = [f"{counts[who] / measure.median(took):,.0f}" for who, took in times.items()]
            rows.append([f"{name.replace('_', '-')} of {count:,}, activities/s", *rates])
        cases = {who: lambda run=run: measure.seconds(lambda: run("sequence", 1)) for who, run in runs.items()}
        latencies = measure.interleaved(cases, LATENCIES)
    for label, percent in (("p50", 50), ("p99", 99)):
        row = [f"{1000 * statistics.quantiles(latencies[who], n=100)[percent - 1]:.1f}" for who in runs]
        rows.append([f"one activity, start to completion, {label}, ms", *row])
    print(measure.table(["two workers", "ours", "durabletask, in memory", "Celery, SQLite and files"], rows))


def _growth(host: Host) -> None:
    rows: list[list[object]] = []
    before = [measure.cpu_seconds(pid) for pid in host.pids]
    host.run("fan_out", FAN_OUT)
    spent = [measure.cpu_seconds(pid) - seconds for pid, seconds in zip(host.pids, before, strict=True)]
    print(
        f"\nCPU of one fan-out of {FAN_OUT:,}: {spent[0]:.2f} s in the host, "
        f"{' and '.join(f'{seconds:.2f}' for seconds in spent[1:])} s in the workers"
    )
    for count in SIZES:
        row: list[object] = [f"{count:,}"]
        for size in GROUPS:
            costs = []
            for _ in range(3):
                before = host.cpu()
                host.run("in_groups", [count, size])
                costs.append(1000 * (host.cpu() - before) / count)
            row.append(f"{measure.median(costs):.2f}")
        rows.append(row)
    header = ["activities", *(f"CPU an activity, ms, in groups of {size}" for size in GROUPS)]
    print("\n" + measure.table(header, rows))
