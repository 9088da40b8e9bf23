"""Nothing that was accepted is lost when processes are killed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.local_host.conftest import HostFactory, RunningHost, assert_replays, until

APP = """
@app.activity_trigger("value")
def slow(value):
    mark(f"began-{value}")
    time.sleep(0.05)
    mark(f"ended-{value}")
    return value * 2

@app.activity_trigger("name")
def waits_for_a_file(name: str):
    mark("waiting")
    path = MARKS / name
    while not path.exists():
        time.sleep(0.02)
    mark("waited")
    return "there"

@app.activity_trigger("name")
def kills_its_first_worker(name: str):
    mark("attempt")
    if (MARKS / "attempt").stat().st_size == 1:
        os._exit(7)
    return "survived"

@app.activity_trigger("value")
def kills_every_worker(value):
    mark("fatal")
    os._exit(9)

@app.orchestration_trigger("context")
def leaf(context):
    values = yield context.task_all([context.call_activity("slow", i) for i in context.get_input()])
    yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=100))
    return sum(values)

@app.orchestration_trigger("context")
def tree(context):
    parts = [list(range(n, n + 5)) for n in range(0, 20, 5)]
    sums = yield context.task_all([
        context.call_sub_orchestrator("leaf", part, f"{context.instance_id}-{i}") for i, part in enumerate(parts)
    ])
    count = yield context.call_entity(df.EntityId("adder", context.instance_id), "add", sum(sums))
    word = yield context.wait_for_external_event("word")
    return [sum(sums), count, word]

@app.entity_trigger("context")
def adder(context):
    total = context.get_state(lambda: 0) + context.get_input()
    context.set_state(total)
    context.set_result(total)

@app.orchestration_trigger("context")
def file_then_answer(context):
    first = yield context.call_activity("waits_for_a_file", "go")
    return first

@app.orchestration_trigger("context")
def survivor(context):
    return (yield context.call_activity("kills_its_first_worker", "x"))

@app.orchestration_trigger("context")
def doomed(context):
    return (yield context.call_activity("kills_every_worker", 1))

@app.activity_trigger("value")
def bystander(value):
    time.sleep(0.5)
    return value

@app.activity_trigger("value")
def kills_its_neighbour(value):
    time.sleep(0.1)
    os._exit(9)

@app.orchestration_trigger("context")
def neighbours(context):
    tasks = [context.call_activity("bystander", "well"), context.call_activity("kills_its_neighbour", 1)]
    try:
        yield context.task_all(tasks)
    except Exception as error:
        return [(yield tasks[0]), str(error)]

@app.route(route="dies")
def dies(req: func.HttpRequest) -> func.HttpResponse:
    os._exit(3)

@app.route(route="pid")
def pid(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(str(os.getpid()))
"""


@pytest.mark.parametrize("events_before_kill", [2, 17])
def test_kill_of_the_whole_group(new_host: HostFactory, events_before_kill: int) -> None:
    """kill -9 of host and workers at several points: the work finishes once, every activity ran at least once."""
    host = new_host(APP)
    instance_id = host.begin("tree", None, "job")
    until(lambda: sum(host.marked(f"ended-{i}") for i in range(20)) >= events_before_kill)
    host.kill()
    host.start()
    host.raise_event(instance_id, "word", "ok")
    total = sum(2 * i for i in range(20))
    assert host.finish(instance_id)["output"] == [total, total, "ok"]
    assert all(host.marked(f"ended-{i}") >= 1 for i in range(20))
    children = host.manage("GET", "instances/", instanceIdPrefix="job-").json()
    assert [c["runtimeStatus"] for c in children] == ["Completed"] * 4
    assert host.stop() == 0
    assert_replays(host)


def test_kill_again_and_again(new_host: HostFactory) -> None:
    """Killing the host every time it has made some progress still ends in the same result."""
    host = new_host(APP)
    host.begin("tree", None, "job")
    host.raise_event("job", "word", "ok")
    for step in range(1, 4):
        until(lambda step=step: sum(host.marked(f"ended-{i}") for i in range(20)) >= 3 * step)
        host.kill()
        host.start()
    total = sum(2 * i for i in range(20))
    assert host.finish("job")["output"] == [total, total, "ok"]


def test_timer_that_came_due_while_the_host_was_down(new_host: HostFactory) -> None:
    """A durable timer fires after a restart, at once when it is overdue."""
    host = new_host(APP)
    instance_id = host.begin("leaf", [3])
    until(lambda: "TimerCreated" in json.dumps(host.status(instance_id, showHistory="true")))
    host.kill()
    host.start()
    assert host.finish(instance_id)["output"] == 6


def test_activity_of_a_killed_worker_is_delivered_again(host: RunningHost) -> None:
    """A worker that is killed is replaced, and another takes over its activity."""
    instance_id = host.begin("file_then_answer")
    until(lambda: host.marked("waiting") == 1)
    workers = until(lambda: pids if len(pids := host.workers()) == 2 else None)
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    until(lambda: host.marked("waiting") == 2)
    (host.marks / "go").touch()
    assert host.finish(instance_id)["output"] == "there"
    assert host.marked("waited") == 1
    until(lambda: len(host.workers()) == 2 and not set(host.workers()) & set(workers))


def test_activity_that_ends_its_worker_once(host: RunningHost) -> None:
    """os._exit in an activity costs a delivery, not the orchestration."""
    assert host.run("survivor") == "survived"
    assert host.marked("attempt") == 2


def test_activity_that_ends_every_worker(host: RunningHost) -> None:
    """An activity that kills five workers fails; the host goes on."""
    assert "5 worker processes ended while they ran it" in host.fail("doomed")
    assert host.marked("fatal") == 5
    assert host.run("leaf", [4]) == 8


def test_activity_beside_one_that_ends_every_worker(new_host: HostFactory) -> None:
    """What was twice in a worker that died runs alone, so that it does not fail for its neighbour."""
    host = new_host(APP, env={"FUNCTIONS_WORKER_PROCESS_COUNT": "1"})
    well, error = host.run("neighbours")
    assert "well" == well
    assert "5 worker processes ended while they ran it" in error


def test_http_function_that_ends_its_worker(host: RunningHost) -> None:
    """The caller gets 500, the next request another worker."""
    assert host.get("/api/dies").status == 500
    assert host.get("/api/pid").status == 200


def test_workers_die_with_the_host(new_host: HostFactory) -> None:
    """A kill -9 of the host alone leaves no worker behind."""
    host = new_host(APP)
    workers = until(lambda: pids if len(pids := host.workers()) == 2 else None)
    assert host.process is not None
    host.process.kill()
    until(lambda: not any(_is_alive(worker) for worker in workers), 5)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
