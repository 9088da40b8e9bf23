"""Timers: retention, which removes what has had its time."""

import asyncio
from datetime import timedelta
from functools import partial

import azure.durable_functions as df
import azure.functions as func

from shared.audit.digests import keep_digests
from shared.jobs.deletion import purge
from shared.jobs.records import ExportRecord
from shared.notifications.decide import remind
from shared.observability.logging import logger
from shared.retention.runner import run_sweepers
from shared.retention.sweepers import Sweep
from shared.services import Services, services
from shared.timestamps import utc_now

bp = df.Blueprint()


@bp.timer_trigger(arg_name="timer", schedule="%RETENTION_SCHEDULE%", run_on_startup=False)
@bp.durable_client_input(client_name="client")
async def retention(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    context = await asyncio.to_thread(services, "activity")
    await sweep(context, client)
    await asyncio.to_thread(forget_audit, context)


def forget_audit(context: Services) -> None:
    """Remove what has had its time from the audit log, by whole digests, so that the rest can be verified."""
    now = utc_now()
    oldest = now - timedelta(days=context.settings.audit_retention_days)
    keep_digests(context.audit, context.audit_digests, now, oldest)
    if boundary := context.audit_digests.boundary(oldest):
        context.audit.forget_before(boundary)


async def sweep(context: Services, client: df.DurableOrchestrationClient) -> None:
    """Let every sweeper remove what has had its time, for a fair share of the time of a run."""

    async def history(record: ExportRecord) -> None:
        await purge(record, client)

    work = Sweep(context, utc_now(), history, partial(remind, context=context))
    removed = await run_sweepers(work, context.settings.retention_run_seconds)
    told = ", ".join(f"{name} {number:,}" for name, number in removed.items())
    logger.info("retention: %s", told, extra={"action": "retention", "removed": removed})
