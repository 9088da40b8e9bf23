"""Encode one part: read its key range, encode while reading, and store the partial blob."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import azure.durable_functions as df

from activities.outcome import Payload, outcome
from activities.tracing import traced
from shared.catalog.columns import arrow_schema
from shared.catalog.export_types import FunctionExport
from shared.catalog.limits import too_many_bytes
from shared.catalog.registry import export_type_named
from shared.catalog.tenancy import LEFT_OUT, Reach, reach
from shared.durable.inputs import ExportRef, PartDone, PartJob
from shared.errors import LimitReached
from shared.formats import get_format
from shared.formats.base import Facts, PartPosition, Write
from shared.formats.compression import TextWriter
from shared.formats.csv import GUARDED
from shared.identity.caller import Caller
from shared.jobs.cancel_check import still_wanted
from shared.jobs.plan import ExportPlan, FunctionCall, part_mark
from shared.observability.metrics import PARTS, PARTS_RETRIED, count
from shared.observability.telemetry import query_span
from shared.requests.export_request import ExportRequest
from shared.services import Services, plan_of, services
from shared.sources import open_source
from shared.sources.interruption import Interrupt, read_beside, run_beside
from shared.storage.names import final_blob, part_blob
from shared.storage.part_upload import PartUpload, is_of_plan, stored_part

bp = df.Blueprint()


@bp.activity_trigger(input_name="job")
@traced
def encode_part(job: Payload) -> dict[str, Any]:
    part = PartJob.from_json(job)
    answer = outcome(lambda: encode(part, services("activity")), job)
    failure = answer.get("failure")
    count(PARTS, outcome="done" if failure is None else "failed" if failure["transient"] else "refused")
    if part.attempt > 1:
        count(PARTS_RETRIED)
    return answer


def encode(job: PartJob, context: Services) -> PartDone:
    """Make the part unless it is there already; give its real rows and bytes.

    Raises ``SourceUnavailable`` and ``StorageUnavailable`` (try again), ``QueryFailed``, ``SchemaChanged``,
    ``LimitReached`` and ``ExportCancelled`` (do not), and for a function what ``tenancy.reach`` raises.
    """
    check = still_wanted(ExportRef(job.tenant, job.export_id), context)
    plan, plan_hash = plan_of(job.tenant, job.export_id)
    whose = _reach(plan, job, context, check) if plan.call else None
    name = part_blob(job.tenant, job.export_id, job.index)
    there = stored_part(context.blobs, name)
    if there is not None and is_of_plan(there.plan_hash, plan_hash):
        return PartDone(job.index, there.encoded.rows, there.encoded.bytes)
    final = final_blob(job.tenant, job.export_id, plan.extension) if plan.places_parts else ""
    upload = PartUpload(context.blobs, name, place_in=final)
    most = context.max_bytes(plan.export_type)

    def write(data: bytes | memoryview) -> None:
        check()
        if most and upload.bytes + len(data) > most:
            advice = too_many_bytes(export_type_named(plan.export_type), most)
            raise LimitReached(f"it has more bytes than the whole file may have; {advice}")
        upload.write(data)

    if plan.call is not None and whose is not None:
        rows, facts = _call(plan, plan.call, job.tenant, whose, write, check)
    else:
        position = plan.position(job.index)
        rows, facts = encode_range(plan, position, context.settings.source_url, write, check, halvings=job.halvings)
    check()
    part = upload.commit(job.index, rows, facts, part_mark(plan, plan_hash))
    return PartDone(part.index, part.rows, part.bytes)


def encode_range(
    plan: ExportPlan,
    position: PartPosition,
    source_url: str,
    write: Write,
    check: Callable[[], None],
    *,
    halvings: int = 0,
) -> tuple[int, Facts]:
    """Read the key range of a part and encode it for this position; give its rows and facts. Raises as ``encode``."""
    if plan.query is None:
        raise TypeError("a plan without a call has a query")
    interrupt = Interrupt()
    key_range = plan.ranges[position.index]
    part = open_source(source_url).read(plan.query, key_range, halvings=halvings, interrupt=interrupt)
    with (
        query_span("read_sql", source_url) as reading,
        read_beside(part, arrow_schema(plan.query.columns), check, interrupt) as batches,
    ):
        rows, facts = get_format(plan.format).encode_part(batches, write, plan.spec, position)
        reading.note(part=position.index + 1, rows=rows)
        return rows, facts


def _function_of(plan: ExportPlan) -> FunctionExport:
    export_type = export_type_named(plan.export_type)
    if not isinstance(export_type, FunctionExport):
        raise TypeError(f"export type {plan.export_type} was a function when the plan was made and is none now")
    return export_type


def _reach(plan: ExportPlan, job: PartJob, context: Services, check: Callable[[], None]) -> Reach:
    """What the function may be called with, as the tenant owns it now, whatever made the record and its parts.

    Raises what ``tenancy.reach`` raises.
    """
    record = context.record(ExportRef(job.tenant, job.export_id))
    request = ExportRequest.model_validate_json(record.request["body"])
    caller = replace(Caller.from_json(record.caller), tenant=job.tenant)
    look = partial(reach, _function_of(plan), request, caller, context.settings)
    return run_beside(look, check, Interrupt())


def _call(
    plan: ExportPlan, call: FunctionCall, tenant: str, whose: Reach, write: Write, check: Callable[[], None]
) -> tuple[int, Facts]:
    export_type = _function_of(plan)
    generate = partial(
        export_type.generate_export,
        call.filters,
        call.file_format,
        whose.company_ids,
        whose.operational_scope_ids,
        **({"tenant": tenant} if export_type.takes_tenant else {}),
    )
    generated = run_beside(generate, check, Interrupt())
    with TextWriter(write, plan.spec.compression) as out:
        out.write(generated.file_content)
    found = {GUARDED: generated.guarded_cells, LEFT_OUT: whose.left_out}
    noted = {name: number for name, number in found.items() if number}
    return generated.items_count, {"mimetype": generated.mimetype, **out.facts, **noted}
