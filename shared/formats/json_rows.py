"""Rows as JSON objects, for the formats that are made of them."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from shared.formats.base import Facts, FileSpec
from shared.formats.escape import enclosed, text
from shared.formats.json_values import JsonStyle, json_string, unknown_numbers, unquoted_values
from shared.formats.options import Option

JSON_OPTIONS: Sequence[Option] = (
    Option(
        name="bigIntegers",
        default="number",
        choices=("number", "string"),
        summary="Integers beyond 2^53 - 1, and decimals of more than 15 digits, which JavaScript rounds: as numbers or "
        "as strings.",
    ),
    Option(
        name="decimals",
        default="number",
        choices=("number", "string"),
        summary="All decimals: as numbers or as strings, which every reader keeps as they are.",
    ),
)


class JsonRows:
    """The encoding of one file's rows: keys are the columns' API names, values as ``json_values`` says."""

    def __init__(self, spec: FileSpec, before: str, after: str) -> None:
        options: Mapping[str, str] = spec.options
        self._columns = spec.columns
        strings = {name: options.get(name) == "string" for name in ("bigIntegers", "decimals")}
        self._style = JsonStyle(
            spec.time_zone,
            "string" if strings["bigIntegers"] else "number",
            "string" if strings["decimals"] else "number",
        )
        self.emptied = 0
        self._keys = [json_string(column.name) + ":" for column in spec.columns]
        self._before, self._after = before, after

    @property
    def facts(self) -> Facts:
        """How many values are ``null`` because JSON has no such number, if any."""
        return {"emptied": self.emptied} if self.emptied else {}

    def encode(self, batch: pa.RecordBatch) -> pa.StringArray:
        """One cell for each row: ``before``, the object, ``after``. Counts what it empties."""
        pieces: list[pa.StringArray] = []
        pending = self._before + "{"
        for values, column, key in zip(batch.columns, self._columns, self._keys, strict=True):
            self.emptied += unknown_numbers(values)
            words, quoted = unquoted_values(values, column.kind, self._style)
            if quoted and words.null_count:
                words, quoted = enclosed(words, '"'), False
            mark = '"' if quoted else ""
            pieces += [text(pending + key + mark), words]
            pending = mark + ","
        pieces.append(text(pending.removesuffix(",") + "}" + self._after))
        return pc.binary_join_element_wise(*pieces, text(""), null_handling="replace", null_replacement="null")
