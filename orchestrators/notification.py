"""The notification of an export that has ended: wait a while, and tell only if it is still news."""

import azure.durable_functions as df

from orchestrators.steps import Step, StepFailed, step
from shared.durable.inputs import NO_NEWS, NotificationStart, ReasonCode, SkippedMail
from shared.timestamps import from_iso

bp = df.Blueprint()

_SENDING_ATTEMPTS = 60
"""A mail is tried for about an hour, and longer where its service asks for patience."""


@bp.orchestration_trigger(context_name="context")
def notification(context: df.DurableOrchestrationContext) -> Step:
    """Instance id: ``notification_instance(export id)``. Input: ``NotificationStart``. Output: what became of it.

    1. Wait until the grace time is over, or for one of the events ``downloaded`` and ``seen``.
    2. An event first: log that nothing is sent, and end.
    3. Otherwise send; the activity looks at the record and the person's preferences once more before it does.
    """
    start = NotificationStart.from_json(context.get_input())

    def skip(code: ReasonCode, reason: str) -> Step:
        skipped = SkippedMail(
            start.tenant, start.export_id, reason, start.request_id, tuple(start.channels), start.trace_parent, code
        ).to_json()
        return (yield from step(context, "skip_notification", skipped, start.attempts, start.retry_first_seconds))

    grace = context.create_timer(from_iso(start.wait_until).replace(tzinfo=context.current_utc_datetime.tzinfo))
    events = {name: context.wait_for_external_event(name) for name in NO_NEWS}
    first = yield context.task_any([grace, *events.values()])
    for name, event in events.items():
        if first is event:
            grace.cancel()
            return (yield from skip(name, NO_NEWS[name]))
    try:
        return (
            yield from step(context, "send_notification", start.to_json(), _SENDING_ATTEMPTS, start.retry_first_seconds)
        )
    except StepFailed as failed:
        return (yield from skip("not-sent", f"it could not be sent: {failed.failure.message}"))
