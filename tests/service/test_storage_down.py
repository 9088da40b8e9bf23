"""Storage that is away: 503 and nothing half made while somebody waits; patience while an export runs."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from demo import processes, stack
from demo.azurite_server import Azurite
from demo.client import Client
from tests.service import fault_proxy
from tests.service.fault_proxy import Fault, FaultProxy, down
from tests.service.mail_links import link_in, look, press
from tests.service.problems import assert_problem


@pytest.fixture(scope="module")
def proxy(azurite: Azurite) -> Iterator[FaultProxy]:
    """A proxy that lets everything through until it is told otherwise."""
    with fault_proxy.running(azurite) as running:
        yield running


@pytest.fixture(scope="module")
def client(
    proxy: FaultProxy, azurite: Azurite, database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """bea, on a service that reaches its storage through the proxy only."""
    home = tmp_path_factory.mktemp("proxied")
    port = processes.free_port()
    storage = replace(azurite, blob_port=proxy.blob_port, table_port=proxy.table_port).connection_string
    settings = stack.app_settings(home, port, storage, f"sqlite:///{database}")
    with stack.host(home, port, {**settings, "PART_ROWS": "25", "RETRY_FIRST_SECONDS": "0.2"}):
        client = Client(f"http://127.0.0.1:{port}/api", "bea")
        # The first export warms every client up, and shows that the proxy lets everything through.
        assert client.wait(client.start(exportType="sessions"))["file"]["rows"] == 100
        yield client


def ids(client: Client) -> set[str]:
    """Every export in the list."""
    return {item["id"] for item in client.call("GET", "/exports?limit=200").json()["items"]}


def test_every_endpoint_answers_503_soon(client: Client, proxy: FaultProxy) -> None:
    """A problem document that says to try again, within seconds, instead of a hanging request."""
    (export_id, *_) = ids(client)
    with proxy.following(down):
        for method, path, options in (
            ("GET", "/health", {}),
            ("GET", "/exports", {}),
            ("GET", f"/exports/{export_id}", {}),
            ("GET", f"/exports/{export_id}/logs", {}),
            ("GET", f"/exports/{export_id}/download", {}),
            ("GET", "/notifications", {}),
            ("GET", "/preferences", {}),
            ("POST", "/exports", {"json": {"exportType": "sessions"}}),
        ):
            started = time.monotonic()
            assert_problem(client.call(method, path, **options), "storage-unavailable", detail="try again soon")
            assert time.monotonic() - started < 5, path
    assert client.call("GET", "/health").status_code == 200


def test_the_link_of_a_mail_asks_for_patience(client: Client, proxy: FaultProxy) -> None:
    """A page for a person, and no document for a program; afterwards it works."""
    export_id = client.start(exportType="users", notify={"email": True, "graceSeconds": 0})
    client.wait_for_log(export_id, "mail-sent")
    mail = client.call("GET", "/dev/outbox").json()["items"][-1]
    link = link_in(mail)
    with proxy.following(down):
        for ask in (look, press):
            page = ask(link)
            assert (page.status_code, page.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
            assert "in a minute" in page.text
    assert press(link).status_code == 200


def test_a_throttled_storage_is_503_too(client: Client, proxy: FaultProxy) -> None:
    """The same document, and nothing of the storage's own words."""
    with proxy.following(lambda _method, _path: "503"):
        assert_problem(client.call("GET", "/exports"), "storage-unavailable")


@pytest.mark.parametrize("table", ["SluiceClaims", "SluiceUsage", "SluiceTenantOfExport", "SluiceExports"])
@pytest.mark.parametrize("fault", ["503", "drop request"])
def test_a_request_that_could_not_be_written_leaves_no_record(
    client: Client, proxy: FaultProxy, table: str, fault: Fault
) -> None:
    """Whichever write of it fails: 503, and no export that stays Pending for ever."""
    before = ids(client)
    body = {"exportType": "sessions", "fileName": f"{fault} {table}"}

    def failing(method: str, path: str) -> Fault:
        return fault if table in path and method != "GET" else "none"

    with proxy.following(failing):
        answer = client.call("POST", "/exports", json=body)
        assert_problem(answer, "storage-unavailable", detail="nothing was changed")
    assert ids(client) == before


def test_an_export_whose_record_is_written_runs(client: Client, proxy: FaultProxy) -> None:
    """Whatever fails after that: its first line in the log is missing, and that is all."""
    with proxy.following(lambda method, path: "503" if "SluiceLogs" in path and method != "GET" else "none"):
        answer = client.call("POST", "/exports", json={"exportType": "users"})
    assert answer.status_code == 202
    assert client.wait(answer.json()["id"])["status"] == "Completed"


@pytest.mark.parametrize("table", ["SluiceClaims", "SluiceUsage", "SluiceExports"])
def test_a_lost_answer_makes_one_export(client: Client, proxy: FaultProxy, table: str) -> None:
    """It was written although nobody was told: asked after, and started once."""
    before = ids(client)
    dropped: list[str] = []

    def lose_one(method: str, path: str) -> Fault:
        if method != "GET" and table in path and not dropped:
            dropped.append(path)
            return "drop answer"
        return "none"

    with proxy.following(lose_one):
        answer = client.call("POST", "/exports", json={"exportType": "sessions", "fileName": f"lost {table}"})
    assert (answer.status_code, len(dropped)) == (202, 1)
    export_id = answer.json()["id"]
    assert ids(client) - before == {export_id}
    assert client.wait(export_id)["status"] == "Completed"


def test_an_export_survives_an_unreliable_storage(client: Client, proxy: FaultProxy) -> None:
    """Requests dropped, answers dropped and throttled, again and again: the same file as without."""
    calm = client.wait(client.start(exportType="sessions"))
    export_id = client.start(exportType="sessions")
    count = [0]

    def unreliable(_method: str, _path: str) -> Fault:
        count[0] += 1
        faults: dict[int, Fault] = {3: "drop answer", 18: "503", 28: "drop request"}
        return faults.get(count[0] % 31, "none")

    with proxy.following(unreliable):
        status = _patient(client, export_id)
    assert (status["status"], status.get("error")) == ("Completed", None)
    assert status["file"]["sha256"] == calm["file"]["sha256"]
    assert count[0] > 31


def _patient(client: Client, export_id: str) -> dict[str, Any]:
    """Wait for the end, through answers of 503."""
    end = time.monotonic() + 90
    while time.monotonic() < end:
        answer = client.call("GET", f"/exports/{export_id}")
        assert answer.status_code in (200, 503)
        if answer.ok and answer.json()["status"] in ("Completed", "Failed"):
            status: dict[str, Any] = answer.json()
            return status
        time.sleep(0.2)
    raise TimeoutError(export_id)
