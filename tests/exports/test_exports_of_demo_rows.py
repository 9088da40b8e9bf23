"""The example exports on both databases, with a few rows of the demo's schema."""

import csv
import io
from itertools import repeat

import pytest

from demo.schema import TABLES, Dialect
from exports import APPLICATIONS, EXPORT_TYPES
from exports.exemptions import generate_export
from exports.ownership import owned
from shared.catalog.columns import Column
from shared.catalog.export_types import SqlExport
from shared.catalog.ownership import Owned
from shared.errors import PermanentError, SettingsError
from shared.requests.query import Condition, Query
from tests.databases import Database, read

ROWS = {
    "sessions": [
        (
            "1, 'acme', '123', 'u-1', '00000000-0000-4000-a000-000000000001', 'a@x.org', 'Zoë \"Z\"', 'FR', 10.5, "
            "0.25, {true}, '2026-01-31', '2026-01-31 23:59:59.5', '=1+1', 'active'"
        ),
        (
            "2, 'acme', '123', 'u-2', '00000000-0000-4000-a000-000000000002', 'b@x.org', 'B', null, null, null, "
            "{false}, null, '2026-02-01 00:00:00', null, 'expired'"
        ),
        (
            "3, 'globex', '201', 'u-3', '00000000-0000-4000-a000-000000000003', 'c@x.org', 'C', 'DE', -1, 0, "
            "{true}, null, '2026-01-31 00:00:00', '', 'active'"
        ),
    ],
    "users": [
        "'u-1', 'acme', 'a@x.org', 'A', 'Admin', 'fr', null, {true}, '2026-01-01 00:00:00', null",
        "'u-3', 'globex', 'c@x.org', 'C', 'Viewer', 'de', 'DE', {false}, '2026-01-01 00:00:00', '2026-01-02 00:00:00'",
    ],
    "events": [
        "1, 'acme', 'u-1', 'login', 100, '2026-01-01 00:00:00'",
        "2, 'acme', 'u-2', 'login', 200, '2026-01-01 23:59:59'",
        "3, 'acme', 'u-1', 'export', null, '2026-01-01 12:00:00'",
        "4, 'acme', 'u-1', 'login', 50, '2026-01-02 00:00:00'",
        "5, 'globex', 'u-3', 'login', 1, '2026-01-01 00:00:00'",
    ],
    "employees": [
        "1, 'acme', '123', 'north', '001', 'A', null, 'Nurse', 1000.5, '2020-01-01', null",
        "2, 'acme', '124', 'north', '002', 'B', 'b@x.org', 'Nurse', null, '2020-01-01', '2021-01-01'",
        "3, 'acme', '123', 'south', '003', 'C', null, 'Nurse', 9, '2020-01-01', null",
        "4, 'globex', '201', 'emea', '004', 'D', null, 'Nurse', 9, '2020-01-01', null",
    ],
    "exemptions": [
        "1, 'acme', '123', 'north', 1, 'training', '=1+1', '2026-01-01', null, {true}",
        "2, 'acme', '123', 'south', 3, 'medical', 'a, \"b\"', '2026-01-01', '2026-02-01', {false}",
        "3, 'globex', '201', 'emea', 4, 'medical', null, '2026-01-01', null, {true}",
    ],
}


@pytest.fixture
def demo(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A database with the demo's schema and the rows above, as the app's source."""
    dialect: Dialect = "sqlite" if database.dialect == "sqlite" else "postgresql"
    words = {"true": "1", "false": "0"} if dialect == "sqlite" else {"true": "true", "false": "false"}
    for table in TABLES:
        database.execute(table.create(dialect), *table.create_indexes())
    for name, rows in ROWS.items():
        database.execute(*[f"insert into {name} values ({row.format(**words)})" for row in rows])
    monkeypatch.setenv("SOURCE_URL", database.url)
    return database


def rows_of(demo: Database, name: str, *conditions: Condition) -> list[dict[str, object]]:
    """What an export type gives, with these conditions."""
    (export_type,) = [t for t in EXPORT_TYPES if t.name == name]
    assert isinstance(export_type, SqlExport)
    columns = {c.name: c for c in export_type.columns}
    key = tuple(k if isinstance(k, Column) else columns[k] for k in export_type.key)
    query = Query(export_type.relation, export_type.columns, key, conditions)
    plan = demo.source.plan(query, repeat(1))
    assert len(plan) == demo.source.count(query)
    found: list[dict[str, object]] = []
    for part in plan:
        found += read(demo.source, query, part).to_pylist()
    return found


def equal(sql: str, *values: str) -> Condition:
    return Condition(sql, "text", "in", values)


def test_sessions(demo: Database) -> None:
    """Every column has its own type, and a tenant sees its own rows only."""
    rows = rows_of(demo, "sessions", equal("organisation_id", "acme"))

    assert [1, 2] == [row["id"] for row in rows]
    first = {name: str(value) for name, value in rows[0].items()}
    assert first == {
        "id": "1",
        "token": "00000000-0000-4000-a000-000000000001",
        "email": "a@x.org",
        "userName": 'Zoë "Z"',
        "country": "FR",
        "amount": "10.50",
        "score": "0.25",
        "mobile": "True",
        "billedOn": "2026-01-31",
        "startedAt": "2026-01-31 23:59:59.500000+00:00",
        "notes": "=1+1",
        "status": "active",
    }


@pytest.mark.parametrize("export_type", [t for t in EXPORT_TYPES if isinstance(t, SqlExport)], ids=lambda t: t.name)
def test_every_filter_and_date_can_be_asked_for(demo: Database, export_type: SqlExport) -> None:
    """The SQL of every filter, scope and date is understood by both databases."""
    examples = {"text": "x", "integer": 1, "boolean": True, "decimal(12,2)": "1.00", "date": "2026-01-01"}
    conditions = [
        Condition(f.sql, f.type, "in" if f.many else f.operator, (examples[f.type],)) for f in export_type.filters
    ]
    if export_type.date_sql:
        day = "2026-01-01" if export_type.date_type == "date" else "2026-01-01T00:00:00+00:00"
        conditions.append(Condition(export_type.date_sql, export_type.date_type, ">=", (day,)))
    scopes = (export_type.tenant_sql, export_type.company_sql, export_type.operational_scope_sql)
    conditions.extend(equal(sql, "acme") for sql in scopes if sql)

    for condition in conditions:
        rows_of(demo, export_type.name, condition)


def test_analytics_count_by_day_and_kind(demo: Database) -> None:
    """Days are UTC days; the key orders them."""
    rows = rows_of(demo, "analytics", equal("organisation_id", "acme"))

    assert [
        ("2026-01-01", "export", 1, 1, None, None),
        ("2026-01-01", "login", 2, 2, 150.0, 300),
        ("2026-01-02", "login", 1, 1, 50.0, 50),
    ] == [(str(r["day"]), r["kind"], r["events"], r["users"], r["averageMs"], r["totalMs"]) for r in rows]


def test_employees_of_some_companies_and_scopes(demo: Database) -> None:
    """Both conditions hold together."""
    rows = rows_of(demo, "employees", equal("company_id", "123"), equal("operational_scope_id", "north"))

    assert ["001"] == [row["number"] for row in rows]


def test_exemptions(demo: Database) -> None:
    """The function writes the whole file, with the text that looks like a formula defused."""
    file = generate_export({}, "csv", ["123"], ["north", "south"], tenant="acme")

    assert (2, "text/csv") == (file.items_count, file.mimetype)
    assert [
        ["Id", "Company", "Scope", "Employee", "Kind", "Reason", "Starts on", "Ends on", "Approved"],
        ["1", "123", "north", "1", "training", "'=1+1", "2026-01-01", "", "yes"],
        ["2", "123", "south", "3", "medical", 'a, "b"', "2026-01-01", "2026-02-01", "no"],
    ] == list(csv.reader(io.StringIO(file.file_content.decode(), newline="")))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [({"kind": ["medical", "overtime"]}, 1), ({"approved": True}, 1), ({"kind": ["medical"], "approved": True}, 0)],
)
def test_exemptions_with_filters(demo: Database, filters: dict[str, object], expected: int) -> None:
    """Filters narrow what the scopes allow."""
    assert expected == generate_export(filters, "csv", ["123"], ["north", "south"], tenant="acme").items_count


def test_exemptions_of_nobody(demo: Database) -> None:
    """Without a company there is nothing, and the file has its header."""
    file = generate_export({}, "csv", [], ["north"], tenant="acme")

    assert file.items_count == 0
    assert file.file_content.startswith(b"Id,Company,")


@pytest.mark.parametrize(("application", "people"), [("payroll", 3), ("roster", 2)])
def test_headcount_by_application(demo: Database, application: str, people: int) -> None:
    """Each application has its own instance, and counts as it was told to."""
    file = APPLICATIONS[application].generate_export({}, "csv", ["123", "124"], ["north", "south"], tenant="acme")

    counts = [int(row[2]) for row in csv.reader(io.StringIO(file.file_content.decode())) if row[2] != "People"]
    assert people == sum(counts)
    assert len(counts) == file.items_count


def test_another_tenant_with_the_same_ids_finds_nothing(demo: Database) -> None:
    """The tenant is a condition of every function too."""
    for function in (generate_export, *(application.generate_export for application in APPLICATIONS.values())):
        file = function({}, "csv", ["123", "124"], ["north", "south"], tenant="globex")
        assert file.items_count == 0


def test_what_a_tenant_owns(demo: Database) -> None:
    """Companies and scopes by the application's database; ids of others, and whatever is no id, are not among them."""
    demo.execute(
        "insert into companies values ('123', 'acme', 'A'), ('201', 'globex', 'G')",
        "insert into operational_scopes values ('acme', 'north', 'N'), ('globex', 'north', 'N')",
        "insert into operational_scopes values ('globex', 'emea', 'E')",
    )
    assert owned("acme", ["123", "201", "124", "", "' or 1=1 --"], ["north", "emea"]) == Owned({"123"}, {"north"})
    assert owned("globex", ["123", "201"], []) == Owned({"201"}, frozenset())
    assert owned("umbrella", ["123"], ["north"]) == Owned(frozenset(), frozenset())


def test_functions_refuse_other_formats() -> None:
    """The error says which one they know."""
    for function in (generate_export, APPLICATIONS["payroll"].generate_export):
        with pytest.raises(PermanentError, match="unknown format 'cvs'; did you mean 'csv'"):
            function({}, "cvs", [], [], tenant="acme")


def test_functions_without_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing setting is named by what is valid."""
    monkeypatch.delenv("SOURCE_URL", raising=False)

    with pytest.raises(SettingsError, match="sqlite:///path or postgresql://"):
        generate_export({}, "csv", ["123"], ["north"], tenant="acme")
