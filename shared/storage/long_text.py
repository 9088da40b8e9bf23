"""Texts that are longer than one property of a table row may be."""

import re
from collections.abc import Mapping
from typing import Any

_TEXT_LIMIT = 16_000
"""Characters of one text in a table: 64 KiB as UTF-16. A longer text ``name`` goes on in ``name1``, ``name2``, ..."""


def split_text(name: str, text: str) -> dict[str, str]:
    """The properties that hold a text."""
    starts = range(0, len(text), _TEXT_LIMIT)
    return {f"{name}{start // _TEXT_LIMIT or ''}": text[start : start + _TEXT_LIMIT] for start in starts}


def join_text(entity: Mapping[str, Any], name: str) -> str:
    """The text that ``split_text`` wrote."""
    pieces = sorted((n for n in entity if re.fullmatch(rf"{name}\d*", n)), key=lambda n: (len(n), n))
    return "".join(entity[piece] for piece in pieces)
