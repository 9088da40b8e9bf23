"""What fails for good, hangs or is on hold: found, told, driven again, and kept."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from demo.azurite_server import Azurite
from demo.client import Client
from shared.jobs.records import ExportRecords
from shared.timestamps import iso
from tests.service.conftest import Fragile, on_its_own
from tests.service.polling import until
from tests.service.problems import assert_problem

OPERATORS = "operators@example.com"


@pytest.fixture(scope="module")
def operated(azurite: Azurite, database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fragile]:
    """A service on a database of its own, whose steps pause for a minute before they are tried again."""
    pace = {
        "WATCHDOG_GRACE_SECONDS": "0",
        "MAX_STANDSTILL_SECONDS": "2",
        "RETRY_FIRST_SECONDS": "60",
        "OPERATOR_EMAIL": OPERATORS,
        "PART_ROWS": "1000",
    }
    host, service = on_its_own(tmp_path_factory.mktemp("operated"), database, azurite, pace)
    with host.running():
        yield service


@pytest.fixture
def records(operated: Fragile) -> ExportRecords:
    """The table of exports."""
    return ExportRecords(operated.tables)


def alerts(sam: Client) -> list[dict[str, Any]]:
    """The mails to the operators."""
    return [mail for mail in sam.call("GET", "/dev/outbox").json()["items"] if mail["to"] == OPERATORS]


def letters(sam: Client, query: str = "") -> list[dict[str, Any]]:
    """The dead letters."""
    answer = sam.call("GET", f"/ops/dead-letters{query}")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def holds(sam: Client, **query: str) -> list[dict[str, Any]]:
    """The legal holds, whatever pages they come in."""
    found: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        page = sam.call("GET", "/ops/holds", params={**query, **({"cursor": after} if after else {})}).json()
        found, after = found + page["items"], page["nextCursor"]
    return found


def test_what_fails_for_good_is_listed_told_once_and_driven_again(operated: Fragile) -> None:
    """Two exports whose table is gone: with a reason at once, in one alert; one redriven alone, one by a filter."""
    sam, bea = operated.client("sam"), operated.client("bea")
    with operated.without("users"):
        ids = [bea.start(exportType="users"), sam.start(exportType="users", columns=["email"])]
        for client, export_id in ((bea, ids[0]), (sam, ids[1])):
            assert client.wait(export_id, seconds=60)["status"] == "Failed"
    found = letters(sam)
    assert [letter["id"] for letter in found] == sorted(ids)
    by_id = {letter["id"]: letter for letter in found}
    mine = by_id[ids[0]]
    assert (mine["tenant"], mine["createdBy"], mine["failureClass"]) == ("globex", "bea", "source")
    assert mine["error"]["code"] == "query-failed"
    assert "users" in mine["error"]["message"]
    assert mine["alertedAt"] is None

    for _ in range(3):
        operated.run("watchdog")
    until(lambda: all(letter["alertedAt"] for letter in letters(sam)))
    (mail,) = alerts(sam)
    assert mail["subject"] == "2 exports failed for good"
    assert all(export_id in mail["text"] for export_id in ids)
    assert mine["error"]["message"] in mail["text"]

    detail = sam.call("GET", f"/ops/dead-letters/{ids[1]}").json()
    assert detail["request"] == {"exportType": "users", "fresh": True, "columns": ["email"]}
    assert detail["parts"] == {"done": 0, "total": 0, "rows": 0, "totalRows": 0}

    assert sam.call("POST", f"/ops/dead-letters/{ids[0]}/redrive").status_code == 202
    assert_problem(sam.call("POST", f"/ops/dead-letters/{ids[0]}/redrive"), "not-found")
    nothing = sam.call("POST", "/ops/redrive", json={"tenant": "globex"})
    assert nothing.json() == {"redriven": [], "refused": []}
    rest = sam.call("POST", "/ops/redrive", json={"failureClass": "source", "exportType": "users"})
    assert rest.json() == {"redriven": [ids[1]], "refused": []}
    for tenant, export_id in (("globex", ids[0]), ("acme", ids[1])):
        log = sam.call("GET", f"/ops/audit?tenant={tenant}&exportId={export_id}&action=retried").json()["items"]
        assert [(e["user"], e["subject"], e["outcome"]) for e in log if e["outcome"] == "done"] == [
            ("sam", "dead letter", "done")
        ]
    for client, export_id in ((bea, ids[0]), (sam, ids[1])):
        status = client.wait(export_id, seconds=60)
        assert (status["status"], status["attempt"]) == ("Completed", 2)
    assert letters(sam) == []
    operated.run("watchdog")
    assert len(alerts(sam)) == 1


def test_a_dead_letter_is_filtered_and_dropped(operated: Fragile) -> None:
    """The list forgets it, and the export stays Failed; another query is refused with what is valid."""
    sam = operated.client("sam")
    with operated.without("events"):
        export_id = sam.start(exportType="analytics")
        assert sam.wait(export_id, seconds=60)["status"] == "Failed"
    assert [x["id"] for x in letters(sam, "?tenant=acme&exportType=analytics&failureClass=source")] == [export_id]
    assert letters(sam, "?tenant=globex") == letters(sam, "?failureClass=storage") == []
    assert_problem(
        sam.call("GET", "/ops/dead-letters?failureClass=sorce&tenant='&x=1&limit=1"),
        "validation-failed",
        failureClass="did you mean 'source'?",
        tenant="takes the name of a tenant",
        x="unknown parameter",
    )
    assert sam.call("DELETE", f"/ops/dead-letters/{export_id}").status_code == 204
    assert letters(sam) == []
    assert_problem(sam.call("DELETE", f"/ops/dead-letters/{export_id}"), "not-found")
    assert sam.call("GET", f"/exports/{export_id}").json()["status"] == "Failed"


@pytest.mark.timeout(180)
@pytest.mark.parametrize("reason", ["stood-still", "took-too-long"])
def test_an_export_that_hangs_is_failed_with_a_reason(operated: Fragile, records: ExportRecords, reason: str) -> None:
    """Its orchestration is stopped, it says where it stood, and it goes on when it is retried."""
    sam = operated.client("sam")
    operated.take_database_away()
    answer = sam.call("POST", "/exports", json={"exportType": "sessions", "fresh": True}).json()
    export_id, url = answer["id"], answer["durable"]["statusQueryGetUri"]
    until(lambda: sam.call("GET", f"/exports/{export_id}").json()["startedAt"])
    if reason == "took-too-long":
        grow_old(operated, export_id)

    def failed() -> bool:
        operated.run("watchdog")
        return bool(sam.call("GET", f"/exports/{export_id}").json()["status"] == "Failed")

    until(failed)
    status = sam.call("GET", f"/exports/{export_id}").json()
    operated.bring_database_back()
    message = {"stood-still": "nothing happened for 2 seconds while planning", "took-too-long": "after 12 hours"}
    assert status["error"]["code"] == reason
    assert message[reason] in status["error"]["message"]
    until(lambda: requests.get(url, timeout=30).json()["runtimeStatus"] == "Terminated")
    assert [x["failureClass"] for x in letters(sam) if x["id"] == export_id] == ["workflow"]
    assert sam.call("POST", f"/exports/{export_id}/retry").status_code == 202
    assert sam.wait(export_id, seconds=90)["status"] == "Completed"
    assert export_id not in [x["id"] for x in letters(sam)]


def grow_old(operated: Fragile, export_id: str) -> None:
    """Let the export have begun a day ago, as the watchdog sees it."""
    table = operated.tables.get_table_client("SluiceUsage")
    row = table.get_entity("acme", "")
    live = json.loads(row["live"])
    live[export_id][1] -= 86_400
    table.update_entity({**row, "live": json.dumps(live)})


def test_a_legal_hold_keeps_everything(operated: Fragile, records: ExportRecords) -> None:
    """Retention and its owner leave it alone, the file can still be fetched; afterwards it goes as any other."""
    sam, bea = operated.client("sam"), operated.client("bea")
    export_id = bea.start(exportType="users")
    bea.wait(export_id, seconds=60)
    held = sam.call("PUT", f"/ops/exports/{export_id}/hold", json={"reason": "case 4711"})
    hold = {"id": export_id, "tenant": "globex", "status": "Completed", "reason": "case 4711"}
    assert held.json() == hold
    records.change("globex", export_id, "test", expires_at=iso(datetime.now(UTC) - timedelta(days=400)))
    other = bea.start(exportType="users", columns=["email"])
    bea.wait(other, seconds=60)
    records.change("globex", other, "test", expires_at=iso(datetime.now(UTC) - timedelta(days=1)))
    operated.run("retention")
    until(lambda: bea.call("GET", f"/exports/{other}").json()["status"] == "Expired")
    assert bea.call("GET", f"/exports/{export_id}").json()["status"] == "Completed"
    assert bea.call("GET", f"/exports/{export_id}/download").status_code == 302
    assert_problem(bea.call("DELETE", f"/exports/{export_id}"), "conflict", detail="under a legal hold")

    assert [{name: item[name] for name in hold} for item in holds(sam)] == [hold]
    assert holds(sam, tenant="globex", limit="1") == holds(sam)
    assert holds(sam, tenant="acme") == []
    for query, wrong in (("tenant='", "tenant"), ("cursor=at-x", "cursor")):
        assert_problem(sam.call("GET", f"/ops/holds?{query}"), "validation-failed", **{wrong: ""})
    assert sam.call("DELETE", f"/ops/exports/{export_id}/hold").status_code == 204
    assert holds(sam) == []
    operated.run("retention")
    until(lambda: bea.call("GET", f"/exports/{export_id}").json()["status"] == "Expired")
    actions = [line["action"] for line in bea.logs(export_id)]
    assert [a for a in actions if a in ("held", "released", "expired")] == ["held", "released", "expired"]


@pytest.mark.parametrize("user", ["ada", "max", "vic"])
def test_only_operators_get_in(operated: Fragile, user: str) -> None:
    """An Admin of a tenant is none."""
    client: Callable[..., requests.Response] = operated.client(user).call
    for method, path in (
        ("GET", "dead-letters"),
        ("POST", "redrive"),
        ("GET", "holds"),
        ("PUT", "exports/x/hold"),
        ("DELETE", "exports/x/hold"),
    ):
        assert_problem(client(method, f"/ops/{path}", json={}), "not-allowed", detail="this is for operators")
