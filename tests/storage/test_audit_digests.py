"""Digests of the audit log, retention, and the command that verifies, on the real emulator."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.audit import digests
from shared.audit import verify as verifying
from shared.audit.digests import Digests, keep_digests
from shared.audit.log import AuditLog
from shared.audit.verify import verify
from shared.errors import StorageUnavailable
from shared.retention.runner import run_sweepers
from shared.retention.sweepers import Sweep
from shared.retention.sweepers.audit_rows import AuditRows
from shared.services import Services
from shared.storage.accounts import table_service
from shared.timestamps import iso
from tests.conftest import NewAccount
from tests.in_process import services_on
from tests.storage.audited import KEPT, NOW, Trail


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


def test_digests_that_went_too_early_are_missed(lived: Trail) -> None:
    """With the rows that they told of: retention has not come to them."""
    (first, line), *_ = lived.digests.lines()
    until = json.loads(line)["until"]
    lived.digests._container.get_blob_client(first).delete_blob()
    assert "digest" in lived.found()
    for row in lived.rows():
        if row["time"] < until:
            lived.delete(row)
    assert {"digest", "missing"} <= lived.found()
    assert lived.found(timedelta(days=0.5)) == set()


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


def work_on(context: Services) -> Sweep:
    """A run of retention in which nothing but the audit log is concerned."""

    def unused(_: Any) -> Any:
        raise AssertionError("no export and no webhook is concerned")

    return Sweep(context, datetime.now(UTC), unused, unused, unused)


def test_the_retention_timer_seals_and_removes(trail: Trail) -> None:
    """By the clock: yesterday and before are sealed, and what is too old is gone; the rest is verified."""
    process = trail.make()
    now = datetime.now(UTC)
    for hours in (100, 76, 52, 1):
        trail.add(process, (NOW - now) / timedelta(days=1) + hours / 24)
    with services_on(trail.account, AUDIT_RETENTION_DAYS="3") as context:
        for _ in range(2):
            asyncio.run(run_sweepers(work_on(context), 60, [AuditRows()]))
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
    monkeypatch.setattr(digests, "_CHAINS_OF_A_LINE", 2)
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


class Busy(AuditLog):
    """A log in which a row is written while it is read, behind the place of the reader."""

    reads = 0

    def rows(self, since: str, until: str) -> Iterator[dict[str, Any]]:
        self.reads += 1
        found = sorted(super().rows(since, until), key=lambda row: -row["seq"])
        yield from (row for row in found if self.reads > 1 or row["seq"] != 2)


def test_a_log_that_is_written_meanwhile_is_verified(trail: Trail) -> None:
    """A row that was not there when its place was read is looked for again; one that is gone is missed."""
    process = trail.make()
    for number in range(4):
        trail.add(process, 0.1 - number / 86_400, f"t{number}")
    busy = Busy(trail.tables)
    report = verify(busy, trail.digests, NOW, KEPT)
    assert (report.problems, report.rows, busy.reads) == ([], 4, 2)
    trail.delete(next(row for row in trail.rows() if row["seq"] == 2))
    assert [p.kind for p in verify(Busy(trail.tables), trail.digests, NOW, KEPT).problems] == ["missing"]


def test_the_command_tells_and_has_a_status(
    lived: Trail, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 when all is well, 1 when not, 2 when storage is away; wherever it runs, and with no other setting."""
    monkeypatch.delenv("AZURE_FUNCTIONS_ENVIRONMENT", raising=False)
    monkeypatch.setenv("AzureWebJobsStorage", lived.account.connection_string)
    monkeypatch.setenv("AUDIT_RETENTION_DAYS", "3650")
    assert verifying.main([]) == 0
    assert "38 rows (0 unchained), 2 chains, 4 digests: 0 problems" in capsys.readouterr().out
    lived.delete(lived.rows()[5])
    assert verifying.main([]) == 1
    assert "missing" in capsys.readouterr().out
    assert verifying.main(["--unchained-until", "yesterday"]) == 2
    away = "AccountName=a;AccountKey=YQ==;BlobEndpoint=http://127.0.0.1:1/a;TableEndpoint=http://127.0.0.1:1/a"
    monkeypatch.setenv("AzureWebJobsStorage", away)
    monkeypatch.setattr(verifying, "table_service", lambda known, *_, **__: table_service(known, "request"))
    assert verifying.main([]) == 2
    assert "cannot be verified" in capsys.readouterr().err


@pytest.mark.parametrize(("stage", "refused"), [("Development", False), ("Production", True)])
def test_the_command_sees_which_stage_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stage: str, refused: bool
) -> None:
    """An emulator under another name, as in a container's network, is for local development only."""
    monkeypatch.setenv("AZURE_FUNCTIONS_ENVIRONMENT", stage)
    ends = "BlobEndpoint=http://azurite.invalid:1/a;TableEndpoint=http://azurite.invalid:1/a"
    monkeypatch.setenv("AzureWebJobsStorage", f"AccountName=a;AccountKey=YQ==;{ends}")
    monkeypatch.setattr(verifying, "table_service", lambda known, *_, **__: table_service(known, "request"))
    assert verifying.main([]) == 2
    assert ("without encryption" in capsys.readouterr().err) is refused


def test_the_command_says_what_storage_answers(
    new_account: NewAccount, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An account without a log, or a person without a role, is no finding and no traceback."""
    monkeypatch.setenv("AzureWebJobsStorage", new_account().connection_string)
    assert verifying.main([]) == 2
    assert "the audit log cannot be verified: The table specified does not exist" in capsys.readouterr().err
