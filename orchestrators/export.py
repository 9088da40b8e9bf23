"""An export, from its plan to its file."""

from contextlib import suppress
from typing import Any

import azure.durable_functions as df

from orchestrators.parts import ByteLimit, run_parts
from orchestrators.steps import Step, StepFailed, show, step
from shared.durable.inputs import ExportStart, FailedExport, Failure, PartsJob, PlanSummary, Published
from shared.durable.instance_ids import PARTS_PER_GROUP, group_instance

bp = df.Blueprint()


_FAILING_ATTEMPTS = 30
"""Recording a failure is tried for about half an hour: otherwise the export would look alive for ever."""


@bp.orchestration_trigger(context_name="context")
def export(context: df.DurableOrchestrationContext) -> Step:
    """One export. Instance id: the export's id. Input: ``ExportStart``. Output: ``Published``, in camelCase.

    1. Plan: the parts and their rows are frozen.
    2. Fan out: parts become partial blobs, side by side; many parts, in sub-orchestrations.
    3. Merge: one file.
    4. Publish: the record is Completed.
    5. Let an export run that waits for its turn; start the notification, which waits by itself; announce what happened;
       remove the parts.

    A failure that cannot pass, or that did not pass in time, is written to the record and told; then the orchestration
    fails.

    Somebody who cancels the export writes that to its record first, and then raises the event ``cancel``: activities
    look at the record, pauses end with the event, and everything is removed once nothing runs any more.
    """
    start = ExportStart.from_json(context.get_input())
    ref = start.ref.to_json()

    cancel = context.wait_for_external_event("cancel")

    def try_step(activity: str, argument: Any) -> Step:
        return step(context, activity, argument, start.attempts, start.retry_first_seconds, cancel)

    try:
        show(context, "planning")
        plan = PlanSummary.from_json((yield from try_step("plan_export", ref)))
        yield from _fan_out(context, start, plan, cancel)
        show(context, "merging", plan.parts, plan.parts, plan.rows, plan.rows)
        merged = yield from try_step("merge_export", ref)
        show(context, "publishing", plan.parts, plan.parts, plan.rows, plan.rows)
        output = yield from try_step("publish_export", {"ref": ref, "file": merged})
    except StepFailed as failed:
        cancelled = failed.cancelled or (yield from _fail(context, start, failed.failure)) == "Cancelled"
        if cancelled:
            yield from step(context, "remove_cancelled", ref, _FAILING_ATTEMPTS, start.retry_first_seconds)
        with suppress(StepFailed):  # the watchdog lets the next one run
            yield from step(context, "next_turns", ref, 1, start.retry_first_seconds)
        yield from _announce(context, start)
        if cancelled:
            return {"exportId": start.export_id, "status": "Cancelled"}
        with suppress(StepFailed):  # the record says that the export failed
            yield from step(context, "start_notification", ref, start.attempts, start.retry_first_seconds)
        raise
    show(context, "done", plan.parts, plan.parts, plan.rows, plan.rows)
    for activity in ("next_turns", "start_notification", "announce_export", "remove_parts"):
        try:
            yield from try_step(activity, ref)
        except StepFailed:
            continue  # the file is published; timers make good what was not done
    return Published.from_json(output).to_output()


def _fan_out(context: df.DurableOrchestrationContext, start: ExportStart, plan: PlanSummary, cancel: Any) -> Step:
    def progress(parts: int, rows: int) -> None:
        show(context, "exporting", parts, plan.parts, rows, plan.rows)

    progress(0, 0)
    if plan.parts <= PARTS_PER_GROUP:
        limit = ByteLimit(plan.max_bytes, 0, plan.over)
        yield from run_parts(context, start, range(plan.parts), plan.parts, progress, cancel, limit)
        return
    rows = size = 0
    for first in range(0, plan.parts, PARTS_PER_GROUP):
        last = min(first + PARTS_PER_GROUP, plan.parts)
        child = group_instance(context.instance_id, first)
        show(context, "exporting", first, plan.parts, rows, plan.rows, running=child)
        job = PartsJob(start.to_json(), first, last, plan.parts, rows, plan.rows, size, plan.max_bytes, plan.over)
        result = yield context.call_sub_orchestrator("export_parts", job.to_json(), child)
        if "failure" in result:
            raise StepFailed(Failure.from_json(result["failure"]))
        rows += result["rows"]
        size += result["bytes"]
        progress(last, rows)


def _fail(context: df.DurableOrchestrationContext, start: ExportStart, failure: Failure) -> Step:
    """Record a failure; give the status that the record has then."""
    argument = FailedExport(
        start.tenant, start.export_id, failure.to_json(), start.attempt, start.request_id, start.trace_parent
    ).to_json()
    recorded = yield from step(context, "fail_export", argument, _FAILING_ATTEMPTS, start.retry_first_seconds)
    return recorded["status"]


def _announce(context: df.DurableOrchestrationContext, start: ExportStart) -> Step:
    """Announce how the export has ended; what is not announced in time, the timer ``outbox`` announces."""
    with suppress(StepFailed):
        yield from step(context, "announce_export", start.ref.to_json(), start.attempts, start.retry_first_seconds)
