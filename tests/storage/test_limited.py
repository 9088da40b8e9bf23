"""Limits on webhooks and schedules: exact however many come at once, and nothing is kept that could leak."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from azure.core.exceptions import ResourceNotFoundError

from shared.errors import StorageUnavailable
from shared.identity.caller import demo_caller
from shared.jobs.records import new_export_id
from shared.schedules.store import Schedule, Schedules
from shared.settings import Settings
from shared.storage import limited
from shared.storage.accounts import table_service
from shared.timestamps import iso
from shared.webhooks.endpoints import Endpoint, Endpoints, new_endpoint_id

AT_ONCE = 40
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def tenant() -> str:
    """A tenant that nobody else uses."""
    return uuid4().hex


@pytest.fixture(autouse=True)
def _as_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads do not wait for each other here, as other processes do not."""
    monkeypatch.setattr(limited, "_PATIENCE", 0)


def webhook(tenant: str) -> Endpoint:
    """A new one."""
    return Endpoint(tenant, new_endpoint_id(), "https://hooks.example", ("export.completed",), "ada", iso(NOW), ())


def schedule(tenant: str, user: str) -> Schedule:
    """A new one."""
    caller = demo_caller("ada").to_json()
    made = Schedule(tenant, new_export_id(NOW), "n", user, iso(NOW), "0 6 * * *", "UTC", "{}", caller, iso(NOW))
    return replace(made, state="paused")


def at_once(make: Callable[[int], bool]) -> int:
    """How many of forty at the same time are made."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(make, range(AT_ONCE))).count(True)


@pytest.fixture
def processes(storage_settings: Settings) -> list[tuple[Endpoints, Schedules]]:
    """The tables, as four processes have them."""
    made = []
    for _ in range(4):
        service = table_service(storage_settings, "activity")
        made.append((Endpoints(service), Schedules(service)))
    for table in made[0]:
        table.prepare()
    return made


def test_a_tenant_gets_exactly_so_many_webhooks(processes: list[tuple[Endpoints, Schedules]], tenant: str) -> None:
    """Forty at once fill the limit to the last place; what goes makes room; another tenant has its own."""
    endpoints = processes[0][0]
    assert at_once(lambda n: processes[n % 4][0].create(webhook(tenant), 7)) == 7
    found = endpoints.of_tenant(tenant)
    assert len(found) == 7
    assert not endpoints.create(webhook(tenant), 7)
    endpoints.change(found[0], lambda one: replace(one, deleted_at=iso(NOW)))
    endpoints.remove(found[1])
    assert at_once(lambda n: processes[n % 4][0].create(webhook(tenant), 7)) == 2
    assert endpoints.create(webhook(uuid4().hex), 7)
    assert sum(one.tenant == tenant and not one.deleted_at for one in endpoints.all()) == 7


def test_a_user_gets_exactly_so_many_schedules(processes: list[tuple[Endpoints, Schedules]], tenant: str) -> None:
    """Each user of a tenant has a limit of their own, whatever characters are in their id."""
    schedules, ada, eve = processes[0][1], "ada/it's #1?\\", "eve"
    assert at_once(lambda n: processes[n % 4][1].create(schedule(tenant, ada), 5)) == 5
    assert schedules.create(schedule(tenant, eve), 5)
    found, _ = schedules.page(tenant, ada, 100, "")
    assert len(found) == 5
    assert len(schedules.page(tenant, "", 100, "")[0]) == 6
    schedules.delete(found[0])
    assert schedules.create(schedule(tenant, ada), 5)
    assert not schedules.create(schedule(tenant, ada), 5)


def test_one_that_is_there_is_not_made_again(processes: list[tuple[Endpoints, Schedules]], tenant: str) -> None:
    """The answer to the first try may have been lost: it counts once, and also where it took the last place."""
    endpoints, one = processes[0][0], webhook(tenant)
    assert endpoints.create(one, 1)
    assert endpoints.create(one, 1)
    assert endpoints.of_tenant(tenant) == [one]


def test_a_lock_of_a_process_that_died_is_taken(processes: list[tuple[Endpoints, Schedules]], tenant: str) -> None:
    """Once its time is over; before, nobody counts beside its holder."""
    endpoints = processes[0][0]
    lock = {"PartitionKey": tenant, "RowKey": "webhooks", "holder": "dead", "until": iso(NOW)}
    endpoints._locks._table.create_entity(lock)
    assert endpoints.create(webhook(tenant), 1)
    assert not endpoints.create(webhook(tenant), 1)
    with pytest.raises(ResourceNotFoundError):
        endpoints._locks._table.get_entity(tenant, "webhooks")


def test_a_lock_of_somebody_else_is_waited_for(
    processes: list[tuple[Endpoints, Schedules]], tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In vain: that is an error that says so, and nothing is written."""
    endpoints = processes[0][0]
    monkeypatch.setattr(limited, "_LONGEST_WAIT", 0.2)
    lock = {"PartitionKey": tenant, "RowKey": "webhooks", "holder": "other", "until": iso(NOW.replace(year=2999))}
    endpoints._locks._table.create_entity(lock)
    with pytest.raises(StorageUnavailable, match="webhooks are being made too often at the same time"):
        endpoints.create(webhook(tenant), 1)
    assert endpoints.of_tenant(tenant) == []
    assert endpoints._locks._table.get_entity(tenant, "webhooks")["holder"] == "other"


def test_what_was_written_after_the_locks_time_is_taken_back(
    processes: list[tuple[Endpoints, Schedules]], tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that stood still between counting and writing: somebody else may have taken the last place."""
    endpoints = processes[0][0]
    monkeypatch.setattr(limited, "_LONGEST_WAIT", 0.2)
    monkeypatch.setattr(limited, "_LIFETIME", 0.0)
    with pytest.raises(StorageUnavailable):
        endpoints.create(webhook(tenant), 1)
    assert endpoints.of_tenant(tenant) == []
