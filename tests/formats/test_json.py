"""JSON's and NDJSON's own promises."""

import json

import pytest

from tests.formats.tables import columns, encode, table

BOTH = pytest.mark.parametrize("name", ["json", "ndjson"])


def test_an_array_is_a_row_on_each_line() -> None:
    """The whole file, byte for byte."""
    of = columns(id="integer", name="text")
    assert encode("json", of, table(of, [[1, "Zoë"], [2, None]]), splits=(1,)) == (
        '[\n{"id":1,"name":"Zoë"},\n{"id":2,"name":null}\n]\n'.encode()
    )


def test_ndjson_is_an_object_on_each_line() -> None:
    """The whole file, byte for byte."""
    of = columns(id="integer", name="text")
    assert encode("ndjson", of, table(of, [[1, "Zoë"], [2, None]])) == (
        '{"id":1,"name":"Zoë"}\n{"id":2,"name":null}\n'.encode()
    )


@BOTH
def test_large_integers_as_strings_when_asked(name: str) -> None:
    """Beyond 2^53 - 1 only, on both sides."""
    of = columns(n="integer")
    safe = 2**53 - 1
    data = table(of, [[safe], [safe + 1], [-safe], [-safe - 1], [None]])
    text = encode(name, of, data, options={"bigIntegers": "string"}).decode()
    found = json.loads(text) if name == "json" else [json.loads(line) for line in text.splitlines()]
    assert [row["n"] for row in found] == [safe, str(safe + 1), -safe, str(-safe - 1), None]
    assert f'"n":{safe + 1}' in encode(name, of, data).decode()


@BOTH
def test_json_columns_stand_as_they_are(name: str) -> None:
    """Valid JSON raw and on one line, anything else as a string: no cell can break the file."""
    of = columns(id="integer", payload="json")
    cells = [
        '{"a":\n[1, 2]}',
        "12345678901234567890.5",
        "[1",
        "],[",
        "1,2",
        '"',
        "",
        "NaN",
        "tru",
        None,
        "null",
        "{}{}",
        "[" * 10_000,
    ]
    text = encode(name, of, table(of, [[1, cell] for cell in cells])).decode()
    found = json.loads(text) if name == "json" else [json.loads(line) for line in text.splitlines()]
    kept = {0: {"a": [1, 2]}, 1: 12345678901234567890.5, 9: None, 10: None}
    assert [row["payload"] for row in found] == [kept.get(index, cell) for index, cell in enumerate(cells)]
    assert "12345678901234567890.5}" in text


@BOTH
def test_column_names_are_escaped(name: str) -> None:
    """A name may hold anything."""
    of = columns(**{'quo"te\\': "integer", "line\nbreak": "text"})
    text = encode(name, of, table(of, [[1, "x"]])).decode()
    found = json.loads(text)[0] if name == "json" else json.loads(text)
    assert found == {'quo"te\\': 1, "line\nbreak": "x"}
