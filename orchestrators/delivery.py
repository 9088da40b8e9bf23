"""The delivery of an event to an endpoint: an attempt, a pause, the next attempt, for days."""

import random
from datetime import timedelta

import azure.durable_functions as df

from orchestrators.steps import Step, StepFailed, step
from shared.durable.inputs import Attempted, DeliveryJob, DeliveryStart

bp = df.Blueprint()

_STEP_ATTEMPTS = 30
"""How often an attempt that could not even be made (storage is away) is begun again: for about half an hour."""

_LONGEST_WAIT_FOR_OTHERS = 10.0


@bp.orchestration_trigger(context_name="context")
def webhook_delivery(context: df.DurableOrchestrationContext) -> Step:
    """Instance id: ``delivery_instance(...)``. Input: ``DeliveryStart``.

    1. Wait for the pause of this attempt, or for as long as the receiver asked for.
    2. Let the activity send the event and write down what became of it; wait for others when enough is on its way.
    3. Again, until it got through, never will, or there are no attempts left: the last one says so in the record.
    """
    start = DeliveryStart.from_json(context.get_input())
    asked = 0
    for number, pause in enumerate(start.pauses, 1):
        yield from _wait(context, max(pause, asked), number)
        job = DeliveryJob(
            start.tenant, start.endpoint, start.delivery, start.round, number, number == len(start.pauses)
        )
        try:
            done = yield from _attempt(context, job, start.retry_first_seconds)
        except StepFailed:
            continue
        if done.ended:
            return
        asked = done.retry_after


def _attempt(context: df.DurableOrchestrationContext, job: DeliveryJob, retry_first_seconds: float) -> Step:
    waited = 0
    while True:
        answer = yield from step(context, "deliver_webhook", job.to_json(), _STEP_ATTEMPTS, retry_first_seconds)
        done = Attempted.from_json(answer)
        if not done.busy:
            return done
        waited += 1
        yield from _wait(context, min(waited / 2, _LONGEST_WAIT_FOR_OTHERS), waited)


def _wait(context: df.DurableOrchestrationContext, seconds: float, number: int) -> Step:
    """A pause, and up to a tenth more: from the instance's id, so that every replay waits for the same time."""
    if seconds > 0:
        jitter = random.Random(f"{context.instance_id}/{number}").random()  # noqa: S311 - spreads load, hides nothing
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=seconds * (1 + jitter / 10)))
