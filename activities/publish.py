"""Publish: the record becomes Completed, and the orchestration's output names the file."""

from datetime import timedelta
from typing import Any

import azure.durable_functions as df

from activities.outcome import Payload, outcome
from activities.tracing import traced
from shared.catalog.registry import export_type_named
from shared.durable.inputs import ExportRef, FinalFile, Published
from shared.jobs.planning import output_name
from shared.jobs.status import IllegalTransition, Status
from shared.requests.export_request import ExportRequest
from shared.services import Services, services
from shared.text import count
from shared.timestamps import iso, utc_now

bp = df.Blueprint()

OUTPUT_URL_LIFETIME = timedelta(minutes=10)


@bp.activity_trigger(input_name="merged")
@traced
def publish_export(merged: Payload) -> dict[str, Any]:
    ref = ExportRef.from_json(merged["ref"])
    return outcome(lambda: publish(ref, FinalFile.from_json(merged["file"]), services("activity")), merged["ref"])


def publish(ref: ExportRef, file: FinalFile, context: Services) -> Published:
    """Mark the export as Completed with its file, and give the orchestration's output.

    Raises ``StorageUnavailable`` (try again), ``FileOverQuota`` and ``ExportCancelled``.
    """
    record = context.wanted(ref)
    request = ExportRequest.model_validate_json(record.request["body"])
    name = output_name(export_type_named(record.export_type), request, record.created_at)
    if record.status != Status.COMPLETED:
        context.usage.charge(ref.tenant, ref.export_id, file.bytes, context.limits_for(ref.tenant))
        now = utc_now()
        try:
            record = context.records.change(
                ref.tenant,
                ref.export_id,
                f"publish-{record.attempt}",
                status=Status.COMPLETED,
                phase="",
                completed_at=iso(now),
                expires_at=iso(now + context.retention(record.tenant, record.export_type)),
                file_name=name,
                file_blob=file.blob,
                file_bytes=file.bytes,
                file_rows=file.rows,
                file_sha256=file.sha256,
                content_type=file.content_type,
            )
        except IllegalTransition:
            context.wanted(ref)
            raise
        message = f"Published the file: {count(file.rows, 'row')}, {count(file.bytes, 'byte')}."
        context.log.add(ref.tenant, ref.export_id, "published", message)
    context.usage.leave(ref.tenant, ref.export_id, file.bytes)
    plain = output_name(export_type_named(record.export_type), request, record.created_at, named=False)
    url, expires = context.blobs.read_url(file.blob, OUTPUT_URL_LIFETIME, download_as=plain)
    return Published(ref.export_id, file.blob, file.rows, file.bytes, file.sha256, url, iso(expires))
