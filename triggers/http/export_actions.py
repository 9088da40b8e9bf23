"""``/exports/{id}/cancel`` and ``/retry``, and ``DELETE /exports/{id}``: ending, resuming and forgetting an export."""

import asyncio
from contextlib import suppress

import azure.durable_functions as df
import azure.functions as func

from shared.api import schemas
from shared.api.operations import Access, Answer
from shared.durable.client import is_live
from shared.durable.instance_ids import export_instance, notification_instance
from shared.errors import Conflict, StorageUnavailable
from shared.jobs.cancelling import cancel, wake_orchestrations
from shared.jobs.deletion import begin_forgetting, forget, purge
from shared.jobs.retrying import retry
from shared.jobs.starting import start_in_turn, start_waiting
from shared.jobs.status import FINAL
from shared.schedules.runs import settle_before_removal
from triggers.http.endpoint import caller_of, in_thread, request_services
from triggers.http.exports import accepted, visible_record
from triggers.http.operation import operation
from triggers.http.parameters import ACCEPTED, EXPORT_ID

_LOOKS, _PAUSE = 25, 0.2
"""How often, and every how many seconds, a deletion looks whether an orchestration that is about to end has ended."""


@operation(
    "POST",
    "exports/{id}/cancel",
    summary="Cancel an export",
    description=(
        "Stops all work for the export within seconds and removes its partial files. Cancelling a cancelled "
        "export succeeds again."
    ),
    access=Access.OWNER,
    audit="cancelled",
    answers={202: Answer("The export was cancelled.", schemas.ExportAccepted, headers=ACCEPTED)},
    parameters=(EXPORT_ID,),
    refuses=(409,),
    tag="exports",
)
async def cancel_export(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    record = await in_thread(visible_record, context, caller, req.route_params["id"])
    record = await in_thread(cancel, record, caller, context)
    await wake_orchestrations(record, client)
    with suppress(StorageUnavailable):  # the watchdog does it too
        await start_waiting(record.tenant, context, client)
    return accepted(record, caller, context.settings, client)


@operation(
    "POST",
    "exports/{id}/retry",
    summary="Retry a failed export",
    description="Continues a failed export from the parts that are already finished.",
    access=Access.OWNER,
    audit="retried",
    answers={202: Answer("The export was accepted again.", schemas.ExportAccepted, headers=ACCEPTED)},
    parameters=(EXPORT_ID,),
    refuses=(409, 429),
    tag="exports",
)
async def retry_export(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    record = await in_thread(visible_record, context, caller, req.route_params["id"])
    record = await in_thread(retry, record, caller, context)
    await start_in_turn(record, context, client)
    return accepted(record, caller, context.settings, client)


@operation(
    "DELETE",
    "exports/{id}",
    summary="Delete an export",
    description="Removes an export that has ended, with its file, its log and its history.",
    access=Access.OWNER,
    audit="deleted",
    answers={204: Answer("The export was deleted.")},
    parameters=(EXPORT_ID,),
    refuses=(409,),
    tag="exports",
)
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


async def _has_ended(instance: str, client: df.DurableOrchestrationClient, looks: int = _LOOKS) -> bool:
    for look in range(looks):
        if look:
            await asyncio.sleep(_PAUSE)
        if not await is_live(instance, client):
            return True
    return False
