"""Timers: retention, which removes what has had its time."""

import asyncio
from functools import partial

import azure.durable_functions as df
import azure.functions as func

from shared.jobs.deletion import purge
from shared.jobs.records import ExportRecord
from shared.notifications.decide import remind
from shared.observability.logging import logger
from shared.retention.runner import run_sweepers
from shared.retention.sweepers import Sweep
from shared.services import Services, services
from shared.timestamps import utc_now
from shared.webhooks.deliveries import Delivery
from shared.webhooks.fan_out import purge_delivery

bp = df.Blueprint()


@bp.timer_trigger(arg_name="timer", schedule="%RETENTION_SCHEDULE%", run_on_startup=False)
@bp.durable_client_input(client_name="client")
async def retention(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    context = await asyncio.to_thread(services, "activity")
    await sweep(context, client)


async def sweep(context: Services, client: df.DurableOrchestrationClient) -> None:
    """Let every sweeper remove what has had its time, for a fair share of the time of a run."""

    async def history(record: ExportRecord) -> None:
        await purge(record, client)

    async def deliveries(delivery: Delivery) -> bool:
        return await purge_delivery(delivery, client)

    work = Sweep(context, utc_now(), history, partial(remind, context=context), deliveries)
    removed = await run_sweepers(work, context.settings.retention_run_seconds)
    told = ", ".join(f"{name} {number:,}" for name, number in removed.items())
    logger.info("retention: %s", told, extra={"action": "retention", "removed": removed})
