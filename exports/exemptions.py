"""Exemptions: an export made by a plain function, for files that no query describes.

The function answers with the whole file, and runs as one part: keep it to what fits in memory. It may run twice, so it
only reads. It reads its own settings when it is called. What it raises fails the export, and a ``TransientError`` has
it tried again; ``open_source`` raises the right ones.

It declares ``tenant``, and binds it in its query like any other condition: ids of companies are those of many tenants.
Without that it would be called only with companies and scopes that ``exports/ownership.py`` says are the tenant's.
"""

import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import repeat
from typing import Any

from shared.catalog.columns import Column
from shared.catalog.export_types import Filter, FunctionExport, GeneratedExportData, Role, Scope
from shared.catalog.functions import Condition, PermanentError, Query, csv_file, open_source, unknown

_COLUMNS = (
    Column("id", "Id", "integer"),
    Column("companyId", "Company", sql="company_id"),
    Column("operationalScopeId", "Scope", sql="operational_scope_id"),
    Column("employeeId", "Employee", "integer", sql="employee_id"),
    Column("kind", "Kind"),
    Column("reason", "Reason"),
    Column("startsOn", "Starts on", "date", sql="starts_on"),
    Column("endsOn", "Ends on", "date", sql="ends_on"),
    Column("approved", "Approved", "boolean"),
)


def generate_export(
    filters: Mapping[str, Any],
    file_format: str,
    company_ids: Sequence[str],
    operational_scope_ids: Sequence[str],
    *,
    tenant: str,
) -> GeneratedExportData:
    """The exemptions of these companies and scopes of the tenant.

    ``filters`` has what the request set of ``EXEMPTIONS.filters``: a list where a filter takes many values.

    Raises ``SourceUnavailable``, ``QueryFailed``, and ``PermanentError`` for another format than csv.
    """
    if file_format != "csv":
        raise PermanentError(unknown("format", file_format, ["csv"]))
    where = [
        Condition("organisation_id", "text", "=", (tenant,)),
        Condition("company_id", "text", "in", tuple(company_ids)),
        Condition("operational_scope_id", "text", "in", tuple(operational_scope_ids)),
    ]
    if "kind" in filters:
        where.append(Condition("kind", "text", "in", tuple(filters["kind"])))
    if "approved" in filters:
        where.append(Condition("approved", "boolean", "=", (filters["approved"],)))
    query = Query("exemptions", _COLUMNS, key=_COLUMNS[:1], where=tuple(where))

    cells: dict[str, list[Any]] = {column.title: [] for column in _COLUMNS}
    source = open_source(os.environ.get("SOURCE_URL", ""))
    for key_range in source.plan(query, repeat(10_000)):
        with source.read(query, key_range) as batches:
            for batch in batches:
                for values, column in zip(cells.values(), batch.columns, strict=True):
                    values.extend(column.to_pylist())
    cells["Approved"] = ["yes" if approved else "no" for approved in cells["Approved"]]
    return csv_file(cells)


EXEMPTIONS = FunctionExport(
    name="exemptions",
    title="Exemptions",
    titles={"fr": "Dérogations", "de": "Ausnahmen"},
    summary="Who is exempt from what, and until when.",
    scope=Scope.OPERATIONAL,
    filters=(
        Filter("kind", "kind", many=True, choices=("overtime", "night-shift", "training", "medical")),
        Filter("approved", "approved", "boolean"),
    ),
    formats=("csv",),
    roles=(Role.SUPER_ADMIN, Role.ADMIN, Role.MANAGER),
    retention_days=1,
    dedup_window=timedelta(minutes=5),
    notify_after=timedelta(seconds=45),
    generate_export=generate_export,
)
