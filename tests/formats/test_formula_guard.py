"""The formula guard, against a plain definition of what a spreadsheet takes for the start of a formula."""

import csv
import io
import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.formats import get_format
from shared.formats.base import FileSpec, PartPosition
from shared.formats.csv import GUARDED
from shared.formats.formula_guard import guard_formulas
from tests.formats.formulas import SIGNS, SPLITS, defused
from tests.formats.naughty import FORMULAS, NAUGHTY
from tests.formats.tables import columns, encode, table

TEXTS = st.text(alphabet=SIGNS + SPLITS + "a1 \"'\x00é！\ufeff", max_size=12)
ONE = columns(value="text")


def cells(file: bytes, delimiter: str = ",") -> list[str]:
    """The only cell of each row under the header."""
    text = io.StringIO(file.decode().partition("\r\n")[2], newline="")
    return [row[0] for row in csv.reader(text, delimiter=delimiter, strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("==1", "'==1"),
        ("-5", "'-5"),
        ("＝1+5", "'＝1+5"),
        ("＋1", "'＋1"),
        ("－1", "'－1"),
        ("＠SUM(1)", "'＠SUM(1)"),
        ("\x00=1", "'\x00=1"),
        ("\n=1+4", "'\n'=1+4"),
        ("\t=1", "'\t'=1"),
        ("\tplain", "'\tplain"),
        ("note;=1+2", "note;'=1+2"),
        ("a,@b|-c\t+d", "a,'@b|'-c\t'+d"),
        ("a;＝b;b＝", "a;'＝b;b＝"),
        ("a\r\n=1\r\n=2", "a\r\n'=1\r\n'=2"),
        ("a\r=1", "a\r'=1"),
        (";=1", ";'=1"),
        ("a;;=1;b=2", "a;;'=1;b=2"),
        (" =1+1", " =1+1"),
        ("a; =1", "a; =1"),
        ("'=1", "'=1"),
        ("a-b@c=d", "a-b@c=d"),
        ("！1", "！1"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_where_the_apostrophes_stand(text: str, expected: str, delimiter: str) -> None:
    """Whatever the file's own delimiter is; at the start of what would be a formula, and nowhere else."""
    assert defused(text) == expected
    file = encode("csv", ONE, table(ONE, [["x"], [text], [None]]), options={"delimiter": delimiter})
    assert cells(file, delimiter) == ["x", expected, ""]
    assert guard_formulas([text, None, "x"]) == [expected, None, "x"]


def test_formulas_and_naughty_strings() -> None:
    """Each is what it was but for the apostrophes; every formula has one in front."""
    for text in (*FORMULAS, *NAUGHTY):
        file = encode("csv", ONE, table(ONE, [["x"], [text]]))
        assert cells(file) == ["x", defused(text)]
    assert all(defused(payload)[0] == "'" for payload in FORMULAS)


@given(st.lists(st.none() | TEXTS, min_size=1, max_size=30), st.integers(0, 29))
def test_any_texts(texts: list[str | None], start: int) -> None:
    """As the definition says, in any part of a column, among nulls, and counted."""
    expected = [text and defused(text) for text in texts]
    assert guard_formulas(texts) == expected
    batch = pa.record_batch([pa.array(texts, pa.string())], ["value"]).slice(start)
    spec = FileSpec(ONE, options=get_format("csv").options({"nullText": "NULL"}))
    found: list[bytes] = []
    reader = pa.RecordBatchReader.from_batches(batch.schema, [batch])
    _, facts = get_format("csv").encode_part(
        reader, lambda data: found.append(bytes(data)), spec, PartPosition(0, 1, 0)
    )
    assert cells(b"\r\n" + b"".join(found)) == ["NULL" if text is None else text for text in expected[start:]]
    assert facts.get(GUARDED, 0) == sum(a != b for a, b in zip(texts[start:], expected[start:], strict=True))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", -5),
        ("list<integer>", [-1, -2, -3]),
        ("list<float>", [1.5, -2.5e-7]),
        ("json", '{"a":[1,-2,-3.5e-7,-4],"b":[5,-0.25]}'),
        ("json", "-5"),
        ("json", '{"note":"a, b - c","at":"x@y"}'),
        ("list<text>", ["plain", "a, b"]),
        ("binary", b"\xfb\xff"),
    ],
)
def test_numbers_are_never_touched(kind: str, value: Any) -> None:
    """Nor are negative numbers in lists and in the arrays of JSON, which stays JSON."""
    of = columns(id="integer", value=kind)
    assert b"'" not in encode("csv", of, table(of, [[1, value]]))


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("json", '{"a":"x;=1+2;y"}', '{"a":"x;\'=1+2;y"}'),
        ("json", '["a,-1+cmd"]', '["a,\'-1+cmd"]'),
        ("json", "-1,2+cmd", "'-1,2+cmd"),
        ("json", "=1", "'=1"),
        ("list<text>", ["x;=1+2;y"], '["x;\'=1+2;y"]'),
        ("list<list<text>>", [["x;=1"]], '[["x;\'=1"]]'),
        ("uuid", "=1+1", "'=1+1"),
    ],
)
def test_whatever_can_hold_any_text_is_guarded(kind: str, value: Any, expected: str) -> None:
    """JSON, lists of texts, and a uuid that is none."""
    of = columns(value=kind)
    assert cells(encode("csv", of, table(of, [[value]]))) == [expected]
    if kind == "json" and value.startswith("{"):
        assert json.loads(expected) == {"a": "x;'=1+2;y"}


def test_titles_are_guarded() -> None:
    """They are text like any other."""
    of = columns(**{"=a": "text", "b;=c": "text"})
    assert encode("csv", of, table(of, [])) == b"'=a,b;'=c\r\n"


def test_the_guard_can_be_switched_off() -> None:
    """Then every text is as it was, and none is counted."""
    file = encode("csv", ONE, table(ONE, [["=1;=2"]]), options={"formulaGuard": False})
    assert cells(file) == ["=1;=2"]
