"""Few of a tenant's exports run at a time, the others take turns; and no file is larger than it may be."""

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from demo import processes, stack
from demo.azurite_server import Azurite
from demo.client import Client
from shared.jobs.quotas import Limits, Usage
from shared.settings import settings_from
from shared.storage.accounts import table_service
from tests.service.conftest import Fragile
from tests.service.problems import assert_problem

MOST_BYTES = 8_000_000
AT_ONCE = 2


@pytest.fixture(scope="module")
def narrow(azurite: Azurite, database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fragile]:
    """Two exports of a tenant at a time, eight million bytes a file, ten million a day for a user.

    In its database the notes of acme's sessions are long but for the first thousand, and those of globex's are.
    """
    home = tmp_path_factory.mktemp("narrow")
    own = Path(shutil.copy(database, home / "own.db"))
    with closing(sqlite3.connect(own)) as connection, connection:
        first = connection.execute(
            "select id from sessions where organisation_id = 'acme' order by id limit 1 offset 1000"
        ).fetchone()
        connection.execute("update sessions set notes = '' where organisation_id = 'acme' and id < ?", first)
        long = "update sessions set notes = hex(zeroblob(?)) where organisation_id = ?"
        connection.execute(f"{long} and id >= ?", (600, "acme", *first))
        connection.execute(long, (20_000, "globex"))
    port = processes.free_port()
    storage = azurite.connection_string
    settings = stack.app_settings(home, port, storage, f"sqlite:///{own}") | {
        "PART_ROWS": "125",
        "RETRY_FIRST_SECONDS": "60",
        "RUN_AT_ONCE_PER_TENANT": str(AT_ONCE),
        "MAX_BYTES_PER_EXPORT": str(MOST_BYTES),
        "MAX_BYTES_PER_DAY_PER_USER": "10000000",
        "RETENTION_SCHEDULE": "0 0 0 1 1 *",
        "WATCHDOG_SCHEDULE": "0 0 0 1 1 *",
        "WATCHDOG_GRACE_SECONDS": "0",
    }
    with stack.host(home, port, settings):
        yield Fragile(f"http://127.0.0.1:{port}", own, storage)


@pytest.fixture
def service(narrow: Fragile) -> Iterator[Fragile]:
    """The service, with its database in place before and after."""
    yield narrow
    narrow.bring_database_back()


@pytest.fixture
def usage(narrow: Fragile) -> Usage:
    """The table of what runs and waits."""
    settings = stack.bare_settings(narrow.storage)
    return Usage(table_service(settings_from(settings), "activity"))


def ask(client: Client, count: int) -> list[str]:
    """So many new exports; gives their ids."""
    return [client.start(exportType="analytics", fileName=f"{n}") for n in range(count)]


def status(client: Client, export_id: str) -> dict[str, Any]:
    """The status as it is now."""
    found: dict[str, Any] = client.call("GET", f"/exports/{export_id}").json()
    return found


def until(wanted: Callable[[], bool]) -> None:
    """Look until it is so."""
    end = time.monotonic() + 60
    while not wanted():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_tenant_with_many_exports_keeps_nobody_waiting(service: Fragile) -> None:
    """Two of twelve run, ten are queued; another tenant's runs at once; a colleague's is the next, and all complete."""
    ada, max_, bea = (service.client(user) for user in ("ada", "max", "bea"))
    service.take_database_away()  # what runs waits for a minute
    asked = ask(ada, 12)
    until(lambda: all(status(ada, export_id)["startedAt"] for export_id in asked[:AT_ONCE]))
    assert [status(ada, export_id)["phase"] for export_id in asked] == ["planning"] * 2 + ["queued"] * 10
    operation = ada.call("GET", f"/operations/{asked[-1]}").json()
    assert (operation["status"], operation["percentComplete"]) == ("NotStarted", 0)

    service.bring_database_back()
    assert [line["action"] for line in ada.logs(asked[-1])] == ["requested", "queued"]
    assert bea.wait(ask(bea, 1)[0], seconds=60)["status"] == "Completed"
    assert status(ada, asked[AT_ONCE])["phase"] == "queued"

    (colleagues,) = ask(max_, 1)
    assert status(max_, colleagues)["phase"] == "queued"
    assert ada.call("POST", f"/exports/{asked[-1]}/cancel").status_code == 202
    for export_id in asked[:AT_ONCE]:
        assert ada.call("POST", f"/exports/{export_id}/cancel").status_code == 202
    ended = [ada.wait(export_id, seconds=120) for export_id in asked]
    assert [e["status"] for e in ended] == ["Cancelled"] * 2 + ["Completed"] * 9 + ["Cancelled"]
    first = max_.wait(colleagues, seconds=60)
    assert first["startedAt"] < min(e["startedAt"] for e in ended[AT_ONCE + 1 : -1])
    assert first["status"] == "Completed"


def test_a_turn_that_was_lost_is_made_good(service: Fragile, usage: Usage) -> None:
    """A process died between giving turns and starting; the watchdog starts what it finds."""
    ada = service.client("ada")
    service.take_database_away()
    asked = ask(ada, AT_ONCE + 2)
    until(lambda: all(status(ada, export_id)["startedAt"] for export_id in asked[:AT_ONCE]))
    for export_id in asked[:AT_ONCE]:
        usage.leave("acme", export_id)
    lost = usage.next_turns("acme", Limits(*[100] * 6, AT_ONCE)).chosen
    assert list(lost) == asked[AT_ONCE:]
    service.bring_database_back()
    listed = ada.call("GET", "/exports?status=Pending").json()["items"]
    assert [item["id"] for item in listed] == asked[:1:-1]
    assert requests.post(f"{service.base_url}/admin/functions/watchdog", json={}, timeout=30).status_code == 202

    def pending() -> list[str]:
        return [item["id"] for item in ada.call("GET", "/exports?status=Pending").json()["items"]]

    until(lambda: not pending())
    for export_id in asked[AT_ONCE:]:
        assert ada.wait(export_id, seconds=60)["status"] == "Completed"
    for export_id in asked[:AT_ONCE]:
        ada.call("POST", f"/exports/{export_id}/cancel")


def test_a_file_that_would_be_too_large_is_refused_at_once(service: Fragile) -> None:
    """With the figure, by the estimate and by the request itself; the catalogue tells the limit."""
    ada = service.client("ada")
    body = {"exportType": "sessions", "format": "json", "columns": ["notes", *["id"]]}
    large = {**body, "filters": {"notes": "0"}}
    for path in ("/exports/estimate", "/exports"):
        answer = ada.call("POST", path, json=large)
        detail = "19,000 rows match, about 2"
        assert_problem(answer, "limit-reached", detail=detail)
        assert "the limit for sessions is 8,000,000 bytes; narrow the date range" in answer.json()["detail"]
    (sessions,) = (t for t in ada.call("GET", "/export-types").json()["items"] if t["name"] == "sessions")
    assert sessions["limits"] == {"maxRows": None, "maxBytes": MOST_BYTES}


@pytest.mark.parametrize("parts", ["one group", "two groups"])
def test_real_bytes_end_an_export_that_passes_its_limit(service: Fragile, parts: str) -> None:
    """The first thousand rows promise a small file, the others are large: it fails, and publishes nothing."""
    ada = service.client("ada")
    filters = {"filters": {"status": ["active", "expired"]}} if parts == "one group" else {}
    ended = ada.wait(ada.start(exportType="sessions", **filters), seconds=120)
    assert (ended["status"], ended["error"]["code"], "file" in ended) == ("Failed", "limit-reached", False)
    message = ended["error"]["message"]
    made = int(message.removeprefix("the parts that are made have ").split(" ")[0].replace(",", ""))
    assert MOST_BYTES < made < MOST_BYTES * 1.3
    assert message.endswith("bytes together; the limit for sessions is 8,000,000 bytes; narrow the date range")
    assert_problem(ada.call("GET", f"/exports/{ended['id']}/download"), "conflict")


def test_the_bytes_of_a_day_are_never_passed(service: Fragile) -> None:
    """Two files of four million fit into ten; the third is made and not published."""
    gus = service.client("gus")
    ended = [gus.wait(gus.start(exportType="sessions"), seconds=60) for _ in range(3)]
    assert [e["status"] for e in ended] == ["Completed", "Completed", "Failed"]
    size = ended[0]["file"]["bytes"]
    assert ended[2]["error"] == {
        "code": "quota-reached",
        "message": f"you have {2 * size:,} bytes of files today, and this file has {size:,}; the limit is 10,000,000; "
        "retry the export after midnight UTC",
    }
    assert "file" not in ended[2]
