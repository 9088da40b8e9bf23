"""Two hosts on one task hub: one has it, the other takes over when the first has ended or is silent."""

from __future__ import annotations

import os
import signal
import sqlite3

from tests.local_host.conftest import HostFactory, RunningHost, assert_replays, until

APP = """
@app.activity_trigger("name")
def step(name: str):
    mark(f"began-{name}")
    while not (MARKS / f"go-{name}").exists():
        time.sleep(0.02)
    return f"{name} by {os.getppid()}"

@app.orchestration_trigger("context")
def steps(context):
    first = yield context.call_activity("step", "first")
    second = yield context.call_activity("step", "second")
    return [first, second]

@app.timer_trigger("timer", "* * * * * *")
def ticks(timer: func.TimerRequest) -> None:
    mark(f"tick-{os.getppid()}")
"""


def another(host: RunningHost, factory: HostFactory) -> RunningHost:
    """A second host on the same app, task hub and marks."""
    second = factory.make(APP)
    second.app_dir, second.data_dir, second.marks = host.app_dir, host.data_dir, host.marks
    return second


def test_a_hub_has_one_host(new_host: HostFactory) -> None:
    """A second host on the same task hub says which process holds it, and ends; the first goes on."""
    host = new_host(APP)
    assert host.process is not None
    second = host.spawn()
    assert second.wait(60) == 1
    assert second.stdout is not None
    second.stdout.close()
    assert f"is in use by another host (process {host.process.pid})" in host.log()
    (host.marks / "go-first").touch()
    (host.marks / "go-second").touch()
    assert len(host.run("steps")) == 2


def test_stopped_host_that_continues_writes_nothing(new_host: HostFactory) -> None:
    """A host that is silent loses the hub; when it continues it ends, and what it still had to write is not written."""
    first = new_host(APP)
    assert first.process is not None
    first_pid = first.process.pid
    instance_id = first.begin("steps")
    until(lambda: first.marked("began-first") == 1)
    os.kill(first_pid, signal.SIGSTOP)
    # The stopped host's worker ends the activity; the result waits for the host to continue.
    (first.marks / "go-first").touch()
    second = another(first, new_host).start()
    assert second.process is not None
    until(lambda: second.marked("began-second") == 1)
    ticks = first.marked(f"tick-{first_pid}")
    os.kill(first_pid, signal.SIGCONT)
    assert first.process.wait(60) == 1
    last = first.log().strip().splitlines()[-1]
    assert f"was taken over by another host (process {second.process.pid})" in last
    assert first.marked(f"tick-{first_pid}") == ticks
    (first.marks / "go-second").touch()
    by_second = f"by {second.process.pid}"
    assert second.finish(instance_id)["output"] == [f"first {by_second}", f"second {by_second}"]
    assert second.stop() == 0
    assert _completions(second) == [0, 1]
    assert_replays(second)


def test_host_that_was_killed_is_followed_at_once(new_host: HostFactory) -> None:
    """Nobody waits for the lease of a host that has ended, nor for that of one that was told to stop."""
    host = new_host(APP)
    host.begin("steps", None, "job")
    until(lambda: host.marked("began-first") == 1)
    host.kill()
    second = another(host, new_host).start()
    until(lambda: second.marked("began-first") == 2)
    assert second.stop() == 0
    host.start()
    assert "hub.held" not in host.log() + second.log()


def _completions(host: RunningHost) -> list[int]:
    """The ids of the activities whose completion is recorded."""
    db = sqlite3.connect(host.data_dir / "testhubname.db")
    rows = db.execute(
        "SELECT json_extract(event, '$.TaskScheduledId') FROM history WHERE json_extract(event, '$.EventType') = 5"
    ).fetchall()
    db.close()
    return [row[0] for row in rows]
