"""Durable entities: operations of one entity run one at a time, in batches (runs in the host).

A batch reads the entity's state and its oldest requests, has a worker run the entity function, and commits state,
replies, and consumed requests in one transaction. The JSON shapes are those of ``DurableEntityContext`` and
``EntityState`` in azure.durable_functions.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import uuid
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from local_host import logs
from local_host.app_index import ENTITY
from local_host.background import BackgroundTasks
from local_host.engine import Engine
from local_host.errors import FunctionFailedError, FunctionTimeoutError, InvalidRequestError, WorkerDiedError
from local_host.function_table import FunctionTable, unknown_function
from local_host.history import EventType, format_time, new_event, to_text, utc_now
from local_host.settings import HostSettings
from local_host.task_hub import STORAGE_PAUSE, EntityRequest, Message, TaskHub
from local_host.worker_pool import MAX_DELIVERIES, Place, WorkerPool

_BATCH = 100


def split_id(entity_id: str) -> tuple[str, str]:
    """Return name and key of ``@name@key``."""
    name, _, key = entity_id[1:].partition("@")
    return name, key


class EntityEngine:
    """Runs the entities of one task hub."""

    def __init__(self, hub: TaskHub, engine: Engine, functions: FunctionTable, settings: HostSettings) -> None:
        self._hub = hub
        self._engine = engine
        self._functions = functions
        self._settings = settings
        self._pool: WorkerPool | None = None
        self._loop = asyncio.get_running_loop()
        self._ready: OrderedDict[str, None] = OrderedDict()
        self._running: set[str] = set()
        self._again: set[str] = set()
        self._deaths: dict[str, int] = {}
        self._tasks = BackgroundTasks()
        self._stopping = False
        engine.on_entities = self.notify

    def start(self, pool: WorkerPool) -> None:
        """Take up the requests the task hub holds."""
        self._pool = pool
        self.notify(self._hub.pending_entities())

    async def stop(self) -> None:
        """Run nothing more."""
        self._stopping = True
        await self._tasks.stop()

    def signal(self, name: str, key: str, operation: str, text: str) -> None:
        """Send a one-way operation; ``text`` is its input as JSON text. Raises InvalidRequestError (unknown entity)."""
        if self._functions.entity(name) is None:
            raise InvalidRequestError(unknown_function(name, "an entity", self._functions.entities.values()))
        entity_id = f"@{name.lower()}@{key}"
        request = {"id": str(uuid.uuid4()), "op": operation, "signal": True, "raw": text}
        self._hub.signal([EntityRequest(entity_id, request)])
        self.notify([entity_id])

    def state(self, name: str, key: str) -> str | None:
        """Return the state as JSON text, None when the entity does not exist."""
        return self._hub.entity_state(f"@{name.lower()}@{key}")

    def list_entities(self, name: str | None) -> list[tuple[str, str, str, str]]:
        """Return (name, key, state, time of the last operation) of entities."""
        return [(*split_id(row[0]), row[1], row[2]) for row in self._hub.list_entities(name)]

    def purge(self, entity_id: str) -> bool:
        """Remove an entity's state; tell whether there was one."""
        existed = self._hub.entity_state(entity_id) is not None
        self._hub.commit_batch(entity_id, None, format_time(utc_now()), [], [], [])
        return existed

    def notify(self, entity_ids: Iterable[str]) -> None:
        """Have the entities run what they were asked for soon."""
        for entity_id in entity_ids:
            if entity_id in self._running:
                self._again.add(entity_id)
            else:
                self._ready[entity_id] = None
        self.pump()

    def pump(self) -> None:
        """Hand out batches while a worker has a place."""
        while self._pool is not None and self._ready and not self._stopping:
            if len(self._running) >= self._settings.max_concurrent_entities:
                return
            place = self._pool.place(ENTITY)
            if place is None:
                return
            entity_id, _ = self._ready.popitem(last=False)
            rows = self._hub.entity_requests(entity_id, _BATCH)
            if not rows:
                place.free()
            else:
                self._running.add(entity_id)
                self._tasks.spawn(self._run(entity_id, rows, place))

    async def _run(self, entity_id: str, rows: list[tuple[int, dict[str, Any]]], place: Place) -> None:
        try:
            await self._try_batch(entity_id, rows, place)
            self._deaths.pop(entity_id, None)
        except WorkerDiedError as error:
            deaths = self._deaths[entity_id] = self._deaths.get(entity_id, 0) + 1
            logs.event("entity.redelivered", level=logging.WARNING, entity=entity_id, deaths=deaths, error=str(error))
            if deaths >= MAX_DELIVERIES:
                self._fail(entity_id, rows, f"{deaths} worker processes ended while they ran the entity")
            else:
                self._again.add(entity_id)
        except sqlite3.Error as error:
            logs.event("hub.failed", level=logging.CRITICAL, error=str(error))
            self._loop.call_later(STORAGE_PAUSE, self.notify, [entity_id])
        finally:
            place.free()
            self._running.discard(entity_id)
            if entity_id in self._again or len(rows) == _BATCH:
                self._again.discard(entity_id)
                self._ready[entity_id] = None
            self.pump()
            self._engine.pump()

    async def _try_batch(self, entity_id: str, rows: list[tuple[int, dict[str, Any]]], place: Place) -> None:
        name, key = split_id(entity_id)
        function = self._functions.entity(name)
        if function is None:
            self._fail(entity_id, rows, unknown_function(name, "an entity", self._functions.entities.values()))
            return
        state = self._hub.entity_state(entity_id)
        batch = [{"name": r["op"], "input": _batch_input(r), "isSignal": r["signal"]} for _, r in rows]
        body = {"self": {"name": name, "key": key}, "exists": state is not None, "state": state, "batch": batch}
        header = {"id": str(uuid.uuid4()), "kind": ENTITY, "function": function.name}
        try:
            _, answer = await place.call(header, json.dumps(body).encode(), self._settings.function_timeout)
        except FunctionTimeoutError as error:
            self._fail(entity_id, rows, str(error))
            return
        except FunctionFailedError as failure:
            self._fail(entity_id, rows, f"{failure.kind}: {failure.message}")
            return
        outcome = json.loads(answer)
        replies = []
        for (_, request), result in zip(rows, outcome["results"], strict=True):
            if result["isError"]:
                logs.event("entity.failed", level=logging.ERROR, entity=entity_id, operation=request["op"])
            replies += _reply(request, result["result"], failed=result["isError"])
        new_state = outcome["entityState"] if outcome["entityExists"] else None
        self._commit(entity_id, new_state, rows, replies)

    def _fail(self, entity_id: str, rows: list[tuple[int, dict[str, Any]]], words: str) -> None:
        logs.event("entity.failed", level=logging.ERROR, entity=entity_id, error=words)
        replies = [reply for _, request in rows for reply in _reply(request, json.dumps(words), failed=True)]
        self._commit(entity_id, self._hub.entity_state(entity_id), rows, replies)

    def _commit(
        self, entity_id: str, state: str | None, rows: list[tuple[int, dict[str, Any]]], replies: list[Message]
    ) -> None:
        consumed = [row_id for row_id, _ in rows]
        self._engine.dispatch(self._hub.commit_batch(entity_id, state, format_time(utc_now()), consumed, replies, []))


def _batch_input(request: dict[str, Any]) -> str:
    """Return the input as the entity context reads it: JSON text of a string that holds JSON text, or ``null``."""
    return str(request["raw"]) if "raw" in request else json.dumps(request["input"])


def _reply(request: dict[str, Any], result: str | None, *, failed: bool) -> list[Message]:
    if request["signal"]:
        return []
    answer = {"result": "null" if result is None else result}
    if failed:
        answer["exceptionType"] = "Error"
    event = new_event(EventType.EVENT_RAISED, format_time(utc_now()), Name=request["id"], Input=json.dumps(answer))
    return [Message(request["parent"], request["parentExecution"], to_text(event))]
