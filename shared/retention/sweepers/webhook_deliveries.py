"""TODO."""

import asyncio
from datetime import datetime, timedelta

import azure.durable_functions as df

from shared.durable.client import is_live
from shared.durable.instance_ids import delivery_instance
from shared.services import Services
from shared.webhooks.deliveries import Delivery
from shared.webhooks.endpoints import Endpoint


async def sweep(endpoint: Endpoint, now: datetime, context: Services, client: df.DurableOrchestrationClient) -> None:
    """Remove old deliveries with their durable history; all of them, and then the endpoint, when it was deleted."""
    kept = timedelta(days=-1) if endpoint.deleted_at else timedelta(days=context.settings.record_retention_days)
    old = await asyncio.to_thread(lambda: list(context.deliveries.older_than(endpoint.id, now - kept)))
    running = 0
    for delivery in old:
        if await _purge(delivery, client):
            await asyncio.to_thread(context.deliveries.remove, delivery)
        else:
            running += 1
    if endpoint.deleted_at and not running:
        await asyncio.to_thread(context.endpoints.remove, endpoint)


async def _purge(delivery: Delivery, client: df.DurableOrchestrationClient) -> bool:
    """Remove the history of a delivery; False when it still runs, and nothing is removed."""
    instances = [delivery_instance(delivery.endpoint, delivery.id, n + 1) for n in range(delivery.round)]
    if await is_live(instances[-1], client):
        return False
    for instance in instances:
        await client.purge_instance_history(instance)
    return True
