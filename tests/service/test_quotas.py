"""Quotas: exactly as many exports as may be, and a refusal that says when to come again."""

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from demo import processes, stack
from demo.azurite_server import Azurite
from demo.client import Client
from shared.settings import settings_from
from shared.storage.accounts import table_service
from tests.service.conftest import Fragile
from tests.service.problems import assert_problem


@pytest.fixture(scope="module")
def strict(azurite: Azurite, database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fragile]:
    """A service whose database is away, so that exports run until they are cancelled; ten a user, twelve a tenant."""
    home = tmp_path_factory.mktemp("strict")
    own = Path(shutil.copy(database, home / "own.db"))
    port = processes.free_port()
    limits = {"MAX_RUNNING_PER_USER": "10", "MAX_RUNNING_PER_TENANT": "12", "RETRY_FIRST_SECONDS": "60"}
    quiet = {"RETENTION_SCHEDULE": "0 0 0 1 1 *", "WATCHDOG_SCHEDULE": "0 0 0 1 1 *"}
    storage = azurite.connection_string
    settings = stack.app_settings(home, port, storage, f"sqlite:///{own}")
    with stack.host(home, port, {**settings, **limits, **quiet}):
        service = Fragile(f"http://127.0.0.1:{port}", own, storage)
        service.take_database_away()
        yield service


def ask(client: Client, number: int) -> requests.Response:
    """POST /exports for something new, over a connection of its own."""
    return requests.post(
        f"{client.api}/exports",
        json={"exportType": "analytics", "fileName": f"export {number}"},
        headers=client.headers,
        timeout=60,
    )


@pytest.mark.timeout(120)
def test_forty_at_once_with_a_quota_of_ten(strict: Fragile) -> None:
    """Ten are accepted, thirty are refused; a place is free again once an export has ended; others are not kept."""
    gus, bea = strict.client("gus"), strict.client("bea")
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda n: ask(gus, n), range(40)))
    assert Counter(answer.status_code for answer in answers) == {202: 10, 429: 30}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert_problem(
        refused, "quota-reached", detail="you have 10 exports running or waiting; the limit is 10; try again when one"
    )
    assert refused.headers["Retry-After"] == "30"
    listed = {item["id"] for item in gus.call("GET", "/exports?limit=200").json()["items"]}
    accepted = [answer.json()["id"] for answer in answers if answer.status_code == 202]
    assert listed == set(accepted)

    again = next(n for n, answer in enumerate(answers) if answer.status_code == 202)
    assert (ask(gus, again).status_code, ask(gus, 100).status_code) == (200, 429)
    assert gus.call("POST", f"/exports/{accepted[0]}/cancel").status_code == 202
    assert (ask(gus, 101).status_code, ask(gus, 102).status_code) == (202, 429)

    assert [ask(bea, n).status_code for n in range(3)] == [202, 202, 429]
    detail = "your organisation has 12 exports running or waiting; the limit is 12"
    assert_problem(ask(bea, 3), "quota-reached", detail=detail)
    assert ask(strict.client("ada"), 1).status_code == 202


def test_a_refused_request_can_be_made_again(strict: Fragile) -> None:
    """With the same key, once there is a place: it makes the export that it could not make before."""
    ada = strict.client("ada")
    running = []
    while (answer := ask(ada, len(running))).status_code in (200, 202):
        running.append(answer.json()["id"])
    headers = {**ada.headers, "Idempotency-Key": "once"}

    def keyed() -> requests.Response:
        return requests.post(f"{ada.api}/exports", json={"exportType": "analytics"}, headers=headers, timeout=60)

    assert keyed().status_code == 429
    ada.call("POST", f"/exports/{running[-1]}/cancel")
    assert [keyed().status_code, keyed().status_code] == [202, 200]


def test_what_a_refused_request_leaves_is_removed_in_time(strict: Fragile) -> None:
    """Half an hour later the timer removes its claim; one under which it came back stays, and so does a fresh one."""
    max_ = strict.client("max")
    settings = stack.bare_settings(strict.storage)
    table = table_service(settings_from(settings), "activity").get_table_client("SluiceClaims")

    def keyed(key: str) -> int:
        headers = {**max_.headers, "Idempotency-Key": key}
        return requests.post(
            f"{max_.api}/exports", json={"exportType": "analytics"}, headers=headers, timeout=60
        ).status_code

    def refused() -> dict[str, Any]:
        rows = table.query_entities("PartitionKey eq 'acme' and refused eq true")
        return {row["export_id"]: row for row in rows}

    running = []
    while (answer := ask(max_, 200 + len(running))).status_code in (200, 202):
        running.append(answer.json()["id"])
    for made in [*refused().values()]:
        table.delete_entity(made)
    assert [keyed("never again"), keyed("later"), keyed("fresh")] == [429, 429, 429]
    ids = list(refused())
    assert len(ids) == 3
    max_.call("POST", f"/exports/{running[0]}/cancel")
    assert keyed("later") == 202
    later = next(i for i in ids if max_.call("GET", f"/exports/{i}").status_code == 200)
    never = next(i for i in ids if i != later)
    for export_id in (never, later):
        row = refused()[export_id]
        long_ago = {**{k: row[k] for k in ("PartitionKey", "RowKey")}, "created_at": "2026-01-01T00:00:00.000Z"}
        table.update_entity(long_ago)
    assert requests.post(f"{strict.base_url}/admin/functions/retention", json={}, timeout=60).status_code == 202
    end = time.monotonic() + 30
    while never in refused() or later in refused():
        assert time.monotonic() < end
    rows = {row["export_id"] for row in table.query_entities("PartitionKey eq 'acme'")}
    assert set(ids) - rows == {never}
