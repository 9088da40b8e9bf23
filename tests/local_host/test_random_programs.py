"""Random orchestrations with random kills end as they would without.

``LOCAL_HOST_KILLS`` sets the number of kills (default: a handful), ``LOCAL_HOST_SEED`` the seed.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest

from tests.local_host.conftest import FINISHED, HostFactory, RunningHost, assert_replays, until

KILLS = int(os.environ.get("LOCAL_HOST_KILLS", "4"))
SEED = int(os.environ.get("LOCAL_HOST_SEED", "20260131"))
ROUND = 25
"""Kills of one task hub; with each of them another program begins."""

APP = """
RETRY = df.RetryOptions(first_retry_interval_in_milliseconds=10, max_number_of_attempts=4)

@app.activity_trigger("value")
def act(value):
    time.sleep(0.01)
    return value

@app.activity_trigger("value")
async def act_async(value):
    await asyncio.sleep(0.01)
    return value

@app.activity_trigger("value")
def fails(value):
    raise ValueError(f"no {value}")

@app.activity_trigger("spec")
def fails_twice(spec: dict):
    mark(spec["name"])
    if (MARKS / spec["name"]).stat().st_size <= 2:
        raise RuntimeError("again")
    return spec["value"]

@app.entity_trigger("context")
def adder(context):
    total = context.get_state(lambda: 0) + context.get_input()
    context.set_state(total)
    context.set_result(total)

def task(context, node):
    match node["op"]:
        case "act" | "act_async":
            return context.call_activity(node["op"], node["value"])
        case "sub":
            return context.call_sub_orchestrator("program", node["program"], node["id"])
        case "timer":
            return context.create_timer(context.current_utc_datetime + timedelta(milliseconds=node["ms"]))
        case "entity":
            return context.call_entity(df.EntityId("adder", node["key"]), "add", node["value"])
        case "event":
            return context.wait_for_external_event(node["name"])

@app.orchestration_trigger("context")
def program(context):
    values = []
    for number, node in enumerate(context.get_input()):
        match node["op"]:
            case "all":
                value = yield context.task_all([task(context, child) for child in node["children"]])
            case "any":
                deadline = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
                winner = yield context.task_any([task(context, node["child"]), deadline])
                deadline.cancel()
                value = winner.result
            case "caught":
                try:
                    value = yield context.call_activity("fails", node["value"])
                except Exception as error:
                    value = str(error).split("\\n")[0].strip()
            case "retry":
                spec = {"name": f"{context.instance_id}-{number}".replace(":", "_"), "value": node["value"]}
                value = yield context.call_activity_with_retry("fails_twice", RETRY, spec)
            case _:
                value = yield task(context, node)
        values.append(value)
        context.set_custom_status(len(values))
    return values
"""


class Programs:
    """Makes programs and says what they return."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._count = 0
        self.events: list[str] = []

    def program(self, depth: int = 0) -> list[dict[str, Any]]:
        return [self._node(depth) for _ in range(self._random.randint(2, 7 - 2 * depth))]

    def _node(self, depth: int) -> dict[str, Any]:
        op = self._random.choice(["leaf", "leaf", "all", "any", "caught", "retry"])
        match op:
            case "all":
                return {"op": op, "children": [self._leaf(depth) for _ in range(self._random.randint(1, 6))]}
            case "any":
                return {"op": op, "child": {"op": "act", "value": self._number()}}
            case "leaf":
                return self._leaf(depth)
        return {"op": op, "value": self._number()}

    def _leaf(self, depth: int) -> dict[str, Any]:
        ops = ["act", "act_async", "timer", "entity", "event", "sub"]
        op = self._random.choice(ops if depth < 2 else ops[:-2])
        number = self._number()
        match op:
            case "sub":
                return {"op": op, "program": self.program(depth + 1), "id": f"sub-{number}"}
            case "timer":
                return {"op": op, "ms": self._random.randint(0, 400)}
            case "entity":
                return {"op": op, "key": f"e{number}", "value": number}
            case "event" if depth == 0:
                self.events.append(f"event-{number}")
                return {"op": op, "name": f"event-{number}"}
        return {"op": "act" if op == "event" else op, "value": number}

    def _number(self) -> int:
        self._count += 1
        return self._count


def expected(program: list[dict[str, Any]]) -> list[Any]:
    """What the program returns when nothing goes wrong."""
    return [_value(node) for node in program]


def _value(node: dict[str, Any]) -> Any:
    match node["op"]:
        case "all":
            return [_value(child) for child in node["children"]]
        case "any":
            return _value(node["child"])
        case "caught":
            return f"Activity function 'fails' failed:  ValueError: no {node['value']}"
        case "sub":
            return expected(node["program"])
        case "timer":
            return None
        case "event":
            return node["name"].upper()
    return node["value"]


def test_programs_end_as_without_kills(new_host: HostFactory, request: pytest.FixtureRequest) -> None:
    """No instance is lost, none returns anything else, nothing completes twice, every history replays."""
    chance = random.Random(SEED)
    killed: Counter[str] = Counter()
    instances = 0
    for first in range(0, KILLS, ROUND):
        host = new_host(APP)
        programs: dict[str, list[dict[str, Any]]] = {}
        for number in range(first, min(first + ROUND, KILLS)):
            _begin(host, programs, f"run-{number}", Programs(SEED + number))
            time.sleep(chance.uniform(0.0, 0.25))
            killed[_kill_something(host, chance)] += 1
        for instance_id, program in programs.items():
            status = host.finish(instance_id, 120)
            assert (status["runtimeStatus"], status["output"]) == ("Completed", expected(program)), instance_id
        rows = host.manage("GET", "instances/", top="1000000").json()
        assert [row for row in rows if row["runtimeStatus"] not in FINISHED] == []
        instances += len(rows)
        assert host.stop() == 0
        assert _ended_twice(host) == []
        assert_replays(host)
    request.config.get_terminal_writer().line(f"\n{killed.total()} kills {dict(killed)}, {instances} instances")


def _begin(host: RunningHost, programs: dict[str, list[dict[str, Any]]], instance_id: str, maker: Programs) -> None:
    program = programs[instance_id] = maker.program()
    host.begin("program", _own_ids(program, instance_id), instance_id)
    for event in maker.events:
        host.raise_event(instance_id, event, event.upper())


def _kill_something(host: RunningHost, chance: random.Random) -> str:
    """The whole group, the host alone, or one worker; tells which."""
    what = chance.choice(["group", "group", "host", "worker"])
    if what == "worker":
        workers = until(lambda: host.workers())
        with suppress(ProcessLookupError):
            os.kill(chance.choice(workers), signal.SIGKILL)
        return what
    if what == "group":
        host.kill()
    else:
        assert host.process is not None
        host.process.kill()
        host.process.wait()
        assert host.process.stdout is not None
        host.process.stdout.close()
    host.start()
    return what


def _ended_twice(host: RunningHost) -> list[Any]:
    """Tasks with two completions in a history, and instances that did not complete exactly once."""
    db = sqlite3.connect(host.data_dir / "testhubname.db")
    tasks = db.execute(
        "SELECT instance_id, event->>'EventType' IN (8, 9), event->>'TaskScheduledId', event->>'TimerId' FROM history "
        "WHERE event->>'EventType' IN (5, 6, 8, 9, 11) GROUP BY 1, 2, 3, 4 HAVING count(*) > 1"
    ).fetchall()
    ends = db.execute(
        "SELECT instance_id FROM instances LEFT JOIN history USING (instance_id) GROUP BY 1 "
        "HAVING count(*) FILTER (WHERE event->>'EventType' = 1) <> 1"
    ).fetchall()
    db.close()
    return tasks + ends


def _own_ids(program: list[dict[str, Any]], prefix: str) -> list[dict[str, Any]]:
    """Give sub-orchestrations and entities ids that no other program has."""
    for node in program:
        for child in [node, *node.get("children", []), *([node["child"]] if "child" in node else [])]:
            if child["op"] == "sub":
                child["id"] = f"{prefix}-{child['id']}"
                _own_ids(child["program"], prefix)
            elif child["op"] == "entity":
                child["key"] = f"{prefix}-{child['key']}"
    return program
