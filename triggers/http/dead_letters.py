"""``/ops/dead-letters`` and ``/ops/redrive``: operators look at what failed for good, drive it again, or drop it."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from exports import EXPORT_TYPES
from shared.api import schemas
from shared.api.operations import Access, Answer, Parameter
from shared.audit.recorder import about, also_about
from shared.catalog.registry import export_types
from shared.errors import Conflict, NotAllowed, NotFound, QuotaReached
from shared.identity.caller import Caller
from shared.jobs.dead_letters import DeadLetter, FailureClass
from shared.jobs.records import ExportRecord
from shared.jobs.retrying import retry
from shared.jobs.starting import start_in_turn
from shared.jobs.status import Status
from shared.requests.export_request import parse_body
from shared.requests.operator_requests import TENANT_PATTERN, RedriveRequest
from shared.services import Services
from shared.settings import Settings
from shared.storage.names import parts_folder
from shared.storage.part_upload import stored_parts
from triggers.http.endpoint import caller_of, in_thread, json_response, request_services
from triggers.http.exports import accepted
from triggers.http.operation import operation
from triggers.http.parameters import ACCEPTED, CURSOR, EXPORT_ID, limit, one_of
from triggers.http.query_params import checked, choice_of, cursor_of, is_id, limit_of, tenant_named

_MISSING = "there is no dead letter of this id"


@operation(
    "GET",
    "ops/dead-letters",
    summary="List dead letters",
    description="Lists exports that failed permanently and were not yet redriven or dropped.",
    access=Access.OPERATOR,
    audit="listed",
    answers={200: Answer("One page of dead letters.", schemas.DeadLetterPage)},
    parameters=(
        Parameter("tenant", "Those of this tenant.", {"type": "string", "pattern": TENANT_PATTERN}),
        Parameter("exportType", "Those of this type.", one_of(t.name for t in EXPORT_TYPES)),
        Parameter("failureClass", "Those whose cause is there.", one_of(FailureClass)),
        limit(50),
        CURSOR,
    ),
    tag="operation",
)
async def list_dead_letters(req: func.HttpRequest) -> func.HttpResponse:
    found = checked(req.params, _CHECKS)
    about(found.get("tenant", (await caller_of(req)).tenant), subject="ops/dead-letters")
    context = await request_services()
    limit, after = found.get("limit", _ITEMS), found.get("cursor", "")
    letters, cursor = await in_thread(context.letters.listing, _where(found), after, limit)
    items = [resource(letter, context.settings) for letter in letters]
    return json_response({"items": items, "nextCursor": cursor or None})


@operation(
    "GET",
    "ops/dead-letters/{id}",
    summary="Get a dead letter",
    description="Returns a dead letter with its request and the state of its parts.",
    access=Access.OPERATOR,
    audit="seen",
    answers={200: Answer("The dead letter.", schemas.DeadLetterDetail)},
    parameters=(EXPORT_ID,),
    refuses=(404,),
    tag="operation",
)
async def dead_letter(req: func.HttpRequest) -> func.HttpResponse:
    context = await request_services()
    letter, record = await in_thread(find, req.route_params["id"], context)
    about(record.tenant, record.id, "dead letter")
    return json_response(await in_thread(_detail, letter, record, context))


@operation(
    "DELETE",
    "ops/dead-letters/{id}",
    summary="Drop a dead letter",
    description="Takes a dead letter off the list. The export stays Failed.",
    access=Access.OPERATOR,
    audit="deleted",
    answers={204: Answer("The dead letter was dropped.")},
    parameters=(EXPORT_ID,),
    refuses=(404,),
    tag="operation",
)
async def drop_dead_letter(req: func.HttpRequest) -> func.HttpResponse:
    context = await request_services()
    letter, _ = await in_thread(find, req.route_params["id"], context)
    about(letter.tenant, letter.id, "dead letter")
    await in_thread(context.letters.remove, letter.tenant, letter.id)
    return func.HttpResponse(status_code=204)


@operation(
    "POST",
    "ops/dead-letters/{id}/redrive",
    summary="Redrive a dead letter",
    description="Continues a failed export from its finished parts.",
    access=Access.OPERATOR,
    audit="retried",
    answers={202: Answer("The export was accepted again.", schemas.ExportAccepted, headers=ACCEPTED)},
    parameters=(EXPORT_ID,),
    refuses=(404, 409, 429),
    tag="operation",
)
async def redrive_dead_letter(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    _, record = await in_thread(find, req.route_params["id"], context)
    about(record.tenant, record.id, "dead letter")
    record = await in_thread(retry, record, caller, context)
    await start_in_turn(record, context, client)
    return accepted(record, caller, context.settings, client)


@operation(
    "POST",
    "ops/redrive",
    summary="Redrive matching dead letters",
    description="Continues every dead letter that matches the filter and reports the outcome of each.",
    access=Access.OPERATOR,
    audit="retried",
    answers={200: Answer("The outcome for each dead letter.", schemas.Redriven)},
    body=RedriveRequest,
    tag="operation",
)
async def redrive_dead_letters(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    caller = await caller_of(req)
    wanted = parse_body(RedriveRequest, req.get_body(), '{"failureClass": "source"}')
    context = await request_services()
    given = {"tenant": wanted.tenant, "exportType": wanted.export_type, "failureClass": wanted.failure_class}
    found = checked({name: str(value) for name, value in given.items() if value is not None}, _CHECKS)
    letters, _ = await in_thread(context.letters.listing, _where(found), "", wanted.limit)
    redriven: list[str] = []
    refused: list[dict[str, str]] = []
    for letter in letters:
        try:
            record = await in_thread(_redrive, letter, caller, context)
        except (Conflict, NotAllowed, NotFound, QuotaReached) as error:
            refused.append({"id": letter.id, "reason": str(error)})
        else:
            await start_in_turn(record, context, client)
            redriven.append(letter.id)
            also_about(letter.tenant, letter.id, "dead letter")
    chosen = ", ".join(f"{name} {value}" for name, value in found.items()) or "all"
    about(wanted.tenant or caller.tenant, subject=f"dead letters, {chosen}: {len(redriven)} of {len(letters)}")
    return json_response({"redriven": redriven, "refused": refused})


def _redrive(letter: DeadLetter, caller: Caller, context: Services) -> ExportRecord:
    _, record = find(letter.id, context)
    return retry(record, caller, context)


def find(export_id: str, context: Services) -> tuple[DeadLetter, ExportRecord]:
    """The letter of an export, and its record. Raises ``NotFound``; a letter that is none any more is removed."""
    if not is_id(export_id):
        raise NotFound(_MISSING)
    tenant = context.records.tenant_of(export_id)
    letter = context.letters.get(tenant, export_id) if tenant else None
    if letter is None:
        raise NotFound(_MISSING)
    record = context.records.get(letter.tenant, export_id)
    if record is None or record.status != Status.FAILED or record.attempt != letter.attempt:
        context.letters.remove(letter.tenant, export_id)
        raise NotFound(_MISSING)
    return letter, record


def resource(letter: DeadLetter, settings: Settings) -> dict[str, Any]:
    """A letter as the listing shows it."""
    base = f"{settings.public_url.rstrip('/')}/api"
    own = f"{base}/ops/dead-letters/{letter.id}"
    return {
        "id": letter.id,
        "tenant": letter.tenant,
        "exportType": letter.export_type,
        "format": letter.format,
        "createdBy": letter.created_by,
        "attempt": letter.attempt,
        "failedAt": letter.failed_at,
        "failureClass": letter.failure_class,
        "error": {"code": letter.code, "message": letter.message},
        "alertedAt": letter.alerted_at or None,
        "links": {"self": own, "redrive": f"{own}/redrive", "export": f"{base}/exports/{letter.id}"},
    }


def _detail(letter: DeadLetter, record: ExportRecord, context: Services) -> dict[str, Any]:
    """The same with the request and what there is of its parts."""
    parts = stored_parts(context.blobs, parts_folder(record.tenant, record.id))
    return {
        **resource(letter, context.settings),
        "request": json.loads(record.request["body"]),
        "parts": {
            "done": len(parts),
            "total": record.total_parts,
            "rows": sum(part.encoded.rows for part in parts),
            "totalRows": record.total_rows,
        },
    }


_ITEMS = 50

_CHECKS: Mapping[str, Callable[[str], Any]] = {
    "tenant": tenant_named,
    "exportType": lambda text: choice_of("exportType", text, tuple(t.name for t in export_types())),
    "failureClass": lambda text: choice_of("failureClass", text, tuple(str(known) for known in FailureClass)),
    "limit": lambda text: limit_of(text, _ITEMS),
    "cursor": cursor_of,
}

_COLUMNS = {"tenant": "PartitionKey", "exportType": "export_type", "failureClass": "failure_class"}


def _where(found: Mapping[str, Any]) -> str:
    """The OData condition of a checked query."""
    return " and ".join(f"{column} eq '{found[name]}'" for name, column in _COLUMNS.items() if name in found)
