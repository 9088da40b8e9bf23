"""Answers for operators: the service at work, pauses, quotas, the audit log, who has left."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from shared.api.schemas.base import Resource
from shared.jobs.status import Status


class Offboarded(Resource):
    """A person who has left, and what this call stopped for them; nothing, when it was stopped before."""

    tenant: str = Field(description="The name of the tenant.")
    user: str = Field(description="The id of the person.")
    offboarded_at: datetime = Field(description="When the person was offboarded.")
    offboarded_by: str = Field(description="The id of the user who offboarded them.")
    schedules_stopped: Annotated[int, Field(ge=0)] = Field(description="The schedules that this call stopped.")
    links_revoked: Annotated[int, Field(ge=0)] = Field(description="The links in mails that this call revoked.")
    webhooks_passed: Annotated[int, Field(ge=0)] = Field(
        description="The webhooks that were passed to other Admins of the tenant."
    )


class AuditLine(Resource):
    """What somebody did, or was refused."""

    time: datetime = Field(description="When the request was answered.")
    action: str = Field(description="The stable name of the action.")
    outcome: Literal["done", "refused"] = Field(description="Whether the request was carried out.")
    status: int = Field(description="The HTTP status that answered it.")
    user: str = Field(
        description="Their id; `link` for a mail's link, `function-key` for a service's key; empty when nobody is."
    )
    name: str = Field(description="The name of the user, as the token gave it.")
    export_id: str | None = Field(description="The id of the export that it is about; null when it is about none.")
    subject: str | None = Field(description="What else the action was about; null for nothing.")
    address: str | None = Field(description="Where it came from, when the platform told.")
    agent: str | None = Field(description="The User-Agent of the request; null without one.")
    request_id: str = Field(description="The id of the request, which the log has too.")


class AuditPage(Resource):
    """A page of the audit log, newest first."""

    items: list[AuditLine] = Field(description="The entries of this page.")
    next_cursor: str | None = Field(description="The cursor of the next page; null at the end.")


class PauseState(Resource):
    """Whether a tenant or an export type is paused."""

    kind: Literal["tenant", "export-type"] = Field(description="What is paused.")
    name: str = Field(description="The name of the tenant or export type.")
    paused: bool = Field(description="Whether new exports are refused.")
    reason: str | None = Field(description="Why, as refused callers read it; null when nothing is paused.")
    by: str | None = Field(description="The id of the operator; null when nothing is paused.")
    since: datetime | None = Field(description="When the pause began; null when nothing is paused.")


class Pauses(Resource):
    """What is paused."""

    items: list[PauseState] = Field(description="The pauses in force.")


class Overview(Resource):
    """What the service does now, and what it has counted since it began."""

    version: str = Field(description="The version of Sluice.")
    running: Annotated[int, Field(ge=0)] = Field(description="The exports that run now.")
    tenants_running: Annotated[int, Field(ge=0)] = Field(description="The tenants that have an export running.")
    oldest_running_seconds: Annotated[int, Field(ge=0)] = Field(
        description="The age of the oldest running export in seconds."
    )
    exports: dict[str, int] = Field(description="How many came into each status.")
    export_types: dict[str, int] = Field(description="How many were begun of each type.")
    mails: dict[str, int] = Field(description="Sent and skipped.")
    parts_retried: int = Field(description="The parts that were tried again.")
    storage_errors: int = Field(description="The errors of the storage account.")
    pauses: list[PauseState] = Field(description="The pauses in force.")
    refused_export_types: dict[str, str] = Field(
        description="Types that are not offered, each with the reason and what to write."
    )


class QuotasInForce(Resource):
    """The quotas that a tenant has."""

    running_per_tenant: int = Field(description="Exports that may run at once in the tenant.")
    running_per_user: int = Field(description="Exports of one user that may run at once.")
    exports_per_tenant: int = Field(description="Exports a day in the tenant.")
    exports_per_user: int = Field(description="Exports a day of one user.")
    bytes_per_tenant: int = Field(description="Bytes of files a day in the tenant.")
    bytes_per_user: int = Field(description="Bytes of files a day of one user.")


class TenantEntry(Resource):
    """What a tenant uses and may use; days are of UTC."""

    tenant: str = Field(description="The name of the tenant.")
    running: int = Field(description="The exports that run now.")
    exports_today: int = Field(description="The exports that were requested today.")
    bytes_today: int = Field(description="The bytes of the files that were made today.")
    paused: bool = Field(description="Whether an operator has paused the tenant.")
    quotas: QuotasInForce = Field(description="The quotas in force.")


class TenantUses(Resource):
    """Every tenant that has asked for an export."""

    items: list[TenantEntry] = Field(description="The tenants that have requested exports.")


class PartTime(Resource):
    """How long a part takes, or took, from the moment it was to be made."""

    part: int | None = Field(description="The number of the part, from 1 on.")
    seconds: float = Field(description="How long the part takes, or took.")
    done: bool = Field(description="Whether the part is done.")


class RunningExport(Resource):
    """An export that runs."""

    id: str = Field(description="The id of the export.")
    tenant: str = Field(description="The tenant of the export.")
    export_type: str = Field(description="The name of the export type.")
    format: str = Field(description="The name of the file's format.")
    status: Status = Field(description="The status of the export.")
    phase: str | None = Field(description="What the export does now; null when the durable engine does not know it.")
    created_by: str = Field(description="The id of the user who requested the export.")
    created_at: datetime = Field(description="When the export was requested.")
    seconds: Annotated[int, Field(ge=0, description="The seconds since the request.")]
    attempt: int = Field(description="The number of the attempt: 1, and one more for each retry.")
    total_parts: int = Field(description="The parts that are planned; 0 before the plan is made.")
    slowest_parts: list[PartTime] = Field(description="The parts that take longest, the slowest first.")


class RunningExports(Resource):
    """The exports that have been running for longest, the oldest first."""

    items: list[RunningExport] = Field(description="The exports that run.")
