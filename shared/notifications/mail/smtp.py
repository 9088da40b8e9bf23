"""A mail server (RFC 5321), with TLS from the start or after STARTTLS (RFC 3207).

A server has no memory of operation ids: when the connection is lost after the message went out, it goes out again,
under the same Message-ID, by which mail systems tell a repetition.
"""

import smtplib
import ssl
from urllib.parse import unquote, urlsplit

from shared.notifications.channels.base import Message
from shared.notifications.mail.base import MailNotAccepted, MailRefused
from shared.notifications.mail.mime import mail_of

TIMEOUT = 30
"""Seconds that a server may keep silent."""

_PORTS = {"smtps": 465, "smtp+starttls": 587, "smtp": 25}


class MailServer:
    """One server, a connection for each message."""

    def __init__(self, url: str, sender: str) -> None:
        self._url = urlsplit(url)
        self._sender = sender

    def send(self, message: Message, *, tried_before: bool) -> None:
        """See ``Transport.send``."""
        mail = mail_of(message, self._sender)
        try:
            with self._connection() as server:
                if self._url.scheme == "smtp+starttls":
                    server.starttls(context=ssl.create_default_context())
                if self._url.username:
                    server.login(unquote(self._url.username), unquote(self._url.password or ""))
                server.send_message(mail)
        except smtplib.SMTPAuthenticationError as error:
            raise MailNotAccepted("the mail server does not take the user and password of SMTP_URL") from error
        except smtplib.SMTPRecipientsRefused as error:
            raise _refusal(max(code for code, _ in error.recipients.values())) from error
        except smtplib.SMTPResponseException as error:
            raise _refusal(error.smtp_code) from error
        except smtplib.SMTPNotSupportedError as error:
            raise MailRefused(f"the mail server cannot do what is needed: {error}") from error
        except (smtplib.SMTPException, OSError) as error:
            raise MailNotAccepted("the mail server cannot be reached or does not answer") from error

    def _connection(self) -> smtplib.SMTP:
        host, port = self._url.hostname or "", self._url.port or _PORTS[self._url.scheme]
        if self._url.scheme == "smtps":
            return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=ssl.create_default_context())
        return smtplib.SMTP(host, port, timeout=TIMEOUT)


def _refusal(code: int) -> MailNotAccepted | MailRefused:
    """RFC 5321, section 4.2.1: 5yz will be refused again, anything else may pass."""
    if code >= 500:
        return MailRefused(f"the mail server refuses the message with {code}")
    return MailNotAccepted(f"the mail server answers {code}")
