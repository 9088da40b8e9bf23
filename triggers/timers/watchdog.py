"""The watchdog: every export that should run does, and none counts as running that does not.

It looks at the exports that are noted as running (``shared/jobs/quotas.py``), which are few, and at no other record:

    young                           left alone
    no record                       struck off, once no function can be on its way to write one
    no orchestration                started: its start was lost
    orchestration ended by itself   failed, ``orchestration-ended``
    running for too long            stopped and failed, ``took-too-long``
    nothing happens any more        stopped and failed, ``stood-still``
    ended                           struck off

Then it tells operators of what failed for good since its last run.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from shared.catalog.registry import export_types
from shared.durable.inputs import ExportRef, FailedExport, Failure
from shared.durable.instance_ids import export_instance
from shared.errors import StorageUnavailable
from shared.jobs.failing import fail
from shared.jobs.quotas import LiveExport
from shared.jobs.records import ExportRecord
from shared.jobs.starting import begin, start_waiting
from shared.jobs.status import FINAL, Status
from shared.notifications.decide import announce
from shared.notifications.operator_alerts import alert_operators
from shared.observability.logging import about, logger
from shared.services import Services, services
from shared.settings import Settings
from shared.text import duration
from shared.timestamps import utc_now

bp = df.Blueprint()

_NEVER_WRITTEN = timedelta(minutes=15)
"""Longer than any function may run: a record that is not there by then never will be."""

_DEAD = (
    df.OrchestrationRuntimeStatus.Failed,
    df.OrchestrationRuntimeStatus.Terminated,
    df.OrchestrationRuntimeStatus.Canceled,
    df.OrchestrationRuntimeStatus.Completed,
)


@bp.timer_trigger(arg_name="timer", schedule="%WATCHDOG_SCHEDULE%", run_on_startup=False)
@bp.durable_client_input(client_name="client")
async def watchdog(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    context = await asyncio.to_thread(services, "activity")
    live = await asyncio.to_thread(lambda: list(context.usage.live()))
    for export in live:
        with about(tenant=export.tenant, export_id=export.export_id):
            try:
                await look_after(export, context, client)
            except Exception:
                logger.exception("an export was not looked after", extra={"action": "watchdog-failed"})
    for tenant in sorted({export.tenant for export in live}):
        try:
            await start_waiting(tenant, context, client)
        except StorageUnavailable:
            logger.exception("waiting exports wait on", extra={"action": "watchdog-failed", "tenant": tenant})
    try:
        await asyncio.to_thread(alert_operators, context)
    except Exception:
        logger.exception("operators were not told", extra={"action": "alert-not-sent"})


async def look_after(export: LiveExport, context: Services, client: df.DurableOrchestrationClient) -> None:
    """Repair what is wrong with an export, or fail it with a reason. One that waits for its turn is left alone."""
    now = utc_now()
    if now - export.since < timedelta(seconds=context.settings.watchdog_grace_seconds):
        return  # a request, or a retry, may be on its way
    record = await asyncio.to_thread(context.records.get, export.tenant, export.export_id)
    if record is None:
        if now - export.since > _NEVER_WRITTEN:
            await asyncio.to_thread(context.usage.leave, export.tenant, export.export_id)
        return
    if record.status in FINAL:
        await asyncio.to_thread(_strike_off, record, context)
        return
    if not export.runs:
        return
    instance = export_instance(record.id, record.attempt)
    status = await client.get_status(instance)
    if status is None or status.runtime_status is None:
        await begin(record, context.settings, client)
        return
    if status.runtime_status in _DEAD:
        failure: Failure | None = Failure("orchestration-ended", "the export was ended from outside; retry it")
    else:
        shown = status.custom_status if isinstance(status.custom_status, dict) else {}
        group = shown.get("runningGroup")
        inside = await client.get_status(group) if group else None
        alive = max(map(_last_event, filter(None, (status, inside))))
        failure = overdue(record, str(shown.get("phase", "planning")), export.since, alive, now, context.settings)
        if failure:
            for running in filter(None, (group, instance)):
                await _stop(running, failure, client)
    if failure:
        failed = FailedExport(record.tenant, record.id, failure.to_json(), record.attempt)
        await asyncio.to_thread(fail, failed, context)
        await announce(ExportRef(record.tenant, record.id), context, client)


def overdue(
    record: ExportRecord, phase: str, since: datetime, alive: datetime, now: datetime, settings: Settings
) -> Failure | None:
    """Why an export that runs is to be stopped. ``since``: when it was begun; ``alive``: its last sign of life."""
    own = next((t.time_limit for t in export_types() if t.name == record.export_type), None)
    limit = own or timedelta(seconds=settings.max_export_seconds)
    on = "retry it, and it goes on from the parts that are there"
    if now - since > limit:
        return Failure("took-too-long", f"the export was stopped while {phase}, after {duration(limit)}; {on}")
    still = timedelta(seconds=settings.max_standstill_seconds)
    if now - alive > still:
        return Failure("stood-still", f"nothing happened for {duration(still)} while {phase}; {on}")
    return None


def _strike_off(record: ExportRecord, context: Services) -> None:
    """The export has ended, and whoever ended it did not come to say so."""
    if record.status == Status.FAILED:
        failure = Failure(record.error_code, record.error_message)
        fail(FailedExport(record.tenant, record.id, failure.to_json(), record.attempt), context)
    context.usage.leave(record.tenant, record.id, record.file_bytes)


def _last_event(status: Any) -> datetime:
    moment: datetime = status.last_updated_time
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def _stop(instance: str, failure: Failure, client: df.DurableOrchestrationClient) -> None:
    try:
        await client.terminate(instance, failure.message)
    except Exception as error:  # noqa: BLE001 - all that the SDK raises, when it has just ended
        logger.info("%s was not stopped: %s", instance, error, extra={"action": "not-stopped"})
