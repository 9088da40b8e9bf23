"""The watchdog: every export that should run does, and none counts as running that does not.

It looks at the exports that are noted as running (``shared/usage.py``), which are few, and at no other record.
"""

import asyncio
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func

from activities.fail import fail
from activities.notify import announce
from activities.start import begin, start_waiting
from shared.app_log import about, logger
from shared.clock import utc_now
from shared.errors import StorageUnavailable
from shared.models import ExportRef, FailedExport, Failure
from shared.services import Services, services
from shared.storage.names import export_instance
from shared.transitions import FINAL
from shared.usage import LiveExport

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


async def look_after(export: LiveExport, context: Services, client: df.DurableOrchestrationClient) -> None:
    """Start an export whose start was lost, fail one whose orchestration died, strike off one that has ended.

    One that waits for its turn is left alone.
    """
    record = await asyncio.to_thread(context.records.get, export.tenant, export.export_id)
    if record is None:
        if utc_now() - export.since > _NEVER_WRITTEN:
            await asyncio.to_thread(context.usage.leave, export.tenant, export.export_id)
        return
    if record.status not in FINAL:
        if not export.runs:
            return
        status = await client.get_status(export_instance(record.id, record.attempt))
        if status is None or status.runtime_status is None:
            await begin(record, context.settings, client)
        elif status.runtime_status in _DEAD:
            failure = Failure("orchestration-ended", "the export was ended from outside; retry it")
            failed = FailedExport(record.tenant, record.id, failure.to_json(), record.attempt)
            await asyncio.to_thread(fail, failed, context)
            await announce(ExportRef(record.tenant, record.id), context, client)
        return
    await asyncio.to_thread(context.usage.leave, export.tenant, export.export_id, record.file_bytes)
