"""Retention on its own: exactly what has had its time goes, whenever the process is killed, and however many there are.

RETENTION_RECORDS sets how many records there are and RETENTION_KILLS how often the sweep is killed;
``make test-operations`` runs 10,000 and five.
"""

import asyncio
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.data.tables import TableServiceClient

from demo.azurite_server import Azurite
from shared.events.outbox import FIRST_ROW
from shared.jobs.idempotency import Claim, Claims
from shared.jobs.records import ExportRecord
from shared.retention.runner import run_sweepers
from shared.retention.sweepers import Sweep
from shared.services import services
from shared.settings import Settings, settings_from
from shared.storage.accounts import table_service
from shared.storage.blobs import BlobStore
from shared.storage.links import Link, token_hash
from shared.storage.names import folder
from shared.storage.part_upload import PartUpload
from shared.timestamps import iso
from shared.webhooks.deliveries import Delivery
from tests.in_process import environment_of, services_on

ROOT = Path(__file__).resolve().parents[2]
RECORDS = int(os.environ.get("RETENTION_RECORDS") or 240)
KILLS = int(os.environ.get("RETENTION_KILLS") or 2)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CALLER = {"user": "ada", "email": "ada@acme.example", "name": "Ada", "tenant": "acme", "roles": ["Admin"]}


def record(number: int, **values: Any) -> ExportRecord:
    """A completed export whose file has a week, unless it is told otherwise; every third one is globex's."""
    defaults: dict[str, Any] = {
        "tenant": "globex" if number % 3 == 0 else "acme",
        "id": f"{number:034d}",
        "export_type": "sessions",
        "format": "csv",
        "status": "Completed",
        "created_by": "ada",
        "created_at": iso(NOW - timedelta(days=1)),
        "completed_at": iso(NOW - timedelta(days=1)),
        "expires_at": iso(NOW + timedelta(days=6)),
        "request": {"body": '{"exportType":"sessions"}'},
        "caller": CALLER,
        "file_name": "sessions.csv",
    }
    return ExportRecord(**{**defaults, **values})


GONE = iso(NOW - timedelta(seconds=1))
LONG_GONE = iso(NOW - timedelta(days=30))
KINDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("expires", {"expires_at": GONE}),
    ("stays", {}),
    ("loses its parts", {"status": "Failed", "expires_at": GONE, "completed_at": GONE}),
    ("runs", {"status": "Processing", "expires_at": "", "completed_at": "", "phase": "exporting"}),
    ("is forgotten", {"status": "Expired", "expires_at": LONG_GONE}),
    ("is held", {"expires_at": GONE, "hold": "a court wants it"}),
    ("is forgotten", {"status": "Failed", "expires_at": "", "completed_at": LONG_GONE}),
    ("is remembered", {"status": "Expired", "expires_at": iso(NOW - timedelta(days=29))}),
)


class Storage:
    """The account, looked at from outside."""

    def __init__(self, account: Azurite) -> None:
        self.environment = environment_of(account)
        self.settings: Settings = settings_from(self.environment)
        self.tables: TableServiceClient = table_service(self.settings, "activity")

    def rows(self, table: str) -> dict[tuple[str, str], tuple[str, dict[str, Any]]]:
        """Every row with its entity tag."""
        client = self.tables.get_table_client(table)
        return {
            (str(e["PartitionKey"]), str(e["RowKey"])): (str(e.metadata["etag"]), dict(e))
            for e in client.list_entities()
        }

    def everything(self) -> dict[str, Any]:
        """All rows and blobs."""
        return {t.name: self.rows(t.name) for t in self.tables.list_tables()} | {"blobs": self.blobs()}

    def blobs(self) -> list[str]:
        """Names of blobs, uncommitted ones too."""
        store = services("activity").blobs
        return [b.name for b in store.container.list_blobs(include=["uncommittedblobs"])]

    def write(self, records: list[ExportRecord]) -> None:
        """Many records at once."""
        exports = self.tables.get_table_client("SluiceExports")
        for tenant in ("acme", "globex"):
            mine = [r.to_entity() for r in records if r.tenant == tenant]
            for start in range(0, len(mine), 100):
                exports.submit_transaction([("create", entity) for entity in mine[start : start + 100]])

    def sweep(self, *, kill_after: int = 0) -> str:
        """Run retention in a process of its own, and kill it -9 when it has purged so many; gives what it said."""
        return finish(self.begin(), kill_after)

    def begin(self) -> "subprocess.Popen[str]":
        """Start the process."""
        command = [sys.executable, "-m", "tests.storage.sweeping", NOW.isoformat()]
        environment = {**os.environ, **self.environment}
        return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE)


def finish(process: "subprocess.Popen[str]", kill_after: int = 0) -> str:
    """Wait for the end of the process, or bring it about."""
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if len(lines) == kill_after:
            process.kill()
    process.communicate()
    assert process.returncode == (-9 if kill_after else 0)
    return "".join(lines)


def sweep(seconds: float = 600) -> list[str]:
    """Run retention in this process; gives the exports whose owners were told that the file goes soon."""
    context, told = services("activity"), []

    async def purge(_: ExportRecord) -> None:
        """There is no durable engine."""

    async def purge_delivery(_: Delivery) -> bool:
        """No webhook has any."""
        return True

    def remind(record: ExportRecord) -> None:
        told.append(record.id)
        context.records.change(record.tenant, record.id, "remind", reminded_at=iso(NOW))

    asyncio.run(run_sweepers(Sweep(context, NOW, purge, remind, purge_delivery), seconds))
    return told


@pytest.fixture(scope="module")
def storage(azurite: Azurite) -> Iterator[Storage]:
    """An account with every table and nothing in it."""
    with services_on(azurite):
        yield Storage(azurite)


@pytest.mark.timeout(5400)
def test_a_sweep_that_is_killed_removes_exactly_what_is_due(storage: Storage) -> None:
    """Killed at random points, then run twice at the same time: what is due is gone, nothing else was even written to.

    Another sweep after that writes nothing at all.
    """
    kinds = {number: KINDS[number % len(KINDS)] for number in range(RECORDS)}
    records = [record(number, **values) for number, (_, values) in kinds.items()]
    storage.write(records)
    store = services("activity").blobs
    for made in records[: min(RECORDS, 800)]:
        if kinds[int(made.id)][0] in ("expires", "stays", "runs", "is held", "loses its parts"):
            store.put(folder(made.tenant, made.id) + "file.csv", b"x", "text/csv")
    before, blobs = storage.rows("SluiceExports"), storage.blobs()
    due = [r for r in records if kinds[int(r.id)][0] in ("expires", "loses its parts", "is forgotten")]

    chance = random.Random(1)
    for _ in range(KILLS):
        storage.sweep(kill_after=chance.randrange(1, max(2, len(due) // (KILLS + 1))))
    together = [storage.begin(), storage.begin()]
    for process in together:
        finish(process)

    after = storage.rows("SluiceExports")
    for made in records:
        kind, key = kinds[int(made.id)][0], (made.tenant, made.id)
        if kind == "is forgotten":
            assert key not in after
        elif kind == "expires":
            assert (after[key][1]["status"], after[key][1]["phase"]) == ("Expired", "")
        elif kind == "loses its parts":
            assert (after[key][1]["status"], after[key][1]["phase"], after[key][1]["expires_at"]) == ("Failed", "", "")
        else:
            assert after[key] == before[key], kind
    gone = {r.id for r in due}
    assert storage.blobs() == [name for name in blobs if name.split("/")[1] not in gone]
    lines = Counter((e["PartitionKey"], e["action"]) for _, e in storage.rows("SluiceLogs").values())
    assert set(lines.values()) == {1}

    settled = storage.everything()
    assert storage.sweep() == "removed 0\n"
    assert storage.everything() == settled


def test_a_sweep_whose_time_is_up_goes_on_where_it_was(storage: Storage) -> None:
    """A run takes one page of each sweeper at the least; the checkpoint is there until the end, and then it is not."""
    storage.write([record(number, expires_at=GONE) for number in range(500_000, 500_210)])
    runs = 0
    while True:
        runs += 1
        sweep(0.001)
        if not storage.rows("SluiceSweeps"):
            break
    assert runs >= 2
    left = [e for _, e in storage.rows("SluiceExports").values() if f"{500_000:034d}" <= e["RowKey"] < FIRST_ROW]
    assert (len(left), {(e["status"], e["phase"]) for e in left}) == (210, {("Expired", "")})


def test_what_belongs_to_no_export_goes(storage: Storage) -> None:
    """Parts, uncommitted blocks and claims without an export; those of an export that runs stay."""
    running = record(600_001, status="Processing", expires_at="", completed_at="", created_at=iso(NOW))
    cancelled = record(600_002, status="Cancelled", expires_at="", completed_at=GONE)
    storage.write([running, cancelled])
    store: BlobStore = services("activity").blobs
    homes = {running.id: "acme", cancelled.id: cancelled.tenant, "0deleted": "acme", "z": "initech"}
    for export_id, tenant in {**homes, running.id: running.tenant}.items():
        store.put(f"{folder(tenant, export_id)}parts/000000", b"x", "text/csv")
        upload = PartUpload(store, f"{folder(tenant, export_id)}parts/000001")
        upload.write(b"x" * (4 * 1024 * 1024 + 1))  # one block, and no commit
    store.put("by-hand.txt", b"x", "text/plain")
    claims = Claims(storage.tables)
    old, young = iso(NOW - timedelta(days=services("activity").longest_retention + 2)), iso(NOW - timedelta(hours=1))
    for row, export_id, at in (("a", "gone", old), ("b", running.id, old), ("c", "coming", young)):
        claims.take(running.tenant, Claim(row, "f", export_id, at))

    sweep()

    kept = [name for name in storage.blobs() if name.split("/")[-1].startswith("00000") or "/" not in name]
    assert kept == [f"{folder(running.tenant, running.id)}parts/{n}" for n in ("000000", "000001")] + ["by-hand.txt"]
    assert sorted(row for _, row in storage.rows("SluiceClaims")) == ["b", "c"]


def test_links_go_with_their_file(storage: Storage) -> None:
    """Also one whose mail went out while the export was removed; those to a file that is there or held stay."""
    due = record(650_001, expires_at=GONE)
    stays, held = record(650_003), record(650_005, expires_at=GONE, hold="a case")
    storage.write([due, stays, held])
    store = services("activity").links
    old = iso(NOW - timedelta(days=services("activity").longest_retention + 2))
    exports = {due.id: due.tenant, stays.id: stays.tenant, held.id: held.tenant, "gone": "acme"}
    for export_id, tenant in exports.items():
        store.keep(Link(tenant, export_id, token_hash(export_id), "ada", "email", "completed", 1, old))

    sweep()

    assert sorted(e["export_id"] for _, e in storage.rows("SluiceLinks").values()) == [stays.id, held.id]
    assert {key for key, _ in storage.rows("SluiceLinkTokens")} == {token_hash(stays.id), token_hash(held.id)}


def test_that_links_of_a_person_were_revoked_goes_with_the_last_file(storage: Storage) -> None:
    """Whatever file of that time is there, or may come, keeps it, such as one that is held; later ones do not."""
    then = NOW - timedelta(days=services("activity").longest_retention + 2)
    tenants = {f"t{number}": number for number in range(8)}
    made = {
        "t0": {"hold": "a case"},
        "t1": {"status": "Processing", "expires_at": "", "completed_at": ""},
        "t2": {"status": "Failed", "expires_at": iso(NOW + timedelta(days=1))},
        "t3": {"status": "Expired", "expires_at": iso(NOW)},
        "t4": {"status": "Cancelled", "expires_at": ""},
        "t5": {"status": "Failed", "expires_at": "", "completed_at": iso(NOW)},
        "t6": {"created_at": iso(then + timedelta(seconds=1))},
    }
    exports = storage.tables.get_table_client("SluiceExports")
    for tenant, values in made.items():
        kept = {"created_at": iso(then), **values}
        exports.create_entity(record(660_000 + tenants[tenant], tenant=tenant, **kept).to_entity())
    links = services("activity").links
    for tenant in tenants:
        links.revoke_links_of(tenant, "eve", then)
    links.revoke_links_of("t8", "eve", then + timedelta(days=2))

    sweep()

    found = {tenant for tenant, row in storage.rows("SluiceLinks") if row.startswith("person-")}
    assert found == {"t0", "t1", "t2", "t8"}
    assert links.were_revoked("t0", "eve", iso(then))


def test_who_did_not_fetch_a_file_is_told_once_before_it_goes(storage: Storage) -> None:
    """Within a day of its end, and in the last quarter of its time; not when it was fetched."""
    soon = {"expires_at": iso(NOW + timedelta(hours=23))}
    week = {"completed_at": iso(NOW - timedelta(days=6)), **soon}
    records = [
        record(700_000, **week),
        record(700_001, **week, downloaded_at=iso(NOW)),
        record(700_002, **soon),
        record(700_003, completed_at=iso(NOW - timedelta(days=6)), expires_at=iso(NOW + timedelta(hours=25))),
    ]
    storage.write(records)
    assert sweep() == [records[0].id]
    assert sweep() == []
