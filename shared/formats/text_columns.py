"""Every column type as text: the scalars' rendering, and JSON for lists."""

import pyarrow as pa

from shared.formats.json_values import JsonStyle, json_values
from shared.formats.scalars import TextStyle, base_type, scalar_text


def as_text(column: pa.Array, type_name: str, style: TextStyle) -> pa.StringArray:
    """The column as text, null where it is null. A list is a JSON array (RFC 8259), ``[1,null,3]``."""
    if base_type(type_name) == "list":
        return json_values(column, type_name, JsonStyle(style.time_zone))
    return scalar_text(column, type_name, style)
