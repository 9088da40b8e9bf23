"""An export, from its plan to its file."""

from typing import Any

import azure.durable_functions as df

from orchestrators.parts import run_parts
from orchestrators.steps import Step, StepFailed, step
from shared.models import ExportStart, FailedExport, Failure, PartsJob, PlanSummary, Published

bp = df.Blueprint()

PARTS_PER_GROUP = 150
"""An export of more parts runs them in sub-orchestrations of this size: replaying n parts costs n squared."""

_FAILING_ATTEMPTS = 30
"""Recording a failure is tried for about half an hour: otherwise the export would look alive for ever."""


@bp.orchestration_trigger(context_name="context")
def export(context: df.DurableOrchestrationContext) -> Step:
    """One export. Instance id: the export's id. Input: ``ExportStart``. Output: ``Published``, in camelCase.

    1. Plan: the parts and their rows are frozen.
    2. Fan out: parts become partial blobs, in a sliding window; many parts, in sub-orchestrations.
    3. Merge: one file.
    4. Publish: the record is Completed.
    5. Start the notification, which waits by itself; announce what happened; remove the partial blobs.

    A failure that cannot pass, or that did not pass in time, is written to the record; then the orchestration fails.
    Somebody who cancels the export writes that to its record first, and then raises the event ``cancel``: activities
    look at the record, pauses end with the event, and everything is removed once nothing runs any more.
    """
    start = ExportStart.from_json(context.get_input())
    ref = start.ref.to_json()

    cancel = context.wait_for_external_event("cancel")

    def try_step(activity: str, argument: Any) -> Step:
        return step(context, activity, argument, start.attempts, start.retry_first_seconds, cancel)

    try:
        _show(context, "planning")
        plan = PlanSummary.from_json((yield from try_step("plan_export", ref)))
        yield from _fan_out(context, start, plan, cancel)
        _show(context, "merging", plan.parts, plan, plan.rows)
        merged = yield from try_step("merge_export", ref)
        _show(context, "publishing", plan.parts, plan, plan.rows)
        output = yield from try_step("publish_export", {"ref": ref, "file": merged})
    except StepFailed as failed:
        cancelled = failed.cancelled or (yield from _fail(context, start, failed.failure)) == "Cancelled"
        if cancelled:
            yield from step(context, "remove_cancelled", ref, _FAILING_ATTEMPTS, start.retry_first_seconds)
        yield from _announce(context, start)
        if cancelled:
            return {"exportId": start.export_id, "status": "Cancelled"}
        raise
    _show(context, "done", plan.parts, plan, plan.rows)
    for activity in ("start_notification", "announce_export", "remove_parts"):
        try:
            yield from try_step(activity, ref)
        except StepFailed:
            continue  # the file is published; the timers do what was not done
    return Published.from_json(output).to_output()


def _fan_out(context: df.DurableOrchestrationContext, start: ExportStart, plan: PlanSummary, cancel: Any) -> Step:
    def progress(parts: int, rows: int) -> None:
        _show(context, "exporting", parts, plan, rows)

    progress(0, 0)
    if plan.parts <= PARTS_PER_GROUP:
        yield from run_parts(context, start, range(plan.parts), plan.parts, progress, cancel)
        return
    rows = 0
    for first in range(0, plan.parts, PARTS_PER_GROUP):
        last = min(first + PARTS_PER_GROUP, plan.parts)
        child = group_instance(context.instance_id, first)
        _show(context, "exporting", first, plan, rows, running=child)
        job = PartsJob(start.to_json(), first, last, plan.parts)
        result = yield context.call_sub_orchestrator("export_parts", job.to_json(), child)
        if "failure" in result:
            raise StepFailed(Failure.from_json(result["failure"]))
        rows += result["rows"]
        progress(last, rows)


def group_instance(instance: str, first: int) -> str:
    """The instance id of the sub-orchestration that runs the parts from ``first`` on."""
    return f"{instance}-parts-{first:06d}"


def group_instances(instance: str, parts: int) -> list[str]:
    """The sub-orchestrations of an attempt of so many parts; ``instance`` is the attempt's own."""
    groups = range(0, parts, PARTS_PER_GROUP) if parts > PARTS_PER_GROUP else ()
    return [group_instance(instance, first) for first in groups]


def _fail(context: df.DurableOrchestrationContext, start: ExportStart, failure: Failure) -> Step:
    """Record a failure; give the status that the record has then."""
    argument = FailedExport(start.tenant, start.export_id, failure.to_json(), start.attempt).to_json()
    recorded = yield from step(context, "fail_export", argument, _FAILING_ATTEMPTS, start.retry_first_seconds)
    return recorded["status"]


def _announce(context: df.DurableOrchestrationContext, start: ExportStart) -> Step:
    """Announce how the export has ended; what is not announced in time, the timer ``outbox`` announces."""
    try:
        yield from step(context, "announce_export", start.ref.to_json(), start.attempts, start.retry_first_seconds)
    except StepFailed:
        return


def _show(
    context: df.DurableOrchestrationContext,
    phase: str,
    parts: int = 0,
    plan: PlanSummary | None = None,
    rows: int = 0,
    running: str = "",
) -> None:
    """The custom status: what the status endpoint and the Durable status URL show of a running export."""
    status: dict[str, Any] = {"phase": phase, "parts": parts, "rows": rows, "totalParts": 0, "totalRows": 0}
    if plan is not None:
        status |= {"totalParts": plan.parts, "totalRows": plan.rows}
    if running:
        status["runningGroup"] = running
    context.set_custom_status(status)
