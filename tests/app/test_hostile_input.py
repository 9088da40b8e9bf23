"""Small requests that would be dear: numbers of millions of digits, thousands of wrong fields, dates without end."""

import json
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports import EXPORT_TYPES
from shared.catalog.export_types import Filter
from shared.catalog.filter_parsers import decimal_of
from shared.errors import MOST_ERRORS, RequestError, ValidationFailed
from shared.identity.caller import demo_caller
from shared.requests.export_request import MAX_BODY_BYTES, Body, check_request, parse_body, parse_request
from shared.requests.filter_values import MOST_VALUES, filter_values
from shared.schedules.requests import ScheduleRequest, check_export, check_timing
from triggers.http.audit import audit_query
from triggers.http.endpoint import problem_of
from triggers.http.exports import list_query
from triggers.http.operation import operations
from triggers.http.query_params import limit_of, moment_of
from triggers.http.webhooks import WebhookRequest

_EXPONENTS = ["400000000", "-400000000", "16000", "-16000", "999999999999999999", "-999999999999999999", "39", "-39"]
_MANTISSAS = ["1", "9", "-1", "12345", "0.1", "1" * 38, "1" * 39, "1" * 60_000]
_NOT_FINITE = [
    "NaN",
    "sNaN",
    "-nan",
    "Infinity",
    "-Infinity",
    "inf",
    "1_000",
    "0x10",
    "",
    " ",
    "+",
    "e5",
    "١٢٣",
    "1e",
    "--1",
]

NUMBERS: list[Any] = [
    *(f"{mantissa}E{exponent}" for mantissa in _MANTISSAS for exponent in _EXPONENTS),
    *_NOT_FINITE,
    *(text + "\x00" for text in ("1", "1e5")),
    *(10**power for power in (38, 39, 400, 4299)),
    *(-(10**power) for power in (38, 39, 400, 4299)),
    *(float(f"1e{power}") for power in (39, 100, 308, -39, -300)),
    float("inf"),
    float("-inf"),
    float("nan"),
    True,
    False,
    None,
    [],
    {},
    [["1"]],
    {"$gt": 1},
]

MOMENTS: list[Any] = [
    *(f"{year}-01-01T00:00:00Z" for year in ("0000", "10000", "99999", "-0001", "1" * 60_000, "+12026")),
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-12:00",
    "2026-01-31T25:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-01-31T12:00:00+99:00",
    f"2026-01-31T12:00:00.{'1' * 60_000}Z",
    "2026-01-31T12:00:00Z" + "0" * 200,
    "٢٠٢٦-01-31T12:00:00Z",
    *(0, 1e300, float("nan"), 10**4000, "1767225600", True, None, [], {}, ["2026-01-31"]),
]


@contextmanager
def little_memory(most: int = 4 * 1024 * 1024) -> Iterator[None]:
    """What happens inside allocates no more than ``most`` bytes at a time."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def calls_of(work: Callable[[], object]) -> int:
    """How many calls of Python functions the work makes: the same on every machine."""
    made = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return made


@pytest.mark.parametrize("kind", ["decimal(18,2)", "integer", "float", "date", "timestamp", "local timestamp", "uuid"])
@pytest.mark.parametrize("value", [*NUMBERS, *MOMENTS], ids=lambda value: repr(value)[:40])
def test_a_value_is_bounded_before_it_is_written_out(kind: str, value: Any) -> None:
    """Refused with a short sentence, or taken as a short value; in constant memory."""
    with little_memory():
        told = _told(Filter("f", "f", kind), value)
    assert len(told) < 300
    assert told.lower().lstrip("-") not in ("nan", "inf", "infinity")


def _told(filter_: Filter, value: Any) -> str:
    """What is made of a value: itself, or the sentence that refuses it."""
    try:
        (found,) = filter_values(filter_, value)
    except ValueError as error:
        return str(error)
    return str(found)


@pytest.mark.parametrize("exponent", [0, 1, -1, 38, -38, 400_000_000, -400_000_000, -16_000, 16_000])
@pytest.mark.parametrize("zero", ["0", "-0", "0.000", "00"])
def test_every_zero_is_zero(zero: str, exponent: int) -> None:
    """Whatever exponent it was written with: a source compares with ``0``."""
    with little_memory():
        assert decimal_of(f"{zero}E{exponent}") == "0"


@given(st.integers(-(10**38) + 1, 10**38 - 1), st.integers(-38, 0))
def test_a_decimal_keeps_its_value(digits: int, exponent: int) -> None:
    """What is taken compares equal to what was sent, and is written without an exponent."""
    sent = Decimal((int(digits < 0), tuple(map(int, str(abs(digits)))), exponent))
    taken = decimal_of(str(sent))
    assert Decimal(taken) == sent
    assert "E" not in taken


@pytest.mark.parametrize("text", ["9" * 5_000, "0", "201", "-1", "1e2", "١", "", " 1", "+1", "1.0", "0" * 8_000, "0x1"])
def test_a_limit_is_bounded_before_it_is_read(text: str) -> None:
    """Python refuses to read more than 4,300 digits, with an error that is not ours."""
    with pytest.raises(ValidationFailed, match="limit: takes a whole number from 1 to 200"):
        limit_of(text, 50)


def test_a_limit_may_have_zeros_before_it() -> None:
    """They say nothing."""
    assert limit_of("0" * 8_000 + "7", 50) == 7


@pytest.mark.parametrize("value", [v for v in MOMENTS if isinstance(v, str)], ids=lambda value: value[:40])
def test_a_time_in_a_query_is_bounded(value: str) -> None:
    """400 that names the parameter."""
    with little_memory(), pytest.raises(ValidationFailed, match="createdFrom: takes a time"):
        moment_of("createdFrom", value)


def _full(make: Callable[[int], str], around: str) -> bytes:
    """A body of nearly 64 KiB that repeats what ``make`` gives."""
    pieces: list[str] = []
    size = len(around)
    while size + len(piece := make(len(pieces))) < MAX_BODY_BYTES:
        pieces.append(piece)
        size += len(piece) + 1
    return (around % ",".join(pieces)).encode()


_IN_SESSIONS = '{"exportType":"sessions",%s}'
EXPORTS: dict[str, bytes] = {
    "unknown fields": _full(lambda n: f'"f{n}":1', "{%s}"),
    "unknown filters": _full(lambda n: f'"f{n}":1', '{"exportType":"sessions","filters":{%s}}'),
    "unknown options": _full(lambda n: f'"o{n}":1', '{"exportType":"sessions","formatOptions":{%s}}'),
    "wrong columns": _full(lambda n: f'"c{n}"', '{"exportType":"sessions","columns":[%s]}'),
    "short columns": _full(lambda n: '"c"', '{"exportType":"sessions","columns":[%s]}'),
    "the same column": _full(lambda n: '"id"', '{"exportType":"sessions","columns":[%s]}'),
    "columns that are numbers": _full(lambda n: "1", '{"exportType":"sessions","columns":[%s]}'),
    "foreign companies": _full(lambda n: f'"{n}"', '{"exportType":"sessions","companyIds":[%s]}'),
    "foreign scopes": _full(lambda n: f'"s{n}"', '{"exportType":"sessions","operationalScopeIds":[%s]}'),
    "values": _full(lambda n: '"x"', '{"exportType":"sessions","filters":{"country":[%s]}}'),
    "switches": _full(lambda n: f'"n{n}":1', '{"exportType":"sessions","notify":{%s}}'),
    "long names": _full(lambda n: f'"{n}{"x" * 200}"', '{"exportType":"sessions","columns":[%s]}'),
    "one long name": _full(lambda n: "x" * 1000, '{"exportType":"%s"}'),
    "one long column": _full(lambda n: "x" * 1000, '{"exportType":"sessions","columns":["%s"]}'),
    "one long time zone": _full(lambda n: "x" * 1000, '{"exportType":"sessions","timeZone":"%s"}'),
    "one long format": _full(lambda n: "x" * 1000, '{"exportType":"sessions","format":"%s"}'),
    "one long number": _full(lambda n: "", '{"exportType":"sessions","filters":{"minAmount":%s}}').replace(b",", b"9"),
    "nested": b'{"exportType":"sessions","filters":{"userId":' + b"[" * 200 + b"]" * 200 + b"}}",
    "NaN": b'{"exportType":"sessions","filters":{"minAmount":NaN}}',
    "Infinity": b'{"exportType":"sessions","filters":{"minAmount":-Infinity}}',
    "beyond a double": b'{"exportType":"sessions","filters":{"minAmount":1E400000000}}',
    "a number for days": b'{"exportType":"sessions","dateRange":{"from":1E400000000}}',
    "seconds without end": b'{"exportType":"sessions","notify":{"graceSeconds":1E400000000}}',
    "digits without end": b'{"exportType":"sessions","notify":{"graceSeconds":' + b"9" * 60_000 + b"}}",
    "a year without end": b'{"exportType":"sessions","dateRange":{"from":"' + b"9" * 60_000 + b'-01-01"}}',
}


def _ask(body: bytes) -> RequestError:
    with pytest.raises(RequestError) as refused:
        check_request(parse_request(body), demo_caller("ada"), EXPORT_TYPES)
    return refused.value


@pytest.mark.parametrize("name", EXPORTS)
def test_an_answer_is_bounded(name: str) -> None:
    """At most 100 wrong fields and one line about the others, in no more bytes than were sent; and little work."""
    assert len(EXPORTS[name]) <= MAX_BODY_BYTES
    found: list[RequestError] = []
    assert calls_of(lambda: found.append(_ask(EXPORTS[name]))) < 200_000
    answer = problem_of(found[0])
    assert answer.status_code == 400
    assert len(answer.get_body()) < 48 * 1024
    errors = json.loads(answer.get_body()).get("errors", [])
    assert len(errors) <= MOST_ERRORS + 1
    assert all(len(entry["message"]) <= 1000 and len(entry["field"]) <= 200 for entry in errors)


def test_what_is_not_named_is_counted() -> None:
    """The last entry says how many fields are wrong beside those that are named."""
    failed = _ask(json.dumps({"exportType": "sessions", "columns": [f"c{n}" for n in range(130)]}).encode())
    assert isinstance(failed, ValidationFailed)
    entries = json.loads(problem_of(failed).get_body())["errors"]
    assert entries[-1] == {"field": "", "message": "30 more fields are wrong"}
    assert [entry["field"] for entry in entries[:-1]] == [f"columns.{n}" for n in range(100)]


def test_what_is_not_named_is_counted_inside_a_schedule_too() -> None:
    """A schedule's request is checked as an export's, and its fields are named as the schedule's."""
    body = {
        "name": "n",
        "cron": "0 6 * * *",
        "request": {"exportType": "sessions", "columns": [str(n) for n in range(130)]},
    }
    wanted = parse_body(ScheduleRequest, json.dumps(body).encode(), "{}")
    with pytest.raises(ValidationFailed) as refused:
        check_export(wanted.request, incremental=False, period=None, caller=demo_caller("ada"))
    assert refused.value.errors[0].field == "request.columns.0"
    assert (len(refused.value.errors), refused.value.more) == (100, 30)


@pytest.mark.parametrize(
    "events", [_full(lambda n: f'"e{n}"', "[%s]"), _full(lambda n: "1", "[%s]"), _full(lambda n: "[]", "[%s]")]
)
def test_thousands_of_wrong_events_are_little_work(events: bytes) -> None:
    """A webhook has no use for more events than there are."""
    body = b'{"url":"https://hooks.example.com","events":' + events[: MAX_BODY_BYTES - 200].rsplit(b",", 1)[0] + b"]}"
    found: list[ValidationFailed] = []

    def ask() -> None:
        with pytest.raises(ValidationFailed) as refused:
            parse_body(WebhookRequest, body, "{}")
        found.append(refused.value)

    assert calls_of(ask) < 200_000
    assert len(problem_of(found[0]).get_body()) < 48 * 1024


@pytest.mark.parametrize(
    "cron",
    [
        "0-99999999999 * * * *",
        "9" * 90 + " * * * *",
        "0 0 31 2 *",
        "0 0 30 2 *",
        "* * * * " + "1," * 40,
        "1-2-3 * * * *",
        "\x00 * * * *",
        "٣ * * * *",
    ],
)
def test_a_cron_expression_is_bounded(cron: str) -> None:
    """400 that names the field; nothing is counted out."""
    with little_memory(), pytest.raises(ValidationFailed, match="cron"):
        check_timing(cron, "UTC")


def test_values_are_bounded_in_number() -> None:
    """A list may be long, and not without end."""
    many = Filter("f", "f", "text", many=True)
    assert len(filter_values(many, ["x"] * MOST_VALUES)) == MOST_VALUES
    with pytest.raises(ValueError, match="takes at most 5,000 values, got 5,001"):
        filter_values(many, ["x"] * (MOST_VALUES + 1))


BODIES = sorted({call.body for call in operations() if call.body}, key=lambda model: model.__name__)
HOSTILE: list[str] = [
    *(
        "1E400000000",
        "-1E400000000",
        "0E-400000000",
        "1E308",
        "-1E308",
        "NaN",
        "Infinity",
        "-Infinity",
        "1.5",
        "-1",
        "-0",
    ),
    *("9" * digits for digits in (20, 400, 4299, 4301, 60_000)),
    *(
        "null",
        "true",
        "[]",
        "{}",
        '""',
        '" "',
        '"\\u0000"',
        '"\\ud800\\udc00"',
        '"\\u202e"',
        "[null]",
        "[[]]",
        '{"a":1}',
    ),
    f'"{"x" * 60_000}"',
    f'"{"9" * 60_000}"',
    '"99999-01-01"',
    '"0000-00-00"',
    '"99999-01-01T00:00:00Z"',
    "[" * 150 + "]" * 150,
    '{"a":' * 150 + "1" + "}" * 150,
]
PLACES = [
    (model, name) for model in BODIES for name in [*(f.alias or n for n, f in model.model_fields.items()), "more"]
]


@pytest.mark.parametrize(("model", "field"), PLACES, ids=[f"{model.__name__}.{name}" for model, name in PLACES])
def test_no_value_of_a_body_is_dear(model: type[Body], field: str) -> None:
    """Each field of each body, with each value: taken, or refused in a few words; never another error."""
    for value in HOSTILE:
        body = f'{{"{field}":{value}}}'.encode()
        refused: list[RequestError] = []
        assert calls_of(partial(_parse, model, body, refused)) < 200_000
        assert all(len(problem_of(error).get_body()) < 48 * 1024 for error in refused)


def _parse(model: type[Body], body: bytes, refused: list[RequestError]) -> None:
    try:
        parse_body(model, body, "{}")
    except RequestError as error:
        refused.append(error)


LISTINGS: dict[str, Callable[[dict[str, str]], object]] = {
    "exports": lambda params: list_query(params, demo_caller("ada")),
    "audit": lambda params: audit_query(params),
}
QUERIED = ["9" * 7_000, "1E400000000", "NaN", "-1", "0" * 7_000, "x" * 7_000, "\x00", "'", "99999-01-01T00:00:00Z", "١"]


@pytest.mark.parametrize("listing", LISTINGS)
def test_no_value_of_a_query_is_dear(listing: str) -> None:
    """Each parameter with each value, and thousands of parameters: taken, or 400 that names it."""
    names = {p.name for call in operations() if call.route in ("exports", "ops/audit") for p in call.parameters}
    asked = [{name: value} for name in names for value in QUERIED] + [{f"p{n}": "1" for n in range(2_000)}]
    for params in asked:
        with little_memory(), suppress(ValidationFailed):
            LISTINGS[listing](params)
    with pytest.raises(ValidationFailed) as refused:
        LISTINGS[listing](asked[-1])
    assert (len(refused.value.errors), refused.value.more) == (100, 1_900)
