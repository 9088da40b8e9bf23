"""From a checked request to the query that a source runs: scopes, filters and dates as bound conditions."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, timedelta

from shared.catalog.column_types import DATE, LOCAL_TIMESTAMP, column_type
from shared.catalog.columns import Column
from shared.catalog.export_types import Scope, SqlExport
from shared.identity.caller import Caller
from shared.requests.export_request import ExportRequest, day_start
from shared.requests.filter_values import filter_values
from shared.requests.query import Condition, Query
from shared.timestamps import from_iso


def build_query(export_type: SqlExport, request: ExportRequest, caller: Caller) -> Query:
    """The query of an export. The caller's tenant is always a condition of it, and never comes from the request."""
    by_name = {c.name: c for c in export_type.columns}
    columns = export_type.columns if request.columns is None else tuple(by_name[name] for name in request.columns)
    key = tuple(k if isinstance(k, Column) else by_name[k] for k in export_type.key)
    return Query(export_type.relation, columns, key, tuple(_conditions(export_type, request, caller)))


def within(query: Query, export_type: SqlExport, window: Mapping[str, str]) -> Query:
    """The rows of a query whose watermark is in a window: ``from`` included, or none; ``to`` not.

    Both are ISO-8601 UTC, or numbers, as the type of the watermark is.
    """
    column, kind, conditions = export_type.watermark_sql, export_type.watermark_type, list(query.where)
    value = int if kind == "integer" else _instant
    if window["from"]:
        conditions.append(Condition(column, kind, ">=", (value(window["from"]),)))
    conditions.append(Condition(column, kind, "<", (value(window["to"]),)))
    return replace(query, where=tuple(conditions))


def numbers_from(export_type: SqlExport, tenant: str, first: str) -> Query:
    """The numbers of a tenant's rows, from one on or all, in ascending order: for a watermark that is an integer."""
    column = Column("watermark", "", "integer", export_type.watermark_sql)
    conditions = [Condition(export_type.tenant_sql, export_type.tenant_type, "=", (tenant,))]
    if first:
        conditions.append(Condition(export_type.watermark_sql, "integer", ">=", (int(first),)))
    return Query(export_type.relation, (column,), (column,), tuple(conditions))


def _instant(text: str) -> str:
    return from_iso(text).astimezone(UTC).isoformat()


def _conditions(export_type: SqlExport, request: ExportRequest, caller: Caller) -> Iterator[Condition]:
    yield Condition(export_type.tenant_sql, export_type.tenant_type, "=", (caller.tenant,))
    if export_type.scope in (Scope.COMPANY, Scope.OPERATIONAL):
        wanted = caller.company_ids if request.company_ids is None else request.company_ids
        yield Condition(export_type.company_sql, "text", "in", wanted)
    if export_type.scope is Scope.OPERATIONAL:
        scopes = request.operational_scope_ids
        wanted = caller.operational_scope_ids if scopes is None else scopes
        yield Condition(export_type.operational_scope_sql, "text", "in", wanted)
    by_name = {f.name: f for f in export_type.filters}
    for name, value in request.filters.items():
        filter_ = by_name[name]
        values = filter_values(filter_, value)
        yield Condition(filter_.sql, filter_.type, "in" if filter_.many else filter_.operator, values)
    if first := request.date_range.from_:
        yield Condition(export_type.date_sql, export_type.date_type, ">=", (_boundary(export_type, request, first),))
    if last := request.date_range.to:
        after = last + timedelta(days=1)
        yield Condition(export_type.date_sql, export_type.date_type, "<", (_boundary(export_type, request, after),))


def _boundary(export_type: SqlExport, request: ExportRequest, day: date) -> str:
    """The start of a day, as the date column compares: a date, a wall-clock time, or an instant in UTC."""
    family = column_type(export_type.date_type).family
    if family is DATE:
        return day.isoformat()
    if family is LOCAL_TIMESTAMP:
        return f"{day.isoformat()}T00:00:00"
    return day_start(day, request.time_zone).astimezone(UTC).isoformat()
