"""The activity that fails an export: ``shared/jobs/failing.py``."""

from typing import Any

import azure.durable_functions as df

from activities.outcome import Payload, outcome
from activities.tracing import traced
from shared.durable.inputs import FailedExport
from shared.jobs.failing import fail
from shared.services import services

bp = df.Blueprint()


@bp.activity_trigger(input_name="failed")
@traced
def fail_export(failed: Payload) -> dict[str, Any]:
    return outcome(lambda: fail(FailedExport.from_json(failed), services("activity")), failed)
