"""Announcing an event: every webhook that wants it gets a delivery that runs; then the outbox knows that it did.

It can stop anywhere and begin again: the id of a delivery comes from the event and the endpoint, that of its
orchestration from the delivery's, and the event stays in the outbox until all of them run.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import azure.durable_functions as df

from shared.durable.client import is_known, is_live
from shared.durable.inputs import DeliveryStart
from shared.durable.instance_ids import delivery_instance
from shared.events.outbox import Entry
from shared.observability.logging import logger
from shared.services import Services
from shared.timestamps import from_iso
from shared.webhooks.deliveries import Delivery, DeliveryStatus, delivery_id, in_round
from shared.webhooks.endpoints import Endpoint
from shared.webhooks.payload import body_of


@dataclass(frozen=True)
class Announced:
    """How many events were announced."""

    events: int

    def to_json(self) -> dict[str, Any]:
        return {"events": self.events}


async def announce(entries: Iterable[Entry], context: Services, client: df.DurableOrchestrationClient) -> Announced:
    """Announce events to webhooks. Raises ``StorageUnavailable``; what was not announced stays in the outbox."""
    count = 0
    for entry in entries:
        if "webhooks" not in entry.to_tell:
            continue
        for delivery in await asyncio.to_thread(_deliveries, entry, context):
            await _start(delivery, context, client)
        await asyncio.to_thread(context.outbox.note, entry, "webhooks")
        extra = {"action": "announced", "event": entry.id, "tenant": entry.tenant}
        logger.info("announced %s", entry.id, extra=extra)
        count += 1
    return Announced(count)


def new_delivery(entry: Entry, endpoint: Endpoint, context: Services) -> Delivery:
    """What is sent of an event to an endpoint: always the same delivery."""
    made = delivery_id(entry.id, endpoint.id, from_iso(entry.at))
    body = body_of(entry, context.settings)
    return Delivery(endpoint.id, made, entry.tenant, entry.id, entry.type, entry.at, body)


def _deliveries(entry: Entry, context: Services) -> list[Delivery]:
    """The deliveries of an event that are to run; written down, if they are not yet."""
    if entry.endpoint:
        only = context.endpoints.get(entry.tenant, entry.endpoint)
        endpoints = [only] if only else []
    else:
        endpoints = [e for e in context.endpoints.of_tenant(entry.tenant) if e.wants(entry.type)]
    found = []
    for endpoint in endpoints:
        wanted = new_delivery(entry, endpoint, context)
        delivery: Delivery | None
        if entry.round == 1:
            delivery = context.deliveries.begin(wanted)
        else:
            delivery = context.deliveries.change(endpoint.id, wanted.id, lambda d: in_round(d, entry.round))
        if delivery is not None and delivery.status == DeliveryStatus.PENDING:
            found.append(delivery)
    return found


async def _start(delivery: Delivery, context: Services, client: df.DurableOrchestrationClient) -> None:
    """Start the orchestration of a delivery, unless it is known already."""
    instance = delivery_instance(delivery.endpoint, delivery.id, delivery.round)
    pace = context.settings
    start = DeliveryStart(
        delivery.tenant,
        delivery.endpoint,
        delivery.id,
        delivery.round,
        pace.webhook_retry_seconds,
        pace.retry_first_seconds,
    )
    if await is_known(instance, client):
        return
    try:
        await client.start_new("webhook_delivery", instance, start.to_json())
    except Exception:
        if not await is_known(instance, client):  # somebody else was faster otherwise
            raise


async def purge_delivery(delivery: Delivery, client: df.DurableOrchestrationClient) -> bool:
    """Remove the durable history of a delivery; False when it still runs, and nothing is removed."""
    instances = [delivery_instance(delivery.endpoint, delivery.id, n + 1) for n in range(delivery.round)]
    if await is_live(instances[-1], client):
        return False
    for instance in instances:
        await client.purge_instance_history(instance)
    return True
