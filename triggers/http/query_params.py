"""Values in the query of a listing, checked. Each raises ``ValidationFailed`` that names the parameter."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from shared.catalog.ownership import TENANT
from shared.errors import FieldError, ValidationFailed, Wrong, WrongCursor, unknown
from shared.timestamps import from_iso, iso

_MOST_ITEMS = 200
_MOST_DIGITS = len(str(_MOST_ITEMS))
_CURSOR_LIMIT = 1_000
_MOMENT_LIMIT = 64
_ID_LIMIT = 64


def checked(params: Mapping[str, str], checks: Mapping[str, Callable[[str], Any]]) -> dict[str, Any]:
    """The values of a query, each as its check gives it. Raises ``ValidationFailed`` with all that is wrong."""
    errors: list[Wrong] = [partial(_unknown_parameter, name, tuple(checks)) for name in params if name not in checks]
    found: dict[str, Any] = {}
    for name, check in checks.items():
        if name in params:
            try:
                found[name] = check(params[name])
            except ValidationFailed as failed:
                errors.extend(failed.errors)
    if errors:
        raise ValidationFailed(errors)
    return found


def _unknown_parameter(name: str, known: tuple[str, ...]) -> FieldError:
    return FieldError(name, unknown("parameter", name, known))


def limit_of(text: str | None, default: int) -> int:
    """How many items a page has: 1 to 200."""
    if text is None:
        return default
    digits = text.lstrip("0")
    if not (
        text.isdecimal() and text.isascii() and len(digits) <= _MOST_DIGITS and 1 <= int(digits or "0") <= _MOST_ITEMS
    ):
        raise _wrong("limit", f"takes a whole number from 1 to {_MOST_ITEMS}, got '{text[:20]}'")
    return int(digits)


def is_id(text: str) -> bool:
    """Whether a text of a route may be an id of ours: it goes into keys of tables, which are bounded."""
    return text.isalnum() and text.isascii() and len(text) <= _ID_LIMIT


def cursor_of(text: str | None) -> str:
    """Where a page ended."""
    if text and not (text.replace("-", "").isalnum() and text.isascii() and len(text) <= _CURSOR_LIMIT):
        raise WrongCursor
    return text or ""


def moment_of(name: str, text: str) -> datetime:
    """A time with its zone, in UTC."""
    try:
        if len(text) > _MOMENT_LIMIT:
            raise ValueError(text[:_MOMENT_LIMIT])
        moment = from_iso(text)
        if moment.tzinfo is None:
            raise ValueError(text)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _wrong(name, f"takes a time such as 2026-01-31T12:00:00Z, got '{text[:80]}'") from None


def instant_of(name: str, text: str) -> str:
    """A time with its zone, as ISO-8601 UTC; 1970 in place of what is before."""
    return iso(max(moment_of(name, text), datetime(1970, 1, 1, tzinfo=UTC)))


def short_of(name: str, text: str, limit: int) -> str:
    """A text of up to ``limit`` characters."""
    if len(text) > limit:
        raise _wrong(name, f"takes up to {limit} characters, got {len(text):,}")
    return text


def tenant_named(text: str | None) -> str:
    """The name of a tenant; empty when none is given."""
    if text is not None and not TENANT.fullmatch(text):
        raise _wrong("tenant", f"takes the name of a tenant, got '{text[:80]}'")
    return text or ""


def choice_of(name: str, text: str, known: tuple[str, ...]) -> str:
    """One of the known names."""
    if text not in known:
        raise _wrong(name, unknown(name, text, known))
    return text


def _wrong(name: str, message: str) -> ValidationFailed:
    return ValidationFailed([FieldError(name, message)])
