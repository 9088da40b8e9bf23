"""Cancelling: whatever an export is doing, it stops within seconds and leaves nothing behind."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from demo import processes, stack
from demo.azurite_server import Azurite
from demo.client import Client
from shared.identity.caller import demo_caller
from shared.jobs.records import ExportRecord, ExportRecords, new_export_id
from shared.settings import settings_from
from shared.storage.accounts import blob_service, table_service
from shared.storage.blobs import BlobStore
from shared.timestamps import iso
from tests.service import fault_proxy
from tests.service.conftest import Fragile
from tests.service.fault_proxy import Fault, FaultProxy
from tests.service.problems import assert_problem

SECONDS = float(os.environ.get("CANCEL_SECONDS", "20"))
"""Within which everything has stopped: sooner than the pauses end, also where three others want the same cores.

``make test-api`` allows the five that are promised, for it has the machine to itself.
"""


@pytest.fixture(scope="module")
def proxy(azurite: Azurite) -> Iterator[FaultProxy]:
    """A proxy that can hold requests back."""
    with fault_proxy.running(azurite) as running:
        yield running


@pytest.fixture(scope="module")
def slow(
    azurite: Azurite, proxy: FaultProxy, database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fragile]:
    """A service whose pauses before a retry are of half a minute. acme's sessions are 160 parts, in two groups."""
    home = tmp_path_factory.mktemp("slow")
    own = Path(shutil.copy(database, home / "own.db"))
    port = processes.free_port()
    storage = replace(azurite, blob_port=proxy.blob_port, table_port=proxy.table_port).connection_string
    settings = stack.app_settings(home, port, storage, f"sqlite:///{own}")
    pace = {"PART_ROWS": "125", "RETRY_FIRST_SECONDS": "30", "NOTIFY_GRACE_SECONDS": "600"}
    quiet = {"RETENTION_SCHEDULE": "0 0 0 1 1 *", "WATCHDOG_SCHEDULE": "0 0 0 1 1 *"}
    with stack.host(home, port, {**settings, **pace, **quiet}):
        yield Fragile(f"http://127.0.0.1:{port}", own, azurite.connection_string)


@pytest.fixture
def service(slow: Fragile) -> Iterator[Fragile]:
    """The service, with its database in place before and after."""
    yield slow
    slow.bring_database_back()


@pytest.fixture
def blobs(azurite: Azurite) -> Callable[[str], list[str]]:
    """The names of what an export has in storage, uncommitted blocks too."""
    container = BlobStore(blob_service(_settings(azurite), "activity")).container

    def names(export_id: str) -> list[str]:
        found = container.list_blobs(name_starts_with=f"acme/{export_id}/", include=["uncommittedblobs"])
        return [blob.name for blob in found]

    return names


def _settings(azurite: Azurite) -> Any:
    return settings_from(stack.bare_settings(azurite.connection_string))


def begin(client: Client, **body: Any) -> tuple[str, str]:
    """A new export of sam's: its id, and the address of its durable status."""
    answer = client.call("POST", "/exports", json={"exportType": "sessions", "fresh": True, **body}).json()
    return answer["id"], answer["durable"]["statusQueryGetUri"]


def reaches(client: Client, export_id: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Poll the status until it is so."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        status: dict[str, Any] = client.call("GET", f"/exports/{export_id}").json()
        if wanted(status):
            return status
        time.sleep(0.02)
    raise TimeoutError(str(status))


def cancelled(client: Client, export_id: str) -> float:
    """Cancel; give the time at which it was done."""
    answer = client.call("POST", f"/exports/{export_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "Cancelled"), answer.text
    return time.monotonic()


def assert_stops(
    client: Client, export_id: str, url: str, since: float, blobs: Callable[[str], list[str]]
) -> dict[str, Any]:
    """The orchestration and its groups end, and the storage is empty, in time; nobody gets a file."""
    line = client.wait_for_log(export_id, "cleared", seconds=SECONDS)
    while (ended := requests.get(url, timeout=30)).status_code == 202:
        assert time.monotonic() - since < SECONDS
    assert time.monotonic() - since < SECONDS
    assert line["message"] == "Everything has stopped, and its parts are removed."
    assert (ended.json()["runtimeStatus"], ended.json()["output"]["status"]) == ("Completed", "Cancelled")
    for group in ("000000", "000150"):
        child = requests.get(url.replace(export_id, f"{export_id}-parts-{group}", 1), timeout=30)
        assert child.status_code in (200, 404)
    assert blobs(export_id) == []
    status: dict[str, Any] = client.call("GET", f"/exports/{export_id}").json()
    assert (status["status"], status["phase"], "file" in status) == ("Cancelled", None, False)
    assert status["progress"]["percent"] < 100
    assert_problem(client.call("GET", f"/exports/{export_id}/download"), "gone", detail="the export is Cancelled")
    return status


def test_an_export_that_was_never_started_is_cancelled(service: Fragile, azurite: Azurite) -> None:
    """A record whose start was lost stays Cancelled, and nobody starts it later."""
    caller = demo_caller("sam")
    client = service.client("sam")
    assert client.call("GET", "/health").status_code == 200  # makes the tables
    now = datetime.now(UTC)
    made = ExportRecord(
        tenant="acme",
        id=new_export_id(now),
        export_type="sessions",
        format="csv",
        status="Pending",
        created_by="sam",
        created_at=iso(now),
        request={"body": '{"exportType":"sessions"}'},
        caller=caller.to_json(),
    )
    ExportRecords(table_service(_settings(azurite), "activity")).create(made)
    cancelled(client, made.id)
    assert requests.post(f"{service.base_url}/admin/functions/watchdog", json={}, timeout=30).status_code == 202
    assert client.call("GET", f"/exports/{made.id}").json()["status"] == "Cancelled"
    assert [line["action"] for line in client.logs(made.id)] == ["cancelled"]


def test_cancelled_while_planning(service: Fragile, blobs: Callable[[str], list[str]]) -> None:
    """The plan waits half a minute for a database that is away."""
    client = service.client("sam")
    service.take_database_away()
    export_id, url = begin(client)
    reaches(client, export_id, lambda s: s["startedAt"] is not None)
    assert_stops(client, export_id, url, cancelled(client, export_id), blobs)


@pytest.mark.parametrize("part", [20, 152])
def test_cancelled_while_parts_are_encoded(service: Fragile, blobs: Callable[[str], list[str]], part: int) -> None:
    """In the first group of parts, and in the second."""
    client = service.client("sam")
    export_id, url = begin(client)
    reaches(client, export_id, lambda s: s["phase"] == "exporting" and s["progress"]["parts"] >= part)
    since = cancelled(client, export_id)
    before = assert_stops(client, export_id, url, since, blobs)["progress"]["parts"]
    assert part <= before <= 160


def test_cancelled_while_failed_parts_wait(service: Fragile, blobs: Callable[[str], list[str]]) -> None:
    """The group is in a pause of half a minute, which the cancellation ends."""
    client = service.client("sam")
    export_id, url = begin(client)
    reaches(client, export_id, lambda s: s["progress"]["parts"] >= 20)
    service.take_database_away()
    group = url.replace(export_id, f"{export_id}-parts-000000", 1)
    end = time.monotonic() + 60
    while "TimerCreated" not in _history(group):
        assert time.monotonic() < end
    assert_stops(client, export_id, url, cancelled(client, export_id), blobs)


def _history(url: str) -> list[str]:
    events = requests.get(f"{url}&showHistory=true", timeout=30).json().get("historyEvents") or []
    return [event["EventType"] for event in events]


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_cancelled_while_merging(
    service: Fragile, proxy: FaultProxy, blobs: Callable[[str], list[str]], file_format: str
) -> None:
    """The file is committed just after the cancellation: it goes too."""
    client = service.client("sam")
    merging, go_on = threading.Event(), threading.Event()

    def hold(method: str, path: str) -> Fault:
        commit = "comp=blocklist" if file_format == "csv" else ""  # a small file of kept parts is one request
        if method == "PUT" and f"/file.{file_format}" in path and commit in path:
            merging.set()
            go_on.wait(30)
        return "none"

    with proxy.following(hold):
        export_id, url = begin(client, format=file_format, filters={"country": ["FR"]})
        assert merging.wait(60)
        since = cancelled(client, export_id)
        go_on.set()
        assert_stops(client, export_id, url, since, blobs)


def test_cancelling_again_changes_nothing(service: Fragile, blobs: Callable[[str], list[str]]) -> None:
    """Ten at once and one later: 202 each, and one line in the log."""
    client = service.client("sam")
    export_id, url = begin(client)
    reaches(client, export_id, lambda s: s["progress"]["parts"] >= 5)
    assert_problem(client.call("DELETE", f"/exports/{export_id}"), "conflict", detail="cancel it first")
    with ThreadPoolExecutor(10) as pool:
        times = list(pool.map(lambda _: cancelled(service.client("sam"), export_id), range(10)))
    first = assert_stops(client, export_id, url, max(times), blobs)
    cancelled(client, export_id)
    assert client.call("GET", f"/exports/{export_id}").json() == first
    assert [line["action"] for line in client.logs(export_id)].count("cancelled") == 1


@pytest.mark.timeout(180)
def test_cancel_and_completion_have_one_winner(service: Fragile, blobs: Callable[[str], list[str]]) -> None:
    """Whoever is first: either the file is there and the cancellation refused, or it is gone and stays so."""
    client = service.client("sam")
    started = time.monotonic()
    body = {"exportType": "analytics", "dateRange": {"from": "2024-01-01"}}
    client.wait(client.start(**body), every=0.02)
    whole = time.monotonic() - started
    winners: set[str] = set()
    for number in range(8):
        export_id, url = begin(client, **body)
        reaches(client, export_id, lambda s: s["startedAt"] is not None)
        threading.Event().wait(whole * number / 5)
        answer = client.call("POST", f"/exports/{export_id}/cancel")
        status = client.call("GET", f"/exports/{export_id}").json()["status"]
        winners.add(status)
        if answer.status_code == 202:
            assert_stops(client, export_id, url, time.monotonic(), blobs)
        else:
            assert_problem(answer, "conflict", detail="the export is Completed; it can be cancelled while it is")
            assert status == "Completed"
            assert client.call("GET", f"/exports/{export_id}/download").status_code == 302
    assert winners == {"Completed", "Cancelled"}


def test_a_cancelled_export_is_not_given_to_the_same_request(service: Fragile) -> None:
    """Asking again makes a new one, which completes."""
    client = service.client("sam")
    body = {"exportType": "analytics", "fileName": "once more"}
    first = client.call("POST", "/exports", json=body).json()["id"]
    cancelled(client, first)
    again = client.call("POST", "/exports", json=body)
    assert (again.status_code, again.json()["id"] == first) == (202, False)
    assert client.wait(again.json()["id"])["status"] == "Completed"


@pytest.mark.parametrize(("method", "path"), [("POST", "/cancel"), ("POST", "/retry"), ("DELETE", "")])
def test_others_exports_cannot_be_touched(service: Fragile, method: str, path: str) -> None:
    """A foreign id and a missing one answer alike; a Viewer is refused."""
    export_id = service.client("ada").start(exportType="analytics")
    missing = service.client("max").call(method, f"/exports/0123456789abcdef{path}")
    for user in ("max", "bea", "gus"):
        answer = service.client(user).call(method, f"/exports/{export_id}{path}")
        assert_problem(answer, "not-found")
        assert answer.content == missing.content
    assert service.client("vic").call(method, f"/exports/{export_id}{path}").status_code == 403
    assert requests.request(method, f"{service.base_url}/api/exports/{export_id}{path}", timeout=30).status_code == 401
    assert service.client("ada").wait(export_id)["status"] == "Completed"


def test_a_deleted_export_is_as_if_it_had_never_been(service: Fragile, blobs: Callable[[str], list[str]]) -> None:
    """File, record and durable history, while its mail waits; 404 afterwards."""
    client = service.client("sam")
    export_id, url = begin(client, exportType="analytics", notify={"email": True})
    service.client("ada").wait(export_id)
    client.wait_for_log(export_id, "mail-waits")
    answer = client.call("DELETE", f"/exports/{export_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert blobs(export_id) == []
    for instance in (export_id, f"{export_id}-notify"):
        assert requests.get(url.replace(export_id, instance, 1), timeout=30).status_code == 404
    missing = client.call("GET", "/exports/0123456789abcdef")
    assert client.call("GET", f"/exports/{export_id}").content == missing.content
    assert_problem(client.call("DELETE", f"/exports/{export_id}"), "not-found")
