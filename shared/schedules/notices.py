"""Telling the owner of a schedule that it was stopped, once for each stop."""

from shared.notifications.owner_notices import News, tell
from shared.schedules.store import Schedule
from shared.services import Services


def tell_owner(schedule: Schedule, context: Services) -> None:
    """Tell of a stop; what cannot be sent now is tried again by the next call. Raises ``StorageUnavailable``."""
    reason = schedule.stop_reason
    news = News(
        "schedule-stopped", schedule.id, schedule.tenant, schedule.notice, schedule.caller, schedule.name, reason
    )
    if tell(news, context):
        context.schedules.change(
            schedule, f"told-{schedule.notice}", guard=lambda present: present.notice == schedule.notice, notice=""
        )
