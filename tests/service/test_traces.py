"""One export is one trace, from the request of whoever asked to the mail; read back from a receiver."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from demo.client import Client
from tests.service import leaks, otlp
from tests.service.conftest import Service, Start
from tests.service.otlp import Receiver, Span


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """Where the service sends its traces."""
    with otlp.running() as running:
        yield running
    assert leaks.leaks(running.text()) == []


@pytest.fixture(scope="module")
def observed(start: Start, receiver: Receiver) -> Service:
    """A service on two workers that sends what it does to the receiver."""
    settings = {
        "TELEMETRY_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
        "FUNCTIONS_WORKER_PROCESS_COUNT": "2",
        "PART_ROWS": "5000",
        "NOTIFY_GRACE_SECONDS": "1",
        "RETRY_FIRST_SECONDS": "0.2",
        "PART_ATTEMPTS": "2",
        "WATCHDOG_SCHEDULE": "0 0 0 1 1 *",
    }
    return start(**settings)


@pytest.fixture(scope="module")
def mailed(observed: Service, receiver: Receiver) -> tuple[str, str, dict[str, Any], list[Span]]:
    """The caller's trace and span, an export that they asked for and that ended with a mail, and its spans."""
    ada = Client(observed.api, "ada")
    trace, caller = secrets.token_hex(16), secrets.token_hex(8)
    body = {"exportType": "sessions", "notify": {"email": True}, "fresh": True}
    headers = {"traceparent": f"00-{trace}-{caller}-01"}
    export_id = ada.call("POST", "/exports", json=body, headers=headers).json()["id"]
    status = Client(observed.api, "sam").wait(export_id)  # what she has seen herself, she gets no mail about
    ada.wait_for_log(export_id, "mail-sent")
    wanted = {"export", "send_notification", "remove_parts", "start_notification"}
    receiver.wait_for(lambda: wanted <= {span.name for span in receiver.of_trace(trace)})
    return trace, caller, status, receiver.of_trace(trace)


def named(spans: list[Span], name: str) -> list[Span]:
    return [span for span in spans if span.name == name]


def test_one_export_is_one_trace(mailed: tuple[str, str, dict[str, Any], list[Span]]) -> None:
    """The caller's span, the request, the orchestration, its steps: each the child of the one before."""
    _, caller, status, spans = mailed
    (request,) = named(spans, "start_export")
    (export,) = named(spans, "export")
    assert (request.parent, export.parent) == (caller, request.id)
    steps = {span.name: [s.parent for s in named(spans, span.name)] for span in spans if span.parent == export.id}
    assert steps == {
        "plan_export": [export.id],
        "encode_part": [export.id] * 4,
        "merge_export": [export.id],
        "publish_export": [export.id],
        "start_notification": [export.id],
        "remove_parts": [export.id],
        "send_notification": [export.id],
    }
    assert (export.attributes["sluice.status"], export.attributes["sluice.rows"]) == ("Completed", 20_000)
    assert export.attributes["sluice.export_id"] == status["id"] == request.attributes["sluice.export_id"]


def test_every_call_of_storage_is_under_the_step_that_made_it(
    mailed: tuple[str, str, dict[str, Any], list[Span]],
) -> None:
    """No span is an orphan, threads and all; an HTTP request to storage names its status and shows no signature."""
    _, caller, _, spans = mailed
    ids = {span.id for span in spans} | {caller}
    assert [span.name for span in spans if span.parent not in ids] == []
    calls = [span for span in spans if "http.response.status_code" in span.attributes]
    assert len(calls) > 20
    assert not [span for span in calls if "sig=" in span.attributes["url.full"]]
    for step in ("start_export", "plan_export", "encode_part", "merge_export", "publish_export", "send_notification"):
        assert all(any(ancestor(call, spans, one) for call in calls) for one in named(spans, step)), step


def test_what_the_database_does_is_under_the_step_that_asked(
    mailed: tuple[str, str, dict[str, Any], list[Span]],
) -> None:
    """The plan's query and each part's, with their rows; no call of storage is under one of them."""
    _, _, _, spans = mailed
    (plan,), (step,) = named(spans, "plan_sql"), named(spans, "plan_export")
    assert (plan.parent, plan.attributes["sluice.parts"], plan.attributes["sluice.rows"]) == (step.id, 4, 20_000)
    reads = named(spans, "read_sql")
    assert {read.parent for read in reads} == {part.id for part in named(spans, "encode_part")}
    assert sorted((read.attributes["sluice.part"], read.attributes["sluice.rows"]) for read in reads) == [
        (number, 5_000) for number in (1, 2, 3, 4)
    ]
    assert {span.attributes["db.system.name"] for span in [plan, *reads]} == {"sqlite"}
    assert {span.parent for span in spans} & {plan.id, *(read.id for read in reads)} == set()


def ancestor(span: Span, spans: list[Span], wanted: Span) -> bool:
    """Whether a span is under another."""
    by_id = {s.id: s for s in spans}
    while span.parent in by_id:
        span = by_id[span.parent]
        if span.id == wanted.id:
            return True
    return False


def test_times_fit_into_each_other(mailed: tuple[str, str, dict[str, Any], list[Span]]) -> None:
    """The orchestration lasts from the request to the file, the mail comes after its grace time."""
    _, _, _, spans = mailed
    (export,), (mail,) = named(spans, "export"), named(spans, "send_notification")
    (merge,) = named(spans, "merge_export")
    assert export.start < merge.start < merge.end < export.end < mail.start
    assert all(part.end <= merge.start for part in named(spans, "encode_part"))


def test_metrics_are_sent_too(mailed: tuple[str, str, dict[str, Any], list[Span]], receiver: Receiver) -> None:
    """By each worker under its own name; together they are right."""
    labels = (("export_type", "sessions"), ("format", "csv"), ("status", "Completed"))

    def counted(name: str, labels: tuple[tuple[str, str], ...]) -> float:
        return sum(value for (_, n, found), value in receiver.sums.items() if (n, found) == (name, labels))

    receiver.wait_for(lambda: counted("sluice_exports", labels) == 1)
    receiver.wait_for(lambda: counted("sluice_parts", (("outcome", "done"),)) == 4)
    assert counted("sluice_exports", labels) == 1


def test_without_a_caller_that_traces_a_trace_begins(observed: Service, receiver: Receiver) -> None:
    """At the request; what is no traceparent is as good as none."""
    ada = Client(observed.api, "ada")
    body = {"exportType": "exemptions", "filters": {"kind": ["training"]}, "fresh": True}
    answer = ada.call("POST", "/exports", json=body, headers={"traceparent": "00-zz-1-01"})
    export_id = answer.json()["id"]
    ada.wait(export_id)

    def about(name: str) -> list[Span]:
        found = [span for span in receiver.spans if span.attributes.get("sluice.export_id") == export_id]
        return named(found, name)

    receiver.wait_for(lambda: bool(about("export")))
    (request,), (export,) = about("start_export"), about("export")
    assert (request.parent, export.parent, export.trace) == ("", request.id, request.trace)
    assert not export.failed
