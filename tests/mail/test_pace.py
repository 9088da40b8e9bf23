"""The pace of mails: as many as the service takes, whoever sends them; the others are told when to come again."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from azure.data.tables import TableServiceClient

from shared.notifications.mail import rate_limit
from shared.notifications.mail.base import MailNotAccepted
from shared.notifications.mail.rate_limit import Pace
from shared.notifications.sent_messages import SentMail

NOW = datetime(2026, 3, 9, 8, 5, 20, tzinfo=UTC)


@pytest.fixture(autouse=True)
def fresh(sent_mail: SentMail) -> None:
    """Nothing went out yet."""
    sent_mail.delete("pace")


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    """Turn the clock."""
    monkeypatch.setattr(rate_limit, "utc_now", lambda: moment)


def refused(turns: Pace) -> float:
    """The seconds to wait."""
    with pytest.raises(MailNotAccepted, match="mails went out in") as told:
        turns.take()
    return told.value.retry_after


def test_so_many_a_minute_and_no_more(tables: TableServiceClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one may go when the next minute begins."""
    turns = Pace(tables, per_minute=3, per_hour=100)
    at(monkeypatch, NOW)
    for _ in range(3):
        turns.take()
    assert refused(turns) == 40
    at(monkeypatch, NOW + timedelta(seconds=40))
    turns.take()


def test_so_many_an_hour_and_no_more(tables: TableServiceClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one may go when the oldest is an hour old."""
    turns = Pace(tables, per_minute=2, per_hour=3)
    for minutes in (0, 0, 30):
        at(monkeypatch, NOW + timedelta(minutes=minutes))
        turns.take()
    assert refused(turns) == 30 * 60 - 20
    at(monkeypatch, NOW + timedelta(minutes=60, seconds=-20))
    turns.take()


def test_many_workers_share_one_pace(tables: TableServiceClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask at once."""
    at(monkeypatch, NOW)

    def one(_number: int) -> bool:
        try:
            Pace(tables, per_minute=5, per_hour=100).take()
        except MailNotAccepted:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(one, range(12))) == 5
