"""Telling the owner of a webhook that it was disabled, or has passed to them, once for each time."""

from dataclasses import replace
from typing import Literal
from urllib.parse import urlsplit

from shared.notifications.owner_notices import News, tell
from shared.services import Services
from shared.webhooks.endpoints import Endpoint


def tell_owner(endpoint: Endpoint, context: Services) -> None:
    """Tell why; what cannot be sent now is tried again by the next call. Raises ``StorageUnavailable``.

    A webhook without a description is called by its host: the rest of a URL may be a secret.
    """
    title = endpoint.description or urlsplit(endpoint.url).hostname or endpoint.id
    notice, reason = endpoint.notice, endpoint.disabled_reason or "its owner has left"
    kind: Literal["webhook-disabled", "webhook-passed"] = "webhook-passed" if endpoint.enabled else "webhook-disabled"
    if tell(News(kind, endpoint.id, endpoint.tenant, notice, endpoint.owner, title, reason), context):
        context.endpoints.change(endpoint, lambda e: replace(e, notice="") if e.notice == notice else e)
