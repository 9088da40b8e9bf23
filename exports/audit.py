"""The audit log as an export: made by a plain function out of what Sluice keeps itself of a tenant.

It takes the tenant, for entries belong to one and to no company. The whole file is made in memory, hence the limit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from shared.catalog.export_types import Filter, FunctionExport, GeneratedExportData, Role
from shared.catalog.functions import (
    ACTIONS,
    AuditQuery,
    LimitReached,
    PermanentError,
    audit_entries,
    csv_file,
    unknown,
)

_COLUMNS = {
    "time": "Time",
    "action": "Action",
    "outcome": "Outcome",
    "status": "Status",
    "user": "User",
    "name": "Name",
    "export_id": "Export",
    "subject": "Subject",
    "address": "Address",
    "agent": "Agent",
    "request_id": "Request",
}
_MAX_ROWS = 200_000


def generate_export(
    filters: Mapping[str, Any],
    file_format: str,
    company_ids: Sequence[str],
    operational_scope_ids: Sequence[str],
    *,
    tenant: str,
) -> GeneratedExportData:
    """A tenant's entries, newest first. ``filters`` has what the request set of ``AUDIT.filters``.

    Raises ``StorageUnavailable``, ``LimitReached``, and ``PermanentError`` for another format than csv.
    """
    if file_format != "csv":
        raise PermanentError(unknown("format", file_format, ["csv"]))
    query = AuditQuery(
        filters.get("action", ""),
        filters.get("user", ""),
        filters.get("exportId", ""),
        filters.get("from", ""),
        filters.get("to", ""),
    )
    cells: dict[str, list[str | int]] = {title: [] for title in _COLUMNS.values()}
    for number, entry in enumerate(audit_entries(tenant, query), 1):
        if number > _MAX_ROWS:
            raise LimitReached(f"more than {_MAX_ROWS:,} entries match; the limit is {_MAX_ROWS:,}; narrow from and to")
        row = {**asdict(entry), "outcome": entry.outcome}
        for column, title in _COLUMNS.items():
            cells[title].append(row[column])
    return csv_file(cells)


AUDIT = FunctionExport(
    name="audit",
    title="Audit log",
    titles={"fr": "Journal d'audit", "de": "Audit-Protokoll"},
    summary="Who asked for, saw, downloaded, cancelled, retried, deleted or changed what, and from where.",
    filters=(
        Filter("action", "action", choices=ACTIONS),
        Filter("user", "user"),
        Filter("exportId", "export_id"),
        Filter("from", "time", "timestamp", ">=", summary="Of this time or later."),
        Filter("to", "time", "timestamp", "<", summary="Of before this time."),
    ),
    formats=("csv",),
    roles=(Role.SUPER_ADMIN, Role.ADMIN),
    retention_days=7,
    dedup_window=timedelta(0),
    notify_after=timedelta(seconds=45),
    generate_export=generate_export,
)
