"""Names for values of enumerations that are no words: generators of clients make identifiers from them."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*([-._ /][A-Za-z0-9]+)*")


def name_values(node: Any) -> None:
    """Name the values of every enumeration below ``node`` whose values do not make distinct identifiers.

    NSwag reads ``x-enumNames``, openapi-typescript and others ``x-enum-varnames``, Kiota and AutoRest ``x-ms-enum``.
    """
    if isinstance(node, list):
        for one in node:
            name_values(one)
        return
    if not isinstance(node, dict):
        return
    values = node.get("enum")
    if isinstance(values, list) and all(isinstance(value, str) for value in values) and needs_names(values):
        names = value_names(values)
        node["x-enumNames"] = node["x-enum-varnames"] = names
        entries = [{"value": value, "name": name} for value, name in zip(values, names, strict=True)]
        node["x-ms-enum"] = {"modelAsString": False, "values": entries}
    for name, one in node.items():
        if name not in ("example", "examples", "default", "const", "enum"):
            name_values(one)


def needs_names(values: Sequence[str]) -> bool:
    """Whether a value is no word, or two differ in capitals and separators only."""
    bare = {re.sub(r"[^a-z0-9]", "", value.lower()) for value in values}
    return not all(map(_WORD.fullmatch, values)) or len(bare) < len(values)


def value_names(values: Sequence[str]) -> list[str]:
    """An identifier for each value, from the Unicode names of what is no letter or digit."""
    found: list[str] = []
    for value in values:
        name = "_".join(filter(None, (_spelt(part) for part in re.findall(r"[A-Za-z0-9]+|[^A-Za-z0-9]", value))))
        name = name or "EMPTY"
        name = f"VALUE_{name}" if name[0].isdigit() else name
        found.append(f"{name}_{len(found) + 1}" if name.lower() in {known.lower() for known in found} else name)
    return found


_CONTROLS = {"\t": "TAB", "\n": "LINE_FEED", "\r": "CARRIAGE_RETURN"}


def _spelt(part: str) -> str:
    if part.isascii() and part.isalnum():
        return part.upper()
    return _CONTROLS.get(part) or re.sub(r"[^A-Z0-9]+", "_", unicodedata.name(part, f"U{ord(part):04X}"))
