"""The rules without I/O: transitions, queries, plans, names, requests."""

import json
import re
from dataclasses import replace
from email.message import EmailMessage
from itertools import islice, product
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exports import EXPORT_TYPES
from exports.employees import EMPLOYEES
from exports.sessions import SESSIONS
from shared.catalog.export_types import ExportType
from shared.errors import RequestError, ValidationFailed
from shared.identity.caller import Caller, demo_caller
from shared.jobs.plan import part_sizes
from shared.jobs.planning import file_spec
from shared.jobs.status import FINAL, IllegalTransition, Status, check_transition
from shared.requests.build_query import build_query
from shared.requests.export_request import check_request, parse_request
from shared.requests.query import Condition
from shared.storage.names import file_name, name_inside
from shared.storage.sas import content_disposition
from tests.formats.naughty import NAUGHTY

ALLOWED = {
    ("Pending", "Processing"),
    ("Pending", "Failed"),
    ("Pending", "Cancelled"),
    ("Processing", "Completed"),
    ("Processing", "Failed"),
    ("Processing", "Cancelled"),
    ("Completed", "Expired"),
    ("Failed", "Pending"),
    ("Failed", "Expired"),
    ("Cancelled", "Expired"),
}


@pytest.mark.parametrize(("current", "wanted"), list(product(Status, Status)))
def test_a_status_follows_another_only_as_the_table_says(current: Status, wanted: Status) -> None:
    """Every pair."""
    if (current, wanted) in ALLOWED:
        check_transition(current, wanted)
    else:
        with pytest.raises(IllegalTransition, match=f"an export that is {current} cannot become {wanted}"):
            check_transition(current, wanted)


def test_what_is_final_runs_no_more() -> None:
    """And everything else does."""
    assert {"Completed", "Failed", "Cancelled", "Expired"} == FINAL


def conditions(export_type: Any, user: str, body: str) -> tuple[Condition, ...]:
    """The conditions of a request's query."""
    return build_query(export_type, parse_request(body.encode()), demo_caller(user)).where


@pytest.mark.parametrize("user", ["sam", "ada", "max", "bea", "gus"])
@pytest.mark.parametrize("export_type", [t for t in EXPORT_TYPES if hasattr(t, "tenant_sql")], ids=lambda t: t.name)
def test_every_query_is_bound_to_the_callers_tenant(export_type: Any, user: str) -> None:
    """First of all, and from the caller alone."""
    body = f'{{"exportType": "{export_type.name}"}}'
    tenant = Condition("organisation_id", "text", "=", (demo_caller(user).tenant,))
    assert conditions(export_type, user, body)[0] == tenant


@pytest.mark.parametrize(
    ("body", "companies", "scopes"),
    [
        ("{}", ("123", "124", "125"), ("north", "south")),
        ('{"companyIds": ["124"]}', ("124",), ("north", "south")),
        ('{"companyIds": [], "operationalScopeIds": []}', (), ()),
        ('{"operationalScopeIds": ["south"]}', ("123", "124", "125"), ("south",)),
    ],
)
def test_an_operational_scope_is_bound_to_companies_and_scopes(
    body: str, companies: tuple[str, ...], scopes: tuple[str, ...]
) -> None:
    """The caller's, when the request does not say; none is none."""
    whole = body.replace("{", '{"exportType": "employees", ', 1).replace(", }", "}")
    assert conditions(EMPLOYEES, "ada", whole)[1:] == (
        Condition("company_id", "text", "in", companies),
        Condition("operational_scope_id", "text", "in", scopes),
    )


def test_filters_and_dates_become_bound_conditions() -> None:
    """Values of a closed set of types, never a piece of the statement; both days of the range included."""
    body = (
        '{"exportType": "sessions", "filters": {"status": ["active", "expired"], "minAmount": 12.5, "notes": "x\'y"},'
        ' "dateRange": {"from": "2026-03-29", "to": "2026-03-29"}, "timeZone": "Europe/Paris"}'
    )
    assert conditions(SESSIONS, "ada", body)[1:] == (
        Condition("status", "text", "in", ("active", "expired")),
        Condition("amount", "decimal(12,2)", ">=", ("12.5",)),
        Condition("notes", "text", "contains", ("x'y",)),
        Condition("started_at", "timestamp", ">=", ("2026-03-28T23:00:00+00:00",)),
        Condition("started_at", "timestamp", "<", ("2026-03-29T22:00:00+00:00",)),
    )


@given(st.integers(1, 2_000_000), st.none() | st.integers(1, 2_000_000), st.integers(0, 200))
def test_no_part_straddles_a_group(part_rows: int, group: int | None, count: int) -> None:
    """Parts are as large as they may be, and each group of rows (a sheet) begins with a part."""
    sizes = list(islice(part_sizes(part_rows, group), count))
    assert len(sizes) == count
    assert all(1 <= size <= part_rows for size in sizes)
    row = 0
    for size in sizes:
        if group:
            assert row // group == (row + size - 1) // group
            assert size == part_rows or (row + size) % group == 0
        else:
            assert size == part_rows
        row += size


@given(st.text() | st.sampled_from(NAUGHTY), st.sampled_from(["csv", "csv.gz", "zip", "xlsx"]))
@example("😀" * 200, "csv")
@example("con.txt", "csv")
def test_any_file_name_is_one_that_every_desktop_takes(wanted: str, extension: str) -> None:
    """No path, no control character, not too long, with its extension; the same again when named once more."""
    name = file_name(wanted, extension)
    assert not set(name) & set('<>:"/\\|?*\r\n\t\0')
    assert name.endswith(f".{extension}") or name.lower().endswith(f".{extension}")
    assert 0 < len(name) <= 120 + len(extension) + 1
    assert not name.startswith((".", " "))
    assert len(name.encode()) <= 255
    assert not re.match(r"(?i)(con|prn|aux|nul|com\d|lpt\d)\.", name)
    assert file_name(name, extension) == name


@pytest.mark.parametrize(
    ("wanted", "extension", "name"),
    [
        ("January", "csv", "January.csv"),
        ("January.csv", "csv", "January.csv"),
        ("January.CSV", "csv.gz", "January.CSV.gz"),
        ("January.csv.gz", "csv.gz", "January.csv.gz"),
        ("January.gz", "csv.gz", "January.gz.csv.gz"),
        ("January.csv", "zip", "January.csv.zip"),
        ("NUL", "csv", "_NUL.csv"),
        ("console", "csv", "console.csv"),
        ("\ud800", "csv", "_.csv"),
        ("a\u2028b\x85c", "csv", "a_b_c.csv"),
    ],
)
def test_a_file_name_gets_the_ending_that_it_lacks(wanted: str, extension: str, name: str) -> None:
    """And nothing that a desktop would refuse."""
    assert file_name(wanted, extension) == name


@pytest.mark.parametrize(
    ("container", "name"), [("January.zip", "January.csv"), ("January.csv.zip", "January.csv"), ("x.zip", "x.csv")]
)
def test_the_file_in_a_container_is_named_like_it(container: str, name: str) -> None:
    """With the ending of its format."""
    assert name_inside(container, "csv") == name


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(lambda text: file_name(text, "csv")))
def test_any_file_name_survives_its_header(name: str) -> None:
    """ASCII without a line break, and a parser reads the name back."""
    header = content_disposition(name)
    assert header.isascii()
    assert header.isprintable()
    message = EmailMessage()
    message["Content-Disposition"] = header
    parameters = header.partition("filename*=UTF-8''")[2]
    assert message.get_filename()
    assert unquote(parameters, errors="strict") == name


def test_every_naughty_string_is_a_file_name_that_survives_its_header() -> None:
    """Two that were different stay so, unless only forbidden characters told them apart."""
    names = {file_name(text, "csv") for text in NAUGHTY}
    assert {unquote(content_disposition(name).partition("UTF-8''")[2], errors="strict") for name in names} == names
    assert len(names) > 0.8 * len(NAUGHTY)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_makes_a_safe_header(text: str) -> None:
    """Also one that never was a file's name."""
    header = content_disposition(text)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(
    [
        "exportType",
        "format",
        "filters",
        "dateRange",
        "columns",
        "companyIds",
        "compression",
        "formatOptions",
        "locale",
        "timeZone",
        "fileName",
        "notify",
        "operationalScopeIds",
        "else",
    ]
)
filters = st.dictionaries(st.sampled_from(["userId", "status", "mobile", "minAmount", "minEvents"]), json_values)


@given(
    st.sampled_from([t.name for t in EXPORT_TYPES]),
    st.dictionaries(fields, json_values, max_size=3),
    filters,
    st.sampled_from(["ada", "max", "vic"]),
)
def test_any_request_is_taken_or_refused_with_a_reason(
    name: str, body: dict[str, Any], given_filters: dict[str, Any], user: str
) -> None:
    """Never anything but a checked request with a query, or an error that the caller can mend."""
    caller: Caller = demo_caller(user)
    whole = {"exportType": name, "filters": given_filters, **body}
    reasons: list[str] = []
    try:
        request = parse_request(json.dumps(whole).encode())
        found: ExportType = check_request(request, caller, EXPORT_TYPES)
    except ValidationFailed as refused:
        reasons = [text for error in refused.errors for text in (error.field, error.message)]
        assert reasons
    except RequestError as refused:
        reasons = [str(refused)]
    else:
        if hasattr(found, "tenant_sql"):
            assert build_query(found, request, caller).where[0].values == (caller.tenant,)  # type: ignore[arg-type]
    assert all(reasons)


@pytest.mark.parametrize(
    ("by_type", "asked", "guards"),
    [(True, None, True), (False, None, False), (False, True, True), (True, False, False)],
)
def test_an_export_type_may_switch_the_formula_guard_off(by_type: bool, asked: bool | None, guards: bool) -> None:
    """Unless the request says otherwise; a format without a guard knows nothing of it."""
    export_type = replace(SESSIONS, formula_guard=by_type)
    options = {} if asked is None else {"formulaGuard": asked}
    request = parse_request(json.dumps({"exportType": "sessions", "formatOptions": options}).encode())
    assert file_spec(export_type, request, "en", "2026-01-01T00:00:00Z").options["formulaGuard"] is guards
    workbook = parse_request(b'{"exportType": "sessions", "format": "xlsx"}')
    assert "formulaGuard" not in file_spec(export_type, workbook, "en", "2026-01-01T00:00:00Z").options
