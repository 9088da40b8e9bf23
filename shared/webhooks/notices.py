"""What the owner of an endpoint is told about it."""

from shared.app_log import logger
from shared.webhooks.endpoints import Endpoint


def tell_owner(endpoint: Endpoint) -> None:
    """Say that an endpoint was disabled, and why. The place for every channel that is to carry it."""
    extra = {"action": "webhook-disabled", "tenant": endpoint.tenant, "endpoint": endpoint.id}
    message = "webhook %s of %s (owner %s) was disabled: %s"
    logger.warning(message, endpoint.id, endpoint.tenant, endpoint.created_by, endpoint.disabled_reason, extra=extra)
