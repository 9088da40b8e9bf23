"""Timers: retention, which removes what has had its time."""

import asyncio
import logging
from collections.abc import Iterator
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func

from activities import clean_up
from orchestrators.export import group_instances
from shared.clock import utc_now
from shared.records import ExportRecord
from shared.services import Services, services
from shared.storage.names import export_instance, notification_instance

bp = df.Blueprint()

logger = logging.getLogger("sluice")


@bp.timer_trigger(arg_name="timer", schedule="%RETENTION_SCHEDULE%", run_on_startup=False)
@bp.durable_client_input(client_name="client")
async def retention(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    context = await asyncio.to_thread(services, "activity")
    await sweep(context, client)
    oldest = utc_now() - timedelta(days=context.settings.audit_retention_days)
    await asyncio.to_thread(context.audit.forget_before, oldest)


async def sweep(context: Services, client: df.DurableOrchestrationClient) -> None:
    """Remove expired files with their durable history, and records that are older than they are kept.

    One export that cannot be removed does not keep the others: it is logged, and tried again by the next run.
    """
    expired, forgotten = await asyncio.to_thread(clean_up.due, context)
    for remove, records in ((clean_up.expire, expired), (clean_up.forget, forgotten)):
        for record in records:
            try:
                await purge(record, client)
                await asyncio.to_thread(remove, record, context)
            except Exception:
                logger.exception("export %s was not removed", record.id, extra={"action": "retention-failed"})
    logger.info(
        "retention: %d files removed, %d records forgotten", len(expired), len(forgotten), extra={"action": "retention"}
    )


async def purge(record: ExportRecord, client: df.DurableOrchestrationClient) -> None:
    """Remove the durable history of an export whose orchestrations have ended."""
    for instance in instances(record):
        await client.purge_instance_history(instance)


def instances(record: ExportRecord) -> Iterator[str]:
    """Every orchestration that an export has or had: that of each attempt with its groups, and the notification."""
    for attempt in range(1, record.attempt + 1):
        instance = export_instance(record.id, attempt)
        yield instance
        yield from group_instances(instance, record.total_parts)
    yield notification_instance(record.id)
