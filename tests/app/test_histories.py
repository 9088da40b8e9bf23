"""What is shown of the durable engine's histories, in the shapes in which the platform writes them."""

import json
from typing import Any

import pytest

from shared.durable.history import LOST, Shown, shown

JOB = {"tenant": "acme", "export_id": "x", "index": 4, "attempt": 2}
FAILED = {"failure": {"code": "source-unavailable", "message": "zelda@acme.example", "transient": True}}


def event(kind: str, at: str, **more: Any) -> dict[str, Any]:
    """An event at this second of a minute."""
    return {"EventType": kind, "Timestamp": f"2026-03-09T08:00:{at}Z", **more}


def only(**more: Any) -> Shown:
    """What is shown of one activity that has ended."""
    (one,) = shown([event("TaskCompleted", "01", FunctionName="encode_part", **more)])
    return one


def test_events_come_in_the_order_of_time() -> None:
    """The platform writes seven digits of a second, without zeros at the end."""
    moments = ["00.1234567", "00", "00.12", "00.1", "59.9999999", "01"]
    found = [s.time for s in shown([event("TimerFired", at) for at in moments])]
    assert found == [f"2026-03-09T08:00:{at}Z" for at in ("00.000", "00.100", "00.120", "00.123", "01.000", "59.999")]


@pytest.mark.parametrize(
    "given", [JOB, [JOB], json.dumps(JOB), json.dumps([JOB]), json.dumps(json.dumps(JOB))], ids=str
)
def test_a_part_and_its_attempt_come_from_the_input(given: Any) -> None:
    """However the engine shows it; and nothing else of it."""
    one = only(Input=given, ScheduledTime="2026-03-09T08:00:00.5Z")
    assert (one.part, one.attempt, one.scheduled_at) == (5, 2, "2026-03-09T08:00:00.500Z")
    assert "acme" not in str(one)


@pytest.mark.parametrize("result", [FAILED, json.dumps(FAILED), json.dumps(json.dumps(FAILED))], ids=str)
def test_a_failure_is_its_code(result: Any) -> None:
    """And not its sentence; what has not failed has none, and what was lost says so."""
    one = only(Result=result)
    assert one.failure == "source-unavailable"
    assert "zelda" not in str(one)
    assert only(Result={"value": {"index": 4}}).failure == ""
    (lost,) = shown([event("TaskFailed", "01", FunctionName="merge_export", Reason="zelda", Details="zelda")])
    assert (lost.failure, lost.attempt) == (LOST, 1)
    assert "zelda" not in str(lost)


def test_attempts_of_other_activities_are_counted() -> None:
    """In the order of time; what is no name is not shown."""
    tries = [event("TaskCompleted", f"0{n}", FunctionName="plan_export") for n in (3, 1, 2)]
    assert [(s.time[17:19], s.attempt) for s in shown(tries)] == [("01", 1), ("02", 2), ("03", 3)]
    (odd,) = shown([event("EventRaised", "01", Name="cancel?sig=x")])
    assert (odd.name, odd.attempt) == ("", None)
