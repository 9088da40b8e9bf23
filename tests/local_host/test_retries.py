"""with-retry calls: the host executes them, the SDK mirrors their ids."""

from __future__ import annotations

import json

import pytest

from tests.local_host.conftest import RunningHost, assert_replays

APP = '''
QUICK = df.RetryOptions(first_retry_interval_in_milliseconds=20, max_number_of_attempts=3)

@app.activity_trigger("value")
def echo(value):
    return value

@app.activity_trigger("spec")
def fails_times(spec: dict):
    mark(spec["name"])
    if (MARKS / spec["name"]).stat().st_size <= spec["times"]:
        raise RuntimeError(f"failure of {spec['name']}")
    return spec["name"]

def spec(context, name, times):
    return {"name": f"{context.instance_id}-{name}", "times": times}

@app.orchestration_trigger("context")
def retried(context):
    times = context.get_input()
    before = yield context.call_activity("echo", "before")
    try:
        result = yield context.call_activity_with_retry("fails_times", QUICK, spec(context, "a", times))
    except Exception as error:
        result = str(error).split("\\n")[0].strip()
    after = yield context.call_activity("echo", "after")
    return [before, result, after]

@app.orchestration_trigger("context")
def flaky_child(context):
    return (yield context.call_activity("fails_times", context.get_input()))

@app.orchestration_trigger("context")
def retried_child(context):
    times = context.get_input()
    try:
        result = yield context.call_sub_orchestrator_with_retry("flaky_child", QUICK, spec(context, "child", times))
    except Exception as error:
        result = "gave up"
    return [result, (yield context.call_activity("echo", "after"))]

@app.orchestration_trigger("context")
def several(context):
    """Retries side by side that succeed in the end keep their ids apart."""
    results = yield context.task_all([
        context.call_activity_with_retry("fails_times", QUICK, spec(context, f"s{n}", n)) for n in range(3)
    ])
    after = yield context.call_activity("echo", "after")
    return [r.rsplit("-", 1)[1] for r in results] + [after]

@app.orchestration_trigger("context")
def trap(context):
    """One call fails for good while others still retry, and the orchestrator goes on: the SDK's ids are wrong then."""
    slow = df.RetryOptions(first_retry_interval_in_milliseconds=300, max_number_of_attempts=5)
    once = df.RetryOptions(first_retry_interval_in_milliseconds=1, max_number_of_attempts=1)
    try:
        yield context.task_all([
            context.call_activity_with_retry("fails_times", once, spec(context, "dead", 99)),
            context.call_activity_with_retry("fails_times", slow, spec(context, "alive", 2)),
        ])
    except Exception:
        pass
    values = []
    for n in range(4):
        values.append((yield context.call_activity("echo", n)))
    return values
'''


def count(host: RunningHost, instance_id: str, event: str) -> int:
    """How many events of a kind the stored history has."""
    import sqlite3

    db = sqlite3.connect(host.data_dir / "testhubname.db")
    rows = db.execute("SELECT event FROM history WHERE instance_id=?", (instance_id,)).fetchall()
    db.close()
    types = {"TaskScheduled": 4, "TimerCreated": 10, "TimerFired": 11, "SubCreated": 7}
    return sum(json.loads(row[0])["EventType"] == types[event] for row in rows)


@pytest.mark.parametrize(("failures", "attempts", "timers"), [(0, 1, 0), (1, 2, 1), (2, 3, 2)])
def test_activity_that_succeeds_in_the_end(host: RunningHost, failures: int, attempts: int, timers: int) -> None:
    """Every failure costs one timer and one more attempt."""
    instance_id = host.begin("retried", failures)
    assert host.finish(instance_id)["output"] == ["before", f"{instance_id}-a", "after"]
    assert host.marked(f"{instance_id}-a") == attempts
    assert count(host, instance_id, "TimerFired") == timers


def test_activity_that_never_succeeds(host: RunningHost) -> None:
    """After the last attempt comes one more timer, as in the framework; then the failure can be caught."""
    instance_id = host.begin("retried", 99)
    before, reason, after = host.finish(instance_id)["output"]
    assert (before, after) == ("before", "after")
    assert reason == f"Activity function 'fails_times' failed:  RuntimeError: failure of {instance_id}-a"
    assert host.marked(f"{instance_id}-a") == 3
    assert count(host, instance_id, "TimerCreated") == count(host, instance_id, "TimerFired") == 3


@pytest.mark.parametrize(("failures", "result", "children"), [(0, "done", 1), (2, "done", 3), (99, "gave up", 3)])
def test_sub_orchestration(host: RunningHost, failures: int, result: str, children: int) -> None:
    """A child is started again under a new id."""
    instance_id = host.begin("retried_child", failures)
    output = host.finish(instance_id)["output"]
    expected = f"{instance_id}-child" if result == "done" else result
    assert output == [expected, "after"]
    assert count(host, instance_id, "SubCreated") == children


def test_retries_side_by_side(host: RunningHost) -> None:
    """Calls that succeed in the end can retry in parallel."""
    assert host.run("several") == ["s0", "s1", "s2", "after"]


def test_trap_is_refused(host: RunningHost) -> None:
    """Where the SDK would hand results to the wrong task, the instance fails and says what to do instead."""
    reason = host.fail("trap")
    assert "so results would reach the wrong task" in reason
    assert "Retry inside the activity, or yield with-retry calls one at a time." in reason


def test_every_recorded_history_replays(host: RunningHost) -> None:
    """The histories the tests above have left replay to the decisions that were recorded."""
    assert_replays(host)
