"""Telling the owner of a schedule that it was stopped, once for each stop."""

from collections.abc import Callable

from shared.app_log import logger
from shared.errors import PermanentError, TransientError
from shared.mail import operations
from shared.schedules.records import Schedule
from shared.services import Services

Notice = Callable[[Schedule, Services], None]
"""``notice(schedule, context)``: tell of the stop that ``schedule.notice`` names; may be called again for it."""


def log_notice(schedule: Schedule, context: Services) -> None:
    """A line in the application's log."""
    extra = {"action": "schedule-stopped", "schedule": schedule.id, "tenant": schedule.tenant}
    logger.warning("schedule %s was stopped: %s", schedule.id, schedule.stop_reason, extra=extra)


def mail_notice(schedule: Schedule, context: Services) -> None:
    """A mail, when an address is known."""
    if to := str(schedule.caller["email"]):
        message = operations.schedule_stopped(
            schedule.id, schedule.notice, to, str(schedule.caller["name"]), schedule.name, schedule.stop_reason
        )
        context.delivery.send("email", message)


NOTICES: tuple[Notice, ...] = (log_notice, mail_notice)
"""How owners are told, one after the other."""


def tell_owner(schedule: Schedule, context: Services) -> None:
    """Tell of a stop; what cannot be sent now is tried again by the next call. Raises ``StorageUnavailable``."""
    try:
        for notice in NOTICES:
            notice(schedule, context)
    except TransientError as error:
        logger.warning("%s: %s", schedule.id, error, extra={"action": "notice-not-sent"})
        return
    except PermanentError as error:
        logger.warning("%s: %s", schedule.id, error, extra={"action": "notice-refused"})
    context.schedules.change(
        schedule, f"told-{schedule.notice}", guard=lambda present: present.notice == schedule.notice, notice=""
    )
