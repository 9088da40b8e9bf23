"""A user who clicks five times gets one export, whatever dies in between."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from demo import processes, stack
from demo.azurite_server import Azurite
from demo.client import Client
from shared.settings import settings_from
from shared.storage.accounts import table_service
from shared.timestamps import iso, utc_now
from tests.service import fault_proxy
from tests.service.conftest import People
from tests.service.fault_proxy import Fault, FaultProxy
from tests.service.mortal import Mortal
from tests.service.problems import assert_problem


def ask(client: Client, key: str = "", **body: Any) -> requests.Response:
    """POST /exports, with an idempotency key or without."""
    return client.call("POST", "/exports", json=body, headers={"Idempotency-Key": key} if key else {})


def some_columns() -> dict[str, Any]:
    """A request that no other test makes."""
    return {"exportType": "analytics", "fileName": uuid4().hex}


def many(client: Client, key: str, body: dict[str, Any], times: int = 40) -> list[requests.Response]:
    """The same request so many times at once, each over a connection of its own."""

    def once(_: int) -> requests.Response:
        session = requests.Session()
        session.headers.update(client.headers)
        headers = {"Idempotency-Key": key} if key else {}
        return session.post(f"{client.api}/exports", json=body, headers=headers, timeout=60)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(once, range(times)))


def starts(client: Client, export_id: str) -> list[str]:
    """The log's lines of its beginning: a second run would leave more."""
    client.wait_for_log(export_id, "mail-skipped")
    return [line["action"] for line in client.logs(export_id) if line["action"] in ("requested", "planned", "merged")]


@pytest.mark.parametrize("keyed", [True, False], ids=["with a key", "without a key"])
def test_forty_simultaneous_requests_make_one_export(people: People, keyed: bool) -> None:
    """One 202, thirty-nine times 200 with the same id, and one run."""
    body = some_columns()
    answers = many(people.ada, uuid4().hex if keyed else "", body)
    assert Counter(answer.status_code for answer in answers) == {202: 1, 200: 39}
    (export_id,) = {answer.json()["id"] for answer in answers}
    for answer in answers:
        assert answer.json().get("deduplicated", False) is (answer.status_code == 200)
        assert answer.headers["Location"] == answer.json()["links"]["self"]
    assert people.ada.wait(export_id)["status"] == "Completed"
    assert starts(people.ada, export_id) == ["requested", "planned", "merged"]
    listed = people.ada.call("GET", "/exports?limit=200&exportType=analytics").json()["items"]
    since = people.ada.call("GET", f"/exports/{export_id}").json()["createdAt"]
    assert [item["id"] for item in listed if item["createdAt"] >= since] == [export_id]


def test_the_same_request_again_gives_the_finished_export(people: People) -> None:
    """200 with the export that is there, also when it says what was a default before, in another order."""
    body = {"exportType": "sessions", "filters": {"status": ["active", "expired"]}, "fileName": uuid4().hex}
    export_id = ask(people.ada, **body).json()["id"]
    people.ada.wait(export_id)
    same = {**body, "filters": {"status": ["expired", "active"]}, "format": "csv", "companyIds": ["125", "123", "124"]}
    answer = ask(people.ada, **same)
    assert (answer.status_code, answer.json()["id"]) == (200, export_id)
    assert (answer.json()["deduplicated"], answer.json()["status"]) == (True, "Completed")


@pytest.mark.parametrize(
    "change",
    [
        {"format": "json"},
        {"compression": "gzip"},
        {"columns": ["id", "email"]},
        {"filters": {"status": ["active"]}},
        {"dateRange": {"from": "2024-01-02"}},
        {"timeZone": "Europe/Paris"},
        {"companyIds": ["123"]},
        {"fileName": "another"},
        {"notify": {"email": True}},
        {"fresh": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_request_makes_another_export(people: People, change: dict[str, Any]) -> None:
    """Whatever tells the files or the mails apart; and whoever wants a new one."""
    body = {"exportType": "sessions", "filters": {"userId": "u-1"}, "fileName": f"base-{change}"}
    first = ask(people.ada, **body).json()["id"]
    assert ask(people.ada, **body).json()["id"] == first
    answer = ask(people.ada, **{**body, **change})
    assert answer.status_code == 202
    assert answer.json()["id"] != first


@pytest.mark.parametrize("key", ["", "clicked"])
def test_users_do_not_share_exports(people: People, key: str) -> None:
    """The same request and the same key, by another user of the tenant and by one of another tenant."""
    body = some_columns()
    answers = [ask(people[user], key, **body) for user in ("ada", "max", "bea")]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert len({answer.json()["id"] for answer in answers}) == 3


def test_a_key_gives_its_export_whatever_became_of_it(people: People, settled: Callable[..., None]) -> None:
    """Also one that failed, which a request without a key never gets."""
    body, key = some_columns(), uuid4().hex
    keyed, plain = ask(people.ada, key, **body).json()["id"], ask(people.ada, **body).json()["id"]
    assert keyed != plain
    for export_id in (keyed, plain):
        people.ada.wait(export_id)
        settled(export_id, status="Failed", error_code="query-failed", error_message="no")
    again = ask(people.ada, key, **body)
    assert (again.status_code, again.json()["id"], again.json()["status"]) == (200, keyed, "Failed")
    anew = ask(people.ada, **body)
    assert (anew.status_code, anew.json()["id"] in (keyed, plain)) == (202, False)


def test_a_key_with_another_request_is_refused(people: People) -> None:
    """422, and the export of the key stays what it was."""
    body, key = some_columns(), uuid4().hex
    first = ask(people.ada, key, **body)
    assert_problem(ask(people.ada, key, **body, format="json"), "idempotency-key-reused", detail="use a new key")
    assert ask(people.ada, key, **body).json()["id"] == first.json()["id"]


@pytest.mark.parametrize("key", ["k" * 256, "tab\tbed", "é".encode().decode("latin-1")])
def test_a_key_that_is_none_is_named(people: People, key: str) -> None:
    """400, before anything is made."""
    answer = ask(people.ada, key, exportType="analytics")
    assert_problem(answer, "validation-failed", **{"Idempotency-Key": "takes 1 to 255 printable ASCII characters"})


@pytest.mark.parametrize(
    ("changes", "reused"),
    [
        ({"completed_at": -3000}, True),
        ({"completed_at": -3601}, False),
        ({"expires_at": -1}, False),
        ({"status": "Failed"}, False),
        ({"status": "Cancelled"}, False),
        ({"status": "Expired"}, False),
        ({"status": "Processing"}, True),
        ({"status": "Processing", "created_at": -86_400}, True),
    ],
    ids=str,
)
def test_an_export_is_given_again_while_it_is_of_use(
    people: People, settled: Callable[..., None], changes: dict[str, Any], reused: bool
) -> None:
    """While it runs, and for the type's window (analytics: an hour) after it completed; and forty get one new one."""
    body = some_columns()
    first = ask(people.ada, **body).json()["id"]
    people.ada.wait(first)
    settled(first, **changes)
    found = {answer.json()["id"] for answer in many(people.ada, "", body, times=8)}
    assert len(found) == 1
    assert (found == {first}) is reused
    settled(first, status="Completed")


@pytest.fixture
def settled(azurite: Azurite, people: People, service: stack.Stack) -> Callable[..., None]:
    """Change a record of ada's in the table, behind the service's back; times are seconds from now."""
    storage = settings_from(stack.bare_settings(service.storage))
    table = table_service(storage, "activity").get_table_client("SluiceExports")

    def change(export_id: str, **changes: Any) -> None:
        people.ada.wait_for_log(export_id, "mail-skipped", "mail-sent", "mail-waits")
        values = {k: iso(utc_now() + timedelta(seconds=v)) if isinstance(v, int) else v for k, v in changes.items()}
        table.update_entity({"PartitionKey": "acme", "RowKey": export_id, **values})

    return change


@pytest.fixture(scope="module")
def proxy(azurite: Azurite) -> Iterator[FaultProxy]:
    """A proxy that sees every request to the storage."""
    with fault_proxy.running(azurite) as running:
        yield running


@pytest.fixture(scope="module")
def mortal(
    azurite: Azurite, proxy: FaultProxy, database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mortal]:
    """A host that reaches its storage through the proxy only, running."""
    home = tmp_path_factory.mktemp("mortal")
    port = processes.free_port()
    storage = replace(azurite, blob_port=proxy.blob_port, table_port=proxy.table_port).connection_string
    settings = stack.app_settings(home, port, storage, f"sqlite:///{database}")
    pace = {"WATCHDOG_SCHEDULE": "0 0 0 1 1 *", "WATCHDOG_GRACE_SECONDS": "0", "RETRY_FIRST_SECONDS": "0.2"}
    host = Mortal(home, port, {**settings, **pace, "FUNCTIONS_WORKER_PROCESS_COUNT": "1"})
    host.start()
    yield host
    host.stop()


def killed_at(mortal: Mortal, proxy: FaultProxy, table: str, key: str, body: dict[str, Any]) -> None:
    """Send the request, and kill the host when it writes to this table, before the write arrives."""
    client = Client(f"{mortal.base_url}/api", "gus")

    def kill(method: str, path: str) -> Fault:
        if table in path and method != "GET":
            mortal.shoot()
            return "drop request"
        return "none"

    with proxy.following(kill), pytest.raises(requests.ConnectionError):
        ask(client, key, **body)
    mortal.bury()
    mortal.start()


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("key", "rescue"),
    [("", "the same request"), ("key", "the same request"), ("key", "a look at the status"), ("", "the watchdog")],
)
def test_a_host_killed_after_the_record_was_written_still_runs_the_export(
    mortal: Mortal, proxy: FaultProxy, rescue: str, key: str
) -> None:
    """The log's first line comes between the record and the start: the host dies there, and the export runs once."""
    body, key = some_columns(), key and uuid4().hex
    killed_at(mortal, proxy, "SluiceLogs", key, body)
    client = Client(f"{mortal.base_url}/api", "gus")
    (found,) = [i for i in client.call("GET", "/exports").json()["items"] if i["status"] == "Pending"]
    if rescue == "the same request":
        answer = ask(client, key, **body)
        assert (answer.status_code, answer.json()["id"]) == (200, found["id"])
    elif rescue == "the watchdog":
        called = requests.post(f"{mortal.base_url}/admin/functions/watchdog", json={}, timeout=30)
        assert called.status_code == 202
        client.wait_for_log(found["id"], "published")
    assert client.wait(found["id"])["status"] == "Completed"
    client.wait_for_log(found["id"], "mail-skipped")
    assert [line["action"] for line in client.logs(found["id"])].count("planned") == 1
    assert ask(client, key, **body).json()["id"] == found["id"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("table", ["SluiceUsage", "SluiceTenantOfExport", "SluiceExports"])
def test_a_host_killed_before_the_record_was_written_leaves_nothing_in_the_way(
    mortal: Mortal, proxy: FaultProxy, table: str
) -> None:
    """The request was never answered; sent again, it makes its export."""
    body = some_columns()
    before = _listed(mortal)
    killed_at(mortal, proxy, table, "", body)
    assert _listed(mortal) == before
    client = Client(f"{mortal.base_url}/api", "gus")
    answer = ask(client, **body)
    assert client.wait(answer.json()["id"])["status"] == "Completed"
    assert len(_listed(mortal) - before) == 1


def _listed(mortal: Mortal) -> set[str]:
    client = Client(f"{mortal.base_url}/api", "gus")
    return {item["id"] for item in client.call("GET", "/exports?limit=200").json()["items"]}
