"""Alerts: each failure in one of them, however often telling was begun."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from demo.azurite_server import Azurite
from shared.jobs.dead_letters import DeadLetter, FailureClass
from shared.notifications.mail.eml_folder import Outbox
from shared.notifications.operator_alerts import alert_operators
from shared.services import Services
from tests.in_process import services_on

LETTER = DeadLetter(
    "acme", "a", "users", "csv", "ada", 1, "2026-01-01T00:00:00.000Z", FailureClass.SOURCE, "query-failed", "no users"
)


@pytest.fixture
def context(azurite: Azurite, tmp_path: Path) -> Iterator[Services]:
    """The services, with an outbox in a folder of the test."""
    with services_on(azurite, OPERATOR_EMAIL="operators@example.com", MAIL_OUTBOX_DIR=str(tmp_path)) as made:
        yield made


def test_an_alert_that_was_cut_short_goes_out_once(context: Services, tmp_path: Path) -> None:
    """Under its own name, apart from what failed since; what the user alone can mend alerts nobody."""
    for letter in (
        replace(LETTER, id="cut1", alert="x"),
        replace(LETTER, id="cut2", alert="x"),
        replace(LETTER, id="new", tenant="globex"),
        replace(LETTER, id="users", failure_class=FailureClass.REQUEST),
    ):
        context.letters.add(letter)
    outbox = Outbox(str(tmp_path), "")
    assert [alert_operators(context), alert_operators(context)] == [3, 0]
    assert sorted(mail["subject"] for mail in outbox.mails()) == [
        "1 export failed for good",
        "2 exports failed for good",
    ]

    context.letters.add(replace(LETTER, id="new", tenant="globex", attempt=2))  # driven again, and failed again
    assert alert_operators(context) == 1
    assert len(outbox.mails()) == 3


def test_the_letter_of_an_attempt_is_written_once(context: Services) -> None:
    """An activity that runs twice does not take back that operators were told; an earlier attempt comes too late."""
    context.letters.add(replace(LETTER, id="twice", attempt=2))
    alert_operators(context)
    for attempt in (2, 1):
        context.letters.add(replace(LETTER, id="twice", attempt=attempt))
    found = context.letters.get("acme", "twice")
    assert found is not None
    assert (found.attempt, bool(found.alerted_at)) == (2, True)
