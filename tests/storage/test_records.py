"""The records of exports: changed once per operation, listed newest first, checked against the status table."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from shared.jobs.records import ExportRecord, ExportRecords, Listing, new_export_id
from shared.jobs.status import IllegalTransition, Status
from shared.timestamps import iso

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def record(tenant: str, at: datetime = NOW, **changes: object) -> ExportRecord:
    """A new record of that tenant."""
    made = ExportRecord(
        tenant=tenant,
        id=new_export_id(at),
        export_type="sessions",
        format="csv",
        status=Status.PENDING,
        created_by="ada",
        created_at=iso(at),
        request={"body": '{"exportType":"sessions"}'},
        caller={"user": "ada", "name": "Ada Lindqvist"},
    )
    return replace(made, **changes)


@pytest.fixture
def tenant() -> str:
    """A tenant that nobody else uses, with a quote in its name."""
    return f"o'neil-{uuid4().hex}"


def test_a_record_comes_back_as_it_was(records: ExportRecords, tenant: str) -> None:
    """Also numbers beyond 32 bits and text of any script."""
    made = record(tenant, file_bytes=2**40, file_name="été 山田.csv", caller={"name": 'Søren "S" O\'Neil'})
    records.create(made)
    assert records.get(tenant, made.id) == made
    assert records.get("another", made.id) is None
    assert records.tenant_of(made.id) == tenant
    assert records.tenant_of("nobody") is None


def test_a_request_may_be_as_long_as_a_body(records: ExportRecords, tenant: str) -> None:
    """A text in a table ends at 64 KiB of UTF-16; the record goes on in another."""
    made = record(tenant, request={"body": '"\\' * 20_000 + "é👍" * 12_000})
    records.create(made)
    assert records.get(tenant, made.id) == made


def test_a_listing_is_newest_first_and_pages_meet(records: ExportRecords, tenant: str) -> None:
    """Every record once, whatever the page's size."""
    made = [record(tenant, NOW + timedelta(milliseconds=n)) for n in range(7)]
    for one in made:
        records.create(one)
    seen: list[str] = []
    after = ""
    while True:
        page, after = records.page(tenant, Listing(), 3, after)
        seen += [r.id for r in page]
        if not after:
            break
    assert seen == [r.id for r in reversed(made)]


def test_a_listing_can_be_filtered(records: ExportRecords, tenant: str) -> None:
    """By a condition on any column."""
    for user in ("ada", "max", "ada"):
        records.create(record(tenant, created_by=user))
    page, after = records.page(tenant, Listing("created_by eq 'ada'"), 10, "")
    assert ([r.created_by for r in page], after) == (["ada", "ada"], "")


def test_a_change_happens_once_per_operation(records: ExportRecords, tenant: str) -> None:
    """The same operation again, as after a lost response, changes nothing more."""
    made = record(tenant)
    records.create(made)
    first = records.change(tenant, made.id, "op-1", status=Status.PROCESSING, started_at=iso(NOW))
    assert records.change(tenant, made.id, "op-1", status=Status.PROCESSING, started_at="b") == first
    assert records.get(tenant, made.id) == first


def test_a_status_that_may_not_follow_is_refused(records: ExportRecords, tenant: str) -> None:
    """An export that failed does not become completed."""
    made = record(tenant)
    records.create(made)
    records.change(tenant, made.id, "op-1", status=Status.FAILED)
    with pytest.raises(IllegalTransition, match="an export that is Failed cannot become Completed"):
        records.change(tenant, made.id, "op-2", status=Status.COMPLETED)


def test_one_of_two_simultaneous_endings_wins(records: ExportRecords, tenant: str) -> None:
    """Failing and being cancelled at the same time: one is recorded, the other is told."""
    for _ in range(5):
        made = record(tenant)
        records.create(made)
        records.change(tenant, made.id, "start", status=Status.PROCESSING)

        def end(status: Status, export_id: str = made.id) -> Status | None:
            try:
                return Status(records.change(tenant, export_id, f"end-{status}", status=status).status)
            except IllegalTransition:
                return None

        with ThreadPoolExecutor(2) as pool:
            ends = list(pool.map(end, (Status.FAILED, Status.CANCELLED)))
        winner = records.get(tenant, made.id)
        assert winner is not None
        assert [e for e in ends if e is not None] == [winner.status]


@pytest.mark.parametrize("changes", [{"phase": "merging"}, {"status": Status.FAILED}], ids=["alone", "with its event"])
def test_a_record_that_goes_meanwhile_is_gone(records: ExportRecords, tenant: str, changes: dict[str, str]) -> None:
    """Somebody forgets the export between the look and the write: the same as if the look had come too late."""
    made = record(tenant, status=Status.PROCESSING)
    records.create(made)
    with pytest.raises(KeyError):
        records.change(tenant, made.id, "late", guard=records.delete, **changes)


def test_concurrent_changes_of_different_columns_are_all_kept(records: ExportRecords, tenant: str) -> None:
    """Nobody writes over what another wrote."""
    made = record(tenant)
    records.create(made)
    changes = {"phase": "merging", "downloaded_at": "t1", "file_name": "a.csv", "error_code": "c", "content_type": "x"}
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda c: records.change(tenant, made.id, f"op-{c[0]}", **{c[0]: c[1]}), changes.items()))
    found = records.get(tenant, made.id)
    assert {name: getattr(found, name) for name in changes} == changes


def test_a_scan_finds_every_record_though_they_go_meanwhile(records: ExportRecords, tenant: str) -> None:
    """Page by page; a record that is removed takes none of the others along."""
    made = [record(tenant, status=Status.CANCELLED) for _ in range(5)]
    for one in made:
        records.create(one)
    found, cursor = [], ""
    while True:
        page, cursor = records.scan("status eq 'Cancelled'", cursor, 2)
        mine = [one for one in page if one.tenant == tenant]
        found += mine
        for one in mine:
            records.delete(one)
            assert records.get(tenant, one.id) is None
        if not cursor:
            break
    assert {r.id for r in found} == {r.id for r in made}
