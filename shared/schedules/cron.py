"""When a schedule is due: cron expressions in a time zone, and what is to be done about the times that have passed.

Five fields (minute, hour, day of month, month, day of week), as crontab(5) has them. Where the clock is put forward, a
job of a fixed time that the clock leaves out runs right after the gap; where it is put back, it runs once. A job of
every minute or hour goes by the time that really passes. This is what Debian's cron does, and what ``cronsim`` follows.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_LATE = timedelta(minutes=5)
"""A run that could not begin for longer than this was missed: nothing ran, or the one before took too long."""


def check_cron(expression: str) -> str:
    """What the expression means, in words. Raises ``ValueError`` that says what is wrong with it."""
    if len(expression.split()) != 5:
        raise ValueError(
            f"takes five fields (minute, hour, day of month, month, day of week), such as '30 6 * * 1-5'; "
            f"got '{expression[:80]}'"
        )
    try:
        parsed = CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC))
        next(parsed)
    except CronSimError as error:
        raise ValueError(f"is no cron expression: {str(error).lower()} in '{expression[:80]}'") from None
    except StopIteration:
        raise ValueError(f"never comes: '{expression[:80]}'") from None
    return str(parsed.explain())


def occurrences(expression: str, time_zone: str, after: datetime) -> Iterator[datetime]:
    """Every time after this one, in UTC, for as long as anybody asks (cronsim ends after fifty years)."""
    for moment in CronSim(expression, after.astimezone(ZoneInfo(time_zone))):
        yield moment.astimezone(UTC)


def jitter(schedule_id: str, due: datetime, most_seconds: int) -> timedelta:
    """How long after its time a run begins: spread over schedules and runs, and always the same for the same run."""
    digest = hashlib.sha256(f"{schedule_id}/{due.timestamp():.0f}".encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:8], "big") % (most_seconds + 1))


@dataclass(frozen=True)
class Timing:
    """When a schedule runs. ``catch_up``: whether one run makes up for all that were missed, or none does."""

    schedule_id: str
    cron: str
    time_zone: str
    jitter_seconds: int
    catch_up: bool

    def first(self, after: datetime) -> "Due":
        """The first time after this one. Raises ``StopIteration`` when there is none."""
        return self._due(next(occurrences(self.cron, self.time_zone, after)))

    def _due(self, moment: datetime) -> "Due":
        return Due(moment, moment + jitter(self.schedule_id, moment, self.jitter_seconds))

    def decide(self, waiting: "Due", now: datetime) -> "Decision":
        """What to do at ``now`` about the time that a schedule waits for, and those that have passed since.

        In good time every run is made, one after the other; after a pause, one or none for all of them.
        """
        if now < waiting.run_at:
            return Decision(None, 0, waiting)
        coming = map(self._due, occurrences(self.cron, self.time_zone, waiting.at))
        following = next(coming)
        if now - waiting.run_at <= _LATE:
            return Decision(waiting, 0, following)
        missed = 1
        while following.run_at <= now:
            waiting, following = following, next(coming)
            missed += 1
        if not self.catch_up and now - waiting.run_at > _LATE:
            return Decision(None, missed, following)
        return Decision(waiting, missed - 1, following)


@dataclass(frozen=True)
class Due:
    """A time of a schedule, and when its run begins; both UTC."""

    at: datetime
    run_at: datetime


@dataclass(frozen=True)
class Decision:
    """The run to make now, if any; how many are left out for it; and what the schedule waits for next."""

    run: Due | None
    missed: int
    following: Due
