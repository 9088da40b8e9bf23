"""Notify: decide whether a mail is worth sending, start the wait for it, and send it."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import azure.durable_functions as df

from activities.outcome import Payload, failure_of, outcome
from activities.tracing import traced
from shared.catalogue import export_type_named
from shared.errors import SluiceError
from shared.links import landing_url
from shared.mail import messages
from shared.metrics import MAILS, count
from shared.models import ExportRef, NotificationStart, SkippedMail
from shared.records import ExportRecord, from_iso, iso
from shared.requests import ExportRequest
from shared.services import Services, services
from shared.storage.names import notification_instance
from shared.transitions import Status

bp = df.Blueprint()


@dataclass(frozen=True)
class Decision:
    """``waits``, ``sent`` or ``skipped``, and the reason in a sentence."""

    decision: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        return {"decision": self.decision, "reason": self.reason}


@bp.activity_trigger(input_name="ref")
@bp.durable_client_input(client_name="client")
@traced
async def start_notification(ref: Payload, client: df.DurableOrchestrationClient) -> dict[str, Any]:
    try:
        export = ExportRef.from_json(ref)
        context = await asyncio.to_thread(services, "activity")
        start = await asyncio.to_thread(plan_notification, export, context)
    except SluiceError as error:
        return failure_of(error)
    if isinstance(start, Decision):
        return {"value": start.to_json()}
    instance = notification_instance(export.export_id)
    existing = await client.get_status(instance)
    if existing is None or existing.runtime_status is None:
        await client.start_new("notification", instance, start.to_json())
    return {"value": Decision("waits", f"until {start.wait_until}").to_json()}


@bp.activity_trigger(input_name="start")
@traced
def send_notification(start: Payload) -> dict[str, Any]:
    begun = NotificationStart.from_json(start)
    return outcome(lambda: send(ExportRef(begun.tenant, begun.export_id), services("activity")))


@bp.activity_trigger(input_name="skipped")
@traced
def skip_notification(skipped: Payload) -> dict[str, Any]:
    given = SkippedMail.from_json(skipped)
    ref = ExportRef(given.tenant, given.export_id)
    return outcome(lambda: skip(ref, given.reason, given.code, services("activity")))


def plan_notification(ref: ExportRef, context: Services) -> NotificationStart | Decision:
    """What to do about a completed export: wait until a time, or nothing for a reason that is logged."""
    record = context.record(ref)
    wanted = ExportRequest.model_validate_json(record.request["body"]).notify.email
    if wanted is False:
        return skip(ref, "the request switched it off", "switched-off", context)
    if not record.caller["email"]:
        return skip(ref, "no address is known of who asked", "no-address", context)
    took = from_iso(record.completed_at) - from_iso(record.created_at)
    limit = notify_after(record, context)
    if wanted is None and took < limit:
        reason = f"the export took {took.total_seconds():.0f} s, quicker than {limit.total_seconds():.0f} s"
        return skip(ref, reason, "quick", context)
    until = from_iso(record.completed_at) + timedelta(seconds=context.settings.notify_grace_seconds)
    message = f"The mail waits until {iso(until)} for a download."
    context.log.add(ref.tenant, ref.export_id, "mail-waits", message)
    pace = context.settings
    return NotificationStart(
        ref.tenant, ref.export_id, iso(until), pace.part_attempts, pace.retry_first_seconds, ref.trace_parent
    )


def notify_after(record: ExportRecord, context: Services) -> timedelta:
    """An export of this type that is quicker sends no mail unless it is asked to."""
    own = export_type_named(record.export_type).notify_after
    return timedelta(seconds=context.settings.notify_after_seconds) if own is None else own


def send(ref: ExportRef, context: Services) -> Decision:
    """Send the mail unless it is no news any more. Raises ``TransientError`` (try again) or ``PermanentError``."""
    record = context.record(ref)
    if record.downloaded_at:
        return skip(ref, "the file was downloaded", "downloaded", context)
    if record.status != Status.COMPLETED:
        return skip(ref, f"the export is {record.status} by now", "not-completed", context)
    title = export_type_named(record.export_type).title
    message = messages.completed(record, title, landing_url(record, context.settings))
    receipt = context.mail.send(ref.export_id, "completed", message)
    if receipt == "sent":
        count(MAILS, outcome="sent", reason="")
        context.log.add(ref.tenant, ref.export_id, "mail-sent", f"Sent the mail to {message.recipient}.")
    return Decision("sent", receipt)


def skip(ref: ExportRef, reason: str, code: str, context: Services) -> Decision:
    """Log and count why no mail goes out."""
    count(MAILS, outcome="skipped", reason=code)
    context.log.add(ref.tenant, ref.export_id, "mail-skipped", f"No mail: {reason}.")
    return Decision("skipped", reason)
