"""What tells that a message would be no news: whoever asked has seen what became of the export, or has the file."""

from typing import Literal

import azure.durable_functions as df

from shared.app_log import logger
from shared.clock import utc_now
from shared.errors import StorageUnavailable
from shared.identity import Caller
from shared.records import ExportRecord, iso
from shared.services import Services
from shared.storage.names import notification_instance
from shared.transitions import Status
from triggers.http import in_thread

_LIVE = (df.OrchestrationRuntimeStatus.Pending, df.OrchestrationRuntimeStatus.Running)


async def note_seen(
    record: ExportRecord, caller: Caller, context: Services, client: df.DurableOrchestrationClient
) -> None:
    """Remember that whoever asked for the export looks at its end. What goes wrong does not keep them from looking."""
    ended = record.status in (Status.COMPLETED, Status.FAILED)
    asked = (caller.tenant, caller.user) == (record.tenant, record.created_by)
    if not (ended and asked) or record.seen_at:
        return
    try:
        await in_thread(
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
    await in_thread(context.notifications.read, record.tenant, record.created_by, record.id, iso(utc_now()))
    waiting = notification_instance(record.id, record.attempt)
    status = await client.get_status(waiting)
    if status and status.runtime_status in _LIVE:
        try:
            await client.raise_event(waiting, event)
        except Exception as error:  # noqa: BLE001 - all that the SDK raises, when it has just ended too
            logger.info("%s was not told: %s", waiting, error, extra={"action": "notification-not-told"})
