"""Clean up: partial blobs once the file is there, and everything of an export that has had its time."""

from dataclasses import asdict, dataclass
from typing import Any

import azure.durable_functions as df

from activities.outcome import Payload, outcome
from activities.tracing import traced
from shared.durable.inputs import ExportRef
from shared.jobs.status import Status
from shared.services import Services, services
from shared.storage.names import folder, parts_folder

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
    return outcome(lambda: delete_parts(ExportRef.from_json(ref), services("activity")), ref)


def delete_parts(ref: ExportRef, context: Services) -> Removed:
    """Delete the partial blobs of an export that is published."""
    return Removed(context.blobs.delete_folder(parts_folder(ref.tenant, ref.export_id)))


@bp.activity_trigger(input_name="ref")
@traced
def remove_cancelled(ref: Payload) -> dict[str, Any]:
    return outcome(lambda: clear_cancelled(ExportRef.from_json(ref), services("activity")), ref)


def clear_cancelled(ref: ExportRef, context: Services) -> Removed:
    """Delete everything in the folder of an export that was cancelled, once nothing runs for it any more."""
    removed = Removed(context.blobs.delete_folder(folder(ref.tenant, ref.export_id)))
    record = context.record(ref)
    if record.status == Status.CANCELLED and record.expires_at:
        context.records.change(ref.tenant, ref.export_id, f"cleared-{record.attempt}", expires_at="")
        context.log.add(ref.tenant, ref.export_id, "cleared", "Everything has stopped, and its parts are removed.")
    context.usage.leave(ref.tenant, ref.export_id)
    return removed
