"""Incremental windows over a table that is being written to: each row is in exactly one of them."""

import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import repeat
from pathlib import Path

import pytest

from demo.azurite_server import Azurite
from exports.sessions import SESSIONS
from shared.columns import Column
from shared.export_types import SqlExport
from shared.identity import demo_caller
from shared.queries import build_query, within
from shared.records import ExportRecord, iso
from shared.requests import ExportRequest
from shared.schedules import runs
from shared.schedules.records import ACTIVE, Schedule
from shared.services import Services
from shared.sources import open_source
from tests.in_process import services_on

SETTLE = timedelta(seconds=0.4)
"""How long before a run its window ends."""
WRITTEN = replace(SESSIONS, relation="written", columns=(Column("id", "Id", "integer"),))
TABLE = "create table written (id integer primary key, organisation_id text not null, started_at text not null)"


def write(database: Path, number: int, end: float, seen: list[int]) -> None:
    """Insert rows as an application does: the moment is taken first, and the commit comes when it comes."""
    chance = random.Random(number)
    with closing(sqlite3.connect(database, isolation_level=None, timeout=30)) as connection:
        id_ = number
        while time.monotonic() < end:
            moment = datetime.now(UTC)
            time.sleep(chance.uniform(0, SETTLE.total_seconds() / 2))
            connection.execute(
                "insert into written values (?, 'acme', ?)", (id_, moment.strftime("%Y-%m-%d %H:%M:%S.%f"))
            )
            seen.append(id_)
            id_ += 10


def read(database: Path, export_type: SqlExport, window: dict[str, str]) -> list[int]:
    """The ids of a window, read as an export reads them."""
    query = within(
        build_query(export_type, ExportRequest(exportType="sessions"), demo_caller("ada")), export_type, window
    )
    source = open_source(f"sqlite:///{database}")
    found: list[int] = []
    for key_range in source.plan(query, repeat(50)):
        with source.read(query, key_range) as batches:
            for batch in batches:
                found += batch.column(0).to_pylist()
    return found


@pytest.fixture
def context(azurite: Azurite) -> Iterator[Services]:
    """The services."""
    with services_on(azurite) as made:
        yield made


@pytest.mark.timeout(120)
def test_each_row_is_in_exactly_one_window(context: Services, tmp_path: Path) -> None:
    """Four writers without a break, twenty runs of which every third fails and is never delivered."""
    database = tmp_path / "written.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute(TABLE)
    caller = demo_caller("ada").to_json()
    schedule: Schedule | None = Schedule(
        "acme", "s1", "s", "ada", iso(datetime.now(UTC)), "* * * * *", "UTC", '{"exportType":"sessions"}', caller,
        iso(datetime.now(UTC)), incremental=True, state=ACTIVE,
    )  # fmt: skip
    assert schedule is not None
    context.schedules.create(schedule)

    written: list[list[int]] = [[] for _ in range(4)]
    end = time.monotonic() + 4
    writers = [threading.Thread(target=write, args=(database, n, end, written[n])) for n in range(4)]
    for writer in writers:
        writer.start()
    delivered: list[int] = []
    for number in range(20):
        if number == 19:
            for writer in writers:
                writer.join()
            time.sleep(SETTLE.total_seconds())
        due = datetime.now(UTC) - SETTLE + SESSIONS.settle  # as if it were minutes later already
        schedule = context.schedules.change(schedule, f"due-{number}", due_at=iso(due), run_at=iso(due))
        assert schedule is not None
        schedule = runs.decide(schedule, due, context)
        assert schedule is not None
        fails = number % 3 == 1
        rows = read(database, WRITTEN, {"from": schedule.run_from, "to": schedule.run_to})
        delivered += [] if fails else rows
        context.records.create(
            ExportRecord(
                "acme",
                schedule.run_export_id,
                "sessions",
                "csv",
                "Failed" if fails else "Completed",
                "ada",
                iso(due),
                {"body": "{}"},
                caller,
                completed_at=iso(due),
                expires_at=iso(due + timedelta(days=7)),
            )
        )
        schedule = context.schedules.change(schedule, f"runs-{number}", run_state="running")
        assert schedule is not None
        schedule = runs.settle(schedule, context)
        assert schedule is not None
        assert schedule.run_outcome == ("Failed" if fails else "Completed")
        time.sleep(0.15)
    everything = [id_ for ids in written for id_ in ids]
    assert len(everything) > 50
    assert Counter(delivered) == Counter(everything)
