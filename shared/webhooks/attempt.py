"""One attempt to get an event to an endpoint, and what it means for the delivery and the endpoint."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from shared.durable.inputs import Attempted, DeliveryJob
from shared.observability.logging import logger
from shared.observability.metrics import WEBHOOKS, count
from shared.services import Services
from shared.timestamps import iso, utc_now
from shared.webhooks.addresses import AddressRefused
from shared.webhooks.deliveries import Attempt, Delivery, DeliveryStatus
from shared.webhooks.endpoints import Endpoint
from shared.webhooks.http_post import NoAnswer, Sender
from shared.webhooks.notices import tell_owner
from shared.webhooks.sealing import Sealer, Unreadable
from shared.webhooks.signing import signed_headers

_GONE = 410


_LONGEST_ASKED = 86_400


async def attempt(job: DeliveryJob, context: Services, sender: Sender) -> Attempted:
    """Send the event once, unless that is done or not wanted any more; write down what became of it.

    Raises ``StorageUnavailable``. An attempt that is not written down is made again, with the same ``webhook-id``.
    """
    endpoint = await asyncio.to_thread(context.endpoints.get, job.tenant, job.endpoint)
    delivery = await asyncio.to_thread(context.deliveries.get, job.endpoint, job.delivery)
    if endpoint is None or delivery is None:
        return Attempted(ended=True)
    if delivery.status != DeliveryStatus.PENDING or delivery.round != job.round:
        return Attempted(ended=True)
    if delivery.attempt(job.round, job.number):
        return Attempted(ended=False)
    if not endpoint.enabled:
        await asyncio.to_thread(context.deliveries.change, job.endpoint, job.delivery, _given_up)
        return Attempted(ended=True)
    made, retry_after = await _post(job, delivery, endpoint, context, sender)
    await asyncio.to_thread(_note_health, endpoint, made, context)
    changed = await asyncio.to_thread(
        context.deliveries.change, job.endpoint, job.delivery, lambda d: _with(d, made, last=job.last)
    )
    count(WEBHOOKS, event=delivery.type, result="delivered" if 200 <= made.status < 300 else "failed")
    extra = {"action": "webhook-attempt", "tenant": job.tenant, "endpoint": job.endpoint, "event": delivery.event}
    logger.info("%s to %s: %s", delivery.event, job.endpoint, made.status or made.error, extra=extra)
    return Attempted(changed is None or changed.status != DeliveryStatus.PENDING, retry_after=retry_after)


async def _post(
    job: DeliveryJob, delivery: Delivery, endpoint: Endpoint, context: Services, sender: Sender
) -> tuple[Attempt, int]:
    now, began = utc_now(), time.monotonic()
    status, error, retry_after = 0, "", 0
    try:
        headers = signed_headers(delivery.event, delivery.body, now, _secrets(endpoint, context.sealer, now))
        answer = await sender.post(endpoint.url, headers, delivery.body)
        status, retry_after = answer.status, min(answer.retry_after, _LONGEST_ASKED)
    except (AddressRefused, NoAnswer, Unreadable) as failed:
        error = str(failed)
    took = round((time.monotonic() - began) * 1000)
    return Attempt(job.round, job.number, iso(now), took, status, error), retry_after


def _secrets(endpoint: Endpoint, sealer: Sealer, now: datetime) -> list[str]:
    """The secrets that are good, as receivers know them. Raises ``Unreadable`` when not even one can be decrypted."""
    found = []
    for stored in endpoint.signing(now):
        try:
            found.append(sealer.open(stored, endpoint.place))
        except Unreadable as failed:
            extra = {"action": "secret-unreadable", "tenant": endpoint.tenant, "endpoint": endpoint.id}
            logger.error("%s: %s", endpoint.id, failed, extra=extra)
    if not found:
        raise Unreadable("its signing secret cannot be read any more; rotate it")
    return found


def _with(delivery: Delivery, made: Attempt, *, last: bool) -> Delivery:
    """The delivery after an attempt."""
    if delivery.round != made.round or delivery.attempt(made.round, made.number):
        return delivery
    status = DeliveryStatus.PENDING
    if made.good:
        status = DeliveryStatus.DELIVERED
    elif last or made.status == _GONE:
        status = DeliveryStatus.FAILED
    error = ""
    if status is DeliveryStatus.FAILED:
        error = "the receiver answered 410 Gone" if made.status == _GONE else "no attempt got through"
    return replace(delivery, attempts=(*delivery.attempts, made), status=status, error=error)


def _given_up(delivery: Delivery) -> Delivery:
    return replace(delivery, status=DeliveryStatus.FAILED, error="the webhook is disabled")


def _note_health(endpoint: Endpoint, made: Attempt, context: Services) -> None:
    """What the attempt means for the endpoint; its owner hears when it was disabled, if not now, by the timer."""
    now = utc_now()
    patience = timedelta(days=context.settings.webhook_disable_after_days)
    how: Callable[[Endpoint], Endpoint]
    if made.good:
        how = Endpoint.succeeded
    elif made.status == _GONE:
        how = lambda e: e.given_up(now, "the receiver answered 410 Gone")  # noqa: E731
    else:
        how = lambda e: e.failed(now, patience)  # noqa: E731
    changed = context.endpoints.change(endpoint, how)
    if changed is not None and changed.notice and changed.disabled_at == iso(now):
        tell_owner(changed, context)
