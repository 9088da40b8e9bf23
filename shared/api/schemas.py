"""What the API answers, as models: the OpenAPI document is made from them, and a test holds every answer against it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel
from pydantic.alias_generators import to_camel

from shared.catalog.export_types import Role, Scope
from shared.events.outbox import EventType
from shared.jobs.dead_letters import FailureClass
from shared.jobs.status import Status
from shared.schedules.periods import Period
from shared.webhooks.deliveries import DeliveryStatus


class Resource(BaseModel):
    """An object in an answer: camelCase, times in UTC, nothing but these fields."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class StoredRequest(RootModel[dict[str, Any]]):
    """A body of ``POST /exports``, with the fields that were given."""


class ErrorEntry(Resource):
    """One wrong field."""

    field: str = Field(description="Path of the field, such as dateRange.from or columns.1.")
    message: str = Field(description="What was received and what is valid.")


class Problem(Resource):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="urn:sluice:problem:<code>; the code is stable.")
    title: str
    status: int
    detail: str = Field(description="A sentence for a person.")
    errors: list[ErrorEntry] = Field(default_factory=list, description="With validation-failed: every wrong field.")


class Health(Resource):
    """The service can do its work."""

    status: Literal["ok"]
    version: str
    refused_export_types: list[str] = Field(
        default_factory=list, description="Types that are not offered. Operators find the reasons in /ops/overview."
    )


class Links(Resource):
    """Where to go on with an export."""

    self: str
    download: str
    cancel: str
    logs: str


class Durable(Resource):
    """Addresses of the durable engine for this export, for SuperAdmin only: their key opens every instance."""

    id: str
    status_query_get_uri: str
    send_event_post_uri: str
    terminate_post_uri: str
    rewind_post_uri: str
    purge_history_delete_uri: str
    restart_post_uri: str
    suspend_post_uri: str
    resume_post_uri: str


class ExportAccepted(Resource):
    """An export that was begun."""

    id: str
    status: Status
    links: Links
    deduplicated: bool = Field(default=False, description="An earlier request has made the export.")
    durable: Durable | None = None


class Estimate(Resource):
    """How large an export would be; null where only the export itself can tell."""

    rows: Annotated[int, Field(ge=0)] | None = Field(description="Exact.")
    parts: Annotated[int, Field(ge=0)]
    bytes: Annotated[int, Field(ge=0)] | None = Field(description="From a sample.")


class Progress(Resource):
    """How far an export is. It never goes back, and is 100 only with Completed."""

    percent: Annotated[float, Field(ge=0, le=100)]
    rows: Annotated[int, Field(ge=0)]
    total_rows: Annotated[int, Field(ge=0)]
    parts: Annotated[int, Field(ge=0)]
    total_parts: Annotated[int, Field(ge=0)]
    eta_seconds: Annotated[int, Field(ge=0)] | None


class File(Resource):
    """The file of a completed export."""

    name: str
    bytes: Annotated[int, Field(ge=0)]
    rows: Annotated[int, Field(ge=0)]
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    content_type: str


class ExportError(Resource):
    """Why an export failed."""

    code: str
    message: str


class Export(Resource):
    """An export."""

    id: str
    export_type: str
    format: str
    status: Status
    phase: Literal["queued", "planning", "exporting", "merging", "publishing"] | None
    progress: Progress
    created_by: str
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    expires_at: datetime | None
    downloaded_at: datetime | None
    attempt: Annotated[int, Field(ge=1)]
    links: Links
    file: File | None = Field(default=None, description="When Completed.")
    error: ExportError | None = Field(default=None, description="When Failed.")


class Operation(Resource):
    """An export as a long-running operation (Microsoft REST API guidelines)."""

    id: str
    status: Literal["NotStarted", "Running", "Succeeded", "Failed", "Canceled"]
    percent_complete: Annotated[float, Field(ge=0, le=100)]
    created_date_time: datetime
    last_action_date_time: datetime
    resource_location: str | None = Field(description="When Succeeded: the export.")
    error: ExportError | None = Field(default=None, description="When Failed or Canceled.")


class ExportPage(Resource):
    """A page of exports, newest first."""

    items: list[Export]
    next_cursor: str | None = Field(description="The cursor of the next page; null at the end.")


class LogLine(Resource):
    """Something that happened to an export."""

    time: datetime
    level: str
    action: str = Field(description="Stable; the message is for people.")
    message: str
    part: int | None = None


class LogPage(Resource):
    """A page of an export's log, oldest first."""

    items: list[LogLine]
    next_cursor: str | None = Field(description="The cursor of the next page; null at the end.")


class Offboarded(Resource):
    """A person who has left, and what this call stopped for them; nothing, when it was stopped before."""

    tenant: str
    user: str
    offboarded_at: datetime
    offboarded_by: str
    schedules_stopped: Annotated[int, Field(ge=0)]
    links_revoked: Annotated[int, Field(ge=0)]
    webhooks_passed: Annotated[int, Field(ge=0)] = Field(description="To other Admins of the tenant.")


class WorkflowProgress(Resource):
    """The custom status of an orchestration."""

    phase: str
    parts: Annotated[int, Field(ge=0)]
    total_parts: Annotated[int, Field(ge=0)]
    rows: Annotated[int, Field(ge=0)]
    total_rows: Annotated[int, Field(ge=0)]


class WorkflowEvent(Resource):
    """Something in the history of an orchestration. It shows no input and no result."""

    time: datetime
    event: str = Field(description="As the durable engine operations it, such as TaskCompleted.")
    name: str | None = Field(description="The activity, orchestrator or external event.")
    scheduled_at: datetime | None = Field(description="When it was asked for, of what has ended.")
    part: Annotated[int, Field(ge=1)] | None
    attempt: Annotated[int, Field(ge=1)] | None = Field(description="Of the activity; of the part, where there is one.")
    failure: str | None = Field(description="The code of the failure that the activity answered.")
    instance: str | None = Field(description="The orchestration of a group of parts.")


class Workflow(Resource):
    """An orchestration of an export, with a page of its history, oldest first."""

    id: str = Field(description="The export's.")
    attempt: Annotated[int, Field(ge=1)]
    instance: str
    runtime_status: str | None = Field(description="null: the durable engine does not know it, or not any more.")
    created_at: datetime | None
    last_updated_at: datetime | None
    progress: WorkflowProgress | None
    items: list[WorkflowEvent]
    next_cursor: str | None = Field(description="The cursor of the next page; null at the end.")


class DownloadUrl(Resource):
    """A URL that reads the file."""

    url: str
    expires_at: datetime


class SentLink(Resource):
    """A link to the file that was sent; its token is kept nowhere."""

    id: str
    sent_to: str = Field(description="The user to whom it was sent.")
    channel: str
    kind: str = Field(description="What the message told: completed, failed or expiring.")
    created_at: datetime
    revoked_at: datetime | None
    good: bool = Field(description="False when it, or all links of the export, were revoked.")


class SentLinks(Resource):
    """The links to an export's file."""

    items: list[SentLink]


class FormatEntry(Resource):
    """A format of an export type."""

    name: str
    title: str
    extension: str
    compressions: list[str]
    max_rows: int | None


class ColumnEntry(Resource):
    """A column of an export type."""

    name: str
    title: str
    type: str


class FilterEntry(Resource):
    """A filter of an export type."""

    name: str
    type: str
    many: bool
    choices: list[str] | None
    summary: str


class Limits(Resource):
    """What an export of this type may not pass; null: no limit."""

    max_rows: int | None
    max_bytes: int | None


class ExportTypeEntry(Resource):
    """An export type, titles in the caller's locale."""

    name: str
    title: str
    summary: str
    scope: Scope
    formats: list[FormatEntry]
    columns: list[ColumnEntry]
    filters: list[FilterEntry]
    date_range: bool
    limits: Limits
    example: StoredRequest


class Catalogue(Resource):
    """What the caller may export."""

    items: list[ExportTypeEntry]


class Token(Resource):
    """A bearer token."""

    token: str


class ServiceToken(Token):
    """A bearer token of a service."""

    expires_at: datetime


class DemoUser(Resource):
    """A person of the demo."""

    user: str
    name: str
    email: str
    tenant: str
    roles: list[Role]


class DemoUsers(Resource):
    """The people of the demo."""

    items: list[DemoUser]


class Mail(Resource):
    """A mail in the local outbox."""

    to: str
    subject: str
    operation_id: str
    time: datetime
    text: str
    html: str


class Mails(Resource):
    """The local outbox."""

    items: list[Mail]


class DeadLetterLinks(Resource):
    """Where to go on with a dead letter."""

    self: str
    redrive: str
    export: str


class DeadLetter(Resource):
    """An export that failed for good."""

    id: str = Field(description="The export's.")
    tenant: str
    export_type: str
    format: str
    created_by: str
    attempt: Annotated[int, Field(ge=1)]
    failed_at: datetime
    failure_class: FailureClass
    error: ExportError
    alerted_at: datetime | None = Field(description="When operators were told.")
    links: DeadLetterLinks


class DeadLetterPage(Resource):
    """A page of dead letters, those of the newest exports first."""

    items: list[DeadLetter]
    next_cursor: str | None = Field(description="The cursor of the next page; null at the end.")


class FinishedParts(Resource):
    """What there is of an export that failed."""

    done: Annotated[int, Field(ge=0)]
    total: Annotated[int, Field(ge=0)]
    rows: Annotated[int, Field(ge=0)]
    total_rows: Annotated[int, Field(ge=0)]


class DeadLetterDetail(DeadLetter):
    """A dead letter with what was asked for, and how far it came."""

    request: StoredRequest
    parts: FinishedParts


class RefusedRedrive(Resource):
    """A dead letter that could not be driven again."""

    id: str
    reason: str


class Redriven(Resource):
    """What became of the dead letters."""

    redriven: list[str]
    refused: list[RefusedRedrive]


class Hold(Resource):
    """A legal hold."""

    id: str
    tenant: str
    status: Status
    reason: str


class RunWindow(Resource):
    """What an incremental run covers: rows of ``from`` and later, of before ``to``; times, or numbers of rows."""

    from_: datetime | int | None = Field(alias="from")
    to: datetime | int


class ExportLink(Resource):
    """The export that a run, a hold or a notification is about."""

    export: str


class HeldExport(Hold):
    """A legal hold in the list of them, with whose export it is."""

    export_type: str
    created_by: str
    created_at: datetime
    links: ExportLink


class HoldPage(Resource):
    """A page of legal holds; it may have fewer than its limit, or none, before the end."""

    items: list[HeldExport]
    next_cursor: str | None = Field(description="The cursor of the next page; null at the end.")


class Notification(Resource):
    """What somebody was told in the app."""

    id: str
    kind: Literal["completed", "failed", "expiring"]
    export_id: str
    subject: str
    summary: str
    created_at: datetime
    read_at: datetime | None
    links: ExportLink


class NotificationPage(Resource):
    """A page of notifications, newest first."""

    items: list[Notification]
    next_cursor: str | None = Field(description="The cursor of the next page; null at the end.")
    unread: Annotated[int, Field(ge=0)] = Field(description="How many are unread in all.")


class Webhook(Resource):
    """An endpoint of the tenant, which gets its events."""

    id: str
    url: str
    events: list[EventType]
    description: str
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str | None = Field(description="Why nothing is sent, for a person.")
    failing_since: datetime | None = Field(description="The first failure since something got through.")
    previous_secret_expires_at: datetime | None = Field(description="Until when the secret before this one is good.")
    created_by: str
    created_at: datetime


class WebhookWithSecret(Webhook):
    """A webhook with its signing secret, which is shown this once."""

    secret: str = Field(pattern="^whsec_[A-Za-z0-9+/=]+$")


class Webhooks(Resource):
    """The webhooks of the tenant, oldest first."""

    items: list[Webhook]


class DeliveryAttempt(Resource):
    """One POST to the endpoint."""

    time: datetime
    milliseconds: Annotated[int, Field(ge=0)]
    status: int | None = Field(description="What the endpoint answered; null when it did not.")
    error: str | None = Field(description="Why there was no answer.")


class Delivery(Resource):
    """An event on its way to an endpoint."""

    id: str
    event_id: str = Field(description="The header webhook-id of every attempt.")
    type: EventType
    status: DeliveryStatus
    created_at: datetime
    attempts: list[DeliveryAttempt]
    error: str | None = Field(description="When Failed: why it was given up.")


class DeliveryPage(Resource):
    """A page of deliveries, newest first."""

    items: list[Delivery]
    next_cursor: str | None = Field(description="The cursor of the next page; null at the end.")


class EventExport(Resource):
    """The export that an event is about, as it was when it happened."""

    id: str
    export_type: str
    format: str
    status: Status
    attempt: Annotated[int, Field(ge=1)]
    created_by: str
    created_at: datetime
    completed_at: datetime
    expires_at: datetime | None = Field(default=None, description="When there is a file, or was.")
    file: File | None = Field(default=None, description="When there is a file, or was.")
    error: ExportError | None = Field(default=None, description="When Failed.")
    url: str = Field(description="The export in this API.")


class EventPing(Resource):
    """What a ping says."""

    webhook: str = Field(description="The id of the webhook.")


class Event(Resource):
    """What is sent to a webhook."""

    type: EventType = Field(description="What happened.")
    timestamp: datetime = Field(description="When it happened.")


class ExportEvent(Event):
    """What is sent to a webhook of an export's end, or the end of its file."""

    data: EventExport = Field(description="The export as it was when the event happened.")


class PingEvent(Event):
    """What is sent to a webhook when somebody tries it."""

    data: EventPing = Field(description="The webhook that is tried.")


class ScheduleRun(Resource):
    """A run of a schedule."""

    due: datetime
    export_id: str
    outcome: str | None = Field(description="Completed, Failed, Cancelled, Refused or Missing; null while it runs.")
    missed: Annotated[int, Field(ge=0)] = Field(description="Earlier times that it makes up for.")
    window: RunWindow | None = Field(description="When incremental.")
    note: str | None = Field(description="What is, or was, in its way.")
    links: ExportLink


class ScheduleRunPage(Resource):
    """A page of runs, the latest first."""

    items: list[ScheduleRun]
    next_cursor: str | None = Field(description="The cursor of the next page; null at the end.")


class ScheduleLinks(Resource):
    """Where to go on with a schedule."""

    self: str
    runs: str


class Schedule(Resource):
    """An export that is made again and again."""

    id: str
    name: str
    cron: str
    time_zone: str
    summary: str = Field(description="The cron expression in words.")
    request: StoredRequest
    incremental: bool
    period: Period | None = Field(description="The days that each run covers.")
    jitter_seconds: int
    catch_up: bool
    stop_after_failures: int | None
    stop_after_unread: int | None
    state: Literal["active", "paused", "stopped"]
    stop_reason: str | None = Field(description="When Sluice stopped it.")
    failures_in_a_row: int
    created_by: str
    created_at: datetime
    next_runs: list[datetime] = Field(description="The next five; none unless active.")
    last_run: ScheduleRun | None = Field(description="Not in listings.")
    links: ScheduleLinks


class SchedulePage(Resource):
    """A page of schedules, newest first."""

    items: list[Schedule]
    next_cursor: str | None = Field(description="The cursor of the next page; null at the end.")


class AuditLine(Resource):
    """Somebody's deed."""

    time: datetime
    action: str = Field(description="Stable.")
    outcome: Literal["done", "refused"]
    status: int = Field(description="The HTTP status that answered it.")
    user: str = Field(
        description="Their id; `link` for a mail's link, `function-key` for a service's key; empty when nobody is."
    )
    name: str
    export_id: str | None
    subject: str | None = Field(description="What else it was about.")
    address: str | None = Field(description="Where it came from, when the platform told.")
    agent: str | None
    request_id: str


class AuditPage(Resource):
    """A page of the audit log, newest first."""

    items: list[AuditLine]
    next_cursor: str | None = Field(description="The cursor of the next page; null at the end.")


class PauseState(Resource):
    """Whether a tenant or an export type is paused."""

    kind: Literal["tenant", "export-type"]
    name: str
    paused: bool
    reason: str | None
    by: str | None
    since: datetime | None


class Pauses(Resource):
    """What is paused."""

    items: list[PauseState]


class Overview(Resource):
    """What the service does now, and what it has counted since it began."""

    version: str
    running: Annotated[int, Field(ge=0)]
    tenants_running: Annotated[int, Field(ge=0)]
    oldest_running_seconds: Annotated[int, Field(ge=0)]
    exports: dict[str, int] = Field(description="How many came into each status.")
    export_types: dict[str, int] = Field(description="How many were begun of each type.")
    mails: dict[str, int] = Field(description="Sent and skipped.")
    parts_retried: int
    storage_errors: int
    pauses: list[PauseState]
    refused_export_types: dict[str, str] = Field(
        description="Types that are not offered, each with the reason and what to write."
    )


class QuotasInForce(Resource):
    """The quotas that a tenant has."""

    running_per_tenant: int
    running_per_user: int
    exports_per_tenant: int
    exports_per_user: int
    bytes_per_tenant: int
    bytes_per_user: int


class TenantEntry(Resource):
    """What a tenant uses and may use; days are of UTC."""

    tenant: str
    running: int
    exports_today: int
    bytes_today: int
    paused: bool
    quotas: QuotasInForce


class TenantUses(Resource):
    """Every tenant that has asked for an export."""

    items: list[TenantEntry]


class PartTime(Resource):
    """How long a part takes, or took, from the moment it was to be made."""

    part: int | None = Field(description="From 1 on.")
    seconds: float
    done: bool


class RunningExport(Resource):
    """An export that runs."""

    id: str
    tenant: str
    export_type: str
    format: str
    status: Status
    phase: str | None
    created_by: str
    created_at: datetime
    seconds: Annotated[int, Field(ge=0, description="Since the request.")]
    attempt: int
    total_parts: int
    slowest_parts: list[PartTime]


class RunningExports(Resource):
    """The exports that have been running for longest, the oldest first."""

    items: list[RunningExport]
