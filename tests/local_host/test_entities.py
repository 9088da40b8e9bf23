"""Durable entities: function-based ones, called and signalled by orchestrators and clients."""

from __future__ import annotations

import pytest

from tests.local_host.conftest import HostFactory, RunningHost, assert_replays, until

APP = '''
@app.entity_trigger("context", entity_name="Counter")
def counter(context):
    current = context.get_state(lambda: 0)
    match context.operation_name:
        case "add":
            current += context.get_input()
            context.set_state(current)
            context.set_result(current)
        case "get":
            context.set_result(current)
        case "reset":
            context.set_state(0)
        case "delete":
            context.destruct_on_exit()
        case "fail":
            raise ValueError("entity says no")
        case "slow":
            mark("slow")
            time.sleep(0.3)
            context.set_state(current + 1)
        case "key":
            context.set_result(f"{context.entity_name}/{context.entity_key}")

@app.orchestration_trigger("context")
def calls(context):
    entity = df.EntityId("Counter", context.instance_id)
    values = []
    for n in (1, 2, 3):
        values.append((yield context.call_entity(entity, "add", n)))
    return values

@app.orchestration_trigger("context")
def signals(context):
    entity = df.EntityId("Counter", context.instance_id)
    for n in range(20):
        context.signal_entity(entity, "add", n)
    return (yield context.call_entity(entity, "get"))

@app.orchestration_trigger("context")
def many(context):
    entity = df.EntityId("Counter", "shared-" + context.instance_id)
    values = yield context.task_all([context.call_entity(entity, "add", 1) for _ in range(150)])
    return sorted(values) == list(range(1, 151))

@app.orchestration_trigger("context")
def fails(context):
    try:
        yield context.call_entity(df.EntityId("Counter", "x"), "fail")
    except Exception as error:
        return str(error)

@app.orchestration_trigger("context")
def unknown(context):
    try:
        yield context.call_entity(df.EntityId("Nobody", "x"), "get")
    except Exception as error:
        return str(error)

@app.orchestration_trigger("context")
def described(context):
    return (yield context.call_entity(df.EntityId("Counter", "key@with@signs"), "key"))

@app.orchestration_trigger("context")
def mixed(context):
    """Entity calls, signals, activities and timers share one count of ids."""
    entity = df.EntityId("Counter", context.instance_id)
    context.signal_entity(entity, "add", 5)
    a = yield context.call_activity("echo", "a")
    b = yield context.call_entity(entity, "add", 1)
    yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=50))
    c, d = yield context.task_all([context.call_entity(entity, "add", 1), context.call_activity("echo", "d")])
    return [a, b, c, d]

@app.activity_trigger("value")
def echo(value):
    return value
'''


def state(host: RunningHost, key: str) -> object:
    """The state of a counter, None when there is none."""
    answer = host.manage("GET", f"entities/counter/{key}")
    assert answer.status in (200, 404)
    return answer.json() if answer.status == 200 else None


def signal(host: RunningHost, key: str, operation: str, value: str | None = None) -> None:
    """Signal as the SDK's client does: the input encoded twice."""
    answer = host.manage("POST", f"entities/Counter/{key}", value, op=operation)
    assert answer.status == 202, answer


def test_calls_in_turn(host: RunningHost) -> None:
    """Each call sees the state the one before has left."""
    instance_id = host.begin("calls")
    assert host.finish(instance_id)["output"] == [1, 3, 6]
    assert state(host, instance_id) == 6


def test_signals_are_taken_in_order(host: RunningHost) -> None:
    """A call after twenty signals sees all of them."""
    assert host.run("signals") == sum(range(20))


def test_many_calls_at_once(host: RunningHost) -> None:
    """Operations of one entity never overlap: 150 parallel additions give 150 different sums."""
    assert host.run("many") is True


def test_operation_that_raises(host: RunningHost) -> None:
    """The orchestrator can catch it."""
    assert host.run("fails") == "entity says no"


def test_unknown_entity(host: RunningHost) -> None:
    """A call of an entity that is not there fails with the reason; a signal is refused."""
    assert "The function 'nobody' doesn't exist, is disabled, or is not an entity function." in host.run("unknown")
    assert host.manage("POST", "entities/Nobody/x", None, op="add").status == 400


def test_name_and_key(host: RunningHost) -> None:
    """A key may hold @; the name has no case."""
    assert host.run("described") == "counter/key@with@signs"


def test_ids_are_shared_with_other_tasks(host: RunningHost) -> None:
    """Entity messages take ids between activities and timers without confusion."""
    assert host.run("mixed") == ["a", 6, 7, "d"]


def test_signals_of_a_client(host: RunningHost) -> None:
    """State is made, changed, reset and deleted."""
    signal(host, "c1", "add", "5")
    signal(host, "c1", "add", "6")
    until(lambda: state(host, "c1") == 11)
    signal(host, "c1", "reset")
    until(lambda: state(host, "c1") == 0)
    assert host.manage("DELETE", "entities/Counter/c1").status == 202
    until(lambda: state(host, "c1") is None)


def test_list(host: RunningHost) -> None:
    """Entities are listed by name, with state on request."""
    signal(host, "listed", "add", "2")
    until(lambda: state(host, "listed") == 2)
    rows = host.manage("GET", "entities/counter", fetchState="true").json()
    row = next(row for row in rows if row["entityId"]["key"] == "listed")
    assert (row["entityId"]["name"], row["state"]) == ("counter", 2)
    assert host.manage("GET", "entities/other").json() == []


@pytest.mark.parametrize("times", [3])
def test_signals_survive_a_kill(new_host: HostFactory, times: int) -> None:
    """Accepted signals take effect once each, whenever the host is killed."""
    host = new_host(APP)
    for _ in range(times):
        signal(host, "k", "slow")
    until(lambda: host.marked("slow") >= 1)
    host.kill()
    host.start()
    until(lambda: state(host, "k") == times)


def test_every_recorded_history_replays(host: RunningHost) -> None:
    """The histories the tests above have left replay to the decisions that were recorded."""
    assert_replays(host)
