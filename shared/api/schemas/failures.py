"""Answers about dead letters and legal holds."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from shared.api.schemas.base import ExportLink, Resource, StoredRequest
from shared.api.schemas.exports import ExportError
from shared.jobs.dead_letters import FailureClass
from shared.jobs.status import Status


class DeadLetterLinks(Resource):
    """Links of a dead letter."""

    self: str = Field(description="The dead letter.")
    redrive: str = Field(description="POST here to run the export again.")
    export: str = Field(description="The status of the export.")


class DeadLetter(Resource):
    """An export that failed for good."""

    id: str = Field(description="The id of the export.")
    tenant: str = Field(description="The name of the tenant.")
    export_type: str = Field(description="The name of the export type.")
    format: str = Field(description="The name of the file's format.")
    created_by: str = Field(description="The id of the user who requested the export.")
    attempt: Annotated[int, Field(ge=1)] = Field(
        description="The number of the attempt: 1, and one more for each retry."
    )
    failed_at: datetime = Field(description="When the export failed.")
    failure_class: FailureClass = Field(description="The kind of cause.")
    error: ExportError = Field(description="The cause of the failure.")
    alerted_at: datetime | None = Field(description="When operators were alerted.")
    links: DeadLetterLinks = Field(description="The addresses of the dead letter.")


class DeadLetterPage(Resource):
    """A page of dead letters, those of the newest exports first."""

    items: list[DeadLetter] = Field(description="The dead letters of this page.")
    next_cursor: str | None = Field(description="The cursor of the next page; null at the end.")


class FinishedParts(Resource):
    """What there is of an export that failed."""

    done: Annotated[int, Field(ge=0)] = Field(description="The parts that were done.")
    total: Annotated[int, Field(ge=0)] = Field(description="The parts that were planned.")
    rows: Annotated[int, Field(ge=0)] = Field(description="The rows that were written.")
    total_rows: Annotated[int, Field(ge=0)] = Field(description="The rows that were planned.")


class DeadLetterDetail(DeadLetter):
    """A dead letter with what was asked for, and how far it came."""

    request: StoredRequest = Field(description="The request of the export.")
    parts: FinishedParts = Field(description="What was done before the export failed.")


class RefusedRedrive(Resource):
    """A dead letter that could not be driven again."""

    id: str = Field(description="The id of the export.")
    reason: str = Field(description="Why it was not run again.")


class Redriven(Resource):
    """What became of the dead letters."""

    redriven: list[str] = Field(description="The ids of the exports that run again.")
    refused: list[RefusedRedrive] = Field(description="The dead letters that could not be run again.")


class Hold(Resource):
    """A legal hold."""

    id: str = Field(description="The id of the export.")
    tenant: str = Field(description="The tenant of the export.")
    status: Status = Field(description="The status of the export.")
    reason: str = Field(description="Why the export is kept.")


class HeldExport(Hold):
    """A legal hold in the list of them, with whose export it is."""

    export_type: str = Field(description="The name of the export type.")
    created_by: str = Field(description="The id of the user who requested the export.")
    created_at: datetime = Field(description="When the export was requested.")
    links: ExportLink = Field(description="The address of the export.")


class HoldPage(Resource):
    """A page of legal holds; it may have fewer than its limit, or none, before the end."""

    items: list[HeldExport] = Field(description="The legal holds of this page.")
    next_cursor: str | None = Field(description="The cursor of the next page; null at the end.")
