"""Webhooks: what happens to an export is told, once for each event, whatever dies in between."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import ANY
from urllib.parse import unquote
from uuid import uuid4

import jsonschema_rs
import pytest
import requests
from azure.data.tables import TableServiceClient
from standardwebhooks import Webhook, WebhookVerificationError

from demo import processes, stack
from demo.azurite_server import Azurite
from demo.client import Client
from local_host.keys import load_keys
from shared.durable.instance_ids import delivery_instance
from shared.events.outbox import EventType, Outbox
from shared.identity.caller import demo_caller
from shared.jobs.records import ExportRecord, ExportRecords, new_export_id
from shared.timestamps import iso, utc_now
from shared.webhooks.deliveries import Deliveries
from shared.webhooks.endpoints import Endpoints
from shared.webhooks.signing import new_secret
from tests.service import fault_proxy
from tests.service import receiver as receivers
from tests.service.fault_proxy import Fault, FaultProxy
from tests.service.mortal import Mortal
from tests.service.problems import assert_problem
from tests.service.receiver import Receiver
from tests.webhooks.hostile import HOSTILE

PAUSES = ",".join(["0", *["0.05"] * 9])
"""Ten attempts, as by default, but within a second."""

ON_NEW_YEARS_DAY = "0 0 0 1 1 *"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """The receiver of everything."""
    with receivers.running() as running:
        yield running


@pytest.fixture(scope="module")
def proxy(azurite: Azurite) -> Iterator[FaultProxy]:
    """A proxy that sees every request to the storage."""
    with fault_proxy.running(azurite) as running:
        yield running


@pytest.fixture(scope="module")
def mortal(
    azurite: Azurite, proxy: FaultProxy, receiver: Receiver, database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mortal]:
    """The service that all of this runs on; it reaches its storage through the proxy."""
    home = tmp_path_factory.mktemp("webhooks")
    port = processes.free_port()
    storage = replace(azurite, blob_port=proxy.blob_port, table_port=proxy.table_port).connection_string
    settings = stack.app_settings(home, port, storage, f"sqlite:///{database}")
    own = {
        "WEBHOOK_LOCAL_ORIGINS": receiver.origin,
        "WEBHOOK_RETRY_SECONDS": PAUSES,
        "WEBHOOK_TIMEOUT_SECONDS": "1",
        "RETRY_FIRST_SECONDS": "0.2",
        "WATCHDOG_SCHEDULE": ON_NEW_YEARS_DAY,
        "WATCHDOG_GRACE_SECONDS": "0",
        "RETENTION_SCHEDULE": ON_NEW_YEARS_DAY,
        "FUNCTIONS_WORKER_PROCESS_COUNT": "1",
    }
    host = Mortal(home, port, {**settings, **own})
    host.start()
    yield host
    host.stop()


@pytest.fixture(scope="module")
def bea(mortal: Mortal) -> Client:
    """Admin of globex, which has few rows."""
    return Client(f"{mortal.base_url}/api", "bea")


@pytest.fixture(scope="module")
def tables(azurite: Azurite) -> TableServiceClient:
    """The service's tables, behind its back."""
    return TableServiceClient.from_connection_string(azurite.connection_string)


def until(true: Callable[[], object], seconds: float = 60) -> None:
    """Ask until it is so. Raises ``TimeoutError``."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.05)


def run_timer(mortal: Mortal, name: str) -> None:
    """Call the timer now."""
    assert requests.post(f"{mortal.base_url}/admin/functions/{name}", json={}, timeout=30).status_code == 202


@dataclass
class Hook:
    """A webhook of globex at a path of the receiver that it has for itself."""

    client: Client
    receiver: Receiver
    path: str
    made: dict[str, Any]
    pinged: str = ""

    @property
    def place(self) -> str:
        return f"/webhooks/{self.made['id']}"

    def now(self) -> dict[str, Any]:
        """As the API shows it."""
        found: dict[str, Any] = self.client.call("GET", self.place).json()
        return found

    def deliveries(self) -> list[dict[str, Any]]:
        """Newest first."""
        items: list[dict[str, Any]] = self.client.call("GET", f"{self.place}/deliveries").json()["items"]
        return items

    def ended(self, event: str = "", seconds: float = 60) -> dict[str, Any]:
        """The delivery of the event, which is the last ping when left out, once it has ended."""
        event = event or self.pinged
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = [d for d in self.deliveries() if event in d["eventId"] and d["status"] != "Pending"]
            if found:
                (delivery,) = found
                return delivery
            time.sleep(0.05)
        raise TimeoutError(f"{self.path}: {self.deliveries()}")

    def ping(self) -> dict[str, Any]:
        """Try it; gives the delivery."""
        answer = self.client.call("POST", f"{self.place}/ping")
        assert answer.status_code == 202, answer.text
        found: dict[str, Any] = answer.json()
        self.pinged = found["eventId"]
        return found


NewHook = Callable[..., Hook]


@pytest.fixture
def hook(bea: Client, receiver: Receiver) -> Iterator[NewHook]:
    """Add a webhook at a path that begins so, gone after the test; no export fails here, so it hears pings alone."""
    with hooks(bea, receiver) as add:
        yield add


@contextmanager
def hooks(bea: Client, receiver: Receiver) -> Iterator[NewHook]:
    """Add webhooks that are gone at the end."""
    made: list[Hook] = []

    def add(path: str = "/ok", query: str = "", *, events: Sequence[str] = ("export.failed",), **body: Any) -> Hook:
        own = f"{path}/{uuid4().hex[:8]}"
        wanted = {"events": events} if events else {}
        answer = bea.call("POST", "/webhooks", json={"url": receiver.origin + own + query, **wanted, **body})
        assert answer.status_code == 201, answer.text
        made.append(Hook(bea, receiver, own, answer.json()))
        return made[-1]

    yield add
    for one in made:
        bea.call("DELETE", one.place)


def test_a_completed_export_is_told(hook: NewHook, bea: Client, receiver: Receiver) -> None:
    """One POST, signed so that the library of Standard Webhooks verifies it, that says what the API says."""
    one = hook(events=["export.completed"])
    export = bea.wait(bea.start(exportType="analytics"))
    (got,) = receiver.wait(one.path)
    event = Webhook(one.made["secret"]).verify(got.body, got.headers)
    assert (got.id, event["type"]) == (f"evt_{export['id']}_1_completed", "export.completed")
    assert {k: v for k, v in event["data"].items() if k not in export} == {"url": export["links"]["self"]}
    assert {k: export[k] for k in event["data"] if k in export} == {
        k: v for k, v in event["data"].items() if k in export
    }
    assert event["timestamp"] >= export["completedAt"]
    delivery = one.ended()
    assert (delivery["status"], delivery["eventId"], delivery["type"]) == ("Delivered", got.id, "export.completed")
    assert [(a["status"], a["error"]) for a in delivery["attempts"]] == [(200, None)]
    assert one.receiver.at(one.path) == [got]


def test_an_event_that_is_not_wanted_is_not_told(hook: NewHook, bea: Client, receiver: Receiver) -> None:
    """An endpoint gets what it asked for, or all; nothing of other tenants, and nothing while it is disabled."""
    wanted, other = hook(events=[]), hook(events=["export.failed", "export.expired"])
    disabled = hook(events=[], enabled=False)
    ada = Client(bea.api, "ada")
    foreign = ada.wait(ada.start(exportType="analytics"))
    export = bea.wait(bea.start(exportType="analytics"))
    assert wanted.ended(export["id"])["status"] == "Delivered"
    assert [got.id for got in receiver.at(wanted.path)] == [f"evt_{export['id']}_1_completed"]
    assert foreign["status"] == "Completed"
    assert (other.deliveries(), disabled.deliveries()) == ([], [])
    assert receiver.at(other.path) + receiver.at(disabled.path) == []


def test_a_cancelled_export_is_told(hook: NewHook, bea: Client, proxy: FaultProxy) -> None:
    """Once, and not as one that failed."""
    one = hook(events=["export.completed", "export.failed", "export.cancelled"])
    planned, cancelled = threading.Event(), threading.Event()

    def hold(method: str, path: str) -> Fault:
        if method == "PUT" and "plan.json" in path:
            planned.set()
            cancelled.wait(60)
        return "none"

    with proxy.following(hold):
        export_id = bea.start(exportType="analytics")
        assert planned.wait(60)
        assert bea.call("POST", f"/exports/{export_id}/cancel").status_code == 202
        cancelled.set()
    delivery = one.ended(export_id)
    assert (delivery["eventId"], delivery["status"]) == (f"evt_{export_id}_1_cancelled", "Delivered")
    (got,) = one.receiver.at(one.path)
    data = json.loads(got.body)["data"]
    assert (data["status"], "file" in data, "error" in data) == ("Cancelled", False, False)


def test_who_asked_is_told_by_the_timer_when_nobody_else_came_to_it(
    hook: NewHook, bea: Client, mortal: Mortal, proxy: FaultProxy, tables: TableServiceClient
) -> None:
    """The notification's start fails, and the export is ended from outside: one mail, one notification, one event."""
    one = hook(events=["export.completed"])
    asked = []

    def fail(_: str, path: str) -> Fault:
        if "SluicePreferences" not in path:
            return "none"
        asked.append(path)
        return "drop request"

    with proxy.following(fail):
        export_id = bea.start(exportType="analytics", notify={"email": True, "graceSeconds": 0})
        until(lambda: asked)
        key = load_keys(mortal.home / "host" / "host-keys.json").system
        terminate = f"{mortal.base_url}/runtime/webhooks/durabletask/instances/{export_id}/terminate?code={key}"
        assert requests.post(terminate, timeout=30).status_code == 202
        until(lambda: len(asked) == 4)  # the client of the storage gives up, and with it the step
    (entry,) = Outbox(tables).of_export("globex", export_id)
    assert (entry.type, entry.to_tell) == ("export.completed", {"webhooks", "asker"})
    for _ in range(2):
        run_timer(mortal, "outbox")
    bea.wait_for_log(export_id, "mail-sent")
    assert one.ended(export_id)["status"] == "Delivered"
    until(lambda: Outbox(tables).of_export("globex", export_id) == [])
    run_timer(mortal, "outbox")
    actions = [line["action"] for line in bea.logs(export_id)]
    assert [actions.count(a) for a in ("mail-sent", "in-app-notification-sent")] == [1, 1]
    told = [t for t in bea.call("GET", "/notifications").json()["items"] if t["exportId"] == export_id]
    assert (len(told), len(one.deliveries())) == (1, 1)


def test_what_cannot_be_told_keeps_nobody_waiting(hook: NewHook, mortal: Mortal, tables: TableServiceClient) -> None:
    """An export whose type a release no longer has: it leaves the outbox, and so does what comes after it."""
    hook()
    records = ExportRecords(tables)
    made = [
        ExportRecord(
            tenant="globex",
            id=new_export_id(utc_now()),
            export_type=export_type,
            format="csv",
            status="Processing",
            created_by="bea",
            created_at=iso(utc_now()),
            request={"body": json.dumps({"exportType": export_type})},
            caller=demo_caller("bea").to_json(),
            expires_at=iso(utc_now() + timedelta(days=1)),
        )
        for export_type in ("users", "of-yesterday")
    ]
    for record in made:
        records.create(record)
        records.change("globex", record.id, "test", status="Completed", completed_at=iso(utc_now()))
    run_timer(mortal, "outbox")
    for record in made:
        until(lambda found=record: Outbox(tables).of_export("globex", found.id) == [])
        records.delete(record)


def test_what_nobody_announced_the_timer_does(
    hook: NewHook, bea: Client, mortal: Mortal, receiver: Receiver, tables: TableServiceClient
) -> None:
    """A file that retention has removed is told by the next run of the timer, once, though the timer runs twice."""
    one = hook(events=["export.expired"])
    export = bea.wait(bea.start(exportType="analytics"))
    bea.wait_for_log(export["id"], "mail-skipped")
    records = ExportRecords(tables)
    records.change("globex", export["id"], "test", expires_at="2026-01-01T00:00:00.000Z")

    def expired() -> bool:
        run_timer(mortal, "retention")  # it leaves alone what still runs, until the next time
        return "expired" in [line["action"] for line in bea.logs(export["id"])]

    until(expired)
    assert [entry.type for entry in Outbox(tables).of_export("globex", export["id"])] == ["export.expired"]
    for _ in range(2):
        run_timer(mortal, "outbox")
    assert one.ended()["eventId"] == f"evt_{export['id']}_1_expired"
    until(lambda: Outbox(tables).of_export("globex", export["id"]) == [])
    (got,) = receiver.at(one.path)
    assert json.loads(got.body)["data"]["file"] == export["file"]


@pytest.mark.parametrize("times", range(10))
def test_a_receiver_that_fails_hears_again(pinged: dict[int, Hook], receiver: Receiver, times: int) -> None:
    """The same id and body every time, a signature that is good every time, until it gets through."""
    one = pinged[times]
    delivery = one.ended()
    got = receiver.at(one.path)
    assert delivery["status"] == "Delivered"
    assert [a["status"] for a in delivery["attempts"]] == [500] * times + [200]
    assert len(got) == times + 1
    assert {g.id for g in got} == {delivery["eventId"]}
    assert len({g.body for g in got}) == 1
    for g in got:
        assert Webhook(one.made["secret"]).verify(g.body, g.headers)["data"] == {"webhook": one.made["id"]}
    assert one.now()["failingSince"] is None


@pytest.fixture(scope="module")
def pinged(bea: Client, receiver: Receiver) -> Iterator[dict[int, Hook]]:
    """Webhooks whose receiver fails so many times, each with a ping on its way, at the same time."""
    with hooks(bea, receiver) as add:
        found = {times: add(f"/fail/{times}") for times in range(11)}
        for one in found.values():
            one.ping()
        yield found


def test_a_receiver_that_never_succeeds_is_given_up(pinged: dict[int, Hook], receiver: Receiver) -> None:
    """After ten attempts; and the webhook says since when nothing has got through."""
    one = pinged[10]
    delivery = one.ended()
    assert (delivery["status"], delivery["error"]) == ("Failed", "no attempt got through")
    assert [a["status"] for a in delivery["attempts"]] == [500] * 10
    assert len(receiver.at(one.path)) == 10
    now = one.now()
    assert (now["enabled"], now["failingSince"]) == (True, ANY)


def test_a_receiver_that_asks_for_a_pause_gets_it(hook: NewHook) -> None:
    """``Retry-After`` in seconds, where it is longer than the pause that comes anyway."""
    one = hook("/later/2")
    one.ping()
    attempts = one.ended()["attempts"]
    assert [a["status"] for a in attempts] == [503, 200]
    first, second = (datetime.fromisoformat(a["time"]) for a in attempts)
    assert second - first >= timedelta(seconds=2)


def test_a_receiver_that_fails_for_days_is_disabled(hook: NewHook, tables: TableServiceClient) -> None:
    """What is on its way is given up, and the webhook says why."""
    one = hook("/fail/99")
    endpoint = Endpoints(tables).find(one.made["id"])
    assert endpoint is not None
    since = iso(utc_now() - timedelta(days=5))
    Endpoints(tables).change(endpoint, lambda e: replace(e, failing_since=since))
    one.ping()
    delivery = one.ended()
    assert (delivery["status"], delivery["error"]) == ("Failed", "the webhook is disabled")
    assert [a["status"] for a in delivery["attempts"]] == [500]
    now = one.now()
    assert (now["enabled"], now["disabledReason"]) == (False, f"every attempt since {since} has failed")


def test_a_rotated_secret_is_good_beside_the_new_one(hook: NewHook, receiver: Receiver) -> None:
    """Every secret is shown once; what is sent verifies with either until the old one's time is up."""
    one = hook()
    answer = one.client.call("POST", f"{one.place}/rotate")
    assert answer.status_code == 200
    rotated = answer.json()
    assert rotated["secret"] != one.made["secret"]
    assert rotated["previousSecretExpiresAt"] == ANY
    assert one.now() == {k: v for k, v in rotated.items() if k != "secret"}
    one.ping()
    (got,) = receiver.wait(one.path)
    assert len(got.headers["webhook-signature"].split()) == 2
    for secret in (one.made["secret"], rotated["secret"]):
        Webhook(secret).verify(got.body, got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(got.body, got.headers)
    for _ in range(3):
        assert one.client.call("POST", f"{one.place}/rotate").status_code == 200
    refused = one.client.call("POST", f"{one.place}/rotate")
    assert_problem(refused, "conflict", detail="5 secrets are good at present, which is the limit; wait until 2")


def test_a_signing_secret_is_encrypted_where_it_is_stored(hook: NewHook, tables: TableServiceClient) -> None:
    """The new one and the one before it: whoever reads the table can sign nothing."""
    one = hook()
    known = [one.made["secret"], one.client.call("POST", f"{one.place}/rotate").json()["secret"]]
    (row,) = tables.get_table_client("SluiceWebhooks").query_entities(f"RowKey eq '{one.made['id']}'")
    assert [stored["secret"].startswith("sealed.v1.") for stored in json.loads(row["secrets"])] == [True, True]
    assert not any(secret.removeprefix("whsec_") in json.dumps(row, default=str) for secret in known)


def test_a_redirect_is_not_followed(hook: NewHook, receiver: Receiver) -> None:
    """Neither on the same host nor anywhere else: it is an attempt that failed."""
    trap = f"/ok/{uuid4().hex[:8]}"
    one = hook("/redirect", f"?to={receiver.origin}{trap}")
    one.ping()
    delivery = one.ended()
    assert (delivery["status"], {a["status"] for a in delivery["attempts"]}) == ("Failed", {307})
    assert receiver.at(trap) == []


def test_a_receiver_that_is_gone_is_disabled(
    hook: NewHook, receiver: Receiver, mortal: Mortal, tables: TableServiceClient
) -> None:
    """After 410: one attempt, the owner is told once, nothing more is sent, until somebody enables it."""
    one = hook("/gone", description="Hauptbuch")

    def told() -> list[str]:
        mails = one.client.call("GET", "/dev/outbox").json()["items"]
        return [mail["text"] for mail in mails if mail["subject"] == "Ihr Webhook „Hauptbuch“ wurde abgeschaltet"]

    one.ping()
    delivery = one.ended()
    assert (delivery["status"], delivery["error"]) == ("Failed", "the receiver answered 410 Gone")
    assert len(receiver.at(one.path)) == 1
    now = one.now()
    assert (now["enabled"], now["disabledReason"]) == (False, "the receiver answered 410 Gone")
    line = f"webhook {one.made['id']} of globex (owner bea) was disabled: the receiver answered 410 Gone"
    assert (mortal.home / "logs" / "host.log").read_text().count(line) == 1
    (mail,) = told()
    assert "abgeschaltet: the receiver answered 410 Gone. Er erhält nichts mehr" in mail
    for place in ("ping", f"deliveries/{delivery['id']}/redeliver"):
        refused = one.client.call("POST", f"{one.place}/{place}")
        assert_problem(refused, "conflict", detail="the webhook is disabled (the receiver answered 410 Gone)")
    enabled = one.client.call("PATCH", one.place, json={"enabled": True}).json()
    assert (enabled["enabled"], enabled["disabledAt"], enabled["disabledReason"]) == (True, None, None)
    one.ping()
    receiver.wait(one.path, 2)
    until(lambda: len(told()) == 2)

    one.client.call("PATCH", one.place, json={"enabled": True})
    endpoint = Endpoints(tables).find(one.made["id"])
    assert endpoint is not None
    Endpoints(tables).change(endpoint, lambda e: e.given_up(utc_now(), "whoever did it died before telling"))
    for _ in range(2):
        run_timer(mortal, "outbox")
    until(lambda: len(told()) == 3)
    until(lambda: (found := Endpoints(tables).find(endpoint.id)) is not None and not found.notice)
    assert len([text for text in told() if "died before telling" in text]) == 1


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/hang", None, "no answer within 1 s"),
        ("/headers", None, "the answer was not HTTP or was cut short"),
        ("/endless", 200, ""),
    ],
)
def test_a_receiver_cannot_hold_us(hook: NewHook, path: str, status: int | None, error: str) -> None:
    """Neither with time, nor with headers, nor with a body that never ends."""
    one = hook(path)
    one.ping()
    until(lambda: one.deliveries()[0]["attempts"])
    first = one.deliveries()[0]["attempts"][0]
    assert (first["status"], error in (first["error"] or "")) == (status, True)
    assert first["milliseconds"] < 10_000


def test_an_event_can_be_sent_again(hook: NewHook, receiver: Receiver) -> None:
    """With the same id; asked for twice at the same time, once; while it is on its way, not at all."""
    one = hook("/fail/9")
    one.ping()
    receiver.wait(one.path)
    place = f"{one.place}/deliveries/{one.deliveries()[0]['id']}/redeliver"
    refused = one.client.call("POST", place)
    assert_problem(refused, "conflict", detail="the delivery is Pending")
    delivery = one.ended()
    assert (delivery["status"], len(delivery["attempts"])) == ("Delivered", 10)
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda _: one.client.call("POST", place).status_code, range(4)))
    assert set(answers) <= {202, 409}
    assert 202 in answers
    got = receiver.wait(one.path, 11)
    assert {g.id for g in got} == {delivery["eventId"]}
    until(lambda: one.deliveries()[0]["status"] == "Delivered")
    assert [a["status"] for a in one.deliveries()[0]["attempts"]] == [500] * 9 + [200] * (answers.count(202) and 2)


POINTS = {
    "the event is looked for": lambda method, path: method == "GET" and "~evt_" in path and "filter" in path,
    "the event leaves the outbox": lambda method, path: method == "DELETE" and "~evt_" in path,
    "an attempt is written down": lambda method, path: method == "PUT" and "SluiceDeliveries" in path,
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("point", POINTS)
def test_a_host_killed_before(
    hook: NewHook, bea: Client, mortal: Mortal, proxy: FaultProxy, receiver: Receiver, point: str
) -> None:
    """kill -9 between the end of an export and its announcement, or later: it is told under one id, and once if known.

    Only an attempt that was made and not written down is made again: with the id by which a receiver knows it.
    """
    one = hook(events=["export.completed"])
    dead = threading.Event()

    def kill(method: str, path: str) -> Fault:
        if not dead.is_set() and POINTS[point](method, unquote(path)):
            mortal.shoot()
            dead.set()
        return "drop request" if dead.is_set() else "none"

    with proxy.following(kill):
        export_id = bea.start(exportType="analytics")
        assert dead.wait(60)
        mortal.bury()
    mortal.start()
    event = f"evt_{export_id}_1_completed"
    assert one.ended(export_id, seconds=120)["status"] == "Delivered"
    assert [d["eventId"] for d in one.deliveries()] == [event]
    again = point == "an attempt is written down"
    assert [got.id for got in receiver.at(one.path)] == [event] * (2 if again else 1)


def test_hostile_urls_are_refused(bea: Client) -> None:
    """Each with a problem document that names the field; also here, where a local origin is allowed."""
    for url in HOSTILE:
        assert_problem(bea.call("POST", "/webhooks", json={"url": url}), "validation-failed", url="")


def test_a_webhook_cannot_be_moved_to_a_hostile_url(hook: NewHook) -> None:
    """A change is checked like a new one."""
    one = hook()
    for url in HOSTILE[:3]:
        refused = one.client.call("PATCH", one.place, json={"url": url})
        assert_problem(refused, "validation-failed", url="does not lead to a public address")
    assert one.now()["url"] == one.made["url"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"url": "is required"}),
        ({"url": 7}, {"url": "valid string, got 7"}),
        ({"url": "https://198.41.0.4:25/"}, {"url": "takes port 443 or 8443, got 25"}),
        ({"url": "http://198.41.0.4/"}, {"url": "takes an https URL, got http"}),
        ({"url": "https://u@198.41.0.4/"}, {"url": "takes a URL without a user name or password"}),
        ({"url": f"https://198.41.0.4/{'x' * 2000}"}, {"url": "at most 2000 characters"}),
        (
            {"url": "https://198.41.0.4/", "events": ["export.complete"]},
            {"events.0": "unknown event 'export.complete'; did you mean 'export.completed'? known: export.completed"},
        ),
        ({"url": "https://198.41.0.4/", "events": []}, {"events": "at least 1 item"}),
        ({"url": "https://198.41.0.4/", "description": "x" * 201}, {"description": "at most 200 characters"}),
        ({"url": "https://198.41.0.4/", "secret": "mine"}, {"secret": "unknown field 'secret'; known: url, events"}),
        ({"url": "https://198.41.0.4/", "enabled": "yes"}, {"enabled": "valid boolean, got 'yes'"}),
    ],
    ids=["none", "number", "port", "http", "user", "long", "event", "no events", "description", "unknown", "enabled"],
)
def test_what_is_wrong_is_named(bea: Client, body: dict[str, Any], fields: dict[str, str]) -> None:
    """The field, what was received and what is valid."""
    named = {name.replace(".", "__"): message for name, message in fields.items()}
    assert_problem(bea.call("POST", "/webhooks", json=body), "validation-failed", **named)


def test_a_tenant_has_a_limited_number(bea: Client) -> None:
    """Of forty at once exactly so many are made, others are refused with the figure; one that goes makes room."""
    body = {"url": "https://198.41.0.4/", "enabled": False}
    free = 20 - len(bea.call("GET", "/webhooks").json()["items"])
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: bea.call("POST", "/webhooks", json=body), range(40)))
    made = [f"/webhooks/{answer.json()['id']}" for answer in answers if answer.status_code == 201]
    try:
        assert len(made) == free
        for refused in (answer for answer in answers if answer.status_code != 201):
            assert_problem(refused, "limit-reached", detail="your organisation has 20 webhooks, which is the limit")
        bea.call("DELETE", made.pop()).raise_for_status()
        answer = bea.call("POST", "/webhooks", json=body)
        assert answer.status_code == 201
        made.append(f"/webhooks/{answer.json()['id']}")
    finally:
        for place in made:
            bea.call("DELETE", place)


def test_a_webhook_is_its_tenants(hook: NewHook, bea: Client) -> None:
    """An Admin of another tenant sees nothing; a SuperAdmin does."""
    one = hook("/ok", description="Billing", events=["export.failed", "export.completed"])
    shown = {k: v for k, v in one.made.items() if k != "secret"}
    assert shown | {"description": "Billing", "events": ["export.completed", "export.failed"]} == one.now()
    assert shown in bea.call("GET", "/webhooks").json()["items"]
    ada, sam = Client(bea.api, "ada"), Client(bea.api, "sam")
    assert_problem(ada.call("GET", one.place), "not-found")
    assert ada.call("GET", "/webhooks").json() == {"items": []}
    assert sam.call("GET", one.place).json() == shown


def test_a_removed_webhook_is_gone_with_its_deliveries(
    hook: NewHook, mortal: Mortal, tables: TableServiceClient
) -> None:
    """For its owner at once; the rows and their durable history with the next run of the timer."""
    one = hook()
    one.ping()
    delivery = one.ended()
    deliveries = Deliveries(tables)
    assert deliveries.get(one.made["id"], delivery["id"]) is not None
    export = Client(one.client.api, "sam").call("POST", "/exports", json={"exportType": "analytics"}).json()
    instance = delivery_instance(one.made["id"], delivery["id"], 1)
    history = export["durable"]["statusQueryGetUri"].replace(export["id"], instance)
    until(lambda: requests.get(history, timeout=30).status_code == 200)
    assert one.client.call("DELETE", one.place).status_code == 204
    assert_problem(one.client.call("GET", one.place), "not-found")
    assert_problem(one.client.call("GET", f"{one.place}/deliveries"), "not-found")
    run_timer(mortal, "retention")
    until(lambda: one.made["id"] not in [endpoint.id for endpoint in Endpoints(tables).all()])
    assert deliveries.get(one.made["id"], delivery["id"]) is None
    assert requests.get(history, timeout=30).status_code == 404


def test_deliveries_come_in_pages(hook: NewHook) -> None:
    """Newest first; each once."""
    one = hook()
    wanted = [one.ping()["id"] for _ in range(3)]
    first = one.client.call("GET", f"{one.place}/deliveries?limit=2").json()
    rest = one.client.call("GET", f"{one.place}/deliveries?limit=2&cursor={first['nextCursor']}").json()
    assert [d["id"] for d in first["items"] + rest["items"]] == wanted[::-1]
    assert rest["nextCursor"] is None
    refused = one.client.call("GET", f"{one.place}/deliveries?limit=0")
    assert_problem(refused, "validation-failed", limit="takes a whole number from 1 to 200")


def test_what_is_sent_is_as_described(hook: NewHook, bea: Client, receiver: Receiver) -> None:
    """The OpenAPI document's webhooks section has every event, and its schema takes what came."""
    document = bea.call("GET", "/openapi.json").json()
    assert list(document["webhooks"]) == [str(event) for event in EventType]
    one = hook(events=["export.completed"])
    export = bea.wait(bea.start(exportType="analytics"))
    one.ended(export["id"])
    one.ping()
    for got in receiver.wait(one.path, 2):
        event = json.loads(got.body)
        operation = document["webhooks"][event["type"]]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        validator = jsonschema_rs.validator_for({**document, **schema})
        validator.validate(event)
        assert not validator.is_valid({**event, "more": 1})
        assert {p["name"] for p in operation["parameters"]} <= set(got.headers)
    for name, body in (("Webhook", one.now()), ("WebhookWithSecret", one.made), ("Delivery", one.deliveries()[0])):
        jsonschema_rs.validator_for({**document, "$ref": f"#/components/schemas/{name}"}).validate(body)
