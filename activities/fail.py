"""Fail: the record says that the export failed, and why."""

from dataclasses import dataclass
from typing import Any

import azure.durable_functions as df

from activities.outcome import Payload, outcome
from activities.tracing import traced
from shared.clock import utc_now
from shared.dead_letters import DeadLetter
from shared.models import ExportRef, FailedExport, Failure
from shared.records import iso
from shared.services import Services, services
from shared.transitions import FINAL, IllegalTransition, Status

bp = df.Blueprint()


@dataclass(frozen=True)
class Recorded:
    """The status that the record has now."""

    status: str

    def to_json(self) -> dict[str, Any]:
        return {"status": self.status}


@bp.activity_trigger(input_name="failed")
@traced
def fail_export(failed: Payload) -> dict[str, Any]:
    return outcome(lambda: fail(FailedExport.from_json(failed), services("activity")), failed)


def fail(failed: FailedExport, context: Services) -> Recorded:
    """Mark the export as Failed unless it has ended otherwise. The parts stay, for a retry goes on from them."""
    failure = Failure.from_json(failed.failure)
    ref = ExportRef(failed.tenant, failed.export_id)
    record = context.record(ref)
    if record.attempt != failed.attempt:
        return Recorded(record.status)  # this activity ran before, and somebody retried the export since
    if record.status not in FINAL:
        now = utc_now()
        message = failure.message
        if failure.detail:
            message = context.log.sentence_of(failed.export_id, failure.detail, message)
        try:
            record = context.records.change(
                failed.tenant,
                failed.export_id,
                f"fail-{record.attempt}",
                status=Status.FAILED,
                phase="",
                completed_at=iso(now),
                expires_at=iso(now + context.retention(record.tenant, record.export_type)),
                error_code=failure.code,
                error_message=message,
            )
        except IllegalTransition as ended:
            return Recorded(ended.current)
        context.log.add(
            failed.tenant,
            failed.export_id,
            "failed",
            f"Failed: {message}",
            level="error",
            outline=f"Failed: {failure.message}",
        )
    if record.status == Status.FAILED:
        context.letters.add(DeadLetter.of(record))
    context.usage.leave(failed.tenant, failed.export_id)
    return Recorded(record.status)
