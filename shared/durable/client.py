"""Questions to the durable engine about orchestrations, and events for those that still run."""

import azure.durable_functions as df

from shared.observability.logging import logger

_LIVE = (df.OrchestrationRuntimeStatus.Pending, df.OrchestrationRuntimeStatus.Running)


async def is_known(instance: str, client: df.DurableOrchestrationClient) -> bool:
    """Whether the engine has it, however it has ended."""
    status = await client.get_status(instance)
    return status is not None and status.runtime_status is not None


async def is_live(instance: str, client: df.DurableOrchestrationClient) -> bool:
    """Whether it has yet to end."""
    status = await client.get_status(instance)
    return bool(status and status.runtime_status in _LIVE)


async def tell(instance: str, event: str, client: df.DurableOrchestrationClient) -> None:
    """Raise an event in it while it is live; what has ended, even just now, need not hear it."""
    if await is_live(instance, client):
        try:
            await client.raise_event(instance, event)
        except Exception as error:  # noqa: BLE001 - all that the SDK raises, when it has just ended too
            extra = {"action": "event-not-raised", "event": event}
            logger.info("%s was not told of %s: %s", instance, event, error, extra=extra)
