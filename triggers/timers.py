"""Timers: retention, which removes what has had its time."""

import asyncio
from collections.abc import Iterator

import azure.durable_functions as df
import azure.functions as func

from activities import clean_up
from activities.notify import remind
from orchestrators.export import group_instances
from shared.app_log import about, logger
from shared.records import ExportRecord
from shared.services import Services, services
from shared.storage.names import export_instance, notification_instance

bp = df.Blueprint()


@bp.timer_trigger(arg_name="timer", schedule="%RETENTION_SCHEDULE%", run_on_startup=False)
@bp.durable_client_input(client_name="client")
async def retention(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    context = await asyncio.to_thread(services, "activity")
    await sweep(context, client)
    await asyncio.to_thread(remind, context)


async def sweep(context: Services, client: df.DurableOrchestrationClient) -> None:
    """Remove expired files with their durable history, and records that are older than they are kept.

    One export that cannot be removed does not keep the others: it is logged, and tried again by the next run.
    """
    expired, forgotten = await asyncio.to_thread(clean_up.due, context)
    for remove, records in ((clean_up.expire, expired), (clean_up.forget, forgotten)):
        for record in records:
            with about(tenant=record.tenant, export_id=record.id, request_id=record.request_id):
                try:
                    await purge(record, client)
                    await asyncio.to_thread(remove, record, context)
                except Exception:
                    logger.exception("an export was not removed", extra={"action": "retention-failed"})
    claims = await asyncio.to_thread(clean_up.sweep_claims, context)
    logger.info(
        "retention: %d files removed, %d records forgotten, %d claims of refused requests removed",
        len(expired),
        len(forgotten),
        claims,
        extra={"action": "retention"},
    )


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
