"""``/exports/{id}/revoke-links``: a mail went to the wrong place, and its link is to lead nowhere."""

from uuid import uuid4

import azure.durable_functions as df
import azure.functions as func

from shared.identity import Caller
from shared.records import ExportRecord
from shared.services import Services
from triggers.exports import visible_record
from triggers.http import caller_of, endpoint, in_thread, request_services

bp = df.Blueprint()


@bp.route(route="exports/{id}/revoke-links", methods=["POST"])
@endpoint
async def revoke_links(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    record = await in_thread(visible_record, context, caller, req.route_params["id"])
    await in_thread(revoke, record, caller, context)
    return func.HttpResponse(status_code=204)


def revoke(record: ExportRecord, caller: Caller, context: Services) -> None:
    """Begin a new generation of links; what of an older one comes is refused."""
    context.records.change(record.tenant, record.id, f"revoke-{uuid4().hex}", links=record.links + 1)
    context.log.add(record.tenant, record.id, "links-revoked", f"{caller.name} revoked the links to the file.")
