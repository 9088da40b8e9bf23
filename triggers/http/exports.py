"""``/exports``: start an export, list exports, and tell how one is doing."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from shared.api import schemas
from shared.api.operations import Access, Answer
from shared.audit.recorder import about, owner_checked
from shared.catalog.export_types import ExportType
from shared.catalog.registry import export_types
from shared.catalog.tenancy import wanted_type
from shared.durable.instance_ids import export_instance
from shared.errors import FieldError, NotFound, QueryFailed, SourceUnavailable, TookTooLong, ValidationFailed
from shared.formats import FORMATS
from shared.identity.caller import Caller
from shared.jobs.estimates import check_limits
from shared.jobs.idempotency import Claim, key_claim, request_claim
from shared.jobs.ownership_check import check_owned
from shared.jobs.progress import look_ahead, progress_of
from shared.jobs.records import ExportRecord, Listing, new_export_id
from shared.jobs.starting import start, start_in_turn
from shared.jobs.status import FINAL, Status
from shared.notifications.read_receipts import note_seen
from shared.observability.logging import current_request
from shared.observability.telemetry import trace_parent
from shared.requests.export_request import ExportRequest, fingerprint, parse_request
from shared.services import Services
from shared.settings import Settings, settings
from shared.storage.tables import quoted
from shared.timestamps import from_iso, iso, utc_now
from triggers.http.endpoint import caller_of, in_thread, json_response, request_services
from triggers.http.middleware import REVALIDATE
from triggers.http.operation import operation
from triggers.http.parameters import ACCEPTED, CURSOR, EXPORT_ID, EXPORT_LINKS, LIST_FILTERS, limit
from triggers.http.query_params import checked, choice_of, cursor_of, is_id, limit_of, moment_of, short_of

_POLL_SECONDS = 2
_LONGEST_POLL_SECONDS = 10
_LONGEST_KEY = 255
_MISSING = "there is no export of this id that you may see"


@operation(
    "POST",
    "exports",
    summary="Start an export",
    description=(
        "Checks the request, stores it and starts the export in the background. The answer comes at once; "
        "follow `Location` to its status. An identical request of the same user within the deduplication "
        "window returns the existing export."
    ),
    access=Access.EXPORTER,
    audit="requested",
    answers={
        200: Answer(
            "The export that an earlier identical request started.",
            schemas.ExportAccepted,
            headers=ACCEPTED,
            links=EXPORT_LINKS,
        ),
        202: Answer("The export was accepted.", schemas.ExportAccepted, headers=ACCEPTED, links=EXPORT_LINKS),
    },
    body=ExportRequest,
    refuses=(409, 422, 429),
    tag="exports",
)
async def start_export(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    caller = await caller_of(req)
    request = parse_request(req.get_body())
    export_type = wanted_type(request, caller, settings())
    await check_owned(request, export_type, caller)
    context = await request_services()
    now = utc_now()
    record = ExportRecord(
        tenant=caller.tenant,
        id=new_export_id(now),
        export_type=export_type.name,
        format=request.format,
        status=Status.PENDING,
        created_by=caller.user,
        created_at=iso(now),
        request={"body": request.model_dump_json(by_alias=True, exclude_unset=True), **_trace()},
        caller=caller.to_json(),
        request_id=current_request(),
    )
    claim = _claim(req.headers.get("Idempotency-Key"), request, caller, export_type, context)
    message = f"{caller.name} asked for '{export_type.title}' as {request.format}."

    async def check() -> None:
        with suppress(SourceUnavailable, QueryFailed, TookTooLong):  # the plan tries again, and tells
            await check_limits(request, caller, export_type, context.settings)

    asked = f"{record.export_type} as {record.format}"
    about(caller.tenant, subject=asked)
    started = await start(record, claim, check, message, context, client)
    about(caller.tenant, started.record.id, asked)
    return accepted(started.record, caller, context.settings, client, deduplicated=started.deduplicated)


def _trace() -> dict[str, str]:
    parent = trace_parent()
    return {"trace": parent} if parent else {}


def accepted(
    record: ExportRecord,
    caller: Caller,
    settings: Settings,
    client: df.DurableOrchestrationClient,
    *,
    deduplicated: bool = False,
) -> func.HttpResponse:
    """202 with where to go on; 200 when an earlier request made the export."""
    body: dict[str, Any] = {"id": record.id, "status": record.status, "links": links(record.id, settings)}
    if deduplicated:
        body["deduplicated"] = True
    if caller.all_tenants:  # the key in these addresses opens every instance of every tenant
        body["durable"] = client.create_http_management_payload(export_instance(record.id, record.attempt))
    location = body["links"]["self"]
    operation = operation_url(record.id, settings)
    headers = {"Location": location, "Operation-Location": operation, "Retry-After": str(_POLL_SECONDS)}
    return json_response(body, 200 if deduplicated else 202, headers)


def _claim(
    key: str | None, request: ExportRequest, caller: Caller, export_type: ExportType, context: Services
) -> Claim | None:
    """What makes equal requests one export: their key, else what they ask for, else nothing."""
    mark = fingerprint(request, caller, export_type)
    if key is not None:
        if not (1 <= len(key) <= _LONGEST_KEY and key.isascii() and key.isprintable()):
            wanted = f"takes 1 to {_LONGEST_KEY} printable ASCII characters, got {len(key)} characters"
            raise ValidationFailed([FieldError("Idempotency-Key", wanted)])
        return key_claim(caller, key, mark)
    if request.fresh or not context.dedup_window(export_type.name):
        return None
    return request_claim(caller, mark)


@operation(
    "GET",
    "exports",
    summary="List exports",
    description="Lists exports, newest first. An Admin sees all exports of the tenant, a Manager only their own.",
    access=Access.EXPORTER,
    audit="listed",
    answers={200: Answer("One page of exports.", schemas.ExportPage)},
    parameters=LIST_FILTERS,
    tag="exports",
)
async def list_exports(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    query = list_query(req.params, caller)
    context = await request_services()
    records, cursor = await in_thread(context.records.page, caller.tenant, query.listing, query.limit, query.cursor)
    items = [resource(record, {}, context.settings, utc_now()) for record in records]
    return json_response({"items": items, "nextCursor": cursor or None})


@operation(
    "GET",
    "exports/{id}",
    summary="Get an export",
    description=(
        "Returns status, progress, file and error of one export. Poll it no more often than `Retry-After` "
        "says, and send `If-None-Match`."
    ),
    access=Access.OWNER,
    audit="seen",
    answers={200: Answer("The export.", schemas.Export)},
    parameters=(EXPORT_ID,),
    tag="exports",
)
async def export_status(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    record, body = await current(req.route_params["id"], caller, context, client)
    if req.method == "GET":
        await note_seen(record, caller, context, client)
    return json_response(body, headers=poll_headers(record, body))


def poll_headers(record: ExportRecord, resource: Mapping[str, Any]) -> dict[str, str]:
    """Of an answer that somebody polls: to be asked after, and when: after a fifth of the time that is left."""
    if record.status in FINAL:
        return {"Cache-Control": REVALIDATE}
    left = resource["progress"]["etaSeconds"] or 0
    seconds = min(max(_POLL_SECONDS, left // 5), _LONGEST_POLL_SECONDS)
    return {"Cache-Control": REVALIDATE, "Retry-After": str(seconds)}


async def current(
    export_id: str, caller: Caller, context: Services, client: df.DurableOrchestrationClient
) -> tuple[ExportRecord, dict[str, Any]]:
    """The record, when this caller may see it, and the status resource as it is now."""
    reading = in_thread(visible_record, context, caller, export_id)
    record, ahead = await asyncio.gather(reading, look_ahead(export_id, client))
    running: dict[str, Any] | None = {}
    if record.status not in (Status.COMPLETED, Status.EXPIRED):
        running = await progress_of(record, client, ahead)
        if running is None and not await start_in_turn(record, context, client):
            running = {"phase": "queued"}
    return record, resource(record, running or {}, context.settings, utc_now())


@operation(
    "GET",
    "exports/{id}/logs",
    summary="List the log of an export",
    description="Lists what happened to an export, oldest first.",
    access=Access.OWNER,
    audit="seen",
    answers={200: Answer("One page of log entries.", schemas.LogPage)},
    parameters=(EXPORT_ID, limit(100), CURSOR),
    tag="exports",
)
async def export_logs(req: func.HttpRequest) -> func.HttpResponse:
    caller = await caller_of(req)
    context = await request_services()
    record = await in_thread(visible_record, context, caller, req.route_params["id"])
    limit = limit_of(req.params.get("limit"), 100)
    after = cursor_of(req.params.get("cursor"))
    lines, cursor = await in_thread(context.log.page, record.id, limit, after)
    items = [
        {"time": line.time, "level": line.level, "action": line.action, "message": line.message}
        | ({"part": line.part} if line.part is not None else {})
        for line in lines
    ]
    return json_response({"items": items, "nextCursor": cursor or None})


def visible_record(context: Services, caller: Caller, export_id: str) -> ExportRecord:
    """The record, when this caller may see it. A foreign id and a missing one raise the same ``NotFound``."""
    owner_checked()
    if not is_id(export_id):
        raise NotFound(_MISSING)
    about(caller.tenant, export_id)
    tenant = caller.tenant
    if caller.all_tenants:
        tenant = context.records.tenant_of(export_id) or tenant
    record = context.records.get(tenant, export_id)
    if record is None or not may_see(caller, record):
        raise NotFound(_MISSING)
    about(record.tenant, record.id)
    return record


def may_see(caller: Caller, record: ExportRecord) -> bool:
    """Whether an export is the caller's to see: their own, one of the tenant that they administer, or any."""
    if caller.all_tenants:
        return True
    return (
        caller.exports and caller.tenant == record.tenant and (caller.administers or record.created_by == caller.user)
    )


def links(export_id: str, settings: Settings) -> dict[str, str]:
    """Where to go on with an export."""
    base = f"{settings.public_url.rstrip('/')}/api/exports/{export_id}"
    return {"self": base, "download": f"{base}/download", "cancel": f"{base}/cancel", "logs": f"{base}/logs"}


def operation_url(export_id: str, settings: Settings) -> str:
    """Where the export is shown as a long-running operation."""
    return f"{settings.public_url.rstrip('/')}/api/operations/{export_id}"


def resource(record: ExportRecord, running: dict[str, Any], settings: Settings, now: datetime) -> dict[str, Any]:
    """The status resource. ``running`` is the orchestration's custom status, empty when there is none."""
    body: dict[str, Any] = {
        "id": record.id,
        "exportType": record.export_type,
        "format": record.format,
        "status": record.status,
        "phase": None if record.status in FINAL else running.get("phase", "planning"),
        "progress": _progress(record, running, now),
        "createdBy": record.created_by,
        "createdAt": record.created_at,
        "startedAt": record.started_at or None,
        "completedAt": record.completed_at or None,
        "expiresAt": record.expires_at or None,
        "downloadedAt": record.downloaded_at or None,
        "attempt": record.attempt,
        "links": links(record.id, settings),
    }
    if record.status == Status.COMPLETED:
        body["file"] = {
            "name": record.file_name,
            "bytes": record.file_bytes,
            "rows": record.file_rows,
            "sha256": record.file_sha256,
            "contentType": record.content_type,
        }
    if record.status == Status.FAILED:
        body["error"] = {"code": record.error_code, "message": record.error_message}
    return body


_EXPORTING_SHARE = 95.0
"""Percent that the parts make up; planning is the first instant, merging and publishing are the rest."""


def _progress(record: ExportRecord, running: dict[str, Any], now: datetime) -> dict[str, Any]:
    if record.status in (Status.COMPLETED, Status.EXPIRED) and record.file_name:
        rows, parts = record.file_rows, record.total_parts
        return {
            "percent": 100.0,
            "rows": rows,
            "totalRows": rows,
            "parts": parts,
            "totalParts": parts,
            "etaSeconds": 0,
        }
    parts, total_parts = running.get("parts", 0), running.get("totalParts", 0) or record.total_parts
    rows, total_rows = running.get("rows", 0), running.get("totalRows", 0) or record.total_rows
    share = rows / total_rows if total_rows else (parts / total_parts if total_parts else 0.0)
    percent = round(min(share, 1.0) * _EXPORTING_SHARE, 1)
    eta = None
    if percent and record.started_at and record.status == Status.PROCESSING:
        elapsed = (now - from_iso(record.started_at)).total_seconds()
        eta = max(0, round(elapsed * (100 - percent) / percent))
    return {
        "percent": percent,
        "rows": rows,
        "totalRows": total_rows,
        "parts": parts,
        "totalParts": total_parts,
        "etaSeconds": eta,
    }


@dataclass(frozen=True)
class ListQuery:
    """A checked query of a listing: which exports, how many, and where to go on."""

    listing: Listing
    limit: int
    cursor: str


_USER_LIMIT = 200
_ITEMS = 50

_CHECKS: Mapping[str, Callable[[str], Any]] = {
    "status": lambda text: choice_of("status", text, tuple(str(s) for s in Status)),
    "exportType": lambda text: choice_of("exportType", text, tuple(t.name for t in export_types())),
    "format": lambda text: choice_of("format", text, tuple(FORMATS)),
    "createdBy": lambda text: short_of("createdBy", text, _USER_LIMIT),
    "createdFrom": partial(moment_of, "createdFrom"),
    "createdTo": partial(moment_of, "createdTo"),
    "limit": lambda text: limit_of(text, _ITEMS),
    "cursor": cursor_of,
}

_COLUMNS = {"status": "status", "exportType": "export_type", "format": "format", "createdBy": "created_by"}


def list_query(params: Mapping[str, str], caller: Caller) -> ListQuery:
    """Check the query of ``GET /exports``. A Manager's listing is always their own. Raises ``ValidationFailed``."""
    found = checked(params, _CHECKS)
    where = [] if caller.administers else [f"created_by eq '{quoted(caller.user)}'"]
    where += [f"{column} eq '{quoted(found[name])}'" for name, column in _COLUMNS.items() if name in found]
    listing = Listing(" and ".join(where), found.get("createdFrom"), found.get("createdTo"))
    return ListQuery(listing, found.get("limit", _ITEMS), found.get("cursor", ""))
