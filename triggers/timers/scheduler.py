"""The timer that runs schedules: it looks at those that are due or have a run on their way, and at no others."""

import asyncio

import azure.durable_functions as df
import azure.functions as func

from shared.observability.logging import logger
from shared.schedules.run_due import _AT_ONCE, run
from shared.schedules.store import Schedule
from shared.services import services
from shared.timestamps import utc_now

bp = df.Blueprint()


@bp.timer_trigger(arg_name="timer", schedule="%SCHEDULER_SCHEDULE%", run_on_startup=False)
@bp.durable_client_input(client_name="client")
async def scheduler(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    context = await asyncio.to_thread(services, "activity")
    now = utc_now()
    turn = asyncio.Semaphore(_AT_ONCE)

    async def look_after(schedule: Schedule) -> None:
        async with turn:
            try:
                await run(schedule, now, context, client)
            except Exception:
                extra = {"action": "schedule-failed", "schedule": schedule.id, "tenant": schedule.tenant}
                logger.exception("schedule %s was not looked after", schedule.id, extra=extra)

    found = await asyncio.to_thread(lambda: list(context.schedules.with_work(now)))
    await asyncio.gather(*map(look_after, found))
