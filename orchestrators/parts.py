"""Fan-out: encode parts in a window that is filled up as they end, failed ones again in later rounds."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import azure.durable_functions as df

from orchestrators.steps import Step, StepFailed, failure_in, rest, show
from shared.durable.inputs import OUT_OF_MEMORY, ExportStart, Failure, PartJob, PartsJob

bp = df.Blueprint()

Progress = Callable[[int, int], None]
"""``progress(parts, rows)``: so many are done."""


@dataclass(frozen=True)
class ByteLimit:
    """``most`` bytes of all parts together (0: no limit), ``before`` of them there; ``advice``: said beyond."""

    most: int
    before: int
    advice: str

    def passed(self, size: int) -> Failure | None:
        """The failure that so many bytes of further parts are, if they are too many."""
        if not self.most or self.before + size <= self.most:
            return None
        made = f"the parts that are made have {self.before + size:,} bytes together"
        return Failure("limit-reached", f"{made}; {self.advice}")


@bp.orchestration_trigger(context_name="context")
def export_parts(context: df.DurableOrchestrationContext) -> Step:
    """A group of the parts of a large export, so that replay stays linear in the number of parts.

    1. Run the group's parts. The custom status tells how many of the export's are done.
    2. Answer ``{"rows", "bytes"}``, or ``{"failure"}``.
    """
    job = PartsJob.from_json(context.get_input())
    start = ExportStart.from_json(job.start)

    def progress(parts: int, rows: int) -> None:
        show(context, "exporting", job.first + parts, job.total, job.rows_before + rows, job.total_rows)

    cancel = context.wait_for_external_event("cancel")
    try:
        limit = ByteLimit(job.max_bytes, job.bytes_before, job.over)
        rows, size = yield from run_parts(
            context, start, range(job.first, job.last), job.total, progress, cancel, limit
        )
    except StepFailed as failed:
        return {"failure": failed.failure.to_json()}
    return {"rows": rows, "bytes": size}


def run_parts(
    context: df.DurableOrchestrationContext,
    start: ExportStart,
    indexes: range,
    total: int,
    progress: Progress,
    cancel: Any,
    limit: ByteLimit,
) -> Step:
    """Encode these parts; give their rows and bytes, or raise ``StepFailed``. Use with ``yield from``.

    Up to ``start.parts_in_flight`` run at the same time (``_at_once`` says when there are fewer). A part whose failure
    may pass is tried again, alone, in the next round, after a pause, and with batches of half the size when it was
    short of memory. A failure that cannot pass ends the export once the running parts have come back; so do parts of
    more bytes together than ``limit`` allows, and the task ``cancel`` in a pause.
    """
    waiting = deque(indexes)
    done = rows = size = 0
    halvings: Counter[int] = Counter()
    for attempt in range(1, start.attempts + 1):
        failed: list[tuple[int, Failure]] = []
        running: list[tuple[Any, int]] = []
        while waiting or running:
            hopeless = limit.passed(size) or any(not failure.transient for _, failure in failed)
            room = start.parts_in_flight - len(running)
            filling = not hopeless and room >= _at_once(start.parts_in_flight)
            while waiting and filling and len(running) < start.parts_in_flight:
                index = waiting.popleft()
                job = PartJob(
                    start.tenant, start.export_id, index, attempt, halvings[index], start.request_id, start.trace_parent
                )
                running.append((context.call_activity("encode_part", job.to_json()), index))
            if not running:
                break
            finished = yield context.task_any([task for task, _ in running])
            index = next(i for task, i in running if task is finished)
            running = [(task, i) for task, i in running if task is not finished]
            if failure := failure_in(finished.result):
                failed.append((index, failure))
                halvings[index] += failure.code == OUT_OF_MEMORY
            else:
                done += 1
                rows += finished.result["value"]["rows"]
                size += finished.result["value"]["bytes"]
                progress(done, rows)
        if over := limit.passed(size):
            raise StepFailed(over)
        if not failed:
            return rows, size
        index, worst = next((f for f in failed if not f[1].transient), failed[0])
        if not worst.transient or attempt == start.attempts:
            raise StepFailed(_told(worst, index, total, attempt))
        waiting = deque(sorted(index for index, _ in failed))
        yield from rest(context, "parts", attempt, start.retry_first_seconds, cancel)
    raise AssertionError("attempts is at least 1")


def _at_once(in_flight: int) -> int:
    """How many parts are added at a time.

    The Durable extension takes one action of an orchestrator after the other, and what ``task_any`` adds to tasks that
    run already is an action by itself: what is added next begins when one part of the last addition is done. Parts that
    are added one by one would soon run one by one.
    """
    return min(in_flight, max(2, in_flight // 2))


def _told(failure: Failure, index: int, total: int, attempts: int) -> Failure:
    tries = f" {attempts} times" if attempts > 1 else ""
    message = f"part {index + 1:,} of {total:,} failed{tries}: {failure.message}"
    return Failure(failure.code, message, detail=failure.detail)
