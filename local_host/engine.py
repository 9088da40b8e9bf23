"""Takes orchestration instances from one episode to the next (runs in the host).

An instance with messages is ready. Its episode reads the inbox, has a worker replay the history with the new events,
and commits what the worker decided in one transaction. The new activities, timers and messages are dispatched after
the commit; after a crash the same rows are found in the task hub and dispatched again. So an episode takes effect
exactly once, and an activity runs at least once.

Completions that arrive while an episode runs are in the next one together. When replays get long, the next episode
waits about as long as the last one took, so that a large fan-out does not spend its time replaying.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from local_host import logs
from local_host.activities import Activities, HttpCall
from local_host.app_index import ORCHESTRATION
from local_host.background import BackgroundTasks
from local_host.durable_timers import DurableTimers
from local_host.episode import CONTEXT_OPTIONS, HTTP_ACTIVITY
from local_host.errors import (
    FunctionFailedError,
    FunctionTimeoutError,
    InstanceGoneError,
    InstanceNotFoundError,
    InstanceStateError,
    InvalidRequestError,
    WorkerDiedError,
)
from local_host.function_table import FunctionTable, unknown_function
from local_host.history import (
    EVENT_NAMES,
    Event,
    EventType,
    as_played,
    event_text,
    format_time,
    new_event,
    to_text,
    utc_now,
)
from local_host.settings import HostSettings
from local_host.task_hub import (
    FINISHED,
    LIVE,
    STORAGE_PAUSE,
    Committed,
    EntityRequest,
    Episode,
    InboxRow,
    Instance,
    Message,
    TaskHub,
)
from local_host.versions import MISMATCH, Failure
from local_host.worker_pool import MAX_DELIVERIES, Place, WorkerPool

MAX_INSTANCE_ID = 100
_MESSAGES_PER_EPISODE = 5000
_HISTORY_CACHE_BYTES = 16 * 1024 * 1024
_LONG_EPISODE = 0.01
_LONGEST_HOLD = 0.5


def check_instance_id(instance_id: str) -> None:
    """Raise InvalidRequestError when an orchestration instance cannot have the id."""
    if len(instance_id) > MAX_INSTANCE_ID:
        raise InvalidRequestError(
            f"Instance ID lengths must not exceed {MAX_INSTANCE_ID} characters, got {len(instance_id)}."
        )
    if instance_id.startswith("@"):
        raise InvalidRequestError("Orchestration instance IDs must not start with @.")
    if any(c in "/\\#?" or ord(c) < 32 or 0x7F <= ord(c) <= 0x9F for c in instance_id):
        raise InvalidRequestError("Instance IDs must not contain '/', '\\', '#', '?', or control characters.")


class Engine:
    """Runs the orchestrations of one task hub."""

    def __init__(self, hub: TaskHub, functions: FunctionTable, settings: HostSettings, http_call: HttpCall) -> None:
        self._hub = hub
        self._functions = functions
        self._settings = settings
        self._pool: WorkerPool | None = None
        self._loop = asyncio.get_running_loop()
        self._tasks = BackgroundTasks()
        self._pump_scheduled = False
        self._stopping = False
        self._ready: OrderedDict[str, None] = OrderedDict()
        self._running: set[str] = set()
        self._again: set[str] = set()
        self._held: dict[str, asyncio.TimerHandle] = {}
        self._hold_until: dict[str, float] = {}
        self._deaths: dict[str, int] = {}
        self._history = _HistoryCache(_HISTORY_CACHE_BYTES)
        self._activities = Activities(hub, functions, settings, http_call, self._results_came, self.pump)
        self._timers = DurableTimers(hub, self.notify)
        self._waiters: dict[str, list[asyncio.Future[None]]] = {}
        self.on_entities: Callable[[Iterable[str]], None] = lambda _ids: None

    def start(self, pool: WorkerPool) -> None:
        """Take up all work the task hub holds."""
        self._pool = pool
        recovered = Committed(
            activities=self._hub.pending_activities(),
            timers=self._hub.pending_timers(),
            instances=set(self._hub.pending_instances()),
        )
        if recovered.activities or recovered.timers or recovered.instances:
            logs.event(
                "hub.recovered",
                activities=len(recovered.activities),
                timers=len(recovered.timers),
                instances=len(recovered.instances),
            )
        self.dispatch(recovered)

    async def stop(self) -> None:
        """Dispatch nothing more. Work in progress stays in the task hub for the next start."""
        self._stopping = True
        for handle in self._held.values():
            handle.cancel()
        self._timers.stop()
        await self._tasks.stop()
        await self._activities.stop()

    # What clients ask for

    def start_instance(self, name: str, instance_id: str | None, text: str | None, version: str | None = None) -> str:
        """Create an instance and return its id. ``text`` is the input as JSON text.

        Raises InvalidRequestError (unknown function, bad id) and InstanceExistsError (a live one has the id).
        """
        instance_id = instance_id or uuid.uuid4().hex
        check_instance_id(instance_id)
        function = self._functions.orchestrator(name)
        if function is None:
            known = self._functions.orchestrators.values()
            raise InvalidRequestError(unknown_function(name, "an orchestrator", known))
        instance, event = self._new_instance(
            function.durable_name, instance_id, text, version or self._settings.versioning.default or None
        )
        self._hub.create_instance(instance, event)
        self._history.forget(instance_id)
        logs.event("orchestration.scheduled", orchestration=name, instance=instance_id)
        self.notify(instance_id)
        return instance_id

    def raise_event(self, instance_id: str, name: str, text: str) -> None:
        """Send an external event; ``text`` is its data as JSON text.

        Raises InstanceNotFoundError and InstanceGoneError.
        """
        self._live(instance_id)
        self._send(instance_id, EventType.EVENT_RAISED, Name=name, Input=text)

    def terminate(self, instance_id: str, reason: str) -> None:
        """End an instance without running it again. Raises InstanceNotFoundError, InstanceGoneError."""
        self._live(instance_id)
        self._send(instance_id, EventType.EXECUTION_TERMINATED, Input=reason)

    def suspend(self, instance_id: str, reason: str) -> None:
        """Hold an instance until it is resumed.

        Raises InstanceNotFoundError, InstanceGoneError, and InstanceStateError when it is suspended.
        """
        instance = self._live(instance_id)
        if instance.status == "Suspended":
            raise InstanceStateError(_wrong_state("suspend", instance))
        self._send(instance_id, EventType.EXECUTION_SUSPENDED, Reason=reason)

    def resume(self, instance_id: str, reason: str) -> None:
        """Let a suspended instance go on.

        Raises InstanceNotFoundError, InstanceGoneError, and InstanceStateError when it is not suspended.
        """
        instance = self._live(instance_id)
        if instance.status != "Suspended":
            raise InstanceStateError(_wrong_state("resume", instance))
        self._send(instance_id, EventType.EXECUTION_RESUMED, Reason=reason)

    def restart(self, instance_id: str, *, new_id: bool) -> str:
        """Start the instance's orchestrator again with the same input, and return the id.

        Raises InstanceNotFoundError and InstanceExistsError (same id, still live).
        """
        instance = self._hub.get_instance(instance_id)
        if instance is None:
            raise InstanceNotFoundError(instance_id)
        return self.start_instance(instance.name, None if new_id else instance_id, instance.input, instance.version)

    def rewind(self, instance_id: str, reason: str) -> None:
        """Let a failed instance do again what failed.

        Failed activities are scheduled anew under their old ids; failed sub-orchestrations are rewound in turn. Raises
        InstanceNotFoundError, InstanceGoneError when the instance has finished otherwise, InstanceStateError when it is
        live.
        """
        instance = self._hub.get_instance(instance_id)
        if instance is None:
            raise InstanceNotFoundError(instance_id)
        if instance.status not in FINISHED:
            raise InstanceStateError("The rewind operation is only supported on failed orchestration instances.")
        if instance.status != "Failed":
            raise InstanceGoneError(instance_id, instance.status)
        events = [json.loads(text) for text in self._hub.history(instance_id)]
        failed = {e["TaskScheduledId"] for e in events if e["EventType"] == EventType.TASK_FAILED}
        failed_children = {e["TaskScheduledId"] for e in events if e["EventType"] == EventType.SUB_ORCHESTRATION_FAILED}
        erased = (EventType.TASK_FAILED, EventType.SUB_ORCHESTRATION_FAILED, EventType.EXECUTION_COMPLETED)
        texts = []
        for event in events:
            event_type = event["EventType"]
            if event_type in erased or (event_type == EventType.TASK_SCHEDULED and event["EventId"] in failed):
                data = f"Rewound: {EVENT_NAMES[EventType(event_type)]}"
                event = new_event(EventType.GENERIC, event["Timestamp"], Data=data)
            texts.append(as_played(to_text(event)))
        now = format_time(utc_now())
        row = replace(instance, status="Running", output=None, updated=now)
        message = Message(
            instance_id, instance.execution_id, event_text(EventType.EXECUTION_REWOUND, now, Reason=reason)
        )
        children = [
            c
            for c in self._hub.children(instance_id)
            if c.parent_task in failed_children and c.parent_execution == instance.execution_id and c.status == "Failed"
        ]
        self._hub.replace_history(row, texts, [message])
        self._history.forget(instance_id)
        for child in children:
            self.rewind(child.instance_id, reason)
        self.notify(instance_id)

    async def wait_finished(self, instance_id: str, seconds: float) -> bool:
        """Wait until the instance has finished, at most that long; tell whether it has."""
        instance = self._hub.get_instance(instance_id)
        if instance is None or instance.status in FINISHED:
            return instance is not None
        future: asyncio.Future[None] = self._loop.create_future()
        waiters = self._waiters.setdefault(instance_id, [])
        waiters.append(future)
        try:
            await asyncio.wait_for(future, seconds)
        except TimeoutError:
            return False
        finally:
            if future in waiters:
                waiters.remove(future)
            if not waiters and self._waiters.get(instance_id) is waiters:
                del self._waiters[instance_id]
        return True

    # Dispatching

    def notify(self, instance_id: str) -> None:
        """Have the instance read its inbox soon."""
        if instance_id in self._running:
            self._again.add(instance_id)
            return
        if instance_id in self._ready or instance_id in self._held:
            return
        self._ready[instance_id] = None
        self.pump()

    def dispatch(self, committed: Committed) -> None:
        """Send on its way what a transaction has written."""
        for activity in committed.activities:
            self._activities.add(activity)
        if committed.timers:
            self._timers.add(committed.timers)
        for instance_id in committed.instances:
            self.notify(instance_id)
        if committed.entities:
            self.on_entities(committed.entities)
        self.pump()

    def pump(self) -> None:
        """Hand out work as soon as the loop is free."""
        if not self._pump_scheduled and not self._stopping:
            self._pump_scheduled = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_scheduled = False
        if self._pool is None or self._stopping:
            return
        while self._ready and len(self._running) < self._settings.max_concurrent_orchestrators:
            place = self._pool.place(ORCHESTRATION)
            if place is None:
                break
            instance_id, _ = self._ready.popitem(last=False)
            if not self._begin_episode(instance_id, place):
                place.free()
        self._activities.hand_out(self._pool)

    # Episodes

    def _begin_episode(self, instance_id: str, place: Place) -> bool:
        """Begin an episode in the place; tell whether the place is used."""
        instance = self._hub.get_instance(instance_id)
        limit = -1 if instance is not None and instance.status == "Suspended" else _MESSAGES_PER_EPISODE
        rows = self._hub.inbox(instance_id, limit)
        if not rows:
            return False
        if instance is None or instance.status in FINISHED:
            self._hub.drop_messages([row.row_id for row in rows])
            return False
        versioning = self._settings.versioning
        runs = versioning.runs(instance.version)
        if not runs and versioning.failure is Failure.REJECT:
            logs.event(
                "orchestration.rejected",
                level=logging.WARNING,
                orchestration=instance.name,
                instance=instance_id,
                version=instance.version,
                default=versioning.default,
            )
            return False
        batch = _Batch(instance, rows)
        if not runs:
            started = event_text(EventType.ORCHESTRATOR_STARTED, format_time(utc_now()))
            self._finish_failed(instance, batch, [started, *map(to_text, batch.events)], MISMATCH, "")
        elif batch.terminated is not None:
            self._finish_terminated(instance, batch)
        elif batch.suspended:
            self._commit_suspended(instance, batch)
        elif not batch.events:
            self._hub.drop_messages(batch.consumed)
        else:
            self._running.add(instance_id)
            self._tasks.spawn(self._run_episode(instance, batch, place))
            return True
        return False

    async def _run_episode(self, instance: Instance, batch: _Batch, place: Place) -> None:
        instance_id = instance.instance_id
        began = self._loop.time()
        try:
            await self._try_episode(instance, batch, place)
            self._deaths.pop(instance_id, None)
        except WorkerDiedError as error:
            self._episode_died(instance, batch, error)
        except sqlite3.Error as error:
            self._storage_failed(error, lambda: self.notify(instance_id))
        finally:
            place.free()
            seconds = self._loop.time() - began
            self._running.discard(instance_id)
            if seconds > _LONG_EPISODE:
                self._hold_until[instance_id] = self._loop.time() + min(1.5 * seconds, _LONGEST_HOLD)
            else:
                self._hold_until.pop(instance_id, None)
            if instance_id in self._again:
                self._again.discard(instance_id)
                self._notify_later(instance_id)
            self.pump()

    async def _try_episode(self, instance: Instance, batch: _Batch, place: Place) -> None:
        now = format_time(utc_now())
        function = self._functions.orchestrator(instance.name)
        events = [new_event(EventType.ORCHESTRATOR_STARTED, now), *batch.events]
        texts = [to_text(event) for event in events]
        if function is None:
            words = unknown_function(instance.name, "an orchestrator", self._functions.orchestrators.values())
            self._finish_failed(instance, batch, texts, words, "")
            return
        past = self._history.get(instance) or self._hub.history(instance.instance_id)
        header = {
            "id": str(uuid.uuid4()),
            "kind": ORCHESTRATION,
            "function": function.name,
            "execution_id": instance.execution_id,
        }
        body = self._context(instance, past, texts)
        try:
            done, _ = await place.call(header, body, self._settings.function_timeout)
        except FunctionTimeoutError as error:
            self._finish_failed(instance, batch, texts, f"Orchestrator function '{instance.name}' failed: {error}", "")
            return
        except FunctionFailedError as failure:
            words = f"Orchestrator function '{instance.name}' failed: {failure.message}"
            self._finish_failed(instance, batch, texts, words, failure.stack)
            return
        self._commit(instance, batch, past, texts, done["outcome"])

    def _context(self, instance: Instance, past: list[str], new: list[str]) -> bytes:
        rest = {
            "instanceId": instance.instance_id,
            "isReplaying": bool(past),
            "parentInstanceId": instance.parent_id,
            **CONTEXT_OPTIONS,
        }
        history = ",".join([*past, *new])
        return f'{{"history":[{history}],"input":{instance.input or "null"},{json.dumps(rest)[1:]}'.encode()

    def _commit(
        self, instance: Instance, batch: _Batch, past: list[str], texts: list[str], outcome: dict[str, Any]
    ) -> None:
        now = format_time(utc_now())
        status = outcome["status"]
        if status == "failed" and not outcome["decisions"]:
            row = replace(instance, custom_status=outcome["custom_status"])
            self._finish_failed(row, batch, texts, outcome["output"], outcome["stack"])
            return
        row = replace(instance, status="Running", updated=now, custom_status=outcome["custom_status"])
        episode = Episode(row, len(past), batch.consumed)
        created = self._apply(row, outcome["decisions"], episode, now)
        events = [*texts, *created]
        if status == "continued":
            self._commit_continued(row, outcome, episode, now)
            return
        if status in ("completed", "failed"):
            self._complete(row, episode, events, status, outcome["output"], outcome["stack"])
        events.append(event_text(EventType.ORCHESTRATOR_COMPLETED, now))
        episode.events = [as_played(text) for text in events]
        committed = self._hub.commit_episode(episode)
        if row.status in LIVE:
            self._history.put(row, [*past, *episode.events])
        else:
            self._finished(row)
        self.dispatch(committed)

    def _apply(self, instance: Instance, decisions: list[dict[str, Any]], episode: Episode, now: str) -> list[str]:
        """Put the decisions into the episode and return their created events."""
        created = []
        for decision in decisions:
            task_id = decision["id"]
            match decision["kind"]:
                case "activity":
                    text = decision["input"]
                    fields = {"Name": decision["name"], "Version": "", "Input": json.dumps([text])}
                    created.append(event_text(EventType.TASK_SCHEDULED, now, task_id, **fields))
                    episode.activities.append((task_id, decision["name"], text))
                case "http":
                    request = json.dumps(decision["request"])
                    fields = {"Name": HTTP_ACTIVITY, "Version": "", "Input": json.dumps([request])}
                    created.append(event_text(EventType.TASK_SCHEDULED, now, task_id, **fields))
                    episode.activities.append((task_id, HTTP_ACTIVITY, request))
                case "timer":
                    created.append(event_text(EventType.TIMER_CREATED, now, task_id, FireAt=decision["fire_at"]))
                    episode.timers.append((task_id, decision["fire_at"]))
                case "sub":
                    created.append(self._start_child(instance, decision, episode, now))
                case _:
                    created.append(_entity_request(instance, decision, episode, now))
        return created

    def _start_child(self, parent: Instance, decision: dict[str, Any], episode: Episode, now: str) -> str:
        name, child_id, task_id = decision["name"], decision["instance_id"], decision["id"]
        version = decision["version"] or self._settings.versioning.default or None
        text = json.dumps(decision["input"])
        function = self._functions.orchestrator(name)
        problem = None
        if function is None:
            problem = unknown_function(name, "an orchestrator", self._functions.orchestrators.values())
        elif decision["instance_id"] != f"{parent.execution_id}:{task_id}":
            try:
                check_instance_id(child_id)
            except InvalidRequestError as error:
                problem = str(error)
        if function is None or problem is not None:
            failed = event_text(
                EventType.SUB_ORCHESTRATION_FAILED, now, TaskScheduledId=task_id, Reason=problem, Details=None
            )
            episode.messages.append(Message(parent.instance_id, parent.execution_id, failed))
        else:
            child, event = self._new_instance(function.durable_name, child_id, text, version, parent, task_id)
            episode.children.append((child, event))
            self._history.forget(child_id)
        return event_text(
            EventType.SUB_ORCHESTRATION_CREATED,
            now,
            task_id,
            Name=name,
            InstanceId=child_id,
            Version=version,
            Input=text,
        )

    def _new_instance(
        self,
        name: str,
        instance_id: str,
        text: str | None,
        version: str | None,
        parent: Instance | None = None,
        parent_task: int | None = None,
    ) -> tuple[Instance, str]:
        now = format_time(utc_now())
        execution_id = uuid.uuid4().hex
        instance = Instance(
            instance_id, execution_id, name, version, "Pending", text, None, None, now, now,
            parent.instance_id if parent else None, parent.execution_id if parent else None, parent_task,
        )  # fmt: skip
        return instance, _started_event(instance, now)

    def _complete(
        self, row: Instance, episode: Episode, events: list[str], status: str, output: str | None, stack: str
    ) -> None:
        """Finish the row and tell the parent. ``output`` is JSON text (completed) or the failure text."""
        row.status = "Completed" if status == "completed" else "Failed"
        row.output = output if status == "completed" else json.dumps(output)
        done = event_text(
            EventType.EXECUTION_COMPLETED, row.updated, OrchestrationStatus=row.status, Result=output, Details=None
        )
        events.append(done)
        if row.parent_id is not None:
            episode.messages.append(_to_parent(row, row.status == "Completed", output, stack))

    def _commit_continued(self, row: Instance, outcome: dict[str, Any], episode: Episode, now: str) -> None:
        fresh = replace(row, execution_id=uuid.uuid4().hex, input=outcome["output"], output=None, created=now)
        episode.instance, episode.fresh, episode.seq, episode.timers = fresh, True, 0, []
        episode.messages.append(Message(fresh.instance_id, fresh.execution_id, _started_event(fresh, now)))
        episode.messages += [Message(fresh.instance_id, None, to_text(event)) for event in outcome["carryover"]]
        committed = self._hub.commit_episode(episode)
        self._history.forget(fresh.instance_id)
        logs.event("orchestration.continued_as_new", orchestration=row.name, instance=row.instance_id)
        self.dispatch(committed)

    def _finish_failed(self, instance: Instance, batch: _Batch, texts: list[str], words: str, stack: str) -> None:
        row = replace(instance, updated=format_time(utc_now()))
        episode = Episode(row, len(self._hub.history(instance.instance_id)), batch.consumed)
        events = list(texts)
        self._complete(row, episode, events, "failed", words, stack)
        episode.events = [as_played(text) for text in events]
        self._finish(row, episode)

    def _finish_terminated(self, instance: Instance, batch: _Batch) -> None:
        now = format_time(utc_now())
        reason = str(batch.terminated or "")
        row = replace(instance, status="Terminated", output=json.dumps(reason), updated=now)
        consumed = [row_.row_id for row_ in batch.rows]
        episode = Episode(row, len(self._hub.history(instance.instance_id)), consumed)
        events = [new_event(EventType.ORCHESTRATOR_STARTED, now), *batch.events]
        events.append(new_event(EventType.EXECUTION_TERMINATED, now, Input=reason))
        episode.events = [as_played(to_text(event)) for event in events]
        if row.parent_id is not None:
            episode.messages.append(_to_parent(row, False, reason, ""))
        self._finish(row, episode)

    def _commit_suspended(self, instance: Instance, batch: _Batch) -> None:
        if not batch.consumed:
            return
        now = format_time(utc_now())
        row = replace(instance, status="Suspended", updated=now)
        seq = len(self._hub.history(instance.instance_id))
        episode = Episode(row, seq, batch.consumed)
        if seq and batch.events:
            events = [new_event(EventType.ORCHESTRATOR_STARTED, now), *batch.events]
            events.append(new_event(EventType.ORCHESTRATOR_COMPLETED, now))
            episode.events = [as_played(to_text(event)) for event in events]
        self._history.forget(instance.instance_id)
        self.dispatch(self._hub.commit_episode(episode))

    def _finish(self, row: Instance, episode: Episode) -> None:
        committed = self._hub.commit_episode(episode)
        self._finished(row)
        self.dispatch(committed)

    def _finished(self, row: Instance) -> None:
        instance_id = row.instance_id
        self._history.forget(instance_id)
        self._hold_until.pop(instance_id, None)
        self._deaths.pop(instance_id, None)
        for future in self._waiters.pop(instance_id, ()):
            if not future.done():
                future.set_result(None)
        logs.event(
            "orchestration.finished",
            level=logging.INFO if row.status == "Completed" else logging.WARNING,
            orchestration=row.name,
            instance=instance_id,
            status=row.status,
            reason=None if row.status == "Completed" else json.loads(row.output or "null"),
        )

    def _episode_died(self, instance: Instance, batch: _Batch, error: WorkerDiedError) -> None:
        instance_id = instance.instance_id
        deaths = self._deaths[instance_id] = self._deaths.get(instance_id, 0) + 1
        logs.event("episode.redelivered", level=logging.WARNING, instance=instance_id, deaths=deaths, error=str(error))
        if self._stopping:
            return
        if deaths >= MAX_DELIVERIES:
            now = format_time(utc_now())
            texts = [to_text(e) for e in [new_event(EventType.ORCHESTRATOR_STARTED, now), *batch.events]]
            words = f"Orchestrator function '{instance.name}' failed: {deaths} worker processes ended while they ran it"
            self._finish_failed(instance, batch, texts, words, "")
        else:
            self._again.add(instance_id)

    def _notify_later(self, instance_id: str) -> None:
        """Make the instance ready, after its hold when more completions are to come."""
        until = self._hold_until.get(instance_id, 0.0)
        if until <= self._loop.time() or not self._activities.outstanding(instance_id):
            self.notify(instance_id)
        elif instance_id not in self._held and instance_id not in self._ready:
            self._held[instance_id] = self._loop.call_at(until, self._release, instance_id)

    def _results_came(self, instance_id: str) -> None:
        if not self._activities.outstanding(instance_id):
            self._release(instance_id)
        if instance_id in self._running:
            self._again.add(instance_id)
        else:
            self._notify_later(instance_id)

    def _release(self, instance_id: str) -> None:
        handle = self._held.pop(instance_id, None)
        if handle is not None:
            handle.cancel()
            self.notify(instance_id)

    def _storage_failed(self, error: sqlite3.Error, again: Callable[[], None]) -> None:
        """A transaction has failed as a whole (a full disk, say): try again later."""
        logs.event("hub.failed", level=logging.CRITICAL, error=str(error))
        if not self._stopping:
            self._loop.call_later(STORAGE_PAUSE, again)

    # Messages

    def _live(self, instance_id: str) -> Instance:
        instance = self._hub.get_instance(instance_id)
        if instance is None:
            raise InstanceNotFoundError(instance_id)
        if instance.status in FINISHED:
            raise InstanceGoneError(instance_id, instance.status)
        return instance

    def _send(self, instance_id: str, event_type: EventType, **fields: Any) -> None:
        event = event_text(event_type, format_time(utc_now()), **fields)
        self._hub.send([Message(instance_id, None, event)])
        self._release(instance_id)
        self.notify(instance_id)


def _wrong_state(operation: str, instance: Instance) -> str:
    return (
        f"Cannot {operation} the orchestration instance {instance.instance_id} because instance is in the "
        f"{instance.status} state."
    )


class _Batch:
    """The messages of one episode, sorted out."""

    def __init__(self, instance: Instance, rows: list[InboxRow]) -> None:
        self.rows = rows
        self.consumed: list[int] = []
        self.events: list[Event] = []
        self.terminated: str | None = None
        self.suspended = self._suspended(instance, rows)
        for row in rows:
            if row.execution_id is not None and row.execution_id != instance.execution_id:
                self.consumed.append(row.row_id)
                continue
            event_type = row.event["EventType"]
            if event_type == EventType.EXECUTION_TERMINATED:
                self.terminated = row.event.get("Input") or ""
                self.consumed.append(row.row_id)
                break
            is_control = event_type in (EventType.EXECUTION_SUSPENDED, EventType.EXECUTION_RESUMED)
            if self.suspended and not is_control:
                continue
            self.consumed.append(row.row_id)
            self.events.append(row.event)

    @staticmethod
    def _suspended(instance: Instance, rows: list[InboxRow]) -> bool:
        suspended = instance.status == "Suspended"
        for row in rows:
            if row.event["EventType"] == EventType.EXECUTION_SUSPENDED:
                suspended = True
            elif row.event["EventType"] == EventType.EXECUTION_RESUMED:
                suspended = False
        return suspended


class _HistoryCache:
    """Histories of live instances that were read or written lately, up to a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._entries: OrderedDict[str, tuple[str, list[str], int]] = OrderedDict()

    def get(self, instance: Instance) -> list[str] | None:
        entry = self._entries.get(instance.instance_id)
        if entry is None or entry[0] != instance.execution_id:
            return None
        self._entries.move_to_end(instance.instance_id)
        return entry[1]

    def put(self, instance: Instance, events: list[str]) -> None:
        self.forget(instance.instance_id)
        size = sum(map(len, events))
        if size > self._limit:
            return
        self._entries[instance.instance_id] = (instance.execution_id, events, size)
        self._size += size
        while self._size > self._limit:
            self._size -= self._entries.popitem(last=False)[1][2]

    def forget(self, instance_id: str) -> None:
        entry = self._entries.pop(instance_id, None)
        if entry is not None:
            self._size -= entry[2]


def _started_event(instance: Instance, now: str) -> str:
    parent = None
    if instance.parent_id is not None:
        parent = {
            "Name": None,
            "TaskScheduleId": instance.parent_task,
            "OrchestrationInstance": {"InstanceId": instance.parent_id, "ExecutionId": instance.parent_execution},
        }
    return event_text(
        EventType.EXECUTION_STARTED,
        now,
        Name=instance.name,
        Version=instance.version,
        Input=instance.input,
        OrchestrationInstance={"InstanceId": instance.instance_id, "ExecutionId": instance.execution_id},
        ParentInstance=parent,
    )


def _to_parent(child: Instance, completed: bool, output: str | None, stack: str) -> Message:
    fields: dict[str, Any] = {"TaskScheduledId": child.parent_task}
    if completed:
        event_type = EventType.SUB_ORCHESTRATION_COMPLETED
        fields["Result"] = output
    else:
        event_type = EventType.SUB_ORCHESTRATION_FAILED
        fields |= {"Reason": output, "Details": stack or None}
    text = event_text(event_type, child.updated, **fields)
    return Message(child.parent_id or "", child.parent_execution, text)


def _entity_request(instance: Instance, decision: dict[str, Any], episode: Episode, now: str) -> str:
    is_signal = decision["kind"] == "signal_entity"
    request: dict[str, Any] = {
        "id": decision["request_id"],
        "op": decision["operation"],
        "signal": is_signal,
        "input": decision["input"],
        "parent": instance.instance_id,
        "parentExecution": instance.execution_id,
    }
    episode.entity_requests.append(EntityRequest(decision["entity"], request))
    return event_text(
        EventType.EVENT_SENT, now, decision["id"], InstanceId=decision["entity"], Name="op", Input=json.dumps(request)
    )
