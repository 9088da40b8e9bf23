"""Merge: make the final file out of the parts, without decoding a row.

A format that numbers its rows (XLSX) has the planned numbers in its parts. Where rows were added or deleted after the
plan, the parts that follow in the same sheet are encoded once more, in order, with the numbers that they have now.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import azure.durable_functions as df

from activities.encode_part import encode_range
from activities.outcome import Payload, outcome
from activities.tracing import traced
from shared.catalog.limits import too_many_bytes
from shared.catalog.registry import export_type_named
from shared.catalog.tenancy import LEFT_OUT
from shared.durable.inputs import ExportRef, FinalFile
from shared.errors import LimitReached, StorageUnavailable
from shared.formats import content_type, get_format
from shared.formats.base import PartBytes, Segment, Verbatim
from shared.formats.compression import assembled, numbers_in
from shared.formats.csv import GUARDED
from shared.jobs.cancel_check import still_wanted
from shared.jobs.plan import ExportPlan, part_mark
from shared.observability.metrics import GUARDED_CELLS
from shared.observability.metrics import count as counted
from shared.services import Services, plan_of, services
from shared.storage.merge import finished_file, merge_parts
from shared.storage.names import final_blob, parts_folder
from shared.storage.part_upload import PartUpload, StoredPart, is_of_plan, stored_parts
from shared.text import count

bp = df.Blueprint()

_NO_NUMBER = ("Left empty, because JSON has no NaN and no infinity", "number")
_LOSSES: Mapping[tuple[str, str], tuple[str, str]] = {
    ("xlsx", "truncated"): ("Cut at 32,767 characters, all that a cell of a workbook holds", "text"),
    ("parquet", "emptied"): ("Left empty, because Parquet has no infinite dates, NaN in decimals or 24:00", "value"),
    ("json", "emptied"): _NO_NUMBER,
    ("ndjson", "emptied"): _NO_NUMBER,
    ("pdf", "missingGlyphs"): ("Shown as a box, because no font has them", "character"),
}
"""What a fact of a format's parts means to the person who gets the file."""


@bp.activity_trigger(input_name="ref")
@traced
def merge_export(ref: Payload) -> dict[str, Any]:
    return outcome(lambda: merge(ExportRef.from_json(ref), services("activity")), ref)


def merge(ref: ExportRef, context: Services) -> FinalFile:
    """Make the final blob unless it is there already.

    Raises ``StorageUnavailable`` (try again), ``LimitReached`` and ``ExportCancelled``; as ``encode`` does where parts
    are encoded again.
    """
    check = still_wanted(ref, context)
    plan, plan_hash = plan_of(ref.tenant, ref.export_id)
    file_format = get_format(plan.format)
    name = final_blob(ref.tenant, ref.export_id, plan.extension)
    if found := finished_file(context.blobs, name, plan_hash):
        return found
    stored = stored_parts(context.blobs, parts_folder(ref.tenant, ref.export_id))
    parts = [part for part in stored if is_of_plan(part.plan_hash, plan_hash)]
    if [p.encoded.index for p in parts] != list(range(len(plan.part_rows))):
        raise StorageUnavailable(f"{len(parts)} of {len(plan.part_rows)} parts are in storage")
    parts = list(_renumbered(plan, plan_hash, parts, name, context, check))
    media_type = content_type(file_format, plan.spec.compression)
    if plan.call and plan.spec.compression == "none":
        media_type = parts[0].encoded.facts["mimetype"]
    merged = merge_parts(
        context.blobs,
        name,
        parts,
        _within_limit(_segments(plan, parts), parts, plan, context),
        content_type=media_type,
        plan_hash=plan_hash,
        check=check,
    )
    planned = sum(plan.part_rows)
    message = f"Merged {count(len(parts), 'part')} into a file of {count(merged.bytes, 'byte')}."
    if guarded := sum(part.encoded.facts.get(GUARDED, 0) for part in parts):
        counted(GUARDED_CELLS, guarded, export_type=plan.export_type)
        message += f" The formula guard put an apostrophe into {count(guarded, 'cell')}."
    context.log.add(ref.tenant, ref.export_id, "merged", message)
    for (format_name, fact), (what, noun) in _LOSSES.items():
        lost = sum(part.encoded.facts.get(fact, 0) for part in parts) if format_name == plan.format else 0
        if lost:
            context.log.add(ref.tenant, ref.export_id, "values-lost", f"{what}: {count(lost, noun)}.", level="warning")
    if left_out := sum(part.encoded.facts.get(LEFT_OUT, 0) for part in parts):
        ids = count(left_out, "id")
        message = f"Left out {ids} of companies and operational scopes that are not your organisation's."
        context.log.add(ref.tenant, ref.export_id, "left-out", message, level="warning")
    if plan.query and merged.rows != planned:
        message = f"The data changed during the export: {planned:,} rows were planned, {merged.rows:,} are in the file."
        context.log.add(ref.tenant, ref.export_id, "rows-changed", message, level="warning")
    return merged


def _renumbered(
    plan: ExportPlan,
    plan_hash: str,
    parts: list[StoredPart],
    final: str,
    context: Services,
    check: Callable[[], None],
) -> Iterator[StoredPart]:
    """The parts with the numbers that their rows have in the file, for a format that numbers them.

    Those of release 0.1.0 have none, and are encoded once more whatever their place is.
    """
    file_format = get_format(plan.format)
    of_group = file_format.rows_per_group
    if plan.call or not file_format.numbers_rows or of_group is None:
        yield from parts
        return
    group, rows_of_group = 0, 0
    for part in parts:
        position = plan.position(part.encoded.index)
        if position.rows_before // of_group != group:
            group, rows_of_group = position.rows_before // of_group, 0
        shift = rows_of_group - position.rows_before % of_group
        numbered = part.plan_hash == part_mark(plan, plan_hash)
        if part.encoded.rows and (shift or not numbered):
            upload = PartUpload(context.blobs, part.name, place_in=final)
            moved = replace(position, shift=shift)
            rows, facts = encode_range(plan, moved, context.settings.source_url, upload.write, check)
            found = upload.placed(position.index, rows, facts, part_mark(plan, plan_hash))
        else:
            found = part
        rows_of_group += found.encoded.rows
        yield found


def _within_limit(
    segments: Iterator[Segment], parts: list[StoredPart], plan: ExportPlan, context: Services
) -> Iterator[Segment]:
    """The same segments. Raises ``LimitReached`` when they are more bytes than the file may have."""
    most, size = context.max_bytes(plan.export_type), 0
    for segment in segments:
        size += len(segment.data) if isinstance(segment, Verbatim) else parts[segment.index].encoded.bytes
        if most and size > most:
            advice = too_many_bytes(export_type_named(plan.export_type), most)
            raise LimitReached(f"the file would have more bytes than it may; {advice}")
        yield segment


def _segments(plan: ExportPlan, parts: list[StoredPart]) -> Iterator[Segment]:
    if plan.call:
        whole = parts[0].encoded
        return assembled([(PartBytes(0), numbers_in(whole.facts))], plan.spec)
    return get_format(plan.format).assemble([p.encoded for p in parts], plan.spec)
