"""The activity that announces an export's events to webhooks: ``shared/webhooks/fan_out.py``."""

import asyncio
from typing import Any

import azure.durable_functions as df

from activities.outcome import Payload, awaited
from shared.durable.inputs import ExportRef
from shared.services import services
from shared.webhooks.fan_out import Announced, announce

bp = df.Blueprint()


@bp.activity_trigger(input_name="ref")
@bp.durable_client_input(client_name="client")
async def announce_export(ref: Payload, client: df.DurableOrchestrationClient) -> dict[str, Any]:
    return await awaited(_announce_export(ExportRef.from_json(ref), client), ref)


async def _announce_export(ref: ExportRef, client: df.DurableOrchestrationClient) -> Announced:
    context = await asyncio.to_thread(services, "activity")
    entries = await asyncio.to_thread(context.outbox.of_export, ref.tenant, ref.export_id)
    return await announce(entries, context, client)
