"""The audit log over HTTP: who did what, from where; for those who administer the tenant."""

import csv
import io
from typing import Any

import pytest
import requests

from demo.client import Client
from demo.stack import Stack
from shared.audit import verify
from tests.service.conftest import People
from tests.service.mail_links import link_in, press
from tests.service.problems import assert_problem


def audit(client: Client, **query: str) -> list[dict[str, Any]]:
    """The entries that the log gives, newest first."""
    answer = client.call("GET", "/ops/audit", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


@pytest.fixture(scope="module")
def lived(people: People) -> str:
    """An export of max, with everything that can be done to one: asked for, seen, fetched, deleted."""
    export_id = people.max.start(exportType="exemptions", fileName="audited")
    people.max.wait(export_id)
    people.max.wait_for_log(export_id, "mail-skipped", "mail-sent", "mail-waits")
    agent = {"User-Agent": "=cmd()", "X-Forwarded-For": "127.0.0.66"}
    answers = [
        people.max.call("GET", f"/exports/{export_id}/download", headers=agent),
        people.max.call("HEAD", f"/exports/{export_id}/download", headers=agent),
        people.max.call("POST", f"/exports/{export_id}/retry"),
        people.bea.call("GET", f"/exports/{export_id}/download"),
        people.sam.call("DELETE", f"/exports/{export_id}"),
    ]
    assert [answer.status_code for answer in answers] == [302, 200, 409, 404, 204]
    return export_id


def test_a_life_is_in_the_log(people: People, lived: str) -> None:
    """Each deed once, with who, from where, with which program, and how it ended; polling counts once an hour."""
    found = audit(people.ada, exportId=lived)
    deeds = [(e["action"], e["user"], e["outcome"], e["status"]) for e in found]
    looks = [d for d in deeds if d[0] == "seen"]
    assert [d for d in deeds if d[0] != "seen"] == [
        ("deleted", "sam", "done", 204),
        ("retried", "max", "refused", 409),
        ("downloaded", "max", "done", 302),
        ("requested", "max", "done", 202),
    ]
    assert set(looks) == {("seen", "max", "done", 200)}
    download = next(e for e in found if e["action"] == "downloaded")
    assert (download["address"], download["agent"], download["name"]) == ("127.0.0.1", "=cmd()", "Max Moreau")
    assert found[-1]["subject"] == "exemptions as csv"


def test_a_stranger_is_noted_in_their_own_log(people: People, lived: str) -> None:
    """Who tried is told to their own organisation; acme does not learn who guessed."""
    (tried,) = audit(people.bea, exportId=lived)
    assert (tried["action"], tried["user"], tried["outcome"]) == ("downloaded", "bea", "refused")


def test_a_super_admin_reads_every_log(people: People, lived: str) -> None:
    """An Admin only their own, and others none."""
    assert audit(people.sam, tenant="globex", exportId=lived) == audit(people.bea, exportId=lived)
    assert_problem(people.bea.call("GET", "/ops/audit?tenant=acme"), "not-allowed", detail="another organisation")
    assert_problem(people.max.call("GET", "/ops/audit"), "not-allowed", detail="for an Admin")
    read = audit(people.sam, action="listed", user="sam", tenant="globex")
    assert [(e["subject"], e["outcome"]) for e in read] == [("audit", "done")]


def test_looks_at_different_things_are_different_entries(people: People, lived: str) -> None:
    """Each list and each view of an export once an hour, not one of them for all."""
    eye = requests.Session()
    eye.headers.update({**people.ada.headers, "User-Agent": "looks around"})
    for path in ("exports", "webhooks", "schedules", "ops/audit", "notifications") * 2:
        assert eye.get(f"{people.api}/{path}", timeout=30).status_code == 200
    looks = {e["subject"] for e in audit(people.ada, action="listed", user="ada", limit="200")}
    assert {"exports", "webhooks", "schedules", "audit", "notifications"} <= looks
    other = people.ada.start(exportType="users")
    people.ada.wait(other)
    for path in ("", "/logs", "/workflow") * 2:
        assert eye.get(f"{people.api}/exports/{other}{path}", timeout=30).status_code == 200
    seen = audit(people.ada, exportId=other, action="seen")
    assert len(seen) >= 3  # each worker notes each once


def test_what_an_operator_does_to_a_tenants_things_is_in_the_tenants_log(people: People) -> None:
    """What was done to which thing; and so is what its own people do."""
    hook = people.bea.call("POST", "/webhooks", json={"url": "https://198.41.0.4/s3cret?k=1"}).json()["id"]
    cron = {"name": "Yearly", "cron": "0 6 1 1 *", "request": {"exportType": "users"}}
    plan = people.bea.call("POST", "/schedules", json=cron).json()["id"]
    sam, bea = people.sam, people.bea
    answers = [
        sam.call("PATCH", f"/webhooks/{hook}", json={"url": "https://198.41.0.4/other", "enabled": True}),
        sam.call("POST", f"/webhooks/{hook}/rotate"),
        sam.call("GET", f"/webhooks/{hook}"),
        sam.call("GET", f"/webhooks/{hook}/deliveries"),
        sam.call("PATCH", f"/schedules/{plan}", json={"cron": "0 7 1 1 *", "paused": True}),
        sam.call("GET", f"/schedules/{plan}/runs"),
        bea.call("PUT", "/preferences", json={"email": False}),
        sam.call("GET", "/ops/dead-letters?tenant=globex"),
        sam.call("GET", "/ops/holds?tenant=globex"),
        sam.call("POST", "/ops/redrive", json={"tenant": "globex"}),
        sam.call("DELETE", f"/schedules/{plan}"),
        sam.call("DELETE", f"/webhooks/{hook}"),
    ]
    assert [a.status_code for a in answers] == [200] * 10 + [204] * 2
    bea.call("PUT", "/preferences", json={})
    found = {(e["user"], e["action"], e["subject"]) for e in audit(bea, limit="200")}
    assert {
        ("bea", "changed", f"webhook {hook} to 198.41.0.4"),
        ("sam", "changed", f"webhook {hook}: url 198.41.0.4, enabled true"),
        ("sam", "changed", f"webhook {hook}: new secret"),
        ("sam", "seen", f"webhook {hook}"),
        ("sam", "listed", f"webhook {hook}"),
        ("sam", "deleted", f"webhook {hook}"),
        ("bea", "changed", f"schedule {plan} of users: 0 6 1 1 *"),
        ("sam", "changed", f"schedule {plan}: cron 0 7 1 1 *, paused True"),
        ("sam", "listed", f"schedule {plan}"),
        ("sam", "deleted", f"schedule {plan}"),
        ("bea", "changed", 'preferences: {"email":false}'),
        ("sam", "listed", "ops/dead-letters"),
        ("sam", "listed", "ops/holds"),
        ("sam", "retried", "dead letters, tenant globex: 0 of 0"),
    } <= found
    assert "s3cret" not in str(found)
    assert hook not in str(audit(people.ada, limit="200"))


def test_failed_sign_ins_are_in_nobodys_log(people: People) -> None:
    """For operators alone: why, and from where; nothing of what was sent."""
    assert requests.get(f"{people.api}/exports", headers={"Authorization": "Bearer abc.def.ghi"}).status_code == 401
    found = audit(people.sam, tenant="-")
    assert {(e["action"], e["outcome"], e["status"], e["user"]) for e in found} == {("sign-in", "refused", 401, "")}
    assert "127.0.0.1" in {e["address"] for e in found}
    assert "abc.def" not in str(found)
    assert_problem(people.ada.call("GET", "/ops/audit?tenant=-"), "not-allowed", detail="another organisation")


def test_a_program_whose_name_is_no_text_is_noted(people: People) -> None:
    """And the log can be read afterwards."""
    for headers in (people.vic.headers, {"Authorization": b"Bearer \xff"}):
        sent = {**headers, "User-Agent": b"bad\xff"}
        assert requests.get(f"{people.api}/exports/bad0bad0bad0bad0", headers=sent, timeout=30).status_code in (
            401,
            403,
        )
    assert "bad?" in {e["agent"] for e in audit(people.ada, user="vic")}
    assert audit(people.sam, tenant="-")


def test_wrong_parameters_are_named(people: People) -> None:
    """All of them at once."""
    query = {"action": "sean", "from": "yesterday", "to": "2026-01-01", "limit": "0", "cursor": "'", "who": "me"}
    answer = people.ada.call("GET", "/ops/audit", params={**query, "user": "u" * 201, "exportId": "e" * 65})
    messages = {
        "action": "did you mean 'seen'?",
        "from": "takes a time such as 2026-01-31T12:00:00Z, got 'yesterday'",
        "to": "takes a time such as",
        "limit": "takes a whole number from 1 to 200, got '0'",
        "cursor": "is not one that a listing gave",
        "who": "unknown parameter 'who'",
        "user": "takes up to 200 characters, got 201",
        "exportId": "takes up to 64 characters, got 65",
    }
    assert_problem(answer, "validation-failed", **messages)
    assert_problem(
        people.sam.call("GET", "/ops/audit?tenant=%2F"), "validation-failed", tenant="takes the name of a tenant"
    )


def test_the_log_is_exported(people: People, lived: str) -> None:
    """As CSV, of the caller's tenant alone, and safe to open in a spreadsheet; a Manager does not get it."""
    body = {"exportType": "audit", "filters": {"exportId": lived, "action": "downloaded"}}
    rows = {}
    for client in (people.ada, people.bea):
        status = client.wait(client.start(**body), seconds=60)
        url = client.call("GET", f"/exports/{status['id']}/download?redirect=false").json()["url"]
        rows[client.headers["Authorization"]] = list(csv.DictReader(io.StringIO(requests.get(url, timeout=30).text)))
    acme, globex = rows.values()
    assert [(r["User"], r["Outcome"], r["Address"], r["Agent"]) for r in acme] == [
        ("max", "done", "127.0.0.1", "'=cmd()")
    ]
    assert [(r["User"], r["Outcome"], r["Status"]) for r in globex] == [("bea", "refused", "404")]
    assert_problem(people.max.call("POST", "/exports", json=body), "not-allowed", detail="'audit' is open to")


def test_the_log_of_a_running_service_is_verified(
    service: Stack, lived: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While it runs, with the rows of all its workers."""
    assert lived
    monkeypatch.setenv("AzureWebJobsStorage", service.storage)
    assert verify.main([]) == 0
    told = capsys.readouterr().out
    assert "0 problems" in told
    assert int(told.split()[0].replace(",", "")) > 10


def test_a_mails_link_is_in_the_log(people: People) -> None:
    """Its button counts as a download by whoever has the link."""
    body = {"exportType": "users", "fileName": "by link", "notify": {"email": True}}
    status = people.sam.wait(people.ada.start(**body))  # what she has seen herself, she gets no mail about
    people.ada.wait_for_log(status["id"], "mail-sent")
    mails = people.ada.call("GET", "/dev/outbox").json()["items"]
    (mail,) = [mail for mail in mails if "by link" in mail["text"]]
    assert press(link_in(mail)).status_code == 200
    (download,) = audit(people.ada, exportId=status["id"], action="downloaded")
    assert (download["user"], download["outcome"]) == ("link", "done")
