"""Cancelling an export: the record says so first, then what runs for it is woken."""

from contextlib import suppress
from typing import Any
from uuid import uuid4

import azure.durable_functions as df

from shared.durable.client import tell
from shared.durable.instance_ids import export_instance
from shared.errors import Conflict, StorageUnavailable
from shared.identity.caller import Caller
from shared.jobs.records import ExportRecord
from shared.jobs.status import IllegalTransition, Status
from shared.services import Services
from shared.timestamps import iso, utc_now


def cancel(record: ExportRecord, caller: Caller, context: Services) -> ExportRecord:
    """Mark the export as Cancelled; what runs for it sees that and stops. Raises ``Conflict`` when it has ended.

    The record decides between a cancellation and whatever else ends the export at the same time.
    """
    now = iso(utc_now())
    try:
        record = context.records.change(
            record.tenant,
            record.id,
            f"cancel-{uuid4().hex}",
            status=Status.CANCELLED,
            phase="",
            completed_at=now,
            expires_at=now,  # retention removes what is left, should nobody be there to do so at once
        )
    except IllegalTransition as ended:
        if ended.current != Status.CANCELLED:
            sentence = f"the export is {ended.current}; it can be cancelled while it is Pending or Processing"
            raise Conflict(sentence) from None
        return context.records.get(record.tenant, record.id) or record
    with suppress(StorageUnavailable):  # the record is changed; the watchdog strikes it off
        context.log.add(record.tenant, record.id, "cancelled", f"{caller.name} cancelled the export.")
        context.usage.leave(record.tenant, record.id)
    return record


async def wake_orchestrations(record: ExportRecord, client: df.DurableOrchestrationClient) -> None:
    """Tell the orchestrations that may be in a pause; the activities look at the record by themselves."""
    instance = export_instance(record.id, record.attempt)
    status = await client.get_status(instance)
    shown: Any = status.custom_status if status else None
    group = shown.get("runningGroup") if isinstance(shown, dict) else None
    for waiting in filter(None, (group, instance)):
        await tell(waiting, "cancel", client)
