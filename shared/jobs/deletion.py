"""Removing exports: first the record says so, under its ETag, then things go, then the record says that they are gone.

Whoever finds a record that says ``removing`` or ``forgetting`` goes on with it, so that a removal ends however often it
is killed, and two that do the same do no harm. A retry or a legal hold either comes before the first write, and then
nothing is removed, or it is refused.
"""

from collections.abc import Iterator
from datetime import datetime
from uuid import uuid4

import azure.durable_functions as df

from shared.durable.instance_ids import export_instance, group_instances, notification_instance
from shared.errors import Conflict
from shared.jobs.records import ExportRecord
from shared.jobs.status import FINAL, Status
from shared.services import Services
from shared.storage.names import folder
from shared.timestamps import from_iso, iso

REMOVING, FORGETTING = "removing", "forgetting"
"""Phases of a record whose files, or of which everything, is being removed."""


class NotDue(Exception):
    """The record is not, or no longer, one to be removed."""


def files_are_due(record: ExportRecord, now: datetime) -> bool:
    """Whether the files of an export that has ended have had their time; a legal hold keeps them."""
    if record.phase == REMOVING:
        return True
    ended = record.status in FINAL and record.status != Status.EXPIRED
    return ended and not record.hold and bool(record.expires_at) and from_iso(record.expires_at) <= now


def record_is_due(record: ExportRecord, now: datetime, context: Services) -> bool:
    """Whether an export without files has been remembered for long enough."""
    if record.phase == FORGETTING:
        return True
    if record.hold or record.phase == REMOVING or record.status not in FINAL:
        return False
    if record.status != Status.EXPIRED and record.expires_at:
        return False
    since = record.expires_at or record.completed_at
    return from_iso(since) + context.record_retention(record.tenant, record.export_type) <= now


def begin_expiry(record: ExportRecord, now: datetime, context: Services) -> ExportRecord:
    """Let the record say that its files are going, from now on. Raises ``NotDue`` when they are not to go."""

    def check(present: ExportRecord) -> None:
        if not files_are_due(present, now) or present.phase == REMOVING:
            raise NotDue

    if record.phase == REMOVING:
        return record
    completed = record.status == Status.COMPLETED
    changes = {"status": Status.EXPIRED, "expires_at": iso(now)} if completed else {"expires_at": ""}
    op_id = f"expire-{uuid4().hex}"
    return context.records.change(record.tenant, record.id, op_id, guard=check, phase=REMOVING, **changes)


def end_expiry(record: ExportRecord, context: Services) -> None:
    """Delete the file, everything else in the export's folder, and the links to it, once.

    The record of a completed export says Expired; one that failed stays Failed, and only has no parts any more.
    """

    def check(present: ExportRecord) -> None:
        if present.phase != REMOVING:
            raise NotDue

    removed = context.blobs.delete_folder(folder(record.tenant, record.id))
    context.links.forget(record.tenant, record.id)
    context.records.change(record.tenant, record.id, f"expired-{uuid4().hex}", guard=check, phase="")
    if record.status == Status.EXPIRED:
        context.log.add(record.tenant, record.id, "expired", "The file was removed: its time was up.")
    elif removed:
        context.log.add(record.tenant, record.id, "parts-removed", "The finished parts were removed.")


def begin_forgetting(record: ExportRecord, context: Services) -> ExportRecord:
    """Let the record say that everything is going. Raises ``Conflict`` under a legal hold, ``KeyError`` when gone."""

    def check(present: ExportRecord) -> None:
        if present.hold:
            raise Conflict("the export is under a legal hold, and stays until an operator lifts it")
        if present.status not in FINAL:
            raise Conflict(f"the export is {present.status}; cancel it first")

    if record.phase == FORGETTING:
        return record
    op_id = f"forget-{uuid4().hex}"
    return context.records.change(record.tenant, record.id, op_id, guard=check, phase=FORGETTING)


def forget(record: ExportRecord, context: Services) -> None:
    """Delete all that is left of an export: blobs, log lines, mail rows, links, dead letter, and the record last."""
    context.blobs.delete_folder(folder(record.tenant, record.id))
    context.log.delete(record.id)
    context.delivery.forget(record.id)
    context.links.forget(record.tenant, record.id)
    context.notifications.forget(record.tenant, record.created_by, record.id)
    context.letters.remove(record.tenant, record.id)
    if claim := record.request.get("claim"):
        context.claims.forget(record.tenant, claim, record.id)
    context.usage.leave(record.tenant, record.id)
    context.records.delete(record)


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
