"""Webhooks whose owner has left: they pass to another Admin of the tenant, and stop after a while without one.

What was done is told by the timer ``outbox``, so that nobody who offboards people waits for a mail service.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from shared.identity.people import Person
from shared.observability.logging import logger
from shared.services import Services
from shared.timestamps import from_iso, iso
from shared.webhooks.endpoints import Endpoint


def look_after(endpoint: Endpoint, now: datetime, context: Services) -> Endpoint:
    """Give a webhook to somebody who is there, or stop it when nobody has been for long; give it as it is then.

    An owner has left who was offboarded, or whose last call was not that of an Admin. Of an owner who has not called
    since this is noted nothing is known, and the webhook stays theirs. Raises ``StorageUnavailable``.
    """
    if not endpoint.enabled or endpoint.deleted_at:
        return endpoint
    owner = context.people.get(endpoint.tenant, str(endpoint.owner.get("user", endpoint.created_by)))
    if owner is None or owner.administers:
        return _changed(endpoint, lambda e: replace(e, ownerless_since=""), context)
    if heirs := context.people.admins(endpoint.tenant):
        return _pass_on(endpoint, owner, heirs[0], now, context)
    patience = timedelta(days=context.settings.webhook_ownerless_days)
    days = f"{context.settings.webhook_ownerless_days:g}"
    reason = f"its owner has left, and no other Admin of the organisation has come for {days} days"

    def how(present: Endpoint) -> Endpoint:
        since = present.ownerless_since or iso(now)
        present = replace(present, ownerless_since=since)
        return present.given_up(now, reason) if now - from_iso(since) >= patience else present

    return _changed(endpoint, how, context)


def _pass_on(endpoint: Endpoint, owner: Person, heir: Person, now: datetime, context: Services) -> Endpoint:
    def how(present: Endpoint) -> Endpoint:
        notice = f"{present.id}/passed/{iso(now)}"
        return replace(present, owner=heir.caller, ownerless_since="", notice=notice)

    changed = _changed(endpoint, how, context)
    extra = {"action": "webhook-passed", "tenant": endpoint.tenant, "endpoint": endpoint.id}
    logger.warning("webhook %s of %s passes to %s", endpoint.id, owner.user, heir.user, extra=extra)
    return changed


def _changed(endpoint: Endpoint, how: Callable[[Endpoint], Endpoint], context: Services) -> Endpoint:
    return endpoint if how(endpoint) == endpoint else context.endpoints.change(endpoint, how) or endpoint
