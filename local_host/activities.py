"""Activities: scheduled ones wait for a place in a worker; finished ones become messages (runs in the host).

An activity stays in the task hub until its result is, so one whose worker or host dies runs again. Results that come in
during one turn of the loop are committed together.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import uuid
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Any

from local_host import logs
from local_host.app_index import ACTIVITY, FunctionMetadata
from local_host.background import BackgroundTasks
from local_host.episode import HTTP_ACTIVITY
from local_host.errors import FunctionFailedError, FunctionTimeoutError, WorkerDiedError
from local_host.function_table import FunctionTable, unknown_function
from local_host.history import EventType, event_text, format_time, utc_now
from local_host.settings import HostSettings
from local_host.task_hub import STORAGE_PAUSE, Activity, TaskHub
from local_host.worker_pool import ISOLATED_FROM, MAX_DELIVERIES, Place, WorkerPool

HttpCall = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Activities:
    """The activities of one task hub."""

    def __init__(
        self,
        hub: TaskHub,
        functions: FunctionTable,
        settings: HostSettings,
        http_call: HttpCall,
        completed: Callable[[str], None],
        pump: Callable[[], None],
    ) -> None:
        """``completed`` is called with the id of an instance that has new results, ``pump`` when there may be work."""
        self._hub = hub
        self._functions = functions
        self._timeout = settings.function_timeout
        self._limit = settings.max_concurrent_activities
        self._http_call = http_call
        self._completed = completed
        self._pump = pump
        self._loop = asyncio.get_running_loop()
        self._tasks = BackgroundTasks()
        self._queues: dict[bool, deque[Activity]] = {False: deque(), True: deque()}
        self._isolated: deque[Activity] = deque()
        self._running = 0
        self._outstanding: Counter[str] = Counter()
        self._deaths: Counter[int] = Counter()
        self._results: list[tuple[Activity, str]] = []
        self._stopping = False

    def add(self, activity: Activity) -> None:
        """Queue an activity that is in the task hub."""
        self._outstanding[activity.instance_id] += 1
        self._enqueue(activity)

    def outstanding(self, instance_id: str) -> int:
        """Return how many activities of the instance have no result."""
        return self._outstanding[instance_id]

    def hand_out(self, pool: WorkerPool) -> None:
        """Begin as many activities as there are places."""
        while self._isolated and self._running < self._limit:
            function = self._functions.activity(self._isolated[0].name)
            place = pool.place(ACTIVITY, is_async=function is not None and function.is_async, alone=True)
            if place is None:
                break
            self._begin(self._isolated.popleft(), place)
        for is_async, queue in self._queues.items():
            while queue and self._running < self._limit:
                place = pool.place(ACTIVITY, is_async=is_async)
                if place is None:
                    break
                self._begin(queue.popleft(), place)

    async def stop(self) -> None:
        """Begin nothing more, and keep the results that are there."""
        self._stopping = True
        await self._tasks.stop()
        self._commit_results()

    def _enqueue(self, activity: Activity) -> None:
        function = self._functions.activity(activity.name)
        self._queues[function is not None and function.is_async].append(activity)

    def _begin(self, activity: Activity, place: Place) -> None:
        function = self._functions.activity(activity.name)
        self._running += 1
        if activity.name == HTTP_ACTIVITY:
            place.free()
            self._tasks.spawn(self._call_http(activity))
        elif function is None:
            place.free()
            self._fail(activity, unknown_function(activity.name, "an activity", self._functions.activities.values()))
        else:
            self._tasks.spawn(self._run(activity, function, place))

    async def _run(self, activity: Activity, function: FunctionMetadata, place: Place) -> None:
        invocation_id = str(uuid.uuid4())
        header = {"id": invocation_id, "kind": ACTIVITY, "function": function.name}
        began = self._loop.time()
        log: dict[str, Any] = {
            "function": function.name,
            "invocation": invocation_id,
            "instance": activity.instance_id,
            "task": activity.task_id,
        }
        try:
            _, body = await place.call(header, self._input(activity).encode(), self._timeout)
        except FunctionTimeoutError as error:
            logs.event("activity.timed_out", level=logging.ERROR, **log)
            self._fail(activity, _reason(activity, str(error)))
        except FunctionFailedError as failure:
            logs.event("activity.failed", level=logging.ERROR, **log, error=f"{failure.kind}: {failure.message}")
            self._fail(activity, _reason(activity, f" {failure.kind}: {failure.message}"), failure.stack)
        except WorkerDiedError as died:
            self._deliver_again(activity, died)
        else:
            logs.event("activity.completed", level=logging.DEBUG, **log, ms=1000 * (self._loop.time() - began))
            self._succeed(activity, body.decode())

    async def _call_http(self, activity: Activity) -> None:
        try:
            response = await self._http_call(json.loads(self._input(activity)))
        except Exception as error:  # noqa: BLE001 - any failure to reach the address is the call's failure
            self._fail(activity, _reason(activity, f" {type(error).__name__}: {error}"))
        else:
            self._succeed(activity, json.dumps(response))

    def _input(self, activity: Activity) -> str:
        text = activity.input if activity.input is not None else self._hub.activity_input(activity.row_id)
        return text if text is not None else "null"

    def _succeed(self, activity: Activity, result: str) -> None:
        now = format_time(utc_now())
        event = event_text(EventType.TASK_COMPLETED, now, TaskScheduledId=activity.task_id, Result=result)
        self._end(activity, event)

    def _fail(self, activity: Activity, reason: str, details: str | None = None) -> None:
        now = format_time(utc_now())
        fields: dict[str, Any] = {"TaskScheduledId": activity.task_id, "Reason": reason, "Details": details}
        self._end(activity, event_text(EventType.TASK_FAILED, now, **fields))

    def _end(self, activity: Activity, event: str) -> None:
        self._running -= 1
        self._deaths.pop(activity.row_id, None)
        if not self._results:
            self._loop.call_soon(self._commit_results)
        self._results.append((activity, event))
        self._pump()

    def _commit_results(self) -> None:
        results = self._results
        if not results:
            return
        try:
            self._hub.complete_activities(results)
        except sqlite3.Error as error:
            logs.event("hub.failed", level=logging.CRITICAL, error=str(error))
            if not self._stopping:
                self._loop.call_later(STORAGE_PAUSE, self._commit_results)
            return
        self._results = []
        done = Counter(activity.instance_id for activity, _ in results)
        for instance_id, count in done.items():
            self._outstanding[instance_id] -= count
            if self._outstanding[instance_id] <= 0:
                del self._outstanding[instance_id]
            self._completed(instance_id)

    def _deliver_again(self, activity: Activity, error: WorkerDiedError) -> None:
        self._deaths[activity.row_id] += 1
        deaths = self._deaths[activity.row_id]
        logs.event(
            "activity.redelivered",
            level=logging.WARNING,
            activity=activity.name,
            instance=activity.instance_id,
            deaths=deaths,
            error=str(error),
        )
        if self._stopping:
            return
        if deaths >= MAX_DELIVERIES:
            self._fail(activity, _reason(activity, f"{deaths} worker processes ended while they ran it"))
            return
        self._running -= 1
        if deaths >= ISOLATED_FROM:
            self._isolated.append(activity)
        else:
            self._enqueue(activity)
        self._pump()


def _reason(activity: Activity, error: str) -> str:
    return f"Activity function '{activity.name}' failed: {error}"
