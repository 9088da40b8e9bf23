"""What every export type in the list keeps to, so that a mistake in one is found before anybody asks for it."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from exports import APPLICATIONS, EXPORT_TYPES
from shared.catalog.column_types import arrow_type
from shared.catalog.columns import Column, arrow_schema
from shared.catalog.export_types import AsyncExportsDependency, ExportType, FunctionExport, Scope, SqlExport
from shared.formats import FORMATS

SQL_EXPORTS = [t for t in EXPORT_TYPES if isinstance(t, SqlExport)]
CAMEL_CASE = re.compile(r"[a-z][a-zA-Z0-9]*")
ALIKE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def by_name(export_type: ExportType) -> str:
    return export_type.name


def key_columns(export_type: SqlExport) -> Iterator[Column]:
    columns = {column.name: column for column in export_type.columns}
    for key in export_type.key:
        yield key if isinstance(key, Column) else columns[key]


def test_names_are_unique() -> None:
    """An export type is found by its name alone."""
    names = [t.name for t in EXPORT_TYPES]

    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("export_type", EXPORT_TYPES, ids=by_name)
def test_every_type_describes_itself(export_type: ExportType) -> None:
    """Names fit into a URL, titles and summaries are there, formats exist, and somebody may use it."""
    assert ALIKE.fullmatch(export_type.name)
    assert export_type.title
    assert export_type.summary.endswith(".")
    assert set(export_type.formats) <= set(FORMATS)
    assert export_type.roles
    assert all(export_type.titles.values())
    assert export_type.retention_days is None or export_type.retention_days > 0
    assert export_type.dedup_window is None or export_type.dedup_window >= timedelta()
    assert export_type.notify_after is None or export_type.notify_after >= timedelta()


@pytest.mark.parametrize("export_type", EXPORT_TYPES, ids=by_name)
def test_filters(export_type: ExportType) -> None:
    """Names are unique and camelCase, types exist, and ``many`` goes with equality only."""
    names = [f.name for f in export_type.filters]

    assert sorted(set(names)) == sorted(names)
    for filter_ in export_type.filters:
        assert CAMEL_CASE.fullmatch(filter_.name)
        assert filter_.sql
        arrow_type(filter_.type)
        assert filter_.operator == "=" or not filter_.many
        assert len(set(filter_.choices)) == len(filter_.choices)


@pytest.mark.parametrize("export_type", SQL_EXPORTS, ids=by_name)
def test_columns(export_type: SqlExport) -> None:
    """Names are unique and camelCase, titles too are unique in every locale, and every type parses."""
    names = [c.name for c in export_type.columns]

    assert sorted(set(names)) == sorted(names)
    assert all(CAMEL_CASE.fullmatch(name) for name in names)
    assert len(arrow_schema(export_type.columns)) == len(names)
    for locale in ("en", "fr", "de"):
        titles = [c.title_in(locale) for c in export_type.columns]
        assert all(titles)
        assert sorted(set(titles)) == sorted(titles)


@pytest.mark.parametrize("export_type", SQL_EXPORTS, ids=by_name)
def test_keys_and_scopes(export_type: SqlExport) -> None:
    """A key names columns that exist, the tenant is always bound, and so is what the scope asks for."""
    assert list(key_columns(export_type))
    assert export_type.tenant_sql
    arrow_type(export_type.tenant_type)
    arrow_type(export_type.date_type)
    assert export_type.company_sql or export_type.scope is Scope.TENANT
    assert export_type.operational_scope_sql or export_type.scope is not Scope.OPERATIONAL


@pytest.mark.parametrize("application", APPLICATIONS)
def test_every_application_is_registered_as_an_export_type(application: str) -> None:
    """The list holds the application's own ``generate_export``."""
    dependency = APPLICATIONS[application]

    assert isinstance(dependency, AsyncExportsDependency)
    assert [dependency.generate_export] == [
        t.generate_export
        for t in EXPORT_TYPES
        if isinstance(t, FunctionExport) and t.name.startswith(f"{application}-")
    ]
