"""What operators see and switch: the service as a whole, tenants, what runs, pauses and quotas."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from demo.client import Client
from tests.service.conftest import Fragile, People
from tests.service.problems import assert_problem
from triggers.http.ops import parts_in

NOW = datetime(2026, 3, 1, 12, 0, 10, tzinfo=UTC)


@pytest.fixture
def resumed(people: People) -> Iterator[None]:
    """Whatever a test pauses or grants is as it was, afterwards."""
    yield
    for pause in people.sam.call("GET", "/ops/pauses").json()["items"]:
        assert people.sam.call("POST", f"/ops/{pause['kind']}s/{pause['name']}/resume").status_code == 200
    for tenant in ("acme", "globex"):
        assert people.sam.call("PUT", f"/ops/tenants/{tenant}/quotas", json={}).status_code == 200


def ask(client: Client, export_type: str = "users") -> Any:
    """The answer to a request for something new."""
    return client.call("POST", "/exports", json={"exportType": export_type, "fresh": True})


@pytest.mark.usefixtures("resumed")
def test_a_paused_tenant_begins_nothing(people: People) -> None:
    """With the operator's reason; what runs goes on, what was made can be had, others are not concerned."""
    running = people.ada.start(exportType="sessions")
    made = ask(people.ada).json()["id"]
    body = {"reason": "the database moves until 18:00 UTC"}
    paused = people.sam.call("POST", "/ops/tenants/acme/pause", json=body)
    assert (paused.status_code, paused.json()["paused"], paused.json()["by"]) == (200, True, "sam")
    sentence = (
        "your organisation's exports are paused: the database moves until 18:00 UTC; exports that have begun go on"
    )
    assert_problem(ask(people.ada), "paused", detail=sentence)
    assert ask(people.bea).status_code == 202
    assert people.ada.wait(running)["status"] == "Completed"
    assert people.ada.wait(made)["status"] == "Completed"
    assert people.ada.call("GET", f"/exports/{made}/download").status_code == 302
    assert people.sam.call("POST", "/ops/tenants/acme/resume").json()["paused"] is False
    assert ask(people.ada).status_code == 202


@pytest.mark.usefixtures("resumed")
def test_a_paused_type_begins_nothing(people: People) -> None:
    """For any tenant; other types go on. Who paused it is in the audit log."""
    people.sam.call("POST", "/ops/export-types/analytics/pause", json={"reason": "wrong sums"})
    for client in (people.ada, people.bea):
        assert_problem(ask(client, "analytics"), "paused", detail="exports of type analytics are paused: wrong sums")
        assert ask(client).status_code == 202
    (pause,) = people.sam.call("GET", "/ops/pauses").json()["items"]
    assert (pause["kind"], pause["name"], pause["reason"]) == ("export-type", "analytics", "wrong sums")
    log = people.sam.call("GET", "/ops/audit?action=changed&limit=1").json()["items"]
    assert [(e["user"], e["subject"]) for e in log] == [("sam", "paused export-type analytics")]


def test_a_failed_export_of_a_paused_type_is_not_retried(fragile: Fragile) -> None:
    """A retry begins new work; it stays possible for later."""
    sam, gus = fragile.client("sam"), fragile.client("gus")
    fragile.take_database_away()
    export_id = gus.start(exportType="analytics")
    assert gus.wait(export_id)["status"] == "Failed"
    fragile.bring_database_back()
    sam.call("POST", "/ops/export-types/analytics/pause", json={"reason": "r"})
    assert_problem(gus.call("POST", f"/exports/{export_id}/retry"), "paused", detail="analytics are paused: r")
    sam.call("POST", "/ops/export-types/analytics/resume")
    assert gus.call("POST", f"/exports/{export_id}/retry").status_code == 202
    assert gus.wait(export_id)["status"] == "Completed"


@pytest.mark.usefixtures("resumed")
def test_a_tenant_has_quotas_of_its_own(people: People) -> None:
    """From the next request on; others keep the settings', and so does what is left out."""
    made = ask(people.bea)
    people.bea.wait(made.json()["id"])
    answer = people.sam.call("PUT", "/ops/tenants/globex/quotas", json={"exportsPerTenant": 1.0})
    assert (answer.json()["exportsPerTenant"], answer.json()["exportsPerUser"]) == (1, 1000)
    refused = ask(people.bea)
    assert_problem(refused, "quota-reached", detail="exports today; the limit is 1; try again after midnight UTC")
    assert ask(people.ada).status_code == 202
    entries = {e["tenant"]: e for e in people.sam.call("GET", "/ops/tenants").json()["items"]}
    assert entries["globex"]["quotas"]["exportsPerTenant"] == 1
    assert entries["acme"]["quotas"]["exportsPerTenant"] == 10_000
    assert entries["globex"]["exportsToday"] >= 1
    assert entries["globex"]["bytesToday"] > 0


def test_what_is_wrong_is_named(people: People) -> None:
    """Field by field; what is not there is a 404."""
    call = people.sam.call
    assert_problem(call("POST", "/ops/tenants/acme/pause", json={}), "validation-failed", reason="is required")
    long = call("POST", "/ops/tenants/acme/pause", json={"reason": "x" * 201})
    assert_problem(long, "validation-failed", reason="at most 200 characters")
    wrong = call("PUT", "/ops/tenants/acme/quotas", json={"runningPerUser": 0, "runningPerUsr": 1})
    assert_problem(
        wrong,
        "validation-failed",
        runningPerUser="greater than or equal to 1, got 0",
        runningPerUsr="did you mean 'runningPerUser'?",
    )
    unknown = call("POST", "/ops/export-types/sesions/pause", json={"reason": "r"})
    assert_problem(unknown, "not-found", detail="did you mean 'sessions'?")
    assert_problem(call("GET", "/ops/running?max=3"), "validation-failed", max="unknown parameter 'max'; known: limit")


def test_the_overview_counts_everything(people: People) -> None:
    """Whichever worker answers; an export that ends is one more."""
    people.ada.wait(ask(people.ada).json()["id"])
    found = people.sam.call("GET", "/ops/overview").json()
    assert found["exports"]["Pending"] >= 1
    assert found["exportTypes"]["users"] >= 1
    assert found["running"] >= 0
    assert found["pauses"] == []


def test_running_exports_show_their_slowest_parts(fragile: Fragile) -> None:
    """Those that are being made, too: here an export in groups whose database went away."""
    sam, ada = fragile.client("sam"), fragile.client("ada")
    export_id = ada.start(exportType="sessions")
    ada.wait_for_log(export_id, "planned")
    found = next(e for e in sam.call("GET", "/ops/running").json()["items"] if e["id"] == export_id)
    assert (found["tenant"], found["exportType"], found["createdBy"]) == ("acme", "sessions", "ada")
    while not found["slowestParts"]:
        listed = sam.call("GET", "/ops/running?limit=200").json()["items"]
        found = next(e for e in listed if e["id"] == export_id)
    assert len(found["slowestParts"]) <= 5
    assert all(1 <= part["part"] <= 160 for part in found["slowestParts"])
    seconds = [part["seconds"] for part in found["slowestParts"]]
    assert seconds == sorted(seconds, reverse=True)
    ada.call("POST", f"/exports/{export_id}/cancel")
    ada.wait_for_log(export_id, "cleared")
    assert export_id not in {e["id"] for e in sam.call("GET", "/ops/running").json()["items"]}


def test_a_history_tells_how_long_parts_take() -> None:
    """As the status API shows it, whether inputs are objects or texts; other steps are no parts."""

    def at(seconds: int) -> str:
        return (NOW - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")

    done = {"EventType": "TaskCompleted", "FunctionName": "encode_part", "ScheduledTime": at(9), "Timestamp": at(5)}
    scheduled = {"EventType": "TaskScheduled", "Name": "encode_part", "Timestamp": at(7)}
    history = [
        {"EventType": "ExecutionStarted", "FunctionName": "export", "Timestamp": at(10)},
        {**done, "Input": {"tenant": "acme", "index": 3, "attempt": 1}},
        {**done, "Input": '["{\\"tenant\\": \\"acme\\", \\"index\\": 4, \\"attempt\\": 1}"]'},
        {**scheduled, "Input": ['{"tenant":"acme","index":11,"attempt":1}']},
        scheduled,
        {**done, "FunctionName": "plan_export"},
    ]
    assert list(parts_in(history, NOW)) == [
        {"part": 4, "seconds": 4.0, "done": True},
        {"part": 5, "seconds": 4.0, "done": True},
        {"part": 12, "seconds": 7.0, "done": False},
        {"part": None, "seconds": 7.0, "done": False},
    ]
