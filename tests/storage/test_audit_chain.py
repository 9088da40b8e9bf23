"""The audit log's chain and its verification, on the real emulator."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from shared.audit.chain import hash_of
from shared.errors import StorageUnavailable
from shared.timestamps import iso
from tests.storage.audited import NOW, Trail


def test_what_was_written_is_verified(lived: Trail) -> None:
    """Of two processes, with and without digests, and any text in the rows."""
    report = lived.verify()
    assert (report.problems, report.rows, report.chains, report.unchained) == ([], 38, 2, 0)
    assert (report.digests, report.lost, report.unsettled) == (4, 0, 0)


OF_EACH = {"sealed": 5, "newest sealed": 31, "not sealed yet": 34}
"""Rows by their place in time: the first two are in a digest."""


CHANGES: tuple[dict[str, Any], ...] = (
    {"user": "somebody"},
    {"status": 404},
    {"address": ""},
    {"seq": 999},
    {"lost": "1"},
    {"more": "x"},
    {"time": iso(NOW)},
    {"hash": "0" * 64},
    {"chain": "0123456789abcdef"},
)


@pytest.mark.parametrize("place", OF_EACH.values(), ids=list(OF_EACH))
def test_a_changed_field_shows(lived: Trail, place: int) -> None:
    """Whichever, also one that no release knows; and when it is as it was, all is well."""
    row = lived.rows()[place]
    for changes in CHANGES:
        lived.replace(row, **changes)
        assert "changed" in lived.found(), changes
    lived.replace(row)
    assert lived.found() == set()


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
