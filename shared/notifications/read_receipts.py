"""What tells that a message would be no news: whoever asked has seen what became of the export, or has the file."""

import asyncio
from typing import Literal

import azure.durable_functions as df

from shared.errors import StorageUnavailable
from shared.identity.caller import Caller
from shared.jobs.records import ExportRecord
from shared.jobs.status import Status
from shared.notifications.decide import wake
from shared.observability.logging import logger
from shared.services import Services
from shared.timestamps import iso, utc_now


async def note_seen(
    record: ExportRecord, caller: Caller, context: Services, client: df.DurableOrchestrationClient
) -> None:
    """Remember that whoever asked for the export looks at its end. What goes wrong does not keep them from looking."""
    ended = record.status in (Status.COMPLETED, Status.FAILED)
    asked = (caller.tenant, caller.user) == (record.tenant, record.created_by)
    if not (ended and asked) or record.seen_at:
        return
    try:
        await asyncio.to_thread(
            context.records.change, record.tenant, record.id, f"seen-{record.attempt}", seen_at=iso(utc_now())
        )
        await no_news(record, "seen", context, client)
    except (StorageUnavailable, KeyError) as error:
        extra = {"action": "seen-not-noted", "export_id": record.id, "tenant": record.tenant}
        logger.warning("it was not noted that export %s was seen: %s", record.id, error, extra=extra)


async def no_news(
    record: ExportRecord, event: Literal["downloaded", "seen"], context: Services, client: df.DurableOrchestrationClient
) -> None:
    """Mark what was told in the app as read, and wake the notification that may be waiting."""
    await asyncio.to_thread(context.notifications.read, record.tenant, record.created_by, record.id, iso(utc_now()))
    await wake(record, event, client)
