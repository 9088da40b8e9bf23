"""Requests that are wrong: a problem document that names the field and what is valid, and no export."""

import json
from typing import Any

import pytest

from tests.service.conftest import People
from tests.service.problems import assert_problem

CASES: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    ("no type", {}, {"exportType": "is required"}),
    ("unknown type", {"exportType": "sesions"}, {"exportType": "did you mean 'sessions'? known: sessions, users"}),
    ("type of another JSON type", {"exportType": 7}, {"exportType": "valid string, got 7"}),
    ("unknown format", {"format": "cvs"}, {"format": "unknown format 'cvs'; did you mean 'csv'? known: csv"}),
    ("format beyond recognition", {"format": "'; drop table"}, {"format": "known: csv"}),
    ("unknown field", {"filter": {}}, {"filter": "unknown field 'filter'; did you mean 'filters'? known: exportType"}),
    ("unknown field inside", {"dateRange": {"until": "2026-01-01"}}, {"dateRange.until": "known: from, to"}),
    ("unknown channel", {"notify": {"sms": True}}, {"notify.sms": "unknown field 'sms'; known: graceSeconds"}),
    (
        "unknown filter",
        {"filters": {"stauts": "a"}},
        {"filters.stauts": "did you mean 'status'? known: userId, status"},
    ),
    (
        "filter value that is no choice",
        {"filters": {"status": ["active", "actve"]}},
        {"filters.status": "unknown value 'actve'; did you mean 'active'?"},
    ),
    (
        "filter value of another type",
        {"filters": {"mobile": "yes"}},
        {"filters.mobile": "takes true or false, got 'yes'"},
    ),
    ("filter value null", {"filters": {"userId": None}}, {"filters.userId": "takes a text, got None"}),
    ("filter value object", {"filters": {"userId": {"$ne": ""}}}, {"filters.userId": "takes a text, got {'$ne': ''}"}),
    (
        "list for a single filter",
        {"filters": {"userId": ["a"]}},
        {"filters.userId": "takes one value, got a list of 1"},
    ),
    ("empty list", {"filters": {"country": []}}, {"filters.country": "takes at least one value"}),
    (
        "no decimal",
        {"filters": {"minAmount": "12,50"}},
        {"filters.minAmount": "takes a decimal number of up to 38 digits, got '12,50'"},
    ),
    (
        "not a number",
        {"filters": {"minAmount": "NaN"}},
        {"filters.minAmount": "takes a decimal number of up to 38 digits, got 'NaN'"},
    ),
    ("decimal without end", {"filters": {"minAmount": "1e99999"}}, {"filters.minAmount": "takes a decimal number"}),
    (
        "true as a decimal",
        {"filters": {"minAmount": True}},
        {"filters.minAmount": "takes a decimal number of up to 38 digits, got True"},
    ),
    ("U+0000", {"filters": {"userId": "a\0b"}}, {"filters.userId": "without the character U+0000"}),
    (
        "integer beyond 64 bits",
        {"exportType": "analytics", "filters": {"minEvents": 2**63}},
        {"filters.minEvents": "takes a whole number"},
    ),
    (
        "fraction for an integer",
        {"exportType": "analytics", "filters": {"minEvents": 1.5}},
        {"filters.minEvents": "takes a whole number of 64 bits, got 1.5"},
    ),
    (
        "no date",
        {"exportType": "employees", "filters": {"hiredBefore": "2026-02-30"}},
        {"filters.hiredBefore": "takes a date such as 2026-01-31, got '2026-02-30'"},
    ),
    (
        "number for a date",
        {"exportType": "employees", "filters": {"hiredBefore": 20260101}},
        {"filters.hiredBefore": "takes a date such as 2026-01-31"},
    ),
    (
        "filter of a type without filters",
        {"exportType": "payroll-headcount", "filters": {"kind": "x"}},
        {"filters.kind": "this type has no filters"},
    ),
    (
        "from after to",
        {"dateRange": {"from": "2026-02-01", "to": "2026-01-31"}},
        {"dateRange": "from (2026-02-01) is after to (2026-01-31)"},
    ),
    ("no day", {"dateRange": {"from": "31/01/2026"}}, {"dateRange.from": "got '31/01/2026'"}),
    ("day far away", {"dateRange": {"to": "9999-12-31"}}, {"dateRange.to": "a day from 1900-01-01 to 9000-12-31"}),
    (
        "date range without a date",
        {"exportType": "exemptions", "dateRange": {"from": "2026-01-01"}},
        {"dateRange": "export type 'exemptions' has no date"},
    ),
    ("unknown time zone", {"timeZone": "Europe/Pari"}, {"timeZone": "unknown time zone 'Europe/Pari'"}),
    ("time zone that is a path", {"timeZone": "../../etc/passwd"}, {"timeZone": "unknown time zone"}),
    ("unknown column", {"columns": ["id", "emial"]}, {"columns.1": "unknown column 'emial'; did you mean 'email'?"}),
    ("column that is SQL", {"columns": ["id from users --"]}, {"columns.0": "unknown column"}),
    ("column twice", {"columns": ["id", "id"]}, {"columns.1": "column 'id' is named twice"}),
    ("no column", {"columns": []}, {"columns": "name at least one column; known: id, token"}),
    (
        "columns of a function",
        {"exportType": "exemptions", "columns": ["id"]},
        {"columns": "the columns of export type 'exemptions' cannot be chosen"},
    ),
    ("unknown compression", {"compression": "rar"}, {"compression": "'none', 'gzip' or 'zip', got 'rar'"}),
    ("long file name", {"fileName": "x" * 201}, {"fileName": "at most 200 characters"}),
    ("unknown option", {"formatOptions": {"delimeter": ";"}}, {"formatOptions.delimeter": "did you mean 'delimiter'?"}),
    ("wrong option", {"formatOptions": {"bom": "yes"}}, {"formatOptions.bom": "yes"}),
    ("text for a switch", {"notify": {"email": "true"}}, {"notify.email": "valid boolean, got 'true'"}),
    (
        "foreign company",
        {"companyIds": ["123", "201"]},
        {"companyIds.1": "unknown company '201'; known: 123, 124, 125"},
    ),
    ("foreign scope", {"operationalScopeIds": ["emea"]}, {"operationalScopeIds.0": "unknown operational scope 'emea'"}),
    (
        "several at once",
        {"format": "xml", "columns": ["x"], "dateRange": {"from": "2026-02-01", "to": "2026-01-01"}},
        {"format": "known: csv", "columns.0": "known: id", "dateRange": "is after"},
    ),
]


@pytest.mark.parametrize(("body", "fields"), [pytest.param(b, f, id=name) for name, b, f in CASES])
def test_a_wrong_field_is_named(people: People, body: dict[str, Any], fields: dict[str, str]) -> None:
    """400 with one entry for each wrong field: what was received, what is valid, what was perhaps meant."""
    if body and "exportType" not in body:
        body = {"exportType": "sessions", **body}
    answer = people.ada.call("POST", "/exports", json=body)
    assert_problem(answer, "validation-failed", **{name.replace(".", "__"): text for name, text in fields.items()})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"exportType=sessions",
        b'{"exportType": "sessions"',
        b"\xff\xfe\x00",
        b'{"exportType": "\xe9t\xe9"}',
        b'{"exportType": "\\ud800"}',
        b"[" * 30_000,
    ],
    ids=["nothing", "a form", "cut short", "bytes", "Latin-1", "half a surrogate pair", "nested without end"],
)
def test_a_body_that_is_not_json_is_refused(people: People, body: bytes) -> None:
    """400 that says what it is."""
    assert_problem(people.ada.call("POST", "/exports", data=body), "bad-request", detail="the body is not JSON")


@pytest.mark.parametrize("body", ["[]", "null", '"sessions"', "7"])
def test_a_body_that_is_no_object_is_refused(people: People, body: str) -> None:
    """400; there is no field to name."""
    answer = people.ada.call("POST", "/exports", data=body)
    assert_problem(answer, "bad-request", detail="the body must be a JSON object")


def test_a_body_over_64_kib_is_refused(people: People) -> None:
    """413; a body of exactly 64 KiB is read."""

    def body(size: int) -> bytes:
        start = '{"exportType": "sessions", "filters": {"userId": "'
        return f'{start}{"x" * (size - len(start) - 3)}"}}}}'.encode()

    answer = people.ada.call("POST", "/exports", data=body(65_537))
    assert_problem(answer, "body-too-large", detail="the body has 65,537 bytes and may have 65,536")
    answer = people.ada.call("POST", "/exports", data=body(65_536))
    assert answer.status_code == 202
    assert people.ada.wait(answer.json()["id"])["file"]["rows"] == 0


def test_a_wrong_request_leaves_nothing_behind(people: People) -> None:
    """No record in the list."""
    before = people.bea.call("GET", "/exports?limit=200").json()
    for _, body, _ in CASES[:8]:
        assert people.bea.call("POST", "/exports", json=body).status_code == 400 or "exportType" not in body
    assert people.bea.call("GET", "/exports?limit=200").json() == before


def test_a_wrong_answer_holds_the_value_and_no_markup(people: People) -> None:
    """What was sent comes back as JSON text, and never as a page."""
    answer = people.ada.call("POST", "/exports", data=json.dumps({"exportType": "<script>alert(1)</script>"}))
    assert_problem(answer, "validation-failed", exportType="<script>")
    assert answer.headers["Content-Type"] == "application/problem+json"
