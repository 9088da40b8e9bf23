"""Telling the owner of a webhook that it was disabled, once for each time."""

from dataclasses import replace
from urllib.parse import urlsplit

from shared.owners import News, tell
from shared.services import Services
from shared.webhooks.endpoints import Endpoint


def tell_owner(endpoint: Endpoint, context: Services) -> None:
    """Tell why; what cannot be sent now is tried again by the next call. Raises ``StorageUnavailable``.

    A webhook without a description is called by its host: the rest of a URL may be a secret.
    """
    title = endpoint.description or urlsplit(endpoint.url).hostname or endpoint.id
    notice, reason = endpoint.notice, endpoint.disabled_reason
    if tell(News("webhook-disabled", endpoint.id, endpoint.tenant, notice, endpoint.owner, title, reason), context):
        context.endpoints.change(endpoint, lambda e: replace(e, notice="") if e.notice == notice else e)
