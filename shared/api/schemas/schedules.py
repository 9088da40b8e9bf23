"""Answers about schedules."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from shared.api.schemas.base import ExportLink, Resource, StoredRequest
from shared.schedules.periods import Period


class RunWindow(Resource):
    """What an incremental run covers: rows of ``from`` and later, of before ``to``; times, or numbers of rows."""

    from_: datetime | int | None = Field(
        alias="from", description="The first moment or row number; null: from the start."
    )
    to: datetime | int = Field(description="The moment or row number before which the window ends.")


class ScheduleRun(Resource):
    """A run of a schedule."""

    due: datetime = Field(description="The time for which the run was scheduled.")
    export_id: str = Field(description="The id of the export that the run made.")
    outcome: str | None = Field(description="Completed, Failed, Cancelled, Refused or Missing; null while it runs.")
    missed: Annotated[int, Field(ge=0)] = Field(description="Earlier times that it makes up for.")
    window: RunWindow | None = Field(description="What an incremental run covers; null for others.")
    note: str | None = Field(description="What is, or was, in its way.")
    links: ExportLink = Field(description="The address of the export.")


class ScheduleRunPage(Resource):
    """A page of runs, the latest first."""

    items: list[ScheduleRun] = Field(description="The runs of this page.")
    next_cursor: str | None = Field(description="The cursor of the next page; null at the end.")


class ScheduleLinks(Resource):
    """Links of a schedule."""

    self: str = Field(description="The address of the schedule.")
    runs: str = Field(description="The address of the runs.")


class Schedule(Resource):
    """An export that is made again and again."""

    id: str = Field(description="The id of the schedule.")
    name: str = Field(description="The name that its owner gave it.")
    cron: str = Field(description="When it runs: minute, hour, day of month, month, day of week.")
    time_zone: str = Field(description="The IANA time zone of the cron expression.")
    summary: str = Field(description="The cron expression in words.")
    request: StoredRequest = Field(description="The request of each export.")
    incremental: bool = Field(description="Whether a run exports only what is new since the last one that succeeded.")
    period: Period | None = Field(description="The days that each run covers.")
    jitter_seconds: int = Field(description="The most seconds by which a run begins later, to spread the load.")
    catch_up: bool = Field(description="Whether one run makes up for those that were missed.")
    stop_after_failures: int | None = Field(
        description="Failures in a row after which it is stopped; null: as the setting says, 0: never."
    )
    stop_after_unread: int | None = Field(
        description="Unread files in a row after which it is stopped; null: as the setting says, 0: never."
    )
    state: Literal["active", "paused", "stopped"] = Field(
        description="Whether it runs; paused by a person, stopped by Sluice."
    )
    stop_reason: str | None = Field(description="Why Sluice stopped it; null when it did not.")
    failures_in_a_row: int = Field(description="The runs that have failed since the last success.")
    created_by: str = Field(description="The id of the user who created it.")
    created_at: datetime = Field(description="When it was created.")
    next_runs: list[datetime] = Field(description="The next five; none unless active.")
    last_run: ScheduleRun | None = Field(description="The last run; null in listings.")
    links: ScheduleLinks = Field(description="The addresses of the schedule.")


class SchedulePage(Resource):
    """A page of schedules, newest first."""

    items: list[Schedule] = Field(description="The schedules of this page.")
    next_cursor: str | None = Field(description="The cursor of the next page; null at the end.")
