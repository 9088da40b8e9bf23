"""One step of an orchestration: call an activity, and try again while trying again may help.

Retries are durable timers in the orchestrator, and not the SDK's retry options: activities answer failures as data, so
that a wrong query fails at once and a lost connection does not.
"""

import random
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import azure.durable_functions as df

from shared.durable.inputs import Failure

Step = Generator[Any, Any, Any]

_LONGEST_PAUSE = 60.0
_CANCELLED = Failure("cancelled", "the export was cancelled")


class StepFailed(Exception):
    """A step failed for good."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.code}: {failure.message}")
        self.failure = failure

    @property
    def cancelled(self) -> bool:
        return self.failure.code == _CANCELLED.code


def failure_in(result: Any) -> Failure | None:
    """The failure in what an activity answered; an activity that raised was lost with its worker or ran out of time."""
    if isinstance(result, Exception):
        return Failure("step-lost", "a worker stopped in the middle of a step, or the step took too long", True)
    given = result.get("failure")
    return Failure.from_json(given) if given else None


def pause(
    context: df.DurableOrchestrationContext, step: str, attempt: int, first_seconds: float, at_least: float = 0
) -> Any:
    """A timer task: ``first_seconds``, doubled for every attempt, a minute at most, and up to a fifth more.

    ``at_least`` is how long whoever refused the step asked to be left alone. The jitter comes from the instance's id,
    so that every replay waits for the same time and two exports do not.
    """
    seconds = max(min(first_seconds * 2 ** (attempt - 1), _LONGEST_PAUSE), at_least)
    jitter = random.Random(f"{context.instance_id}/{step}/{attempt}").random()  # noqa: S311 - spreads load, hides nothing
    return context.create_timer(context.current_utc_datetime + timedelta(seconds=seconds * (1 + jitter / 5)))


def rest(
    context: df.DurableOrchestrationContext,
    step: str,
    attempt: int,
    first_seconds: float,
    cancel: Any,
    at_least: float = 0,
) -> Step:
    """A pause that the event ``cancel`` ends: then ``StepFailed`` is raised. Use with ``yield from``.

    ``cancel`` is the instance's one task that waits for the event, or None.
    """
    if cancel is not None and cancel.is_completed:
        raise StepFailed(_CANCELLED)
    timer = pause(context, step, attempt, first_seconds, at_least)
    if cancel is None:
        yield timer
        return
    first = yield context.task_any([timer, cancel])
    if first is cancel:
        timer.cancel()
        raise StepFailed(_CANCELLED)


def step(
    context: df.DurableOrchestrationContext,
    activity: str,
    argument: Any,
    attempts: int,
    first_seconds: float,
    cancel: Any = None,
) -> Step:
    """Call an activity up to ``attempts`` times; give its value or raise ``StepFailed``. Use with ``yield from``.

    The task ``cancel`` ends a pause before its time; a running activity looks at the record by itself.
    """
    for attempt in range(1, attempts + 1):
        try:
            result = yield context.call_activity(activity, argument)
        except Exception as error:  # noqa: BLE001 - the SDK raises plain Exception for a lost activity
            result = error
        failure = failure_in(result)
        if failure is None:
            return result["value"]
        if not failure.transient or attempt == attempts:
            raise StepFailed(failure)
        yield from rest(context, activity, attempt, first_seconds, cancel, failure.retry_after)
    raise AssertionError("attempts is at least 1")


def show(
    context: df.DurableOrchestrationContext,
    phase: str,
    parts: int = 0,
    total_parts: int = 0,
    rows: int = 0,
    total_rows: int = 0,
    running: str = "",
) -> None:
    """The custom status: what the status endpoint and the Durable status URL show of a running export.

    ``running`` is the sub-orchestration whose custom status is newer.
    """
    status = {"phase": phase, "parts": parts, "rows": rows, "totalParts": total_parts, "totalRows": total_rows}
    context.set_custom_status({**status, "runningGroup": running} if running else status)
