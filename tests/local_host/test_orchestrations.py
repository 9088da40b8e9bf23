"""Orchestrations end to end: what an app may do in an orchestrator, and what comes of it."""

from __future__ import annotations

import time

import pytest

from tests.local_host.conftest import RunningHost, assert_replays, until

APP = '''
@app.activity_trigger("value")
def echo(value):
    return value

@app.activity_trigger("value")
async def echo_async(value):
    await asyncio.sleep(0)
    return value

@app.activity_trigger("city", activity="named_differently")
def say(city: str) -> str:
    return f"Hello {city}!"

@app.activity_trigger("value")
def boom(value):
    raise ValueError(f"no good: {value}")

@app.activity_trigger("value")
def unserializable(value):
    return object()

@app.activity_trigger("size")
def big(size):
    return "ü" * size

@app.orchestration_trigger("context")
def chain(context):
    first = yield context.call_activity(echo, 1)
    second = yield context.call_activity("echo_async", first + 1)
    third = yield context.call_activity("named_differently", "Tōkyō")
    return [first, second, third]

@app.orchestration_trigger("context")
def fan_out(context):
    results = yield context.task_all([context.call_activity("echo", i) for i in range(context.get_input())])
    return results

@app.orchestration_trigger("context")
def parent(context):
    first = yield context.call_sub_orchestrator("child", 20)
    second = yield context.call_sub_orchestrator("child", 30, f"{context.instance_id}-second")
    return [first, second]

@app.orchestration_trigger("context")
def child(context):
    value = yield context.call_activity("echo", context.get_input())
    return {"value": value + 1, "id": context.instance_id, "parent": context.parent_instance_id}

@app.orchestration_trigger("context")
def wait_a_second(context):
    before = context.current_utc_datetime
    yield context.create_timer(before + timedelta(seconds=1))
    return (context.current_utc_datetime - before).total_seconds()

@app.orchestration_trigger("context")
def approval(context):
    deadline = context.create_timer(context.current_utc_datetime + timedelta(seconds=context.get_input()))
    approved = context.wait_for_external_event("Approval")
    winner = yield context.task_any([approved, deadline])
    if winner is approved:
        if not deadline.is_completed:
            deadline.cancel()
        return {"approved": approved.result}
    return "too late"

@app.orchestration_trigger("context")
def first_go_then_events(context):
    yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=300))
    value = yield context.wait_for_external_event("early")
    return value

@app.orchestration_trigger("context")
def three_of_a_name(context):
    values = []
    for _ in range(3):
        values.append((yield context.wait_for_external_event("item")))
    return values

@app.orchestration_trigger("context")
def counter(context):
    count = context.get_input()
    context.set_custom_status({"count": count})
    if count < 5:
        yield context.call_activity("echo", count)
        context.continue_as_new(count + 1)
        return
    return count

@app.orchestration_trigger("context")
def listener(context):
    """Takes one event per execution; the others must not get lost."""
    seen = context.get_input()
    value = yield context.wait_for_external_event("number")
    seen = [*seen, value]
    if len(seen) == 3:
        return sorted(seen)
    context.continue_as_new(seen)

@app.orchestration_trigger("context")
def reports(context):
    context.set_custom_status({"stage": "one", "text": "ü"})
    yield context.wait_for_external_event("next")
    context.set_custom_status("two")
    yield context.wait_for_external_event("next")
    return "done"

@app.orchestration_trigger("context")
def status_of_size(context):
    context.set_custom_status("x" * context.get_input())
    yield context.call_activity("echo", 1)

@app.activity_trigger("size")
def booms_at_length(size):
    raise ValueError("x" * size)

@app.orchestration_trigger("context")
def long_reasons(context):
    try:
        yield context.call_activity("booms_at_length", 5_000_000)
    except Exception as error:
        raise RuntimeError(str(error)[:200] + "y" * 5_000_000)

@app.orchestration_trigger("context")
def catches(context):
    try:
        yield context.call_activity("boom", 7)
    except Exception as error:
        return str(error)

@app.orchestration_trigger("context")
def activity_fails(context):
    yield context.call_activity("boom", 7)

@app.orchestration_trigger("context")
def raises(context):
    yield context.call_activity("echo", 1)
    raise KeyError("lost")

@app.orchestration_trigger("context")
def child_fails(context):
    try:
        yield context.call_sub_orchestrator("raises")
    except Exception as error:
        return str(error)

@app.orchestration_trigger("context")
def calls_unknown(context):
    try:
        yield context.call_activity("nobody", 1)
    except Exception as error:
        return str(error)

@app.orchestration_trigger("context")
def starts_unknown(context):
    try:
        yield context.call_sub_orchestrator("nobody", 1)
    except Exception as error:
        return str(error)

@app.orchestration_trigger("context")
def gets_unserializable(context):
    yield context.call_activity("unserializable", 1)

@app.orchestration_trigger("context")
def returns_unserializable(context):
    yield context.call_activity("echo", 1)
    return {1, 2}

@app.orchestration_trigger("context")
def returns_at_once(context):
    return context.get_input()

@app.orchestration_trigger("context")
def carries(context):
    text = yield context.call_activity("big", context.get_input())
    again = yield context.call_activity("echo", text)
    return [len(again), again[:2]]

@app.orchestration_trigger("context")
def keeps_open_timer(context):
    yield context.task_any([
        context.create_timer(context.current_utc_datetime + timedelta(seconds=1.2)),
        context.call_activity("echo", 1),
    ])
    return "done"

@app.orchestration_trigger("context")
def one_fails_early(context):
    """task_all gives up at the first failure; the framework waits for the rest before the instance ends."""
    slow = context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
    try:
        yield context.task_all([context.call_activity("boom", 1), slow])
    except Exception:
        return "caught"

@app.orchestration_trigger("context")
def deterministic_values(context):
    ids = [str(context.new_uuid()) for _ in range(2)]
    yield context.call_activity("echo", 1)
    again = str(context.new_uuid())
    return {"ids": ids, "distinct": len({*ids, again}), "replaying": context.is_replaying}

@app.orchestration_trigger("context")
def over_six_days(context):
    timer = context.create_timer(context.current_utc_datetime + timedelta(days=8))
    yield context.task_any([timer, context.wait_for_external_event("never")])
'''


def test_chain_of_activities(host: RunningHost) -> None:
    """Sync, async and differently named activities pass values on, in order."""
    assert host.run("chain") == [1, 2, "Hello Tōkyō!"]


def test_fan_out_keeps_the_order_of_the_calls(host: RunningHost) -> None:
    """task_all returns results in the order of the tasks, whichever finished first."""
    assert host.run("fan_out", 300) == list(range(300))


def test_empty_fan_out(host: RunningHost) -> None:
    """task_all of nothing does not hang; the SDK's result is None."""
    assert host.run("fan_out", 0) is None


def test_sub_orchestrations(host: RunningHost) -> None:
    """A child gets its input and its parent's id; its own id is given or made from the parent's execution."""
    instance_id = host.begin("parent")
    first, second = host.finish(instance_id)["output"]
    assert (first["value"], second["value"]) == (21, 31)
    assert first["parent"] == second["parent"] == instance_id
    assert first["id"].endswith(":0")
    assert second["id"] == f"{instance_id}-second"
    assert host.status(second["id"])["output"]["value"] == 31


def test_durable_timer_waits(host: RunningHost) -> None:
    """A timer fires no sooner than it should, and not much later."""
    assert 1.0 <= host.run("wait_a_second") < 2.0


def test_event_beats_the_timer(host: RunningHost) -> None:
    """A cancelled timer does not keep the instance running."""
    instance_id = host.begin("approval", 600)
    until(lambda: host.status(instance_id)["runtimeStatus"] == "Running")
    host.raise_event(instance_id, "Approval", {"by": "Zoë"})
    assert host.finish(instance_id)["output"] == {"approved": {"by": "Zoë"}}


def test_timer_beats_the_event(host: RunningHost) -> None:
    """Without the event the timer decides."""
    assert host.run("approval", 0.2) == "too late"


def test_event_names_have_no_case(host: RunningHost) -> None:
    """The instance does not hang when the framework, which ignores case, and the SDK, which does not, disagree."""
    instance_id = host.begin("approval", 1)
    host.raise_event(instance_id, "approval", 1)
    assert host.finish(instance_id)["output"] == "too late"


def test_event_before_the_wait(host: RunningHost) -> None:
    """An event that comes before anyone waits for it is kept."""
    instance_id = host.begin("first_go_then_events")
    host.raise_event(instance_id, "early", 42)
    assert host.finish(instance_id)["output"] == 42


def test_several_events_of_one_name(host: RunningHost) -> None:
    """Events that come one after the other satisfy one wait each."""
    instance_id = host.begin("three_of_a_name")
    for value in range(3):
        events = len([e for e in _history(host, instance_id) if e["EventType"] == "EventRaised"])
        host.raise_event(instance_id, "item", value)
        until(
            lambda events=events: (
                len([e for e in _history(host, instance_id) if e["EventType"] == "EventRaised"]) > events
            )
        )
    assert host.finish(instance_id)["output"] == [0, 1, 2]


def test_continue_as_new_starts_over(host: RunningHost) -> None:
    """Every execution has a new history; the id, and the status of the last one, stay."""
    instance_id = host.begin("counter", 0)
    status = host.finish(instance_id)
    assert (status["output"], status["customStatus"]) == (5, {"count": 5})
    started = [e for e in _history(host, instance_id) if e["EventType"] == "ExecutionStarted"]
    assert len(started) == 1


def test_continue_as_new_keeps_later_events(host: RunningHost) -> None:
    """Events that an execution had no time for reach the next one."""
    instance_id = host.begin("listener", [])
    until(lambda: host.status(instance_id)["runtimeStatus"] == "Running")
    for value in (3, 1, 2):
        host.raise_event(instance_id, "number", value)
    assert host.finish(instance_id)["output"] == [1, 2, 3]


def test_custom_status_follows_the_orchestrator(host: RunningHost) -> None:
    """The custom status is the one the latest episode set."""
    instance_id = host.begin("reports")
    until(lambda: host.status(instance_id)["customStatus"] == {"stage": "one", "text": "ü"})
    host.raise_event(instance_id, "next")
    until(lambda: host.status(instance_id)["customStatus"] == "two")
    host.raise_event(instance_id, "next")
    assert host.finish(instance_id)["output"] == "done"


def test_custom_status_of_16_kb(host: RunningHost) -> None:
    """The limit counts UTF-16: 8,190 characters and two quotes fit, one more fails the instance."""
    assert host.run("status_of_size", 8190) is None
    assert host.fail("status_of_size", 8191) == (
        "Orchestrator function 'status_of_size' failed: The UTF-16 size of the JSON-serialized payload must not exceed "
        "16 KB. The current payload is 16 KB."
    )


def test_failed_activity_can_be_caught(host: RunningHost) -> None:
    """The orchestrator sees which activity failed, why, and where."""
    text = host.run("catches")
    assert text.startswith("Activity function 'boom' failed:  ValueError: no good: 7 \n Traceback")
    assert "function_app.py" in text


def test_failed_activity_fails_the_orchestration(host: RunningHost) -> None:
    """An uncaught failure is the instance's reason."""
    reason = host.fail("activity_fails")
    assert reason.startswith("Orchestrator function 'activity_fails' failed: Activity function 'boom' failed:")


def test_orchestrator_raises(host: RunningHost) -> None:
    """An exception of the orchestrator itself is the instance's reason."""
    assert host.fail("raises") == "Orchestrator function 'raises' failed: 'lost'"


def test_reasons_of_megabytes_are_cut(host: RunningHost) -> None:
    """A failure keeps 16,384 characters of its message and says how many are missing."""
    reason = host.fail("long_reasons")
    assert reason.startswith("Orchestrator function 'long_reasons' failed: Activity function 'booms_at_length' failed:")
    assert reason.endswith(" more characters)")
    assert len(reason) < 17_000


def test_child_fails(host: RunningHost) -> None:
    """The parent sees the child's reason."""
    assert host.run("child_fails").startswith("Orchestrator function 'raises' failed: 'lost' \n")


@pytest.mark.parametrize(("name", "kind"), [("calls_unknown", "an activity"), ("starts_unknown", "an orchestrator")])
def test_unknown_function(host: RunningHost, name: str, kind: str) -> None:
    """A call of a function that is not there fails the task, not the host."""
    assert host.run(name).startswith(f"The function 'nobody' doesn't exist, is disabled, or is not {kind} function.")


def test_result_that_is_no_json(host: RunningHost) -> None:
    """A return value that cannot be serialized is a failure with a reason, of activities and orchestrators alike."""
    assert "json serializable" in host.fail("gets_unserializable")
    assert "set is not JSON serializable" in host.fail("returns_unserializable")


def test_orchestrator_without_yield(host: RunningHost) -> None:
    """A plain function is an orchestrator too."""
    assert host.run("returns_at_once", {"a": [1, None, "ß"]}) == {"a": [1, None, "ß"]}


def test_large_values(host: RunningHost) -> None:
    """Megabytes go through results and inputs unchanged."""
    assert host.run("carries", 300_000) == [300_000, "üü"]


def test_open_timer_keeps_the_instance_running(host: RunningHost) -> None:
    """As on the platform, an instance does not complete before its last un-cancelled timer has fired."""
    began = time.monotonic()
    assert host.run("keeps_open_timer") == "done"
    assert time.monotonic() - began > 1.0


def test_task_all_waits_for_the_rest(host: RunningHost) -> None:
    """As on the platform, a failed task_all that was caught ends the instance when its other tasks have ended."""
    began = time.monotonic()
    assert host.run("one_fails_early") == "caught"
    assert time.monotonic() - began > 0.9


def test_values_that_replay(host: RunningHost) -> None:
    """new_uuid gives distinct values; the last line of an orchestrator is not replaying."""
    output = host.run("deterministic_values")
    assert output["distinct"] == 3
    assert output["replaying"] is False


def test_timer_over_six_days_is_cut_into_segments(host: RunningHost) -> None:
    """The first segment of a long timer is three days."""
    instance_id = host.begin("over_six_days")
    created = until(lambda: [e for e in _history(host, instance_id) if e["EventType"] == "TimerCreated"])
    seconds = _time(created[0]["FireAt"]) - _time(created[0]["Timestamp"])
    assert seconds == pytest.approx(3 * 86400, abs=5)


def _history(host: RunningHost, instance_id: str) -> list[dict[str, str]]:
    return host.status(instance_id, showHistory="true")["historyEvents"]


def _time(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def test_every_recorded_history_replays(host: RunningHost) -> None:
    """The histories the tests above have left replay to the decisions that were recorded."""
    assert_replays(host)
