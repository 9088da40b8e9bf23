"""Answers about webhooks, and what is sent to them."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from shared.api.schemas.base import Resource
from shared.api.schemas.exports import ExportError, File
from shared.events.outbox import EventType
from shared.jobs.status import Status
from shared.webhooks.deliveries import DeliveryStatus


class Webhook(Resource):
    """An endpoint of the tenant, which gets its events."""

    id: str = Field(description="The id of the webhook.")
    url: str = Field(description="The address to which events are sent.")
    events: list[EventType] = Field(description="The events that are sent.")
    description: str = Field(description="What the webhook is for; may be empty.")
    enabled: bool = Field(description="Whether events are sent.")
    disabled_at: datetime | None = Field(description="When Sluice or a user disabled it; null while it is enabled.")
    disabled_reason: str | None = Field(description="Why nothing is sent, for a person.")
    failing_since: datetime | None = Field(description="The first failure since something got through.")
    previous_secret_expires_at: datetime | None = Field(description="Until when the secret before this one is good.")
    created_by: str = Field(description="The id of the user who created it.")
    created_at: datetime = Field(description="When it was created.")


class WebhookWithSecret(Webhook):
    """A webhook with its signing secret, which is shown this once."""

    secret: str = Field(
        pattern="^whsec_[A-Za-z0-9+/=]+$",
        description="The secret by which a receiver checks signatures (Standard Webhooks).",
    )


class Webhooks(Resource):
    """The webhooks of the tenant, oldest first."""

    items: list[Webhook] = Field(description="The webhooks of the tenant.")


class DeliveryAttempt(Resource):
    """One POST to the endpoint."""

    time: datetime = Field(description="When the request was sent.")
    milliseconds: Annotated[int, Field(ge=0)] = Field(description="How long the request took.")
    status: int | None = Field(description="What the endpoint answered; null when it did not.")
    error: str | None = Field(description="Why there was no answer.")


class Delivery(Resource):
    """An event on its way to an endpoint."""

    id: str = Field(description="The id of the delivery.")
    event_id: str = Field(description="The header webhook-id of every attempt.")
    type: EventType = Field(description="The type of the event.")
    status: DeliveryStatus = Field(description="Whether the event was delivered.")
    created_at: datetime = Field(description="When it was created.")
    attempts: list[DeliveryAttempt] = Field(description="The requests that were sent, the oldest first.")
    error: str | None = Field(description="Why no more requests are sent; only with the status Failed.")


class DeliveryPage(Resource):
    """A page of deliveries, newest first."""

    items: list[Delivery] = Field(description="The deliveries of this page.")
    next_cursor: str | None = Field(description="The cursor of the next page; null at the end.")


class EventExport(Resource):
    """The export that an event is about, as it was when it happened."""

    id: str = Field(description="The id of the export.")
    export_type: str = Field(description="The name of the export type.")
    format: str = Field(description="The name of the file's format.")
    status: Status = Field(description="The status of the export.")
    attempt: Annotated[int, Field(ge=1)] = Field(
        description="The number of the attempt: 1, and one more for each retry."
    )
    created_by: str = Field(description="The id of the user who requested the export.")
    created_at: datetime = Field(description="When the export was requested.")
    completed_at: datetime = Field(description="When the export ended.")
    expires_at: datetime | None = Field(default=None, description="The file; only where there is or was one.")
    file: File | None = Field(default=None, description="The file; only where there is or was one.")
    error: ExportError | None = Field(default=None, description="Why the export failed; only with the status Failed.")
    url: str = Field(description="The export in this API.")


class EventPing(Resource):
    """What a ping says."""

    webhook: str = Field(description="The id of the webhook.")


class Event(Resource):
    """What is sent to a webhook."""

    type: EventType = Field(description="The type of the event.")
    timestamp: datetime = Field(description="When it happened.")


class ExportEvent(Event):
    """What is sent to a webhook of an export's end, or the end of its file."""

    data: EventExport = Field(description="The export as it was when the event happened.")


class PingEvent(Event):
    """What is sent to a webhook when somebody tries it."""

    data: EventPing = Field(description="The webhook that is tried.")
