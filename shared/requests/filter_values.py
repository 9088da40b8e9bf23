"""Values of a filter, as a request gives them: checked, bounded, and in the one form that a source compares with.

Nothing is formatted before it is bounded: ``0E-400000000`` is a few bytes in a request and 400 MB in full.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StrictBool, StrictInt, StrictStr, TypeAdapter, ValidationError

from shared.catalog.export_types import Filter
from shared.errors import shown, unknown
from shared.requests.days import day_of
from shared.requests.query import Scalar

MOST_VALUES = 5_000
"""Values that a list in a request may have."""

_DIGITS = 38
_LONGEST_NUMBER = 100
"""Characters: 38 digits, a sign, a point, an exponent, and zeros that say nothing."""

_INT64 = TypeAdapter(Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)])
_BOOLEAN, _TEXT, _MOMENT = TypeAdapter(StrictBool), TypeAdapter(StrictStr), TypeAdapter(datetime)


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


def _moment_of(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_NUMBER:
        raise ValueError("no time")
    day_of(value[:10])
    moment = _MOMENT.validate_strings(value)
    if moment.tzinfo is not None:
        moment.astimezone(UTC)  # OverflowError where UTC has no such time
    return moment.isoformat()


def _uuid_of(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_NUMBER:
        raise ValueError("no uuid")
    return str(UUID(value))


_PARSERS: Mapping[str, tuple[Callable[[Any], Scalar], str]] = {
    "integer": (_INT64.validate_python, "a whole number of 64 bits"),
    "float": (_float_of, "a number"),
    "boolean": (_BOOLEAN.validate_python, "true or false"),
    "text": (_TEXT.validate_python, "a text"),
    "decimal": (decimal_of, f"a decimal number of up to {_DIGITS} digits"),
    "date": (_date_of, "a date such as 2026-01-31"),
    "timestamp": (_moment_of, "a time such as 2026-01-31T12:00:00Z"),
    "uuid": (_uuid_of, "a uuid"),
}


class WrongValue(ValueError):
    """A value that a filter does not take; ``told`` makes the sentence that says what it takes."""

    def __init__(self, told: Callable[[], str]) -> None:
        super().__init__()
        self.told = told

    def __str__(self) -> str:
        return self.told()


def filter_values(filter_: Filter, value: Any) -> tuple[Scalar, ...]:
    """The values that a request gives for a filter, checked. Raises ``WrongValue``, for the first that is wrong."""
    if isinstance(value, list):
        if not filter_.many:
            raise _wrong(f"takes one value, got a list of {len(value):,}")
        if not value:
            raise _wrong("takes at least one value, got an empty list")
        if len(value) > MOST_VALUES:
            raise _wrong(f"takes at most {MOST_VALUES:,} values, got {len(value):,}")
        return tuple(_filter_value(filter_, v) for v in value)
    return (_filter_value(filter_, value),)


def _wrong(sentence: str) -> WrongValue:
    return WrongValue(lambda: sentence)


def _filter_value(filter_: Filter, value: Any) -> Scalar:
    parse, wanted = _PARSERS[filter_.type.partition("(")[0].replace("local timestamp", "timestamp")]
    try:
        parsed = parse(value)
    except (ValidationError, ValueError, OverflowError):
        raise WrongValue(lambda: f"takes {wanted}, got {shown(value)}") from None
    if filter_.choices and parsed not in filter_.choices:
        raise WrongValue(partial(unknown, "value", str(parsed), filter_.choices))
    if isinstance(parsed, str) and "\x00" in parsed:
        raise _wrong("takes text without the character U+0000")
    return parsed
