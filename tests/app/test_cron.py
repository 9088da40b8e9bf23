"""When schedules run: counted to the minute, where clocks change and where nothing ran for a while.

SCHEDULE_DAYS sets how many days are gone through; ``make test-operations`` takes a year.
"""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from shared.schedules.cron import Timing, check_cron, occurrences
from shared.schedules.periods import Period, days_of

DAYS = int(os.environ.get("SCHEDULE_DAYS") or 8)
MINUTE = timedelta(minutes=1)
CHANGES = {
    "Europe/Paris": (datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)),
}
"""The days on which clocks change."""


def timing(cron: str, zone: str = "UTC", *, jitter: int = 0, catch_up: bool = True) -> Timing:
    """A schedule's."""
    return Timing("schedule", cron, zone, jitter, catch_up)


def ticks(start: datetime, end: datetime, *pauses: tuple[datetime, timedelta]) -> Iterator[datetime]:
    """The times at which the timer looks: a few seconds after every minute, but not in the pauses."""
    now = start + timedelta(seconds=3)
    while now < end:
        if not any(begin <= now < begin + length for begin, length in pauses):
            yield now
        now += MINUTE


def simulate(schedule: Timing, looks: Iterator[datetime], start: datetime) -> tuple[list[datetime], int]:
    """The runs that are made, and how many were missed."""
    runs: list[datetime] = []
    missed = 0
    waiting = schedule.first(start - timedelta(seconds=1))
    for now in looks:
        if now < waiting.run_at:
            continue
        decision = schedule.decide(waiting, now)
        missed += decision.missed
        if decision.run:
            runs.append(decision.run.at)
        waiting = decision.following
    return runs, missed


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("half", [0, 1], ids=["forward", "back"])
@pytest.mark.parametrize("zone", CHANGES)
def test_every_minute_with_downtimes_is_counted_exactly(zone: str, half: int) -> None:
    """Around a change of clocks: a run for every minute that the timer was there, one for each downtime, none twice."""
    change = CHANGES[zone][half]
    start = change - timedelta(days=DAYS // 2)
    end = start + timedelta(days=DAYS)
    minutes = DAYS * 24 * 60
    pauses = (
        (change + timedelta(hours=0, minutes=30), timedelta(hours=3)),  # over the change itself
        (start + timedelta(hours=30), timedelta(hours=7, minutes=13)),
        (end - timedelta(hours=9), timedelta(minutes=45)),
    )
    runs, missed = simulate(timing("* * * * *", zone), ticks(start, end, *pauses), start)
    down = 180 + 433 + 45
    assert len(runs) == minutes - down
    assert missed == down
    assert runs == sorted(set(runs))
    assert {run.second for run in runs} == {0}


def test_a_short_pause_loses_no_run() -> None:
    """What is a few minutes late is run, one after the other."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    pause = (start + timedelta(minutes=10), timedelta(minutes=4))
    runs, missed = simulate(timing("* * * * *"), ticks(start, start + timedelta(hours=1), pause), start)
    assert (len(runs), missed) == (60 - 4, 0)
    assert runs == [start + n * MINUTE for n in range(56)]


@pytest.mark.parametrize(
    ("zone", "cron", "times"),
    [
        ("Europe/Paris", "30 2 * * *", 365),  # there is no 02:30 on 29 March, and two on 25 October
        ("Europe/Paris", "30 2 29 3 *", 1),
        ("America/New_York", "30 1 * * *", 365),
        ("America/New_York", "30 2 * * *", 365),
        ("Europe/Paris", "0 * * * *", 8760),
        ("Asia/Kolkata", "0 0 1 * *", 12),
    ],
)
def test_a_year_has_so_many_runs(zone: str, cron: str, times: int) -> None:
    """A fixed time once a day, also when the clock leaves it out or shows it twice; every hour that really passes."""
    start, end = (datetime(year, 1, 1, tzinfo=ZoneInfo(zone)) for year in (2026, 2027))
    found = [m for m in islice(occurrences(cron, zone, start - MINUTE), times + 2) if m < end]
    assert (len(found), len(set(found))) == (times, times)


def test_a_time_that_the_clock_leaves_out_runs_right_after() -> None:
    """02:30 of 29 March in Paris: at 03:00, which is 01:00 UTC."""
    (found,) = islice(occurrences("30 2 29 3 *", "Europe/Paris", datetime(2026, 3, 28, tzinfo=UTC)), 1)
    assert found == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_a_pause_is_made_up_for_by_one_run_or_by_none() -> None:
    """An hourly schedule after half a day: the latest that was missed; without catching up, the next in time."""
    start = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
    looks = [start + timedelta(hours=12)]
    assert simulate(timing("0 * * * *"), iter(looks), start) == ([start + timedelta(hours=11, minutes=30)], 11)
    assert simulate(timing("0 * * * *", catch_up=False), iter(looks), start) == ([], 12)


def test_jitter_spreads_and_loses_nothing() -> None:
    """Every run within its bounds, always at the same moment, and different schedules at different ones."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    schedule = timing("*/10 * * * *", jitter=240)
    runs, missed = simulate(schedule, ticks(start, start + timedelta(days=1, minutes=5)), start)
    assert (len(runs), missed) == (145, 0)
    delays = {schedule.first(run - MINUTE).run_at - run for run in runs}
    assert len(delays) > 50
    assert timedelta(0) <= min(delays) < max(delays) <= timedelta(seconds=240)
    assert schedule.first(start) == timing("*/10 * * * *", jitter=240).first(start)


@pytest.mark.parametrize(
    ("cron", "sentence"),
    [
        ("every day", "takes five fields"),
        ("* * * * * *", "takes five fields"),
        ("61 * * * *", "bad minute"),
        ("0 0 31 2 *", "bad day-of-month"),
        ("@daily", "takes five fields"),
        ("", "takes five fields"),
    ],
)
def test_a_wrong_expression_is_named(cron: str, sentence: str) -> None:
    """With what is wrong, and an example."""
    with pytest.raises(ValueError, match=sentence):
        check_cron(cron)


def test_an_expression_in_words() -> None:
    """For people who do not read cron."""
    assert check_cron("0 9 * * 1-5") == "At 09:00 on Monday through Friday"


@pytest.mark.parametrize(
    ("period", "days"),
    [
        ("yesterday", ("2026-02-28", "2026-02-28")),
        ("last-7-days", ("2026-02-22", "2026-02-28")),
        ("last-30-days", ("2026-01-30", "2026-02-28")),
        ("last-week", ("2026-02-16", "2026-02-22")),
        ("last-month", ("2026-02-01", "2026-02-28")),
    ],
)
def test_a_period_is_of_the_day_in_the_time_zone(period: Period, days: tuple[str, str]) -> None:
    """It is Sunday the first of March in Paris already, and still Saturday in UTC."""
    due = datetime(2026, 2, 28, 23, 30, tzinfo=UTC)
    assert tuple(day.isoformat() for day in days_of(period, due, "Europe/Paris")) == days


def test_every_period_is_known() -> None:
    """To the API and to the calendar alike."""
    for period in get_args(Period):
        first, last = days_of(period, datetime(2026, 1, 1, tzinfo=UTC), "UTC")
        assert first <= last < date(2026, 1, 1)
