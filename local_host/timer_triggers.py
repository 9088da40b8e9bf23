"""Timer functions: when they are due, and their state over restarts.

A schedule is NCRONTAB with six fields (seconds first; five are taken as minutes first), a TimeSpan (the time between
two calls), or ``%Setting%`` with either. Times of day are UTC unless ``WEBSITE_TIME_ZONE`` names another zone. With
``useMonitor`` (the default, for schedules of a minute and more) the next time is kept, and a start-up that finds it has
passed calls the function once with ``past_due``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from croniter import croniter

from local_host import logs
from local_host.app_index import TIMER, FunctionMetadata
from local_host.errors import AppLoadError, FunctionFailedError, FunctionTimeoutError, SettingsError, WorkerDiedError
from local_host.history import format_time, parse_time, utc_now
from local_host.settings import HostSettings, parse_timespan, resolve_setting
from local_host.task_hub import STORAGE_PAUSE, TaskHub
from local_host.worker_pool import WorkerPool

_LONGEST_SLEEP = 3600.0
_MONITOR_FROM = timedelta(minutes=1)


class Schedule:
    """When a timer function is due."""

    def __init__(self, text: str, zone: tzinfo = UTC) -> None:
        """Read a schedule. Raises ValueError when it is neither NCRONTAB nor a TimeSpan."""
        self.text = text.strip()
        self._zone = zone
        self._interval: timedelta | None = None
        fields = self.text.split()
        if len(fields) == 1:
            self._interval = timedelta(seconds=parse_timespan(self.text))
            if self._interval <= timedelta(0):
                raise ValueError(f"{text!r} is no time between two calls")
            return
        if len(fields) == 5:
            fields = ["0", *fields]
        self._expression = " ".join(fields)
        if len(fields) != 6 or not croniter.is_valid(self._expression, second_at_beginning=True):
            raise ValueError(f"{text!r} is neither NCRONTAB (second minute hour day month weekday) nor a TimeSpan")

    def next(self, after: datetime) -> datetime:
        """Return the first time after the moment (with a zone), in UTC."""
        if self._interval is not None:
            return after + self._interval
        # NCRONTAB wants both the day of the month and the weekday to match.
        cron = croniter(self._expression, after.astimezone(self._zone), day_or=False, second_at_beginning=True)
        moment: datetime = cron.get_next(datetime)
        return moment.astimezone(UTC)

    @property
    def is_dense(self) -> bool:
        """Whether calls are less than a minute apart, too dense for the monitor."""
        first = self.next(utc_now())
        return self.next(first) - first < _MONITOR_FROM


class TimerFunction:
    """One timer function and its schedule."""

    def __init__(self, metadata: FunctionMetadata, environment: Mapping[str, str]) -> None:
        """Read the trigger. Raises AppLoadError when the schedule is not valid."""
        trigger = metadata.trigger
        self.metadata = metadata
        try:
            zone = _zone(environment.get("WEBSITE_TIME_ZONE"))
            self.schedule = Schedule(resolve_setting(str(trigger["schedule"]), environment), zone)
        except (ValueError, SettingsError) as error:
            raise AppLoadError(f"cannot load the {metadata.name} function: schedule: {error}") from error
        self.run_on_startup = bool(trigger.get("runOnStartup"))
        monitor = trigger.get("useMonitor")
        self.use_monitor = (monitor is None or bool(monitor)) and not self.schedule.is_dense


class TimerTriggers:
    """Calls timer functions when they are due, each at most once at a time."""

    def __init__(self, functions: list[TimerFunction], pool: WorkerPool, hub: TaskHub, settings: HostSettings) -> None:
        self._functions = functions
        self._pool = pool
        self._hub = hub
        self._timeout = settings.function_timeout
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to watch the schedules."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._watch(function)) for function in self._functions]

    async def stop(self) -> None:
        """Call nothing more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def find(self, name: str) -> TimerFunction | None:
        """Return the timer function of that name (any case), or None."""
        return next((f for f in self._functions if f.metadata.name.lower() == name.lower()), None)

    async def call(self, function: TimerFunction, *, past_due: bool = False) -> None:
        """Call a function now, with the retries of its policy. Raises TaskHubLostError instead when that is so."""
        self._hub.check_lease()
        now = utc_now()
        state = self._hub.timer_state(function.metadata.name) or _state(function, now, function.schedule.next(now))
        status = {"Last": state["last"], "LastUpdated": state["updated"], "Next": state["next"]}
        body = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due}
        delays = retry_delays(function.metadata.retry)
        error = ""
        for attempt, delay in enumerate([0.0, *delays]):
            await asyncio.sleep(delay)
            invocation_id = str(uuid.uuid4())
            header = {
                "id": invocation_id,
                "kind": TIMER,
                "function": function.metadata.name,
                "retry": attempt,
                "max_retry": len(delays),
                "retry_error": error,
            }
            log: dict[str, Any] = {"function": function.metadata.name, "invocation": invocation_id}
            try:
                await self._pool.call("trigger", header, json.dumps(body).encode(), self._timeout)
            except (FunctionFailedError, WorkerDiedError, FunctionTimeoutError) as failure:
                error = str(failure)
                logs.event("timer.failed", level=logging.ERROR, **log, attempt=attempt, error=error)
            else:
                logs.event("timer.completed", **log, past_due=past_due)
                return

    async def _watch(self, function: TimerFunction) -> None:
        while True:
            try:
                await self._run(function)
            except sqlite3.Error as error:
                logs.event("hub.failed", level=logging.CRITICAL, error=str(error))
                await asyncio.sleep(STORAGE_PAUSE)

    async def _run(self, function: TimerFunction) -> None:
        name, schedule = function.metadata.name, function.schedule
        next_time = schedule.next(utc_now())
        state = self._hub.timer_state(name) if function.use_monitor else None
        if state is not None and state["schedule"] == schedule.text:
            kept = parse_time(state["next"])
            if kept <= utc_now():
                await self.call(function, past_due=True)
                next_time = self._keep(function, kept)
            else:
                next_time = kept
        elif function.use_monitor:
            self._hub.save_timer_state(name, _state(function, datetime.min.replace(tzinfo=UTC), next_time))
        if function.run_on_startup:
            await self.call(function)
        while True:
            await _sleep_until(next_time)
            await self.call(function)
            next_time = self._keep(function, next_time)

    def _keep(self, function: TimerFunction, called: datetime) -> datetime:
        """Keep that a call was made, and return when the next is due; times that have passed meanwhile are left out."""
        next_time = max(function.schedule.next(called), function.schedule.next(utc_now() - timedelta(milliseconds=1)))
        if function.use_monitor:
            self._hub.save_timer_state(function.metadata.name, _state(function, called, next_time))
        return next_time


async def _sleep_until(moment: datetime) -> None:
    """Wait in pieces, since the clock may be set meanwhile."""
    while (wait := (moment - utc_now()).total_seconds()) > 0:  # noqa: ASYNC110 - a clock has no event
        await asyncio.sleep(min(wait, _LONGEST_SLEEP))


def retry_delays(policy: dict[str, Any] | None) -> list[float]:
    """Return the seconds before each retry. A policy without a limit (-1) is taken as 1,000 retries."""
    if not policy:
        return []
    count = int(policy.get("max_retry_count") or 0)
    count = 1000 if count < 0 else count
    if str(policy.get("strategy", "")).lower() == "exponential_backoff":
        low = parse_timespan(policy.get("minimum_interval") or "00:00:01")
        high = parse_timespan(policy.get("maximum_interval") or "00:15:00")
        return [min(low * 2**n, high) for n in range(count)]
    return [parse_timespan(policy.get("delay_interval") or "00:00:00")] * count


def _state(function: TimerFunction, last: datetime, next_time: datetime) -> dict[str, str]:
    return {
        "last": format_time(last),
        "next": format_time(next_time),
        "updated": format_time(utc_now()),
        "schedule": function.schedule.text,
    }


def _zone(name: str | None) -> tzinfo:
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise SettingsError(f"WEBSITE_TIME_ZONE {name!r} is no zone name like 'Europe/Berlin'") from error
