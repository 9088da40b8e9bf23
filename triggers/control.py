"""``/exports/{id}/cancel`` and ``/retry``, and ``DELETE /exports/{id}``: ending, resuming and forgetting an export."""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import uuid4

import azure.durable_functions as df
import azure.functions as func

from activities.start import start_waiting
from shared.app_log import current_request
from shared.clock import utc_now
from shared.errors import Conflict, StorageUnavailable
from shared.identity import Caller
from shared.orchestrations import is_live, tell
from shared.records import ExportRecord, iso
from shared.removal import begin_forgetting, forget
from shared.schedules.runs import settle_before_removal
from shared.services import Services
from shared.storage.names import export_instance, notification_instance
from shared.transitions import FINAL, IllegalTransition, Status
from triggers.exports import accepted, visible_record
from triggers.http import caller_of, endpoint, in_thread, request_services
from triggers.starts import start_in_turn
from triggers.timers import purge

bp = df.Blueprint()

_LOOKS, _PAUSE = 25, 0.2
"""How often, and every how many seconds, a deletion looks whether an orchestration that is about to end has ended."""


@bp.route(route="exports/{id}/cancel", methods=["POST"])
@bp.durable_client_input(client_name="client")
@endpoint
async def cancel_export(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    record = await in_thread(visible_record, context, caller, req.route_params["id"])
    record = await in_thread(cancel, record, caller, context)
    await _wake(record, client)
    with suppress(StorageUnavailable):  # the watchdog does it too
        await start_waiting(record.tenant, context, client)
    return accepted(record, caller, context.settings, client)


@bp.route(route="exports/{id}/retry", methods=["POST"])
@bp.durable_client_input(client_name="client")
@endpoint
async def retry_export(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    record = await in_thread(visible_record, context, caller, req.route_params["id"])
    record = await in_thread(retry, record, caller, context)
    await start_in_turn(record, context, client)
    return accepted(record, caller, context.settings, client)


@bp.route(route="exports/{id}", methods=["DELETE"])
@bp.durable_client_input(client_name="client")
@endpoint
async def delete_export(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    record = await in_thread(visible_record, context, caller, req.route_params["id"])
    if record.status not in FINAL:
        raise Conflict(f"the export is {record.status}; cancel it first")
    if not await _has_ended(export_instance(record.id, record.attempt), client):
        raise Conflict(f"the export is {record.status} and about to end; try again in a few seconds")
    waiting = notification_instance(record.id, record.attempt)
    if not await _has_ended(waiting, client, looks=1):
        await client.terminate(waiting, "the export was deleted")
        await _has_ended(waiting, client)
    await in_thread(settle_before_removal, record, context)
    with suppress(KeyError):  # somebody else has deleted it since
        record = await in_thread(begin_forgetting, record, context)
        await purge(record, client)
        await in_thread(forget, record, context)
    return func.HttpResponse(status_code=204)


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


def retry(record: ExportRecord, caller: Caller, context: Services) -> ExportRecord:
    """Make a failed export Pending again. Raises ``Conflict`` for any other, ``Paused``, and ``QuotaReached``."""
    if record.status != Status.FAILED:
        raise _not_failed(record.status)
    _check_resumable(record)
    limits = context.admit(record.tenant, record.export_type)
    context.usage.enter(record.tenant, record.created_by, record.id, limits, counts=False)
    try:
        record = context.records.change(
            record.tenant,
            record.id,
            f"retry-{uuid4().hex}",
            guard=_check_resumable,
            status=Status.PENDING,
            attempt=record.attempt + 1,
            started_at="",
            completed_at="",
            expires_at="",
            seen_at="",
            error_code="",
            error_message="",
            request_id=current_request(),
        )
    except IllegalTransition as other:
        raise _not_failed(other.current) from None
    with suppress(StorageUnavailable):
        context.letters.remove(record.tenant, record.id)
        message = f"{caller.name} asked to go on from the parts that are there."
        context.log.add(record.tenant, record.id, "retried", message)
    return record


def _check_resumable(record: ExportRecord) -> None:
    if record.superseded_by:
        raise Conflict(f"its rows are in a later export of its schedule: {record.superseded_by}")
    if not record.expires_at:
        raise Conflict("the export failed too long ago, and its parts were removed; ask for it again")


def _not_failed(status: str) -> Conflict:
    return Conflict(f"the export is {status}; only one that is Failed can go on")


async def _wake(record: ExportRecord, client: df.DurableOrchestrationClient) -> None:
    """Tell the orchestrations that may be in a pause; the activities look at the record by themselves."""
    instance = export_instance(record.id, record.attempt)
    status = await client.get_status(instance)
    shown: Any = status.custom_status if status else None
    group = shown.get("runningGroup") if isinstance(shown, dict) else None
    for waiting in filter(None, (group, instance)):
        await tell(waiting, "cancel", client)


async def _has_ended(instance: str, client: df.DurableOrchestrationClient, looks: int = _LOOKS) -> bool:
    for look in range(looks):
        if look:
            await asyncio.sleep(_PAUSE)
        if not await is_live(instance, client):
            return True
    return False
