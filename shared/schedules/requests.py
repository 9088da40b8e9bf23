"""What the API takes for a schedule, and the checks of it."""

from typing import Annotated

from pydantic import Field

from shared.catalog.export_types import ExportType, SqlExport
from shared.catalog.registry import export_types
from shared.catalog.tenancy import reach
from shared.errors import FieldError, ValidationFailed
from shared.identity.caller import Caller
from shared.requests.export_request import WHOLE, Body, ExportRequest, Line, check_request, check_time_zone
from shared.schedules.cron import check_cron
from shared.schedules.periods import Period
from shared.settings import Settings

_Name = Annotated[Line, Field(max_length=100)]
_Cron = Annotated[
    str,
    Field(
        max_length=100,
        json_schema_extra={"x-format": "cron"},
        description="Minute, hour, day of month, month, day of week.",
    ),
]
_Zone = Annotated[str, Field(json_schema_extra={"x-format": "iana-time-zone"})]
_Jitter = Annotated[
    int, Field(ge=0, le=3600, description="Start a run up to this much later, to spread the load."), WHOLE
]
_CatchUp = Annotated[bool, Field(description="Whether one run makes up for those that were missed.")]
_Period = Annotated[
    Period | None,
    Field(
        description="The days of each run, as the time zone has them; for types that take a dateRange, in its place."
    ),
]
_Most = Annotated[int, Field(ge=0, le=1000, description="A number of runs; 0: never."), WHOLE]


class ScheduleRequest(Body):
    """The body of ``POST /schedules``."""

    name: _Name = Field(description="A name by which its owner knows it.")
    cron: _Cron
    time_zone: _Zone = Field(default="UTC", description="The IANA time zone of the cron expression.")
    request: ExportRequest = Field(description="The request of each export.")
    incremental: bool = Field(default=False, description="Only what is new since the last run that succeeded.")
    period: _Period = None
    jitter_seconds: _Jitter = 0
    catch_up: _CatchUp = True
    stop_after_failures: _Most | None = Field(default=None, description="In a row; null: as the setting says.")
    stop_after_unread: _Most | None = Field(default=None, description="In a row; null: as the setting says.")
    paused: bool = Field(default=False, description="Whether the schedule is created without running.")


class ScheduleChanges(Body):
    """The body of ``PATCH /schedules/{id}``: what is to change; ``paused: false`` resumes a stopped one too."""

    name: _Name | None = Field(default=None, description="A name by which its owner knows it.")
    cron: _Cron | None = Field(
        default=None, description="When it runs: minute, hour, day of month, month, day of week."
    )
    time_zone: _Zone | None = Field(default=None, description="The IANA time zone of the cron expression.")
    request: ExportRequest | None = Field(default=None, description="The request of each export.")
    period: _Period = None
    jitter_seconds: _Jitter | None = Field(
        default=None, description="The most seconds by which a run begins later, to spread the load."
    )
    catch_up: _CatchUp | None = Field(default=None, description="Whether one run makes up for those that were missed.")
    stop_after_failures: _Most | None = Field(
        default=None, description="Failures in a row after which it is stopped; 0: never."
    )
    stop_after_unread: _Most | None = Field(
        default=None, description="Unread files in a row after which it is stopped; 0: never."
    )
    paused: bool | None = Field(default=None, description="true pauses the schedule; false resumes it.")


def check_timing(cron: str, time_zone: str) -> None:
    """Raise ``ValidationFailed`` for what is no cron expression or no time zone."""
    errors = list(check_time_zone(time_zone))
    try:
        check_cron(cron)
    except ValueError as error:
        errors.append(FieldError("cron", str(error)))
    if errors:
        raise ValidationFailed(errors)


def check_export(request: ExportRequest, incremental: bool, period: Period | None, caller: Caller) -> ExportType:
    """Check what a schedule asks for as if its owner asked now; give the export type.

    Raises ``ValidationFailed`` and ``NotAllowed``.
    """
    caller.require_exporter()
    try:
        export_type = check_request(request, caller, export_types())
    except ValidationFailed as failed:
        raise _inside(failed) from None
    if incremental and not (isinstance(export_type, SqlExport) and export_type.watermark_sql):
        known = ", ".join(t.name for t in export_types() if isinstance(t, SqlExport) and t.watermark_sql)
        sentence = f"export type '{export_type.name}' has no watermark; those that have one: {known}"
        raise ValidationFailed([FieldError("incremental", sentence)])
    if period and (sentence := _against_period(request, incremental, export_type)):
        raise ValidationFailed([FieldError("period", sentence)])
    return export_type


def check_reach(export_type: ExportType, request: ExportRequest, caller: Caller, settings: Settings) -> None:
    """Check whose companies and scopes a schedule asks for. Blocks; raises what ``tenancy.reach`` raises."""
    try:
        reach(export_type, request, caller, settings)
    except ValidationFailed as failed:
        raise _inside(failed) from None


def _inside(failed: ValidationFailed) -> ValidationFailed:
    """The same with the fields as a schedule has them."""
    return ValidationFailed([FieldError(f"request.{e.field}", e.message) for e in failed.errors], failed.more)


def _against_period(request: ExportRequest, incremental: bool, export_type: ExportType) -> str:
    if incremental:
        return "says which days a run covers, and an incremental one covers what is new; leave one of them out"
    if request.date_range.from_ or request.date_range.to:
        return "takes the place of request.dateRange; leave one of them out"
    if not (isinstance(export_type, SqlExport) and export_type.date_sql):
        return f"export type '{export_type.name}' has no date to apply it to"
    return ""
