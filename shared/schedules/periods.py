"""The days that a run of a schedule covers, counted from the day on which it is due."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from shared.requests.export_request import DateRange, ExportRequest

Period = Literal["yesterday", "last-7-days", "last-30-days", "last-week", "last-month"]

_DAY = timedelta(days=1)


def _last_week(day: date) -> tuple[date, date]:
    monday = day - day.weekday() * _DAY
    return monday - 7 * _DAY, monday - _DAY


def _last_month(day: date) -> tuple[date, date]:
    last = day.replace(day=1) - _DAY
    return last.replace(day=1), last


_DAYS: Mapping[Period, Callable[[date], tuple[date, date]]] = {
    "yesterday": lambda day: (day - _DAY, day - _DAY),
    "last-7-days": lambda day: (day - 7 * _DAY, day - _DAY),
    "last-30-days": lambda day: (day - 30 * _DAY, day - _DAY),
    "last-week": _last_week,
    "last-month": _last_month,
}


def days_of(period: Period, due: datetime, time_zone: str) -> tuple[date, date]:
    """The first and the last day: whole days that are over; weeks begin on Monday (ISO 8601).

    >>> from datetime import UTC
    >>> days_of("last-month", datetime(2026, 2, 28, 23, 30, tzinfo=UTC), "Europe/Paris")
    (datetime.date(2026, 2, 1), datetime.date(2026, 2, 28))
    """
    return _DAYS[period](due.astimezone(ZoneInfo(time_zone)).date())


def covering(request: ExportRequest, period: Period, due: datetime, time_zone: str) -> ExportRequest:
    """The request for these days. One that names no time zone takes them as days of the schedule's."""
    first, last = days_of(period, due, time_zone)
    changes: dict[str, object] = {"date_range": DateRange.model_validate({"from": first, "to": last})}
    if "time_zone" not in request.model_fields_set:
        changes["time_zone"] = time_zone
    return request.model_copy(update=changes)
