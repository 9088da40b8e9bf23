"""Starting an export: from a checked request to a record, and from a record to its orchestration.

The record is the promise. What is lost after it was written (a start, a process) is made good by whoever comes next:
the same request, a look at the status, or the watchdog.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import azure.durable_functions as df

from shared.claims import Claim, holder
from shared.errors import StorageUnavailable
from shared.models import ExportStart
from shared.records import ExportRecord, from_iso
from shared.services import Services
from shared.settings import Settings
from shared.storage.names import export_instance
from shared.telemetry import orchestration_parent
from shared.transitions import FINAL, Status
from triggers.http import in_thread

logger = logging.getLogger("sluice")


@dataclass(frozen=True)
class Started:
    """The export that a request got. ``created``: its record is new; ``deduplicated``: an earlier request made it."""

    record: ExportRecord
    created: bool
    deduplicated: bool


async def start(
    wanted: ExportRecord,
    claim: Claim | None,
    check: Callable[[], None],
    message: str,
    context: Services,
    client: df.DurableOrchestrationClient,
) -> Started:
    """Give the request its export: the wanted one, or without a second one the one that the claim belongs to.

    ``check`` is called before anything new is made. Raises what it raises, ``KeyReused``, ``Paused``, ``QuotaReached``,
    and ``StorageUnavailable`` when no record was written.
    """
    started = await in_thread(_record, wanted, claim, check, context)
    if started.created:
        with suppress(StorageUnavailable):  # the application's log has the line
            record = started.record
            await in_thread(
                context.log.add, record.tenant, record.id, "requested", message, at=from_iso(record.created_at)
            )
        await begin(started.record, context.settings, client)
    else:
        await make_good(started.record, context.settings, client)
    return started


def _record(wanted: ExportRecord, claim: Claim | None, check: Callable[[], None], context: Services) -> Started:
    record = wanted
    if claim is not None:
        window = context.dedup_window(wanted.export_type)
        held = holder(wanted, claim, window, context.claims, context.records)
        if held.record is not None:
            return Started(held.record, created=False, deduplicated=True)
        noted = {**wanted.request, "claim": claim.row}
        record = replace(wanted, id=held.claim.export_id, request=noted)
    limits = context.admit(record.tenant, record.export_type)
    check()
    context.usage.enter(record.tenant, record.created_by, record.id, limits)
    created = context.records.create(record)
    if not created:
        record = context.records.get(record.tenant, record.id) or record
        if record.status in FINAL:
            context.usage.leave(record.tenant, record.id)
    return Started(record, created, deduplicated=not created)


async def make_good(record: ExportRecord, settings: Settings, client: df.DurableOrchestrationClient) -> None:
    """Start the orchestration of an export whose start was lost; nothing happens to others."""
    if record.status == Status.PENDING and not await is_known(record, client):
        await begin(record, settings, client)


async def begin(record: ExportRecord, settings: Settings, client: df.DurableOrchestrationClient) -> None:
    """Start the orchestration. Its id is the export's, so that the engine lets only one of many starts through."""
    instance = export_instance(record.id, record.attempt)
    ref = ExportStart(
        record.tenant,
        record.id,
        settings.parts_in_flight,
        settings.part_attempts,
        settings.retry_first_seconds,
        record.attempt,
        orchestration_parent(record.request.get("trace", ""), instance),
    )
    try:
        await client.start_new("export", instance, ref.to_json())
    except Exception as error:  # noqa: BLE001 - all that the SDK raises, when somebody else was faster too
        extra = {"action": "start-delayed", "export_id": record.id, "tenant": record.tenant}
        logger.warning("export %s was not started by this request: %s", record.id, error, extra=extra)


async def is_known(record: ExportRecord, client: df.DurableOrchestrationClient) -> bool:
    """Whether the engine has the orchestration of the record's attempt."""
    status = await client.get_status(export_instance(record.id, record.attempt))
    return status is not None and status.runtime_status is not None
