"""Retrying an export that failed: it goes on from the parts that are there."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from demo.client import Client
from demo.stack import bare_settings
from shared.settings import settings_from
from shared.storage.accounts import blob_service
from shared.storage.blobs import BlobStore
from tests.service.conftest import Fragile
from tests.service.problems import assert_problem
from tests.service.test_database_down import at_part

BODY = {"exportType": "sessions", "fileName": "retried", "filters": {"country": ["CN", "FR", "JP", "SE"]}}
"""48 parts of acme."""


@pytest.fixture
def parts(fragile: Fragile) -> Callable[[str], dict[str, Any]]:
    """The parts of an export: their names, and when each was written."""
    settings = settings_from(bare_settings(fragile.storage))
    container = BlobStore(blob_service(settings, "activity")).container

    def found(export_id: str) -> dict[str, Any]:
        blobs = container.list_blobs(name_starts_with=f"acme/{export_id}/parts/")
        return {blob.name: blob.last_modified for blob in blobs}

    return found


def failed(fragile: Fragile, client: Client, part: int, **body: Any) -> str:
    """An export whose database went away for good at a part, and came back after it had failed."""
    export_id = client.start(**{**BODY, **body})
    status = client.wait(export_id, seconds=90, every=0.05, show=at_part(part, fragile.take_database_away))
    assert status["status"] == "Failed"
    fragile.bring_database_back()
    return export_id


def retry(client: Client, export_id: str) -> requests.Response:
    """POST .../retry."""
    return client.call("POST", f"/exports/{export_id}/retry")


@pytest.mark.timeout(180)
def test_a_failed_export_goes_on_from_its_parts(fragile: Fragile, parts: Callable[[str], dict[str, Any]]) -> None:
    """The file equals one made without the failure, and no part that was there is made again."""
    sam = fragile.client("sam")
    export_id = failed(fragile, sam, 25)
    before = parts(export_id)
    assert 25 <= len(before) < 48

    kept: dict[str, Any] = {}

    def look(status: dict[str, Any]) -> None:
        found = parts(export_id)
        if status["status"] == "Processing" and set(before) <= set(found):
            kept.update({name: found[name] for name in before})

    answer = retry(sam, export_id)
    assert (answer.status_code, answer.json()["status"]) == (202, "Pending")
    assert answer.headers["Location"] == answer.json()["links"]["self"]
    assert answer.json()["durable"]["id"] == f"{export_id}-2"
    status = sam.wait(export_id, seconds=90, every=0.5, show=look)
    assert (status["status"], status["attempt"], "error" in status) == ("Completed", 2, False)
    assert kept == before

    calm = sam.wait(sam.start(**BODY), seconds=90)
    assert status["file"]["sha256"] == calm["file"]["sha256"]
    assert (status["file"]["rows"], status["file"]["bytes"]) == (calm["file"]["rows"], calm["file"]["bytes"])
    told = ("mail", "in-app")
    actions = [line["action"] for line in sam.logs(export_id) if not line["action"].startswith(told)]
    assert actions[:5] == ["requested", "planned", "failed", "retried", "planned"]
    line = next(line for line in sam.logs(export_id) if line["action"] == "retried")
    assert line["message"] == "Sam Okafor asked to go on from the parts that are there."


def test_one_of_many_simultaneous_retries_starts_it(fragile: Fragile) -> None:
    """One 202, the others 409, and one second attempt."""
    client = fragile.client("ada")
    export_id = failed(fragile, client, 25)
    clients = [fragile.client("ada") for _ in range(5)]
    with ThreadPoolExecutor(5) as pool:
        codes = sorted(answer.status_code for answer in pool.map(lambda c: retry(c, export_id), clients))
    assert codes == [202, 409, 409, 409, 409]
    assert client.wait(export_id, seconds=90)["attempt"] == 2
    assert_problem(retry(client, export_id), "conflict", detail="the export is Completed; only one that is Failed")


def test_a_retry_can_fail_and_be_retried(fragile: Fragile) -> None:
    """Every attempt is counted; a failure of the plan leaves nothing to go on from, and that does as well."""
    client = fragile.client("bea")
    fragile.take_database_away()
    export_id = client.start(**BODY)
    assert client.wait(export_id)["status"] == "Failed"
    retry(client, export_id)
    again = client.wait(export_id)
    assert (again["status"], again["attempt"], again["error"]["code"]) == ("Failed", 2, "source-unavailable")
    fragile.bring_database_back()
    retry(client, export_id)
    status = client.wait(export_id)
    assert (status["status"], status["attempt"], status["file"]["rows"]) == ("Completed", 3, 18)


def test_an_export_that_did_not_fail_cannot_be_retried(fragile: Fragile) -> None:
    """409 while it runs and when it was cancelled; it stays what it is."""
    client = fragile.client("ada")
    export_id = client.start(**BODY)
    assert retry(client, export_id).status_code == 409
    client.call("POST", f"/exports/{export_id}/cancel")
    assert_problem(retry(client, export_id), "conflict", detail="the export is Cancelled; only one that is Failed")
    client.wait_for_log(export_id, "cleared")
    assert client.call("GET", f"/exports/{export_id}").json()["status"] == "Cancelled"


def test_an_export_whose_retry_runs_answers_the_same_request(fragile: Fragile) -> None:
    """The failed one was not given again; the one that goes on is."""
    client = fragile.client("bea")
    body = {"exportType": "sessions", "fileName": "retry and ask"}
    fragile.take_database_away()
    export_id = client.call("POST", "/exports", json=body).json()["id"]
    assert client.wait(export_id)["status"] == "Failed"
    fragile.bring_database_back()
    retry(client, export_id)
    answer = client.call("POST", "/exports", json=body)
    assert (answer.status_code, answer.json()["id"]) == (200, export_id)
    assert client.wait(export_id)["status"] == "Completed"
