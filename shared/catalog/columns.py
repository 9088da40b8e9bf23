"""Columns of an export, and the closed set of types that a column can have.

A type is written as a short string in an export type (``"decimal(12,2)"``) and stands for exactly one Arrow type, so
that every source delivers, and every format encodes, the same thing. Types whose Arrow type says too little (uuid and
json are strings) carry their name in the field's metadata under ``TYPE_KEY``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from shared.locales import canonical

TYPE_KEY = b"sluice.type"

_PLAIN_TYPES: Mapping[str, pa.DataType] = {
    "integer": pa.int64(),
    "float": pa.float64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
    "uuid": pa.string(),
    "json": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "local timestamp": pa.timestamp("us"),
    "interval": pa.month_day_nano_interval(),
}
_DECIMAL = re.compile(r"decimal\((\d{1,2}),(\d{1,2})\)")
_LIST = re.compile(r"list<(.+)>")


@dataclass(frozen=True)
class Column:
    """One column of the file.

    ``name`` is the API's name (camelCase) and the header when names are asked for; ``title`` is the header that people
    read; ``type`` is one of the names above, ``decimal(p,s)`` or ``list<type>``; ``sql`` is the column or expression
    in the source, ``name`` when left out; ``titles`` holds the title in other locales (``{"fr": "Courriel"}``).
    """

    name: str
    title: str
    type: str = "text"
    sql: str = ""
    titles: Mapping[str, str] = field(default_factory=dict)

    @property
    def expression(self) -> str:
        """The column or expression to select in the source."""
        return self.sql or self.name

    def title_in(self, locale: str) -> str:
        """The title in ``locale`` (``fr-CA``, or ``fr_ca``, falls back to ``fr``), else the plain title."""
        language, region = canonical(locale)
        return self.titles.get(f"{language}-{region}") or self.titles.get(language) or self.title


def arrow_type(type_name: str) -> pa.DataType:
    """The Arrow type that a column type stands for. Raises ``ValueError`` for a name that is not in the set."""
    if type_name in _PLAIN_TYPES:
        return _PLAIN_TYPES[type_name]
    if match := _DECIMAL.fullmatch(type_name):
        precision, scale = int(match[1]), int(match[2])
        return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
    if match := _LIST.fullmatch(type_name):
        return pa.list_(arrow_type(match[1]))
    known = ", ".join([*_PLAIN_TYPES, "decimal(p,s)", "list<type>"])
    raise ValueError(f"unknown column type '{type_name}'; known: {known}")


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """The schema that every batch of an export of these columns has: one nullable field per column, in order."""
    return pa.schema(
        [pa.field(c.name, arrow_type(c.type), nullable=True, metadata={TYPE_KEY: c.type.encode()}) for c in columns]
    )


def column_type(field: pa.Field) -> str:
    """The column type that ``arrow_schema`` wrote into this field."""
    return str(field.metadata[TYPE_KEY].decode())
