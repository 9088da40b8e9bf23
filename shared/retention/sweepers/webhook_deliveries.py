"""Deliveries of webhooks that are older than records are kept, and webhooks that were deleted."""

import asyncio
from datetime import timedelta

from shared.retention.sweepers.base import Page, Sweep
from shared.webhooks.deliveries import Delivery
from shared.webhooks.endpoints import Endpoint
from shared.webhooks.leavers import look_after


class WebhookDeliveries:
    """See ``Sweeper``. An item is an endpoint, whose old deliveries go; of one that was deleted all go, and it too.

    On the way somebody is found for a webhook whose owner has left.
    """

    name = "webhook-deliveries"

    def page(self, sweep: Sweep, cursor: str) -> Page:
        return Page(list(sweep.context.endpoints.all()), "")

    async def remove(self, item: Endpoint, sweep: Sweep) -> int:
        context = sweep.context
        endpoint = await asyncio.to_thread(look_after, item, sweep.now, context)
        kept = timedelta(days=-1) if endpoint.deleted_at else timedelta(days=context.settings.record_retention_days)
        old: list[Delivery] = await asyncio.to_thread(
            lambda: list(context.deliveries.older_than(endpoint.id, sweep.now - kept))
        )
        removed = 0
        for delivery in old:
            if await sweep.purge_delivery(delivery):  # else it still runs
                await asyncio.to_thread(context.deliveries.remove, delivery)
                removed += 1
        if endpoint.deleted_at and removed == len(old):
            await asyncio.to_thread(context.endpoints.remove, endpoint)
            removed += 1
        return removed
