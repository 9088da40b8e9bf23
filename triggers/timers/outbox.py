"""The timer that announces what nobody announced, and the one that looks after webhooks.

The second removes deliveries that have had their time, and finds somebody for webhooks whose owner has left.

The first also tells who asked for an export how it ended, and owners of webhooks that theirs was disabled, when whoever
should have told them did not come to it.
"""

import asyncio
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func

from shared.notifications.decide import announce_entries
from shared.observability.logging import logger
from shared.retention.sweepers.webhook_deliveries import sweep
from shared.services import Services, services
from shared.timestamps import utc_now
from shared.webhooks.fan_out import announce
from shared.webhooks.leavers import look_after
from shared.webhooks.notices import tell_owner

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
