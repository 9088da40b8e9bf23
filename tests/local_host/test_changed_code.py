"""Orchestrators that are changed while instances of them are live."""

from __future__ import annotations

from tests.local_host.conftest import HostFactory, RunningHost, until

APP = """
@app.activity_trigger("value")
def first(value):
    return value

@app.activity_trigger("value")
def other(value):
    return value

@app.orchestration_trigger("context")
def flow(context):
    a = yield context.call_activity("first", 1)
    b = yield context.wait_for_external_event("go")
    return [a, b]
"""


def first_is_done(host: RunningHost, instance_id: str) -> bool:
    """Whether the instance waits for its event only."""
    events = host.status(instance_id, showHistory="true")["historyEvents"]
    return [event["EventType"] for event in events][1:] == ["TaskCompleted"]


def test_change_that_does_not_match_the_history(new_host: HostFactory) -> None:
    """The replay command tells before a deployment, the instance fails after it, and nothing is scheduled."""
    host = new_host(APP)
    instance_id = host.begin("flow")
    until(lambda: first_is_done(host, instance_id))
    host.stop()
    assert host.replay().stdout == "1 histories, 2 episodes replayed, 0 differ\n"

    script = host.app_dir / "function_app.py"
    script.write_text(script.read_text().replace('call_activity("first", 1)', 'call_activity("other", 1)'))
    checked = host.replay()
    assert checked.returncode == 1
    assert checked.stdout.startswith(
        f"instance {instance_id} episode 1: recorded task_scheduled 0 first, decided task_scheduled 0 other\n"
    )

    host.start()
    host.raise_event(instance_id, "go", 1)
    status = host.finish(instance_id)
    assert status["runtimeStatus"] == "Failed"
    assert "Non-Deterministic workflow detected: A previous execution of this orchestration" in status["output"]


def test_change_behind_the_history(new_host: HostFactory) -> None:
    """What comes after the recorded part can be changed freely."""
    host = new_host(APP)
    instance_id = host.begin("flow")
    until(lambda: first_is_done(host, instance_id))
    host.stop()
    script = host.app_dir / "function_app.py"
    more = '    c = yield context.call_activity("other", 3)\n    return [a, b, c]\n'
    script.write_text(script.read_text().replace("    return [a, b]\n", more))
    assert host.replay().returncode == 0
    host.start()
    host.raise_event(instance_id, "go", 2)
    assert host.finish(instance_id)["output"] == [1, 2, 3]


def test_orchestrator_that_is_gone(new_host: HostFactory) -> None:
    """A live instance whose orchestrator no longer exists fails with the reason; the replay command names it."""
    host = new_host(APP)
    instance_id = host.begin("flow")
    until(lambda: first_is_done(host, instance_id))
    host.stop()
    script = host.app_dir / "function_app.py"
    script.write_text(script.read_text().replace("def flow(", "def renamed("))
    assert "no orchestrator is named 'flow' now" in host.replay().stdout
    host.start()
    host.raise_event(instance_id, "go", 2)
    assert "The function 'flow' doesn't exist, is disabled" in host.finish(instance_id)["output"]


def test_replay_without_a_task_hub(new_host: HostFactory) -> None:
    """A folder that holds none is an error, not an empty success."""
    host = new_host.make(APP)
    done = host.replay()
    assert (done.returncode, done.stderr) == (1, f"error: no task hub and no kept histories in {host.data_dir}\n")
