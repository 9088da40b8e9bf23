"""The numbers of the whole service, as Prometheus reads them."""

import time
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from demo.client import Client
from shared.observability.metrics import INSTRUMENTS
from tests.service.conftest import Fragile, People
from tests.service.problems import assert_problem

Numbers = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def numbers(client: Client) -> Numbers:
    """Every sample by its name and labels, read by Prometheus' own client library."""
    answer = client.call("GET", "/ops/metrics")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def gained(before: Numbers, after: Numbers, name: str, **labels: str) -> float:
    """How much was added to a sample."""
    key = (name, tuple(sorted(labels.items())))
    return after.get(key, 0.0) - before.get(key, 0.0)


def until_counted(client: Client, before: Numbers, name: str, value: float, **labels: str) -> Numbers:
    """The numbers once so much was added: workers save what they have counted two seconds later."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = numbers(client)
        if gained(before, found, name, **labels) >= value:
            return found
        time.sleep(0.2)
    raise TimeoutError(f"{name}{labels}: {gained(before, found, name, **labels)} of {value}")


KIND = {"export_type": "employees", "format": "ndjson"}
"""What only this module asks for."""


@pytest.fixture(scope="module")
def counted(people: People) -> tuple[Numbers, Numbers, list[dict[str, Any]]]:
    """The numbers before and after three exports on two workers, one of them asked for twice, and the exports."""
    before = numbers(people.sam)
    body = {"exportType": "employees", "format": "ndjson", "notify": {"email": False}}
    first = people.ada.call("POST", "/exports", json=body)
    assert first.status_code == 202
    ended = [people.ada.wait(i) for i in (first.json()["id"], people.ada.start(**body), people.ada.start(**body))]
    for status in ended:
        people.ada.wait_for_log(status["id"], "mail-skipped")
    again = people.ada.call("POST", "/exports", json=body)
    assert (again.status_code, again.json()["deduplicated"]) == (200, True)
    skipped = {"outcome": "skipped", "reason": "switched-off"}
    after = until_counted(people.sam, before, "sluice_mails_total", 3, **skipped)
    return before, until_counted(people.sam, after, "sluice_mails_total", 0, **skipped), ended


def test_exports_are_counted_once_by_status_type_and_format(counted: Any) -> None:
    """On whichever worker each step ran, and not again for the request that made none."""
    before, after, _ = counted
    statuses = {s: gained(before, after, "sluice_exports_total", status=s, **KIND) for s in ("Pending", "Completed")}
    assert statuses == {"Pending": 3, "Completed": 3}


def test_rows_bytes_and_times_are_those_of_the_exports(counted: Any) -> None:
    """To the row and the byte; and as many were timed as there were."""
    before, after, ended = counted
    rows, size = (sum(status["file"][name] for status in ended) for name in ("rows", "bytes"))
    assert gained(before, after, "sluice_exported_rows_total", **KIND) == rows
    assert gained(before, after, "sluice_exported_bytes_total", **KIND) == size
    for name in ("ready_seconds", "queue_seconds", "rows_per_second", "bytes_per_second"):
        assert gained(before, after, f"sluice_export_{name}_count", **KIND) == 3
        assert gained(before, after, f"sluice_export_{name}_bucket", le="+Inf", **KIND) == 3
    assert gained(before, after, "sluice_export_ready_seconds_sum", **KIND) > 0


def test_every_instrument_is_described(people: People) -> None:
    """Also one that has counted nothing yet, so that a graph can be drawn before."""
    text = people.sam.call("GET", "/ops/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    for instrument in INSTRUMENTS:
        assert families[instrument.name].documentation == instrument.summary
        assert families[instrument.name].type == ("histogram" if instrument.buckets else "counter")
    assert families["sluice_exports_running"].type == "gauge"


def test_retries_and_failures_are_counted(fragile: Fragile) -> None:
    """Parts that were tried again while the database was away, and the export that failed over it."""
    sam, ada = fragile.client("sam"), fragile.client("ada")
    before = numbers(sam)
    export_id = ada.start(exportType="sessions", filters={"status": ["expired"]})
    ada.wait_for_log(export_id, "planned")
    fragile.take_database_away()
    assert ada.wait(export_id)["status"] == "Failed"
    kind = {"export_type": "sessions", "format": "csv"}
    after = until_counted(sam, before, "sluice_exports_total", 1, status="Failed", **kind)
    assert gained(before, after, "sluice_exports_total", status="Completed", **kind) == 0
    after = until_counted(sam, before, "sluice_parts_retried_total", 2)
    assert gained(before, after, "sluice_parts_total", outcome="failed") >= 3


def test_only_operators_read_them(people: People) -> None:
    """They tell of all tenants."""
    assert_problem(
        people.ada.call("GET", "/ops/metrics"),
        "not-allowed",
        detail="this is for operators: SuperAdmin",
    )
    assert requests.get(f"{people.api}/ops/metrics", timeout=30).status_code == 401
