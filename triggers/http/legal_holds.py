"""``/ops/holds`` and ``/ops/exports/{id}/hold``: legal holds, under which nothing of an export is removed."""

from typing import Any

import azure.functions as func

from shared.api import schemas
from shared.api.operations import Access, Answer, Parameter
from shared.audit.recorder import about
from shared.jobs.legal_hold import hold
from shared.jobs.records import ExportRecord
from shared.requests.export_request import parse_body
from shared.requests.operator_requests import TENANT_PATTERN, HoldRequest
from shared.settings import Settings
from triggers.http.endpoint import caller_of, in_thread, json_response, request_services
from triggers.http.exports import links, visible_record
from triggers.http.operation import operation
from triggers.http.parameters import CURSOR, EXPORT_ID, limit
from triggers.http.query_params import cursor_of, limit_of, tenant_named


@operation(
    "GET",
    "ops/holds",
    summary="List legal holds",
    description="Lists the exports that are under a legal hold.",
    access=Access.OPERATOR,
    audit="listed",
    answers={200: Answer("One page of legal holds.", schemas.HoldPage)},
    parameters=(
        Parameter("tenant", "Those of this tenant.", {"type": "string", "pattern": TENANT_PATTERN}),
        limit(50),
        CURSOR,
    ),
    tag="operation",
)
async def list_holds(req: func.HttpRequest) -> func.HttpResponse:
    caller, tenant = await caller_of(req), tenant_named(req.params.get("tenant"))
    about(tenant or caller.tenant, subject="ops/holds")
    limit, after = limit_of(req.params.get("limit"), 50), cursor_of(req.params.get("cursor"))
    context = await request_services()
    found, cursor = await in_thread(context.records.held, tenant, limit, after)
    return json_response({"items": [listed(r, context.settings) for r in found], "nextCursor": cursor or None})


@operation(
    "PUT",
    "ops/exports/{id}/hold",
    summary="Place an export under a legal hold",
    description="Prevents retention from removing anything of this export.",
    access=Access.OPERATOR,
    audit="changed",
    answers={200: Answer("The legal hold.", schemas.Hold)},
    parameters=(EXPORT_ID,),
    body=HoldRequest,
    refuses=(404, 409),
    tag="operation",
)
async def hold_export(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    record = await in_thread(visible_record, context, caller, req.route_params["id"])
    wanted = parse_body(HoldRequest, req.get_body(), '{"reason": "case 4711"}')
    about(record.tenant, record.id, f"hold: {wanted.reason}")
    record = await in_thread(hold, record, wanted.reason, caller, context)
    return json_response(resource(record))


@operation(
    "DELETE",
    "ops/exports/{id}/hold",
    summary="Release a legal hold",
    description="Removes the legal hold of an export. Retention applies again.",
    access=Access.OPERATOR,
    audit="changed",
    answers={204: Answer("The legal hold was released.")},
    parameters=(EXPORT_ID,),
    refuses=(404, 409),
    tag="operation",
)
async def release_export(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    record = await in_thread(visible_record, context, caller, req.route_params["id"])
    about(record.tenant, record.id, "hold released")
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
