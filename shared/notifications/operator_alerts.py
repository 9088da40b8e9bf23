"""Telling operators what failed for good: one alert for all that failed since the last, and each failure in one alert.

First every new letter is given the name of an alert, then the alert goes out, then its letters say so. Whoever finds
letters of an alert that did not go out sends it, under the same name, so that a mail is not sent twice.
"""

from collections.abc import Callable, Sequence
from uuid import uuid4

from shared.errors import PermanentError, TransientError
from shared.jobs.dead_letters import DeadLetter, FailureClass
from shared.notifications.channels.base import Message
from shared.notifications.templates.mails import Facts, mail
from shared.observability.logging import logger
from shared.services import Services
from shared.timestamps import iso, utc_now

_MOST = 200
"""Letters of one alert."""

_NAMED = 20
"""Failures that a mail names one by one."""

Alert = Callable[[str, Sequence[DeadLetter], Services], None]
"""``alert(name, letters, context)``: tell operators; may be called again under the same name with the same letters."""


def log_alert(name: str, letters: Sequence[DeadLetter], context: Services) -> None:
    """A line in the application's log for each."""
    for letter in letters:
        extra = {"action": "dead-letter", "export_id": letter.id, "tenant": letter.tenant, "alert": name}
        what = (letter.id, letter.failure_class, letter.code)
        logger.error("export %s failed for good (%s): %s", *what, extra=extra)


def mail_alert(name: str, letters: Sequence[DeadLetter], context: Services) -> None:
    """One mail to ``OPERATOR_EMAIL``, when there is one."""
    if to := context.settings.operator_email:
        context.delivery.send("email", _mail(name, letters, to, context.settings.public_url))


def _mail(name: str, letters: Sequence[DeadLetter], recipient: str, public_url: str) -> Message:
    lines = [f"{x.id} ({x.tenant}, {x.export_type}, {x.failure_class}): {x.message}" for x in letters[:_NAMED]]
    if len(letters) > _NAMED:
        lines.append(f"and {len(letters) - _NAMED:,} more")
    listing = f"{public_url.rstrip('/')}/api/ops/dead-letters"
    facts = Facts("Operators", count=len(letters), listing=listing, lines=tuple(lines))
    return mail("alert", facts, "en", recipient, notice=name, about=letters[0].id)


ALERTS: tuple[Alert, ...] = (log_alert, mail_alert)
"""How operators are told, one after the other."""


def alert_operators(context: Services) -> int:
    """Send what is to be told; give the number of letters. What cannot be sent now is tried again by the next call.

    What the user alone can mend (class ``request``) is in the list, and alerts nobody. Raises ``StorageUnavailable``.
    """
    where = f"alerted_at eq '' and failure_class ne '{FailureClass.REQUEST}'"
    name = uuid4().hex
    for letter in context.letters.find(where, _MOST):
        if not letter.alert:
            context.letters.mark(letter, alert=name)
    alerts: dict[str, list[DeadLetter]] = {}
    for letter in context.letters.find(where, _MOST):
        if letter.alert:
            alerts.setdefault(letter.alert, []).append(letter)
    return sum(_send(name, letters, context) for name, letters in alerts.items())


def _send(name: str, letters: Sequence[DeadLetter], context: Services) -> int:
    try:
        for alert in ALERTS:
            alert(name, letters, context)
    except (TransientError, PermanentError) as error:
        logger.warning("alert %s was not sent: %s", name, error, extra={"action": "alert-not-sent"})
        return 0
    for letter in letters:
        context.letters.mark(letter, alerted_at=iso(utc_now()))
    return len(letters)
