"""The timer that announces what nobody announced.

It also tells who asked for an export how it ended, and owners of webhooks that theirs was disabled, when whoever should
have told them did not come to it.
"""

import asyncio
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func

from shared.notifications.decide import announce_entries
from shared.observability.logging import logger
from shared.services import Services, services
from shared.timestamps import utc_now
from shared.webhooks.fan_out import announce
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
