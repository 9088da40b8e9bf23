"""The activity of one attempt to deliver an event: ``shared/webhooks/attempt.py``."""

import asyncio
import threading
from typing import Any

import azure.durable_functions as df

from activities.outcome import Payload, awaited
from shared.durable.inputs import Attempted, DeliveryJob
from shared.services import services
from shared.webhooks.attempt import attempt
from shared.webhooks.http_post import Sender

bp = df.Blueprint()

AT_ONCE = 2
"""Attempts of a process at the same time: receivers that hang must not keep activities from exports."""
_places = threading.BoundedSemaphore(AT_ONCE)


@bp.activity_trigger(input_name="job")
async def deliver_webhook(job: Payload) -> dict[str, Any]:
    return await awaited(_deliver(DeliveryJob.from_json(job)), job)


async def _deliver(job: DeliveryJob) -> Attempted:
    if not _places.acquire(blocking=False):
        return Attempted(ended=False, busy=True)
    try:
        context = await asyncio.to_thread(services, "activity")
        return await attempt(job, context, Sender(context.webhook_rules, context.settings.webhook_timeout_seconds))
    finally:
        _places.release()
