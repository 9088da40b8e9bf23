"""The outbox: what a status means to others is written with it, or not at all."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from demo.azurite_server import Azurite
from shared.events.outbox import Entry, EventType, Outbox
from shared.jobs.records import ExportRecord, ExportRecords, Listing, new_export_id
from shared.jobs.status import IllegalTransition, Status
from shared.settings import Settings
from shared.storage.accounts import table_service
from shared.timestamps import iso
from tests.service import fault_proxy
from tests.service.fault_proxy import Fault

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)

FILE: dict[str, Any] = {
    "file_name": "é.csv",
    "file_bytes": 2**40,
    "file_rows": 7,
    "file_sha256": "0" * 64,
    "content_type": "text/csv",
    "expires_at": "2026-02-07T12:00:00.000Z",
}


@pytest.fixture
def outbox(storage_settings: Settings) -> Outbox:
    """The rows beside the records."""
    return Outbox(table_service(storage_settings, "activity"))


NewRecord = Callable[..., ExportRecord]


@pytest.fixture
def new_record(records: ExportRecords) -> NewRecord:
    """Write a record of a tenant with a quote in its name."""

    def create(status: Status, **changes: Any) -> ExportRecord:
        made = ExportRecord(
            tenant=f"o'neil-{uuid4().hex}",
            id=new_export_id(NOW),
            export_type="sessions",
            format="csv",
            status=status,
            created_by="ada",
            created_at=iso(NOW),
            request={"body": "{}"},
            caller={"user": "ada"},
            **changes,
        )
        records.create(made)
        return made

    return create


@pytest.mark.parametrize(
    ("before", "changes", "event", "more"),
    [
        (Status.PROCESSING, {"status": Status.COMPLETED, **FILE}, "completed", {"file", "expiresAt"}),
        (Status.PROCESSING, {"status": Status.FAILED, "error_code": "query-failed"}, "failed", {"error"}),
        (Status.PENDING, {"status": Status.CANCELLED}, "cancelled", set()),
        (Status.COMPLETED, {"status": Status.EXPIRED}, "expired", set()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_end_is_in_the_outbox(
    records: ExportRecords,
    outbox: Outbox,
    new_record: NewRecord,
    before: Status,
    changes: dict[str, Any],
    event: str,
    more: set[str],
) -> None:
    """Once, under an id that comes from the export's, as the record was then; and never again once it has left."""
    made = new_record(before)
    records.change(made.tenant, made.id, "op", **changes, completed_at=iso(NOW))
    (entry,) = outbox.of_tenant(made.tenant)
    assert (entry.id, entry.type) == (f"evt_{made.id}_1_{event}", f"export.{event}")
    assert set(entry.data) - more == {
        "id", "exportType", "format", "status", "attempt", "createdBy", "createdAt", "completedAt"
    }  # fmt: skip
    assert (entry.data["id"], entry.data["status"], more <= set(entry.data)) == (made.id, changes["status"], True)
    if "file" in more:
        assert (entry.data["file"]["name"], entry.data["file"]["bytes"]) == ("é.csv", 2**40)
    assert outbox.of_export(made.tenant, made.id) == [entry]
    outbox.remove(entry)
    outbox.remove(entry)
    records.change(made.tenant, made.id, "op", **changes, completed_at=iso(NOW))
    assert outbox.of_tenant(made.tenant) == []


def test_what_is_no_end_is_not_in_the_outbox(records: ExportRecords, outbox: Outbox, new_record: NewRecord) -> None:
    """Neither a start, nor a change of anything else, nor a status that may not follow."""
    made = new_record(Status.PENDING)
    records.change(made.tenant, made.id, "start", status=Status.PROCESSING)
    records.change(made.tenant, made.id, "plan", total_rows=7)
    with pytest.raises(IllegalTransition):
        records.change(made.tenant, made.id, "expire", status=Status.EXPIRED)
    assert outbox.of_tenant(made.tenant) == []


def test_every_attempt_has_its_own_end(records: ExportRecords, outbox: Outbox, new_record: NewRecord) -> None:
    """A retry, or a deletion, before anybody was told takes nothing away."""
    made = new_record(Status.PROCESSING)
    records.change(made.tenant, made.id, "fail-1", status=Status.FAILED)
    records.change(made.tenant, made.id, "retry", status=Status.PENDING, attempt=2)
    records.change(made.tenant, made.id, "fail-2", status=Status.FAILED)
    records.delete(replace(made, attempt=2))
    assert [entry.id for entry in outbox.of_tenant(made.tenant)] == [f"evt_{made.id}_{n}_failed" for n in (1, 2)]


def test_of_many_ends_at_once_one_is_told(records: ExportRecords, outbox: Outbox, new_record: NewRecord) -> None:
    """That which the record has."""
    made = new_record(Status.PROCESSING)

    def end(number: int) -> None:
        status = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)[number % 3]
        try:
            records.change(made.tenant, made.id, f"end-{number}", status=status)
        except IllegalTransition:
            return

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(end, range(6)))
    found = records.get(made.tenant, made.id)
    assert found is not None
    assert [entry.data["status"] for entry in outbox.of_tenant(made.tenant)] == [found.status]


def test_a_lost_answer_leaves_one_event(
    azurite: Azurite, storage_settings: Settings, outbox: Outbox, new_record: NewRecord
) -> None:
    """Both were written, and nobody was told so."""
    made = new_record(Status.PROCESSING)
    lost: list[str] = []

    def lose_one(_method: str, path: str) -> Fault:
        if "$batch" in path and not lost:
            lost.append(path)
            return "drop answer"
        return "none"

    with fault_proxy.running(azurite) as proxy:
        through = replace(azurite, blob_port=proxy.blob_port, table_port=proxy.table_port).connection_string
        settings = storage_settings.model_copy(update={"azurewebjobsstorage": through})
        with proxy.following(lose_one):
            records = ExportRecords(table_service(settings, "request"))
            changed = records.change(made.tenant, made.id, "op", status=Status.FAILED)
    assert (changed.status, len(lost)) == ("Failed", 1)
    assert [entry.id for entry in outbox.of_tenant(made.tenant)] == [f"evt_{made.id}_1_failed"]


def test_a_listing_of_exports_ends_before_the_outbox(records: ExportRecords, new_record: NewRecord) -> None:
    """Whatever the page's size."""
    made = new_record(Status.PROCESSING)
    ended = records.change(made.tenant, made.id, "op", status=Status.FAILED)
    for limit in (1, 2, 50):
        assert records.page(made.tenant, Listing(), limit, "") == ([ended], "")


def test_an_entry_for_one_endpoint_is_added_once_for_each_round(outbox: Outbox) -> None:
    """A ping or a redelivery; tenants do not see each other's."""
    tenant = f"acme-{uuid4().hex}"
    first = Entry(tenant, "evt_1_ping", EventType.WEBHOOK_PING, iso(NOW), {"webhook": "wh1"}, endpoint="wh1")
    for entry in (first, first, replace(first, round=2), replace(first, tenant=f"{tenant}x")):
        outbox.add(entry)
    assert outbox.of_tenant(tenant) == [first, replace(first, round=2)]
