"""Features and traps of the platform that have no suite of their own: each has an orchestrator here."""

from __future__ import annotations

import json
import sqlite3
import urllib.request

import pytest

from tests.local_host.conftest import RunningHost, assert_replays, send, until

APP = '''
@app.activity_trigger("value")
def echo(value):
    return value

@app.activity_trigger("name")
def waits(name: str):
    mark(f"began-{name}")
    while not (MARKS / f"go-{name}").exists():
        time.sleep(0.02)
    mark(f"ended-{name}")
    return name

@app.activity_trigger("value")
def boom(value):
    raise ValueError(value)

@app.orchestration_trigger("context")
def waits_for_activity(context):
    return (yield context.call_activity("waits", context.get_input()))

@app.orchestration_trigger("context")
def waits_for_child(context):
    return (yield context.call_sub_orchestrator("waits_for_activity", context.instance_id, "child-of-terminated"))

@app.orchestration_trigger("context")
def takes_a_live_id(context):
    try:
        yield context.call_sub_orchestrator("echoes", 1, context.get_input())
    except Exception as error:
        return str(error)

@app.orchestration_trigger("context")
def echoes(context):
    return (yield context.call_activity("echo", context.get_input()))

@app.orchestration_trigger("context")
def never_yielded(context):
    context.call_activity("waits", "never-yielded")
    return (yield context.call_activity("echo", "done"))

@app.orchestration_trigger("context")
def nested(context):
    inner = context.task_any([context.call_activity("echo", 1), context.wait_for_external_event("never")])
    both = yield context.task_all([inner, context.call_activity("echo", 2)])
    return [both[0].result, both[1]]

@app.orchestration_trigger("context")
def any_fails(context):
    """task_any ends with the first task, failed or not; the failure is its winner's result."""
    winner = yield context.task_any([context.call_activity("boom", "first"), context.wait_for_external_event("never")])
    return isinstance(winner.result, Exception) and "ValueError: first" in str(winner.result)

@app.orchestration_trigger("context")
def timer_in_the_past(context):
    yield context.create_timer(context.current_utc_datetime - timedelta(hours=1))
    return "fired"

@app.orchestration_trigger("context")
def two_early_events(context):
    """The second of a name overwrites the first, and every later wait gets it (SDK 1.7.0)."""
    yield context.wait_for_external_event("go")
    first = yield context.wait_for_external_event("early")
    second = yield context.wait_for_external_event("early")
    return [first, second]

@app.orchestration_trigger("context")
def replayed_values(context):
    before = [str(context.new_guid()), context.current_utc_datetime.isoformat()]
    yield context.call_activity("echo", 1)
    yield context.call_activity("echo", before)
    return before

@app.orchestration_trigger("context")
def continues_with_open_timer(context):
    """A new execution has no timers of the one before."""
    if context.get_input() == "first":
        timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        yield context.task_any([context.call_activity("echo", 1), timer])
        timer.cancel()
        context.continue_as_new("second")
        return
    return context.get_input()

@app.orchestration_trigger("context")
def megabytes(context):
    text = yield context.call_activity("echo", "é" * 1_500_000)
    return text

@app.orchestration_trigger("context")
def versioned(context):
    return context.version

@app.orchestration_trigger("context")
def versioned_parent(context):
    own = yield context.call_sub_orchestrator("versioned")
    other = yield context.call_sub_orchestrator("versioned", None, None, "9.0")
    return [context.version, own, other]

@app.orchestration_trigger("context", orchestration="NamedOtherwise")
def some_python_name(context):
    return "named"

@app.orchestration_trigger("context")
def signals_and_ends(context):
    context.signal_entity(df.EntityId("Box", "signalled"), "put", 7)
    return "sent"

@app.entity_trigger("context", entity_name="Box")
def box(context):
    if context.operation_name == "put":
        context.set_state(context.get_input())
    context.set_result(context.get_state(lambda: None))

@app.orchestration_trigger("context")
def monitor(context):
    """Looks again and again, with a timer between, until there is something to see or it is too late."""
    deadline = context.current_utc_datetime + timedelta(seconds=60)
    while context.current_utc_datetime < deadline:
        looks = yield context.call_activity("look", None)
        context.set_custom_status({"looks": looks})
        if looks == 3:
            return "seen"
        yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=50))
    return "too late"

@app.activity_trigger("nothing")
def look(nothing):
    mark("look")
    return (MARKS / "look").stat().st_size

@app.timer_trigger("timer", "0 0 0 1 1 *")
@app.durable_client_input(client_name="client")
async def starts_by_timer(timer: func.TimerRequest, client) -> None:
    await client.start_new("echoes", "by-timer", "ticked")

@app.route(route="length", methods=["POST"])
def length(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(str(len(req.get_body())))

import blueprints
app.register_functions(blueprints.bp)
'''
BLUEPRINT = """
import azure.durable_functions as df
import azure.functions as func

bp = df.Blueprint()

@bp.route(route="blueprint/{city}")
@bp.durable_client_input(client_name="client")
async def starts(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    instance_id = await client.start_new("greets", client_input=req.route_params["city"])
    return client.create_check_status_response(req, instance_id)

@bp.orchestration_trigger(context_name="context")
def greets(context: df.DurableOrchestrationContext):
    return (yield context.call_activity("greet", context.get_input()))

@bp.activity_trigger(input_name="city")
def greet(city: str) -> str:
    return f"Hello {city}!"
"""
VERSIONS = {"defaultVersion": "1.5", "versionMatchStrategy": "None"}
FILES = {
    "host.json": json.dumps({"version": "2.0", "extensions": {"durableTask": VERSIONS}}),
    "blueprints.py": BLUEPRINT,
}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("never_yielded", None, "done"),
        ("nested", None, [1, 2]),
        ("any_fails", None, True),
        ("timer_in_the_past", None, "fired"),
        ("continues_with_open_timer", "first", "second"),
        ("NAMEDOTHERWISE", None, "named"),
        ("monitor", None, "seen"),
        ("versioned", None, "1.5"),
        ("versioned_parent", None, ["1.5", "1.5", "9.0"]),
    ],
)
def test_output(host: RunningHost, name: str, value: object, expected: object) -> None:
    """What the orchestrators above return."""
    assert host.run(name, value) == expected


def test_task_that_is_never_yielded(host: RunningHost) -> None:
    """It is not scheduled."""
    host.run("never_yielded")
    assert host.marked("began-never-yielded") == 0


def test_terminate_leaves_activities_and_children_alone(host: RunningHost) -> None:
    """As on the platform: the instance ends at once, its activity and its child go on, nobody takes their results."""
    host.begin("waits_for_activity", "alone", "terminated-alone")
    host.begin("waits_for_child", None, "terminated-parent")
    until(lambda: host.marked("began-alone") == host.marked("began-terminated-parent") == 1)
    for instance_id in ("terminated-alone", "terminated-parent"):
        assert host.manage("POST", f"instances/{instance_id}/terminate", reason="enough").status == 202
        assert host.finish(instance_id)["output"] == "enough"
    assert host.status("child-of-terminated")["runtimeStatus"] == "Running"
    (host.marks / "go-alone").touch()
    (host.marks / "go-terminated-parent").touch()
    assert host.finish("child-of-terminated")["output"] == "terminated-parent"
    until(lambda: host.marked("ended-alone") == 1)
    until(lambda: _rows(host, "SELECT count(*) FROM activities")[0][0] == 0)
    assert host.status("terminated-alone")["runtimeStatus"] == "Terminated"
    assert _rows(host, "SELECT count(*) FROM inbox WHERE instance_id LIKE 'terminated-%'")[0][0] == 0


def test_child_with_the_id_of_a_live_instance(host: RunningHost) -> None:
    """The call fails, and the live instance is left alone."""
    host.begin("waits_for_activity", "taken", "taken-id")
    until(lambda: host.marked("began-taken") == 1)
    assert "already exists" in host.run("takes_a_live_id", "taken-id")
    (host.marks / "go-taken").touch()
    assert host.finish("taken-id")["output"] == "taken"


def test_early_events_of_one_name(host: RunningHost) -> None:
    """The last one reaches every later wait."""
    instance_id = host.begin("two_early_events")
    host.raise_event(instance_id, "early", 1)
    host.raise_event(instance_id, "early", 2)
    until(lambda: host.status(instance_id)["runtimeStatus"] == "Running")
    host.raise_event(instance_id, "go")
    assert host.finish(instance_id)["output"] == [2, 2]


def test_values_are_the_same_in_every_replay(host: RunningHost) -> None:
    """new_guid and current_utc_datetime give the activity what the end of the orchestrator still has."""
    instance_id = host.begin("replayed_values")
    output = host.finish(instance_id)["output"]
    scheduled = [
        json.loads(row[0])
        for row in _rows(host, f"SELECT event FROM history WHERE instance_id='{instance_id}' ORDER BY seq")
        if '"EventType":4,' in row[0]
    ]
    assert json.loads(json.loads(scheduled[1]["Input"])[0]) == output


def test_output_of_megabytes(host: RunningHost) -> None:
    """It is in the status, whole."""
    assert len(host.run("megabytes")) == 1_500_000


def test_signal_of_an_orchestrator_that_ends(host: RunningHost) -> None:
    """The signal arrives though nobody waits for it."""
    assert host.run("signals_and_ends") == "sent"
    until(lambda: host.manage("GET", "entities/box/signalled").body == b"7")


def test_timer_function_with_a_client(host: RunningHost) -> None:
    """It can start orchestrations."""
    assert host.post("/admin/functions/starts_by_timer").status == 202
    assert host.finish("by-timer")["output"] == "ticked"


def test_blueprint(host: RunningHost) -> None:
    """Functions of a blueprint are functions of the app, and its starter's answer leads to the status."""
    started = host.get("/api/blueprint/Paris")
    assert started.status == 202
    status = until(lambda: answer if (answer := send(started.json()["statusQueryGetUri"])).status == 200 else None)
    assert status.json()["output"] == "Hello Paris!"


def test_body_in_chunks(host: RunningHost) -> None:
    """A body without a length reaches the function whole."""
    chunks = (b"x" * 100_000 for _ in range(30))
    request = urllib.request.Request(f"{host.url}/api/length", chunks, {"transfer-encoding": "chunked"})
    with urllib.request.urlopen(request) as answer:
        assert answer.read() == b"3000000"


def test_every_recorded_history_replays(host: RunningHost) -> None:
    """The histories the tests above have left replay to the decisions that were recorded."""
    assert_replays(host)


def _rows(host: RunningHost, sql: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(host.data_dir / "testhubname.db")
    rows = db.execute(sql).fetchall()
    db.close()
    return rows
