"""The activity that lets waiting exports run: ``shared/jobs/starting.py``."""

import asyncio
from dataclasses import asdict, dataclass
from typing import Any

import azure.durable_functions as df

from activities.outcome import Payload, awaited
from shared.durable.inputs import ExportRef
from shared.jobs.starting import start_waiting
from shared.services import services

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
