"""People who lose a role or leave: what acts for them stops, they are out, and nothing more is mailed to them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import requests

from demo.azurite_server import Azurite
from shared.durable.inputs import NotificationStart
from shared.notifications.decide import send
from shared.schedules.store import Schedules
from shared.timestamps import iso
from shared.webhooks.endpoints import Endpoints
from tests.in_process import services_on
from tests.service.conftest import Fragile, on_its_own
from tests.service.issuer import AUDIENCE, Issuer
from tests.service.mail_links import look, press
from tests.service.polling import until
from tests.service.problems import assert_problem

EVE = "auth0|eve/äl.?#%2F"
"""A user's id may have any printable characters."""
YOURS = "The webhook '198.41.0.4' is yours now"
DAILY = {"name": "Daily", "cron": "0 6 1 1 *", "request": {"exportType": "users", "notify": {"email": True}}}


class Person:
    """Somebody who calls with tokens of the issuer."""

    def __init__(self, service: Fragile, issuer: Issuer, user: str, *roles: str, tenant: str = "acme") -> None:
        self._api, self._issuer = f"{service.base_url}/api", issuer
        self.claims: dict[str, Any] = {"sub": user, "tid": tenant, "roles": list(roles) or ["Admin"], "name": user}
        self.claims["email"] = f"{re.sub('[^a-z]', '', user)}@{tenant}.example"

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """A request of theirs."""
        headers = {"Authorization": f"Bearer {self._issuer.token(**self.claims)}"}
        return requests.request(method, self._api + path, headers=headers, timeout=60, allow_redirects=False, **options)

    def now_is(self, *roles: str) -> "Person":
        """Give them other roles."""
        self.claims["roles"] = list(roles)
        return self


@pytest.fixture(scope="module")
def service(
    azurite: Azurite, database: Any, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fragile]:
    """A service that believes the issuer; its timers run when they are called."""
    settings = {
        "AUTH_MODE": "jwt",
        "JWT_ISSUER": issuer.url,
        "JWT_AUDIENCE": AUDIENCE,
        "RETRY_FIRST_SECONDS": "0.2",
        "NOTIFY_AFTER_SECONDS": "0",
        "NOTIFY_GRACE_SECONDS": "0",
        "FUNCTIONS_WORKER_PROCESS_COUNT": "1",
    }
    host, running = on_its_own(tmp_path_factory.mktemp("leavers"), database, azurite, settings)
    with host.running():
        yield running


@pytest.fixture(scope="module")
def mails(service: Fragile) -> Any:
    """The mails in the outbox by recipient: subject and text."""
    from shared.notifications.mail.eml_folder import Outbox

    folder = service.database.parent / "outbox"
    return lambda: [(m["to"], m["subject"], m["text"]) for m in Outbox(str(folder), "x@example.com").mails()]


@pytest.fixture(scope="module")
def ada(service: Fragile, issuer: Issuer) -> Person:
    """An Admin of acme."""
    return Person(service, issuer, "ada")


def offboard(by: Person, user: str, of: str = "") -> requests.Response:
    """Shut somebody out; ``of`` another tenant, as operators do."""
    path = f"/ops/users/{of}" if of else "/users"
    return by.call("POST", f"{path}/{quote(user, safe='')}/offboard")


def due(service: Fragile, schedule_id: str, ago: timedelta) -> None:
    """Let the schedule wait for a time that has come, and look once."""
    table = Schedules(service.tables)
    schedule = table.get("acme", schedule_id)
    assert schedule is not None
    moment = iso(datetime.now(UTC) - ago)
    table.change(schedule, f"test-{moment}", due_at=moment, run_at=moment)
    service.run("scheduler")


def stopped(by: Person, schedule_id: str) -> dict[str, Any]:
    """The schedule, once it is stopped."""

    def look() -> dict[str, Any] | None:
        body: dict[str, Any] = by.call("GET", f"/schedules/{schedule_id}").json()
        return body if body["state"] == "stopped" else None

    return until(look)


def test_a_schedule_ends_with_its_owners_role(service: Fragile, issuer: Issuer, ada: Person, mails: Any) -> None:
    """One call with the lower role is enough, though it is refused: nothing is made, the owner hears why, no link."""
    max_ = Person(service, issuer, "max")
    schedule_id = max_.call("POST", "/schedules", json=DAILY).json()["id"]
    due(service, schedule_id, timedelta(hours=2))
    first = until(lambda: ada.call("GET", f"/schedules/{schedule_id}/runs").json()["items"])[0]
    until(lambda: ada.call("GET", f"/exports/{first['exportId']}").json()["status"] == "Completed")
    link = until(lambda: re.findall(r"http\S+/d#\S+", "".join(m[2] for m in mails() if m[0] == "max@acme.example")))[0]
    assert look(link).status_code == 200
    hook = max_.call("POST", "/webhooks", json={"url": "https://198.41.0.4/max"}).json()["id"]
    before = mails()

    answer = max_.now_is("Viewer").call("GET", f"/schedules/{schedule_id}")
    assert_problem(answer, "not-allowed", detail="a Viewer cannot ask for exports")
    assert (look(link).status_code, press(link).status_code) == (410, 410)
    due(service, schedule_id, timedelta(hours=1))
    shown = stopped(ada, schedule_id)
    assert shown["stopReason"].startswith("a Viewer cannot ask for exports")
    runs = ada.call("GET", f"/schedules/{schedule_id}/runs").json()["items"]
    assert [run["outcome"] for run in runs] == ["Refused", "Completed"]
    assert ada.call("GET", f"/exports/{runs[0]['exportId']}").status_code == 404
    until(lambda: service.run("scheduler") or len(mails()) > len(before))
    (new,) = [mail for mail in mails() if mail not in before]
    assert new[:2] == ("max@acme.example", "Your schedule 'Daily' was stopped")
    assert "http" not in new[2]

    owner = lambda: Endpoints(service.tables).get("acme", hook).owner["user"]  # type: ignore[union-attr]  # noqa: E731
    until(lambda: service.run("retention") or owner() == "ada")
    until(lambda: service.run("outbox") or [m for m in mails() if m[:2] == ("ada@acme.example", YOURS)])


def test_a_file_goes_with_the_right_to_its_type(service: Fragile, issuer: Issuer, ada: Person, mails: Any) -> None:
    """An Admin who is a Manager now: neither the API nor the link of the mail gives it, and an Admin has it still."""
    leo = Person(service, issuer, "leo")
    body = {"exportType": "users", "notify": {"email": True, "graceSeconds": 0}}
    export_id = leo.call("POST", "/exports", json=body).json()["id"]
    link = until(lambda: re.findall(r"http\S+/d#\S+", "".join(m[2] for m in mails() if m[0] == leo.claims["email"])))[0]
    assert look(link).status_code == 200
    leo.now_is("Manager")
    for method in ("GET", "HEAD"):
        assert leo.call(method, f"/exports/{export_id}/download").status_code == 403
    answer = leo.call("GET", f"/exports/{export_id}/download")
    assert_problem(answer, "not-allowed", detail="'users' is open to: SuperAdmin, Admin; you are: Manager")
    assert leo.call("GET", f"/exports/{export_id}").status_code == 200
    assert (look(link).status_code, press(link).status_code) == (410, 410)
    assert ada.call("GET", f"/exports/{export_id}/download").status_code == 302


def mail_is_due(export_id: str, azurite: Azurite, service: Fragile, issuer: Issuer) -> None:
    """Do what is done when the grace time of an export's mail is over, which nobody here waits for."""
    jwt = {"AUTH_MODE": "jwt", "JWT_ISSUER": issuer.url, "JWT_AUDIENCE": AUDIENCE}
    with services_on(azurite, MAIL_OUTBOX_DIR=str(service.database.parent / "outbox"), **jwt) as context:
        record = context.records.get("acme", export_id)
        assert record is not None
        send(NotificationStart(record.tenant, record.id, record.completed_at, 1, 0.1, attempt=record.attempt), context)


def test_who_was_offboarded_is_out(azurite: Azurite, service: Fragile, issuer: Issuer, ada: Person, mails: Any) -> None:
    """At once and with a token that is good: schedules stop, links are dead, mails stay away; again changes nothing."""
    eve = Person(service, issuer, EVE)
    schedule_id = eve.call("POST", "/schedules", json={**DAILY, "name": "Eve's"}).json()["id"]
    hook = {"url": "https://198.41.0.4/eve", "enabled": True}
    hook_id = eve.call("POST", "/webhooks", json=hook).json()["id"]
    body = {"exportType": "users", "notify": {"email": True, "graceSeconds": 0}}
    mailed = eve.call("POST", "/exports", json=body).json()["id"]
    link = until(lambda: re.findall(r"http\S+/d#\S+", "".join(m[2] for m in mails() if m[0] == eve.claims["email"])))[0]
    assert look(link).status_code == 200
    waits = eve.call("POST", "/exports", json={**body, "fresh": True, "notify": {"email": True, "graceSeconds": 3600}})
    waiting = waits.json()["id"]
    until(lambda: ada.call("GET", f"/exports/{waiting}").json()["status"] == "Completed")
    before = [mail for mail in mails() if mail[0] == eve.claims["email"]]

    answer = offboard(ada, EVE)
    assert answer.status_code == 200, answer.text
    done = answer.json()
    assert (done["tenant"], done["user"], done["offboardedBy"]) == ("acme", EVE, "ada")
    assert (done["schedulesStopped"], done["webhooksPassed"]) == (1, 1)
    assert done["linksRevoked"] == 1
    assert (look(link).status_code, press(link).status_code) == (410, 410)
    again = offboard(ada, EVE).json()
    assert again == {**done, "schedulesStopped": 0, "linksRevoked": 0, "webhooksPassed": 0}

    for method, path in (("GET", "/exports"), ("GET", "/export-types"), ("POST", "/exports"), ("GET", "/preferences")):
        assert_problem(eve.call(method, path, json=body), "not-allowed", detail="you were offboarded here")
    shown = ada.call("GET", f"/schedules/{schedule_id}").json()
    assert (shown["state"], shown["stopReason"]) == ("stopped", "its owner was offboarded")
    refused = ada.call("PATCH", f"/schedules/{schedule_id}", json={"paused": False})
    assert_problem(refused, "conflict", detail="its owner was offboarded: delete the schedule")
    mail_is_due(waiting, azurite, service, issuer)
    logs = ada.call("GET", f"/exports/{waiting}/logs").text
    assert "No mail: who asked was offboarded, or may not export any more." in logs
    assert [mail for mail in mails() if mail[0] == eve.claims["email"]] == before
    assert ada.call("GET", f"/exports/{mailed}/download").status_code == 302
    endpoint = Endpoints(service.tables).get("acme", hook_id)
    assert endpoint is not None
    assert (endpoint.owner["user"], endpoint.created_by, endpoint.enabled) == ("ada", EVE, True)
    until(lambda: service.run("scheduler") or [m for m in mails() if m[1] == "'Eve's' was stopped"])
    assert {to for to, subject, _ in mails() if subject == "'Eve's' was stopped"} >= {"ada@acme.example"}

    path = f"/users/{quote(EVE, safe='')}/offboard"
    assert [ada.call("DELETE", path).status_code for _ in range(2)] == [204, 204]
    until(lambda: eve.call("GET", "/exports").status_code == 200)
    assert ada.call("GET", f"/schedules/{schedule_id}").json()["state"] == "stopped"
    assert look(link).status_code == 410
    deeds = [e["subject"] or "" for e in ada.call("GET", "/ops/audit?action=changed&user=ada").json()["items"]]
    assert [d for d in deeds if "offboarded" in d or "reinstated" in d] == [
        *[f"reinstated {EVE}"] * 2,
        *[f"offboarded {EVE}"] * 2,
    ]


def test_who_may_offboard_whom(service: Fragile, issuer: Issuer, ada: Person) -> None:
    """Operators anybody, an Admin the people of their own tenant, others nobody."""
    sam, bea = Person(service, issuer, "sam", "SuperAdmin"), Person(service, issuer, "bea", tenant="globex")
    for roles in (("Manager",), ("Viewer",)):
        person = Person(service, issuer, "low", *roles)
        assert_problem(offboard(person, "ada"), "not-allowed")
    assert_problem(offboard(ada, "bea", of="globex"), "not-allowed", detail="this is for operators")
    assert_problem(offboard(ada, "ada"), "conflict", detail="you cannot offboard yourself")
    sam.call("GET", "/exports")
    assert_problem(offboard(ada, "sam"), "not-allowed", detail="by operators only")

    assert offboard(bea, "ada").json()["tenant"] == "globex"  # another person of the same id
    assert ada.call("GET", "/exports").status_code == 200
    assert offboard(sam, "bea", of="globex").json()["offboardedBy"] == "sam"
    assert_problem(bea.call("GET", "/exports"), "not-allowed", detail="you were offboarded here")
    boss = Person(service, issuer, "boss", tenant="globex")
    assert_problem(boss.call("DELETE", "/users/bea/offboard"), "not-allowed", detail="an operator lifts it")
    assert sam.call("DELETE", "/ops/users/globex/bea/offboard").status_code == 204
    until(lambda: bea.call("GET", "/exports").status_code == 200)
    log = sam.call("GET", "/ops/audit?tenant=globex&action=changed").json()["items"]
    assert {"offboarded bea", "reinstated bea", "offboarded ada"} <= {entry["subject"] for entry in log}
    assert_problem(sam.call("POST", "/ops/users/a..%20b/x/offboard"), "not-found")
    for nobody in ("x" * 201, "a%0Ab"):
        answer = ada.call("POST", f"/users/{nobody}/offboard")
        assert_problem(answer, "not-found", detail="a user's id has 1 to 200 printable characters")


def test_an_address_that_is_not_checked_gets_no_mail(service: Fragile, issuer: Issuer, ada: Person, mails: Any) -> None:
    """Nor one that mail cannot have: the log says so, and the app tells the person."""
    for number, changes in enumerate(({"email_verified": False}, {"email": "ünsal@acme.example"})):
        person = Person(service, issuer, f"unchecked{number}")
        person.claims |= changes
        body = {"exportType": "users", "notify": {"email": True, "graceSeconds": 0}}
        export_id = person.call("POST", "/exports", json=body).json()["id"]
        logs = f"/exports/{export_id}/logs"
        until(lambda path=logs: "No mail: no address is known of who asked" in ada.call("GET", path).text)
        told = until(lambda who=person: who.call("GET", "/notifications").json()["items"])
        assert told[0]["kind"] == "completed"
        assert [to for to, _, _ in mails() if to.startswith(("unchecked", "ünsal"))] == []
