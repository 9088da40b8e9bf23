"""The interface of a mail transport."""

from typing import TYPE_CHECKING, Protocol

from shared.errors import PermanentError, TransientError

if TYPE_CHECKING:
    from shared.notifications.channels.base import Message

_LONGEST_WAIT = 3600.0
"""Seconds that a mail service is left alone when it asks for more."""


class MailNotAccepted(TransientError):
    """The mail service did not accept the message this time, and wants none before ``retry_after`` seconds."""

    code = "mail-not-accepted"
    quotes = False
    outline = "the mail service did not take the message this time"

    def __init__(self, message: str, retry_after: float = 0) -> None:
        super().__init__(message)
        self.retry_after = min(max(retry_after, 0.0), _LONGEST_WAIT)


class MailRefused(PermanentError):
    """The mail service refused the message, and will again."""

    code = "mail-refused"
    quotes = False
    outline = "the mail service refused the message"


class Transport(Protocol):
    """Hands one message to a mail service."""

    def send(self, message: "Message", *, tried_before: bool) -> None:
        """Return when the service has accepted the message.

        ``tried_before``: an earlier try began and its end is not known; ask the service before sending again. Raises
        ``MailNotAccepted`` or ``MailRefused``.
        """
        ...
