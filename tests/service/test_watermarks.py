"""Incremental windows over a table that is being written to: each row is in exactly one of them."""

import json
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import repeat
from pathlib import Path

import pytest

import exports
from demo.azurite_server import Azurite
from exports.sessions import SESSIONS
from shared.catalog.columns import Column
from shared.catalog.export_types import SqlExport
from shared.identity.caller import demo_caller
from shared.jobs.records import ExportRecord
from shared.requests.build_query import build_query, within
from shared.requests.export_request import ExportRequest
from shared.schedules import runs
from shared.schedules.store import ACTIVE, Schedule
from shared.services import Services
from shared.sources import open_source
from shared.timestamps import iso
from tests.in_process import services_on
from triggers.http.schedules import run_resource

ROOT = Path(__file__).resolve().parents[2]
SETTLE = timedelta(seconds=1)
"""How long before a run its window ends."""
WRITTEN = replace(SESSIONS, relation="written", columns=(Column("id", "Id", "integer"),))
TABLE = "create table written (id integer primary key, organisation_id text not null, started_at text not null)"


@contextmanager
def writers(database: Path, seconds: float) -> Iterator[Callable[[], list[int]]]:
    """Somebody writes to a new table for so long; gives what waits for the end and tells the ids of all rows."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute(TABLE)
    longest = SETTLE.total_seconds() / 5  # the rest is for a busy machine
    command = [sys.executable, "-m", "tests.service.writing", str(database), str(longest), str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:

        def everything() -> list[int]:
            ids: list[int] = json.loads(process.communicate()[0])
            return ids

        yield everything
        process.kill()


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
    caller = demo_caller("ada").to_json()
    schedule: Schedule | None = Schedule(
        "acme", "s1", "s", "ada", iso(datetime.now(UTC)), "* * * * *", "UTC", '{"exportType":"sessions"}', caller,
        iso(datetime.now(UTC)), incremental=True, state=ACTIVE,
    )  # fmt: skip
    assert schedule is not None
    context.schedules.create(schedule, 50)

    delivered: list[int] = []
    everything: list[int] = []
    with writers(database, 4) as end:
        for number in range(20):
            if number == 19:
                everything = end()
                time.sleep(SETTLE.total_seconds())
            due = datetime.now(UTC) - SETTLE + SESSIONS.settle  # as if it were minutes later already
            schedule = context.schedules.change(schedule, f"due-{number}", due_at=iso(due), run_at=iso(due))
            assert schedule is not None
            schedule = runs.decide(schedule, due, context)
            assert schedule is not None
            fails = number % 3 == 2  # the last run, which takes what is left, delivers
            rows = read(database, WRITTEN, {"from": schedule.run_from, "to": schedule.run_to})
            delivered += [] if fails else rows
            schedule = ended(schedule, due, context, fails=fails)
            time.sleep(0.15)
    assert len(everything) > 50
    assert Counter(delivered) == Counter(everything)


def ended(schedule: Schedule, due: datetime, context: Services, *, fails: bool) -> Schedule:
    """The schedule once its run has ended, by an export that has delivered its window or has not."""
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
            dict(schedule.caller),
            completed_at=iso(due),
            expires_at=iso(due + timedelta(days=7)),
        )
    )
    running = context.schedules.change(schedule, f"runs-{schedule.run_export_id}", run_state="running")
    assert running is not None
    settled = runs.settle(running, context)
    assert settled is not None
    assert settled.run_outcome == ("Failed" if fails else "Completed")
    return settled


@pytest.mark.timeout(120)
def test_each_row_with_a_number_is_in_exactly_one_window(
    azurite: Azurite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawn from one sequence and committed in another order; one run in between fails and is never delivered."""
    database = tmp_path / "numbered.db"
    numbered = replace(WRITTEN, watermark_sql="id", watermark_type="integer", settle=SETTLE)
    monkeypatch.setattr(exports, "EXPORT_TYPES", [numbered])
    delivered: list[int] = []
    everything: list[int] = []
    with services_on(azurite, SOURCE_URL=f"sqlite:///{database}") as context, writers(database, 3) as end:
        now = datetime.now(UTC)
        schedule = Schedule(
            "acme", "s2", "s", "ada", iso(now), "* * * * *", "UTC", '{"exportType":"sessions"}',
            demo_caller("ada").to_json(), iso(now), incremental=True, state=ACTIVE,
        )  # fmt: skip
        context.schedules.create(schedule, 50)
        for number in range(4):
            if number == 3:
                everything = end()
            due = datetime.now(UTC)
            waiting = context.schedules.change(schedule, f"due-{number}", due_at=iso(due), run_at=iso(due))
            assert waiting is not None
            assert runs.decide(waiting, due, context) is None  # it has looked, and waits until all is committed
            marked = context.schedules.get("acme", "s2")
            assert marked is not None
            time.sleep(SETTLE.total_seconds())
            decided = runs.decide(marked, datetime.now(UTC), context)
            assert decided is not None
            fails = number % 3 == 2  # the last run, which takes what is left, delivers
            rows = read(database, numbered, {"from": decided.run_from, "to": decided.run_to})
            delivered += [] if fails else rows
            schedule = ended(decided, due, context, fails=fails)
        (run, *_), _ = context.schedules.runs("s2", 1, "")
        shown = run_resource(run, context.settings)["window"]
    assert shown == {"from": int(schedule.run_from), "to": max(everything) + 1}
    assert len(everything) > 50
    assert Counter(delivered) == Counter(everything)
