"""Text as it stands in the XML of a spreadsheet (ECMA-376 Part 1, section 22.9.2.19, ST_Xstring).

``&``, ``<`` and ``>`` become entities. A character that XML cannot hold (the controls below U+0020 except tab and line
feed, U+FFFE, U+FFFF), and the carriage return, which XML would change, becomes ``_xHHHH_``; what looks like such an
escape by itself has its underscore escaped.
"""

import re

import pyarrow as pa
import pyarrow.compute as pc

from shared.formats.escape import Escapes, column_bytes

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_CONTROLS = {chr(code): f"_x{code:04X}_" for code in range(32) if chr(code) not in "\t\n"}
_ESCAPES = Escapes({**_ENTITIES, **_CONTROLS})
_NONCHARACTERS = {"\ufffe": "_xFFFE_", "\uffff": "_xFFFF_"}
_LOOKS_ESCAPED = "_(x[0-9A-Fa-f]{4})"
_UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")


def escape_column(column: pa.StringArray) -> pa.StringArray:
    """The column as XML text."""
    held = bytes(column_bytes(column))
    if b"_" in held and b"_x" in held:
        column = pc.replace_substring_regex(column, _LOOKS_ESCAPED, r"_x005F_\1")
    if b"\xef" in held and b"\xef\xbf" in held:
        for character, replacement in _NONCHARACTERS.items():
            column = pc.replace_substring(column, character, replacement)
    return _ESCAPES.apply(column)


def escape_unreadable(value: str) -> str:
    """One string with the ``_xHHHH_`` escapes only, for a library that makes the entities itself."""
    value = re.sub(_LOOKS_ESCAPED, r"_x005F_\1", value)
    return _UNREADABLE.sub(lambda match: f"_x{ord(match[0]):04X}_", value)
