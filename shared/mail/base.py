"""The interface of a mail transport."""

from typing import Protocol

from shared.channels.base import Message
from shared.errors import PermanentError, TransientError


class MailNotAccepted(TransientError):
    """The mail service did not accept the message this time."""

    code = "mail-not-accepted"


class MailRefused(PermanentError):
    """The mail service refused the message, and will again."""

    code = "mail-refused"


class Transport(Protocol):
    """Hands one message to a mail service."""

    def send(self, message: Message, *, tried_before: bool) -> None:
        """Return when the service has accepted the message.

        ``tried_before``: an earlier try began and its end is not known; ask the service before sending again. Raises
        ``MailNotAccepted`` or ``MailRefused``.
        """
        ...
