"""Schedules whose owner has left: as whom they run, as far as is known now, and what stops them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import uuid4

from shared.errors import Conflict
from shared.identity.caller import Caller, demo_caller
from shared.identity.people import LEFT
from shared.schedules.runs import CannotRun, stopping
from shared.schedules.store import STOPPED, Schedule
from shared.services import Services
from shared.timestamps import from_iso, iso

_PAGE = 200


def owner_of(schedule: Schedule, now: datetime, context: Services) -> Caller:
    """The owner with the rights that they have, as far as anybody can tell without them. Raises ``CannotRun``.

    The demo users are known; others are as they were when they last called, whatever for, which must not be too long
    ago. Nobody runs anything for somebody who was offboarded.
    """
    known, seen_at = Caller.from_json(schedule.caller), schedule.caller_seen_at
    person = context.people.get(schedule.tenant, schedule.created_by)
    if person is not None and person.offboarded_at:
        raise CannotRun(LEFT)
    if context.settings.auth_mode == "dev" and not known.service:
        return demo_caller(schedule.created_by)
    if person is not None and person.caller and person.seen_at > seen_at:
        known, seen_at = Caller.from_json(person.caller), person.seen_at
    days = context.settings.schedule_trust_days
    if now - from_iso(seen_at) > timedelta(days=days):
        raise CannotRun(f"its owner has not been here for {days:g} days; they have to come, and it can be resumed")
    return known


def check_resumable(schedule: Schedule, context: Services) -> None:
    """Raise ``Conflict`` when nobody is there any more for whom a schedule could run."""
    if context.people.has_left(schedule.tenant, schedule.created_by):
        raise Conflict(f"{LEFT}: delete the schedule, and make one of your own")


def stop_all_of(tenant: str, user: str, now: datetime, context: Services) -> int:
    """Stop every schedule of somebody who has left; give how many. What runs goes on."""
    count = 0
    for schedule in list(_all_of(tenant, user, context)):
        changes = {**stopping(schedule, LEFT), "notice": f"{schedule.id}/left/{iso(now)}"}
        stopped = context.schedules.change(
            schedule, f"left-{uuid4().hex}", guard=lambda present: present.state != STOPPED, **changes
        )
        count += stopped is not None
    return count


def _all_of(tenant: str, user: str, context: Services) -> Iterator[Schedule]:
    cursor = ""
    while True:
        found, cursor = context.schedules.page(tenant, user, _PAGE, cursor)
        yield from found
        if not cursor:
            return
