"""A message as a mail (RFC 5322, MIME): plain text and HTML side by side."""

from datetime import UTC, datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import Address, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any

from shared.notifications.channels.base import Message
from shared.notifications.mail.base import MailRefused


class _UrlHeader(UnstructuredHeader):
    """A header that is written on one line: folding would turn a long URL into encoded words."""

    def fold(self, *, policy: Any) -> str:
        return f"{self.name}: {self}{policy.linesep}"  # type: ignore[attr-defined]  # its registry adds the name


def headers_of(message: Message) -> dict[str, str]:
    """What tells mail programs that a machine wrote it (RFC 3834), and how to get no more (RFC 8058)."""
    headers = {"Auto-Submitted": "auto-generated"}
    if message.unsubscribe:
        headers["List-Unsubscribe"] = f"<{message.unsubscribe}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def mail_of(message: Message, sender: str) -> EmailMessage:
    """The mail. Its Message-ID is made of the operation id, so that a repetition can be told from a second mail.

    Raises ``MailRefused`` for a line break in a header, and for what is not one address in ASCII.
    """
    headers: Any = HeaderRegistry()
    headers.map_to_type("list-unsubscribe", _UrlHeader)
    mail = EmailMessage(policy=policy.SMTP.clone(header_factory=headers))
    try:
        mail["From"] = sender
        mail["To"] = Address(addr_spec=message.recipient)
        mail["Subject"] = message.subject
        mail["Date"] = format_datetime(datetime.now(UTC))
        mail["Message-ID"] = f"<{message.operation_id}@{parseaddr(sender)[1].rpartition('@')[2]}>"
        mail["X-Operation-Id"] = message.operation_id
        for name, value in headers_of(message).items():
            mail[name] = value
        mail.set_content(message.text)
        mail.add_alternative(message.html, subtype="html")
        bytes(mail)  # an address in another script fails only here
    except (ValueError, IndexError, MessageError) as error:  # its text may hold the address
        raise MailRefused(f"a mail cannot be made of this ({type(error).__name__})") from error
    return mail
