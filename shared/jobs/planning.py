"""Planning an export: freeze what it will contain, cut it into parts, and store that as the plan blob."""

from collections.abc import Callable
from functools import partial
from typing import Any

from shared.catalog.export_types import ExportType, FunctionExport, SqlExport
from shared.catalog.limits import over_the_limit, too_many_bytes
from shared.catalog.registry import export_type_named
from shared.durable.inputs import ExportRef, PlanSummary
from shared.errors import LimitReached
from shared.formats import file_extension, get_format
from shared.formats.base import FileSpec, Format
from shared.formats.csv import FORMULA_GUARD, settled
from shared.identity.caller import Caller
from shared.jobs import plan as plans
from shared.jobs.cancel_check import still_wanted
from shared.jobs.plan import ExportPlan, FunctionCall
from shared.jobs.records import ExportRecord
from shared.jobs.status import IllegalTransition, Status
from shared.observability.telemetry import query_span
from shared.requests.build_query import build_query, within
from shared.requests.export_request import ExportRequest
from shared.requests.filter_values import filter_values
from shared.services import Services
from shared.settings import Settings
from shared.sources import open_source
from shared.sources.interruption import Interrupt, run_beside
from shared.storage.names import file_name, name_inside, plan_blob
from shared.text import count
from shared.timestamps import iso, utc_now


def plan(ref: ExportRef, context: Services) -> PlanSummary:
    """Write the plan unless there is one, mark the export as Processing, and give the counts.

    Raises ``SourceUnavailable``, ``QueryFailed``, ``StorageUnavailable``, ``ExportCancelled``; ``LimitReached`` when
    more rows match than the format or the export type allows.
    """
    check = still_wanted(ref, context)
    record = context.record(ref)
    if record.status == Status.PENDING:
        try:
            record = context.records.change(
                ref.tenant,
                ref.export_id,
                f"start-{record.attempt}",
                status=Status.PROCESSING,
                started_at=iso(utc_now()),
            )
        except IllegalTransition:
            record = context.wanted(ref)
    name = plan_blob(ref.tenant, ref.export_id)
    data = context.blobs.get(name)
    if data is None:
        made = make_plan(record, context, check)
        data = context.blobs.put_once(name, plans.dump(made), "application/json")
    stored = plans.load(data)
    rows, parts = sum(stored.part_rows), len(stored.part_rows)
    context.records.change(
        ref.tenant, ref.export_id, f"plan-{record.attempt}", total_rows=rows, total_parts=parts, phase="exporting"
    )
    what = (
        f"{count(rows, 'row')} in {count(parts, 'part')}"
        if stored.query
        else "one part, made by the export type itself"
    )
    context.log.add(ref.tenant, ref.export_id, "planned", f"Planned {what}.")
    export_type = export_type_named(record.export_type)
    most = context.max_bytes(export_type.name)
    return PlanSummary(rows, parts, most or 0, too_many_bytes(export_type, most) if most else "")


def make_plan(record: ExportRecord, context: Services, check: Callable[[], None]) -> ExportPlan:
    """The plan for a record's request, from what the source holds now; ``check`` is called every second."""
    request = ExportRequest.model_validate_json(record.request["body"])
    caller = Caller.from_json(record.caller)
    export_type = export_type_named(record.export_type)
    file_format = get_format(record.format)
    spec = file_spec(export_type, request, caller.locale, record.created_at)
    if isinstance(export_type, FunctionExport):
        companies = caller.company_ids if request.company_ids is None else request.company_ids
        scopes = request.operational_scope_ids
        scopes = caller.operational_scope_ids if scopes is None else scopes
        call = FunctionCall(filters_of(request, export_type), record.format, companies, scopes)
        return ExportPlan(export_type.name, record.format, spec, call=call)
    if not isinstance(export_type, SqlExport):
        raise TypeError(f"export type {export_type.name} is neither SQL nor a function")
    query = build_query(export_type, request, caller)
    if window := record.request.get("window"):
        query = within(query, export_type, window)
    part_rows = part_rows_of(export_type, record.format, context.settings)
    sizes = plans.part_sizes(part_rows, file_format.rows_per_group)
    source, interrupt = open_source(context.settings.source_url), Interrupt()
    cut = partial(source.plan, query, sizes, interrupt=interrupt)
    with query_span("plan_sql", context.settings.source_url) as planning:
        ranges = tuple(run_beside(cut, check, interrupt))
        rows = sum(r.rows for r in ranges)
        planning.note(parts=len(ranges), rows=rows)
    if sentence := over_the_limit(rows, record.format, export_type):
        raise LimitReached(sentence)
    return ExportPlan(export_type.name, record.format, spec, query=query, ranges=ranges)


def filters_of(request: ExportRequest, export_type: FunctionExport) -> dict[str, Any]:
    """The request's filters as a function is given them: checked, and a list wherever a filter takes many values."""
    given = {
        f.name: (f, filter_values(f, request.filters[f.name])) for f in export_type.filters if f.name in request.filters
    }
    return {name: list(values) if f.many else values[0] for name, (f, values) in given.items()}


def part_rows_of(export_type: SqlExport, format_name: str, settings: Settings) -> int:
    """How many rows a part has: as the format says, else the export type, else the setting."""
    return get_format(format_name).part_rows or export_type.part_rows or settings.part_rows


def file_spec(export_type: ExportType, request: ExportRequest, locale: str, created: str) -> FileSpec:
    """What a format has to know of the whole file; ``locale`` is the caller's, ``created`` ISO-8601 UTC."""
    columns = export_type.columns if isinstance(export_type, SqlExport) else ()
    if request.columns is not None:
        by_name = {c.name: c for c in columns}
        columns = tuple(by_name[name] for name in request.columns)
    file_format = get_format(request.format)
    spec = FileSpec(
        columns=columns,
        title=export_type.title,
        created=created,
        locale=request.locale or locale,
        locale_asked=bool(request.locale),
        time_zone=request.time_zone,
        compression=request.compression,
        file_name=name_inside(output_name(export_type, request, created), file_format.extension),
        options=file_format.options(_by_type(export_type, file_format) | dict(request.format_options)),
    )
    return settled(spec)


def _by_type(export_type: ExportType, file_format: Format) -> dict[str, Any]:
    """The options of a format whose default the export type changes."""
    guards = any(option.name == FORMULA_GUARD for option in file_format.option_list)
    return {} if export_type.formula_guard or not guards else {FORMULA_GUARD: False}


def output_name(export_type: ExportType, request: ExportRequest, created: str, *, named: bool = True) -> str:
    """The name under which a browser saves the file; not ``named``: whatever name the request gives it."""
    extension = file_extension(get_format(request.format), request.compression)
    plain = f"{export_type.name}-{created[:10]}"
    return file_name((request.file_name if named else None) or plain, extension)
