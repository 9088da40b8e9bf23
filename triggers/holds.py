"""``/ops/holds`` and ``/ops/exports/{id}/hold``: legal holds, under which nothing of an export is removed."""

from typing import Any
from uuid import uuid4

import azure.durable_functions as df
import azure.functions as func

from shared.errors import Conflict
from shared.identity import Caller
from shared.operators import HoldRequest
from shared.records import ExportRecord
from shared.removal import FORGETTING, REMOVING
from shared.requests import parse_body
from shared.services import Services
from shared.settings import Settings
from triggers.exports import links, visible_record
from triggers.http import caller_of, endpoint, in_thread, json_response, request_services
from triggers.parameters import cursor_of, limit_of, tenant_named

bp = df.Blueprint()


@bp.route(route="ops/holds", methods=["GET", "HEAD"])
@endpoint
async def list_holds(req: func.HttpRequest) -> func.HttpResponse:
    (await caller_of(req)).require_operator()
    tenant = tenant_named(req.params.get("tenant"))
    limit, after = limit_of(req.params.get("limit"), 50), cursor_of(req.params.get("cursor"))
    context = await request_services()
    found, cursor = await in_thread(context.records.held, tenant, limit, after)
    return json_response({"items": [listed(r, context.settings) for r in found], "nextCursor": cursor or None})


@bp.route(route="ops/exports/{id}/hold", methods=["PUT"])
@endpoint
async def hold_export(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    caller.require_operator()
    context = await request_services()
    record = await in_thread(visible_record, context, caller, req.route_params["id"])
    wanted = parse_body(HoldRequest, req.get_body(), '{"reason": "case 4711"}')
    record = await in_thread(hold, record, wanted.reason, caller, context)
    return json_response(resource(record))


@bp.route(route="ops/exports/{id}/hold", methods=["DELETE"])
@endpoint
async def release_export(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    caller.require_operator()
    context = await request_services()
    record = await in_thread(visible_record, context, caller, req.route_params["id"])
    await in_thread(hold, record, "", caller, context)
    return func.HttpResponse(status_code=204)


def resource(record: ExportRecord) -> dict[str, Any]:
    """A hold as the API shows it."""
    return {"id": record.id, "tenant": record.tenant, "status": record.status, "reason": record.hold}


def listed(record: ExportRecord, settings: Settings) -> dict[str, Any]:
    """The same in a list, with whose export it is."""
    return {
        **resource(record),
        "exportType": record.export_type,
        "createdBy": record.created_by,
        "createdAt": record.created_at,
        "links": {"export": links(record.id, settings)["self"]},
    }


def hold(record: ExportRecord, reason: str, caller: Caller, context: Services) -> ExportRecord:
    """Put an export under a hold for this reason, or lift it with an empty one. Raises ``Conflict``: it is going."""

    def check(present: ExportRecord) -> None:
        if present.phase in (REMOVING, FORGETTING):
            raise Conflict("the export is being removed at this moment")

    changed = context.records.change(record.tenant, record.id, f"hold-{uuid4().hex}", guard=check, hold=reason)
    action, message = ("held", f"put it under a legal hold: {reason}") if reason else ("released", "lifted the hold")
    context.log.add(record.tenant, record.id, action, f"{caller.name} {message}.")
    return changed
