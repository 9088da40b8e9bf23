"""How the value of a filter is read from a request: checked, bounded, and in the one form that a source compares with.

Nothing is formatted before it is bounded: ``0E-400000000`` is a few bytes in a request and 400 MB in full.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.requests.days import day_of

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_DIGITS = 38
_LONGEST_NUMBER = 100
"""Characters: 38 digits, a sign, a point, an exponent, and zeros that say nothing."""
_LEAST, _GREATEST = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class FilterParser:
    """Reads one value. ``parse`` raises ``ValueError`` or ``OverflowError`` for a value that it does not take.

    It answers with a text, a number or a boolean. ``takes`` completes the sentence "takes ..." of the error;
    ``schema`` is the JSON Schema of the value in the API's document.
    """

    parse: Callable[[Any], str | int | float | bool]
    takes: str
    schema: Mapping[str, Any]


def decimal_of(value: Any) -> str:
    """A number of up to 38 digits, before and behind the point together, in plain form; every zero is ``0``.

    Raises ``ValueError``. Takes what JSON has for a number, and a text.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError("no number")
    if isinstance(value, int) and abs(value) >= 10**_DIGITS:
        raise ValueError("too many digits")
    text = str(value)
    if len(text) > _LONGEST_NUMBER or not text.isascii() or "_" in text:
        raise ValueError("no number of so few characters")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError("no number") from None
    if not number.is_finite():
        raise ValueError("not finite")
    if not number:
        return "0"
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError("not finite")
    figures = "".join(map(str, digits)).lstrip("0")
    bare = figures.rstrip("0")
    exponent += len(figures) - len(bare)
    # 12E+3 has five digits, 12E-3 has three: those that are written in plain form.
    if exponent > _DIGITS or -exponent > _DIGITS or max(len(bare) + max(exponent, 0), -exponent) > _DIGITS:
        raise ValueError("too many digits")
    return format(Decimal((sign, tuple(map(int, bare)), exponent)), "f")


def _integer_of(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not _LEAST <= value <= _GREATEST:
        raise ValueError("no whole number of 64 bits")
    return value


def _boolean_of(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("no boolean")
    return value


def _text_of(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("no text")
    value.encode()  # UnicodeEncodeError, a ValueError, for half a character
    return value


def _float_of(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("no number")
    if isinstance(value, str) and (len(value) > _LONGEST_NUMBER or "_" in value):
        raise ValueError("no number of so few characters")
    number = float(value)  # OverflowError for an integer beyond its range
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def _date_of(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("no text")
    return day_of(value).isoformat()


@cache
def _moments() -> "TypeAdapter[datetime]":
    from pydantic import TypeAdapter  # the formats, which ask for a column's type, have no use for it

    return TypeAdapter(datetime)


def _moment_of(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_NUMBER:
        raise ValueError("no time")
    day_of(value[:10])
    moment = _moments().validate_strings(value)
    if moment.tzinfo is not None:
        moment.astimezone(UTC)  # OverflowError where UTC has no such time
    return moment.isoformat()


def _uuid_of(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_NUMBER:
        raise ValueError("no uuid")
    return str(UUID(value))


INTEGER = FilterParser(
    _integer_of, "a whole number of 64 bits", {"type": "integer", "minimum": _LEAST, "maximum": _GREATEST}
)
FLOAT = FilterParser(_float_of, "a number", {"type": "number"})
BOOLEAN = FilterParser(_boolean_of, "true or false", {"type": "boolean"})
TEXT = FilterParser(_text_of, "a text", {"type": "string", "pattern": r"^[^\u0000]*$"})
DECIMAL = FilterParser(
    decimal_of,
    f"a decimal number of up to {_DIGITS} digits",
    {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?[0-9]{1,18}(\.[0-9]{1,18})?$"}]},
)
DATE = FilterParser(_date_of, "a date such as 2026-01-31", {"type": "string", "format": "date"})
MOMENT = FilterParser(_moment_of, "a time such as 2026-01-31T12:00:00Z", {"type": "string", "format": "date-time"})
UUID_TEXT = FilterParser(_uuid_of, "a uuid", {"type": "string", "format": "uuid"})
