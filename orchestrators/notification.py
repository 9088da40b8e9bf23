"""The notification of a completed export: wait a while, and send the mail only if it is still news."""

import azure.durable_functions as df

from orchestrators.steps import Step, StepFailed, step
from shared.models import NotificationStart, SkippedMail
from shared.records import from_iso

bp = df.Blueprint()


@bp.orchestration_trigger(context_name="context")
def notification(context: df.DurableOrchestrationContext) -> Step:
    """Instance id: ``notification_instance(export id)``. Input: ``NotificationStart``. Output: what became of the mail.

    1. Wait until the grace time is over, or for the event ``downloaded``.
    2. Downloaded first: log that no mail goes out, and end.
    3. Otherwise send the mail; the activity looks at the record once more before it does.
    """
    start = NotificationStart.from_json(context.get_input())
    grace = context.create_timer(from_iso(start.wait_until).replace(tzinfo=context.current_utc_datetime.tzinfo))
    downloaded = context.wait_for_external_event("downloaded")
    first = yield context.task_any([grace, downloaded])
    if first is downloaded:
        grace.cancel()
        skipped = SkippedMail(
            start.tenant, start.export_id, "the file was downloaded", "downloaded", start.trace_parent
        ).to_json()
        return (yield from step(context, "skip_notification", skipped, start.attempts, start.retry_first_seconds))
    try:
        return (
            yield from step(context, "send_notification", start.to_json(), start.attempts, start.retry_first_seconds)
        )
    except StepFailed as failed:
        reason = f"it could not be sent: {failed.failure.message}"
        skipped = SkippedMail(start.tenant, start.export_id, reason, "not-sent", start.trace_parent).to_json()
        return (yield from step(context, "skip_notification", skipped, start.attempts, start.retry_first_seconds))
