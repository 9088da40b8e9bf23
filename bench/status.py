"""Following an export of 1,000 parts: what a look at its status costs, and what fifty people who look cost the export.

The looks are made while the export runs on the same cores, and once more when nothing else does. Each of the fifty asks
when ``Retry-After`` says so, on a connection of its own, as browsers do. They ask through ``http.client``: what a
larger client spends on a request, on these cores too, is not the service's.
"""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from bench import measure
from demo import stack
from demo.client import FINAL, Client

PORT = 7183
PART_ROWS = 1_000
POLLERS = 50
ROUNDS = 3
LOOKS = 300


def main() -> None:
    """Print the latency of a look, and the time of the export without and with fifty pollers."""
    home = stack.home_from({})
    python = str(stack.ROOT / ".venv" / "bin" / "python")
    settings = {"PART_ROWS": str(PART_ROWS), "NOTIFY_AFTER_SECONDS": "3600", "RETRY_FIRST_SECONDS": "60"}
    with stack.running(home, PORT, "sqlite", settings, python=python) as service:
        client = Client(service.api, "ada")
        client.wait(client.start(exportType="sessions", dateRange={"from": "2025-01-01", "to": "2025-01-20"}))
        while_running: list[float] = []

        def alone() -> float:
            return _export(client, while_running)

        def watched() -> float:
            return _export(client, [], pollers=POLLERS)

        times = measure.interleaved({"alone": alone, "watched": watched}, ROUNDS)
        parts, waiting, cpu = _beside_a_pause(client, service)
    without, with_pollers = (measure.median(times[name]) for name in ("alone", "watched"))
    rows = [
        ["while the export runs", *_quantiles(while_running), ""],
        [f"when it waits (at {parts:,} parts)", *_quantiles(waiting), f"{cpu * 1000:.1f}"],
    ]
    print(measure.table(["a look at the status", "looks", "median, ms", "95 %, ms", "CPU of a look, ms"], rows))
    print(
        f"\nAn export of 1,000 parts: {without:.1f} s alone, {with_pollers:.1f} s beside {POLLERS} pollers "
        f"({with_pollers / without - 1:+.1%})"
    )


def _export(client: Client, looks: list[float], pollers: int = 0) -> float:
    """Seconds from the request to Completed; ``looks`` gets the seconds of each of our own looks."""
    started = time.perf_counter()
    export_id = client.start(exportType="sessions")
    look = _Look(client, export_id)
    with _polling(client, export_id, pollers):
        while True:
            before = time.perf_counter()
            status, _ = look()
            looks.append(time.perf_counter() - before)
            if status["status"] in FINAL:
                break
            time.sleep(0.2)
    if status["status"] != "Completed":
        raise SystemExit(f"the export is {status['status']}: {status.get('error')}")
    return time.perf_counter() - started


class _Look:
    """Looks at one export, on one connection."""

    def __init__(self, client: Client, export_id: str) -> None:
        address = urlsplit(f"{client.api}/exports/{export_id}")
        self._path, self._headers = address.path, dict(client.headers)
        self._connection = HTTPConnection(address.netloc, timeout=60)

    def __call__(self) -> tuple[dict[str, Any], float]:
        """The status resource, and in how many seconds to look again."""
        self._connection.request("GET", self._path, headers=self._headers)
        answer = self._connection.getresponse()
        body = json.loads(answer.read())
        if answer.status != 200:
            raise SystemExit(f"a look was answered with {answer.status}: {body}")
        return body, float(answer.headers.get("Retry-After", "2"))


@contextmanager
def _polling(client: Client, export_id: str, pollers: int) -> Iterator[None]:
    done = threading.Event()

    def poll(number: int) -> None:
        look = _Look(client, export_id)
        done.wait(2 * number / POLLERS)
        while not done.is_set():
            _, pause = look()
            done.wait(pause)

    with ThreadPoolExecutor(max(1, pollers)) as pool:
        polling = [pool.submit(poll, number) for number in range(pollers)]
        try:
            yield
        finally:
            done.set()
        for poller in polling:
            poller.result()


def _beside_a_pause(client: Client, service: stack.Stack) -> tuple[int, list[float], float]:
    """Parts done, seconds of each look, and CPU seconds of a look, at an export that cannot go on for a while."""
    database = service.home / "demo.db"
    away = service.home / "demo.db.away"
    export_id = client.start(exportType="sessions")
    look = _Look(client, export_id)
    while look()[0]["progress"]["parts"] < 500:
        time.sleep(0.1)
    database.rename(away)
    try:
        pids = [service.azurite_pid, service.host.pid, *measure.children(service.host.pid)]
        before, after = -1.0, 0.0
        while after - before > 0.03:  # parts that were on their way fail first
            before = sum(map(measure.cpu_seconds, pids))
            time.sleep(1)
            after = sum(map(measure.cpu_seconds, pids))
        before = after
        looks = []
        for _ in range(LOOKS):
            started = time.perf_counter()
            status, _ = look()
            looks.append(time.perf_counter() - started)
        cpu = (sum(map(measure.cpu_seconds, pids)) - before) / LOOKS
    finally:
        away.rename(database)
    client.call("POST", f"/exports/{export_id}/cancel")
    return status["progress"]["parts"], looks, cpu


def _quantiles(looks: list[float]) -> list[object]:
    ordered = sorted(looks)
    return [len(looks), f"{measure.median(looks) * 1000:.1f}", f"{ordered[int(len(looks) * 0.95)] * 1000:.1f}"]
