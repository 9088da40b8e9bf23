"""The framework's side of a replay, on histories written by hand."""

from __future__ import annotations

import importlib
from typing import Any

import dateutil.parser
import pytest

from local_host.episode import NonDeterminismError, Outcome, Walk, decide, use_fast_timestamps
from local_host.history import Event, EventType, new_event

T0 = "2026-01-31T08:00:00.000000Z"
T1 = "2026-01-31T08:00:10.000000Z"


def activity(name: str, value: str = "1") -> dict[str, Any]:
    return {"actionType": 0, "functionName": name, "input": value}


def timer(seconds: int, *, cancelled: bool = False) -> dict[str, Any]:
    return {"actionType": 5, "fireAt": f"2026-01-31T08:00:{seconds:02d}.000000Z", "isCanceled": cancelled}


def event_wait(name: str) -> dict[str, Any]:
    return {"actionType": 6, "externalEventName": name, "reason": "ExternalEvent"}


def retried(name: str, attempts: int) -> dict[str, Any]:
    options = {"firstRetryIntervalInMilliseconds": 5000, "maxNumberOfAttempts": attempts}
    return {"actionType": 12, "compoundActions": [{**activity(name), "actionType": 1, "retryOptions": options}]}


def any_of(*actions: dict[str, Any]) -> dict[str, Any]:
    return {"actionType": 11, "compoundActions": list(actions)}


def all_of(*actions: dict[str, Any]) -> dict[str, Any]:
    return {"actionType": 12, "compoundActions": list(actions)}


def started() -> list[Event]:
    return [
        new_event(EventType.ORCHESTRATOR_STARTED, T0),
        new_event(EventType.EXECUTION_STARTED, T0, Name="o", Version=None, Input=None),
    ]


def again() -> Event:
    return new_event(EventType.ORCHESTRATOR_STARTED, T1)


def scheduled(task_id: int, name: str) -> Event:
    return new_event(EventType.TASK_SCHEDULED, T0, task_id, Name=name)


def completed(task_id: int) -> Event:
    return new_event(EventType.TASK_COMPLETED, T1, TaskScheduledId=task_id, Result="1")


def failed(task_id: int) -> Event:
    return new_event(EventType.TASK_FAILED, T1, TaskScheduledId=task_id, Reason="r", Details="d")


def raised(name: str) -> Event:
    return new_event(EventType.EVENT_RAISED, T1, Name=name, Input="1")


def timer_created(task_id: int) -> Event:
    return new_event(EventType.TIMER_CREATED, T0, task_id, FireAt=T1)


def timer_fired(task_id: int) -> Event:
    return new_event(EventType.TIMER_FIRED, T1, TimerId=task_id, FireAt=T1)


def outcome(actions: list[dict[str, Any]], history: list[Event], **state: Any) -> Outcome:
    """Decide on what the SDK would say: ``isDone`` false unless given."""
    return decide("o", "exec", history, {"isDone": False, "actions": [actions], **state})


def decided(actions: list[dict[str, Any]], history: list[Event]) -> list[tuple[str, int]]:
    return [(d["kind"], d["id"]) for d in outcome(actions, history).decisions]


def test_first_action_is_decided_once() -> None:
    """What the history has already is not decided again."""
    assert decided([activity("a")], started()) == [("activity", 0)]
    assert decided([activity("a")], [*started(), scheduled(0, "a"), again()]) == []


def test_next_action_waits_for_the_one_before() -> None:
    """Actions are created one after the other."""
    actions = [activity("a"), activity("b")]
    assert decided(actions, started()) == [("activity", 0)]
    assert decided(actions, [*started(), scheduled(0, "a"), again(), completed(0)]) == [("activity", 1)]


def test_failed_task_lets_the_walk_go_on() -> None:
    """Whether a failure ends the instance is for the orchestrator to say."""
    actions = [activity("a"), activity("b")]
    assert decided(actions, [*started(), scheduled(0, "a"), again(), failed(0)]) == [("activity", 1)]


def test_ids_count_children_in_order_and_leave_events_out() -> None:
    """Activities and timers take ids, external events do not."""
    actions = [all_of(activity("a"), event_wait("e"), timer(30), activity("b"))]
    assert decided(actions, started()) == [("activity", 0), ("timer", 1), ("activity", 2)]


def test_task_any_goes_on_with_the_first() -> None:
    """The others stay open."""
    actions = [any_of(activity("a"), activity("b")), activity("c")]
    history = [*started(), scheduled(0, "a"), scheduled(1, "b"), again(), completed(1)]
    assert decided(actions, history) == [("activity", 2)]


def test_instance_with_an_open_task_is_not_finished() -> None:
    """isDone counts when nothing is awaited any more."""
    actions = [any_of(activity("a"), timer(30))]
    history = [*started(), scheduled(0, "a"), timer_created(1), again(), completed(0)]
    assert outcome(actions, history, isDone=True, output=5).status == "running"
    history += [again(), timer_fired(1)]
    finished = outcome(actions, history, isDone=True, output=5)
    assert (finished.status, finished.output) == ("completed", "5")


def test_cancelled_timer_is_not_awaited() -> None:
    """It is created all the same, since its created event may be in the history."""
    actions = [any_of(activity("a"), timer(30, cancelled=True))]
    history = [*started(), scheduled(0, "a"), timer_created(1), again(), completed(0)]
    assert outcome(actions, history, isDone=True, output=None).status == "completed"


def test_retry_takes_timer_and_task_in_turn() -> None:
    """Ids and times of a retry follow the failures; the delay counts from the episode that saw the failure."""
    actions = [retried("a", 2), activity("b")]
    history = [*started(), scheduled(0, "a"), again(), failed(0)]
    first = outcome(actions, history)
    assert [(d["kind"], d["id"], d.get("fire_at")) for d in first.decisions] == [
        ("timer", 1, "2026-01-31T08:00:15.000000Z")
    ]
    history += [timer_created(1), again(), timer_fired(1)]
    assert decided(actions, history) == [("activity", 2)]
    history += [scheduled(2, "a"), again(), failed(2)]
    assert decided(actions, history) == [("timer", 3)]
    history += [timer_created(3), again(), timer_fired(3)]
    assert decided(actions, history) == [("activity", 4)]


def test_early_events_satisfy_one_wait_each() -> None:
    """Two events of a name satisfy two waits; the third waits."""
    actions = [activity("a"), event_wait("E"), event_wait("e"), event_wait("e"), activity("b")]
    history = [*started(), scheduled(0, "a"), again(), raised("e"), raised("E"), completed(0)]
    assert decided(actions, history) == []
    assert decided(actions, [*history, again(), raised("e")]) == [("activity", 1)]


def test_events_after_continue_as_new_are_carried_over() -> None:
    """Those that came before it are not: the platform drops them too."""
    actions = [event_wait("go"), {"actionType": 4, "input": "2"}]
    result = outcome(actions, [*started(), again(), raised("other"), raised("go"), raised("late")])
    assert (result.status, result.output) == ("continued", '"2"')
    assert [event["Name"] for event in result.carryover] == ["late"]


def test_failure_is_reported_after_the_walk() -> None:
    """Actions before the exception count; the reason names the orchestrator."""
    result = outcome([activity("a")], [*started(), scheduled(0, "a"), again(), completed(0)], error="boom")
    assert (result.status, result.output) == ("failed", "Orchestrator function 'o' failed: boom")


@pytest.mark.parametrize(
    ("actions", "event", "message"),
    [
        ([], scheduled(0, "a"), "scheduled an activity task with sequence ID 0 named 'a', but the current replay"),
        ([activity("b")], scheduled(0, "a"), "named 'a', but the current orchestration replay instead scheduled a dif"),
        ([timer(30)], scheduled(0, "a"), "instead scheduled a different task (timer) with this sequence number"),
        ([activity("a")], timer_created(0), "scheduled a timer task with sequence number 0, but"),
        ([activity("a")], timer_created(1), "scheduled a timer task with sequence ID 1, but"),
    ],
)
def test_code_that_does_not_match_the_history(actions: list[dict[str, Any]], event: Event, message: str) -> None:
    """A changed orchestrator is found out before anything is scheduled."""
    with pytest.raises(NonDeterminismError) as found:
        Walk("exec", actions).replay([*started(), event])
    assert message in str(found.value)
    result = outcome(actions, [*started(), event])
    assert (result.status, result.decisions) == ("failed", [])
    assert str(result.output).startswith("Orchestrator function 'o' failed: Non-Deterministic workflow detected: ")


def test_sub_orchestration_without_an_id_gets_one_of_its_parent() -> None:
    """Execution id and task id make it, so that it is the same in every replay."""
    action = {"actionType": 2, "functionName": "child", "input": "1", "instanceId": None, "version": None}
    assert outcome([action], started()).decisions[0]["instance_id"] == "exec:0"


def test_unknown_action() -> None:
    """An action of a newer SDK fails the instance, not the host."""
    result = outcome([{"actionType": 99}], started())
    assert (result.status, result.output) == (
        "failed",
        "Orchestrator function 'o' failed: Received an unexpected action type from the out-of-proc function: '99'.",
    )


@pytest.mark.parametrize(
    "text", ["2026-01-31T08:00:00.123456Z", "2026-01-31T08:00:00Z", "2026-01-31T10:00:00.5+02:00", "2026-01-31 08:00"]
)
def test_fast_timestamps_are_equal(text: str) -> None:
    """The SDK gets the very value dateutil would give it."""
    use_fast_timestamps()
    use_fast_timestamps()
    parse = importlib.import_module("azure.durable_functions.models.history.HistoryEvent").dt_parse
    expected = dateutil.parser.parse(text)
    assert repr(parse(text)) == repr(expected)
