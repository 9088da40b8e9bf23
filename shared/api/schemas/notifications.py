"""Answers about notifications in the app."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from shared.api.schemas.base import ExportLink, Resource


class Notification(Resource):
    """What somebody was told in the app."""

    id: str = Field(description="The id of the notification.")
    kind: Literal["completed", "failed", "expiring"] = Field(description="What the notification tells.")
    export_id: str = Field(description="The id of the export.")
    subject: str = Field(description="The title of the notification in the reader's language.")
    summary: str = Field(description="What happened, in a sentence in the reader's language.")
    created_at: datetime = Field(description="When it was created.")
    read_at: datetime | None = Field(description="When it was read; null before.")
    links: ExportLink = Field(description="The address of the export.")


class NotificationPage(Resource):
    """A page of notifications, newest first."""

    items: list[Notification] = Field(description="The notifications of this page.")
    next_cursor: str | None = Field(description="The cursor of the next page; null at the end.")
    unread: Annotated[int, Field(ge=0)] = Field(description="How many are unread in all.")
