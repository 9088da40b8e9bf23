"""What the durable engine keeps of an export, and what of it is shown to those who have no key of the engine."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from demo.azurite_server import Azurite
from demo.processes import free_port
from tests.service.conftest import Fragile, People, Service, on_its_own
from tests.service.issuer import AUDIENCE, Issuer
from tests.service.polling import until
from tests.service.problems import assert_problem

MARKED = re.compile(r"zelda|markova|secret-hook", re.IGNORECASE)
"""In the address, the name, the file's name, a filter and a webhook of somebody whose id is a number."""


@pytest.fixture(scope="module")
def marked(
    database: Path, azurite: Azurite, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, Path]]:
    """A service of our own, whose durable state can be read as a whole, and its database, which can be changed."""
    settings = {
        "AUTH_MODE": "jwt",
        "JWT_ISSUER": issuer.url,
        "JWT_AUDIENCE": AUDIENCE,
        "PART_ROWS": "1000",
        "NOTIFY_GRACE_SECONDS": "0",
        "WEBHOOK_LOCAL_ORIGINS": f"http://127.0.0.1:{PORT}",
        "WEBHOOK_RETRY_SECONDS": "0, 0.2",
    }
    home = tmp_path_factory.mktemp("marked")
    host, service = on_its_own(home, database, azurite, settings)
    with host.running():
        yield Service(f"{service.base_url}/api", home), service.database


PORT = free_port()


def durable_state(home: Path) -> Iterator[str]:
    """Every value of every row that the embedded host's engine keeps."""
    for path in sorted((home / "host").glob("*.db")):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            tables = database.execute("select name from sqlite_master where type = 'table'").fetchall()
            for (table,) in tables:
                for row in database.execute(f'select * from "{table}"'):
                    yield from (
                        value.decode(errors="replace") if isinstance(value, bytes) else str(value) for value in row
                    )


def lifetimes(state: list[str]) -> Iterator[timedelta]:
    """How long from now on each URL of a file in the state is good."""
    for url in {found for value in state for found in re.findall(r"http[^\"\\ ]+sig=[^\"\\ ]+", value)}:
        yield datetime.fromisoformat(parse_qs(urlsplit(url).query)["se"][0]) - datetime.now(UTC)


def spoil(database: Path) -> None:
    """Put an address where an amount belongs."""
    with closing(sqlite3.connect(database)) as connection, connection:
        chosen = "select max(id) from sessions where organisation_id = 'acme'"
        connection.execute(f"update sessions set amount = 'zelda@acme.example' where id = ({chosen})")


def test_durable_state_names_nobody(marked: tuple[Service, Path], issuer: Issuer) -> None:
    """Exports with mails and webhooks, and one that fails over a value: the engine keeps ids, and no URL for long."""
    service, database = marked
    person = {"sub": "7001", "email": "zelda@acme.example", "name": "Zelda Markova"}
    token = issuer.token(**person)
    headers = {"Authorization": f"Bearer {token}", "X-Request-Id": "request-7001"}
    hook = {"url": f"http://127.0.0.1:{PORT}/secret-hook", "description": "Zelda's"}
    assert requests.post(f"{service.api}/webhooks", json=hook, headers=headers, timeout=30).status_code == 201
    body: dict[str, Any] = {
        "exportType": "sessions",
        "fileName": "Zelda Markova's file",
        "filters": {"notes": "zelda"},
        "notify": {"email": True, "graceSeconds": 0},
    }
    ids = []
    for more in ({}, {"filters": {}}):
        started = requests.post(f"{service.api}/exports", json={**body, **more}, headers=headers, timeout=30)
        ids.append(started.json()["id"])
        # somebody else waits: what who asked has seen is not mailed
        assert service.status(issuer.token(sub="other"), ids[-1])["status"] == "Completed"
    logs = f"/exports/{ids[-1]}/logs"
    until(lambda: '"mail-sent"' in service.with_token(issuer.token(sub="other"), logs).text)
    until(lambda: any("webhook_delivery" in value for value in durable_state(service.home)))

    spoil(database)
    failing = requests.post(
        f"{service.api}/exports", json={**body, "filters": {}, "fresh": True}, headers=headers, timeout=30
    )
    failed = service.status(issuer.token(sub="other"), failing.json()["id"])
    assert failed["status"] == "Failed"
    assert "zelda@acme.example" in failed["error"]["message"]

    state = list(durable_state(service.home))
    assert any(failed["error"]["code"] in value for value in state)
    assert sum(ids[0] in value for value in state) > 10
    assert any('"sasUrl' in value for value in state)
    assert [value for value in state if MARKED.search(value)] == []
    found = list(lifetimes(state))
    assert found
    assert max(found) <= timedelta(minutes=10)


def test_everybody_who_sees_an_export_sees_its_workflow(people: People) -> None:
    """Status and history: names, times and numbers; every event once over the pages; and no key, URL or input."""
    export_id = people.max.start(exportType="sessions", fileName="Max's own file")
    people.max.wait(export_id)
    people.max.wait_for_log(export_id, "mail-skipped")
    path = f"/exports/{export_id}/workflow"

    def ended() -> dict[str, Any] | None:
        body: dict[str, Any] = people.max.call("GET", f"{path}?limit=200").json()
        return body if body["runtimeStatus"] == "Completed" else None

    whole = until(ended)
    assert (whole["id"], whole["instance"], whole["attempt"]) == (export_id, export_id, 1)
    assert whole["progress"]["phase"] == "done"
    assert whole["progress"]["parts"] == whole["progress"]["totalParts"] > 1
    steps = [item["name"] for item in whole["items"] if item["event"] == "TaskCompleted"]
    assert [name for name in steps if name != "encode_part"] == [
        "plan_export",
        "merge_export",
        "publish_export",
        "next_turns",
        "start_notification",
        "announce_export",
        "remove_parts",
    ]
    parts = [(item["part"], item["attempt"]) for item in whole["items"] if item["name"] == "encode_part"]
    assert sorted(parts) == [(number + 1, 1) for number in range(whole["progress"]["totalParts"])]
    assert all(item["scheduledAt"] <= item["time"] for item in whole["items"] if item["scheduledAt"])

    items, cursor = [], ""
    while cursor is not None:
        page = people.ada.call("GET", f"{path}?limit=7&cursor={cursor}").json()
        items, cursor = items + page["items"], page["nextCursor"]
    assert items == whole["items"]

    text = people.sam.call("GET", f"{path}?limit=200").text
    assert not re.search(r"http|sig=|code=|file\.csv|sha256|own file|@", text)
    assert people.bea.call("GET", path).status_code == 404
    assert people.vic.call("GET", path).status_code == 403


def test_the_workflow_of_a_retry_of_groups_and_of_the_mail(fragile: Fragile) -> None:
    """What was tried again and why; each orchestration of the export by its id; of no other export."""
    gus = fragile.client("gus")
    fragile.take_database_away()
    export_id = gus.start(exportType="analytics")
    assert gus.wait(export_id)["status"] == "Failed"
    failed = gus.call("GET", f"/exports/{export_id}/workflow").json()
    fragile.bring_database_back()
    assert gus.call("POST", f"/exports/{export_id}/retry").status_code == 202
    assert gus.wait(export_id)["status"] == "Completed"

    tried = [(i["attempt"], i["failure"]) for i in failed["items"] if i["name"] == "plan_export"]
    assert tried == [(number, "source-unavailable") for number in (1, 2, 3)]
    again = gus.call("GET", f"/exports/{export_id}/workflow").json()
    assert (again["attempt"], again["instance"]) == (2, f"{export_id}-2")
    first = until(lambda: _ended(gus.call("GET", f"/exports/{export_id}/workflow?instance={export_id}").json()))
    assert (first["attempt"], first["runtimeStatus"]) == (2, "Failed")
    mail = gus.call("GET", f"/exports/{export_id}/workflow?instance={export_id}-2-notify").json()
    assert mail["instance"] == f"{export_id}-2-notify"
    other = fragile.client("ada").start(exportType="users")
    for foreign in (other, f"{export_id}-3", f"{export_id}-parts-1", f"{export_id}-parts-000000/x", "@entity@key", "*"):
        answer = gus.call("GET", f"/exports/{export_id}/workflow", params={"instance": foreign})
        assert_problem(answer, "not-found", detail="this export has no orchestration of this id")
    assert gus.call("GET", f"/exports/{export_id}/workflow?cursor=1000000").json()["items"] == []
    assert_problem(
        gus.call("GET", f"/exports/{export_id}/workflow?cursor=-1"), "validation-failed", cursor="is not one"
    )
    assert_problem(
        gus.call("GET", f"/exports/{export_id}/workflow?part=1"), "validation-failed", part="unknown parameter"
    )


def _ended(body: dict[str, Any]) -> dict[str, Any] | None:
    return body if body["runtimeStatus"] in ("Completed", "Failed") else None


def test_the_groups_of_a_large_export_are_named(fragile: Fragile) -> None:
    """Each in the history of the whole, and with a history of its own."""
    gus = fragile.client("ada")
    export_id = gus.start(exportType="sessions", columns=["id"])
    gus.wait(export_id)
    path = f"/exports/{export_id}/workflow"
    whole = gus.call("GET", path).json()
    groups = [item["instance"] for item in whole["items"] if item["instance"]]
    assert groups == [f"{export_id}-parts-000000", f"{export_id}-parts-000150"]
    second = gus.call("GET", f"{path}?instance={groups[1]}").json()
    assert second["runtimeStatus"] == "Completed"
    assert sorted(i["part"] for i in second["items"] if i["name"] == "encode_part") == list(range(151, 161))
