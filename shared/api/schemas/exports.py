"""Answers about exports."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from shared.api.schemas.base import Resource
from shared.jobs.status import Status


class Links(Resource):
    """Links of an export."""

    self: str = Field(description="The status of the export.")
    download: str = Field(description="The file, once the export is completed.")
    cancel: str = Field(description="POST here to cancel the export.")
    logs: str = Field(description="The log of the export.")


class Durable(Resource):
    """Addresses of the durable engine for this export, for SuperAdmin only: their key opens every instance."""

    id: str = Field(description="The id of the orchestration.")
    status_query_get_uri: str = Field(description="GET: the status of the orchestration.")
    send_event_post_uri: str = Field(description="POST: raise an external event.")
    terminate_post_uri: str = Field(description="POST: end the orchestration at once.")
    rewind_post_uri: str = Field(description="POST: run a failed orchestration again from its failure.")
    purge_history_delete_uri: str = Field(description="DELETE: remove the history.")
    restart_post_uri: str = Field(description="POST: start the orchestration anew.")
    suspend_post_uri: str = Field(description="POST: suspend the orchestration.")
    resume_post_uri: str = Field(description="POST: resume the orchestration.")


class ExportAccepted(Resource):
    """An export that was begun."""

    id: str = Field(description="The id of the export.")
    status: Status = Field(description="The status of the export now.")
    links: Links = Field(description="The addresses of the export.")
    deduplicated: bool = Field(default=False, description="An earlier request has made the export.")
    durable: Durable | None = Field(
        default=None, description="For SuperAdmin only: the addresses of the orchestration."
    )


class Estimate(Resource):
    """How large an export would be; null where only the export itself can tell."""

    rows: Annotated[int, Field(ge=0)] | None = Field(description="The exact number of rows.")
    parts: Annotated[int, Field(ge=0)] = Field(description="The number of parts in which the file would be made.")
    bytes: Annotated[int, Field(ge=0)] | None = Field(
        description="The size of the file in bytes, estimated from a sample."
    )


class Progress(Resource):
    """How far an export is. It never goes back, and is 100 only with Completed."""

    percent: Annotated[float, Field(ge=0, le=100)] = Field(description="The share that is done.")
    rows: Annotated[int, Field(ge=0)] = Field(description="The rows that are written.")
    total_rows: Annotated[int, Field(ge=0)] = Field(description="The rows that are planned; 0 before the plan is made.")
    parts: Annotated[int, Field(ge=0)] = Field(description="The parts that are done.")
    total_parts: Annotated[int, Field(ge=0)] = Field(
        description="The parts that are planned; 0 before the plan is made."
    )
    eta_seconds: Annotated[int, Field(ge=0)] | None = Field(
        description="Estimated seconds until the end; null when it cannot be told."
    )


class File(Resource):
    """The file of a completed export."""

    name: str = Field(description="The name under which the file is saved.")
    bytes: Annotated[int, Field(ge=0)] = Field(description="The size of the file in bytes.")
    rows: Annotated[int, Field(ge=0)] = Field(description="The rows in the file, without a header.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="The SHA-256 of the file's bytes, in hexadecimal.")
    content_type: str = Field(description="The media type of the file.")


class ExportError(Resource):
    """Why an export failed."""

    code: str = Field(description="The stable code of the cause.")
    message: str = Field(description="The cause and what to do, in a sentence for a person.")


class Export(Resource):
    """An export and how far it is."""

    id: str = Field(description="The id of the export.")
    export_type: str = Field(description="The name of the export type.")
    format: str = Field(description="The name of the file's format.")
    status: Status = Field(description="The status of the export.")
    phase: Literal["queued", "planning", "exporting", "merging", "publishing"] | None = Field(
        description="What a running export does now; null once it has ended."
    )
    progress: Progress = Field(description="How much is done.")
    created_by: str = Field(description="The id of the user who created it.")
    created_at: datetime = Field(description="When it was created.")
    started_at: datetime | None = Field(description="When its work began; null while it waits for its turn.")
    completed_at: datetime | None = Field(description="When it ended; null before.")
    expires_at: datetime | None = Field(description="When the file is removed; null without a file.")
    downloaded_at: datetime | None = Field(description="When the file was first downloaded; null before.")
    attempt: Annotated[int, Field(ge=1)] = Field(
        description="The number of the attempt: 1, and one more for each retry."
    )
    links: Links = Field(description="The addresses of the export.")
    file: File | None = Field(default=None, description="The file; only with the status Completed.")
    error: ExportError | None = Field(default=None, description="Why the export failed; only with the status Failed.")


class Operation(Resource):
    """An export as a long-running operation (Microsoft REST API guidelines)."""

    id: str = Field(description="The id of the export.")
    status: Literal["NotStarted", "Running", "Succeeded", "Failed", "Canceled"] = Field(
        description="The status in the words of the guidelines."
    )
    percent_complete: Annotated[float, Field(ge=0, le=100)] = Field(description="The share that is done.")
    created_date_time: datetime = Field(description="When the export was created.")
    last_action_date_time: datetime = Field(description="When its status last changed.")
    resource_location: str | None = Field(description="The address of the export, once it has succeeded.")
    error: ExportError | None = Field(
        default=None, description="Why there is no file; only with the status Failed or Canceled."
    )


class ExportPage(Resource):
    """A page of exports, newest first."""

    items: list[Export] = Field(description="The exports of this page.")
    next_cursor: str | None = Field(description="The cursor of the next page; null at the end.")


class LogLine(Resource):
    """Something that happened to an export."""

    time: datetime = Field(description="When it happened.")
    level: str = Field(description="The severity, such as info, warning or error.")
    action: str = Field(description="Stable; the message is for people.")
    message: str = Field(description="What happened, in a sentence for a person.")
    part: int | None = Field(default=None, description="The number of the part that it is about, from 1 on.")


class LogPage(Resource):
    """A page of an export's log, oldest first."""

    items: list[LogLine] = Field(description="The entries of this page.")
    next_cursor: str | None = Field(description="The cursor of the next page; null at the end.")


class DownloadUrl(Resource):
    """A URL that reads the file."""

    url: str = Field(description="The URL; it needs no token.")
    expires_at: datetime = Field(description="When the URL stops working.")


class SentLink(Resource):
    """A link to the file that was sent; its token is kept nowhere."""

    id: str = Field(description="The id of the link, by which it is revoked.")
    sent_to: str = Field(description="The user to whom it was sent.")
    channel: str = Field(description="The channel by which it was sent, such as email.")
    kind: str = Field(description="What the message told: completed, failed or expiring.")
    created_at: datetime = Field(description="When it was sent.")
    revoked_at: datetime | None = Field(description="When it was revoked; null when it was not.")
    good: bool = Field(description="False when it, or all links of the export, were revoked.")


class SentLinks(Resource):
    """The links to an export's file."""

    items: list[SentLink] = Field(description="The links, the oldest first.")
