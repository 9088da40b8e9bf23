"""Retention: what has had its time goes, all of it, and nothing else."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from demo.client import Client
from demo.stack import bare_settings
from shared.jobs.records import ExportRecords
from shared.settings import Settings, settings_from
from shared.storage.accounts import blob_service, table_service
from shared.storage.blobs import BlobStore
from shared.timestamps import iso
from tests.service.conftest import Fragile
from tests.service.problems import assert_problem


@pytest.fixture
def settings(fragile: Fragile) -> Settings:
    """The settings of the service's storage."""
    return settings_from(bare_settings(fragile.storage))


@pytest.fixture
def records(settings: Settings) -> ExportRecords:
    """The table of exports, to turn the clock of a record."""
    return ExportRecords(table_service(settings, "activity"))


@pytest.fixture
def blobs_of(settings: Settings) -> Callable[[str], list[str]]:
    """The names of an export's blobs, uncommitted ones too."""
    container = BlobStore(blob_service(settings, "activity")).container

    def names(export_id: str) -> list[str]:
        prefix = f"acme/{export_id}/"
        found = container.list_blobs(name_starts_with=prefix, include=["uncommittedblobs"])
        return sorted(blob.name.removeprefix(prefix) for blob in found)

    return names


def finished(client: Client, **body: Any) -> tuple[dict[str, Any], str]:
    """A finished export of acme by sam, and the address of its durable history."""
    started = client.call("POST", "/exports", json={"fresh": True, **body}).json()
    status = client.wait(started["id"], seconds=120)
    client.wait_for_log(started["id"], "mail-skipped", "mail-sent")
    url = started["durable"]["statusQueryGetUri"]
    while requests.get(url, timeout=30).status_code == 202:
        time.sleep(0.05)
    return status, url


def run_retention(fragile: Fragile) -> None:
    """Call the timer now."""
    assert requests.post(f"{fragile.base_url}/admin/functions/retention", json={}, timeout=30).status_code == 202


def until(client: Client, export_id: str, wanted: Callable[[requests.Response], bool]) -> requests.Response:
    """Poll the status until it is so."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        answer = client.call("GET", f"/exports/{export_id}")
        if wanted(answer):
            return answer
        time.sleep(0.05)
    raise TimeoutError(answer.text)


def known(url: str, instance: str, export_id: str) -> bool:
    """Whether the engine knows an instance."""
    return requests.get(url.replace(export_id, instance, 1), timeout=30).status_code != 404


def test_an_expired_export_loses_everything_but_its_record(
    fragile: Fragile, records: ExportRecords, blobs_of: Callable[[str], list[str]]
) -> None:
    """File, plan and durable history, that of the notification and of every group of parts too; the record stays."""
    sam = fragile.client("sam")
    old, url = finished(sam, exportType="sessions")
    other, other_url = finished(sam, exportType="analytics")
    instances = [old["id"], f"{old['id']}-parts-000000", f"{old['id']}-parts-000150"]
    assert old["progress"]["totalParts"] == 160
    assert all(known(url, instance, old["id"]) for instance in instances)
    assert blobs_of(old["id"]) == ["file.csv", "plan.json"]
    kept = (blobs_of(other["id"]), sam.logs(other["id"]))

    records.change("acme", old["id"], "test", expires_at=iso(datetime.now(UTC) - timedelta(seconds=1)))
    run_retention(fragile)
    status = until(sam, old["id"], lambda answer: answer.json()["status"] == "Expired").json()

    assert blobs_of(old["id"]) == []
    assert not any(known(url, instance, old["id"]) for instance in instances)
    assert_problem(sam.call("GET", f"/exports/{old['id']}/download"), "gone", detail="the export is Expired")
    assert (status["completedAt"], status["progress"]) == (old["completedAt"], old["progress"])
    assert "file" not in status
    assert sam.wait_for_log(old["id"], "expired")["message"] == "The file was removed: its time was up."

    assert (blobs_of(other["id"]), sam.logs(other["id"])) == kept
    assert sam.call("GET", f"/exports/{other['id']}").json() == other
    assert known(other_url, other["id"], other["id"])


def test_a_file_past_its_time_is_not_handed_out_before_retention_runs(fragile: Fragile, records: ExportRecords) -> None:
    """The promise is the time, not the timer's."""
    sam = fragile.client("sam")
    status, _ = finished(sam, exportType="analytics")
    at = iso(datetime.now(UTC) - timedelta(seconds=1))
    records.change("acme", status["id"], "test", expires_at=at)
    assert_problem(sam.call("GET", f"/exports/{status['id']}/download"), "gone", detail=f"the file expired at {at}")


def test_an_old_record_is_forgotten(
    fragile: Fragile, records: ExportRecords, blobs_of: Callable[[str], list[str]]
) -> None:
    """30 days after the file went: as if it had never been; a record of 29 days stays."""
    sam = fragile.client("sam")
    old, url = finished(sam, exportType="analytics", notify={"email": True})
    young, _ = finished(sam, exportType="analytics")
    now = datetime.now(UTC)
    for export, days in ((old, 30), (young, 29)):
        records.change("acme", export["id"], "test", status="Expired", expires_at=iso(now - timedelta(days=days)))
    run_retention(fragile)
    answer = until(sam, old["id"], lambda answer: answer.status_code == 404)
    assert answer.content == sam.call("GET", "/exports/0123456789abcdef").content
    assert blobs_of(old["id"]) == []
    assert not known(url, old["id"], old["id"])
    assert not known(url, f"{old['id']}-notify", old["id"])
    assert records.tenant_of(old["id"]) is None
    assert sam.call("GET", f"/exports/{young['id']}").json()["status"] == "Expired"


def test_an_export_that_runs_is_left_alone(fragile: Fragile) -> None:
    """Whatever retention does meanwhile."""
    ada = fragile.client("ada")
    export_id = ada.start(exportType="sessions", dateRange={"from": "2024-01-01", "to": "2024-06-30"})
    run_retention(fragile)
    assert ada.wait(export_id, seconds=60)["status"] == "Completed"
