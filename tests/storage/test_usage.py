"""Usage: exact however many count at the same time, once for each export, and new every day."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest

from shared.errors import FileOverQuota, QuotaReached
from shared.jobs.quotas import Limits, Turns, Usage
from shared.settings import Settings
from shared.storage.accounts import table_service

ROOMY = Limits(1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000)


@pytest.fixture
def usage(storage_settings: Settings) -> Usage:
    """The table, as one process has it."""
    made = Usage(table_service(storage_settings, "activity"))
    made.prepare()
    return made


@pytest.fixture
def tenant() -> str:
    """A tenant that nobody else uses."""
    return uuid4().hex


def enter(usage: Usage, tenant: str, user: str, limits: Limits, export_id: str = "") -> bool:
    """Whether one more export may begin."""
    try:
        usage.enter(tenant, user, export_id or uuid4().hex, limits)
    except QuotaReached:
        return False
    return True


def live(usage: Usage, tenant: str) -> set[str]:
    """The exports that run."""
    return {export.export_id for export in usage.live() if export.tenant == tenant}


def test_forty_at_once_from_four_processes_fill_a_quota_of_ten_exactly(
    storage_settings: Settings, usage: Usage, tenant: str
) -> None:
    """Whoever counts: each process has a client of its own."""
    processes = [usage, *(Usage(table_service(storage_settings, "activity")) for _ in range(3))]
    limits = replace(ROOMY, running_per_tenant=10)
    with ThreadPoolExecutor(40) as pool:
        entered = list(pool.map(lambda n: enter(processes[n % 4], tenant, f"user-{n}", limits), range(40)))
    assert entered.count(True) == 10
    assert len(live(usage, tenant)) == 10


@pytest.mark.parametrize(
    ("limits", "message", "soon"),
    [
        (replace(ROOMY, running_per_user=2), "you have 2 exports running or waiting; the limit is 2", True),
        (
            replace(ROOMY, running_per_tenant=3),
            "your organisation has 3 exports running or waiting; the limit is 3",
            True,
        ),
        (replace(ROOMY, exports_per_user=2), "you have 2 exports today; the limit is 2", False),
        (replace(ROOMY, exports_per_tenant=3), "your organisation has 3 exports today; the limit is 3", False),
        (replace(ROOMY, bytes_per_user=500), "you have 500 bytes of files today; the limit is 500", False),
        (replace(ROOMY, bytes_per_tenant=700), "your organisation has 700 bytes of files today", False),
    ],
    ids=["running", "running of all", "today", "today of all", "bytes", "bytes of all"],
)
def test_a_quota_that_is_reached_says_so(usage: Usage, tenant: str, limits: Limits, message: str, soon: bool) -> None:
    """With the figure, and when to come again: soon when something has to end, else after midnight."""
    for user, size in (("ada", 500), ("max", 200)):
        usage.enter(tenant, user, f"{user}-done", ROOMY, counts=False)
        usage.leave(tenant, f"{user}-done", size)
    for user in ("ada", "ada", "max"):
        usage.enter(tenant, user, uuid4().hex, ROOMY)
    with pytest.raises(QuotaReached, match=message) as refused:
        usage.enter(tenant, "ada", uuid4().hex, limits)
    assert (refused.value.retry_after == 30) is soon
    assert 0 < refused.value.retry_after <= 86_401
    usage.enter(uuid4().hex, "ada", uuid4().hex, limits)


def test_a_few_run_and_the_others_take_turns(usage: Usage, tenant: str) -> None:
    """Those of whoever has fewest running first, then those that wait longest; each gets its turn once."""
    two = replace(ROOMY, at_once=2)
    entered = [usage.enter(tenant, name[:3], name, two) for name in ("ada-1", "ada-2", "ada-3", "ada-4", "max-1")]
    assert entered == [True, True, False, False, False]
    assert usage.enter(tenant, "ada", "ada-1", two)
    assert not usage.enter(tenant, "ada", "ada-3", two)
    assert usage.next_turns(tenant, two) == Turns((), ("ada-3", "ada-4", "max-1"))
    usage.leave(tenant, "ada-1")
    assert usage.next_turns(tenant, two) == Turns(("max-1",), ("ada-3", "ada-4"))
    usage.leave(tenant, "ada-4")
    usage.leave(tenant, "max-1")
    assert not usage.enter(tenant, "ada", "ada-5", two)  # ada-3 has waited longer, and nobody has started it yet
    usage.leave(tenant, "ada-5")
    usage.leave(tenant, "ada-2")
    assert usage.next_turns(tenant, two) == Turns(("ada-3",), ())
    assert {export.export_id: export.runs for export in usage.live() if export.tenant == tenant} == {"ada-3": True}
    assert usage.enter(uuid4().hex, "bea", uuid4().hex, two)


def test_turns_are_given_once_however_many_give_them(storage_settings: Settings, usage: Usage, tenant: str) -> None:
    """Eight ends at once in four processes, eight free places: eight turns, nobody's twice."""
    processes = [usage, *(Usage(table_service(storage_settings, "activity")) for _ in range(3))]
    eight = replace(ROOMY, at_once=8)
    for n in range(24):
        usage.enter(tenant, "ada", f"export-{n}", eight)

    def end(n: int) -> tuple[str, ...]:
        processes[n % 4].leave(tenant, f"export-{n}")
        return processes[n % 4].next_turns(tenant, eight).chosen

    with ThreadPoolExecutor(8) as pool:
        chosen = [export_id for turns in pool.map(end, range(8)) for export_id in turns]
    assert sorted(chosen) == sorted(f"export-{n}" for n in range(8, 16))


def test_bytes_of_a_day_are_exact(storage_settings: Settings, usage: Usage, tenant: str) -> None:
    """Forty files of 100 bytes at once with room for 1,050: ten are published, and what was lost is given back."""
    processes = [usage, *(Usage(table_service(storage_settings, "activity")) for _ in range(3))]
    vast = replace(ROOMY, bytes_per_tenant=10_000)
    limits = replace(ROOMY, bytes_per_tenant=1_050)
    for n in range(40):
        usage.enter(tenant, f"user-{n % 3}", f"file-{n}", vast)

    def publish(n: int) -> bool:
        try:
            processes[n % 4].charge(tenant, f"file-{n}", 100, limits)
        except FileOverQuota:
            return False
        return True

    with ThreadPoolExecutor(40) as pool:
        published = [n for n, done in enumerate(pool.map(publish, range(40))) if done]
    assert len(published) == 10
    refusal = "your organisation has 1,000 bytes of files today, and this file has 51; the limit is 1,050; retry the"
    usage.enter(tenant, "max", "another", vast)
    with pytest.raises(FileOverQuota, match=refusal):
        usage.charge(tenant, "another", 51, limits)
    usage.charge(tenant, "another", 50, limits)
    usage.charge(tenant, "another", 50, limits)
    usage.leave(tenant, "another")  # it was cancelled in the last moment
    assert publish(next(n for n in range(40) if n not in published)) is False
    usage.leave(tenant, f"file-{published[0]}")
    usage.leave(tenant, f"file-{published[1]}", 100)
    usage.leave(tenant, f"file-{published[1]}", 100)
    rest = [n for n in range(40) if n not in published]
    assert [publish(rest[0]), publish(rest[1])] == [True, False]


def test_a_file_over_midnight_counts_once(usage: Usage, tenant: str, storage_settings: Settings) -> None:
    """Charged yesterday, left today: today has nothing of it."""
    usage.enter(tenant, "ada", "late", ROOMY)
    usage.charge(tenant, "late", 900, ROOMY)
    table = table_service(storage_settings, "activity").get_table_client("SluiceUsage")
    table.update_entity({"PartitionKey": tenant, "RowKey": "", "day": "2020-01-01"})
    usage.charge(tenant, "late", 900, ROOMY)
    usage.leave(tenant, "late", 900)
    usage.enter(tenant, "ada", "early", ROOMY)
    usage.charge(tenant, "early", 1_000, ROOMY)
    assert [use.bytes for use in usage.tenants() if use.tenant == tenant] == [1_000]


def test_an_export_counts_once(usage: Usage, tenant: str) -> None:
    """However often it is said that it begins, or ends."""
    limits = replace(ROOMY, exports_per_user=2, bytes_per_user=101)
    for _ in range(3):
        assert enter(usage, tenant, "ada", limits, "one")
    for _ in range(3):
        usage.leave(tenant, "one", 100)
    assert enter(usage, tenant, "ada", limits, "two")
    assert live(usage, tenant) == {"two"}
    assert not enter(usage, tenant, "ada", limits, "three")


def test_a_new_day_begins_at_nothing_but_what_runs(usage: Usage, tenant: str, storage_settings: Settings) -> None:
    """Yesterday's exports and bytes are no more; what runs over midnight still runs."""
    usage.enter(tenant, "ada", "over midnight", ROOMY)
    table = table_service(storage_settings, "activity").get_table_client("SluiceUsage")
    table.update_entity({"PartitionKey": tenant, "RowKey": "", "day": "2020-01-01"})
    assert enter(usage, tenant, "ada", replace(ROOMY, exports_per_user=1))
    assert not enter(usage, tenant, "ada", replace(ROOMY, exports_per_user=1))
    assert "over midnight" in live(usage, tenant)


def test_a_tenant_may_have_hundreds_running(usage: Usage, tenant: str) -> None:
    """Longer than one property of a row may be."""
    ids = [uuid4().hex for _ in range(200)]
    for export_id in ids:
        usage.enter(tenant, "a-user-with-a-name-of-36-characters-x", export_id, ROOMY)
    assert live(usage, tenant) == set(ids)
    for export_id in ids[:20]:
        usage.leave(tenant, export_id)
    assert live(usage, tenant) == set(ids[20:])
