"""Timers: retention, which removes what has had its time."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import azure.durable_functions as df
import azure.functions as func

from activities.notify import remind
from orchestrators.export import group_instances
from shared.app_log import logger
from shared.audit_digests import keep_digests
from shared.clock import utc_now
from shared.records import ExportRecord
from shared.services import Services, services
from shared.storage.names import export_instance, notification_instance
from shared.sweepers import Sweep
from shared.sweepers.run import run_sweepers

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


async def purge(record: ExportRecord, client: df.DurableOrchestrationClient) -> None:
    """Remove the durable history of an export whose orchestrations have ended."""
    for instance in instances(record):
        await client.purge_instance_history(instance)


def instances(record: ExportRecord) -> Iterator[str]:
    """Every orchestration that an export has or had: those of each attempt, its groups and its notification."""
    for attempt in range(1, record.attempt + 1):
        instance = export_instance(record.id, attempt)
        yield instance
        yield from group_instances(instance, record.total_parts)
        yield notification_instance(record.id, attempt)
