"""Clean up: partial blobs once the file is there, and everything of an export that has had its time."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import azure.durable_functions as df

from activities.outcome import Payload, outcome
from activities.tracing import traced
from shared.clock import utc_now
from shared.models import ExportRef
from shared.records import ExportRecord, iso
from shared.services import Services, services
from shared.storage.names import folder, parts_folder
from shared.transitions import Status

bp = df.Blueprint()


@dataclass(frozen=True)
class Removed:
    """How many blobs went."""

    blobs: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@bp.activity_trigger(input_name="ref")
@traced
def remove_parts(ref: Payload) -> dict[str, Any]:
    return outcome(lambda: delete_parts(ExportRef.from_json(ref), services("activity")))


def delete_parts(ref: ExportRef, context: Services) -> Removed:
    """Delete the partial blobs of an export that is published."""
    return Removed(context.blobs.delete_folder(parts_folder(ref.tenant, ref.export_id)))


@bp.activity_trigger(input_name="ref")
@traced
def remove_cancelled(ref: Payload) -> dict[str, Any]:
    return outcome(lambda: clear_cancelled(ExportRef.from_json(ref), services("activity")))


def clear_cancelled(ref: ExportRef, context: Services) -> Removed:
    """Delete everything in the folder of an export that was cancelled, once nothing runs for it any more."""
    removed = Removed(context.blobs.delete_folder(folder(ref.tenant, ref.export_id)))
    record = context.record(ref)
    if record.status == Status.CANCELLED and record.expires_at:
        context.records.change(ref.tenant, ref.export_id, f"cleared-{record.attempt}", expires_at="")
        context.log.add(ref.tenant, ref.export_id, "cleared", "Everything has stopped, and its parts are removed.")
    context.usage.leave(ref.tenant, ref.export_id)
    return removed


def expire(record: ExportRecord, context: Services) -> None:
    """Delete the file and everything else in the export's folder.

    The record of a completed export says Expired; one that failed stays Failed, and only has no parts any more.
    """
    removed = context.blobs.delete_folder(folder(record.tenant, record.id))
    if record.status == Status.COMPLETED:
        context.records.change(record.tenant, record.id, "expire", status=Status.EXPIRED)
        context.log.add(record.tenant, record.id, "expired", "The file was removed: its time was up.")
    else:
        context.records.change(record.tenant, record.id, "expire", expires_at="")
        if removed:
            context.log.add(record.tenant, record.id, "parts-removed", "The finished parts were removed.")


def forget(record: ExportRecord, context: Services) -> None:
    """Delete all that is left of an export: blobs, log lines, mail rows, and the record last."""
    context.blobs.delete_folder(folder(record.tenant, record.id))
    context.log.delete(record.id)
    context.mail.forget(record.id)
    if claim := record.request.get("claim"):
        context.claims.forget(record.tenant, claim, record.id)
    context.usage.leave(record.tenant, record.id)
    context.records.delete(record)


def due(context: Services) -> tuple[list[ExportRecord], list[ExportRecord]]:
    """The records whose files are to be removed, and those to be forgotten."""
    now = utc_now()
    limit = now - timedelta(days=context.settings.record_retention_days)
    files: list[ExportRecord] = []
    forgotten: list[ExportRecord] = []
    for record in context.records.past_their_time(iso(now), iso(limit)):
        has_files = record.status != Status.EXPIRED and record.expires_at
        (files if has_files else forgotten).append(record)
    return files, forgotten
