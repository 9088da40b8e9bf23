"""Answers about the orchestration of an export."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from shared.api.schemas.base import Resource


class WorkflowProgress(Resource):
    """The custom status of an orchestration."""

    phase: str = Field(description="What the orchestration does.")
    parts: Annotated[int, Field(ge=0)] = Field(description="The parts that are done.")
    total_parts: Annotated[int, Field(ge=0)] = Field(description="The parts that are planned.")
    rows: Annotated[int, Field(ge=0)] = Field(description="The rows that are written.")
    total_rows: Annotated[int, Field(ge=0)] = Field(description="The rows that are planned.")


class WorkflowEvent(Resource):
    """Something in the history of an orchestration. It shows no input and no result."""

    time: datetime = Field(description="When it happened.")
    event: str = Field(description="As the durable engine operations it, such as TaskCompleted.")
    name: str | None = Field(description="The activity, orchestrator or external event.")
    scheduled_at: datetime | None = Field(description="When it was asked for, of what has ended.")
    part: Annotated[int, Field(ge=1)] | None = Field(
        description="The number of the part that it is about, from 1 on; null when it is about none."
    )
    attempt: Annotated[int, Field(ge=1)] | None = Field(description="Of the activity; of the part, where there is one.")
    failure: str | None = Field(description="The code of the failure that the activity answered.")
    instance: str | None = Field(description="The orchestration of a group of parts.")


class Workflow(Resource):
    """An orchestration of an export, with a page of its history, oldest first."""

    id: str = Field(description="The id of the export.")
    attempt: Annotated[int, Field(ge=1)] = Field(
        description="The number of the attempt: 1, and one more for each retry."
    )
    instance: str = Field(description="The id of the orchestration.")
    runtime_status: str | None = Field(description="null: the durable engine does not know it, or not any more.")
    created_at: datetime | None = Field(
        description="When the orchestration was started; null when the durable engine does not know it."
    )
    last_updated_at: datetime | None = Field(description="When the orchestration last did something.")
    progress: WorkflowProgress | None = Field(
        description="The custom status of the orchestration; null before it has one."
    )
    items: list[WorkflowEvent] = Field(description="The events of this page.")
    next_cursor: str | None = Field(description="The cursor of the next page; null at the end.")
