"""``/ops``: what the service does now, and what operators switch: pauses and quotas."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any

import azure.durable_functions as df
import azure.functions as func
from pydantic import BeforeValidator, Field

from shared.api import schemas
from shared.api.operations import Access, Answer
from shared.audit.recorder import about
from shared.catalog.ownership import TENANT
from shared.catalog.registry import export_types
from shared.catalog.tenancy import refused
from shared.durable.history import Event, events_of, function_of, number_in
from shared.durable.instance_ids import export_instance
from shared.errors import NotFound, unknown
from shared.jobs.pauses import Control, Kind
from shared.jobs.quotas import LiveExport
from shared.jobs.records import ExportRecord
from shared.observability import metrics
from shared.observability.metrics import Sums
from shared.requests.export_request import Body, parse_body
from shared.services import Services
from shared.timestamps import from_iso, iso, utc_now
from shared.version import VERSION
from triggers.http.endpoint import caller_of, in_thread, json_response, request_services
from triggers.http.operation import operation
from triggers.http.parameters import EXPORT_TYPE_NAME, TENANT_NAME, limit
from triggers.http.query_params import checked, limit_of

_SLOWEST = 5


class Pause(Body):
    """The body of a pause: why, which those who are refused are told."""

    reason: str = Field(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f]*$",
        description="Why new exports are refused; refused callers read it.",
    )


def _whole(value: Any) -> Any:
    """A JSON number without a fraction is a whole number, however it is written (JSON Schema, section 4.2.3)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Quota = Annotated[int, Field(ge=1, le=10**15), BeforeValidator(_whole)]


class Quotas(Body):
    """A tenant's own quotas, as a whole: what is left out is as the settings say."""

    running_per_tenant: Quota | None = Field(default=None, description="Exports that may run at once in the tenant.")
    running_per_user: Quota | None = Field(default=None, description="Exports of one user that may run at once.")
    exports_per_tenant: Quota | None = Field(default=None, description="Exports a day in the tenant.")
    exports_per_user: Quota | None = Field(default=None, description="Exports a day of one user.")
    bytes_per_tenant: Quota | None = Field(default=None, description="Bytes of files a day in the tenant.")
    bytes_per_user: Quota | None = Field(default=None, description="Bytes of files a day of one user.")


@operation(
    "GET",
    "ops/overview",
    summary="Get an overview of the service",
    description="Returns counts of running, waiting and failed exports.",
    access=Access.OPERATOR,
    audit="listed",
    answers={200: Answer("The overview.", schemas.Overview)},
    tag="admin",
)
async def overview(req: func.HttpRequest) -> func.HttpResponse:
    context = await request_services()
    return json_response(await in_thread(overview_of, context))


@operation(
    "GET",
    "ops/tenants",
    summary="List tenants",
    description="Lists what each tenant uses and its quotas.",
    access=Access.OPERATOR,
    audit="listed",
    answers={200: Answer("The tenants with usage and quotas.", schemas.TenantUses)},
    tag="admin",
)
async def tenants(req: func.HttpRequest) -> func.HttpResponse:
    context = await request_services()
    return json_response({"items": await in_thread(tenants_of, context)})


@operation(
    "GET",
    "ops/running",
    summary="List running exports",
    description="Lists the exports that have run longest, with their slowest parts.",
    access=Access.OPERATOR,
    audit="listed",
    answers={200: Answer("The running exports.", schemas.RunningExports)},
    parameters=(limit(20),),
    tag="admin",
)
async def running(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    limit = checked(req.params, {"limit": lambda text: limit_of(text, 20)}).get("limit", 20)
    context = await request_services()
    records = await in_thread(oldest_running, context, limit)
    return json_response({"items": [await running_export(record, client) for record in records]})


@operation(
    "GET",
    "ops/pauses",
    summary="List pauses",
    description="Lists the tenants and export types that are paused.",
    access=Access.OPERATOR,
    audit="listed",
    answers={200: Answer("All paused tenants and export types.", schemas.Pauses)},
    tag="admin",
)
async def pauses(req: func.HttpRequest) -> func.HttpResponse:
    context = await request_services()
    return json_response({"items": await in_thread(pauses_of, context)})


@operation(
    "POST",
    "ops/tenants/{tenant}/pause",
    summary="Pause a tenant",
    description="Starts no further exports of a tenant until it is resumed. Running exports continue.",
    access=Access.OPERATOR,
    audit="changed",
    answers={200: Answer("The state of the pause.", schemas.PauseState)},
    parameters=(TENANT_NAME,),
    body=Pause,
    refuses=(404,),
    tag="admin",
)
async def pause_tenant(req: func.HttpRequest) -> func.HttpResponse:
    return await switch(req, "tenant", pause=True)


@operation(
    "POST",
    "ops/tenants/{tenant}/resume",
    summary="Resume a tenant",
    description="Starts exports of a paused tenant again.",
    access=Access.OPERATOR,
    audit="changed",
    answers={200: Answer("The state of the pause.", schemas.PauseState)},
    parameters=(TENANT_NAME,),
    refuses=(404,),
    tag="admin",
)
async def resume_tenant(req: func.HttpRequest) -> func.HttpResponse:
    return await switch(req, "tenant", pause=False)


@operation(
    "POST",
    "ops/export-types/{name}/pause",
    summary="Pause an export type",
    description="Starts no further exports of a type until it is resumed. Running exports continue.",
    access=Access.OPERATOR,
    audit="changed",
    answers={200: Answer("The state of the pause.", schemas.PauseState)},
    parameters=(EXPORT_TYPE_NAME,),
    body=Pause,
    refuses=(404,),
    tag="admin",
)
async def pause_export_type(req: func.HttpRequest) -> func.HttpResponse:
    return await switch(req, "export-type", pause=True)


@operation(
    "POST",
    "ops/export-types/{name}/resume",
    summary="Resume an export type",
    description="Starts exports of a paused type again.",
    access=Access.OPERATOR,
    audit="changed",
    answers={200: Answer("The state of the pause.", schemas.PauseState)},
    parameters=(EXPORT_TYPE_NAME,),
    refuses=(404,),
    tag="admin",
)
async def resume_export_type(req: func.HttpRequest) -> func.HttpResponse:
    return await switch(req, "export-type", pause=False)


@operation(
    "PUT",
    "ops/tenants/{tenant}/quotas",
    summary="Set the quotas of a tenant",
    description="Overrides a tenant's quotas. Omitted fields use the defaults from the settings.",
    access=Access.OPERATOR,
    audit="changed",
    answers={200: Answer("The quotas in force.", schemas.QuotasInForce)},
    parameters=(TENANT_NAME,),
    body=Quotas,
    refuses=(404,),
    tag="admin",
)
async def put_quotas(req: func.HttpRequest) -> func.HttpResponse:
    tenant = name_of(req, "tenant")
    wanted = parse_body(Quotas, req.get_body(), '{"runningPerTenant": 50}').model_dump(exclude_none=True)
    about(tenant, subject=f"quotas: {json.dumps(wanted)}")
    context = await request_services()
    changed = await in_thread(context.controls.change, "tenant", tenant, quotas=wanted)
    return json_response(quotas_of(changed, context))


async def switch(req: func.HttpRequest, kind: Kind, *, pause: bool) -> func.HttpResponse:
    """Pause or resume what the route names. What has begun goes on."""
    caller = await caller_of(req)
    name = name_of(req, kind)
    changes = {"since": "", "reason": "", "by": ""}
    if pause:
        reason = parse_body(Pause, req.get_body(), '{"reason": "maintenance until 18:00 UTC"}').reason
        changes = {"since": iso(utc_now()), "reason": reason, "by": caller.user}
    about(name if kind == "tenant" else caller.tenant, subject=f"{'paused' if pause else 'resumed'} {kind} {name}")
    context = await request_services()
    changed = await in_thread(context.controls.change, kind, name, **changes)
    return json_response(shown(changed))


def name_of(req: func.HttpRequest, kind: Kind) -> str:
    """The tenant or the export type that a route names. Raises ``NotFound`` for what cannot be one."""
    if kind == "tenant":
        tenant = str(req.route_params["tenant"])
        if not TENANT.fullmatch(tenant):
            raise NotFound("this is not the name of a tenant")
        return tenant
    name, known = str(req.route_params["name"]), [t.name for t in export_types()]
    if name not in known:
        raise NotFound(unknown("export type", name[:80], known))
    return name


def overview_of(context: Services) -> dict[str, Any]:
    """What runs, what is paused, and what was counted since the service began."""
    metrics.save()
    now = utc_now()
    live = list(context.usage.live())
    sums = context.counts.total()
    return {
        "version": VERSION,
        "running": len(live),
        "tenantsRunning": len({export.tenant for export in live}),
        "oldestRunningSeconds": max((_seconds(export, now) for export in live), default=0),
        "exports": _by_label(sums, metrics.EXPORTS, "status"),
        "exportTypes": _by_label(sums, metrics.EXPORTS, "export_type", status="Pending"),
        "mails": _by_label(sums, metrics.MAILS, "outcome"),
        "partsRetried": sum(_by_label(sums, metrics.PARTS_RETRIED, "").values()),
        "storageErrors": sum(_by_label(sums, metrics.STORAGE_ERRORS, "kind").values()),
        "pauses": pauses_of(context),
        "refusedExportTypes": refused(context.settings),
    }


def tenants_of(context: Services) -> list[dict[str, Any]]:
    """What each tenant has running, used today and may have; tenants that never asked for an export are not known."""
    controls = {control.name: control for control in context.controls.all() if control.kind == "tenant"}
    used = {use.tenant: use for use in context.usage.tenants()}
    found = []
    for tenant in sorted({*controls, *used}):
        use, control = used.get(tenant), controls.get(tenant, Control("tenant", tenant))
        found.append(
            {
                "tenant": tenant,
                "running": use.running if use else 0,
                "exportsToday": use.exports if use else 0,
                "bytesToday": use.bytes if use else 0,
                "paused": control.paused,
                "quotas": quotas_of(control, context),
            }
        )
    return found


def quotas_of(control: Control, context: Services) -> dict[str, int]:
    """The quotas that a tenant has: its own where it has them, else the settings'."""
    limits = context.limits_of(control)
    return {Quotas.model_fields[name].alias or name: getattr(limits, name) for name in Quotas.model_fields}


def pauses_of(context: Services) -> list[dict[str, Any]]:
    """What is paused."""
    return [shown(control) for control in context.controls.all() if control.paused]


def shown(control: Control) -> dict[str, Any]:
    """A control as the API shows it."""
    return {
        "kind": control.kind,
        "name": control.name,
        "paused": control.paused,
        "reason": control.reason or None,
        "by": control.by or None,
        "since": control.since or None,
    }


def oldest_running(context: Services, limit: int) -> list[ExportRecord]:
    """The records of the exports that have been running for longest."""
    oldest = sorted(context.usage.live(), key=lambda export: export.since)[:limit]
    found = (context.records.get(export.tenant, export.export_id) for export in oldest)
    return [record for record in found if record]


async def running_export(record: ExportRecord, client: df.DurableOrchestrationClient) -> dict[str, Any]:
    """A running export with its slowest parts: those that take, or took, longest."""
    instance = export_instance(record.id, record.attempt)
    status = await client.get_status(instance, show_history=True, show_input=True)
    progress = status.custom_status if status and isinstance(status.custom_status, dict) else {}
    history = events_of(status)
    if child := progress.get("runningGroup"):
        group = await client.get_status(child, show_history=True, show_input=True)
        history = events_of(group)
    now = utc_now()
    slowest = sorted(parts_in(history, now), key=lambda part: -part["seconds"])[:_SLOWEST]
    return {
        "id": record.id,
        "tenant": record.tenant,
        "exportType": record.export_type,
        "format": record.format,
        "status": record.status,
        "phase": progress.get("phase"),
        "createdBy": record.created_by,
        "createdAt": record.created_at,
        "seconds": max(0, int((now - from_iso(record.created_at)).total_seconds())),
        "attempt": record.attempt,
        "totalParts": record.total_parts,
        "slowestParts": slowest,
    }


def parts_in(history: Sequence[Event], now: datetime) -> Iterator[dict[str, Any]]:
    """The parts in an orchestration's history as the status API shows it: its number from 1, how long it takes."""
    for event in history:
        if function_of(event) != "encode_part":
            continue
        done = event["EventType"] != "TaskScheduled"
        start = from_iso(str(event.get("ScheduledTime") or event["Timestamp"]))
        end = from_iso(str(event["Timestamp"])) if done else now
        index = number_in(event, "index")
        part = None if index is None else index + 1
        yield {"part": part, "seconds": round(max(0.0, (end - start).total_seconds()), 1), "done": done}


def _seconds(export: LiveExport, now: datetime) -> int:
    return max(0, int((now - export.since).total_seconds()))


def _by_label(sums: Sums, instrument: metrics.Instrument, label: str, **wanted: str) -> dict[str, int]:
    """A counter's values by one of its labels, where the other labels are as wanted."""
    found: Counter[str] = Counter()
    for (name, values), (value, *_) in sums.items():
        labels = dict(zip(instrument.labels, values, strict=True)) if name == instrument.name else None
        if labels is not None and wanted.items() <= labels.items():
            found[labels.get(label, "")] += int(value)
    return dict(sorted(found.items()))
