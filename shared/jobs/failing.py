"""Failing an export: the record says that it failed, and why."""

from dataclasses import dataclass
from typing import Any

from shared.durable.inputs import ExportRef, FailedExport, Failure
from shared.jobs.dead_letters import DeadLetter
from shared.jobs.status import FINAL, IllegalTransition, Status
from shared.services import Services
from shared.timestamps import iso, utc_now


@dataclass(frozen=True)
class Recorded:
    """The status that the record has now."""

    status: str

    def to_json(self) -> dict[str, Any]:
        return {"status": self.status}


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
