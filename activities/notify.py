"""The activities of notifications: ``shared/notifications/decide.py``."""

import asyncio
from typing import Any

import azure.durable_functions as df

from activities.outcome import Payload, awaited, outcome
from activities.tracing import traced
from shared.durable.inputs import ExportRef, NotificationStart, SkippedMail
from shared.notifications.decide import Decision, announce, send, skip
from shared.services import services

bp = df.Blueprint()


@bp.activity_trigger(input_name="ref")
@bp.durable_client_input(client_name="client")
@traced
async def start_notification(ref: Payload, client: df.DurableOrchestrationClient) -> dict[str, Any]:
    async def decide() -> Decision:
        context = await asyncio.to_thread(services, "activity")
        return await announce(ExportRef.from_json(ref), context, client)

    return await awaited(decide(), ref)


@bp.activity_trigger(input_name="start")
@traced
def send_notification(start: Payload) -> dict[str, Any]:
    return outcome(lambda: send(NotificationStart.from_json(start), services("activity")), start)


@bp.activity_trigger(input_name="skipped")
@traced
def skip_notification(skipped: Payload) -> dict[str, Any]:
    return outcome(lambda: skip(SkippedMail.from_json(skipped), services("activity")), skipped)
