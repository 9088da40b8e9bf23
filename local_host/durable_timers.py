"""Durable timers: the next one that is due is awaited, whatever their number."""

from __future__ import annotations

import asyncio
import heapq
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable

from local_host import logs
from local_host.history import EventType, event_text, format_time, parse_time, utc_now
from local_host.task_hub import STORAGE_PAUSE, DurableTimer, TaskHub

_LONGEST_SLEEP = 60.0
"""Seconds; timers go by the time of day, which may be set while the loop sleeps."""


class DurableTimers:
    """The timers of one task hub that have not fired."""

    def __init__(self, hub: TaskHub, notify: Callable[[str], None]) -> None:
        """``notify`` is called with the id of an instance whose timer has fired."""
        self._hub = hub
        self._notify = notify
        self._heap: list[tuple[float, int, DurableTimer]] = []
        self._handle: asyncio.TimerHandle | None = None
        self._stopping = False

    def add(self, timers: Iterable[DurableTimer]) -> None:
        """Watch timers that are in the task hub."""
        for timer in timers:
            self._push(timer)
        self._arm()

    def stop(self) -> None:
        """Fire nothing more."""
        self._stopping = True
        self._arm()

    def _push(self, timer: DurableTimer) -> None:
        heapq.heappush(self._heap, (parse_time(timer.fire_at).timestamp(), timer.row_id, timer))

    def _arm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._heap and not self._stopping:
            delay = min(max(self._heap[0][0] - time.time(), 0.0), _LONGEST_SLEEP)
            self._handle = asyncio.get_running_loop().call_later(delay, self._fire_due)

    def _fire_due(self) -> None:
        now, stamp = time.time(), format_time(utc_now())
        due = []
        while self._heap and self._heap[0][0] <= now:
            timer = heapq.heappop(self._heap)[2]
            due.append((timer, event_text(EventType.TIMER_FIRED, stamp, TimerId=timer.task_id, FireAt=timer.fire_at)))
        try:
            if due:
                self._hub.fire_timers(due)
        except sqlite3.Error as error:
            logs.event("hub.failed", level=logging.CRITICAL, error=str(error))
            for timer, _ in due:
                self._push(timer)
            self._handle = asyncio.get_running_loop().call_later(STORAGE_PAUSE, self._fire_due)
            return
        for timer, _ in due:
            self._notify(timer.instance_id)
        self._arm()
