"""An export as a long-running operation, followed by azure-core's own poller."""

from collections.abc import Callable
from typing import Any

import pytest
from azure.core import PipelineClient
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import HeadersPolicy, RequestIdPolicy
from azure.core.polling import LROPoller
from azure.core.polling.base_polling import LROBasePolling
from azure.core.rest import HttpRequest
from azure.data.tables import TableServiceClient

from demo.client import Client
from demo.stack import Stack
from shared.jobs.records import ExportRecords
from shared.jobs.status import Status
from tests.service.conftest import Fragile, People
from tests.service.problems import assert_problem


def poller(api: str, client: Client, body: dict[str, Any], seen: Callable[[str], object] = str) -> LROPoller[Any]:
    """Ask for an export as a generated client of Azure would, and give its poller. ``seen`` is told every status."""
    headers = {"Authorization": str(client._session.headers["Authorization"])}
    pipeline: PipelineClient[Any, Any] = PipelineClient(api, policies=[RequestIdPolicy(), HeadersPolicy(headers)])
    first = pipeline.send_request(
        HttpRequest("POST", f"{api}/exports", json={**body, "fresh": True}),
        stream=False,
        _return_pipeline_response=True,
    )
    assert first.http_response.status_code == 202

    class Watching(LROBasePolling[Any, Any, Any]):
        def _delay(self) -> None:
            seen(self.status())
            self._sleep(0.05)  # Retry-After says 2 s, for people

    return LROPoller(pipeline, first, lambda answer: answer.http_response.json(), Watching())


def test_an_export_runs_to_its_end(people: People, service: Stack) -> None:
    """The poller ends with the export's status resource, and has seen it running on the way."""
    seen: list[str] = []
    poll = poller(service.api, people.ada, {"exportType": "sessions", "format": "csv"}, seen.append)
    export = poll.result(60)
    assert (poll.status(), export["status"], export["file"]["rows"]) == ("Succeeded", "Completed", 20_000)
    assert "Running" in seen
    assert set(seen) <= {"Pending", "NotStarted", "Running"}


def test_an_operation_tells_when_and_how_far(people: People, finished: dict[str, Any]) -> None:
    """All of its fields, literally."""
    answer = people.ada.call("GET", f"/operations/{finished['id']}")
    assert answer.json() == {
        "id": finished["id"],
        "status": "Succeeded",
        "percentComplete": 100.0,
        "createdDateTime": finished["createdAt"],
        "lastActionDateTime": finished["completedAt"],
        "resourceLocation": finished["links"]["self"],
    }
    assert "Retry-After" not in answer.headers


def test_a_new_operation_is_worth_asking_again(people: People) -> None:
    """With Retry-After; the way there is in Operation-Location."""
    started = people.ada.call("POST", "/exports", json={"exportType": "users", "fresh": True})
    url = started.headers["Operation-Location"]
    assert url.endswith(f"/api/operations/{started.json()['id']}")
    answer = people.ada.call("GET", f"/operations/{started.json()['id']}")
    body = answer.json()
    if body["status"] in ("NotStarted", "Running"):
        assert (answer.headers["Retry-After"], body["resourceLocation"]) == ("2", None)
    people.ada.wait(started.json()["id"])


def test_a_failed_export_ends_with_its_error(fragile: Fragile) -> None:
    """The poller raises what the API says: code and message."""
    api, ada = f"{fragile.base_url}/api", fragile.client("ada")
    fragile.take_database_away()
    poll = poller(api, ada, {"exportType": "users"})
    with pytest.raises(HttpResponseError) as caught:
        poll.result(120)
    assert poll.status() == "Failed"
    assert caught.value.error is not None
    assert caught.value.error.code == "source-unavailable"
    export_id = str(poll.polling_method()._initial_response.http_response.json()["id"])  # type: ignore[attr-defined]
    body = ada.call("GET", f"/operations/{export_id}").json()
    assert (body["status"], body["resourceLocation"]) == ("Failed", None)
    assert body["error"] == ada.call("GET", f"/exports/{export_id}").json()["error"]


def test_a_cancelled_export_ends_as_canceled(fragile: Fragile) -> None:
    """The poller raises, and says Canceled, with the one l that the guidelines ask for."""
    api, ada = f"{fragile.base_url}/api", fragile.client("ada")
    fragile.take_database_away()
    poll = poller(api, ada, {"exportType": "users"})
    export_id = str(poll.polling_method()._initial_response.http_response.json()["id"])  # type: ignore[attr-defined]
    assert ada.call("POST", f"/exports/{export_id}/cancel").status_code == 202
    with pytest.raises(HttpResponseError) as caught:
        poll.result(60)
    assert poll.status() == "Canceled"
    assert caught.value.error is not None
    assert (caught.value.error.code, caught.value.error.message) == ("cancelled", "the export was cancelled")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "Succeeded"),
        ({"file_name": "", "error_code": "query-failed", "error_message": "no"}, "Failed"),
        ({"file_name": ""}, "Canceled"),
    ],
    ids=["completed", "failed", "cancelled"],
)
def test_an_expired_export_keeps_its_end(
    people: People, service: Stack, export: Callable[..., dict[str, Any]], changes: dict[str, str], status: str
) -> None:
    """Whatever it was: a client that asks late learns the same."""
    done = export(exportType="analytics")
    records = ExportRecords(TableServiceClient.from_connection_string(service.storage))
    records.change("acme", done["id"], "expired-by-the-test", status=Status.EXPIRED, **changes)
    assert people.ada.call("GET", f"/operations/{done['id']}").json()["status"] == status


def test_a_foreign_operation_is_a_missing_one(people: People, finished: dict[str, Any]) -> None:
    """404."""
    assert_problem(people.bea.call("GET", f"/operations/{finished['id']}"), "not-found", detail="no export of this id")
