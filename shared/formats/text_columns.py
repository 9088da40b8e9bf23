"""Every column type as text: the scalars' rendering, and JSON for lists."""

import pyarrow as pa

from shared.catalog.column_types import ColumnType
from shared.formats.json_values import JsonStyle, json_values
from shared.formats.scalars import TextStyle, scalar_text


def as_text(column: pa.Array, kind: ColumnType, style: TextStyle) -> pa.StringArray:
    """The column as text, null where it is null. A list is a JSON array (RFC 8259), ``[1,null,3]``."""
    if kind.element:
        return json_values(column, kind, JsonStyle(style.time_zone))
    return scalar_text(column, kind, style)
