"""The values that a request gives for a filter, checked and bounded by the filter's type."""

from collections.abc import Callable
from functools import partial
from typing import Any

from shared.catalog.export_types import Filter
from shared.errors import shown, unknown
from shared.requests.query import Scalar

MOST_VALUES = 5_000
"""Values that a list in a request may have."""


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
    parser = filter_.parser
    try:
        parsed = parser.parse(value)
    except (ValueError, OverflowError):
        raise WrongValue(lambda: f"takes {parser.takes}, got {shown(value)}") from None
    if filter_.choices and parsed not in filter_.choices:
        raise WrongValue(partial(unknown, "value", str(parsed), filter_.choices))
    if isinstance(parsed, str) and "\x00" in parsed:
        raise _wrong("takes text without the character U+0000")
    return parsed
