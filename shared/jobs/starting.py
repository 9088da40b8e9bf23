"""Starting an export: from a checked request to a record, and from a record to its orchestration.

The record is the promise. What is lost after it was written (a start, a process) is made good by whoever comes next:
the same request, a look at the status, or the watchdog.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import azure.durable_functions as df

from shared.durable.client import is_known
from shared.durable.inputs import ExportStart
from shared.durable.instance_ids import export_instance
from shared.errors import RequestError, StorageUnavailable
from shared.jobs.idempotency import Claim, Holder, holder
from shared.jobs.quotas import Turns
from shared.jobs.records import ExportRecord
from shared.jobs.status import FINAL, Status
from shared.observability.logging import logger
from shared.observability.telemetry import orchestration_parent
from shared.services import Services
from shared.settings import Settings
from shared.text import count
from shared.timestamps import from_iso


@dataclass(frozen=True)
class Started:
    """The export that a request got. ``created``: its record is new; ``deduplicated``: an earlier request made it.

    ``runs``: its turn has come.
    """

    record: ExportRecord
    created: bool
    deduplicated: bool
    runs: bool = False


async def start(
    wanted: ExportRecord,
    claim: Claim | None,
    check: Callable[[], Awaitable[None]],
    message: str,
    context: Services,
    client: df.DurableOrchestrationClient,
) -> Started:
    """Give the request its export: the wanted one, or without a second one the one that the claim belongs to.

    ``check`` is awaited before anything new is made. Raises what it raises, ``KeyReused``, ``Paused``,
    ``QuotaReached``, and ``StorageUnavailable`` when no record was written.
    """
    started = await _recorded(wanted, claim, check, context)
    record = started.record
    if started.created:
        with suppress(StorageUnavailable):  # the application's log has the line
            at = from_iso(record.created_at)
            await asyncio.to_thread(context.log.add, record.tenant, record.id, "requested", message, at=at)
    if started.created and started.runs:
        await begin(record, context.settings, client)
    elif started.created and not await start_in_turn(record, context, client):
        await asyncio.to_thread(_note_queued, record, context)
    elif (
        not started.created
        and record.status == Status.PENDING
        and not await is_known(export_instance(record.id, record.attempt), client)
    ):
        await start_in_turn(record, context, client)
    return started


def _note_queued(record: ExportRecord, context: Services) -> None:
    at_once = count(context.limits.at_once, "export")
    with suppress(StorageUnavailable):
        message = f"It waits for its turn: {at_once} of your organisation may run at a time."
        context.log.add(record.tenant, record.id, "queued", message)


async def _recorded(
    wanted: ExportRecord, claim: Claim | None, check: Callable[[], Awaitable[None]], context: Services
) -> Started:
    held = await asyncio.to_thread(_held, wanted, claim, context) if claim else None
    if held and held.record is not None:
        return Started(held.record, created=False, deduplicated=True)
    record = wanted
    if held and claim:
        noted = {**wanted.request, "claim": claim.row}
        record = replace(wanted, id=held.claim.export_id, created_at=held.claim.created_at, request=noted)
    try:
        limits = await asyncio.to_thread(context.admit, record.tenant, record.export_type)
        await check()
        runs = await asyncio.to_thread(context.usage.enter, record.tenant, record.created_by, record.id, limits)
    except RequestError:
        if held:
            with suppress(StorageUnavailable):
                await asyncio.to_thread(context.claims.refuse, record.tenant, held.claim)
        raise
    return await asyncio.to_thread(_written, record, runs, context)


def _held(wanted: ExportRecord, claim: Claim, context: Services) -> Holder:
    return holder(wanted, claim, context.dedup_window(wanted.export_type), context.claims, context.records)


def _written(record: ExportRecord, runs: bool, context: Services) -> Started:
    created = context.records.create(record)
    if not created:
        record = context.records.get(record.tenant, record.id) or record
        if record.status in FINAL:
            context.usage.leave(record.tenant, record.id)
    return Started(record, created, deduplicated=not created, runs=runs)


async def start_in_turn(record: ExportRecord, context: Services, client: df.DurableOrchestrationClient) -> bool:
    """Start the orchestration of a Pending export that has none, if its turn has come; give whether it has.

    Raises nothing: the record is written, and what is not done now is made good.
    """
    if record.status != Status.PENDING:
        return True
    try:
        turns = await start_waiting(record.tenant, context, client)
        if record.id in turns.waiting:
            return False
        if record.id not in turns.chosen:
            await begin(record, context.settings, client)
    except StorageUnavailable as error:
        extra = {"action": "start-delayed", "export_id": record.id, "tenant": record.tenant}
        logger.warning("export %s was not started now: %s", record.id, error, extra=extra)
    return True


async def start_waiting(tenant: str, context: Services, client: df.DurableOrchestrationClient) -> Turns:
    """Give as many of the tenant's waiting exports their turn as there is room for, and start them.

    What is lost in between, the watchdog starts, or the next look at the export. Raises ``StorageUnavailable``.
    """
    limits = await asyncio.to_thread(context.limits_for, tenant)
    turns = await asyncio.to_thread(context.usage.next_turns, tenant, limits)
    for export_id in turns.chosen:
        record = await asyncio.to_thread(context.records.get, tenant, export_id)
        if record is not None and record.status == Status.PENDING:  # else its request starts it, or it has ended
            await begin(record, context.settings, client)
    return turns


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
        record.request_id,
        orchestration_parent(record.request.get("trace", ""), instance),
    )
    try:
        await client.start_new("export", instance, ref.to_json())
    except Exception as error:  # noqa: BLE001 - all that the SDK raises, when somebody else was faster too
        extra = {"action": "start-delayed", "export_id": record.id, "tenant": record.tenant}
        logger.warning("export %s was not started now: %s", record.id, error, extra=extra)
