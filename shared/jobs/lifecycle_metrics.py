"""What the life of an export adds to metrics and traces; told by its record, whoever changes it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from shared.durable.instance_ids import export_instance
from shared.jobs.status import Status
from shared.observability import metrics, telemetry


class Exported(Protocol):
    """What is read of a record; see ``shared.jobs.records.ExportRecord``."""

    @property
    def tenant(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def request(self) -> Mapping[str, Any]: ...
    @property
    def error_code(self) -> str: ...
    @property
    def export_type(self) -> str: ...
    @property
    def format(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def attempt(self) -> int: ...
    @property
    def created_at(self) -> str: ...
    @property
    def started_at(self) -> str: ...
    @property
    def completed_at(self) -> str: ...
    @property
    def file_rows(self) -> int: ...
    @property
    def file_bytes(self) -> int: ...


def came_into_status(record: Exported) -> None:
    """Count a record that was just written with a new status. The waits of a retry are no waits of the service."""
    kind = {"export_type": record.export_type, "format": record.format}
    metrics.count(metrics.EXPORTS, 1, status=record.status, **kind)
    waited = _seconds(record.created_at, record.started_at)
    if record.status == Status.PROCESSING and record.attempt == 1 and waited is not None:
        metrics.count(metrics.QUEUE_SECONDS, waited, **kind)
    if record.status == Status.COMPLETED:
        took = _seconds(record.created_at, record.completed_at)
        if record.attempt == 1 and took is not None:
            metrics.count(metrics.READY_SECONDS, took, **kind)
        metrics.count(metrics.ROWS, record.file_rows, **kind)
        metrics.count(metrics.BYTES, record.file_bytes, **kind)
        if seconds := _seconds(record.started_at, record.completed_at):
            metrics.count(metrics.ROWS_PER_SECOND, record.file_rows / seconds, **kind)
            metrics.count(metrics.BYTES_PER_SECOND, record.file_bytes / seconds, **kind)
    if record.status in (Status.COMPLETED, Status.FAILED, Status.CANCELLED) and record.completed_at:
        _write_span(record)


def _write_span(record: Exported) -> None:
    telemetry.orchestration_ended(
        record.request.get("trace", ""),
        export_instance(record.id, record.attempt),
        record.created_at if record.attempt == 1 else record.started_at or record.completed_at,
        record.completed_at,
        {
            "export_id": record.id,
            "tenant": record.tenant,
            "export_type": record.export_type,
            "format": record.format,
            "status": record.status,
            "rows": record.file_rows,
            "bytes": record.file_bytes,
        },
        record.error_code,
    )


def _seconds(start: str, end: str) -> float | None:
    """None where one of the two has not happened."""
    if not start or not end:
        return None
    return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())
