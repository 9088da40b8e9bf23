"""Failures, and files that go soon: told once, to those who want to hear it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from demo.client import Client
from demo.stack import bare_settings
from shared.jobs.records import ExportRecords
from shared.settings import settings_from
from shared.storage.accounts import table_service
from shared.timestamps import iso
from tests.service.conftest import Fragile
from tests.service.mail_links import link_in, look


def mails(client: Client, name: str) -> list[dict[str, Any]]:
    """The mails in the outbox about a file or an export type."""
    items = client.call("GET", "/dev/outbox").json()["items"]
    return [mail for mail in items if name in mail["text"]]


def ended(fragile: Fragile, user: str, **body: Any) -> tuple[Client, str]:
    """An export that has ended, and that its owner has not looked at."""
    client = fragile.client(user)
    export_id = client.start(**body)
    fragile.client("sam").wait(export_id, seconds=120)
    return client, export_id


@pytest.fixture
def failed(fragile: Fragile) -> Callable[..., tuple[Client, str]]:
    """An export that fails because the database is away."""

    def fail(**notify: Any) -> tuple[Client, str]:
        fragile.take_database_away()
        try:
            return ended(fragile, "bea", exportType="sessions", notify=notify)
        finally:
            fragile.bring_database_back()

    return fail


def test_a_failure_is_told_and_so_is_the_end_of_the_retry(
    fragile: Fragile, failed: Callable[..., tuple[Client, str]]
) -> None:
    """In bea's language, with the reason, and a link that says what can be done; the retry is news of its own."""
    bea, export_id = failed(email=True, graceSeconds=0)
    assert bea.wait_for_log(export_id, "mail-sent")["message"] == "Sent the mail."
    mail = mails(bea, "ist fehlgeschlagen")[-1]
    assert mail["subject"] == "Ihr Export „Sitzungen“ ist fehlgeschlagen"
    link = link_in(mail)
    page = look(link)
    assert page.status_code == 409
    assert "fordern Sie ihn neu an" in page.text
    (told,) = [t for t in bea.call("GET", "/notifications").json()["items"] if t["exportId"] == export_id]
    assert told["kind"] == "failed"

    assert bea.call("POST", f"/exports/{export_id}/retry").status_code == 202
    assert fragile.client("sam").wait(export_id, seconds=120)["status"] == "Completed"
    end = time.monotonic() + 60
    while [line["action"] for line in bea.logs(export_id)].count("mail-sent") < 2:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert look(link).status_code == 200
    kinds = [t["kind"] for t in bea.call("GET", "/notifications").json()["items"] if t["exportId"] == export_id]
    assert kinds == ["completed", "failed"]


def test_a_failure_is_not_told_to_who_does_not_want_to_hear_it(failed: Callable[..., tuple[Client, str]]) -> None:
    """Neither by mail nor in the app; the log says why."""
    bea, export_id = failed(email=True, onFailure=False, graceSeconds=0)
    assert bea.wait_for_log(export_id, "mail-skipped")["message"] == "No mail: failures are not told."
    assert not [t for t in bea.call("GET", "/notifications").json()["items"] if t["exportId"] == export_id]


def test_a_file_that_goes_soon_is_told_once(fragile: Fragile) -> None:
    """A day before, to those who have not fetched it; not for a download, a no, or a file that was never kept long."""
    settings = settings_from(bare_settings(fragile.storage))
    records = ExportRecords(table_service(settings, "activity"))
    now = datetime.now(UTC)

    def expiring(name: str, hours: float, lived: float, **notify: Any) -> str:
        body = {"fileName": name, "notify": {"email": True, "graceSeconds": 0, **notify}}
        client, export_id = ended(fragile, "ada", exportType="analytics", filters={"kind": "upload"}, **body)
        client.wait_for_log(export_id, "mail-sent")
        end = now + timedelta(hours=hours)
        records.change("acme", export_id, "test", completed_at=iso(end - timedelta(hours=lived)), expires_at=iso(end))
        return export_id

    names = {
        "in 23 hours": expiring("in 23 hours", 23, 168),
        "in 25 hours": expiring("in 25 hours", 25, 168),
        "downloaded": expiring("downloaded", 23, 168),
        "unwanted": expiring("unwanted", 23, 168, beforeExpiry=False),
        "short": expiring("short", 23, 40),
    }
    ada = fragile.client("ada")
    ada.call("GET", f"/exports/{names['downloaded']}/download")
    for _ in range(2):
        assert requests.post(f"{fragile.base_url}/admin/functions/retention", json={}, timeout=30).status_code == 202
        end = time.monotonic() + 60
        while (record := records.get("acme", names["unwanted"])) is None or not record.reminded_at:
            assert time.monotonic() < end
            time.sleep(0.05)
        while (record := records.get("acme", names["in 23 hours"])) is None or not record.reminded_at:
            assert time.monotonic() < end
            time.sleep(0.05)
    soon = [m["subject"] for m in mails(ada, "in 23 hours.csv")]
    assert sorted(soon) == ["Your export 'Analytics' expires soon", "Your export 'Analytics' is ready"]
    for name in ("in 25 hours", "downloaded", "unwanted", "short"):
        assert [m["subject"] for m in mails(ada, f"{name}.csv")] == ["Your export 'Analytics' is ready"]
    assert ada.logs(names["unwanted"])[-1]["message"].endswith("nobody asked for a reminder.")
    told = [t for t in ada.call("GET", "/notifications").json()["items"] if t["exportId"] == names["in 23 hours"]]
    assert sorted(t["kind"] for t in told) == ["completed", "expiring"]
