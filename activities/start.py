"""Start: let exports run whose turn has come. A tenant has few that run at a time, so that all tenants get on."""

import asyncio
from dataclasses import asdict, dataclass
from typing import Any

import azure.durable_functions as df

from activities.outcome import Payload, awaited
from shared.app_log import logger
from shared.models import ExportRef, ExportStart
from shared.records import ExportRecord
from shared.services import Services, services
from shared.settings import Settings
from shared.storage.names import export_instance
from shared.telemetry import orchestration_parent
from shared.transitions import Status
from shared.usage import Turns

bp = df.Blueprint()


@dataclass(frozen=True)
class Given:
    """How many exports got their turn, and how many wait for theirs."""

    started: int
    waiting: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@bp.activity_trigger(input_name="ref")
@bp.durable_client_input(client_name="client")
async def next_turns(ref: Payload, client: df.DurableOrchestrationClient) -> dict[str, Any]:
    async def let_run() -> Given:
        context = await asyncio.to_thread(services, "activity")
        turns = await start_waiting(ExportRef.from_json(ref).tenant, context, client)
        return Given(len(turns.chosen), len(turns.waiting))

    return await awaited(let_run(), ref)


async def start_waiting(tenant: str, context: Services, client: df.DurableOrchestrationClient) -> Turns:
    """Give as many of the tenant's waiting exports their turn as there is room for, and start them.

    What is lost in between, the watchdog starts, or the next look at the export. Raises ``StorageUnavailable``.
    """
    limits = await asyncio.to_thread(context.limits_for, tenant)
    turns = await asyncio.to_thread(context.usage.next_turns, tenant, limits)
    for export_id in turns.chosen:
        record = await asyncio.to_thread(context.records.get, tenant, export_id)
        if record is not None and record.status == Status.PENDING:  # else its request starts it, or it has ended
            await begin(record, context.settings, client)
    return turns


async def begin(record: ExportRecord, settings: Settings, client: df.DurableOrchestrationClient) -> None:
    """Start the orchestration. Its id is the export's, so that the engine lets only one of many starts through."""
    instance = export_instance(record.id, record.attempt)
    ref = ExportStart(
        record.tenant,
        record.id,
        settings.parts_in_flight,
        settings.part_attempts,
        settings.retry_first_seconds,
        record.attempt,
        record.request_id,
        orchestration_parent(record.request.get("trace", ""), instance),
    )
    try:
        await client.start_new("export", instance, ref.to_json())
    except Exception as error:  # noqa: BLE001 - all that the SDK raises, when somebody else was faster too
        extra = {"action": "start-delayed", "export_id": record.id, "tenant": record.tenant}
        logger.warning("export %s was not started now: %s", record.id, error, extra=extra)
