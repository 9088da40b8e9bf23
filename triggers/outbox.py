"""The timer that announces what nobody announced, and the one that looks after webhooks.

The second removes deliveries that have had their time, and finds somebody for webhooks whose owner has left.

The first also tells who asked for an export how it ended, and owners of webhooks that theirs was disabled, when whoever
should have told them did not come to it.
"""

import asyncio
from datetime import datetime, timedelta

import azure.durable_functions as df
import azure.functions as func

from activities.announce import announce
from activities.notify import announce_entries
from shared.app_log import logger
from shared.clock import utc_now
from shared.orchestrations import is_live
from shared.services import Services, services
from shared.storage.names import delivery_instance
from shared.webhooks.deliveries import Delivery
from shared.webhooks.endpoints import Endpoint
from shared.webhooks.notices import tell_owner
from shared.webhooks.ownership import look_after

bp = df.Blueprint()


@bp.timer_trigger(arg_name="timer", schedule="%WATCHDOG_SCHEDULE%", run_on_startup=False)
@bp.durable_client_input(client_name="client")
async def outbox(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    context = await asyncio.to_thread(services, "activity")
    grace = timedelta(seconds=context.settings.watchdog_grace_seconds)
    for tenant in await asyncio.to_thread(tenants, context):
        try:
            entries = await asyncio.to_thread(context.outbox.of_tenant, tenant)
            await announce(entries, context, client)
            await announce_entries(entries, utc_now() - grace, context, client)
        except Exception:
            extra = {"action": "outbox-failed", "tenant": tenant}
            logger.exception("the events of %s were not announced", tenant, extra=extra)
    for endpoint in await asyncio.to_thread(lambda: [e for e in context.endpoints.all() if e.notice]):
        try:
            await asyncio.to_thread(tell_owner, endpoint, context)
        except Exception:
            extra = {"action": "notice-not-sent", "endpoint": endpoint.id}
            logger.exception("the owner of %s was not told", endpoint.id, extra=extra)


def tenants(context: Services) -> list[str]:
    """Every tenant that has exported anything or has a webhook."""
    return sorted(
        {*(use.tenant for use in context.usage.tenants()), *(endpoint.tenant for endpoint in context.endpoints.all())}
    )


@bp.timer_trigger(arg_name="timer", schedule="%RETENTION_SCHEDULE%", run_on_startup=False)
@bp.durable_client_input(client_name="client")
async def delivery_retention(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    context = await asyncio.to_thread(services, "activity")
    now = utc_now()
    for endpoint in await asyncio.to_thread(lambda: list(context.endpoints.all())):
        try:
            endpoint = await asyncio.to_thread(look_after, endpoint, now, context)
            await sweep(endpoint, now, context, client)
        except Exception:
            extra = {"action": "retention-failed", "endpoint": endpoint.id}
            logger.exception("deliveries of %s were not removed", endpoint.id, extra=extra)


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
