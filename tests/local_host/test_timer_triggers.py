"""Timer functions: schedules, and state over restarts."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from local_host.timer_triggers import Schedule, retry_delays
from tests.local_host.conftest import HostFactory, until

NOW = datetime(2026, 1, 31, 8, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 */5 * * * *", "2026-01-31T08:35:00"),
        ("*/5 * * * *", "2026-01-31T08:35:00"),
        ("*/10 * * * * *", "2026-01-31T08:30:20"),
        ("0 0 9-17 * * MON-FRI", "2026-02-02T09:00:00"),
        ("30 15 3 1 JAN *", "2027-01-01T03:15:30"),
        ("0 0 0 29 2 *", "2028-02-29T00:00:00"),
        ("0 0 0 13 * 5", "2026-02-13T00:00:00"),
        ("0 0 0 * * 0", "2026-02-01T00:00:00"),
        ("00:00:30", "2026-01-31T08:30:45"),
        ("1.00:00:00", "2026-02-01T08:30:15"),
    ],
)
def test_next_time(text: str, expected: str) -> None:
    """Six fields with seconds first, five without, a TimeSpan; day of month and weekday must both match."""
    assert Schedule(text).next(NOW).strftime("%Y-%m-%dT%H:%M:%S") == expected


def test_next_time_in_a_zone() -> None:
    """A time of day keeps its meaning when the clocks change."""
    schedule = Schedule("0 30 8 * * *", ZoneInfo("Europe/Berlin"))
    assert schedule.next(datetime(2026, 3, 28, 12, tzinfo=UTC)) == datetime(2026, 3, 29, 6, 30, tzinfo=UTC)
    assert schedule.next(datetime(2026, 3, 27, 12, tzinfo=UTC)) == datetime(2026, 3, 28, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "x", "* * *", "0 0 25 * * *", "0 0 0 0 0 0 0", "00:00:00", "a b c d e f"])
def test_no_schedule(text: str) -> None:
    """What is none is refused."""
    with pytest.raises(ValueError, match=r"\S"):
        Schedule(text)


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        (None, []),
        ({"strategy": "fixed_delay", "max_retry_count": "2", "delay_interval": "00:00:10"}, [10.0, 10.0]),
        (
            {
                "strategy": "exponential_backoff",
                "max_retry_count": "4",
                "minimum_interval": "00:00:02",
                "maximum_interval": "00:00:10",
            },
            [2.0, 4.0, 8.0, 10.0],
        ),
    ],
)
def test_retry_delays(policy: dict[str, str] | None, delays: list[float]) -> None:
    """A fixed delay, or one that doubles up to a limit."""
    assert retry_delays(policy) == delays


def test_timer_function_is_called_when_due(new_host: HostFactory) -> None:
    """Every second, and once at start-up where asked for."""
    source = """
    @app.timer_trigger("timer", "%EVERY%")
    def ticks(timer: func.TimerRequest) -> None:
        mark("tick" if not timer.past_due else "past due")

    @app.timer_trigger("timer", "0 0 0 1 1 *", run_on_startup=True)
    async def starts(timer: func.TimerRequest) -> None:
        mark("start")
    """
    host = new_host(source, env={"EVERY": "* * * * * *"})
    until(lambda: host.marked("start") == 1, 5)
    until(lambda: host.marked("tick") >= 2, 5)
    assert host.marked("start") == 1
    assert host.marked("past due") == 0


def test_timer_that_was_missed(new_host: HostFactory) -> None:
    """A time that passed while the host was down gives one past-due call at the next start."""
    source = """
    @app.timer_trigger("timer", "0 0 * * * *")
    def hourly(timer: func.TimerRequest) -> None:
        mark("past due" if timer.past_due else "on time")
    """
    host = new_host(source)
    host.stop()
    long_ago = (datetime.now(UTC) - timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    db = sqlite3.connect(host.data_dir / "testhubname.db")
    db.execute("UPDATE timer_triggers SET next=?", (long_ago,))
    db.commit()
    db.close()
    host.start()
    until(lambda: host.marked("past due") == 1, 5)
    host.stop()
    host.start()
    assert host.post("/admin/functions/hourly").status == 202
    assert (host.marked("past due"), host.marked("on time")) == (1, 1)


def test_timer_function_that_fails_is_retried(new_host: HostFactory) -> None:
    """The retry policy of the function is followed; the function sees the count."""
    source = """
    @app.timer_trigger("timer", "0 0 0 1 1 *", run_on_startup=True)
    @app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:00")
    def fragile(timer: func.TimerRequest, context: func.Context) -> None:
        mark(f"attempt-{context.retry_context.retry_count}")
        raise RuntimeError("no")
    """
    host = new_host(source)
    until(lambda: host.marked("attempt-2") == 1, 5)
    assert [host.marked(f"attempt-{n}") for n in range(4)] == [1, 1, 1, 0]
    assert host.post("/admin/functions/nobody").status == 404


def test_what_a_timer_function_sees(new_host: HostFactory) -> None:
    """Schedule status with last and next time."""
    source = """
    @app.timer_trigger("timer", "0 0 * * * *")
    def seen(timer: func.TimerRequest) -> None:
        (MARKS / "seen").write_text(json.dumps([timer.past_due, timer.schedule_status, timer.schedule]))
    """
    host = new_host(source)
    host.post("/admin/functions/SEEN")
    past_due, status, schedule = json.loads((host.marks / "seen").read_text())
    assert past_due is False
    assert sorted(status) == ["Last", "LastUpdated", "Next"]
    assert datetime.fromisoformat(status["Next"]).minute == 0
    assert schedule == {"AdjustForDST": True}
