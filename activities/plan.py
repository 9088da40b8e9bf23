"""The activity that plans an export: ``shared/jobs/planning.py``."""

from typing import Any

import azure.durable_functions as df

from activities.outcome import Payload, outcome
from activities.tracing import traced
from shared.durable.inputs import ExportRef
from shared.jobs.planning import plan
from shared.services import services

bp = df.Blueprint()


@bp.activity_trigger(input_name="ref")
@traced
def plan_export(ref: Payload) -> dict[str, Any]:
    return outcome(lambda: plan(ExportRef.from_json(ref), services("activity")), ref)
