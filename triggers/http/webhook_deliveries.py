"""``/webhooks/{id}/ping`` and ``/deliveries``: what is sent to a webhook, to try it, and once more."""

import secrets
from base64 import b32encode
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from shared.api import schemas
from shared.api.operations import Access, Answer
from shared.audit.recorder import about
from shared.durable.client import is_live
from shared.durable.instance_ids import delivery_instance
from shared.errors import Conflict, NotFound
from shared.events.outbox import Entry, EventType
from shared.observability.logging import logger
from shared.services import Services
from shared.timestamps import iso, utc_now
from shared.webhooks.deliveries import ROUNDS, Attempt, Delivery, DeliveryStatus, in_round
from shared.webhooks.endpoints import Endpoint
from shared.webhooks.fan_out import announce, new_delivery
from triggers.http.endpoint import in_thread, json_response
from triggers.http.operation import operation
from triggers.http.parameters import CURSOR, DELIVERY_ID, WEBHOOK_ID, limit
from triggers.http.query_params import cursor_of, is_id, limit_of
from triggers.http.webhooks import visible_endpoint

_MISSING = "there is no delivery of this id that you may see"


@operation(
    "POST",
    "webhooks/{id}/ping",
    summary="Ping a webhook",
    description="Sends a test event to a webhook.",
    access=Access.ADMIN,
    audit="changed",
    answers={202: Answer("The delivery of the test event.", schemas.Delivery)},
    parameters=(WEBHOOK_ID,),
    refuses=(409,),
    tag="webhooks",
)
async def ping_webhook(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    found, _, context = await visible_endpoint(req)
    about(found.tenant, subject=f"webhook {found.id}: ping")
    _require_enabled(found)
    event = f"evt_{b32encode(secrets.token_bytes(15)).decode().lower()}_ping"
    data = {"webhook": found.id}
    entry = Entry(found.tenant, event, EventType.WEBHOOK_PING, iso(utc_now()), data, endpoint=found.id)
    await _send(entry, context, client)
    return json_response(resource(new_delivery(entry, found, context)), 202)


@operation(
    "GET",
    "webhooks/{id}/deliveries",
    summary="List the deliveries of a webhook",
    description="Lists the events that were sent to a webhook, with every attempt.",
    access=Access.ADMIN,
    audit="listed",
    answers={200: Answer("One page of deliveries.", schemas.DeliveryPage)},
    parameters=(WEBHOOK_ID, limit(50), CURSOR),
    tag="webhooks",
)
async def webhook_deliveries(req: func.HttpRequest) -> func.HttpResponse:
    found, _, context = await visible_endpoint(req)
    limit = limit_of(req.params.get("limit"), 50)
    after = cursor_of(req.params.get("cursor"))
    deliveries, cursor = await in_thread(context.deliveries.page, found.id, limit, after)
    return json_response({"items": [resource(d) for d in deliveries], "nextCursor": cursor or None})


@operation(
    "POST",
    "webhooks/{id}/deliveries/{delivery}/redeliver",
    summary="Redeliver an event",
    description="Sends an event to a webhook again, under the same event id.",
    access=Access.ADMIN,
    audit="changed",
    answers={202: Answer("The delivery.", schemas.Delivery)},
    parameters=(WEBHOOK_ID, DELIVERY_ID),
    refuses=(409,),
    tag="webhooks",
)
async def redeliver(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    found, _, context = await visible_endpoint(req)
    delivery = await _delivery(found, req.route_params["delivery"], context)
    about(found.tenant, subject=f"webhook {found.id}: delivery {delivery.id} again")
    _require_enabled(found)
    running = delivery_instance(delivery.endpoint, delivery.id, delivery.round)
    if delivery.status == DeliveryStatus.PENDING and await is_live(running, client):
        raise Conflict("the delivery is Pending; it can be sent again when it is Delivered or Failed")
    if delivery.round >= ROUNDS:
        raise Conflict(f"the event was sent here {ROUNDS} times, which is the limit")
    again = delivery.round + 1
    entry = Entry(found.tenant, delivery.event, delivery.type, delivery.created_at, endpoint=found.id, round=again)
    await _send(entry, context, client)
    return json_response(resource(in_round(delivery, again)), 202)


def resource(delivery: Delivery) -> dict[str, Any]:
    """A delivery as the API shows it."""
    return {
        "id": delivery.id,
        "eventId": delivery.event,
        "type": delivery.type,
        "status": delivery.status,
        "createdAt": delivery.created_at,
        "attempts": [_attempt(attempt) for attempt in delivery.attempts],
        "error": delivery.error or None,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "time": attempt.at,
        "milliseconds": attempt.milliseconds,
        "status": attempt.status or None,
        "error": attempt.error or None,
    }


async def _delivery(found: Endpoint, delivery_id: str, context: Services) -> Delivery:
    if not is_id(delivery_id):
        raise NotFound(_MISSING)
    delivery = await in_thread(context.deliveries.get, found.id, delivery_id)
    if delivery is None:
        raise NotFound(_MISSING)
    return delivery


def _require_enabled(found: Endpoint) -> None:
    if not found.enabled:
        raise Conflict(f"the webhook is disabled ({found.disabled_reason}); enable it first")


async def _send(entry: Entry, context: Services, client: df.DurableOrchestrationClient) -> None:
    """Promise the event, and keep the promise at once if possible; otherwise the timer ``outbox`` does."""
    await in_thread(context.outbox.add, entry)
    try:
        await announce([entry], context, client)
    except Exception as error:  # noqa: BLE001 - all that the SDK raises; the promise stands
        extra = {"action": "announce-delayed", "tenant": entry.tenant, "event": entry.id}
        logger.warning("%s was not announced by this request: %s", entry.id, error, extra=extra)
