"""Running a schedule that is due: settle its last run, decide on the next, begin it, and stop what may not go on."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime
from functools import cache, partial
from typing import Any, TypeVar
from uuid import uuid4

import azure.durable_functions as df

from shared.errors import (
    NotAllowed,
    PermanentError,
    QuotaReached,
    SettingsError,
    SourceUnavailable,
    TooManyRequests,
    ValidationFailed,
)
from shared.jobs.ownership_check import check_owned
from shared.jobs.records import ExportRecord
from shared.jobs.starting import start
from shared.jobs.status import Status
from shared.requests.export_request import ExportRequest
from shared.schedules import notices, runs
from shared.schedules.leavers import owner_of
from shared.schedules.periods import covering
from shared.schedules.requests import check_export, check_reach
from shared.schedules.store import RUNNING, STARTING, Schedule
from shared.services import Services
from shared.text import count
from shared.timestamps import from_iso, iso

T = TypeVar("T")


_AT_ONCE = 8
"""Schedules that are looked after at the same time."""

_ASIDE_SECONDS = 2 * runs.MARK_SECONDS
"""For all that may ask the database; the question has a deadline of its own, and has ended by then."""


async def run(schedule: Schedule, now: datetime, context: Services, client: df.DurableOrchestrationClient) -> None:
    """Bring a schedule up to date: settle its last run, decide on the next, begin that, tell of a stop."""
    settled = await asyncio.to_thread(runs.settle, schedule, context)
    schedule = settled or schedule
    if decided := await aside(_decide, schedule, now, context):
        schedule = decided
    if schedule.run_state == STARTING:
        schedule = await _begin(schedule, now, context, client) or schedule
    if schedule.notice:
        await asyncio.to_thread(notices.tell_owner, schedule, context)


async def aside(work: Callable[..., T], *arguments: Any) -> T:
    """Do what may ask the database in threads that no request needs, for it may take long.

    Raises ``SourceUnavailable`` when it takes longer than that: other schedules do not wait for it.
    """
    running = asyncio.get_running_loop().run_in_executor(_threads(), partial(copy_context().run, work, *arguments))
    try:
        return await asyncio.wait_for(running, _ASIDE_SECONDS)
    except TimeoutError:
        raise SourceUnavailable(f"the database has not answered within {_ASIDE_SECONDS:g} seconds") from None


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_AT_ONCE, "scheduler")


def _decide(schedule: Schedule, now: datetime, context: Services) -> Schedule | None:
    try:
        if runs.is_due(schedule, now) and (reason := refusal(schedule, now, context)):
            return runs.refuse(schedule, reason, context)
        if runs.is_due(schedule, now) and (files := runs.unread(schedule, context)):
            return _stop(schedule, f"nobody has fetched its last {count(files, 'file')}", context)
        return runs.decide(schedule, now, context)
    except runs.StillRuns:  # somebody has retried the last run: it is counted again
        context.schedules.change(schedule, f"again-{uuid4().hex}", run_state=RUNNING, run_outcome="")
    except (runs.CannotRun, PermanentError) as error:  # such as an export type that is gone
        return _stop(schedule, str(error), context)
    return None


def _stop(schedule: Schedule, reason: str, context: Services) -> Schedule | None:
    stopped = runs.stopping(schedule, reason)
    return context.schedules.change(
        schedule, f"stop-{uuid4().hex}", guard=lambda present: present.last_op_id == schedule.last_op_id, **stopped
    )


async def _nothing() -> None:
    """Nobody waits for a schedule's export: its plan keeps to the limits."""


async def _begin(
    schedule: Schedule, now: datetime, context: Services, client: df.DurableOrchestrationClient
) -> Schedule | None:
    """Make the export of the run that was decided on; None when it has to wait, or somebody else was faster."""
    try:
        record = await wanted_record(schedule, now, context)
        message = f"The schedule '{schedule.name}' asked for '{record.export_type}' as {record.format}."
        await start(record, None, _nothing, message, context, client)
    except (NotAllowed, ValidationFailed, runs.CannotRun) as error:
        return await asyncio.to_thread(runs.settle, schedule, context, str(error))
    except (QuotaReached, SettingsError, SourceUnavailable, TooManyRequests) as error:  # it is tried again
        await asyncio.to_thread(runs.explain, schedule, str(error), context)
        return None
    return await asyncio.to_thread(
        context.schedules.change,
        schedule,
        f"begun-{schedule.run_export_id}",
        guard=lambda present: present.run_export_id == schedule.run_export_id and present.run_state == STARTING,
        run_state=RUNNING,
    )


async def wanted_record(schedule: Schedule, now: datetime, context: Services) -> ExportRecord:
    """The record of the run's export, for its owner as they are now.

    Raises what ``check_export`` and ``check_owned`` raise, and ``CannotRun`` when it is not known any more what they
    may do.
    """
    caller = await asyncio.to_thread(owner_of, schedule, now, context)
    request = ExportRequest.model_validate_json(schedule.request)
    export_type = check_export(request, schedule.incremental, schedule.period, caller)
    await check_owned(request, export_type, caller, check_reach)
    if schedule.period:
        request = covering(request, schedule.period, from_iso(schedule.run_due), schedule.time_zone)
    made = {"body": request.model_dump_json(by_alias=True, exclude_unset=True), "schedule": schedule.id}
    window = {"from": schedule.run_from, "to": schedule.run_to} if schedule.incremental else {}
    return ExportRecord(
        tenant=schedule.tenant,
        id=schedule.run_export_id,
        export_type=export_type.name,
        format=request.format,
        status=Status.PENDING,
        created_by=schedule.created_by,
        created_at=iso(now),
        request={**made, "window": window} if window else made,
        caller=caller.to_json(),
    )


def refusal(schedule: Schedule, now: datetime, context: Services) -> str:
    """Why nothing may run for a schedule's owner any more; empty when something may."""
    try:
        request = ExportRequest.model_validate_json(schedule.request)
        check_export(request, schedule.incremental, schedule.period, owner_of(schedule, now, context))
    except (NotAllowed, ValidationFailed, runs.CannotRun) as error:
        return str(error)
    return ""
