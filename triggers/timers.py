"""Timers: retention, which removes what has had its time."""

import asyncio
import logging

import azure.durable_functions as df
import azure.functions as func

from activities import clean_up
from orchestrators.export import group_instances
from shared.records import ExportRecord
from shared.services import Services, services
from shared.storage.names import notification_instance

bp = df.Blueprint()

logger = logging.getLogger("sluice")


@bp.timer_trigger(arg_name="timer", schedule="%RETENTION_SCHEDULE%", run_on_startup=False)
@bp.durable_client_input(client_name="client")
async def retention(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    context = await asyncio.to_thread(services, "activity")
    await sweep(context, client)


async def sweep(context: Services, client: df.DurableOrchestrationClient) -> None:
    """Remove expired files with their durable history, and records that are older than they are kept.

    One export that cannot be removed does not keep the others: it is logged, and tried again by the next run.
    """
    expired, forgotten = await asyncio.to_thread(clean_up.due, context)
    for remove, records in ((clean_up.expire, expired), (clean_up.forget, forgotten)):
        for record in records:
            try:
                await _purge(record, client)
                await asyncio.to_thread(remove, record, context)
            except Exception:
                logger.exception("export %s was not removed", record.id, extra={"action": "retention-failed"})
    logger.info(
        "retention: %d files removed, %d records forgotten", len(expired), len(forgotten), extra={"action": "retention"}
    )


async def _purge(record: ExportRecord, client: df.DurableOrchestrationClient) -> None:
    for instance in (record.id, notification_instance(record.id), *group_instances(record.id, record.total_parts)):
        await client.purge_instance_history(instance)
