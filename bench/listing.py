"""Listing the exports of a tenant that has 100,000: what a page costs at the start, in the middle and at the end.

The records are written straight to the table; the pages come over HTTP. LISTING_RECORDS for another number.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from azure.core.exceptions import ServiceResponseError
from azure.data.tables import TableClient

from bench import measure
from demo import azurite_server, stack
from demo.client import Client
from shared.identity.caller import demo_caller
from shared.jobs.records import ExportRecord, ExportRecords, new_export_id
from shared.settings import settings_from
from shared.storage.accounts import table_service
from shared.storage.names import EXPORTS_TABLE
from shared.timestamps import iso

RECORDS = int(os.environ.get("LISTING_RECORDS") or 100_000)
PORT = 7185
ROUNDS = 9
ITEMS = 50
TRIES = 5
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
TRANSACTION = 100
"""The most rows of a transaction (Table service REST API)."""

FILTERS: dict[str, dict[str, str]] = {
    "none": {},
    "status=Failed (a tenth)": {"status": "Failed"},
    "exportType, format, createdBy (a sixth)": {"exportType": "sessions", "format": "csv", "createdBy": "max"},
}


def main() -> None:
    """Print the median of a page at three places, without and with filters."""
    with tempfile.TemporaryDirectory(prefix="listing-") as folder, azurite_server.running(Path(folder)) as azurite:
        home = Path(folder)
        settings = stack.app_settings(home, PORT, azurite.connection_string, f"sqlite:///{home / 'none.db'}")
        quiet = dict.fromkeys(("RETENTION_SCHEDULE", "WATCHDOG_SCHEDULE", "SCHEDULER_SCHEDULE"), "0 0 0 1 1 *")
        with stack.host(home, PORT, {**settings, **quiet}, python=str(stack.ROOT / ".venv" / "bin" / "python")) as host:
            client = Client(f"http://127.0.0.1:{PORT}/api", "ada")
            client.call("GET", "/exports").raise_for_status()  # makes the tables
            ids = write_records(azurite.connection_string)
            pids = [host.pid, *measure.children(host.pid)]
            rows = [[name, *timed(client, query, ids, pids)] for name, query in FILTERS.items()]
    print(f"{len(ids):,} exports of a tenant, pages of {ITEMS}; ms, and of it CPU of host and workers:\n")
    print(measure.table(["filter", "first page", "middle", "last", "CPU first", "CPU middle", "CPU last"], rows))


def write_records(storage: str) -> list[str]:
    """An export every ten seconds; gives the ids, the newest first."""
    settings = settings_from(stack.bare_settings(storage))
    service = table_service(settings, "activity")
    ExportRecords(service).prepare()
    table = service.get_table_client(EXPORTS_TABLE)
    records = [record(n) for n in range(RECORDS)]
    started = time.perf_counter()
    with ThreadPoolExecutor(4) as pool:
        transactions = (records[n : n + TRANSACTION] for n in range(0, RECORDS, TRANSACTION))
        list(pool.map(lambda some: write(table, some), transactions))
    print(f"{RECORDS:,} records written in {time.perf_counter() - started:.0f} s", flush=True)
    return sorted(one.id for one in records)


def write(table: TableClient, records: Sequence[ExportRecord]) -> None:
    """Write records in one transaction; again when the answer is lost, as happens where the emulator has much to do."""
    for attempt in range(1, TRIES + 1):
        try:
            table.submit_transaction([("upsert", one.to_entity()) for one in records])
        except ServiceResponseError:
            if attempt == TRIES:
                raise
        else:
            return


def record(n: int) -> ExportRecord:
    """The n-th export of acme."""
    created = FIRST_DAY + timedelta(seconds=10 * n)
    user = ("ada", "max")[n % 2]
    return ExportRecord(
        tenant="acme",
        id=new_export_id(created),
        export_type="sessions",
        format=("csv", "xlsx", "parquet")[n % 3],
        status="Failed" if n % 10 == 0 else "Completed",
        created_by=user,
        created_at=iso(created),
        completed_at=iso(created),
        expires_at=iso(created + timedelta(days=7)),
        request={"body": '{"exportType":"sessions"}'},
        caller=demo_caller(user).to_json(),
    )


def timed(client: Client, query: dict[str, str], ids: list[str], pids: list[int]) -> list[str]:
    """Medians of a page at the start, in the middle and at the end, in turn; then the CPU of each."""
    places = [{}, {"cursor": ids[len(ids) // 2]}, {"cursor": ids[-11 * ITEMS]}]
    times: list[list[float]] = [[] for _ in places]
    cpu = [0.0 for _ in places]
    for _ in range(ROUNDS):
        for number, place in enumerate(places):
            before = sum(map(measure.cpu_seconds, pids))
            times[number].append(measure.seconds(partial(page, client, {**query, **place})))
            cpu[number] += sum(map(measure.cpu_seconds, pids)) - before
    medians = [f"{measure.median(found) * 1000:.0f}" for found in times]
    return [*medians, *(f"{used / ROUNDS * 1000:.0f}" for used in cpu)]


def page(client: Client, query: dict[str, Any]) -> None:
    """One page, which must be full."""
    answer = client.call("GET", "/exports", params={"limit": ITEMS, **query}).json()
    if len(answer["items"]) != ITEMS:
        raise SystemExit(f"{len(answer['items'])} items of {ITEMS} for {query}")
