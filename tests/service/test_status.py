"""Following an export: status, progress, log, list, download."""

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from demo.client import Client
from shared.jobs.records import ExportRecord
from shared.jobs.status import Status
from shared.timestamps import iso
from tests.service.conftest import People
from tests.service.problems import assert_problem
from triggers.http.exports import poll_headers

Export = Callable[..., dict[str, Any]]


def test_a_started_export_is_answered_with_where_to_go_on(people: People) -> None:
    """202 with the id, the links, and when to ask again; a tenant gets no key of the engine."""
    answer = people.ada.call("POST", "/exports", json={"exportType": "users", "fresh": True})
    body = answer.json()
    base = f"{people.api}/exports/{body['id']}"
    assert answer.status_code == 202
    assert set(body) == {"id", "status", "links"}
    assert body["status"] == "Pending"
    assert body["links"] == {
        "self": base,
        "download": f"{base}/download",
        "cancel": f"{base}/cancel",
        "logs": f"{base}/logs",
    }
    assert answer.headers["Location"] == base
    assert answer.headers["Operation-Location"] == base.replace("/exports/", "/operations/")
    assert answer.headers["Retry-After"] == "2"
    people.ada.wait(body["id"])


@pytest.mark.parametrize(
    ("left", "seconds"), [(None, "2"), (0, "2"), (14, "2"), (15, "3"), (49, "9"), (50, "10"), (3600, "10")]
)
def test_a_long_export_is_asked_after_less_often(left: int | None, seconds: str) -> None:
    """After a fifth of the time that is left, between 2 and 10 seconds."""
    now = iso(datetime.now(UTC))
    running = ExportRecord("acme", "x", "users", "csv", Status.PROCESSING, "ada", now, {}, {}, "")
    assert poll_headers(running, {"progress": {"etaSeconds": left}})["Retry-After"] == seconds


def test_progress_only_rises_and_reaches_100_with_completed(people: People) -> None:
    """Rows, parts and percent, from the first answer to the last."""
    seen: list[dict[str, Any]] = []
    export_id = people.ada.start(exportType="sessions")
    final = people.ada.wait(export_id, every=0.02, show=seen.append)
    for figure in ("percent", "rows", "parts"):
        values = [s["progress"][figure] for s in seen]
        assert values == sorted(values), figure
    running = [s for s in seen if s["status"] != "Completed"]
    assert all(s["progress"]["percent"] < 100 for s in running)
    assert all(("file" in s, "error" in s) == (False, False) for s in running)
    order = ["queued", "planning", "exporting", "merging", "publishing", "done"]
    phases = [order.index(s["phase"]) for s in running]
    assert phases == sorted(phases)
    assert any(0 < s["progress"]["parts"] < 20 for s in running)
    assert final["progress"] == {
        "percent": 100.0,
        "rows": 20_000,
        "totalRows": 20_000,
        "parts": 20,
        "totalParts": 20,
        "etaSeconds": 0,
    }


def test_the_status_resource_tells_everything(finished: dict[str, Any], people: People) -> None:
    """Who, what, when, the file and where to go on; no secret, and no address of the storage."""
    assert set(finished) == {
        "id",
        "exportType",
        "format",
        "status",
        "phase",
        "progress",
        "createdBy",
        "createdAt",
        "startedAt",
        "completedAt",
        "expiresAt",
        "downloadedAt",
        "attempt",
        "file",
        "links",
    }
    created, started, completed, expires = (
        datetime.fromisoformat(finished[name]) for name in ("createdAt", "startedAt", "completedAt", "expiresAt")
    )
    assert created <= started <= completed
    assert expires - completed == timedelta(days=3)
    assert (finished["createdBy"], finished["exportType"], finished["format"]) == ("ada", "users", "csv")
    assert (finished["phase"], finished["downloadedAt"], finished["attempt"]) == (None, None, 1)
    assert set(finished["file"]) == {"name", "bytes", "rows", "sha256", "contentType"}
    assert finished["file"]["rows"] == 400
    answer = people.ada.call("GET", f"/exports/{finished['id']}")
    assert "Retry-After" not in answer.headers
    assert "devstoreaccount1" not in answer.text


def test_the_log_tells_the_story_in_order(people: People, export: Export) -> None:
    """Each event under its stable action."""
    status = export(exportType="employees")
    people.ada.wait_for_log(status["id"], "mail-skipped")
    lines = people.ada.logs(status["id"])
    actions = [line["action"] for line in lines]
    assert actions == ["requested", "planned", "merged", "published", "in-app-notification-sent", "mail-skipped"]
    assert {line["level"] for line in lines} == {"info"}
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    assert lines[0]["message"] == "Ada Lindqvist asked for 'Employees' as csv."
    assert lines[1]["message"] == "Planned 300 rows in 1 part."


def test_the_log_comes_in_pages(people: People, finished: dict[str, Any]) -> None:
    """Every line once."""
    people.ada.wait_for_log(finished["id"], "mail-skipped")
    path, lines, cursor = f"/exports/{finished['id']}/logs", [], ""
    while cursor is not None:
        page = people.ada.call("GET", f"{path}?limit=2" + (f"&cursor={cursor}" if cursor else "")).json()
        assert len(page["items"]) in (1, 2)
        lines += page["items"]
        cursor = page["nextCursor"]
    assert lines == people.ada.logs(finished["id"])


def test_a_trusted_caller_follows_the_durable_status(people: People) -> None:
    """Progress in the custom status, and at the end an output whose URL reads the file."""
    body = people.sam.call("POST", "/exports", json={"exportType": "sessions", "fresh": True}).json()
    assert {"id", "statusQueryGetUri", "sendEventPostUri", "terminatePostUri", "purgeHistoryDeleteUri"} <= set(
        body["durable"]
    )
    url = body["durable"]["statusQueryGetUri"]
    seen: list[dict[str, Any]] = []

    def look(_: dict[str, Any]) -> None:
        answer = requests.get(url, timeout=30)
        assert answer.status_code in (200, 202)
        seen.append(answer.json())

    final = people.sam.wait(body["id"], every=0.02, show=look)
    shown = [s["customStatus"] for s in seen if s["customStatus"]]
    assert any(s["phase"] == "exporting" and 0 < s["parts"] < 20 and s["totalParts"] == 20 for s in shown)
    rows = [s["rows"] for s in shown]
    assert rows == sorted(rows)

    people.sam.wait_for_log(body["id"], "mail-skipped")
    ended = _ended(url)
    output = ended["output"]
    assert ended["runtimeStatus"] == "Completed"
    assert set(output) == {"exportId", "blob", "rows", "bytes", "sha256", "sasUrl", "sasExpiresAt"}
    assert output["exportId"] == body["id"]
    assert output["blob"] == f"acme/{body['id']}/file.csv"
    assert (output["rows"], output["bytes"]) == (20_000, final["file"]["bytes"])
    assert output["sha256"] == final["file"]["sha256"]
    data = requests.get(output["sasUrl"], timeout=30).content
    assert hashlib.sha256(data).hexdigest() == output["sha256"]
    assert datetime.fromisoformat(output["sasExpiresAt"]) < datetime.now(UTC) + timedelta(minutes=10)


def _ended(url: str) -> dict[str, Any]:
    """The Durable status once the orchestration has ended."""
    while (answer := requests.get(url, timeout=30)).status_code == 202:
        continue
    ended: dict[str, Any] = answer.json()
    return ended


@pytest.mark.parametrize("user", ["ada", "max", "bea"])
def test_nobody_else_gets_the_durable_urls(people: People, user: str) -> None:
    """They hold a key that is good for every instance."""
    client: Client = getattr(people, user)
    answer = client.call("POST", "/exports", json={"exportType": "analytics", "fresh": True})
    status = client.wait(answer.json()["id"])
    for text in (answer.text, str(status)):
        assert "durable" not in text
        assert "code=" not in text


def test_a_file_url_reads_only_this_file_and_only_for_minutes(people: People, export: Export) -> None:
    """Read, one blob, ten minutes."""
    status = export(exportType="analytics")
    answer = people.ada.call("GET", f"/exports/{status['id']}/download?redirect=false")
    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == {"url", "expiresAt"}
    expires = datetime.fromisoformat(body["expiresAt"])
    assert timedelta(minutes=9) < expires - datetime.now(UTC) <= timedelta(minutes=10)
    url = body["url"]
    file = requests.get(url, timeout=30)
    assert hashlib.sha256(file.content).hexdigest() == status["file"]["sha256"]
    assert requests.put(url, data=b"x", headers={"x-ms-blob-type": "BlockBlob"}, timeout=30).status_code == 403
    assert requests.delete(url, timeout=30).status_code == 403
    assert requests.get(url.replace("/file.csv", "/plan.json"), timeout=30).status_code == 403


def test_a_look_with_head_is_no_download(people: People, export: Export) -> None:
    """HEAD tells size, type, name and checksum of the file and gives no URL; GET marks the export as downloaded."""
    status = export(exportType="analytics", fileName="été")
    path = f"/exports/{status['id']}"
    head = people.ada.call("HEAD", f"{path}/download")
    assert (head.status_code, head.content) == (200, b"")
    assert "Location" not in head.headers
    assert "sig=" not in str(head.headers)
    assert int(head.headers["Content-Length"]) == status["file"]["bytes"]
    assert head.headers["Content-Type"] == status["file"]["contentType"]
    assert head.headers["Content-Disposition"].endswith("filename*=UTF-8''%C3%A9t%C3%A9.csv")
    digest = base64.b64encode(bytes.fromhex(status["file"]["sha256"])).decode()
    assert head.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert people.ada.call("GET", path).json()["downloadedAt"] is None
    get = people.ada.call("GET", f"{path}/download")
    assert (get.status_code, get.headers["Cache-Control"]) == (302, "no-store")
    first = people.ada.call("GET", path).json()["downloadedAt"]
    assert first is not None
    people.ada.call("GET", f"{path}/download")
    assert people.ada.call("GET", path).json()["downloadedAt"] == first


def test_a_download_before_completion_is_refused(people: People) -> None:
    """409 that says when there will be a file."""
    export_id = people.ada.start(exportType="sessions")
    answer = people.ada.call("GET", f"/exports/{export_id}/download")
    assert_problem(answer, "conflict", detail="there is a file to download when it is Completed")
    assert people.ada.wait(export_id)["downloadedAt"] is None


def test_a_download_with_a_wrong_parameter_is_refused(people: People, finished: dict[str, Any]) -> None:
    """Not taken for the default."""
    answer = people.ada.call("GET", f"/exports/{finished['id']}/download?redirect=no")
    assert_problem(answer, "validation-failed", redirect="takes true or false, got 'no'")


def test_a_list_is_newest_first_and_its_pages_meet(people: People) -> None:
    """Whatever the size of the page, every export once."""
    made = [people["gus"].start(exportType="analytics") for _ in range(5)]
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = people["gus"].call("GET", "/exports?limit=2" + (f"&cursor={cursor}" if cursor else "")).json()
        assert len(page["items"]) <= 2
        seen += [item["id"] for item in page["items"]]
        cursor = page["nextCursor"]
    assert seen == list(reversed(made))
    for export_id in made:
        people["gus"].wait(export_id)


def test_a_list_shows_what_the_status_shows(people: People, finished: dict[str, Any]) -> None:
    """One resource, in both places."""
    items = people.ada.call("GET", "/exports?exportType=users&limit=200").json()["items"]
    assert [item for item in items if item["id"] == finished["id"]] == [
        people.ada.call("GET", f"/exports/{finished['id']}").json()
    ]


def test_a_list_can_be_filtered(people: People, export: Export) -> None:
    """By type, status, creator and time, together."""
    mine = export("max", exportType="employees")

    def ids(query: str) -> set[str]:
        answer = people.ada.call("GET", f"/exports?limit=200&{query}")
        assert answer.status_code == 200, answer.text
        return {item["id"] for item in answer.json()["items"]}

    at = mine["createdAt"]
    later = (datetime.fromisoformat(at) + timedelta(milliseconds=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert mine["id"] in ids("exportType=employees&status=Completed&createdBy=max&format=csv")
    assert ids(f"createdFrom={at}&createdTo={later}&createdBy=max") == {mine["id"]}
    assert mine["id"] not in ids(f"createdTo={at}")
    assert mine["id"] not in ids("exportType=users")
    assert mine["id"] not in ids("status=Failed")
    assert mine["id"] not in ids("createdBy=ada")
    assert ids("createdBy=' or created_by ne '") == set()


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ("limit=0", "limit", "a whole number from 1 to 200, got '0'"),
        ("limit=201", "limit", "a whole number from 1 to 200"),
        ("limit=²", "limit", "a whole number from 1 to 200"),
        ("limit=ten", "limit", "a whole number from 1 to 200, got 'ten'"),
        ("cursor=' or true", "cursor", "is not one that a listing gave"),
        ("status=Compleeted", "status", "did you mean 'Completed'?"),
        ("exportType=session", "exportType", "did you mean 'sessions'?"),
        ("format=cvs", "format", "did you mean 'csv'?"),
        ("creator=ada", "creator", "unknown parameter 'creator'; did you mean 'createdTo'? known: status"),
        (f"createdBy={'x' * 201}", "createdBy", "takes up to 200 characters, got 201"),
        ("createdFrom=yesterday", "createdFrom", "takes a time such as 2026-01-31T12:00:00Z, got 'yesterday'"),
        ("createdFrom=2026-01-31T12:00:00", "createdFrom", "takes a time such as"),
        ("createdFrom=0001-01-01T00:00:00%2B14:00", "createdFrom", "takes a time such as"),
        ("createdTo=9999-12-31T23:59:59-14:00", "createdTo", "takes a time such as"),
    ],
)
def test_a_wrong_list_parameter_is_named(people: People, query: str, field: str, message: str) -> None:
    """400 for each, with what is valid."""
    assert_problem(people.ada.call("GET", f"/exports?{query}"), "validation-failed", **{field: message})


def test_the_catalogue_lists_what_the_caller_may_export(people: People) -> None:
    """In the caller's language; a Viewer's is empty."""

    def names(client: Client) -> list[str]:
        return [item["name"] for item in client.call("GET", "/export-types").json()["items"]]

    own = ["sessions", "users", "analytics", "employees", "exemptions", "audit"]
    own += ["payroll-headcount", "roster-headcount"]
    assert names(people.ada) == own
    assert names(people.max) == [name for name in own if name not in ("users", "audit")]
    assert names(people.vic) == []
    french = people.max.call("GET", "/export-types").json()["items"]
    assert [item["title"] for item in french][:3] == ["Sessions", "Analyses", "Employés"]
    sessions = people.ada.call("GET", "/export-types").json()["items"][0]
    assert sessions["columns"][2] == {"name": "email", "title": "E-mail", "type": "text"}
    assert sessions["filters"][1] == {
        "name": "status",
        "type": "text",
        "many": True,
        "choices": ["active", "expired", "revoked", "pending"],
        "summary": "",
    }


@pytest.mark.parametrize("position", range(8))
def test_the_example_of_every_export_type_works(people: People, position: int) -> None:
    """What the catalogue shows can be sent as it is."""
    example = people.ada.call("GET", "/export-types").json()["items"][position]["example"]
    assert people.ada.wait(people.ada.start(**example))["status"] == "Completed"


def test_health_is_answered_without_a_token(people: People) -> None:
    """For load balancers."""
    answer = requests.get(f"{people.api}/health", timeout=30)
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
