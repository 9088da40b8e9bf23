"""The audit log's chain, its digests and their verification, on the real emulator."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableClient, TableServiceClient

from demo.azurite_server import Azurite
from shared import audit_digests, audit_verify
from shared.audit import AuditEntry, AuditLog
from shared.audit_chain import hash_of
from shared.audit_digests import Digests, keep_digests
from shared.audit_verify import Report, verify
from shared.errors import StorageUnavailable
from shared.records import iso
from shared.settings import settings_from
from shared.storage.accounts import blob_service, table_service
from tests.app.test_settings import RIGHT
from tests.conftest import NewAccount
from tests.in_process import services_on
from triggers.timers import forget_audit

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
KEPT = timedelta(days=30)


@dataclass
class Trail:
    """A log in an account of its own. ``days``: so many days before now; a process is an ``AuditLog``."""

    account: Azurite
    make: Callable[[], AuditLog]
    digests: Digests
    table: TableClient

    def add(self, process: AuditLog, day: float, tenant: str = "acme", **changes: Any) -> None:
        """An entry of so many days ago."""
        time = iso(NOW - timedelta(days=day))
        values = {"action": "seen", "status": 200, "user": "o'hara", "name": "Ö \U0001f600", "address": "192.0.2.1"}
        process.add(AuditEntry(tenant, time, **values | {"agent": "a\n", "request_id": "r"} | changes))

    def digest(self, days_ago: float = 0, oldest: float = 30) -> str:
        """Make the digest that is due at that time; gives until when there are digests then."""
        now = NOW - timedelta(days=days_ago)
        keep_digests(self.make(), self.digests, now, now - timedelta(days=oldest))
        last = self.digests.end().last
        assert last
        return last.until

    def verify(self, kept: timedelta = KEPT, unchained_until: str = "") -> Report:
        """What verification finds now."""
        return verify(self.make(), self.digests, NOW, kept, unchained_until)

    def found(self, kept: timedelta = KEPT) -> set[str]:
        """The kinds of problems."""
        return {problem.kind for problem in self.verify(kept).problems}

    def rows(self) -> list[dict[str, Any]]:
        """All rows, oldest first."""
        found = [dict(entity) for entity in self.table.list_entities()]
        return sorted(found, key=lambda row: (row["RowKey"][:13], -row.get("seq", 0)), reverse=True)

    def replace(self, row: dict[str, Any], **changes: Any) -> None:
        """Change a row behind the service's back."""
        self.table.upsert_entity({**row, **changes})

    def delete(self, row: dict[str, Any]) -> None:
        """Remove a row behind the service's back."""
        self.table.delete_entity(row["PartitionKey"], row["RowKey"])


@pytest.fixture
def trail(new_account: NewAccount) -> Trail:
    """An empty log."""
    account = new_account()
    known = settings_from({**RIGHT, "AzureWebJobsStorage": account.connection_string})

    def make() -> AuditLog:
        return AuditLog(table_service(known, "request"))

    make().prepare()
    tables = TableServiceClient.from_connection_string(account.connection_string)
    return Trail(account, make, Digests(blob_service(known, "request")), tables.get_table_client("SluiceAudit"))


@pytest.fixture
def lived(trail: Trail) -> Trail:
    """Two processes over four days, with tenants of their own, a digest after each day, and rows since the last one."""
    one, two = trail.make(), trail.make()
    for day in (4, 3, 2, 1):
        for hour in range(4):
            trail.add(one, day - hour / 100)
            trail.add(two, day - hour / 100 - 0.001, "globex")
        trail.digest(day - 0.9)
    for hour in range(3):
        trail.add(one, 0.2 - hour / 100)
        trail.add(two, 0.2 - hour / 100, "globex")
    return trail


def test_what_was_written_is_verified(lived: Trail) -> None:
    """Of two processes, with and without digests, and any text in the rows."""
    report = lived.verify()
    assert (report.problems, report.rows, report.chains, report.unchained) == ([], 38, 2, 0)
    assert (report.digests, report.lost, report.unsettled) == (4, 0, 0)


OF_EACH = {"sealed": 5, "newest sealed": 31, "not sealed yet": 34}
"""Rows by their place in time: the first two are in a digest."""


@pytest.mark.parametrize("place", OF_EACH.values(), ids=list(OF_EACH))
@pytest.mark.parametrize(
    "changes",
    [
        {"user": "somebody"},
        {"status": 404},
        {"address": ""},
        {"seq": 999},
        {"lost": "1"},
        {"more": "x"},
        {"time": iso(NOW)},
        {"hash": "0" * 64},
        {"chain": "0123456789abcdef"},
    ],
    ids=str,
)
def test_a_changed_field_shows(lived: Trail, place: int, changes: dict[str, Any]) -> None:
    """Whichever, also one that no release knows."""
    lived.replace(lived.rows()[place], **changes)
    assert "changed" in lived.found()


@pytest.mark.parametrize("place", OF_EACH.values(), ids=list(OF_EACH))
def test_a_change_with_a_fresh_hash_shows(lived: Trail, place: int) -> None:
    """The next row knows the old one."""
    row = {**lived.rows()[place], "user": "somebody"}
    lived.replace(row, hash=hash_of(row))
    assert "changed" in lived.found()


@pytest.mark.parametrize("place", [*OF_EACH.values(), 0], ids=[*OF_EACH, "the first"])
def test_a_deleted_row_shows_with_its_time(lived: Trail, place: int) -> None:
    """The day before which it was."""
    row = lived.rows()[place]
    lived.delete(row)
    problems = [p for p in lived.verify().problems if p.kind == "missing"]
    assert problems
    assert all(abs((datetime.fromisoformat(p.time) - datetime.fromisoformat(row["time"])).days) <= 1 for p in problems)


def test_a_row_that_is_moved_to_another_tenant_or_time_shows(lived: Trail) -> None:
    """Its keys are in its hash, and its number is in its chain once only."""
    row = lived.rows()[20]
    lived.table.create_entity({**row, "PartitionKey": "initech"})
    assert "changed" in lived.found()
    assert "inserted" in lived.found()
    lived.delete(row)
    assert "changed" in lived.found()


def test_rows_that_change_places_show(lived: Trail) -> None:
    """The content of one under the key of the other, with hashes that fit."""
    first, second = [row for row in lived.rows() if row["PartitionKey"] == "acme"][4:6]
    keys = ("PartitionKey", "RowKey", "time", "chain", "seq", "prev", "settled", "lost")
    for one, other in ((first, second), (second, first)):
        row = {**other, **{key: one[key] for key in keys}, "agent": "swapped"}
        lived.replace(row, hash=hash_of(row))
    assert "changed" in lived.found()


@pytest.mark.parametrize("columns", [{}, {"chain": "", "seq": 0}, {"chain": 7, "seq": "x"}], ids=str)
@pytest.mark.parametrize("days", [2, 0.1], ids=["sealed", "not sealed yet"])
def test_an_inserted_row_without_a_chain_shows(lived: Trail, columns: dict[str, Any], days: float) -> None:
    """Rows without a chain are of earlier releases, which do not run any more."""
    time = NOW - timedelta(days=days)
    key = f"{10**13 - 1 - int(time.timestamp() * 1000):013d}-0123abcd"
    lived.table.create_entity({"PartitionKey": "acme", "RowKey": key, "time": iso(time), "status": 200, **columns})
    assert lived.found() == {"inserted"}


def test_an_inserted_row_with_a_chain_shows(lived: Trail) -> None:
    """As a second one of its number, or a chain that was not there when the digest was made."""
    row = {**lived.rows()[10], "RowKey": lived.rows()[10]["RowKey"][:13] + "-0123abcd"}
    forged = {**row, "chain": "f" * 16, "seq": 1, "prev": "", "settled": 0}
    for one in (row, forged):
        lived.table.create_entity({**one, "hash": hash_of(one)})
        assert "inserted" in lived.found()
        lived.delete(one)
    assert lived.found() == set()


def test_an_inserted_row_under_a_strange_key_shows(lived: Trail) -> None:
    """And stops neither digests nor verification."""
    lived.table.create_entity({"PartitionKey": "acme", "RowKey": "0-mine", "time": "x", "status": 200})
    lived.digest(-1)
    assert lived.found() == {"inserted"}


def test_the_end_of_a_chain_is_missed_once_it_is_in_a_digest(lived: Trail) -> None:
    """Or once the process writes on; and so is a chain as a whole."""
    lived.digest(-1)
    *_, last = (row for row in lived.rows() if row["PartitionKey"] == "acme")
    lived.delete(last)
    assert lived.found() == {"missing"}
    lived.replace(last)
    assert lived.found() == set()
    for row in lived.rows():
        if row["PartitionKey"] == "globex":
            lived.delete(row)
    assert lived.found() == {"missing"}


def test_a_process_that_goes_on_misses_its_last_row(trail: Trail) -> None:
    """Without any digest."""
    process = trail.make()
    for minute in range(3):
        trail.add(process, 0.1 - minute / 1440)
    trail.delete(trail.rows()[-1])
    trail.add(process, 0.05)
    assert trail.found() == {"missing"}


def test_what_retention_removed_is_not_missed(lived: Trail) -> None:
    """It removes days as a whole, and may be in the middle of one; what is inside the time is missed all the same."""
    for days in (4.5, 3, 2.2, 1.4):
        kept = timedelta(days=days)
        assert lived.found(kept) == set()
        boundary = lived.digests.boundary(NOW - kept)
        if boundary:
            assert timedelta(0) <= NOW - kept - boundary < timedelta(days=1)
            lived.delete(next(row for row in lived.rows() if row["time"] < iso(boundary)))
            assert lived.found(kept) == set()
            lived.make().forget_before(boundary)
        assert lived.found(kept) == set()
    survivors = lived.rows()
    assert len(survivors) == 14
    for row in survivors[:-2]:
        lived.delete(row)
        assert lived.found(timedelta(days=1.4)) == {"missing"}
        lived.replace(row)


def test_digests_that_are_as_old_as_their_rows_may_go(lived: Trail) -> None:
    """What is left of them is where verification begins."""
    boundary = lived.digests.boundary(NOW - timedelta(days=2.2))
    assert boundary
    lived.make().forget_before(boundary)
    for name in {name for name, _ in lived.digests.lines()}:
        if name <= f"{iso(boundary)[:10]}.jsonl":
            lived.digests._container.get_blob_client(name).delete_blob()
    report = lived.verify(timedelta(days=2.2))
    assert (report.problems, report.digests, report.rows) == ([], 2, 22)
    lived.delete(lived.rows()[0])
    assert lived.found(timedelta(days=2.2)) == {"missing"}


def test_a_digest_is_of_a_day_that_is_over(trail: Trail) -> None:
    """By a quarter of an hour; or of what is to be removed. Days of before the first digest get one each."""
    process = trail.make()
    for day in (9, 8, 1):
        trail.add(process, day)
    midnight = NOW.replace(hour=0)
    assert trail.digest() == iso(midnight)
    ends = [json.loads(line)["until"][:10] for _, line in trail.digests.lines()]
    assert ends == ["2026-03-02", "2026-03-03", "2026-03-10"]
    keep_digests(process, trail.digests, midnight + timedelta(days=1, minutes=14), NOW - KEPT)
    assert trail.digest() == iso(midnight)
    assert trail.digest(oldest=0.25) == iso(NOW - timedelta(days=0.25))
    assert trail.digest(oldest=0) == iso(NOW - timedelta(minutes=15))
    assert [json.loads(line)["number"] for _, line in trail.digests.lines()] == [1, 2, 3, 4, 5]
    assert trail.found() == set()


def test_the_retention_timer_seals_and_removes(trail: Trail) -> None:
    """By the clock: yesterday and before are sealed, and what is too old is gone; the rest is verified."""
    process = trail.make()
    now = datetime.now(UTC)
    for hours in (100, 76, 52, 1):
        trail.add(process, (NOW - now) / timedelta(days=1) + hours / 24)
    with services_on(trail.account, AUDIT_RETENTION_DAYS="3") as context:
        forget_audit(context)
        forget_audit(context)
    assert len(trail.rows()) == 3 - ((now - timedelta(hours=76)).date() < (now - timedelta(days=3)).date())
    report = verify(trail.make(), trail.digests, datetime.now(UTC), timedelta(days=3))
    assert (report.problems, report.digests >= 3) == ([], True)


def test_rows_of_earlier_releases_are_unchained(trail: Trail) -> None:
    """They are counted, sealed by digests, and must be older than all others, or than the operator says."""
    for minute in range(5):
        time = NOW - timedelta(days=3, minutes=minute)
        key = f"{10**13 - 1 - int(time.timestamp() * 1000):013d}-0123abcd"
        trail.table.create_entity({"PartitionKey": "acme", "RowKey": key, "time": iso(time), "status": 200})
    process = trail.make()
    trail.add(process, 3 + 2.5 / 1440)
    trail.digest(1)
    report = trail.verify()
    assert (report.unchained, {p.kind for p in report.problems}) == (5, {"inserted"})
    report = trail.verify(unchained_until=iso(NOW - timedelta(days=3)))
    assert (report.unchained, report.problems) == (5, [])
    trail.replace(trail.rows()[0], status=404)
    report = trail.verify(unchained_until=iso(NOW - timedelta(days=3)))
    assert {p.kind for p in report.problems} == {"changed"}


class Refusing:
    """A table that does not take rows of some users."""

    def __init__(self, table: Any, users: set[str]) -> None:
        self.table, self.users = table, users

    def create_entity(self, entity: dict[str, Any]) -> None:
        if entity["user"] in self.users:
            error = HttpResponseError("busy")
            error.status_code = 503
            raise error
        self.table.create_entity(entity)


def test_a_row_that_storage_did_not_take_is_not_missed(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next rows say so; the chain goes on, and a row that is deleted beside it is missed."""
    process = trail.make()
    monkeypatch.setattr(process, "_table", Refusing(process._table, {"lost"}))
    for number, user in enumerate(["u", "lost", "u", "lost", "lost", "u", "u"]):
        if user == "lost":
            with pytest.raises(StorageUnavailable):
                trail.add(process, 1 - number / 1440, user=user)
        else:
            trail.add(process, 1 - number / 1440, user=user)
    assert [row["lost"] for row in trail.rows()] == ["", "2", "4-5", ""]
    report = trail.verify()
    assert (report.problems, report.lost, report.unsettled) == ([], 3, 0)
    trail.digest()
    assert trail.found() == set()
    assert trail.found(timedelta(days=1) - timedelta(minutes=1)) == set()
    trail.delete(trail.rows()[1])
    assert trail.found() == {"missing"}


def test_a_row_that_a_killed_process_did_not_finish_is_not_missed(trail: Trail) -> None:
    """Where it is last, and nobody had it settled: it is counted apart."""
    process = trail.make()
    trail.add(process, 0.1)
    process._chain.link({"PartitionKey": "acme", "RowKey": "x"})
    trail.add(process, 0.05)
    report = trail.verify()
    assert (report.problems, report.unsettled) == ([], 1)


def test_many_threads_make_one_chain(trail: Trail) -> None:
    """None waits for another, no number is given twice, and all of it is verified."""
    process = trail.make()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: trail.add(process, 0.1 - number / 86_400, f"t{number % 5}"), range(200)))
    assert sorted(row["seq"] for row in trail.rows()) == list(range(1, 201))
    report = trail.verify()
    assert (report.problems, report.chains, report.rows) == ([], 1, 200)


@pytest.mark.parametrize("how", ["a line changed", "a line gone", "no line"])
def test_digests_that_are_changed_show(lived: Trail, how: str) -> None:
    """Each knows the one before it. An immutability policy keeps it from happening."""
    _, (name, line), *_ = lived.digests.lines()
    blob = lived.digests._container.get_blob_client(name)
    blob.delete_blob()
    if how != "a line gone":
        changed = line.replace(b'"rows":4', b'"rows":3', 1) if how == "a line changed" else b"{}"
        blob.upload_blob(changed + b"\n")
    assert "digest" in lived.found()


def test_one_of_two_who_make_a_digest_does(lived: Trail) -> None:
    """The other one is told that somebody was faster."""
    end = lived.digests.end()
    lived.digest(-1)
    made = lived.digests.end().last
    assert made
    for number in (made.number, made.number + 1):
        with pytest.raises(StorageUnavailable, match="somebody else"):
            lived.digests.append([replace(made, number=number)], end)
    assert lived.found() == set()


def test_a_day_of_many_chains_is_told_in_several_lines(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    """A digest that was killed between them is made again, and the lines of its first try count for nothing."""
    monkeypatch.setattr(audit_digests, "_CHAINS_OF_A_LINE", 2)
    for number in range(5):
        trail.add(trail.make(), 1 - number / 86_400)
    append = Digests.append
    with monkeypatch.context() as killed:
        killed.setattr(Digests, "append", lambda self, lines, end: append(self, [next(iter(lines))], end))
        trail.digest()
    first = trail.digests.end().last
    assert first
    assert (first.part, first.parts, trail.digests.boundary(NOW)) == (1, 3, None)
    trail.delete(trail.rows()[0])
    assert trail.found() == set()
    trail.digest()
    report = trail.verify()
    assert (report.problems, report.digests, report.chains) == ([], 3, 4)
    assert trail.digests.boundary(NOW) == NOW.replace(hour=0)
    trail.delete(trail.rows()[0])
    assert trail.found() == {"missing"}


def test_the_command_tells_and_has_a_status(
    lived: Trail, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 when all is well, 1 when not, 2 when storage is away; wherever it runs, and with no other setting."""
    monkeypatch.delenv("AZURE_FUNCTIONS_ENVIRONMENT", raising=False)
    monkeypatch.setenv("AzureWebJobsStorage", lived.account.connection_string)
    monkeypatch.setenv("AUDIT_RETENTION_DAYS", "3650")
    assert audit_verify.main([]) == 0
    assert "38 rows (0 unchained), 2 chains, 4 digests: 0 problems" in capsys.readouterr().out
    lived.delete(lived.rows()[5])
    assert audit_verify.main([]) == 1
    assert "missing" in capsys.readouterr().out
    assert audit_verify.main(["--unchained-until", "yesterday"]) == 2
    away = "AccountName=a;AccountKey=YQ==;BlobEndpoint=http://127.0.0.1:1/a;TableEndpoint=http://127.0.0.1:1/a"
    monkeypatch.setenv("AzureWebJobsStorage", away)
    monkeypatch.setattr(audit_verify, "table_service", lambda known, _: table_service(known, "request"))
    assert audit_verify.main([]) == 2
    assert "cannot be verified" in capsys.readouterr().err
